"""Dropout (Srivastava et al., 2014), and with one mask for all time steps of a chunk (Gal and Ghahramani, 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from throughtime.engine.protocol import Array, Stage
from throughtime.engine.random import dropout_key
from throughtime.errors import ParameterError
from throughtime.layers.layer import Backward, Forward, Layer


@dataclass(frozen=True)
class Dropout(Layer):
    """In training, sets elements to zero with probability ``rate`` and divides the others by ``1 - rate``.

    The mask depends on the seed, the step, the layer's name, row, time and unit, and on nothing else.

    Raises
    ------
    ParameterError
        If the rate is not at least 0 and below 1.
    """

    rate: float
    name: str = "dropout"
    per_step = True

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise ParameterError(f"dropout must be at least 0 and below 1, got {self.rate!r}")

    def names(self) -> set[str]:
        return {self.name}

    @property
    def input_size(self) -> None:
        return None

    @property
    def output_size(self) -> None:
        return None

    def forward(self, x: Array, run: Forward) -> tuple[Array, Any]:
        if run.noise is None or self.rate == 0:
            return x, None
        purpose = dropout_key(run.noise.seed, self.name)
        return run.engine.dropout(x, self.rate, purpose, run.noise.step, per_step=self.per_step, start=run.start)

    def backward(self, tape: Any, d_y: Array, run: Backward, needs_input: bool = True) -> Array:
        return d_y if tape is None else run.engine.dropout_back(tape, d_y, run.window)

    def stage(self) -> Stage:
        return Stage("dropout", self.name, rate=self.rate, per_step=self.per_step)

    def describe(self) -> str:
        return f"dropout {self.rate:g}"


@dataclass(frozen=True)
class VariationalDropout(Dropout):
    """Dropout whose mask is the same at every time step of a chunk."""

    name: str = "variational_dropout"
    per_step = False

    def describe(self) -> str:
        return f"variational dropout {self.rate:g}"
