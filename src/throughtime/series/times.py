"""Columns of times: how they are read, and how those of a forecast are written in the same form.

Times with a zone are taken as its clocks show them where a step is a day or longer, so that a day has one step also
where it has 23 hours or 25; and in UTC where a step is shorter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.errors import DataError
from throughtime.series.columns import as_list, blocks
from throughtime.series.frequency import Frequency, infer
from throughtime.tables.cells import Cells
from throughtime.tables.pieces import as_array, spans
from throughtime.tables.spill import Spill


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

    def at(self, frequency: str | None, part: Callable[[Array], Array]) -> tuple[Array, TimeForm]:
        """The times as they are worked with at a frequency, or at that of this part of them.

        Raises
        ------
        DataError
            If they should be as the clocks show them, and these cannot be told for the times ahead.
        """
        if self.form.zone is None:
            return self.wall, self.form
        wall = (infer(part(self.wall)) if frequency is None else Frequency.parse(frequency)).in_days
        if wall and self.offsets:
            raise DataError(
                f"column {self.name!r} has times of several offsets from UTC, so that the next ones are not known; "
                "give times without offset, as the clocks show them (in pandas with tz_localize(None)), or with a "
                "named zone"
            )
        return (self.wall if wall else self.instant), replace(self.form, wall=wall)


def read_times(values: Sequence[Any] | Array | Zoned, name: str, spill: Spill | None = None) -> Times:
    """The times of a column; ``name`` is the column's, and ``spill`` where they are kept.

    Raises
    ------
    DataError
        If one is missing, has parts of a second, or is neither a date nor an integer; if some have a zone and others
        have none, or the zone is not known.
    """
    room = Spill() if spill is None else spill
    if isinstance(values, Cells):
        return _of_objects(values, name, room)
    if isinstance(values, Zoned):
        wall, instant = (_in_seconds(array, name, room) for array in (values.wall, values.instant))
        return Times(name, wall, instant, TimeForm("array", values.instant.dtype, zone=_zone(values, name)))
    array = as_array(values)
    if array.dtype.kind in "iu" or (array.dtype.kind == "f" and _are_whole(array)):
        whole = array if array.dtype == np.int64 else _filled(room.empty(len(array), np.int64), array)
        return Times(name, whole, whole, TimeForm("array", array.dtype if array.dtype.kind in "iu" else whole.dtype))
    if array.dtype.kind == "M":
        times = _in_seconds(array, name, room)
        return Times(name, times, times, TimeForm("array", array.dtype))
    return _of_objects(array, name, room)


def _are_whole(array: Array) -> bool:
    return all(
        bool(np.isfinite(array[rows]).all() and (array[rows] == np.floor(array[rows])).all())
        for rows in spans(len(array))
    )


def _filled(found: Array, array: Array) -> Array:
    """An array with the values of another one, in its own type."""
    for rows in spans(len(array)):
        found[rows] = array[rows].astype(found.dtype)
    return found


def _of_objects(values: Any, name: str, spill: Spill) -> Times:
    """Text, dates and datetimes one by one."""
    naive, instant = spill.empty(len(values), "datetime64[us]"), None
    seen, row = _Seen(), 0
    for block in blocks(values):
        moments = seen.add(as_list(block), row, name)
        rows = slice(row, row + len(moments))
        naive[rows] = np.array([moment.replace(tzinfo=None) for moment in moments], "datetime64[us]")
        if None not in seen.zones:
            instant = spill.empty(len(values), "datetime64[s]") if instant is None else instant
            instant[rows] = _in_utc(moments)
        row = rows.stop
    wall = _in_seconds(naive, name, spill)
    if seen.zones <= {None}:
        return Times(name, wall, wall, seen.form)
    if seen.other is not None:
        row, value = seen.other
        raise DataError(
            f"column {name!r}, row {row + 1}: {value!r} has {'a' if seen.naive else 'no'} time zone, others have "
            f"{'none' if seen.naive else 'one'}; give one to all times, or to none"
        )
    assert instant is not None
    one = len(seen.zones) == 1
    return Times(name, wall, instant, replace(seen.form, zone=seen.zones.pop() if one else UTC), offsets=not one)


class _Seen:
    """What the times of a column that was read so far have in common.

    Attributes
    ----------
    zones : set of tzinfo or None
    naive : bool
        Whether the first time has no zone.
    other : tuple or None
        The first row of a time of which that is not true, and what stands there.
    """

    def __init__(self) -> None:
        self.zones: set[tzinfo | None] = set()
        self.naive = True
        self.other: tuple[int, Any] | None = None
        self._longest: tuple[int, Any, datetime | None] = (-1, "", None)
        self._text, self._datetime = True, False

    def add(self, values: list[Any], row: int, name: str) -> list[datetime]:
        """The times of some more values, the first of which stands in this row of the column of this name."""
        moments = [_moment(value, at, name) for at, value in enumerate(values, row)]
        zones = {moment.tzinfo for moment in moments}
        if not self.zones:
            self.naive = moments[0].tzinfo is None
        if self.other is None and (zones - {None} if self.naive else None in zones):
            place = next(n for n, moment in enumerate(moments) if (moment.tzinfo is None) != self.naive)
            self.other = row + place, values[place]
        self.zones |= zones
        lengths = [len(str(value)) for value in values]
        longest = max(range(len(values)), key=lengths.__getitem__)
        if lengths[longest] > self._longest[0]:
            self._longest = lengths[longest], values[longest], moments[longest]
        self._text = self._text and all(isinstance(value, str) for value in values)
        self._datetime = self._datetime or any(isinstance(value, datetime) for value in values)
        return moments

    @property
    def form(self) -> TimeForm:
        """That of all times, but for their zone."""
        if not self._text:
            return TimeForm("datetime" if self._datetime else "date")
        _, text, moment = self._longest
        return TimeForm("text", layout=("", "", False) if moment is None else _layout(text.strip(), moment))


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


def _in_seconds(array: Array, name: str, spill: Spill) -> Array:
    for rows in spans(len(array)):
        missing = np.nonzero(np.isnat(array[rows]))[0]
        if len(missing):
            raise DataError(f"the time in column {name!r}, row {rows.start + missing[0] + 1}, is missing")
    if array.dtype == np.dtype("datetime64[s]"):
        return array
    found = spill.empty(len(array), "datetime64[s]")
    for rows in spans(len(array)):
        found[rows] = array[rows].astype("datetime64[s]")
        parts = np.nonzero(found[rows] != array[rows])[0]
        if len(parts):
            row = rows.start + parts[0]
            raise DataError(
                f"column {name!r}, row {row + 1}: {array[row]} has parts of a second; times are told to the second, or "
                "counted in integers"
            )
    return found


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
