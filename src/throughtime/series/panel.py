"""Series as they are worked with: arrays of float64 with NaN where a value is missing, whatever they came in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.errors import short
from throughtime.series.frequency import Frequency
from throughtime.series.times import TimeForm
from throughtime.tables.made import Made


@dataclass(frozen=True)
class Roles:
    """The names of the columns, by what they are for."""

    target: tuple[str, ...]
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    time: str | None = None
    series: str | None = None

    @property
    def numbers(self) -> tuple[str, ...]:
        """Those that change from step to step."""
        return (*self.target, *self.past, *self.future)


def called(name: Any) -> str:
    """What a series is called in messages."""
    return "the series" if name is None else f"the series {short(name)}"


def are(number: int) -> str:
    """The verb that goes with it."""
    return "is" if number == 1 else "are"


@dataclass(frozen=True)
class Series:
    """One series of T steps.

    Parameters
    ----------
    name : what tells it apart from others; None where it is alone
    target : ``[T, C]``, NaN where a value is missing
    past : ``[T, P]``, known up to now
    future : ``[T + more, F]``, known ahead
    static : facts that do not change, numbers or categories
    time : ``[T]``, ``datetime64[s]`` or integers; None: steps are counted
    rows : ``[T + more]``, where each step stands in the table, -1 where it does not; None: there is no table
    """

    name: Any
    target: Array
    past: Array
    future: Array
    static: tuple[Any, ...] = ()
    time: Array | None = None
    rows: Array | None = None

    def __len__(self) -> int:
        return len(self.target)

    @property
    def called(self) -> str:
        """For messages."""
        return called(self.name)

    def first(self, steps: int, ahead: int | None = None) -> Series:
        """So many steps from the beginning; of what is known ahead ``ahead`` steps stay known, or all."""
        time = None if self.time is None else self.time[:steps]
        future = self.future[: None if ahead is None else steps + ahead]
        return replace(self, target=self.target[:steps], past=self.past[:steps], future=future, time=time)

    def last(self, steps: int) -> Series:
        """So many steps before the end."""
        start = max(0, len(self) - steps)
        time = None if self.time is None else self.time[start:]
        rows = None if self.rows is None else self.rows[start:]
        return replace(
            self,
            target=self.target[start:],
            past=self.past[start:],
            future=self.future[start:],
            time=time,
            rows=rows,
        )

    def row_of(self, step: int) -> int | None:
        """Where a step stands in the table; None where it does not, or there is none."""
        return None if self.rows is None or self.rows[step] < 0 else int(self.rows[step])


@dataclass(frozen=True)
class Beginnings(Made[Series]):
    """The first steps of series.

    Parameters
    ----------
    series : sequence of Series
    steps : ``[n]``, how many of each
    ahead : int or None, default None
        How many steps behind these stay known, of what is known ahead; None: all.
    """

    series: Sequence[Series]
    steps: Array
    ahead: int | None = None

    def made(self, number: int) -> Series:
        return self.series[number].first(int(self.steps[number]), self.ahead)

    def __len__(self) -> int:
        return len(self.series)


@dataclass(frozen=True)
class Panel:
    """Some series with the same columns and the same frequency."""

    series: Sequence[Series]
    roles: Roles
    frequency: Frequency | None = None
    form: str = "array"
    """What they came in: ``"array"``, ``"arrays"`` (a list, or three dimensions), ``"columns"`` (a mapping), or a kind
    of data frame."""
    times: TimeForm | None = None
    """What their times came in."""
    unused: Mapping[str, str] = field(default_factory=dict)
    """The columns of a table that have no role, and what they hold: ``"dates"``, ``"text"``, ``"numbers"``."""

    def __len__(self) -> int:
        return len(self.series)

    def __iter__(self) -> Iterator[Series]:
        return iter(self.series)

    @property
    def named(self) -> bool:
        """Whether the names of series tell which they are in other panels too."""
        return self.roles.series is not None and self.form not in ("array", "arrays")

    @property
    def parts(self) -> Iterator[Any]:
        """All of it, for a fingerprint."""
        yield repr((self.roles, self.frequency))
        for series in self:
            yield repr((series.name, series.static))
            times = None if series.time is None else series.time.astype(np.int64)
            yield from (series.target, series.past, series.future, times)

    @cached_property
    def lengths(self) -> Array:
        """``[n]``, how many steps each series has."""
        return np.array([len(series) for series in self.series])

    @property
    def steps(self) -> int:
        """Of all series together."""
        return int(self.lengths.sum())

    def without_last(self, steps: int, ahead: int) -> Panel:
        """Each series without its last steps, of which ``ahead`` are known as far as they can be known ahead."""
        return replace(self, series=Beginnings(self.series, self.lengths - steps, ahead))

    def times_after(self, series: Series, steps: int) -> Array | None:
        """The times of the steps behind a series."""
        if series.time is None or self.frequency is None:
            return None
        return self.frequency.after(series.time, steps)
