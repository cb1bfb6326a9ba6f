"""Pieces of series that are read by the network: for training at every step, for a forecast at the last one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.network import Batch
from throughtime.series.features import Features, Prepared


@dataclass(frozen=True)
class Windows:
    """Pieces of prepared series.

    Parameters
    ----------
    prepared : sequence of Prepared
    features : Features
    places : ``[n, 3]``: which series, where the piece begins, and where it ends
    counted : ``[n]``, from which step of its series on a piece is counted
    last : ``[n]``, the last step of its series that may be a target
    outputs : int
        How many numbers are given for each target: quantiles, or one.
    """

    prepared: Sequence[Prepared]
    features: Features
    places: Array
    counted: Array
    last: Array
    outputs: int = 1

    @classmethod
    def at(
        cls, prepared: Sequence[Prepared], features: Features, numbers: Array, starts: Array, ends: Array
    ) -> Windows:
        """Pieces that are counted at their last step alone."""
        last = np.array([len(one) - 1 for one in prepared])[numbers]
        return cls(prepared, features, np.stack([numbers, starts, ends], axis=1), ends - 1, last)

    def that_count(self) -> Windows | None:
        """Those that count any value; None if there are none."""
        lead = self._lead_of_each()
        chosen = []
        for place, (number, start, end) in enumerate(self.places):
            first = max(start, self.counted[place])
            steps = np.arange(first, end)[:, None]
            values = self.prepared[number].targets(first, end)
            if (np.isfinite(values) & (steps + lead <= self.last[place])).any():
                chosen.append(place)
        if not chosen:
            return None
        return replace(self, places=self.places[chosen], counted=self.counted[chosen], last=self.last[chosen])

    def _lead_of_each(self) -> Array:
        """``[h * C]``: how many steps ahead each target is."""
        return np.repeat(np.arange(1, self.features.leads + 1), self.prepared[0].y.shape[1])

    @property
    def lengths(self) -> Array:
        return np.asarray(self.places[:, 2] - self.places[:, 1])

    def inputs(self, rows: Array, T: int) -> Array:
        """``[T, N, D]`` for these pieces, zero where they have ended; row -1 is empty."""
        leads = self.features.leads
        first = self.prepared[0]
        width = first.now.shape[1] + (leads + 1) * first.future.shape[1]
        x = np.zeros((T, len(rows), width), np.float32)
        for n, row in enumerate(rows):
            if row < 0:
                continue
            number, start, end = self.places[row]
            one = self.prepared[number]
            x[: end - start, n, : one.now.shape[1]] = one.now[start:end]
            if one.future.shape[1]:
                steps = np.arange(start, end)[:, None] + np.arange(leads + 1)
                there = one.future[np.minimum(steps, len(one.future) - 1)]
                x[: end - start, n, one.now.shape[1] :] = there.reshape(end - start, -1)
        return x

    def batch(self, rows: Array, T: int) -> Batch:
        """Inputs, targets and weights of these pieces."""
        outputs, lead = self.outputs, self._lead_of_each()
        targets = np.zeros((T, len(rows), len(lead)), np.float32)
        weights = np.zeros((T, len(rows), len(lead)), np.float32)
        lengths = np.zeros(len(rows), np.int64)
        for n, row in enumerate(rows):
            if row < 0:
                continue
            number, start, end = self.places[row]
            lengths[n] = end - start
            values = self.prepared[number].targets(start, end)
            step = np.arange(start, end)[:, None]
            counts = np.isfinite(values) & (step >= self.counted[row]) & (step + lead <= self.last[row])
            targets[: end - start, n] = np.where(counts, values, 0)
            weights[: end - start, n] = counts
        whole = bool((lengths == T).all())
        return Batch(
            self.inputs(rows, T),
            np.repeat(targets, outputs, axis=2),
            np.repeat(weights, outputs, axis=2),
            None if whole else lengths,
        )
