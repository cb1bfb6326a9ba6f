"""Columns of times: read, refused, and written again in the form that they came in."""

import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pytest
from tests.forecasters import days, shop, small, wave

from throughtime.errors import DataError
from throughtime.series.times import read_times

UTC = datetime.UTC
BERLIN = ZoneInfo("Europe/Berlin")


def told(array):
    return [str(time).removesuffix("T00:00:00") for time in array]


def read(values):
    """The times of a column without a zone."""
    found = read_times(values, "t")
    assert found.form.zone is None
    assert np.array_equal(found.wall, found.instant)
    return found.wall


def test_times_are_read_from_text_dates_and_numbers():
    assert told(read(["2024-02-29", " 2024-03-01T08:30 "])) == ["2024-02-29", "2024-03-01T08:30:00"]
    assert told(read([datetime.date(2024, 1, 2), datetime.datetime(2024, 1, 3, 4)]))[0] == "2024-01-02"
    assert read(np.array([1.0, 2.0])).dtype == np.int64
    assert read(np.array([2020, 2021], np.uint16)).tolist() == [2020, 2021]


def test_times_with_an_offset_are_read_as_clocks_show_them_and_in_utc():
    found = read_times(["2024-03-01T10:30+02:00", "2024-03-02T10:30+02:00"], "t")
    assert told(found.wall) == ["2024-03-01T10:30:00", "2024-03-02T10:30:00"]
    assert told(found.instant) == ["2024-03-01T08:30:00", "2024-03-02T08:30:00"]


@pytest.mark.parametrize("value", ["yesterday", "2024-02-30", 1.5, None, True, pd.NaT])
def test_no_time(value):
    with pytest.raises(DataError, match=r"column 't', row 2: .* is no time; give dates as 2026-11-20 or 2026-11-20T08"):
        read_times(["2024-01-01", value], "t")


def test_a_time_that_is_missing():
    with pytest.raises(DataError, match="the time in column 't', row 2, is missing"):
        read_times(np.array(["2024-01-01", "NaT"], "datetime64[D]"), "t")


@pytest.mark.parametrize("values", [np.array(["2024-01-01T00:00:00.5"], "datetime64[ms]"), ["2024-01-01T00:00:00.5"]])
def test_parts_of_a_second_are_refused(values):
    with pytest.raises(DataError, match=r"column 't', row 1: 2024-01-01T00:00:00.50* has parts of a second; times are"):
        read_times(values, "t")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            ["2024-01-01", "2024-01-02T00:00+01:00"],
            "column 't', row 2: '2024-01-02T00:00+01:00' has a time zone, others have none; give one to all times, or "
            "to none",
        ),
        (
            ["2024-01-01T00:00Z", "2024-01-02"],
            "column 't', row 2: '2024-01-02' has no time zone, others have one; give one to all times, or to none",
        ),
    ],
)
def test_a_zone_that_only_some_times_have(values, message):
    with pytest.raises(DataError) as caught:
        read_times(values, "t")
    assert str(caught.value) == message


# ---------------------------------------------------------------------- written as they came in


def ahead(times, **changes):
    """The three times of a forecast after these, of fifty of a mapping of columns."""
    return small(time="t", **changes).fit({"t": times, "y": wave(len(times))}).predict()["t"]


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("2024-01-01", ["2024-02-20", "2024-02-21", "2024-02-22"]),
        ("2024-01-01T06:00", ["2024-02-20T06:00", "2024-02-21T06:00", "2024-02-22T06:00"]),
        ("2024-01-01 06:00:00", ["2024-02-20 06:00:00", "2024-02-21 06:00:00", "2024-02-22 06:00:00"]),
        ("2024-01-01T00:00:00.000", [f"2024-02-2{day}T00:00:00.000" for day in range(3)]),
        ("2024-01-01T06:00:00Z", [f"2024-02-2{day}T06:00:00Z" for day in range(3)]),
        ("2024-01-01T06:00+05:30", [f"2024-02-2{day}T06:00+05:30" for day in range(3)]),
        ("20240101", [f"2024-02-2{day}T00:00:00" for day in range(3)]),
    ],
)
def test_text_comes_back_as_it_was_written(first, expected):
    day = [str(one) if "-" in first else str(one).replace("-", "") for one in days(50)]
    found = ahead([first.replace(first[: len(day[0])], one) for one in day])
    assert found.tolist() == expected


def test_hours_that_some_text_has_are_written_for_all():
    hours = np.datetime64("2024-01-01") + 12 * np.arange(50).astype("timedelta64[h]")
    found = ahead([str(time)[:16].removesuffix("T00:00") for time in hours.astype("datetime64[s]")])
    assert found.tolist() == ["2024-01-26T00:00", "2024-01-26T12:00", "2024-01-27T00:00"]


def test_objects_and_arrays_come_back_as_they_were():
    assert ahead(list(days(50).tolist())).tolist() == [datetime.date(2024, 2, 20 + n) for n in range(3)]
    moments = [datetime.datetime(2024, 1, 1, 6) + n * datetime.timedelta(hours=1) for n in range(50)]
    assert ahead(moments).tolist() == [datetime.datetime(2024, 1, 3, 8 + n) for n in range(3)]
    for unit in ("D", "s", "us", "ns"):
        assert ahead(days(50).astype(f"datetime64[{unit}]")).dtype == f"datetime64[{unit}]"
    months = ahead(np.arange("2020-01", "2024-03", dtype="datetime64[M]"))
    assert (months.dtype, months.tolist()[0]) == ("datetime64[M]", datetime.date(2024, 3, 1))
    assert ahead(np.arange(50, dtype=np.int32)).dtype == np.int32
    assert ahead(np.arange(200, 250, dtype=np.uint8), horizon=8).tolist() == list(range(250, 258))  # more than it holds


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_polars_times_come_back_as_they_were(unit):
    for column in (
        pl.Series(days(50).astype(f"datetime64[{unit}]")),
        pl.Series(days(50)),
        pl.Series(days(50).astype(f"datetime64[{unit}]")).dt.replace_time_zone("Europe/Berlin"),
        pl.Series(days(50)).dt.to_string(),
        pl.Series(np.arange(50, dtype=np.int32)),
    ):
        frame = pl.DataFrame({"t": column, "y": wave(50)})
        assert small(time="t").fit(frame).predict().schema["t"] == column.dtype


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_pandas_times_come_back_as_they_were(unit):
    day = pd.Series(days(50)).dt.as_unit(unit)
    for column in (day, day.dt.tz_localize("Europe/Berlin"), day.dt.strftime("%Y-%m-%d"), pd.Series(np.arange(50))):
        found = small(time="t").fit(pd.DataFrame({"t": column, "y": wave(50)})).predict()["t"]
        assert found.dtype == column.dtype


# ---------------------------------------------------------------------- zones


def over_the_change(frequency, unit="us"):
    """Fifty times in Berlin around 31 March 2024, a day of 23 hours."""
    return pd.Series(pd.date_range("2024-02-25", periods=50, freq=frequency, tz="Europe/Berlin", unit=unit))


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.from_pandas])
def test_a_day_is_a_step_where_the_clocks_change(kind):
    frame = pd.DataFrame({"t": over_the_change("D"), "y": wave(50)})
    frame = frame if kind is pd.DataFrame else kind(frame)
    model = small(time="t").fit(frame)
    assert model.fitted_.frequency == "D"
    found = model.predict()["t"].to_list()
    assert [str(time) for time in found] == [f"2024-04-{day} 00:00:00+02:00" for day in (15, 16, 17)]


def test_the_forecast_goes_over_the_change_of_the_clocks():
    """Days stay at midnight, and the offset becomes another one."""
    frame = pd.DataFrame({"t": over_the_change("D"), "y": wave(50)}).head(35)
    found = small(time="t").fit(frame).predict()["t"]
    assert [str(time) for time in found] == [
        "2024-03-31 00:00:00+01:00",
        "2024-04-01 00:00:00+02:00",
        "2024-04-02 00:00:00+02:00",
    ]


def test_the_numbers_of_days_with_a_zone_are_those_of_days_without():
    aware = pd.DataFrame({"t": over_the_change("D"), "y": wave(50)})
    naive = aware.assign(t=aware["t"].dt.tz_localize(None))
    one, other = (small(time="t").fit(frame).predict()["y"] for frame in (aware, naive))
    assert one.tolist() == other.tolist()


@pytest.mark.parametrize("first", ["2024-03-30", "2024-10-26"])
def test_hours_are_counted_in_utc_and_come_back_with_their_zone(first):
    time = pd.Series(pd.date_range(first, periods=53, freq="h", tz="Europe/Berlin"))
    model = small(time="t").fit(pd.DataFrame({"t": time[:50], "y": wave(50)}))
    assert model.fitted_.frequency == "h"
    found = model.predict()["t"]
    assert found.tolist() == time[50:].tolist()
    assert found.dtype == time.dtype


def test_days_of_24_hours_have_the_frequency_of_hours():
    """At noon in UTC, which is 13 and then 14 o'clock in Berlin."""
    time = pd.Series(pd.date_range("2024-03-01 12:00", periods=53, freq="24h", tz="UTC")).dt.tz_convert("Europe/Berlin")
    frame = pd.DataFrame({"t": time, "y": wave(53)})
    with pytest.raises(DataError, match="irregular: after 2024-03-30T13:00:00 comes 2024-03-31T14:00:00"):
        small(time="t").fit(frame[:50])
    assert small(time="t", frequency="24h").fit(frame[:50]).predict()["t"].tolist() == time[50:].tolist()


def test_moments_of_python_keep_their_zone():
    moments = [datetime.datetime(2024, 3, 1, tzinfo=BERLIN) + n * datetime.timedelta(days=1) for n in range(53)]
    found = ahead(moments[:50])
    assert found.tolist() == moments[50:]
    assert found[0].tzinfo is BERLIN


def test_a_fixed_offset_of_a_frame_comes_back():
    time = pd.to_datetime(pd.Series([f"{day}T00:00:00+02:00" for day in days(53)]))
    found = small(time="t").fit(pd.DataFrame({"t": time[:50], "y": wave(50)})).predict()["t"]
    assert [str(one) for one in found] == [str(one) for one in time[50:]]


def test_offsets_that_change_tell_hours_but_no_days():
    days_of_text = [str(time).replace(" ", "T") for time in over_the_change("D")]
    with pytest.raises(DataError) as caught:
        ahead(days_of_text)
    assert str(caught.value) == (
        "column 't' has times of several offsets from UTC, so that the next ones are not known; give times without "
        "offset, as the clocks show them (in pandas with tz_localize(None)), or with a named zone"
    )
    hours = pd.date_range("2024-03-30", periods=50, freq="h", tz="Europe/Berlin")
    found = ahead([str(time).replace(" ", "T") for time in hours])
    assert found.tolist() == [f"2024-04-01T0{hour}:00:00+00:00" for hour in (1, 2, 3)]


def test_every_series_of_a_panel_has_its_zone():
    table = pd.DataFrame(shop(more=3))
    table["day"] = pd.to_datetime(table["day"]).dt.tz_localize("America/Sao_Paulo")
    roles = {"target": "sales", "future": "price", "time": "day", "series": "shop"}
    found = small(**roles).fit(table).predict()
    assert found["day"].tolist() == [*table["day"][60:63], *table["day"][108:111]]


# ---------------------------------------------------------------------- indices


def test_an_index_of_times_is_the_column_of_times():
    frame = pd.DataFrame({"day": days(50), "y": wave(50)})
    by_column, model = small(time="day").fit(frame), small().fit(frame.set_index("day"))
    expected = by_column.predict()
    assert (model.fitted_.roles.time, model.fitted_.frequency) == ("day", "D")
    pd.testing.assert_frame_equal(model.predict(), expected.set_index("day"))
    pd.testing.assert_frame_equal(model.predict(frame), by_column.predict(frame))
    nameless = small().fit(frame.set_index("day").rename_axis(None)).predict()
    assert nameless.index.name == "time"
    assert nameless.index.tolist() == expected["day"].tolist()


def test_an_index_of_times_may_have_a_frequency_and_a_zone():
    frame = pd.DataFrame({"y": wave(50)}, index=pd.DatetimeIndex(over_the_change("D"), name="day"))
    found = small(frequency="D").fit(frame.drop(frame.index[[7, 8]])).predict()
    assert found.index.dtype == frame.index.dtype
    assert [str(time) for time in found.index] == [f"2024-04-{day} 00:00:00+02:00" for day in (15, 16, 17)]


def test_a_column_that_is_named_is_the_time_even_with_an_index_of_times():
    frame = pd.DataFrame({"t": np.arange(50), "y": wave(50)}, index=pd.DatetimeIndex(days(50), name="day"))
    found = small(time="t").fit(frame).predict()
    assert list(found.columns) == ["t", "y", "y_0.1", "y_0.9"]
    assert found["t"].tolist() == [50, 51, 52]


def test_a_column_of_a_name_or_with_an_index_of_times_is_a_table():
    y = pd.Series(wave(50), index=pd.DatetimeIndex(days(50), name="day"), name="sales")
    expected = small().fit(y.to_frame()).predict()
    pd.testing.assert_frame_equal(small().fit(y).predict(), expected)
    assert list(small().fit(y.rename(None)).predict().columns) == ["y", "y_0.1", "y_0.9"]
    assert list(small().fit(y.rename(0)).predict().columns) == ["0", "0_0.1", "0_0.9"]
    named = small().fit(pl.Series("sales", wave(50))).predict()
    assert named.columns == ["step", "sales", "sales_0.1", "sales_0.9"]
    assert named["sales"].to_list() == small().fit(wave(50)).predict().tolist()


def test_an_index_of_periods_is_refused():
    frame = pd.DataFrame({"y": wave(50)}, index=pd.period_range("2020-01", periods=50, freq="M"))
    with pytest.raises(
        DataError, match=r"the index of the table holds periods; give times, which its to_timestamp\(\) r"
    ):
        small().fit(frame)
    assert small().fit(frame.to_timestamp()).fitted_.frequency == "M"
