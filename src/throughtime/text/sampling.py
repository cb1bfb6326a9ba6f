"""How the next symbol is chosen, as a user says it."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

import numpy as np

from throughtime.engine.protocol import Sampling
from throughtime.errors import ParameterError, known
from throughtime.parameters import SAMPLING
from throughtime.text.blocks import as_bytes
from throughtime.text.vocabularies import END, Vocabulary


class Choices(TypedDict, total=False):
    """How the next symbol is chosen.

    ``temperature`` (default 1): below 1 safer, above 1 wilder. ``top_k``: among the k likeliest symbols only.
    ``top_p``: among the likeliest symbols that together have this probability. ``min_p`` (default 0): among those that
    have at least this share of the likeliest one's probability. ``repetition_penalty`` (default 1): above 1 the symbols
    among the last 64 are less likely. ``greedy``: always the likeliest. ``bias``: what is added to the outputs of
    symbols, ``{symbol: number}``. ``ban``: symbols that are never written, characters and bytes as one string too.
    ``"<end>"`` is the end of a document.
    """

    temperature: float
    top_k: int | None
    top_p: float | None
    min_p: float
    repetition_penalty: float
    greedy: bool
    bias: Mapping[Any, float]
    ban: Iterable[Any]


def sampling(vocabulary: Vocabulary, **choices: Any) -> Sampling:
    """A checked :class:`~throughtime.engine.protocol.Sampling`.

    Raises
    ------
    ParameterError
        If a name is unknown, a value makes no sense, or every symbol is banned.
    UnknownSymbol
        If a symbol with a bias or a ban is not one of the vocabulary's.
    """
    names = (*SAMPLING, "bias", "ban")
    for name in choices:
        if name not in names:
            raise ParameterError(f"there is no way to choose symbols called {name!r}; there are {known(names)}")
    values = {name: choices.get(name, parameter.default) for name, parameter in SAMPLING.items()}
    for name, value in values.items():
        SAMPLING[name].check(name, value)
    bias, ban = choices.get("bias"), choices.get("ban")
    bias = _bias(vocabulary, {} if bias is None else bias, () if ban is None else ban)
    if sum(value == -math.inf for value in bias.values()) >= len(vocabulary):
        raise ParameterError("ban leaves no symbol that could be written")
    return Sampling(**values, bias=tuple(sorted(bias.items())))


def _bias(vocabulary: Vocabulary, bias: Mapping[Any, float], ban: Iterable[Any]) -> dict[int, float]:
    if not isinstance(bias, Mapping):
        raise ParameterError(f"bias must be symbols and numbers, such as {{'a': -1.0}}, got {bias!r}")
    found: dict[int, float] = {}
    for symbol, value in bias.items():
        plain = value.item() if isinstance(value, np.generic) else value
        number = isinstance(plain, (int, float)) and not isinstance(plain, bool)
        if not number or not -math.inf <= plain <= sys.float_info.max:
            raise ParameterError(f"the bias of {symbol!r} must be a number, got {value!r}")
        found |= dict.fromkeys(vocabulary.ids_of(symbol), float(plain))
    if not isinstance(ban, Iterable):
        raise ParameterError(f"ban must be a list of symbols, got {ban!r}")
    for symbol in _symbols(vocabulary, ban):
        found |= dict.fromkeys(vocabulary.ids_of(symbol), -math.inf)
    return found | dict.fromkeys(vocabulary.unwritten, -math.inf)


def _symbols(vocabulary: Vocabulary, ban: Iterable[Any]) -> Iterable[Any]:
    """A string is its characters or bytes, or one word; bytes are their numbers."""
    if not isinstance(ban, str):
        return ban
    if ban == END or vocabulary.level not in ("char", "byte"):
        return [ban]
    return as_bytes(ban) if vocabulary.level == "byte" else ban
