"""Judges forecasts of the past, beside those that need no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime.errors import DataError, how_many
from throughtime.series.baselines import BASELINES, with_quantiles
from throughtime.series.metrics import Forecasts, Scores, mase_size
from throughtime.series.panel import Panel

if TYPE_CHECKING:
    from throughtime.series.forecaster import Forecaster
    from throughtime.series.trained import TrainedForecaster


SHORT = "give more of it, fewer folds (--folds) or, in Python, a smaller step, or leave it out"
"""What can be done about a series that is too short for a backtest."""


@dataclass(frozen=True)
class Backtest:
    """What a backtest found; ``print`` shows it.

    Attributes
    ----------
    scores : Scores
        Of all folds together.
    folds : tuple of Scores
        Of each fold.
    forecasts : dict of method to Forecasts
        Of all folds, one after another, and within a fold in the order of the series.
    """

    scores: Scores
    folds: tuple[Scores, ...]
    forecasts: dict[str, Forecasts]

    def columns(self) -> dict[str, list[Any]]:
        """The scores as a table: a row for each method and lead."""
        return self.scores.columns()

    def __str__(self) -> str:
        return f"{self.scores}\n{self.verdict}"

    @property
    def verdict(self) -> str:
        """One sentence on how many folds the network won, each by ``judged_by`` of its scores."""
        of_all = how_many(len(self.folds), "fold")
        return f"the network is better than the best baseline in {sum(fold.wins for fold in self.folds)} of {of_all}"


def judge(model: TrainedForecaster, panel: Panel, *, of_fit: bool) -> Scores:
    """The forecast of the last steps of each series; ``of_fit`` says that they are those of ``fit``."""
    _check_lengths(panel, model.horizon, model.season_ + 1, "give more of it, or leave it out")
    return Scores.of(_forecasts(model, panel, 0, of_fit=of_fit), model.levels_)


def backtest(model: Forecaster, panel: Panel, *, folds: int, step: int, refit: bool, of_fit: bool) -> Backtest:
    """Forecasts from ``folds`` places, ``step`` steps apart; see :meth:`throughtime.Forecaster.backtest`."""
    found = []
    for fold in range(folds):
        behind = (folds - 1 - fold) * step
        _check_lengths(panel, behind + model.horizon, 1 if refit else model.season_ + 1, SHORT)
        judged: TrainedForecaster = model
        if refit:
            anew = type(model)(**{**model.get_params(), "verbose": 0, "callbacks": ()})
            judged = anew.fit_panel(panel.without_last(behind + model.horizon, model.horizon))
        model._say(f"fold {fold + 1} of {folds}")
        found.append(_forecasts(judged, panel, behind, of_fit=refit or of_fit))
    levels = judged.levels_
    together = {name: _joined([one[name] for one in found]) for name in found[0]}
    return Backtest(Scores.of(together, levels), tuple(Scores.of(one, levels) for one in found), together)


def _check_lengths(panel: Panel, behind: int, needed: int, advice: str) -> None:
    """Raises :class:`DataError` unless each series has the steps that are needed before those that are judged."""
    for series in panel:
        if len(series) < behind + needed:
            raise DataError(
                f"{series.called} has {how_many(len(series), 'step')}; the first forecast begins {behind} before its "
                f"end and needs {needed} before that: {advice}"
            )


def _forecasts(model: TrainedForecaster, panel: Panel, behind: int, *, of_fit: bool) -> dict[str, Forecasts]:
    """Forecasts of the ``horizon`` steps that end ``behind`` steps before the end of each series, by every method.

    A value that one of the methods has no forecast for counts for none.
    """
    h, season, levels = model.horizon, model.season_, np.array(model.levels_)
    history = panel.without_last(behind + h, h)
    truth = np.stack([s.target[len(s) - behind - h : len(s) - behind] for s in panel])
    size = np.stack([mase_size(series.target, season) for series in history])
    points, quantiles = model.forecast_panel(history, of_fit=of_fit)
    found = {"network": Forecasts(points, quantiles, truth, size)}
    for name, method in BASELINES.items():
        if name == "seasonal naive" and season == 1:
            continue
        last, spread = [], []
        for series in history:
            every = method(series.target, season, h)
            last.append(every[-1].copy())
            spread.append(with_quantiles(series.target, every, levels))
        found[name] = Forecasts(np.stack(last), np.stack(spread), truth, size)
    forecast = np.all([np.isfinite(one.point) for one in found.values()], axis=0)
    return {name: replace(one, truth=np.where(forecast, truth, np.nan)) for name, one in found.items()}


def _joined(parts: Sequence[Forecasts]) -> Forecasts:
    return Forecasts(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in Forecasts.__dataclass_fields__)
    )
