"""The steps of time: how far apart they are, whether there are gaps, and what comes next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.errors import DataError, ParameterError

SECONDS = {"s": 1, "min": 60, "h": 3600, "D": 86_400, "W": 604_800}
BUSINESS = "B"
"""Days from Monday to Friday; holidays among them are gaps."""
MONTHS = {"M": 1, "Q": 3, "Y": 12}
_CODE = re.compile(r"([1-9]\d*)?(step|s|min|h|D|B|W|M|Q|Y)")
SEASONS = {"Y": 1, "Q": 4, "M": 12, "W": 52, "B": 5, "D": 7, "h": 24, "min": 1440, "s": 86_400}
"""How many steps of one unit make the season that is looked for: a year, a week of days, and else a day."""


@dataclass(frozen=True)
class Frequency:
    """So many units of time between two steps.

    Parameters
    ----------
    count : int
    unit : {"s", "min", "h", "D", "B", "W", "M", "Q", "Y"} or "step"
        Seconds to weeks, business days (``"B"``, Monday to Friday), months to years; ``"step"`` where time is counted
        in integers.
    """

    count: int
    unit: str

    @classmethod
    def parse(cls, code: str) -> Frequency:
        """``"D"``, ``"15min"``, ``"M"``.

        Raises
        ------
        ParameterError
            If it is no such code.
        """
        found = _CODE.fullmatch(code) if isinstance(code, str) else None
        if found is None:
            raise ParameterError(
                "frequency must be one of s, min, h, D, B, W, M, Q, Y or step, with a number before it if it is not 1, "
                f"such as 'D' or '15min', got {code!r}"
            )
        return cls(int(found[1] or 1), found[2])

    @property
    def code(self) -> str:
        return f"{'' if self.count == 1 else self.count}{self.unit}"

    @property
    def season(self) -> int:
        """How many steps make a season: a year of months, a week of days, a day of hours; 1 where nobody knows."""
        usual = SEASONS.get(self.unit, 1)
        return usual // self.count if usual % self.count == 0 else 1

    @property
    def in_months(self) -> bool:
        return self.unit in MONTHS

    @property
    def in_days(self) -> bool:
        """Whether a step is a day or more of the calendar, which need not have 24 hours."""
        return self.in_months or self.unit in ("D", BUSINESS, "W")

    @property
    def size(self) -> int:
        """Of one step, in months, business days or seconds, or in integers."""
        return self.count * (MONTHS | SECONDS).get(self.unit, 1)

    def places(self, time: Array) -> Array:
        """The number of each time's step, from the first one on.

        Raises
        ------
        DataError
            If a time lies between two steps.
        """
        counted, rest = self._count(time)
        steps, over = np.divmod(counted - counted[0], self.size)
        wrong = np.nonzero((over != 0) | (rest != rest[0]))[0]
        if len(wrong):
            raise DataError(
                f"the time {told(time[wrong[0]])} is no whole number of steps of {self.code} after {told(time[0])}"
            )
        return np.asarray(steps, np.int64)

    def after(self, time: Array, steps: int, place: int = -1) -> Array:
        """The next ``steps`` times after one of a series', its last.

        Months keep the day that the times have, and are at their ends where all of these times are.
        """
        ahead = np.arange(1, steps + 1) * self.size
        if self.unit == "step":
            return np.asarray(time[place] + ahead)
        if self.unit == BUSINESS:
            day = time[place].astype("datetime64[D]")
            days = np.busday_offset(day, ahead, roll="backward")
            return np.asarray(days.astype("datetime64[s]") + (time[place] - day.astype("datetime64[s]")))
        if not self.in_months:
            return np.asarray(time[place] + ahead.astype("timedelta64[s]"))
        day = time[place].astype("datetime64[D]")
        months = day.astype("datetime64[M]") + ahead
        ends = (months + 1).astype("datetime64[D]") - 1
        days = months.astype("datetime64[D]") + (day - day.astype("datetime64[M]").astype("datetime64[D]"))
        days = ends if _is_month_end(time).all() else np.minimum(days, ends)
        return np.asarray(days.astype("datetime64[s]") + (time[place] - day.astype("datetime64[s]")))

    def _count(self, time: Array) -> tuple[Array, Array]:
        """Times in months, business days or seconds (or as they are), and what is left of a month or day."""
        if self.unit == "step":
            return time, np.zeros(len(time))
        if self.unit == BUSINESS:
            days = time.astype("datetime64[D]")
            of_weekend = ~np.is_busday(days)
            return _business_days(time), (time - days.astype("datetime64[s]")).astype(np.int64) + of_weekend * SECONDS[
                "D"
            ]
        if not self.in_months:
            return time.astype(np.int64), np.zeros(len(time))
        months = time.astype("datetime64[M]")
        left = (time - months.astype("datetime64[s]")).astype(np.int64)
        if _is_month_end(time).all():
            left = left % SECONDS["D"]  # the time of day
        return months.astype(np.int64), left


def _business_days(time: Array) -> Array:
    """How many there were since 1970."""
    return np.asarray(np.busday_count(np.datetime64(0, "D"), time.astype("datetime64[D]")))


def _skips_weekends(time: Array) -> bool:
    """Whether no time is of a weekend, though there are times before and after one."""
    days = time.astype("datetime64[D]")
    return bool(np.is_busday(days).all() and (np.diff(days.astype(np.int64)) > np.diff(_business_days(time))).any())


def _is_month_end(time: Array) -> Array:
    days = time.astype("datetime64[D]")
    return np.asarray((days + 1).astype("datetime64[M]") != days.astype("datetime64[M]"))


def told(time: Any) -> str:
    """A time for people: no hours where there are none."""
    if not isinstance(time, np.datetime64):
        return str(time)
    text = str(time)
    return text.removesuffix("T00:00:00")


def infer(time: Array) -> Frequency:
    """The frequency that most of these times have; whether all do is for :func:`check_regular` to say."""
    counted = time.astype(np.int64)
    if time.dtype.kind != "M":
        return Frequency(int(np.min(np.diff(counted), initial=2**62)) if len(time) > 1 else 1, "step")
    months = time.astype("datetime64[M]")
    in_months, days = months.astype(np.int64), (time - months.astype("datetime64[s]")).astype(np.int64)
    if len(time) > 1 and (len(set(days.tolist())) == 1 or _is_month_end(time).all()) and np.diff(in_months).all():
        step = int(np.min(np.diff(in_months)))
        unit = next(unit for unit in ("Y", "Q", "M") if step % MONTHS[unit] == 0)
        return Frequency(step // MONTHS[unit], unit)
    deltas, counts = np.unique(np.diff(counted), return_counts=True)
    step = int(deltas[np.argmax(counts)]) if len(deltas) else SECONDS["D"]
    unit = next(unit for unit in ("W", "D", "h", "min", "s") if step % SECONDS[unit] == 0)
    if step == SECONDS["D"] and _skips_weekends(time):
        return Frequency(1, BUSINESS)
    return Frequency(step // SECONDS[unit], unit)


def check_regular(time: Array, frequency: Frequency, who: str, *, learned: bool = False) -> None:
    """Raises :class:`DataError` unless each time is one step after the one before it.

    ``learned`` says that a model learned this frequency, which it found out itself.
    """
    counted, rest = frequency._count(time)
    wrong = np.nonzero((np.diff(counted) != frequency.size) | (np.diff(rest) != 0))[0]
    if len(wrong):
        place = int(wrong[0])
        gave = "train the model with" if learned else "give"
        raise DataError(
            f"the times of {who} are irregular: after {told(time[place])} comes {told(time[place + 1])}, where steps "
            f"of {frequency.code} are {'what the model learned' if learned else 'usual'}; {gave} frequency "
            f"(--frequency), such as {frequency.code!r}, to count what is between them as missing"
        )


def check_order(time: Array, rows: Array, who: str, *, alone: bool) -> None:
    """Raises :class:`DataError` unless each time is later than the one before it.

    ``rows`` are those of the table; ``alone`` says that no column tells series apart, so that there may be several.
    """
    wrong = np.nonzero(np.diff(time.astype(np.int64)) <= 0)[0]
    if len(wrong):
        place = int(wrong[0])
        same = time[place] == time[place + 1]
        once = ", and keep one row for each time" if same else ""
        apart = ", or, if the table holds several series, name the column that tells them apart (series=)"
        raise DataError(
            f"the times of {who} {'have a duplicate' if same else 'do not increase'}: row {rows[place + 1] + 1}, "
            f"{told(time[place + 1])}, comes after {told(time[place])}; sort the rows by time{once}"
            + (apart if alone else "")
        )
