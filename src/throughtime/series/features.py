"""From series to the inputs and targets of a network.

A forecast is made from a *reference*, which needs no network: the series' own mean, its last value, the value one
season ago, or what is usual at this place of the season (see :func:`references`). The network learns how the future
departs from it, in units of the series' own scale, so that it neither has to copy a level that it never saw nor a
season that repeats.

At step t it reads, for each target y with its scale s (missing values are replaced by the last known one, and flagged):
the change ``(y[t] - y[t-1]) / s``, the change over a season ``(y[t] - y[t-m]) / s``, the distance from the recent mean
``(y[t] - mean of the last m or so) / s``, and for the reference ``"mean"`` the level ``(y[t] - mean) / s`` itself; then
covariates, those that are known ahead for t to t + h, the calendar, and static facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.errors import DataError, known, short
from throughtime.series.panel import Panel, Roles, Series

REFERENCES = ("mean", "last", "season", "profile", "recent")
RECENT = 8
"""So many steps make a recent mean, where a season is shorter."""


def _folded(values: Array, season: int) -> Array:
    """``[T, C]`` as ``[seasons, season, C]``, NaN behind the end."""
    whole = np.full((-(-len(values) // season) * season, values.shape[1]), np.nan)
    whole[: len(values)] = values
    return whole.reshape(-1, season, values.shape[1])


def filled(values: Array, season: int = 1) -> Array:
    """``[T, C]``, each missing value replaced by the last one known a whole number of seasons before; else NaN."""
    folded = _folded(values, season)
    steps = np.arange(len(folded))[:, None, None]
    last = np.maximum.accumulate(np.where(np.isnan(folded), -1, steps), axis=0)
    found = np.take_along_axis(folded, np.maximum(last, 0), axis=0)
    return np.asarray(np.where(last < 0, np.nan, found).reshape(-1, values.shape[1])[: len(values)])


def references(y: Array, kind: str, season: int, leads: int, mean: Array) -> Array:
    """``[T, h, C]``: what is expected at step t for t + 1 to t + h; NaN where it is not known."""
    T, C = y.shape
    if kind == "mean":
        level = np.where(np.isnan(filled(y)), np.nan, mean)
        return np.broadcast_to(level[:, None], (T, leads, C))
    if kind == "last":
        return np.broadcast_to(filled(y)[:, None], (T, leads, C))
    lead = np.arange(1, leads + 1)
    place = np.arange(T)[:, None] + lead - season * -(-lead // season)  # of the same phase, the last one known

    def of_phase(values: Array) -> Array:
        return np.asarray(np.where((place >= 0)[..., None], values[np.maximum(place, 0)], np.nan))

    if kind == "season":
        return of_phase(filled(y, season))
    if kind == "profile":
        return of_phase(phase_means(y, season))
    level = recent_mean(np.where(np.isnan(known := filled(y)), mean, known), season)
    return np.asarray(level[:, None] + of_phase(phase_means(y - level, season)))


def phase_means(y: Array, season: int) -> Array:
    """``[T, C]``: the mean of all values so far that stand at the same place of their season; NaN before the first."""
    folded = _folded(y, season)
    there = np.isfinite(folded)
    with np.errstate(invalid="ignore"):
        means = np.cumsum(np.where(there, folded, 0), axis=0) / np.cumsum(there, axis=0)
    return np.asarray(means.reshape(-1, y.shape[1])[: len(y)])


def ahead(values: Array, leads: int) -> Array:
    """``[T, h, C]``: the values at t + 1 to t + h, NaN behind the end."""
    padded = np.concatenate([values, np.full((leads, values.shape[1]), np.nan)])
    return np.asarray(padded[np.arange(len(values))[:, None] + np.arange(1, leads + 1)])


@dataclass(frozen=True)
class Scale:
    """Of one series: its mean, and the size of what a forecast is off by, ``[C]`` each."""

    mean: Array
    size: Array


def scale_of(y: Array, kind: str, season: int) -> Scale:
    """The mean, and the mean distance of a value from its reference one step (or season) before; 1 where that is 0."""
    mean = _mean(y)
    if kind == "mean":
        distance = y - mean
    else:
        apart = 1 if kind == "last" else season  # of the others a season, too
        before = filled(y, apart)
        distance = y[apart:] - before[:-apart] if len(y) > apart else y - mean
    size = np.sqrt(_mean(distance**2))
    spread = np.sqrt(_mean((y - mean) ** 2))
    size = np.where(size > 1e-9 * np.abs(mean), size, np.where(spread > 1e-9 * np.abs(mean), spread, 1.0))
    return Scale(mean, np.where(size > 0, size, 1.0))


def _mean(values: Array) -> Array:
    """Over the steps, of what is there; 0 where nothing is."""
    there = np.isfinite(values)
    return np.asarray(np.where(there, values, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1))


def best_reference(panel: Panel, season: int, leads: int) -> str:
    """The reference with the smallest mean absolute error over all series, each in its own scale."""
    kinds = [kind for kind in REFERENCES if kind in ("mean", "last") or season > 1]
    totals = dict.fromkeys(kinds, 0.0)
    for series in panel:
        y = series.target
        mean = _mean(y)
        spread = scale_of(y, "mean", season).size
        future = ahead(y, leads)
        errors = {kind: np.abs(future - references(y, kind, season, leads, mean)) for kind in kinds}
        there = np.all([np.isfinite(error) for error in errors.values()], axis=0)
        for kind, error in errors.items():
            totals[kind] += float((np.where(there, error, 0) / spread).sum())
    return min(kinds, key=totals.__getitem__)


@dataclass(frozen=True)
class Standard:
    """Mean and spread of columns, over all series."""

    mean: Array
    spread: Array

    @classmethod
    def of(cls, columns: Sequence[Array], width: int) -> Standard:
        values = np.concatenate(columns) if columns else np.zeros((0, width))
        mean = _mean(values)
        spread = np.sqrt(_mean((values - mean) ** 2))
        return cls(mean, np.where(spread > 0, spread, 1.0))

    def __call__(self, values: Array) -> Array:
        return np.asarray((values - self.mean) / self.spread)


@dataclass(frozen=True)
class Fact:
    """A static column: a number that is standardised, or one of some categories."""

    name: str
    mean: float = 0.0
    spread: float = 1.0
    categories: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, values: Sequence[Any]) -> Fact:
        if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
            numbers = np.array(values, np.float64)
            if not np.isfinite(numbers).all():
                raise DataError(f"the static column {name!r} has a missing value; leave the series out, or give it one")
            return cls(name, float(numbers.mean()), float(numbers.std()) or 1.0)
        return cls(name, categories=tuple(sorted({str(value) for value in values})))

    @property
    def width(self) -> int:
        return len(self.categories) or 1

    def __call__(self, value: Any, who: str) -> list[float]:
        """The numbers that stand for a value.

        Raises
        ------
        DataError
            If it is a category that was not learned, or no number.
        """
        if not self.categories:
            try:
                return [(float(value) - self.mean) / self.spread]
            except (TypeError, ValueError):
                raise DataError(
                    f"the static column {short(self.name)} of {who} must be a number, got {short(value)}"
                ) from None
        if str(value) not in self.categories:
            raise DataError(
                f"the static column {short(self.name)} of {who} is {short(value)}, a category that the model never "
                f"saw; it knows {known(self.categories[:10])}"
            )
        return [float(category == str(value)) for category in self.categories]


@dataclass(frozen=True)
class Features:
    """How the series of a panel become inputs.

    Parameters
    ----------
    leads : int
        How many steps ahead are forecast at once, h.
    season : int
    reference : {"mean", "last", "season", "profile", "recent"}
    flags : bool
        Whether values may be missing.
    calendar : tuple of str
        The cycles of time that are told.
    past, future : Standard
    facts : tuple of Fact
    """

    leads: int
    season: int
    reference: str
    flags: bool
    calendar: tuple[str, ...]
    past: Standard
    future: Standard
    facts: tuple[Fact, ...]

    def width(self, roles: Roles) -> int:
        """How many numbers the network reads at each step, D."""
        C, P, F = len(roles.target), len(roles.past), len(roles.future)
        of_target = 2 + (self.season > 1) + (self.reference == "mean") + self.flags
        static = sum(fact.width for fact in self.facts)
        return C * of_target + P * (1 + self.flags) + 2 * len(self.calendar) + static + F * (self.leads + 1)

    def of(self, series: Series, scale: Scale) -> Prepared:
        """The inputs and targets of a series."""
        y = series.target
        T = len(y)
        parts = [self._of_target(y, scale)]
        if self.flags:
            parts.append(np.isfinite(y).astype(np.float64))
        past = self.past(series.past)
        parts.append(np.nan_to_num(past))
        if self.flags:
            parts.append(np.isfinite(past).astype(np.float64))
        if self.calendar and series.time is not None:
            parts.append(cycles(series.time, self.calendar))
        static = [
            number
            for fact, value in zip(self.facts, series.static, strict=True)
            for number in fact(value, series.called)
        ]
        parts.append(np.tile(np.array(static, np.float64), (T, 1)))
        reference = references(y, self.reference, self.season, self.leads, scale.mean)
        target = (ahead(y, self.leads) - reference) / scale.size
        return Prepared(
            np.concatenate(parts, axis=1).astype(np.float32),
            np.nan_to_num(self.future(series.future)).astype(np.float32),
            target.reshape(T, -1).astype(np.float32),
            reference,
            scale,
        )

    def _of_target(self, y: Array, scale: Scale) -> Array:
        known = filled(y)
        known = np.where(np.isnan(known), scale.mean, known)
        parts = [np.diff(known, axis=0, prepend=known[:1])]
        if self.season > 1:
            before = filled(y, self.season)
            over = np.zeros_like(known)
            over[self.season :] = known[self.season :] - before[: -self.season]
            parts.append(np.nan_to_num(over))
        parts.append(known - recent_mean(known, max(self.season, RECENT)))
        if self.reference == "mean":
            parts.append(known - scale.mean)
        return np.concatenate([part / scale.size for part in parts], axis=1)


@dataclass(frozen=True)
class Prepared:
    """A series as the network sees it.

    Parameters
    ----------
    now : ``[T, D']``, what is read at each step
    future : ``[T + more, F]``, standardised
    target : ``[T, h * C]``, distance from the reference in units of the scale; NaN where it is not known
    reference : ``[T, h, C]``
    scale : Scale
    """

    now: Array
    future: Array
    target: Array
    reference: Array
    scale: Scale

    def __len__(self) -> int:
        return len(self.now)


def recent_mean(values: Array, steps: int) -> Array:
    """The mean of the last ``steps`` values at each step, or of as many as there are."""
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    end = np.arange(1, len(values) + 1)
    start = np.maximum(end - steps, 0)
    return np.asarray((sums[end] - sums[start]) / (end - start)[:, None])


CYCLES = {"minute": 60, "hour": 24, "weekday": 7, "day": 31, "month": 12}
"""The cycles of time, and how many steps each has."""

OF_UNIT = {
    "s": ("minute", "hour", "weekday"),
    "min": ("minute", "hour", "weekday"),
    "h": ("hour", "weekday", "month"),
    "D": ("weekday", "day", "month"),
    "W": ("month",),
    "M": ("month",),
    "Q": ("month",),
}
"""Which of them are of use at a frequency."""


def cycles(time: Array, names: Sequence[str]) -> Array:
    """Sine and cosine of each cycle at each time: ``[T, 2 * number]``."""
    days = time.astype("datetime64[D]")
    months = time.astype("datetime64[M]")
    seconds = (time - days.astype("datetime64[s]")).astype(np.int64)
    places = {
        "minute": seconds % 3600 / 60,
        "hour": seconds / 3600,
        "weekday": (days.astype(np.int64) + 3) % 7,
        "day": (days - months.astype("datetime64[D]")).astype(np.int64),
        "month": months.astype(np.int64) % 12,
    }
    angles = [2 * np.pi * places[name] / CYCLES[name] for name in names]
    return np.stack([wave(angle) for angle in angles for wave in (np.sin, np.cos)], axis=1)
