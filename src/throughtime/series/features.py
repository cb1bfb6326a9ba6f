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

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.errors import DataError, known, short
from throughtime.series.panel import Panel, Roles, Series
from throughtime.tables.pieces import ROWS

REFERENCES = ("mean", "last", "season", "profile", "recent")
RECENT = 8
"""So many steps make a recent mean, where a season is shorter."""

AT_ONCE = 1024
"""References are compared at so many steps at once."""


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


@dataclass(frozen=True)
class Reference:
    """What is expected of the future at each step, by few numbers a step, however long the horizon is.

    Parameters
    ----------
    season : int
    level : ``[T, C]``, the same for all leads; None: 0
    phase : ``[T, C]``, what each step adds for later ones at its place of the season; None: nothing
    """

    season: int
    level: Array | None
    phase: Array | None = None

    @classmethod
    def of(cls, y: Array, kind: str, season: int, mean: Array) -> Reference:
        """That of a series ``[T, C]``."""
        if kind == "mean":
            return cls(season, np.where(np.isnan(filled(y)), np.nan, mean))
        if kind == "last":
            return cls(season, filled(y))
        if kind == "season":
            return cls(season, None, filled(y, season))
        if kind == "profile":
            return cls(season, None, phase_means(y, season))
        level = recent_mean(np.where(np.isnan(known := filled(y)), mean, known), season)
        return cls(season, level, phase_means(y - level, season))

    def at(self, start: int, end: int, leads: int) -> Array:
        """``[n, h, C]``: what is expected at the steps t from start to end for t + 1 to t + h; NaN where not known."""
        if self.phase is None:
            assert self.level is not None
            level = self.level[start:end, None]
            return np.broadcast_to(level, (len(level), leads, level.shape[2]))
        last = _pieces(self.phase, start - self.season + 1, end - self.season + 1, self.season)
        of_phase = last[:, np.arange(leads) % self.season]  # of each phase, the last one known
        return np.asarray(of_phase if self.level is None else self.level[start:end, None] + of_phase)


def references(y: Array, kind: str, season: int, leads: int, mean: Array) -> Array:
    """``[T, h, C]``: what is expected at every step t for t + 1 to t + h; NaN where it is not known."""
    return Reference.of(y, kind, season, mean).at(0, len(y), leads)


def phase_means(y: Array, season: int) -> Array:
    """``[T, C]``: the mean of all values so far that stand at the same place of their season; NaN before the first."""
    folded = _folded(y, season)
    there = np.isfinite(folded)
    with np.errstate(invalid="ignore"):
        means = np.cumsum(np.where(there, folded, 0), axis=0) / np.cumsum(there, axis=0)
    return np.asarray(means.reshape(-1, y.shape[1])[: len(y)])


def ahead(values: Array, leads: int) -> Array:
    """``[T, h, C]``: the values at t + 1 to t + h, NaN behind the end."""
    return _pieces(values, 1, len(values) + 1, leads)


def _pieces(values: Array, start: int, end: int, length: int) -> Array:
    """``[n, length, C]``: a piece of the values from each step between start and end, NaN where there are none."""
    C = values.shape[1]
    padded = there = values[max(start, 0) : max(end + length - 1, 0)]
    if len(there) < end - start + length - 1 or not there.flags.c_contiguous:
        padded = np.full((end - start + length - 1, C), np.nan)
        padded[max(-start, 0) : max(-start, 0) + len(there)] = there
    step, column = padded.strides
    return np.ndarray((end - start, length, C), padded.dtype, padded, strides=(step, step, column))  # overlapping views


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
        spread = scale_of(y, "mean", season).size
        expected = {kind: Reference.of(y, kind, season, _mean(y)) for kind in kinds}
        for start in range(0, len(y), AT_ONCE):
            end = min(start + AT_ONCE, len(y))
            future = _pieces(y, start + 1, end + 1, leads)
            errors = {kind: np.abs(future - one.at(start, end, leads)) for kind, one in expected.items()}
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
        """That of all arrays ``[T, width]`` together."""
        mean = _mean_of_all(_some_at_once(columns), width)
        spread = np.sqrt(_mean_of_all(((values - mean) ** 2 for values in _some_at_once(columns)), width))
        return cls(mean, np.where(spread > 0, spread, 1.0))

    def __call__(self, values: Array) -> Array:
        return np.asarray((values - self.mean) / self.spread)


def _mean_of_all(parts: Iterable[Array], width: int) -> Array:
    """Over the steps of all parts, of what is there; 0 where nothing is."""
    total, count = np.zeros(width), np.zeros(width, np.int64)
    for values in parts:
        there = np.isfinite(values)
        total += np.where(there, values, 0).sum(axis=0)
        count += there.sum(axis=0)
    return np.asarray(total / np.maximum(count, 1))


def _some_at_once(arrays: Iterable[Array]) -> Iterator[Array]:
    """Arrays joined to fewer ones, of so many rows that they can be worked with at once."""
    some: list[Array] = []
    rows = 0
    for array in arrays:
        some.append(array)
        rows += len(array)
        if rows >= ROWS:
            yield np.concatenate(some)
            some, rows = [], 0
    if some:
        yield np.concatenate(some)


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
        return Prepared(
            np.concatenate(parts, axis=1).astype(np.float32),
            np.nan_to_num(self.future(series.future)).astype(np.float32),
            y,
            Reference.of(y, self.reference, self.season, scale.mean),
            scale,
            self.leads,
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
    y : ``[T, C]``, the series itself
    reference : Reference
    scale : Scale
    leads : int
        How many steps ahead are forecast at once, h.
    """

    now: Array
    future: Array
    y: Array
    reference: Reference
    scale: Scale
    leads: int

    def __len__(self) -> int:
        return len(self.now)

    def targets(self, start: int, end: int) -> Array:
        """``[n, h * C]`` for these steps: distance from the reference in units of the scale; NaN where not known."""
        off = _pieces(self.y, start + 1, end + 1, self.leads) - self.reference.at(start, end, self.leads)
        return (off / self.scale.size).reshape(end - start, off[0].size).astype(np.float32)

    def reference_at(self, step: int) -> Array:
        """``[h, C]``: what is expected at this step; the last value where that is not known."""
        found = self.reference.at(step, step + 1, self.leads)[0]
        unknown = np.isnan(found)
        return np.where(unknown, _last_known(self.y[: step + 1]), found) if unknown.any() else np.asarray(found)


def _last_known(y: Array) -> Array:
    """``[C]``: the last value that is there; NaN where none is."""
    last = len(y) - 1 - np.isfinite(y)[::-1].argmax(axis=0)
    return np.asarray(y[last, np.arange(y.shape[1])])


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
    "B": ("weekday", "day", "month"),
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
