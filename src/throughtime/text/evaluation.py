"""How well a text was expected."""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Evaluation:
    """How well a text was expected."""

    loss: float
    """Nats per symbol."""
    symbols: int
    """How many were counted: all but the first of each document, or all and its end where the model knows ends."""
    characters: int
    """How many characters the text has."""
    unknown: int = 0
    """How many of the symbols were unknown words, which count as ``<unk>``."""

    @property
    def bits_per_symbol(self) -> float:
        """The loss in bits."""
        return self.loss / math.log(2)

    @property
    def bits_per_character(self) -> float:
        """The same for each character of the text, by which models of different levels can be compared.

        It flatters a model of words by what ``<unk>`` does not tell.
        """
        return self.bits_per_symbol * self.symbols / self.characters

    @property
    def perplexity(self) -> float:
        """Among how many equally likely symbols the model would hesitate as much."""
        return math.exp(self.loss) if self.loss < 700 else math.inf


def characters(parts: Iterable[tuple[str | bytes, bool]]) -> int:
    """How many characters texts have, which come in parts, each with whether a text ends there; bytes are UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return sum(len(part if isinstance(part, str) else decoder.decode(part, final=ends)) for part, ends in parts)
