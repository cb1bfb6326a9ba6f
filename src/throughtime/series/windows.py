"""Pieces of series that are read by the network: for training at every step, for a forecast at the last one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.network import Batch
from throughtime.series.features import AT_ONCE, Features, Prepared
from throughtime.tables.pieces import spans
from throughtime.tables.spill import Spill


@dataclass(frozen=True)
class Windows:
    """Pieces of prepared series.

    Parameters
    ----------
    prepared : sequence of Prepared
    features : Features
    places : ``[n, 3]``: which series, where the piece begins, and where it ends
    counted : ``[n]``, from which step of its series on a piece is counted
    lengths : ``[n]``, how many steps each has
    last : ``[series]``, the last step of each series that may be a target
    outputs : int
        How many numbers are given for each target: quantiles, or one.
    """

    prepared: Sequence[Prepared]
    features: Features
    places: Array
    counted: Array
    lengths: Array
    last: Array
    outputs: int = 1

    @classmethod
    def at(
        cls, prepared: Sequence[Prepared], features: Features, numbers: Array, starts: Array, ends: Array
    ) -> Windows:
        """Pieces that are counted at their last step alone."""
        last = np.array([len(one) - 1 for one in prepared])
        return cls(prepared, features, np.stack([numbers, starts, ends], axis=1), ends - 1, ends - starts, last)

    @classmethod
    def overlapping(
        cls, prepared: Sequence[Prepared], features: Features, ends: Array, context: int, outputs: int, spill: Spill
    ) -> Windows | None:
        """Pieces of ``context`` steps of what is before the ``ends`` of series; None if none counts any value.

        Each begins a quarter of them behind the one before it; a step is counted where enough came before it.
        """
        step = max(1, context // 4)
        most = int((1 - np.minimum(context - ends, 0) // step).sum())
        found, filled = spill.empty((most, 5), np.int64), 0
        for number, (one, end) in enumerate(zip(prepared, ends.tolist(), strict=True)):
            last = max(0, end - context)
            starts = np.append(np.arange(0, last, step), last)
            stops = np.minimum(starts + context, end)
            counted = np.where(starts == 0, 0, starts + min(step, context - 1))
            before = np.append(0, np.cumsum(_that_count(one, end)))
            some = np.stack([np.full(len(starts), number), starts, stops, counted, stops - starts], axis=1)
            some = some[before[stops] > before[counted]]
            found[filled : filled + len(some)] = some
            filled += len(some)
        if not filled:
            return None
        found = found[:filled]
        return cls(prepared, features, found[:, :3], found[:, 3], found[:, 4], ends - 1, outputs)

    def that_count(self) -> Windows | None:
        """Those that count any value; None if there are none."""
        chosen = np.array(
            [
                _targets(self.prepared[number], max(start, counted), end, self.last[number])[1].any()
                for (number, start, end), counted in zip(self.places, self.counted, strict=True)
            ]
        )
        if not chosen.any():
            return None
        places, counted, lengths = self.places[chosen], self.counted[chosen], self.lengths[chosen]
        return replace(self, places=places, counted=counted, lengths=lengths)

    def inputs(self, rows: Array, T: int) -> Array:
        """``[T, N, D]`` for these pieces, zero where they have ended; row -1 is empty."""
        x = self._empty(rows, T)
        for n, row in enumerate(rows):
            if row >= 0:
                number, start, end = self.places[row]
                self._fill(x[: end - start, n], self.prepared[number], start, end)
        return x

    def _empty(self, rows: Array, T: int) -> Array:
        first = self.prepared[0]
        width = first.now.shape[1] + (self.features.leads + 1) * first.future.shape[1]
        return np.zeros((T, len(rows), width), np.float32)

    def _fill(self, x: Array, one: Prepared, start: int, end: int) -> None:
        """Inputs ``[T, D]`` of one piece."""
        width = one.now.shape[1]
        x[:, :width] = one.now[start:end]
        if one.future.shape[1]:
            steps = np.arange(start, end)[:, None] + np.arange(self.features.leads + 1)
            x[:, width:] = one.future[np.minimum(steps, len(one.future) - 1)].reshape(end - start, -1)

    def batch(self, rows: Array, T: int) -> Batch:
        """Inputs, targets and weights of these pieces."""
        x, outputs = self._empty(rows, T), self.outputs
        targets = np.zeros((T, len(rows), self.features.leads * self.prepared[0].y.shape[1]), np.float32)
        weights = np.zeros_like(targets)
        lengths = np.zeros(len(rows), np.int64)
        for n, row in enumerate(rows):
            if row < 0:
                continue
            number, start, end = self.places[row]
            one, length, uncounted = self.prepared[number], end - start, max(0, self.counted[row] - start)
            self._fill(x[:length, n], one, start, end)
            values, counts = _targets(one, start, end, self.last[number])
            counts[:uncounted] = False
            lengths[n] = length
            targets[:length, n] = np.where(counts, values, 0)
            weights[:length, n] = counts
        whole = bool((lengths == T).all())
        return Batch(
            x,
            np.repeat(targets, outputs, axis=2),
            np.repeat(weights, outputs, axis=2),
            None if whole else lengths,
        )


def _targets(one: Prepared, start: int, end: int, last: int) -> tuple[Array, Array]:
    """``[n, h * C]`` for these steps, and which of them are known up to the ``last`` step."""
    values = one.targets(start, end)
    known = np.isfinite(values)
    if end - 1 + one.leads > last:
        lead = np.repeat(np.arange(1, one.leads + 1), one.y.shape[1])
        known &= np.arange(start, end)[:, None] + lead <= last
    return values, known


def _that_count(one: Prepared, end: int) -> Array:
    """``[end]``: whether any target of a step is known before the end."""
    found = np.empty(end, bool)
    for steps in spans(end, AT_ONCE):
        found[steps] = _targets(one, steps.start, steps.stop, end - 1)[1].any(axis=1)
    return found
