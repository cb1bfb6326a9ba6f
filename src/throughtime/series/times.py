"""Columns of times: how they are read, and how those of a forecast are written in the same form.

Times with a zone are taken as its clocks show them where a step is a day or longer, so that a day has one step also
where it has 23 hours or 25; and in UTC where a step is shorter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.errors import DataError
from throughtime.series.frequency import Frequency, infer


@dataclass(frozen=True)
class Zoned:
    """A column of a data frame whose times have a zone.

    Parameters
    ----------
    wall : ``[rows]``, ``datetime64``, what the clocks there show
    instant : ``[rows]``, the same in UTC
    zone : str
    """

    wall: Array
    instant: Array
    zone: str

    def __len__(self) -> int:
        return len(self.instant)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        return np.asarray(self.instant, dtype)


@dataclass(frozen=True)
class TimeForm:
    """What times came in, so that others can be written alike.

    Parameters
    ----------
    kind : {"array", "text", "date", "datetime"}
    dtype : of an array
    layout : of text: what parts date and hour (nothing: there are no hours), up to which unit, and whether Z is UTC
    zone : tzinfo or None
    wall : bool
        Whether times with a zone are worked with as its clocks show them, not in UTC.
    indexed : bool
        Whether they were the index of a pandas frame.
    """

    kind: str
    dtype: Any = None
    layout: tuple[str, str, bool] = ("T", "seconds", False)
    zone: tzinfo | None = None
    wall: bool = False
    indexed: bool = False

    def write(self, times: Array) -> Any:
        """Times ``[n]`` that were worked with, ``datetime64[s]`` or integers, as they came in."""
        if self.kind != "array":
            return self._objects(times)
        if self.zone is None:
            found = times.astype(self.dtype)
            return found if (found.astype(times.dtype) == times).all() else times
        instant = times
        if self.wall:
            instant = _in_utc(self._moments(times))
        return Zoned(times.astype(self.dtype), instant.astype(self.dtype), str(self.zone))

    def _moments(self, times: Array) -> list[datetime]:
        found: list[datetime] = times.astype("datetime64[s]").tolist()
        if self.zone is None:
            return found
        if self.wall:
            return [moment.replace(tzinfo=self.zone) for moment in found]
        return [moment.replace(tzinfo=UTC).astimezone(self.zone) for moment in found]

    def _objects(self, times: Array) -> Array:
        moments = self._moments(times)
        whole = all(moment.hour == moment.minute == moment.second == 0 for moment in moments)
        if self.kind == "text":
            separator, precision, zulu = self.layout
            separator = separator if whole else separator or "T"
            return np.array([_text(moment, separator, precision, zulu=zulu) for moment in moments])
        found = np.empty(len(moments), object)
        found[:] = [moment.date() for moment in moments] if self.kind == "date" and whole else moments
        return found


@dataclass(frozen=True)
class Times:
    """A column of times.

    Parameters
    ----------
    name : str
        Of the column.
    wall : ``[rows]``, ``datetime64[s]`` as the clocks show them, or integers
    instant : ``[rows]``, the same in UTC; without a zone they are the same
    form : TimeForm
    offsets : bool
        Whether there is more than one offset from UTC, and no zone that would tell the next one.
    """

    name: str
    wall: Array
    instant: Array
    form: TimeForm
    offsets: bool = False

    def at(self, frequency: str | None, rows: Array) -> tuple[Array, TimeForm]:
        """The times as they are worked with at a frequency, or at that of these rows.

        Raises
        ------
        DataError
            If they should be as the clocks show them, and these cannot be told for the times ahead.
        """
        if self.form.zone is None:
            return self.wall, self.form
        wall = (infer(self.wall[rows]) if frequency is None else Frequency.parse(frequency)).in_days
        if wall and self.offsets:
            raise DataError(
                f"column {self.name!r} has times of several offsets from UTC, so that the next ones are not known; "
                "give times without offset, as the clocks show them (in pandas with tz_localize(None)), or with a "
                "named zone"
            )
        return (self.wall if wall else self.instant), replace(self.form, wall=wall)


def read_times(values: Sequence[Any] | Array | Zoned, name: str) -> Times:
    """The times of a column; ``name`` is the column's.

    Raises
    ------
    DataError
        If one is missing, has parts of a second, or is neither a date nor an integer; if some have a zone and others
        have none, or the zone is not known.
    """
    if isinstance(values, Zoned):
        wall, instant = (_in_seconds(array, name) for array in (values.wall, values.instant))
        return Times(name, wall, instant, TimeForm("array", values.instant.dtype, zone=_zone(values, name)))
    array = np.asarray(values)
    if array.dtype.kind in "iu" or (
        array.dtype.kind == "f" and np.isfinite(array).all() and (array == np.floor(array)).all()
    ):
        whole = array.astype(np.int64)
        return Times(name, whole, whole, TimeForm("array", array.dtype if array.dtype.kind in "iu" else whole.dtype))
    if array.dtype.kind == "M":
        times = _in_seconds(array, name)
        return Times(name, times, times, TimeForm("array", array.dtype))
    return _of_objects(array.tolist(), name)


def _of_objects(values: list[Any], name: str) -> Times:
    """Text, dates and datetimes one by one."""
    moments = [_moment(value, row, name) for row, value in enumerate(values)]
    naive = _in_seconds(np.array([moment.replace(tzinfo=None) for moment in moments], "datetime64[us]"), name)
    longest = max(range(len(values)), key=lambda row: len(str(values[row])), default=0)
    if all(isinstance(value, str) for value in values):
        form = TimeForm(
            "text", layout=_layout(values[longest].strip(), moments[longest]) if values else ("", "", False)
        )
    else:
        form = TimeForm("datetime" if any(isinstance(value, datetime) for value in values) else "date")
    zones = {moment.tzinfo for moment in moments}
    if zones <= {None}:
        return Times(name, naive, naive, form)
    if None in zones:
        first = moments[0].tzinfo is None
        row = next(row for row, moment in enumerate(moments) if (moment.tzinfo is None) != first)
        raise DataError(
            f"column {name!r}, row {row + 1}: {values[row]!r} has {'a' if first else 'no'} time zone, others have "
            f"{'none' if first else 'one'}; give one to all times, or to none"
        )
    instant = _in_utc(moments)
    one = len(zones) == 1
    return Times(name, naive, instant, replace(form, zone=moments[0].tzinfo if one else UTC), offsets=not one)


def _moment(value: Any, row: int, name: str) -> datetime:
    try:
        if isinstance(value, str):
            return datetime.fromisoformat(value.strip())
        if isinstance(value, datetime) and value == value:  # no NaT
            return value
        if isinstance(value, date) and value == value:
            return datetime(value.year, value.month, value.day)
    except ValueError:
        pass
    raise DataError(
        f"column {name!r}, row {row + 1}: {value!r} is no time; give dates as 2026-11-20 or 2026-11-20T08:30, or "
        "integers"
    )


def _in_utc(moments: Sequence[datetime]) -> Array:
    return np.array([moment.astimezone(UTC).replace(tzinfo=None) for moment in moments], "datetime64[s]")


def _in_seconds(array: Array, name: str) -> Array:
    missing = np.nonzero(np.isnat(array))[0]
    if len(missing):
        raise DataError(f"the time in column {name!r}, row {missing[0] + 1}, is missing")
    times = array.astype("datetime64[s]")
    parts = np.nonzero(times != array)[0]
    if len(parts):
        raise DataError(
            f"column {name!r}, row {parts[0] + 1}: {array[parts[0]]} has parts of a second; times are told to the "
            "second, or counted in integers"
        )
    return times


def _zone(column: Zoned, name: str) -> tzinfo:
    """By its name, or the one offset that all times have."""
    try:
        return ZoneInfo(column.zone)
    except (KeyError, ValueError):
        offsets = np.unique((column.wall - column.instant).astype("timedelta64[s]").astype(np.int64))
    if len(offsets) != 1:
        raise DataError(
            f"column {name!r} has the time zone {column.zone!r}, which is not known here; give times without one, as "
            "the clocks show them (in pandas with tz_localize(None)), or with another (tz_convert)"
        )
    return timezone(timedelta(seconds=int(offsets[0])))


def _layout(text: str, moment: datetime) -> tuple[str, str, bool]:
    """How a time is written, if it is one of the usual ways; else the first of them with seconds."""
    units = ("minutes", "seconds", "milliseconds", "microseconds")
    ways = product(("", "T", " "), units, (False, True))
    return next((way for way in ways if _text(moment, *way[:2], zulu=way[2]) == text), ("T", "seconds", False))


def _text(moment: datetime, separator: str, precision: str, *, zulu: bool) -> str:
    if not separator:
        return moment.date().isoformat()
    text = moment.isoformat(separator, precision)
    return text.removesuffix("+00:00") + "Z" if zulu else text
