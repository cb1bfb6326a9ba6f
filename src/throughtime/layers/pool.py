"""One value for each row from those of all its steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from throughtime.engine.protocol import Array, Stage
from throughtime.errors import ParameterError
from throughtime.layers.layer import Backward, Forward, Layer

KINDS = ("last", "mean", "max")


@dataclass(frozen=True)
class Pool(Layer):
    """One value of each unit for a whole row: ``[T, N, D]`` to ``[1, N, D]``, over the steps that the row has.

    What follows has one time step, and so have the targets and weights of the batch. A row without steps gives 0.

    Parameters
    ----------
    kind : {"last", "mean", "max"}, default "last"
        The value at the end of the row; the mean; the largest.
    reversed_from : int, optional
        For ``"last"``: units from number ``reversed_from`` on were read backward, so that they end at the row's first
        step. It is H behind a ``Bidirectional`` layer with H units in each direction, 0 behind a ``Recurrent`` one with
        ``reverse=True``, where it must be given. So a row gives the final state of either direction, as ``h_n`` does in
        PyTorch.

    Raises
    ------
    ParameterError
        If the kind is unknown, or ``reversed_from`` is no number of units or given for another kind.
    """

    kind: Literal["last", "mean", "max"] = "last"
    reversed_from: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ParameterError(f"the kind of a pool must be 'last', 'mean' or 'max', got {self.kind!r}")
        number = self.reversed_from
        if number is None:
            return
        if self.kind != "last":
            raise ParameterError(f"reversed_from is for Pool('last'); {self.kind!r} takes all steps alike")
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 0:
            raise ParameterError(f"reversed_from must be an integer of at least 0, got {number!r}")

    @property
    def input_size(self) -> None:
        return None

    @property
    def output_size(self) -> None:
        return None

    @property
    def reads_ahead(self) -> bool:
        return True

    @property
    def pools(self) -> bool:
        return True

    def forward(self, x: Array, run: Forward) -> tuple[Array, Any]:
        return run.engine.pool(x, self.kind, lengths=run.lengths, reversed_from=self.reversed_from)

    def backward(self, tape: Any, d_y: Array, run: Backward, needs_input: bool = True) -> Array | None:
        return run.engine.pool_back(tape, d_y) if needs_input else None

    def stage(self) -> Stage:
        return Stage("pool", pooling=self.kind, reversed_from=self.reversed_from)

    def describe(self) -> str:
        return f"{self.kind} of each row"
