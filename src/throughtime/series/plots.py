"""A forecast as a picture, by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.inspection.plots import axes
from throughtime.series.panel import Panel

SHOWN = 6
"""So many horizons of the past are drawn, or 40 steps."""


def plot_forecast(
    panel: Panel, points: Array, quantiles: Array, levels: Sequence[float], place: int, ax: Any = None
) -> Any:
    """The end of a series and what comes after it: the middle as a dashed line, quantiles as bands."""
    ax = axes(ax)
    (series,) = panel
    leads = len(points)
    past = series.last(max(SHOWN * leads, 40))
    ahead = panel.times_after(series, leads)
    if ahead is None or past.time is None:
        before, ahead = np.arange(1 - len(past), 1), np.arange(1, leads + 1)
    else:
        before = past.time
    ax.plot(before, past.target[:, place], color="black", linewidth=1, label="so far")
    pairs = len(levels) // 2
    for pair in range(pairs):
        low, high = levels[pair], levels[-1 - pair]
        ax.fill_between(
            ahead,
            quantiles[:, place, pair],
            quantiles[:, place, -1 - pair],
            color="tab:blue",
            alpha=0.25 / pairs + 0.1,
            linewidth=0,
            label=f"{low:g} to {high:g}",
        )
    ax.plot(ahead, points[:, place], "o--", color="tab:blue", markersize=3, label="forecast")
    title = panel.roles.target[place] if series.name is None else f"{panel.roles.target[place]}, {series.name}"
    ax.set(title=title, xlabel=panel.roles.time or "step")
    if series.time is not None and series.time.dtype.kind == "M":
        ax.figure.autofmt_xdate()
    ax.grid(alpha=0.3)
    ax.legend()
    return ax
