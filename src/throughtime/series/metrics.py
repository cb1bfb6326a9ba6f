"""How good forecasts were, lead by lead.

RMSE and MAE are in units of the data. sMAPE is ``200 |y - f| / (|y| + |f|)`` in per cent (Makridakis, 1993, as in the
M4 competition); MASE is the MAE of a series divided by that of its seasonal naive forecast one season ahead within the
history (Hyndman and Koehler, 2006, eq. 4); the pinball loss is the mean over the quantiles (Koenker and Bassett, 1978).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.errors import how_many
from throughtime.series.features import filled

METRICS = ("rmse", "mae", "smape", "mase", "pinball", "coverage")


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of one method, and what came.

    Parameters
    ----------
    point : ``[n, h, C]``
    quantiles : ``[n, h, C, Q]``
    truth : ``[n, h, C]``, NaN where it is not known
    size : ``[n, C]``, what the errors are divided by for MASE

    Examples
    --------
    >>> import numpy as np
    >>> found = Forecasts(np.zeros((1, 2, 1)), np.zeros((1, 2, 1, 1)), np.array([[[3.0], [-4.0]]]), np.ones((1, 1)))
    >>> found.scores(np.array([0.5]))["mae"].tolist()
    [3.0, 4.0]
    """

    point: Array
    quantiles: Array
    truth: Array
    size: Array

    def scores(self, levels: Array) -> dict[str, Array]:
        """Each metric at each lead, ``[h]``: the mean over series and columns, of what is known.

        Parameters
        ----------
        levels : ``[Q]``, those of the quantiles
        """
        error = self.truth - self.point
        with np.errstate(invalid="ignore", divide="ignore"):
            relative = 200 * np.abs(error) / (np.abs(self.truth) + np.abs(self.point))
            relative = np.where(error == 0, 0, relative)
            scaled = np.abs(error) / self.size[:, None]
        off = self.truth[..., None] - self.quantiles
        pinball = np.maximum(levels * off, (levels - 1) * off).mean(axis=-1)
        inside = (self.truth >= self.quantiles[..., 0]) & (self.truth <= self.quantiles[..., -1])
        covered = np.where(np.isfinite(off).all(axis=-1), inside, np.nan)
        return {
            "rmse": np.sqrt(_mean(error**2)),
            "mae": _mean(np.abs(error)),
            "smape": _mean(relative),
            "mase": _mean(scaled),
            "pinball": _mean(pinball),
            "coverage": _mean(covered),
        }


def _mean(values: Array) -> Array:
    """Over rows and columns, of what is known: ``[h]``."""
    there = np.isfinite(values)
    count = there.sum(axis=(0, 2))
    return np.asarray(np.where(count, np.where(there, values, 0).sum(axis=(0, 2)) / np.maximum(count, 1), np.nan))


def _mean_of_known(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def mase_size(history: Array, season: int) -> Array:
    """The MAE of the seasonal naive forecast within a history ``[T, C]``; NaN where it is 0 or cannot be known."""
    before = filled(history, season)
    error = np.abs(history[season:] - before[:-season])
    there = np.isfinite(error)
    size = np.where(there, error, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    return np.asarray(np.where(size > 0, size, np.nan))


@dataclass(frozen=True)
class Scores:
    """The network beside the baselines; ``print`` shows it, with a sentence on who won: by MASE (see ``judged_by``).

    Attributes
    ----------
    by_lead : mapping of method to mapping of metric to ``[h]``
        Methods are ``"network"``, ``"naive"``, ``"seasonal naive"`` (where there is a season) and ``"drift"``; metrics
        ``"rmse"``, ``"mae"``, ``"smape"``, ``"mase"``, ``"pinball"`` and ``"coverage"``, NaN where one is not known.
    levels : tuple of float
        The quantiles.
    windows : int
        How many forecasts were judged.

    Examples
    --------
    >>> import numpy as np
    >>> def off_by(error):
    ...     point = np.full((1, 1, 1), error)
    ...     return Forecasts(point, point[..., None], np.zeros((1, 1, 1)), np.ones((1, 1)))
    >>> found = Scores.of({"network": off_by(3.0), "naive": off_by(2.0)}, (0.5,))
    >>> found.best_baseline, found.wins
    ('naive', False)
    >>> print(found.verdict.partition(";")[0])
    the network's MASE is 50% ABOVE that of the best baseline (naive)
    """

    by_lead: Mapping[str, Mapping[str, Array]]
    levels: tuple[float, ...]
    windows: int

    @classmethod
    def of(cls, methods: Mapping[str, Forecasts], levels: Sequence[float]) -> Scores:
        """The scores of forecasts, by method; all are of the same truths."""
        array = np.asarray(levels)
        windows = len(next(iter(methods.values())).truth)
        return cls({name: found.scores(array) for name, found in methods.items()}, tuple(levels), windows)

    def overall(self, method: str = "network") -> dict[str, float]:
        """Each metric of a method: the mean over the leads (of the RMSE, the root of the mean square)."""
        found = self.by_lead[method]
        means = {name: _mean_of_known(found[name]) for name in METRICS}
        return means | {"rmse": float(np.sqrt(_mean_of_known(found["rmse"] ** 2)))}

    @property
    def best_baseline(self) -> str:
        """The one with the smallest error by :attr:`judged_by`."""
        return min((name for name in self.by_lead if name != "network"), key=self._error)

    @property
    def wins(self) -> bool:
        """Whether the network has the smallest error by :attr:`judged_by`."""
        return self._error("network") < self._error(self.best_baseline)

    @property
    def judged_by(self) -> str:
        """What decides who wins: ``"mase"``, in which every series and target counts alike, whatever its size.

        Where it is not known, as of a history that repeats exactly, ``"mae"``.
        """
        return "mase" if np.isfinite(self.overall()["mase"]) else "mae"

    def _error(self, method: str) -> float:
        return self.overall(method)[self.judged_by]

    def columns(self) -> dict[str, list[Any]]:
        """A table: a row for each method and lead."""
        rows = [(method, lead) for method, found in self.by_lead.items() for lead in range(len(found["mae"]))]
        table: dict[str, list[Any]] = {"method": [m for m, _ in rows], "lead": [lead + 1 for _, lead in rows]}
        return table | {name: [float(self.by_lead[m][name][lead]) for m, lead in rows] for name in METRICS}

    def __str__(self) -> str:
        width = max(map(len, self.by_lead))
        low, high = self.levels[0], self.levels[-1]
        lines = [f"{'':<{width}}" + "".join(f"{name:>11}" for name in METRICS)]
        lines += [
            f"{method:<{width}}" + "".join(f"{value:>11.4g}" for value in self.overall(method).values())
            for method in self.by_lead
        ]
        promise = how_many(self.windows, "window")
        if low < 0.5 < high:
            promise += f"; coverage of {low:g} to {high:g}, which promises {high - low:.0%}"
        return "\n".join([*lines, promise, self.verdict])

    @property
    def verdict(self) -> str:
        """One sentence on who won, and what to do where the network did not."""
        best, measure = self.best_baseline, self.judged_by.upper()
        own, other = self._error("network"), self._error(best)
        if not np.isfinite([own, other]).all():
            return "there is no value by which the network and the baselines could be compared"
        if own < other:
            return f"the network's {measure} is {1 - own / other:.0%} below that of the best baseline ({best})"
        more = f"{own / other - 1:.0%} ABOVE" if other else "ABOVE"
        return (
            f"the network's {measure} is {'no smaller than' if own == other else more} that of the best baseline "
            f"({best}); use the baseline, or give more data"
        )
