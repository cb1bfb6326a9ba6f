"""From a panel to a lesson: what is held out, how values become inputs, and the windows that are learned from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.errors import DataError, how_many
from throughtime.series.features import OF_UNIT, Fact, Features, Prepared, Scale, Standard, best_reference, scale_of
from throughtime.series.kept import ColumnsOfAll, KeptPrepared
from throughtime.series.panel import Beginnings, Panel, Series, are, called
from throughtime.series.windows import Windows
from throughtime.tables.spill import Spill

if TYPE_CHECKING:
    from throughtime.series.forecaster import Forecaster
    from throughtime.series.model_file import Fitted

LEAST_CONTEXT, MOST_CONTEXT = 48, 512
SEASONS_READ = 4
"""So many seasons are read, where the context is left open."""

SCORED = 512
"""The validation part is scored at so many places at most."""

CALIBRATED = 2000
"""Intervals are calibrated at so many places at most."""

CALIBRATED_STEP_BY_STEP = 200
"""The same where each place takes as many forecasts, and looks at the whole series, as the horizon has steps."""


@dataclass(frozen=True)
class Lesson:
    """What a forecaster learns from.

    Parameters
    ----------
    panel : Panel
    ends : ``[n]``, where the part of each series that is learned ends
    features : Features
    scales : list of Scale
    prepared : sequence of Prepared
    context : int
    spill : Spill
        Where what is learned is kept.
    """

    panel: Panel
    ends: Array
    features: Features
    scales: list[Scale]
    prepared: Sequence[Prepared]
    context: int
    spill: Spill

    def learned(self, outputs: int) -> Windows | None:
        """Overlapping pieces of the part that is learned; a step is counted where enough came before it."""
        return Windows.overlapping(self.prepared, self.features, self.ends, self.context, outputs, self.spill)

    def held_out(self, outputs: int, most: int = SCORED) -> Windows | None:
        """Windows that end in the part that is held out, or just before it, evenly drawn; None if there are none."""
        behind = np.cumsum(
            self.panel.lengths - self.ends
        )  # the steps that are held out of each series and those before
        total = int(behind[-1])
        if not total:
            return None
        chosen = np.unique(np.linspace(0, total - 1, min(most, total)).round().astype(np.int64))
        number = np.searchsorted(behind, chosen, side="right")
        step = self.panel.lengths[number] - (behind[number] - chosen)
        windows = Windows.at(self.prepared, self.features, number, np.maximum(step - self.context, 0), step)
        return replace(windows, outputs=outputs).that_count()


def prepare(model: Forecaster, panel: Panel, say: Callable[[str], None], before: Fitted | None = None) -> Lesson:
    """Decides what is left open, or was decided ``before``, and prepares every series.

    Raises
    ------
    DataError
        If a series is too short, or nothing ever changes.
    """
    season = _season(model, panel, say) if before is None else before.features.season
    horizon = int(model.horizon)
    _check_lengths(model, panel, season)
    ends = np.array([_end_of_learning(length, model.validation, horizon, season) for length in panel.lengths.tolist()])
    learned = replace(panel, series=Beginnings(panel.series, ends))
    _tell_missing(panel, say)
    _check_change(learned, say)
    longest = int(ends.max())
    context = min(max(SEASONS_READ * season, 3 * horizon, LEAST_CONTEXT), MOST_CONTEXT, longest)
    context = int(model.context or context) if before is None else before.context
    features = _features(model, panel, learned, season) if before is None else before.features
    scales = [scale_of(series.target, features.reference, season) for series in learned]
    spill = Spill()
    prepared = KeptPrepared((features.of(*each) for each in zip(panel, scales, strict=True)), scales, spill)
    return Lesson(panel, ends, features, scales, prepared, context, spill)


def _features(model: Forecaster, panel: Panel, learned: Panel, season: int) -> Features:
    """How values become inputs, as the part that is learned decides."""
    horizon = int(model.horizon)
    reference = best_reference(learned, season, horizon) if model.reference == "auto" else model.reference
    if season == 1 and reference in ("season", "profile", "recent"):
        raise DataError(f"reference={reference!r} needs a season; give season (--season), how many steps it has")
    return Features(
        leads=horizon if model.strategy == "direct" else 1,
        season=season,
        reference=reference,
        flags=any(np.isnan(series.target).any() or np.isnan(series.past).any() for series in panel),
        calendar=OF_UNIT.get(panel.frequency.unit, ()) if model.calendar and panel.frequency else (),
        past=Standard.of(ColumnsOfAll(learned.series, "past"), len(panel.roles.past)),
        future=Standard.of(ColumnsOfAll(learned.series, "future"), len(panel.roles.future)),
        facts=tuple(
            Fact.of(name, [series.static[place] for series in panel]) for place, name in enumerate(panel.roles.static)
        ),
    )


def _season(model: Forecaster, panel: Panel, say: Callable[[str], None]) -> int:
    """What is given, or the usual one of the frequency, if a series is long enough to have two of it."""
    if model.season or panel.frequency is None:
        return int(model.season or 1)
    usual = panel.frequency.season
    if usual == 1 or panel.lengths.max() >= 2 * usual + model.horizon:
        return usual
    say(
        f"no series has two of the usual seasons of {usual:,} steps, so that none is taken; give season (--season), if "
        "there is a shorter one"
    )
    return 1


def _end_of_learning(length: int, share: float, horizon: int, season: int) -> int:
    """The last part is held out, the horizon at least, where enough is left."""
    if not share:
        return length
    tail = max(horizon, round(share * length))
    return length - tail if length - tail >= season + 2 * horizon else length


def _check_lengths(model: Forecaster, panel: Panel, season: int) -> None:
    needed = (model.context or season + 1) + model.horizon
    short = np.flatnonzero(panel.lengths < needed)
    if len(short):
        series = panel.series[short[0]]
        shorter = "context" if model.context else "season (--season)"
        before = f"context ({model.context})" if model.context else f"a season ({season}) and a step"
        raise DataError(
            f"{series.called} has {how_many(len(series), 'step')}, of which {before} plus the horizon "
            f"({model.horizon}) need {needed}; leave it out, give more of it, or a smaller {shorter} or horizon"
        )


def _tell_missing(panel: Panel, say: Callable[[str], None]) -> None:
    missing = sum(int(np.isnan(series.target).sum()) for series in panel)
    if missing:
        values = how_many(panel.steps * len(panel.roles.target), "value")
        say(f"{missing:,} of {values} {are(missing)} missing and left out, not invented")
    besides = sum(int(np.isnan(series.past).sum() + np.isnan(series.future[: len(series)]).sum()) for series in panel)
    if besides:
        say(
            f"{how_many(besides, 'value')} of other columns {are(besides)} missing; the network reads the column's "
            "mean instead"
        )


def _check_change(learned: Panel, say: Callable[[str], None]) -> None:
    constant = [series.name for series in learned if not _changes(series)]
    if len(constant) == len(learned):
        raise DataError(
            f"{called(constant[0])} is constant in the part that is learned; there is nothing to learn"
            if len(constant) == 1
            else f"all {len(constant)} series are constant; there is nothing to learn"
        )
    if constant:
        say(f"{len(constant)} series {are(len(constant))} constant, such as {called(constant[0])}")


def _changes(series: Series) -> bool:
    low, high = (
        bound(np.where(np.isnan(series.target), fill, series.target), axis=0)
        for bound, fill in ((np.min, np.inf), (np.max, -np.inf))
    )
    return bool((high > low).any())
