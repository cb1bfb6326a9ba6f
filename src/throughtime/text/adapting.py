"""Goes on with a model that has learned something, on new text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.errors import DataError, ParameterError
from throughtime.estimator import resolve_cell
from throughtime.network import Network
from throughtime.text.blocks import Texts, parts_of
from throughtime.text.learning import network
from throughtime.text.model_file import Fitted
from throughtime.text.sizing import Sizes
from throughtime.text.vocabularies import Vocabulary

if TYPE_CHECKING:
    from throughtime.text.generator import TextGenerator

MOST_STRANGE = 0.5
"""Of a text with a larger share of symbols that the model does not know it can make no use."""

LEARNING_RATE = 0.2
"""The share of an optimizer's own learning rate that a model goes on with."""

FIXED = ("hidden_size", "num_layers", "embedding_size")


class Wider(NamedTuple):
    """A vocabulary that knows a new text too."""

    vocabulary: Vocabulary
    places: Array
    """The new id of each old symbol."""

    @property
    def added(self) -> list[object]:
        """The new symbols."""
        symbols = self.vocabulary.symbols
        return [symbols[place] for place in np.setdiff1d(np.arange(len(symbols)), self.places)]


def check_same(model: TextGenerator, fitted: Fitted) -> None:
    """Raises :class:`ParameterError` where a parameter asks for another network than the one that there is."""
    for name in FIXED:
        asked, there = getattr(model, name), getattr(fitted.sizes, name)
        if asked is not None and asked != there:
            raise ParameterError(
                f"warm_start goes on with the network that there is, whose {name} is {there}, got {name}={asked}; "
                "leave it open, or learn anew with warm_start=False"
            )
    for name in ("level", "cell", "activation", "residual", "vocab_size"):
        asked, there = getattr(model, name), fitted.parameters[name]
        if getattr(asked, "name", asked) != there:
            raise ParameterError(
                f"warm_start goes on with the model that there is, whose {name} is {there!r}, got {asked!r}"
            )
    if resolve_cell(model.cell, model.activation) != fitted.cell:
        raise ParameterError(
            f"warm_start goes on with the cell that there is, got another one of the same name, {fitted.cell.name!r}; "
            "give the one that the model was made with, or learn anew with warm_start=False"
        )


def widen(vocabulary: Vocabulary, texts: Texts, ends: bool) -> Wider:
    """A vocabulary for these texts too.

    Raises
    ------
    DataError
        If most of their symbols are unknown, as in a text in another script.
    """
    symbols = strange = 0
    for text, _ in parts_of(texts, "symbols"):
        ids, unknown, _ = vocabulary.find(text)
        symbols += len(ids)
        strange += int((unknown | np.isin(ids, vocabulary.unwritten)).sum())
    if strange > MOST_STRANGE * symbols:
        raise DataError(
            f"the model knows few symbols of this text: {strange / symbols:.0%} of {symbols:,} are new to it, as in "
            "another script or language; train a new model"
        )
    return Wider(*vocabulary.extended(texts, ends))


def go_on(model: TextGenerator, before: Fitted, wider: Wider, engine: Any, seed: int) -> tuple[Network, Sizes]:
    """A network that begins with the weights of the one before, and its sizes; dropout may be another."""
    sizes = before.sizes if model.dropout is None else replace(before.sizes, dropout=float(model.dropout))
    net = network(model, before.cell, len(wider.vocabulary), sizes, engine=engine, random_state=seed)
    shapes = {name: w.shape for name, w in net.parameters.items()}
    net.set_parameters(widened(before.network.parameters, shapes, wider.places))
    return net, sizes


def widened(parameters: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]], places: Array) -> dict[str, Array]:
    """The weights with room for more symbols: a new one begins as the mean of those that there are, and unlikely."""
    found = {}
    for name, w in parameters.items():
        differing = [axis for axis, (old, new) in enumerate(zip(w.shape, shapes[name], strict=True)) if old != new]
        if not differing:
            found[name] = w
            continue
        (axis,) = differing
        start = w.min() if w.ndim == 1 else w.mean(axis=axis, keepdims=True)
        wide = np.array(np.broadcast_to(start, shapes[name]))
        wide[(slice(None),) * axis + (places,)] = w
        found[name] = wide
    return found
