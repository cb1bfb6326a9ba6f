"""Tables beyond memory: what is learned of cells and mapped arrays is, byte by byte, what is learned of lists."""

import datetime
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.forecasters import ROLES, days, shop, small, wave

from throughtime.errors import DataError
from throughtime.series.columns import Groups
from throughtime.series.features import Standard
from throughtime.series.lesson import prepare
from throughtime.series.tables import panel_of_arrays
from throughtime.series.times import read_times
from throughtime.tables import Cells, Spill, pieces, spill


@pytest.fixture(autouse=True)
def _place(tmp_path, monkeypatch):
    monkeypatch.setattr(spill, "cache_directory", lambda: tmp_path)


@pytest.fixture
def tiny(monkeypatch):
    """As if there were room for nothing, and few rows were much."""
    monkeypatch.setattr(spill, "MOST", 0)
    monkeypatch.setattr(spill, "SEGMENT", 1 << 16)
    monkeypatch.setattr(pieces, "ROWS", 7)
    monkeypatch.setattr(pieces, "SMALLEST", 1 << 8)
    monkeypatch.setattr(pieces, "LARGEST", 1 << 10)


def cells(column, a_block=5):
    found = Cells(Spill(0), as_json=not all(isinstance(value, str | None) for value in column))
    for start in range(0, len(column), a_block):
        found.add(column[start : start + a_block])
    return found


def mapped(column, folder):
    """A column of numbers as an array of a file, any other as cells."""
    array = np.asarray(column)
    if array.dtype.kind not in "fiubM":
        return cells(array.tolist())
    place = folder / f"{len([*folder.iterdir()])}.npy"
    np.save(place, array)
    return np.load(place, mmap_mode="r")


def text(values):
    """Numbers as they stand in a file."""
    return [None if value != value else repr(float(value)) for value in values]


def take(table, rows):
    return {name: np.asarray(column)[rows] for name, column in table.items()}


def interleaved(table):
    """The rows of two series in turn, those of each in their order."""
    series = np.asarray(table["shop"])
    nth = np.array([np.count_nonzero(series[:row] == name) for row, name in enumerate(series)])
    return take(table, np.argsort(nth, kind="stable"))


def with_offset(table):
    return {**table, "day": [f"{day}T00:00+02:00" for day in table["day"]]}


def of_numbers(table):
    """Names of series and facts that are numbers."""
    return {**table, "shop": (np.asarray(table["shop"]) == "north") * 7, "kind": np.asarray(table["size"]) > 2}


TABLES = {
    "sorted": (shop(more=3), {}),
    "interleaved": (interleaved(shop(more=3)), {}),
    "gaps": (take(shop(), np.flatnonzero(np.arange(105) % 11 != 4)), {"frequency": "D"}),
    "missing": ({**shop(), "visits": np.where(np.arange(105) % 9 == 2, np.nan, shop()["visits"])}, {}),
    "offset": (with_offset(shop()), {}),
    "nanoseconds": ({**shop(), "day": shop()["day"].astype("datetime64[ns]")}, {}),
    "numbers": (of_numbers(interleaved(shop())), {}),
    "counted": ({**shop(), "day": np.append(np.arange(60), np.arange(45.0))}, {}),
    "text": ({**shop(), "sales": text(shop()["sales"]), "visits": text(shop()["visits"])}, {}),
    "no target named": (shop(), {"target": None, "past": None, "static": None}),
    "one series": (take(shop(), slice(60)), {"series": None}),
}


@pytest.mark.parametrize("name", TABLES)
def test_the_model_is_the_same_to_the_last_byte(name, tmp_path, tiny, monkeypatch):
    table, changes = TABLES[name]
    large = small(**ROLES | changes).fit({name: mapped(column, tmp_path) for name, column in table.items()})
    judged = large.evaluate().columns()
    large.save(tmp_path / "large")
    monkeypatch.undo()
    whole = small(**ROLES | changes).fit(table)
    whole.save(tmp_path / "whole")
    assert (tmp_path / "large").read_bytes() == (tmp_path / "whole").read_bytes()
    np.testing.assert_equal(judged, whole.evaluate().columns())
    assert large._data == whole._data  # the fingerprint of the series


def test_a_forecast_is_the_same(tmp_path, tiny, monkeypatch):
    table = interleaved(shop(more=3))
    found = small(**ROLES).fit({name: mapped(column, tmp_path) for name, column in table.items()}).predict()
    monkeypatch.undo()
    np.testing.assert_equal(found, small(**ROLES).fit(table).predict())


def test_a_backtest_is_the_same(tiny, monkeypatch):
    model = small(season=7)
    found = model.backtest(wave(), folds=2).columns()
    monkeypatch.undo()
    np.testing.assert_equal(found, small(season=7).backtest(wave(), folds=2).columns())


def test_the_arrays_of_the_caller_are_not_those_of_the_model():
    y = wave()
    model = small(season=7).fit(y)
    before = model.predict()
    y[:] = 0
    assert np.array_equal(model.predict(), before)


def changed(name, row, value):
    """A table of shops with another value in a row, counted from 1."""
    table = {name: column.tolist() for name, column in shop().items()}
    table[name][row - 1] = value
    return table


NO_TIME = "is no time; give dates as 2026-11-20 or 2026-11-20T08:30, or integers"
CHANGES = "; a column that changes is past or future"
WRONG = [
    (
        changed("sales", 33, "much"),
        "column 'sales', row 33: 'much' is no number; numbers have a decimal point, and what is missing is left empty",
    ),
    (changed("sales", 40, np.inf), "column 'sales', row 40: the value is infinite; leave out what is not known"),
    (changed("shop", 17, None), "row 17 does not say which series it belongs to"),
    (changed("day", 99, "soon"), f"column 'day', row 99: 'soon' {NO_TIME}"),
    (changed("day", 22, None), f"column 'day', row 22: None {NO_TIME}"),
    (
        changed("day", 23, "2024-01-23T00:00:00.5"),
        "column 'day', row 23: 2024-01-23T00:00:00.500000 has parts of a second; times are told to the second, or "
        "counted in integers",
    ),
    (
        changed("day", 24, "2024-01-24T00:00Z"),
        "column 'day', row 24: '2024-01-24T00:00Z' has a time zone, others have none; give one to all times, or to "
        "none",
    ),
    (
        changed("day", 50, "2024-01-01"),
        "the times of the series 'north' do not increase: row 50, 2024-01-01, comes after 2024-02-18; sort the rows by "
        "time",
    ),
    (
        changed("kind", 81, "huge"),
        f"the static column 'kind' changes within the series 'south', in row 81 from 'small' to 'huge'{CHANGES}",
    ),
    (
        changed("kind", 82, None),
        "the static column 'kind', row 82, has no value; leave the series out, or give it one",
    ),
    (
        changed("size", 83, 2.0),
        f"the static column 'size' changes within the series 'south', in row 83 from 1.0 to 2.0{CHANGES}",
    ),
]


def as_cells(column):
    """A column of numbers as an array, any other as cells."""
    return np.array(column) if {*map(type, column)} <= {float, int} else cells(column)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(("table", "message"), WRONG)
def test_what_is_wrong_is_said_with_its_row(table, message, large, tiny):
    with pytest.raises(DataError) as caught:
        small(**ROLES).read({name: as_cells(column) for name, column in table.items()} if large else table)
    assert str(caught.value) == message


def test_the_first_of_two_faults_is_that_of_the_first_series(tiny):
    """As a table in memory tells: series by series."""
    table = {"s": ["a", "b", "b", "a"], "c": ["u", "v", "w", "z"], "y": [1.0, 2.0, 3.0, 4.0]}
    with pytest.raises(DataError, match="changes within the series 'a', in row 4 from 'u' to 'z'"):
        small(series="s", static="c", target="y").read(table | {"c": cells(table["c"])})


# ---------------------------------------------------------------------- times


@pytest.mark.parametrize(
    "values",
    [
        ["2024-01-01", " 2024-01-02T10:30", "2024-01-03T10:30:20", "2024-01-04"] * 3,
        ["2024-01-01T00:00+01:00", "2024-06-01T00:00+02:00", "2024-07-01T00:00+02:00"] * 3,
        ["2024-01-01T00:00Z", "2024-06-01T00:00:10Z"] * 4,
    ],
)
def test_times_of_cells_are_those_of_a_list(values, tiny):
    found, expected = read_times(cells(values, 2), "t"), read_times(values, "t")
    assert np.array_equal(found.wall, expected.wall)
    assert np.array_equal(found.instant, expected.instant)
    assert (found.form, found.offsets) == (expected.form, expected.offsets)


def test_the_longest_text_tells_how_times_are_written(tiny):
    assert read_times(cells(["2024-01-01"] * 9 + ["2024-01-02 10:30"], 2), "t").form.layout == (" ", "minutes", False)


def test_a_date_among_many_times_makes_no_dates(tiny):
    values = np.array([datetime.date(2024, 1, 1)] * 9 + [datetime.datetime(2024, 1, 2, 10)], object)
    assert read_times(values, "t").form.kind == "datetime"


# ---------------------------------------------------------------------- the rows of series


@given(st.lists(st.sampled_from("abcde"), min_size=1, max_size=60), st.booleans())
def test_groups_are_the_rows_of_each_name(names, lazy):
    expected = {}
    for row, name in enumerate(names):
        expected.setdefault(name, []).append(row)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "ROWS", 7)
        groups = Groups.of(cells(names) if lazy else np.array(names), len(names), Spill())
    assert groups.names == [*expected]
    assert [groups.rows(n).tolist() for n in range(len(groups))] == [*expected.values()]
    column = np.arange(len(names)) * 10
    assert [(groups.part(column, n) // 10).tolist() for n in range(len(groups))] == [*expected.values()]
    assert len(expected[groups.names[groups.longest]]) == max(map(len, expected.values()))
    changes = sum(one != other for one, other in pairwise(names))
    assert (groups.order is None) == (changes == len(expected) - 1)


def test_what_is_held_out_is_drawn_evenly_of_all_its_steps():
    lesson = prepare(small(season=7), panel_of_arrays([wave(60 + n, n) for n in range(30)]), lambda message: None)
    every = [(n, step) for n, end in enumerate(lesson.ends) for step in range(end, len(lesson.prepared[n]))]
    drawn = np.linspace(0, len(every) - 1, 50).round().astype(int)
    places = lesson.held_out(1, 50).places
    assert [(number, end) for number, _, end in places.tolist()] == [every[place] for place in drawn]


def test_a_standard_of_many_rows_is_theirs(monkeypatch):
    draws = np.random.default_rng(1)
    arrays = [draws.normal(3, 2, (rows, 2)) for rows in (5, 0, 80, 33, 1)]
    arrays[2][::7] = np.nan
    monkeypatch.setattr("throughtime.series.features.ROWS", 30)
    found = Standard.of(arrays, 2)
    together = np.concatenate(arrays)
    np.testing.assert_allclose(found.mean, np.nanmean(together, axis=0), rtol=1e-14)
    np.testing.assert_allclose(found.spread, np.nanstd(together, axis=0), rtol=1e-14)


# ---------------------------------------------------------------------- memory


def peak(series, steps, folder):
    """Bytes that are held at most while so many series are read and prepared, and the bytes of a column."""
    table = {
        "y": np.tile(wave(steps), series),
        "past": np.tile(wave(steps, 1), series),
        "future": np.tile(wave(steps, 2), series),
        "time": np.tile(days(steps).astype("datetime64[s]"), series),
        "series": np.repeat(np.arange(series), steps),
    }
    table = {name: mapped(column, folder) for name, column in table.items()}
    table["series"] = cells([f"number {number}" for number in table["series"].tolist()], 500)
    model = small(target="y", past="past", future="future", time="time", series="series")
    model.check()
    tracemalloc.start()
    lesson = prepare(model, model.read(table), lambda message: None)
    windows = lesson.learned(3)
    lesson.held_out(3)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(windows.places) > series * steps // 20
    return found, table["y"].nbytes


def test_memory_does_not_grow_with_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(spill, "MOST", 0)
    monkeypatch.setattr(pieces, "ROWS", 500)
    monkeypatch.setattr("throughtime.series.features.ROWS", 500)
    few, _ = peak(20, 400, tmp_path)
    many, column = peak(120, 400, tmp_path)
    assert many - few < 100 * 1500  # bytes for each series, of which the column has 3,200
    assert many < column  # where all of them, read and prepared, would be more than ten
