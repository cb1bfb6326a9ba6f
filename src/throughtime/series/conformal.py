"""Intervals that hold what they promise: split conformal prediction.

A network's quantile is moved by what it was off by on held-out windows (Romano, Patterson and Candes, 2019, theorem 2:
each side by itself). For the level tau above 1/2 the shift is the ceil((n + 1) tau)-th smallest of the n differences
``y - q``; below 1/2 the floor((n + 1) tau)-th; where there are too few windows for that, the largest or smallest.
"""

from __future__ import annotations

import numpy as np

from throughtime.engine.protocol import Array

FEW = 20
"""With fewer windows than this for a lead, all leads have one shift."""


def shifts(q: Array, y: Array, quantiles: Array) -> Array:
    """How far each quantile is to be moved: ``[h, C, Q]``.

    Parameters
    ----------
    q : ``[n, h, C, Q]``, what was forecast, in units of the scale
    y : ``[n, h, C]``, what came; NaN where it is not known
    quantiles : ``[Q]``, the levels
    """
    off = y[..., None] - q
    found = np.zeros(q.shape[1:])
    for column in range(q.shape[2]):
        for level, tau in enumerate(quantiles):
            for lead in range(q.shape[1]):
                one = off[:, lead, column, level]
                one = one[np.isfinite(one)]
                if len(one) < FEW:
                    one = off[:, :, column, level]
                    one = one[np.isfinite(one)]
                found[lead, column, level] = shift(one, tau)
    return found


def shift(off: Array, tau: float) -> float:
    """The shift for one level; 0 where nothing is known."""
    n = len(off)
    if not n:
        return 0.0
    rank = round((n + 1) * tau, 6)  # 30 * 0.1 is 3, not a little more
    rank = np.ceil(rank) if tau >= 0.5 else np.floor(rank)
    return float(np.sort(off)[int(np.clip(rank, 1, n)) - 1])


def moved(q: Array, shifts: Array, levels: Array, middle: Array) -> Array:
    """Quantiles ``[n, h, C, Q]`` moved, in order, and those of 1/2 the middle ``[n, h, C]`` itself."""
    middle = middle[..., None]
    found = q + shifts
    found = np.where(levels < 0.5, np.minimum(found, middle), np.maximum(found, middle))
    return np.sort(np.where(levels == 0.5, middle, found), axis=-1)


def measured(q: Array, y: Array, levels: Array, late: Array) -> float | None:
    """The share of values between the lowest and the highest quantile, by windows that had no part in the shifts.

    The early windows calibrate and the ``late [n]`` ones are counted, and the other way round; where the halves meet,
    windows overlap. None where no value is known, one half is empty, or all levels lie on one side of 1/2.
    """
    if late.all() or not late.any() or not levels[0] < 0.5 < levels[-1]:
        return None
    inside, known = 0, 0
    middle = q[..., np.argmin(np.abs(levels - 0.5))]
    for counts in (late, ~late):
        calibrates = ~counts
        interval = moved(q[counts], shifts(q[calibrates], y[calibrates], levels), levels, middle[counts])
        there = np.isfinite(y[counts])
        inside += int(((y[counts] >= interval[..., 0]) & (y[counts] <= interval[..., -1]) & there).sum())
        known += int(there.sum())
    return inside / known if known else None


def later_half(numbers: Array) -> Array:
    """Which windows ``[n]`` are in the later half of those of their series; each series' stand together, in order.

    The middle one of an odd number is late in every second series.
    """
    found = np.zeros(len(numbers), bool)
    for number in np.unique(numbers):
        places = np.flatnonzero(numbers == number)
        found[places] = 2 * np.arange(len(places)) + number % 2 >= len(places)
    return found
