"""A cell carried through time: in one direction, or in both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from throughtime import cells
from throughtime.cells import Cell
from throughtime.engine.protocol import Array, ScanWeights, Signal, Stage
from throughtime.errors import ParameterError
from throughtime.initializers import ParameterSpec
from throughtime.layers.layer import Backward, Forward, Layer


@dataclass(frozen=True)
class Recurrent(Layer):
    """A layer of ``size`` units of one cell: ``[T, N, input_size]`` to ``[T, N, size]``.

    Parameters of the layer are ``U [D, G*H]``, ``W [H, G*H]``, ``b [G*H]``, ``e [A*H]`` for gates kept apart, and the
    cell's per-unit vectors. ``reverse`` reads each row from its own last element to its first.
    """

    cell: Cell | str
    inputs: int
    size: int
    reverse: bool = False
    name: str = "recurrent"

    def __post_init__(self) -> None:
        object.__setattr__(self, "cell", cells.get(self.cell))
        for what, number in (("inputs", self.inputs), ("size", self.size)):
            if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 1:
                raise ParameterError(f"{what} of a recurrent layer must be an integer of at least 1, got {number!r}")

    @property
    def unit(self) -> Cell:
        return cells.get(self.cell)

    @property
    def input_size(self) -> int:
        return self.inputs

    @property
    def output_size(self) -> int:
        return self.size

    @property
    def reads_ahead(self) -> bool:
        return self.reverse

    def specs(self) -> dict[str, ParameterSpec]:
        cell, D, H = self.unit, self.inputs, self.size
        G, A = len(cell.gates), len(cell.apart)
        specs = {"U": ParameterSpec((D, G * H), "input", G)}
        if cell.recurrent:
            specs["W"] = ParameterSpec((H, G * H), "hidden", G)
        specs["b"] = ParameterSpec((G * H,), "vector", G, tuple(cell.bias.get(gate, 0.0) for gate in cell.gates))
        if A:
            specs["e"] = ParameterSpec((A * H,), "vector", A)
        for vector, value in cell.vectors.items():
            specs[vector] = ParameterSpec((H,), "vector", 1, (value,))
        return {f"{self.name}.{key}": spec for key, spec in specs.items()}

    def states(self) -> dict[str, tuple[int, ...]]:
        return {self.name: (self.size,) * len(self.unit.states)}

    def _weights(self, parameters: Any) -> ScanWeights:
        def of(key: str) -> Any:
            return parameters.get(f"{self.name}.{key}")

        return ScanWeights(of("U"), of("W"), of("b"), of("e"), tuple(of(vector) for vector in self.unit.vectors))

    def forward(self, x: Signal, run: Forward) -> tuple[Array, Any]:
        outputs, final, tape = run.engine.scan(
            self.unit,
            self._weights(run.parameters),
            x,
            run.state[self.name],
            lengths=run.lengths,
            reverse=self.reverse,
            keep=run.keep,
        )
        run.final[self.name] = final
        return outputs, tape

    def backward(self, tape: Any, d_y: Array, run: Backward, needs_input: bool = True) -> Signal | None:
        d_x, d_weights, d_state = run.engine.scan_back(
            tape, d_y, run.d_final.get(self.name), window=run.window, needs_input=needs_input
        )
        run.d_initial[self.name] = d_state
        for key in ("U", "W", "b", "e"):
            gradient = getattr(d_weights, key)
            if gradient is not None:
                run.add(f"{self.name}.{key}", gradient)
        for vector, gradient in zip(self.unit.vectors, d_weights.p, strict=True):
            run.add(f"{self.name}.{vector}", gradient)
        return d_x

    @property
    def takes_one_hot(self) -> bool:
        return True

    def stage(self) -> Stage:
        return Stage("recurrent", self.name, self.inputs, self.size, self.unit, self.reverse)

    def describe(self) -> str:
        return f"{self.unit.name} of {self.size}{', reversed' if self.reverse else ''}"


@dataclass(frozen=True)
class Bidirectional(Layer):
    """Two layers of one cell, one reading forward and one backward, their outputs side by side.

    ``[T, N, inputs]`` to ``[T, N, 2 * size]`` (Schuster and Paliwal, 1997). Each row is read backward from its own last
    element.
    """

    cell: Cell | str
    inputs: int
    size: int
    name: str = "recurrent"

    def __post_init__(self) -> None:
        self.directions()  # which check the cell and the sizes

    @property
    def reads_ahead(self) -> bool:
        return True

    def directions(self) -> tuple[Recurrent, Recurrent]:
        return (
            Recurrent(self.cell, self.inputs, self.size, reverse=False, name=f"{self.name}.forward"),
            Recurrent(self.cell, self.inputs, self.size, reverse=True, name=f"{self.name}.backward"),
        )

    @property
    def input_size(self) -> int:
        return self.inputs

    @property
    def output_size(self) -> int:
        return 2 * self.size

    def specs(self) -> dict[str, ParameterSpec]:
        forward, backward = self.directions()
        return forward.specs() | backward.specs()

    def states(self) -> dict[str, tuple[int, ...]]:
        forward, backward = self.directions()
        return forward.states() | backward.states()

    def forward(self, x: Signal, run: Forward) -> tuple[Array, Any]:
        passes = [layer.forward(x, run) for layer in self.directions()]
        return np.concatenate([outputs for outputs, _ in passes], axis=-1), [tape for _, tape in passes]

    def backward(self, tape: Any, d_y: Array, run: Backward, needs_input: bool = True) -> Signal | None:
        halves = np.split(d_y, 2, axis=-1)
        d_xs = [
            layer.backward(part, np.ascontiguousarray(half), run, needs_input)
            for layer, part, half in zip(self.directions(), tape, halves, strict=True)
        ]
        d_forward, d_backward = d_xs
        return None if d_forward is None else d_forward + d_backward

    @property
    def takes_one_hot(self) -> bool:
        return True

    def stage(self) -> Stage:
        parts = tuple(layer.stage() for layer in self.directions())
        return Stage("bidirectional", self.name, self.inputs, 2 * self.size, cells.get(self.cell), parts=parts)

    def describe(self) -> str:
        return f"{cells.get(self.cell).name} of {self.size}, both directions"
