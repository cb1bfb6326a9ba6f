"""Reads data frames, mappings of columns and arrays into a panel, and writes forecasts as what came in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.errors import DataError, DataTypeError, ParameterError, known, short
from throughtime.series.columns import Coded, Groups, as_list, blocks, kind_of
from throughtime.series.frequency import Frequency, check_order, check_regular, infer
from throughtime.series.kept import KeptSeries
from throughtime.series.panel import Beginnings, Panel, Roles, Series, called
from throughtime.series.times import Zoned, read_times
from throughtime.tables.cells import Cells
from throughtime.tables.made import Made
from throughtime.tables.pieces import as_array, spans
from throughtime.tables.reading import MISSING
from throughtime.tables.spill import Spill

Names = str | Sequence[str] | None
Columns = dict[str, Any]

SPARSE = 1000
"""Of so many steps one at least must have a row, or the frequency is taken to be a mistake."""


def names_of(value: Names, what: str) -> tuple[str, ...]:
    """One name or several as a tuple.

    Raises
    ------
    ParameterError
        If it is anything else.
    """
    given = [] if value is None else [value] if isinstance(value, str) else value
    found = tuple(given) if isinstance(given, Iterable) else (given,)
    if not all(isinstance(name, str) for name in found) or len(set(found)) != len(found):
        raise ParameterError(f"{what} must be a column's name or a list of different ones, got {value!r}")
    return found


@dataclass(frozen=True)
class Table:
    """The columns of a data frame or mapping, and what it was."""

    columns: Columns
    form: str
    index: str | None = None
    """The column that was the index of a pandas frame, if that holds times."""


def columns_of(data: Any) -> Table | None:
    """The table that a data frame, a mapping of columns, or a named column is; None for anything else.

    A pandas frame's index of times is a column, of its name or ``"time"``.

    Raises
    ------
    DataError
        If what a mapping holds are no columns of one length.
    DataTypeError
        If it is a lazy frame, a list of tables, or indexed by periods.
    """
    if isinstance(data, Mapping):
        for name, column in data.items():
            if np.ndim(column) != 1:
                raise DataError(f"column {name!r} must be a sequence of values, got {np.ndim(column)} dimensions")
        lengths = {name: len(column) for name, column in data.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"the columns are of different lengths: {lengths}")
        return Table({str(name): column for name, column in data.items()}, "columns")
    if isinstance(data, np.ndarray):
        return None
    import narwhals as nw

    if isinstance(data, (list, tuple)):
        if len(data) and isinstance(nw.from_native(data[0], pass_through=True), (Mapping, nw.DataFrame, nw.LazyFrame)):
            raise DataTypeError(
                "a list of tables is not taken; put their rows into one, with a column that tells series apart "
                "(series=)"
            )
        return None
    frame = nw.from_native(data, pass_through=True, allow_series=True)
    if isinstance(frame, nw.LazyFrame):
        raise DataTypeError("a lazy frame has no rows yet; give what its collect() returns")
    if not isinstance(frame, (nw.DataFrame, nw.Series)):
        return None
    index = _index_of_times(nw.maybe_get_index(frame))
    if isinstance(frame, nw.Series):
        nameless = frame.name in (None, "")
        if index is None and nameless:
            return None
        frame = frame.alias("y" if nameless else str(frame.name)).to_frame()
    columns = {str(name): _column(frame.get_column(name)) for name in frame.columns}
    form = str(frame.implementation).rpartition(".")[2].lower()
    if index is None:
        return Table(columns, form)
    name = next(str(name) for name in (index.name, "time", "index") if name is not None and str(name) not in columns)
    return Table(columns | {name: _column(nw.from_native(index.to_series(), series_only=True))}, form, name)


def _index_of_times(index: Any) -> Any:
    """The index of a pandas frame, if it holds times; else None."""
    if type(index).__name__ == "PeriodIndex":
        raise DataTypeError("the index of the table holds periods; give times, which its to_timestamp() returns")
    return index if index is not None and getattr(index.dtype, "kind", "") == "M" else None


def _column(column: Any) -> Any:
    """Of a data frame of narwhals, as an array."""
    zone = getattr(column.dtype, "time_zone", None)
    if zone is None:
        return column.to_numpy()
    instant = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return Zoned(column.dt.replace_time_zone(None).to_numpy(), instant.to_numpy(), zone)


NUMBERS = "numbers have a decimal point, and what is missing is left empty"
CATEGORIES = (
    "past and future columns are numbers with a decimal point, left empty where one is missing; a category that does "
    "not change within a series goes to static (--static), another one is written as a column of 0 and 1 for each value"
)
"""What is said of text where a number is needed."""


def numbers(column: Any, name: str, advice: str = NUMBERS, spill: Spill | None = None) -> Array:
    """A column as float64, NaN where a value is missing; ``advice`` is said of what is no number.

    It is the column itself where that is so already, else an array of ``spill``, or of its own.

    Raises
    ------
    DataError
        If a value is no number, or infinite.
    """
    found = _floats(column, name, advice, Spill() if spill is None else spill)
    for rows in spans(len(found)):
        wrong = np.nonzero(np.isinf(found[rows]))[0]
        if len(wrong):
            row = rows.start + int(wrong[0]) + 1
            raise DataError(f"column {name!r}, row {row}: the value is infinite; leave out what is not known")
    return found


def _floats(column: Any, name: str, advice: str, spill: Spill) -> Array:
    array = column if isinstance(column, Cells) else as_array(column)
    if isinstance(array, np.ndarray) and array.dtype == np.float64:
        return array
    found, row = spill.empty(len(array), np.float64), 0
    for block in blocks(array):
        if isinstance(block, np.ndarray) and block.dtype.kind in "fiub":
            found[row : row + len(block)] = block
        else:
            dates = isinstance(block, np.ndarray) and block.dtype.kind in "mM"  # which are no numbers
            values = map(str, block) if dates else as_list(block)
            found[row : row + len(block)] = [_number(value, at, name, advice) for at, value in enumerate(values, row)]
        row += len(block)
    return found


def _number(value: Any, row: int, name: str, advice: str) -> float:
    if value is None or (isinstance(value, str) and value.strip().lower() in MISSING):
        return np.nan
    try:
        if not (isinstance(value, str) and "_" in value):  # which Python would pass over
            return float(value)
    except (TypeError, ValueError):
        pass
    raise DataError(f"column {name!r}, row {row + 1}: {value!r} is no number; {advice}")


def roles_of(
    columns: Columns, *, target: Names, past: Names, future: Names, static: Names, time: str | None, series: str | None
) -> Roles:
    """The roles of columns; without a target all other columns of numbers are targets.

    Raises
    ------
    DataError
        If a column does not exist; without a target also if one begins with numbers and has something else.
    ParameterError
        If a column has two roles, or there is no target.
    """
    named = Roles(
        names_of(target, "target"),
        names_of(past, "past"),
        names_of(future, "future"),
        names_of(static, "static"),
        time,
        series,
    )
    single = tuple(name for name in (time, series) if name is not None)
    used = (*named.numbers, *named.static, *single)
    for name in used:
        if name not in columns:
            raise DataError(f"there is no column {short(name)}; the columns are {known(columns)}")
    twice = sorted({name for name in used if used.count(name) > 1})
    if twice:
        raise ParameterError(
            f"column {twice[0]!r} has two roles; give it one of target, past, future, static, time, series"
        )
    if named.target:
        return named
    rest = tuple(name for name in columns if name not in used and kind_of(columns[name]) in "fiu")
    if not rest:
        raise ParameterError(f"there is no column of numbers to forecast; name one with target, of {known(columns)}")
    for name in columns:
        if name not in (*used, *rest) and _kind(columns[name], name) == "numbers":
            numbers(columns[name], name, f"{NUMBERS}; name the columns to forecast (target, --target) to leave it out")
    return Roles(rest, *(getattr(named, role) for role in ("past", "future", "static", "time", "series")))


SAMPLED = 100
"""By so many rows it is told what a column holds."""


def unused(columns: Columns, roles: Roles) -> dict[str, str]:
    """The columns that have no role, and what they hold: ``"dates"``, ``"text"``, ``"numbers"``."""
    used = (*roles.numbers, *roles.static, roles.time, roles.series)
    return {name: _kind(column, name) for name, column in columns.items() if name not in used}


def _kind(column: Any, name: str) -> str:
    if kind_of(column) in "fiubM":
        return "dates" if kind_of(column) == "M" else "numbers"
    first = column[:SAMPLED] if isinstance(column, Cells) else as_array(column)[:SAMPLED].tolist()
    some = np.fromiter(first, object)
    some = some[[str(value).strip().lower() not in (*MISSING, "nat") for value in some]]
    for kind, read in (("numbers", numbers), ("dates", read_times)):
        try:
            read(some, name)
        except DataError:
            continue
        return kind
    return "text"


def panel_of_columns(table: Table, roles: Roles, frequency: str | None, *, gaps: bool) -> Panel:
    """A panel of the columns of a table.

    Rows at the end of a series that have no target are ahead: of these only the columns that are known ahead are read.
    Times that are not there count as missing values with ``gaps``; without, there may be none.

    Raises
    ------
    DataError
        If a value is none, times are not regular, or static facts change.
    """
    columns, spill = table.columns, Spill()
    values = {
        name: numbers(columns[name], name, NUMBERS if name in roles.target else CATEGORIES, spill)
        for name in roles.numbers
    }
    rows = len(next(iter(values.values())))
    if not rows:
        raise DataError("the table has no rows")
    groups = Groups.of(None if roles.series is None else columns[roles.series], rows, spill)
    facts = {name: _facts(columns[name], spill) for name in roles.static}
    times, written = None, None
    if roles.time is not None:
        read = read_times(columns[roles.time], roles.time, spill)
        times, written = read.at(frequency, lambda array: groups.part(array, groups.longest))
        written = replace(written, indexed=roles.time == table.index)
    static = []
    for number, name in enumerate(groups.names):
        static.append(tuple(_fact(facts[fact], groups, number, fact) for fact in roles.static))
        if times is not None:
            check_order(groups.part(times, number), groups.rows(number), called(name), alone=roles.series is None)
    found = _InTable(roles, groups, values, static, times)
    if times is None:
        return _panel(KeptSeries(found, spill), roles, None, table.form, written, unused(columns, roles))
    longest = found[groups.longest]
    step = _frequency(longest, frequency)
    if gaps:
        _check_usual(longest, step)
    regular = (_step_by_step(one, step, gaps=gaps, learned=frequency is not None) for one in found)
    return _panel(KeptSeries(regular, spill), roles, step, table.form, written, unused(columns, roles))


@dataclass(frozen=True)
class _InTable(Made[Series]):
    """The series of a table, a step for each of their rows."""

    roles: Roles
    groups: Groups
    values: Mapping[str, Array]
    static: Sequence[tuple[Any, ...]]
    times: Array | None

    def made(self, number: int) -> Series:
        return Series(
            self.groups.names[number],
            self._matrix(self.roles.target, number),
            self._matrix(self.roles.past, number),
            self._matrix(self.roles.future, number),
            self.static[number],
            None if self.times is None else self.groups.part(self.times, number),
            self.groups.rows(number),
        )

    def _matrix(self, names: Sequence[str], number: int) -> Array:
        if not names:
            return np.zeros((len(self.groups.rows(number)), 0))
        return np.stack([self.groups.part(self.values[name], number) for name in names], axis=1)

    def __len__(self) -> int:
        return len(self.groups)


def _panel(series: Sequence[Series], *about: Any) -> Panel:
    """Series without their rows ahead."""
    return Panel(Beginnings(series, np.array([_steps_known(one) for one in series])), *about)


def _frequency(longest: Series, given: str | None) -> Frequency:
    """The one that is given, or that of the longest series."""
    assert longest.time is not None
    if given is None:
        return infer(longest.time)
    found = Frequency.parse(given)
    if (found.unit == "step") != (longest.time.dtype.kind != "M"):
        kind = "dates" if found.unit == "step" else "integers"
        raise ParameterError(
            f"frequency {given!r} does not go with times that are {kind}; leave it out, or give others"
        )
    return found


def _check_usual(series: Series, frequency: Frequency) -> None:
    """Raises :class:`DataError` where the usual steps are so much longer that most values would be missing."""
    assert series.time is not None
    places = frequency.places(series.time)
    steps, usual = int(places[-1]) + 1, infer(series.time)
    apart, counts = np.unique(np.diff(places), return_counts=True)
    if steps > 2 * len(places) and usual != frequency and apart[np.argmax(counts)] > 1:
        raise DataError(
            f"frequency {frequency.code!r} does not go with the times of {series.called}: steps of {usual.code} are "
            f"usual, so that {steps - len(places):,} of {steps:,} values would be missing; train with frequency "
            f"{usual.code!r} (--frequency), or without one"
        )


def _facts(column: Any, spill: Spill) -> Array | Coded:
    """A static column in which any row can be looked at."""
    if not isinstance(column, Cells):
        return as_array(column)
    return Coded.of(column, spill, lambda value, row: value if isinstance(value, str) else (repr(value),))


def _fact(column: Array | Coded, groups: Groups, number: int, fact: str) -> Any:
    if isinstance(column, Coded):
        values = [column.values[code] for code in groups.part(column.codes, number).tolist()]
    else:
        values = groups.part(column, number).tolist()
    first = values[0]
    if not _is_missing(first) and values.count(first) == len(values):
        return first
    for value, row in zip(values, groups.rows(number).tolist(), strict=True):
        if _is_missing(value):
            raise DataError(
                f"the static column {fact!r}, row {row + 1}, has no value; leave the series out, or give it one"
            )
        if value != first:
            raise DataError(
                f"the static column {fact!r} changes within {called(groups.names[number])}, in row {row + 1} from "
                f"{first!r} to {value!r}; a column that changes is past or future"
            )
    return first


def _is_missing(value: Any) -> bool:
    return bool(value is None or value != value or value in (np.inf, -np.inf))


def _step_by_step(series: Series, frequency: Frequency, *, gaps: bool, learned: bool) -> Series:
    """The series with a row for each step; those that the table does not have are missing, if there may be gaps.

    ``learned`` says that without gaps the frequency is that of a model.
    """
    assert series.time is not None
    if not gaps:
        check_regular(series.time, frequency, series.called, learned=learned)
        return series
    places = frequency.places(series.time)

    steps = int(places[-1]) + 1
    if steps > SPARSE * len(places):
        raise DataError(
            f"frequency {frequency.code!r} does not go with the times of {series.called}: it has rows for "
            f"{len(places):,} of {steps:,} steps; give a longer one"
        )

    def spread(values: Array) -> Array:
        wide = np.full((steps, values.shape[1]), np.nan)
        wide[places] = values
        return wide

    time = np.concatenate([series.time[:1], frequency.after(series.time, steps - 1, place=0)])
    rows = np.full(steps, -1)
    rows[places] = series.rows
    return replace(
        series,
        target=spread(series.target),
        past=spread(series.past),
        future=spread(series.future),
        time=time,
        rows=rows,
    )


def _steps_known(series: Series) -> int:
    """How many steps a series has without its rows ahead."""
    there = np.nonzero(np.isfinite(series.target).any(axis=1))[0]
    if not len(there):
        raise DataError(f"{series.called} has no value to forecast from")
    return int(there[-1]) + 1


def panel_of_arrays(data: Any) -> Panel:
    """A panel of arrays: ``[T]`` or ``[T, C]`` is one series, ``[N, T, C]`` or a list of such arrays several.

    Raises
    ------
    DataError
        If it is anything else.
    """
    if isinstance(data, (list, tuple)) and len(data) and np.ndim(data[0]):
        arrays, form = [_array(one, f"series {number}") for number, one in enumerate(data)], "arrays"
    else:
        whole = np.asarray(data)
        if whole.ndim == 3 and whole.size:
            arrays, form = [_array(one, f"series {number}") for number, one in enumerate(whole)], "arrays"
        else:
            arrays, form = [_array(whole, "the data")], "array"
    widths = {array.shape[1] for array in arrays}
    if len(widths) > 1:
        raise DataError(f"the series have different numbers of columns: {sorted(widths)}")
    roles = Roles(tuple(f"y{column}" for column in range(widths.pop())))
    names = [None] if form == "array" else list(range(len(arrays)))
    series = (Series(name, y, y[:, :0], y[:, :0]) for name, y in zip(names, arrays, strict=True))
    return _panel(KeptSeries(series, Spill()), roles, None, form)


def _array(values: Any, who: str) -> Array:
    array = np.asarray(values)
    if array.ndim not in (1, 2) or array.dtype.kind not in "fiub":
        raise DataError(
            f"{who} must be numbers [T] or [T, C], got {array.dtype} of shape {list(array.shape)}; a data frame, or a "
            "mapping of columns, is taken too"
        )
    if not array.size:
        raise DataError(f"{who} is empty")
    found = array.astype(np.float64, copy=False).reshape(len(array), -1)
    if np.isinf(found).any():
        place = tuple(int(i) for i in np.argwhere(np.isinf(found))[0])
        raise DataError(f"{who} has an infinite value in row {place[0] + 1}; NaN stands for what is not known")
    return found


def to_form(columns: Columns, form: str, index: str | None = None) -> Any:
    """Columns as the kind of table that came in; one of them may be the index of a pandas frame."""
    if form in ("columns", "array", "arrays"):
        return columns
    import narwhals as nw

    arrays = {name: _for_frames(np.asarray(column), form) for name, column in columns.items()}
    frame = nw.from_dict(arrays, backend=cast(Any, form)).with_columns(
        nw.col(name).dt.replace_time_zone("UTC").dt.convert_time_zone(column.zone)
        for name, column in columns.items()
        if isinstance(column, Zoned)
    )
    return (frame if index is None else nw.maybe_set_index(frame, column_names=index)).to_native()


def _for_frames(column: Array, form: str) -> Array:
    """Times in a unit that the data frame knows: polars has no seconds."""
    seconds = column.dtype.kind == "M" and np.datetime_data(column.dtype)[0] == "s"
    return column.astype("datetime64[ms]") if seconds and form == "polars" else column
