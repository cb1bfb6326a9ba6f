"""What a training needs of memory, reckoned before anything of it is there, and what is done where it is not to be had.

The formula is that of ``docs/memory.md``. Where the steps of a batch are what does not fit, time is cut into segments,
see :mod:`throughtime.layers.segments`; else the training is refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from throughtime.engine.free_memory import free_memory
from throughtime.engine.protocol import Engine, batch_bytes
from throughtime.errors import ParameterError
from throughtime.layers import Layer, Stacked
from throughtime.layers.segments import best_number, can_segment
from throughtime.losses import Loss

SNAPSHOTS = 2
"""So many copies of the weights and the optimizer's running values are kept to go back to."""

KEPT_BEST = 1 + SNAPSHOTS
"""And so many of the best weights, or of those that are averaged over: a snapshot has its own."""


ONE_DIRECTION = "one direction alone (bidirectional=False), whose time can be cut into segments"


@dataclass(frozen=True)
class Size:
    """The largest batch of a source: its time steps, and its rows."""

    steps: int
    rows: int


@dataclass(frozen=True)
class Need:
    """Bytes of a training."""

    weights: int
    """Weights, gradients, running values of the optimizer, the engine's copies, and what is kept to go back to."""
    step: int
    """A batch, and what a step keeps of it for the way back."""
    scoring: int
    """A pass over a batch of the validation part."""

    @property
    def total(self) -> int:
        return self.weights + self.step + self.scoring


@dataclass(frozen=True)
class Outline:
    """A training that does not exist yet.

    Parameters
    ----------
    layers : sequence of Layer
    loss : Loss
    engine : Engine
    learned : Size
        Of what is learned from.
    scored : Size or None
        Of the validation part.
    slots : int
        Running values of the optimizer for each parameter.
    keeps_best : bool
        Whether the best weights are kept.
    averages : bool
        Whether the mean of the last weights is.
    cuts : bool, default True
        Whether its time may be cut into segments.
    """

    layers: Sequence[Layer]
    loss: Loss
    engine: Engine
    learned: Size
    scored: Size | None
    slots: int
    keeps_best: bool
    averages: bool
    cuts: bool = True

    @property
    def parameters(self) -> int:
        """How many numbers are learned."""
        return sum(math.prod(spec.shape) for layer in self.layers for spec in layer.specs().values())

    def need(self, segments: int | None = None) -> Need:
        """What it takes, with all steps of a batch together, or in so many segments."""
        stages = tuple(layer.stage() for layer in self.layers)
        scored, kernel = self.scored, self.loss.kernel
        scoring = 0 if scored is None else self.engine.forward_bytes(stages, kernel, scored.steps, scored.rows)
        T, N = self.learned.steps, self.learned.rows
        at_once = T if segments is None else -(-T // segments)
        step = self.engine.step_bytes(stages, kernel, self.parameters, at_once, N)
        if segments is not None:
            states = sum(map(sum, Stacked(self.layers).states().values()))
            step += 2 * batch_bytes(stages, kernel, T, N) + (segments + 1) * N * states * self.engine.dtype.itemsize
        return Need(self._weights(), step, scoring)

    def _weights(self) -> int:
        of_each = 2 + self.slots + self.engine.copies + SNAPSHOTS * (1 + self.slots)
        of_each += KEPT_BEST if self.keeps_best else 0
        sums = 8 * KEPT_BEST if self.averages else 0  # in float64
        return self.parameters * (of_each * self.engine.dtype.itemsize + sums)

    def segments(self, levers: Sequence[str]) -> int | None:
        """In how many segments time is to be cut so that the training fits into memory; None: it is not.

        Parameters
        ----------
        levers : names of the parameters that make it smaller

        Raises
        ------
        ParameterError
            If it does not fit either way.
        """
        free = free_memory()
        if free is None or self.need().total <= free:
            return None
        number = best_number(self.learned.steps)
        helps = self.cuts and self.need(number).total <= free
        if helps and can_segment(Stacked(self.layers)):
            return number
        way_out = f"a smaller {_either(levers)}" + (f"; or {ONE_DIRECTION}" if helps else "")
        raise ParameterError(self._refusal(free, way_out))

    def _refusal(self, free: int, way_out: str) -> str:
        """What is needed, what there is, and what to do."""
        need = self.need()
        return (
            f"this training needs about {in_words(need.total)} of memory ({in_words(need.weights)} for "
            f"{self.parameters:,} parameters with all that is kept of them, {in_words(need.step + need.scoring)} for "
            f"batches of {self.learned.rows:,} rows and {self.learned.steps:,} steps), and there are {in_words(free)}; "
            f"give {way_out}"
        )


def in_words(size: int) -> str:
    """Bytes, to be read.

    >>> in_words(3 << 29), in_words(5 << 20)
    ('1.5 GiB', '5.0 MiB')
    """
    return f"{size / 2**30:,.1f} GiB" if size >= 1 << 30 else f"{size / 2**20:,.1f} MiB"


def _either(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
