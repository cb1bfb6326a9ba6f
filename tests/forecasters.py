"""Small forecasters and made series that several tests look at; they are shared, so that nobody may change them."""

from __future__ import annotations

from functools import cache

import numpy as np

from throughtime import Forecaster

SMALL = {"hidden_size": 8, "max_steps": 20, "learning_rate": 0.01, "dropout": 0.0, "random_state": 1, "verbose": 0}


def small(horizon=3, **changes):
    """A forecaster that trains in a tenth of a second."""
    return Forecaster(horizon, **SMALL | changes)


def learner(horizon=1, **changes):
    """One that trains in a second, enough to learn something simple."""
    return small(horizon, **{"hidden_size": 16, "max_steps": 300, "learning_rate": 0.02} | changes)


def wave(steps=120, seed=0):
    """A season of 7, a trend and noise."""
    t = np.arange(steps)
    return 20 + 5 * np.sin(2 * np.pi * t / 7) + 0.05 * t + np.random.default_rng(seed).normal(0, 0.5, steps)


def days(steps, start="2024-01-01"):
    return np.datetime64(start) + np.arange(steps)


def shop(steps=60, more=0):
    """A table of two series of unequal length with columns of every role; ``more`` rows are ahead."""
    table = {name: [] for name in ("shop", "day", "sales", "visits", "price", "kind", "size")}
    for name, kind, size, length in (("north", "big", 3.0, steps), ("south", "small", 1.0, steps - 15)):
        rows = length + more
        random = np.random.default_rng(len(name) + length)
        table["shop"] += [name] * rows
        table["day"] += [str(day) for day in days(rows)]
        table["sales"] += [*(100 * size + wave(length)), *[np.nan] * more]
        table["visits"] += [*random.normal(50, 5, length), *[np.nan] * more]
        table["price"] += [*random.normal(2, 0.5, rows)]
        table["kind"] += [kind] * rows
        table["size"] += [size] * rows
    return {name: np.array(column) for name, column in table.items()}


ROLES = {
    "target": "sales",
    "past": "visits",
    "future": "price",
    "static": ["kind", "size"],
    "time": "day",
    "series": "shop",
}


@cache
def fitted():
    """One series in an array."""
    return small(season=7).fit(wave())


@cache
def of_shops():
    """A panel with columns of every role."""
    return small(**ROLES).fit(shop())
