"""Layers made of layers: one after another, and around a shortcut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from throughtime.cells import Cell
from throughtime.engine.protocol import Array, Signal, Stage
from throughtime.errors import ParameterError, ShapeError
from throughtime.initializers import ParameterSpec
from throughtime.layers.dropout import Dropout, VariationalDropout
from throughtime.layers.layer import Backward, Forward, Layer
from throughtime.layers.pool import Pool
from throughtime.layers.recurrent import Bidirectional, Recurrent


@dataclass(frozen=True)
class Stacked(Layer):
    """Layers one after another.

    Raises
    ------
    ShapeError
        If a layer does not fit the one before it, takes ids but is not the first, or has a name that is taken.
    ParameterError
        If a layer that goes through time stands behind a pool, or a pool of the last step behind a layer of two
        directions does not say which units were read backward.
    """

    layers: Sequence[Layer]

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise ShapeError("a network needs at least one layer")
        size: int | None = self.layers[0].input_size
        names: set[str] = set()
        pooled = False
        for place, layer in enumerate(self.layers):
            if place and layer.takes_ids:
                raise ShapeError(f"layer {place} ({layer.describe()}) takes token ids, so it must be the first layer")
            if place and None not in (size, layer.input_size) and size != layer.input_size:
                raise ShapeError(
                    f"layer {place} ({layer.describe()}) takes inputs of size {layer.input_size}, "
                    f"the layer before gives {size}"
                )
            if place and self.layers[place - 1].gives_one_hot and not layer.takes_one_hot:
                raise ShapeError(
                    f"layer {place} ({layer.describe()}) cannot take one-hot rows; use an Embedding instead"
                )
            if pooled and (layer.states() or layer.pools):
                raise ParameterError(
                    f"layer {place} ({layer.describe()}) goes through time, but behind a Pool each row has one step; "
                    "put the Pool behind it"
                )
            pooled = pooled or layer.pools
            if isinstance(layer, Pool):
                _check_pool(layer, place, self.layers[:place], size)
            size = layer.output_size or size
            own = layer.names()
            if taken := names & own:
                raise ShapeError(f"two layers are called {min(taken)!r}; give one another name=")
            names |= own

    @property
    def input_size(self) -> int | None:
        sizes = (layer.input_size for layer in self.layers)
        return next((size for size in sizes if size is not None), None)  # of the first that is not for any size

    @property
    def output_size(self) -> int | None:
        return next((layer.output_size for layer in reversed(self.layers) if layer.output_size), None)

    @property
    def takes_ids(self) -> bool:
        return self.layers[0].takes_ids

    @property
    def reads_ahead(self) -> bool:
        return any(layer.reads_ahead for layer in self.layers)

    @property
    def pools(self) -> bool:
        return any(layer.pools for layer in self.layers)

    def specs(self) -> dict[str, ParameterSpec]:
        return {name: spec for layer in self.layers for name, spec in layer.specs().items()}

    def names(self) -> set[str]:
        return {name for layer in self.layers for name in layer.names()}

    def states(self) -> dict[str, tuple[int, ...]]:
        return {name: sizes for layer in self.layers for name, sizes in layer.states().items()}

    def forward(self, x: Signal, run: Forward) -> tuple[Any, list[Any]]:
        tapes = []
        for layer in self.layers:
            x, tape = layer.forward(x, run)
            tapes.append(tape)
        return x, tapes

    def backward(self, tape: list[Any], d_y: Any, run: Backward, needs_input: bool = True) -> Any:
        for place in reversed(range(len(self.layers))):
            layer = self.layers[place]
            below = any(earlier.specs() for earlier in self.layers[:place])  # somebody there wants a gradient
            d_y = layer.backward(tape[place], d_y, run, needs_input or below)
            if d_y is None:
                break
        return d_y

    @property
    def takes_one_hot(self) -> bool:
        return self.layers[0].takes_one_hot

    @property
    def gives_one_hot(self) -> bool:
        return self.layers[-1].gives_one_hot

    def stage(self) -> Stage:
        parts = tuple(layer.stage() for layer in self.layers)
        return Stage("stacked", inputs=self.input_size, size=self.output_size, parts=parts)

    def describe(self) -> str:
        return ", ".join(layer.describe() for layer in self.layers)


def _check_pool(pool: Pool, place: int, below: Sequence[Layer], size: int | None) -> None:
    """A pool of the last step has to be told which units were read backward."""
    number = pool.reversed_from
    if number is not None and size is not None and number > size:
        raise ShapeError(f"layer {place} ({pool.describe()}) has reversed_from={number}, the layer before gives {size}")
    source = next((layer for layer in reversed(below) if layer.output_size is not None), None)
    if pool.kind == "last" and number is None and source is not None and source.reads_ahead:
        raise ParameterError(
            f"layer {place} ({pool.describe()}) takes units that were read backward ({source.describe()}), whose last "
            f"step is the first: pass reversed_from, the number of the first such unit ({source.output_size}: none)"
        )


@dataclass(frozen=True)
class Residual(Layer):
    """``x + layer(x)``: the layer learns what to add (He et al., 2016). Input and output have the same size.

    Raises
    ------
    ShapeError
        If they have not.
    ParameterError
        If the layer pools: a shortcut joins steps with their own outputs.
    """

    layer: Layer

    def __post_init__(self) -> None:
        if self.layer.pools:
            raise ParameterError(
                f"a residual layer adds to each step what its layer gives there; {self.layer.describe()} gives one "
                "step for a whole row"
            )
        if self.layer.takes_ids or self.layer.input_size != self.layer.output_size:
            raise ShapeError(
                f"a residual layer needs inputs and outputs of one size; {self.layer.describe()} has "
                f"{self.layer.input_size} and {self.layer.output_size}"
            )

    @property
    def input_size(self) -> int | None:
        return self.layer.input_size

    @property
    def output_size(self) -> int | None:
        return self.layer.output_size

    @property
    def reads_ahead(self) -> bool:
        return self.layer.reads_ahead

    def specs(self) -> dict[str, ParameterSpec]:
        return self.layer.specs()

    def names(self) -> set[str]:
        return self.layer.names()

    def states(self) -> dict[str, tuple[int, ...]]:
        return self.layer.states()

    def forward(self, x: Array, run: Forward) -> tuple[Array, Any]:
        y, tape = self.layer.forward(x, run)
        return x + y, tape

    def backward(self, tape: Any, d_y: Array, run: Backward, needs_input: bool = True) -> Array | None:
        d_x = self.layer.backward(tape, d_y, run, needs_input)
        return d_y + d_x if needs_input else None

    def stage(self) -> Stage:
        return Stage("residual", inputs=self.input_size, size=self.output_size, parts=(self.layer.stage(),))

    def describe(self) -> str:
        return f"{self.layer.describe()}, residual"


def recurrent_stack(
    cell: Cell | str,
    inputs: int,
    size: int,
    *,
    num_layers: int = 1,
    bidirectional: bool = False,
    residual: bool = False,
    dropout: float = 0.0,
    variational_dropout: float = 0.0,
) -> list[Layer]:
    """Recurrent layers one on another, each followed by its dropout, the last included.

    ``residual`` puts a shortcut around every layer above the first. Layers are called ``recurrent.0``,
    ``recurrent.1``, ...
    """
    layers: list[Layer] = []
    for number in range(num_layers):
        kind = Bidirectional if bidirectional else Recurrent
        group: list[Layer] = [kind(cell, inputs, size, name=f"recurrent.{number}")]
        inputs = group[0].output_size or inputs
        if dropout:
            group.append(Dropout(dropout, name=f"dropout.{number}"))
        if variational_dropout:
            group.append(VariationalDropout(variational_dropout, name=f"variational_dropout.{number}"))
        layers += [Residual(Stacked(group))] if residual and number > 0 else group
    return layers
