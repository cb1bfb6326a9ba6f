"""Forecasts of a trained network: from the last steps of series to values ahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.network import Network
from throughtime.series.features import Features, Scale
from throughtime.series.frequency import Frequency
from throughtime.series.panel import Series
from throughtime.series.windows import Windows
from throughtime.tables.pieces import spans
from throughtime.training.batches import steps_for

AT_ONCE = 256
"""So many windows are read side by side."""

STEPS_AT_ONCE = 1_000_000
"""Series of so many steps together are prepared at once."""


@dataclass(frozen=True)
class Origin:
    """Where a forecast is made from: the end of a series."""

    series: Series
    scale: Scale


@dataclass(frozen=True)
class Reader:
    """A network with what it needs to read series.

    Parameters
    ----------
    network : Network
    features : Features
    context : int
        How many steps it reads, from an empty state.
    columns : int
        Number of targets, C.
    middle : int
        Which of its outputs for a target is the value, not a quantile.
    frequency : Frequency or None
    """

    network: Network
    features: Features
    context: int
    columns: int
    middle: int
    frequency: Frequency | None

    def outputs(self, windows: Windows) -> Array:
        """What the network says at the end of each window: ``[n, h, C, outputs]``, in units of the scale."""
        lengths = windows.lengths
        leads, width = self.features.leads, self.network.body.output_size or 0
        found = np.empty((len(lengths), leads, self.columns, width // (leads * self.columns)))
        order = np.argsort(lengths, kind="stable")
        with self.network.engine.working():
            for start in range(0, len(order), AT_ONCE):
                rows = order[start : start + AT_ONCE]
                steps = min(steps_for(int(lengths[rows].max())), self.context)
                outputs, _ = self.network.forward(windows.inputs(rows, steps), lengths=lengths[rows])
                found[rows] = outputs[lengths[rows] - 1, np.arange(len(rows))].reshape(len(rows), *found.shape[1:])
        return found

    def forecast(self, series: Sequence[Series], scales: Sequence[Scale], leads: int) -> Array:
        """What comes after the end of each series: ``[n, leads, C, outputs]``, in units of the data.

        A network that sees fewer leads than are asked for goes on from its own forecast; past covariates then keep
        their last values.
        """
        some = max(1, min(AT_ONCE, STEPS_AT_ONCE // max(map(len, series))))
        origins = ([*map(Origin, series[rows], scales[rows])] for rows in spans(len(series), some))
        return np.concatenate([self._forecast(one, leads) for one in origins])

    def _forecast(self, origins: Sequence[Origin], leads: int) -> Array:
        sizes = np.stack([origin.scale.size for origin in origins])[:, None, :, None]
        pieces: list[Array] = []
        for done in range(0, leads, self.features.leads):
            prepared = [self.features.of(origin.series, origin.scale) for origin in origins]
            ends = np.array([len(one) for one in prepared])
            starts = np.maximum(ends - self.context, 0)
            outputs = self.outputs(Windows.at(prepared, self.features, np.arange(len(ends)), starts, ends))
            references = np.stack([one.reference_at(len(one) - 1) for one in prepared])
            pieces.append(references[..., None] + sizes * outputs)
            if done + self.features.leads < leads:
                middles = pieces[-1][..., self.middle]
                origins = [self._after(origin, values) for origin, values in zip(origins, middles, strict=True)]
        return np.concatenate(pieces, axis=1)[:, :leads]

    def _after(self, origin: Origin, values: Array) -> Origin:
        """The series with forecast values ``[h, C]`` behind its end."""
        series, time = origin.series, origin.series.time
        if time is not None and self.frequency is not None:
            time = np.concatenate([time, self.frequency.after(time, len(values))])
        past = np.concatenate([series.past, np.repeat(series.past[-1:], len(values), axis=0)])
        target = np.concatenate([series.target, values])
        return replace(origin, series=replace(series, target=target, past=past, time=time))
