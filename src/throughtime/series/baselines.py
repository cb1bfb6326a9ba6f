"""Forecasts that need no network, by which others are judged (Hyndman and Athanasopoulos, 2021, section 5.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.series.features import ahead, filled, references

Baseline = Callable[[Array, int, int], Array]
"""``(y [T, C], season, leads)`` to ``[T, h, C]``: what is forecast at each step; NaN where too little came before."""


def naive(y: Array, season: int, leads: int) -> Array:
    """The last value."""
    return references(y, "last", season, leads, np.zeros(y.shape[1]))


def seasonal_naive(y: Array, season: int, leads: int) -> Array:
    """The value of one season ago."""
    return references(y, "season", season, leads, np.zeros(y.shape[1]))


def drift(y: Array, season: int, leads: int) -> Array:
    """The last value, and on along the line from the first one."""
    known = filled(y)
    there = np.isfinite(y)
    steps = np.arange(len(y))[:, None]
    first = np.where(there.any(axis=0), there.argmax(axis=0), 0)
    last = np.maximum.accumulate(np.where(there, steps, -1), axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = (known - y[first, np.arange(y.shape[1])]) / (last - first)
    lead = np.arange(1, leads + 1)[:, None]
    since = (steps - last)[:, None]
    return np.asarray(known[:, None] + slope[:, None] * (lead + since))


BASELINES: Mapping[str, Baseline] = {"naive": naive, "seasonal naive": seasonal_naive, "drift": drift}


def with_quantiles(y: Array, forecast: Array, quantiles: Array) -> Array:
    """``[h, C, Q]``: the last forecast, and the quantiles of what those before it were off by."""
    errors = ahead(y, forecast.shape[1])[:-1] - forecast[:-1]
    found = np.full((*forecast.shape[1:], len(quantiles)), np.nan)
    for place in np.ndindex(errors.shape[1:]):
        known = errors[(slice(None), *place)]
        known = known[np.isfinite(known)]
        if len(known):
            found[place] = forecast[-1][place] + np.quantile(known, quantiles)
    return found
