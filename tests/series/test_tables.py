"""Tables and arrays as panels, and every way in which they can be wrong."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from tests.forecasters import ROLES, days, shop

from throughtime.errors import DataError, DataTypeError, ParameterError
from throughtime.series.panel import Roles
from throughtime.series.tables import (
    columns_of,
    names_of,
    numbers,
    panel_of_arrays,
    panel_of_columns,
    roles_of,
    to_form,
)


def panel_of(table, frequency=None, **roles):
    found = columns_of(table)
    named = dict.fromkeys(("target", "past", "future", "static", "time", "series")) | roles
    return panel_of_columns(found, roles_of(found.columns, **named), frequency, gaps=frequency is not None)


# ---------------------------------------------------------------------- what is read


@pytest.mark.parametrize(
    ("column", "holds"),
    [
        (days(3), "dates"),
        (["2024-01-01", "", "2024-01-03T10:00"], "dates"),
        (np.array([None, datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)], object), "dates"),
        ([1, 2, 3], "numbers"),
        ([True, False, True], "numbers"),
        (["1.5", "NA", "2"], "numbers"),
        (np.array([None, 2, 3.5], object), "numbers"),
        (["north", "2024-01-01", "1"], "text"),
        (np.array([[1], [1, 2], None], object), "text"),
    ],
)
def test_what_a_column_without_a_role_holds(column, holds):
    assert panel_of({"y": [1.0, 2.0, 3.0], "x": column}, target="y").unused == {"x": holds}


def test_a_table_becomes_series_in_the_order_of_their_first_rows():
    panel = panel_of(shop(20), **ROLES)
    north, south = panel
    assert (north.name, south.name) == ("north", "south")
    assert (len(north), len(south), panel.steps) == (20, 5, 25)
    assert (north.target.shape, north.past.shape, north.future.shape) == ((20, 1), (20, 1), (20, 1))
    assert north.static == ("big", 3.0)
    assert panel.frequency.code == "D"
    assert panel.roles.numbers == ("sales", "visits", "price")


def test_rows_of_different_series_may_be_mixed():
    table = shop(20)
    order = np.argsort(table["day"], kind="stable")
    mixed = panel_of({name: column[order] for name, column in table.items()}, **ROLES)
    for one, other in zip(mixed, panel_of(table, **ROLES), strict=True):
        assert np.array_equal(one.target, other.target)
        assert np.array_equal(one.time, other.time)


def test_rows_at_the_end_without_a_target_are_ahead():
    north, _ = panel_of(shop(20, more=4), **ROLES)
    assert (len(north), len(north.past), len(north.time), len(north.future)) == (20, 20, 20, 24)


def test_without_a_target_all_other_numbers_are():
    table = {"a": [1.0, 2.0], "b": [1, 2], "kind": ["x", "x"], "day": days(2), "open": [True, False]}
    assert panel_of(table, time="day").roles == Roles(("a", "b"), time="day")


def test_times_that_are_not_there_are_missing_where_a_frequency_is_given():
    table = {"t": np.delete(days(8), [2, 3]), "y": np.arange(6.0), "f": np.arange(6.0)}
    (series,) = panel_of(table, "D", time="t", target="y", future="f")
    assert series.time.tolist() == days(8).astype("datetime64[s]").tolist()
    assert np.isnan(series.target[[2, 3], 0]).all()
    assert np.isnan(series.future[[2, 3], 0]).all()
    assert series.target[[0, 1, 4, 5, 6, 7], 0].tolist() == [0, 1, 2, 3, 4, 5]


def test_month_ends_that_are_not_there():
    table = {"t": ["2023-12-31", "2024-01-31", "2024-03-31"], "y": [1.0, 2.0, 3.0]}
    (series,) = panel_of(table, "M", time="t", target="y")
    assert series.time.astype("datetime64[D]").astype(str).tolist()[2] == "2024-02-29"


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([1, None, 3], [1, np.nan, 3]),
        (["1", " 2.5 ", "", "NA", "null"], [1, 2.5, np.nan, np.nan, np.nan]),
        ([True, False], [1, 0]),
        (pd.array([1, None], dtype="Int64"), [1, np.nan]),
    ],
)
def test_numbers_are_read(column, expected):
    assert np.array_equal(numbers(column, "y"), expected, equal_nan=True)


def test_frames_say_what_they_are():
    table = {"y": np.arange(3.0)}
    assert columns_of(table).form == "columns"
    assert columns_of(pd.DataFrame(table)).form == "pandas"
    assert columns_of(pl.DataFrame(table)).form == "polars"
    assert list(columns_of(pd.DataFrame(np.ones((2, 2)))).columns) == ["0", "1"]
    for other in (np.ones(3), [1.0, 2.0], pd.Series([1.0]), pl.Series([1.0]), 5):
        assert columns_of(other) is None


def test_arrays_become_series():
    (one,) = panel_of_arrays(np.arange(6.0))
    assert (one.name, one.target.shape) == (None, (6, 1))
    assert panel_of_arrays(np.ones((6, 2))).roles.target == ("y0", "y1")
    several = panel_of_arrays([np.arange(6.0), np.arange(4)])
    assert [(one.name, len(one)) for one in several] == [(0, 6), (1, 4)]
    assert len(panel_of_arrays(np.ones((3, 6, 2)))) == 3
    assert panel_of_arrays(np.ones((3, 6, 2))).form == "arrays"
    (short,) = panel_of_arrays(np.array([1.0, 2.0, np.nan]))
    assert len(short) == 2


def test_forecasts_become_the_kind_of_table_that_came_in():
    columns = {"t": days(2).astype("datetime64[s]"), "y": np.array([1.0, 2.0])}
    assert to_form(columns, "columns") is columns
    assert to_form(columns, "pandas")["t"].dt.year.tolist() == [2024, 2024]
    assert to_form(columns, "polars")["t"].to_list() == [datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 2)]


# ---------------------------------------------------------------------- what is refused


TABLE = {"t": days(6), "y": np.arange(6.0), "s": ["a"] * 3 + ["b"] * 3, "c": ["u"] * 3 + ["v"] * 3}


def refused(kind, message, table=TABLE, frequency=None, **roles):
    with pytest.raises(kind) as caught:
        panel_of(table, frequency, **roles)
    assert str(caught.value) == message


@pytest.mark.parametrize("role", ["target", "past", "future", "static", "time", "series"])
def test_an_unknown_column(role):
    roles = {"target": "y"} | {role: "Y"}
    refused(DataError, "there is no column 'Y'; the columns are 't', 'y', 's' and 'c'", **roles)


def test_a_column_with_two_roles():
    refused(
        ParameterError,
        "column 'y' has two roles; give it one of target, past, future, static, time, series",
        target="y",
        past="y",
    )


def test_nothing_to_forecast():
    refused(
        ParameterError,
        "there is no column of numbers to forecast; name one with target, of 's' and 'c'",
        {"s": TABLE["s"], "c": TABLE["c"]},
    )


@pytest.mark.parametrize("value", [5, ["a", "a"], [1], [None]])
def test_no_names(value):
    with pytest.raises(ParameterError, match="target must be a column's name or a list of different ones, got"):
        names_of(value, "target")


def test_text_in_a_column_of_numbers():
    refused(
        DataError,
        "column 'y', row 3: '1,5' is no number; numbers have a decimal point, and what is missing is left empty",
        {"y": ["1", "2", "1,5"]},
        target="y",
    )


def test_digits_with_an_underscore_are_no_number():
    with pytest.raises(DataError, match="column 'y', row 2: '1_1' is no number"):
        panel_of({"y": ["1", "1_1"]}, target="y")


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_dates_in_a_column_of_numbers(unit):
    with pytest.raises(DataError, match=r"column 't', row 1: '2024-01-01.* is no number"):
        panel_of({"t": days(3).astype(f"datetime64[{unit}]")}, target="t")


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity(value):
    message = "column 'y', row 2: the value is infinite; leave out what is not known"
    refused(DataError, message, {"y": [1.0, value]}, target="y")
    refused(DataError, message, {"y": ["1", str(value)]}, target="y")
    with pytest.raises(DataError, match="the data has an infinite value in row 2; NaN stands for what is not known"):
        panel_of_arrays(np.array([1.0, value]))


def test_no_rows():
    refused(DataError, "the table has no rows", {"y": np.zeros(0)}, target="y")


def test_columns_of_different_lengths():
    refused(DataError, "the columns are of different lengths: {'a': 1, 'b': 2}", {"a": [1], "b": [1, 2]})


@pytest.mark.parametrize(("value", "dimensions"), [(5, 0), (np.ones((2, 2)), 2)])
def test_no_columns(value, dimensions):
    refused(DataError, f"column 'y' must be a sequence of values, got {dimensions} dimensions", {"y": value})


def test_no_value_to_forecast_from():
    refused(DataError, "the series has no value to forecast from", {"y": [np.nan, np.nan]}, target="y")


def test_the_rows_of_the_table_are_told_where_times_do_not_increase():
    table = {"s": list("abab"), "t": [1, 2, 1, 1], "y": np.arange(4.0)}
    with pytest.raises(DataError, match="the times of the series 'a' have a duplicate: row 3, 1, comes after 1"):
        panel_of(table, series="s", time="t")
    table["t"] = [1, 2, 3, 1]
    with pytest.raises(DataError, match="the times of the series 'b' do not increase: row 4, 1, comes after 2"):
        panel_of(table, series="s", time="t")


def test_series_that_are_stacked_without_a_column_that_tells_them_apart():
    table = {"t": [1, 2, 3, 1, 2, 3], "y": np.arange(6.0)}
    refused(
        DataError,
        "the times of the series do not increase: row 4, 1, comes after 3; sort the rows by time, or, if the table "
        "holds several series, name the column that tells them apart (series=)",
        table,
        time="t",
    )
    table["t"] = [1, 1, 2, 2, 3, 3]
    refused(
        DataError,
        "the times of the series have a duplicate: row 2, 1, comes after 1; sort the rows by time, and keep one row "
        "for each time, or, if the table holds several series, name the column that tells them apart (series=)",
        table,
        time="t",
    )


@pytest.mark.parametrize("role", ["past", "future"])
def test_text_in_a_column_that_helps(role):
    refused(
        DataError,
        "column 'sky', row 2: 'rain' is no number; past and future columns are numbers with a decimal point, left "
        "empty where one is missing; a category that does not change within a series goes to static (--static), "
        "another one is written as a column of 0 and 1 for each value",
        {"y": [1.0, 2.0], "sky": ["", "rain"]},
        target="y",
        **{role: "sky"},
    )


def test_irregular_times():
    table = {"t": np.delete(days(8), 5), "y": np.arange(7.0)}
    refused(
        DataError,
        "the times of the series are irregular: after 2024-01-05 comes 2024-01-07, where steps of D are usual; give "
        "frequency (--frequency), such as 'D', to count what is between them as missing",
        table,
        time="t",
        target="y",
    )


def test_frequencies_that_do_not_go_with_the_times():
    roles = {"time": "t", "target": "y"}
    for code, kind in (("D", "integers"), ("step", "dates")):
        table = {"t": np.arange(6) if kind == "integers" else days(6), "y": TABLE["y"]}
        refused(
            ParameterError,
            f"frequency {code!r} does not go with times that are {kind}; leave it out, or give others",
            table,
            code,
            **roles,
        )
    message = "the time 2024-01-02 is no whole number of steps of 2D after 2024-01-01"
    refused(DataError, message, TABLE, "2D", **roles)
    refused(
        DataError,
        "frequency 's' does not go with the times of the series: steps of D are usual, so that 431,995 of 432,001 "
        "values would be missing; train with frequency 'D' (--frequency), or without one",
        TABLE,
        "s",
        **roles,
    )


def test_one_time_that_is_far_away():
    refused(
        DataError,
        "frequency 'D' does not go with the times of the series: it has rows for 3 of 36,526 steps; give a longer one",
        {"t": ["2000-01-01", "2000-01-02", "2100-01-01"], "y": [1.0, 2.0, 3.0]},
        "D",
        time="t",
    )


@pytest.mark.parametrize(
    ("times", "given", "usual", "missing"),
    [
        (days(210)[::7], "D", "W", "174 of 204"),
        (np.arange("2020-01", "2021-01", dtype="datetime64[M]").astype("datetime64[D]"), "D", "M", "324 of 336"),
        (np.busday_offset("2024-01-01", np.arange(10)).astype("datetime64[s]"), "h", "B", "255 of 265"),
        (np.arange(0, 100, 5), "step", "5step", "76 of 96"),
    ],
)
def test_a_frequency_by_which_most_values_would_be_missing(times, given, usual, missing):
    refused(
        DataError,
        f"frequency {given!r} does not go with the times of the series: steps of {usual} are usual, so that {missing} "
        f"values would be missing; train with frequency {usual!r} (--frequency), or without one",
        {"t": times, "y": np.arange(len(times)) * 1.0},
        given,
        time="t",
        target="y",
    )


def test_days_of_which_most_have_no_row_by_chance_are_no_other_frequency():
    there = np.sort(np.random.default_rng(1).choice(400, 120, replace=False))
    (series,) = panel_of({"t": days(400)[there], "y": np.ones(120)}, "D", time="t", target="y")
    assert len(series) == there[-1] - there[0] + 1


def test_rows_without_the_name_of_a_series():
    for name in (None, np.nan):
        table = {"s": np.array(["a", name], object), "y": [1.0, 2.0]}
        refused(DataError, "row 2 does not say which series it belongs to", table, series="s", target="y")


def test_names_that_a_file_cannot_hold():
    table = {"s": np.array([datetime.date(2024, 1, 1)] * 2, object), "y": [1.0, 2.0]}
    with pytest.raises(DataError, match=r"row 1: the name of a series must be text or a number, got datetime\.date"):
        panel_of(table, series="s", target="y")


def test_static_columns_that_change_or_are_missing():
    table = {"s": ["a"] * 3, "y": [1.0, 2.0, 3.0], "c": ["u", "u", "v"]}
    refused(
        DataError,
        "the static column 'c' changes within the series 'a', in row 3 from 'u' to 'v'; a column that changes is past "
        "or future",
        table,
        series="s",
        target="y",
        static="c",
    )
    for value in (None, np.nan, np.inf):
        table["c"] = np.array([value] * 3, object)
        message = "the static column 'c', row 1, has no value; leave the series out, or give it one"
        refused(DataError, message, table, series="s", target="y", static="c")


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pl.LazyFrame, dict])
def test_a_list_of_tables(kind):
    with pytest.raises(DataTypeError) as caught:
        columns_of([kind({"y": [1.0, 2.0]})])
    assert str(caught.value) == (
        "a list of tables is not taken; put their rows into one, with a column that tells series apart (series=)"
    )


def test_a_lazy_frame():
    with pytest.raises(DataTypeError) as caught:
        columns_of(pl.LazyFrame({"y": [1.0, 2.0]}))
    assert str(caught.value) == "a lazy frame has no rows yet; give what its collect() returns"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (5, "the data must be numbers [T] or [T, C], got int64 of shape []; a data frame, or a mapping of columns"),
        ("text", "the data must be numbers [T] or [T, C], got <U4 of shape []"),
        (["1", "2"], "the data must be numbers [T] or [T, C], got <U1 of shape [2]"),
        ([np.ones((2, 2, 2))], "series 0 must be numbers [T] or [T, C], got float64 of shape [2, 2, 2]"),
        (np.ones((1, 2, 2, 2)), "the data must be numbers [T] or [T, C], got float64 of shape [1, 2, 2, 2]"),
        ([], "the data is empty"),
        ([np.ones(3), np.ones(0)], "series 1 is empty"),
        (np.ones((3, 0)), "the data is empty"),
        ([np.ones((3, 1)), np.ones((3, 2))], "the series have different numbers of columns: [1, 2]"),
    ],
)
def test_no_arrays(data, message):
    with pytest.raises(DataError) as caught:
        panel_of_arrays(data)
    assert str(caught.value).startswith(message)
