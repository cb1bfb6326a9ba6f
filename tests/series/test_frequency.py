"""Steps of time: found out, gone on with, counted, and refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughtime.errors import DataError, ParameterError
from throughtime.series.frequency import Frequency, check_order, check_regular, infer


def times(*texts):
    return np.array(texts, "datetime64[s]")


def told(array):
    return [str(time).removesuffix("T00:00:00") for time in array]


REGULAR = {
    "months": ("M", ["2023-11-01", "2023-12-01", "2024-01-01"], ["2024-02-01", "2024-03-01"]),
    "the 28th": ("M", ["2022-12-28", "2023-01-28", "2023-02-28"], ["2023-03-28", "2023-04-28"]),
    "the 30th": ("M", ["2023-03-30", "2023-04-30"], ["2023-05-30", "2023-06-30"]),
    "month ends": ("M", ["2023-11-30", "2023-12-31", "2024-01-31"], ["2024-02-29", "2024-03-31"]),
    "month ends with hours": ("M", ["2023-11-30T18:00:00", "2023-12-31T18:00:00"], ["2024-01-31T18:00:00"]),
    "quarters": ("Q", ["2023-07-01", "2023-10-01", "2024-01-01"], ["2024-04-01", "2024-07-01"]),
    "quarter ends": ("Q", ["2023-09-30", "2023-12-31"], ["2024-03-31", "2024-06-30"]),
    "years": ("Y", ["2022-01-01", "2023-01-01"], ["2024-01-01", "2025-01-01"]),
    "year ends": ("Y", ["2022-12-31", "2023-12-31"], ["2024-12-31"]),
    "weeks": ("W", ["2024-02-15", "2024-02-22"], ["2024-02-29", "2024-03-07"]),
    "days over a leap day": ("D", ["2024-02-26", "2024-02-27", "2024-02-28"], ["2024-02-29", "2024-03-01"]),
    "days without one": ("D", ["2023-02-26", "2023-02-27", "2023-02-28"], ["2023-03-01"]),
    "business days": (
        "B",
        ["2024-02-22", "2024-02-23", "2024-02-26", "2024-02-27", "2024-02-28"],
        ["2024-02-29", "2024-03-01", "2024-03-04", "2024-03-05"],
    ),
    "business days at an hour": (
        "B",
        ["2024-02-21T17:30:00", "2024-02-22T17:30:00", "2024-02-23T17:30:00", "2024-02-26T17:30:00"],
        ["2024-02-27T17:30:00"],
    ),
    "hours": ("h", ["2024-01-01T22:00:00", "2024-01-01T23:00:00"], ["2024-01-02", "2024-01-02T01:00:00"]),
    "quarters of an hour": ("15min", ["2024-01-01T23:30:00", "2024-01-01T23:45:00"], ["2024-01-02"]),
    "seconds": ("10s", ["2024-01-01T23:59:40", "2024-01-01T23:59:50"], ["2024-01-02"]),
    "two weeks": ("2W", ["2024-01-01", "2024-01-15"], ["2024-01-29"]),
}


@pytest.mark.parametrize("name", REGULAR)
def test_the_frequency_is_found_out_and_goes_on(name):
    code, so_far, ahead = REGULAR[name]
    found = infer(times(*so_far))
    assert found.code == code
    assert found == Frequency.parse(code)
    assert told(found.after(times(*so_far), len(ahead))) == ahead
    check_regular(times(*so_far, *ahead), found, "x")
    assert found.places(times(*so_far, *ahead)).tolist() == list(range(len(so_far) + len(ahead)))


def test_business_days_are_told_from_days():
    """1 January 2024 is a Monday."""
    assert infer(times("2024-01-01", "2024-01-02", "2024-01-03", "2024-01-05")).code == "D"  # of one week
    assert infer(times("2024-01-04", "2024-01-05", "2024-01-06", "2024-01-08", "2024-01-09")).code == "D"  # a Saturday
    assert infer(times("2024-01-01", "2024-01-03", "2024-01-05", "2024-01-07")).code == "2D"


def test_a_holiday_is_a_gap_among_business_days():
    time = times("2024-03-27", "2024-03-28", "2024-04-01", "2024-04-02", "2024-04-03")  # without Good Friday
    assert infer(time).code == "B"
    assert Frequency(1, "B").places(time).tolist() == [0, 1, 3, 4, 5]
    with pytest.raises(
        DataError, match="after 2024-03-28 comes 2024-04-01, where steps of B are usual; give frequency"
    ):
        check_regular(time, infer(time), "x")


def test_a_weekend_has_no_business_days():
    time = times("2024-01-05", "2024-01-06", "2024-01-08")
    with pytest.raises(DataError, match="the time 2024-01-06 is no whole number of steps of B after 2024-01-05"):
        Frequency(1, "B").places(time)
    with pytest.raises(DataError, match="after 2024-01-05 comes 2024-01-06, where steps of B are usual"):
        check_regular(time, Frequency(1, "B"), "x")
    assert told(Frequency(1, "B").after(time[:2], 2)) == ["2024-01-08", "2024-01-09"]
    assert told(Frequency(5, "B").after(time[:1], 2)) == ["2024-01-12", "2024-01-19"]


def test_integers_are_steps():
    found = infer(np.array([10, 12, 14]))
    assert found == Frequency(2, "step")
    assert found.after(np.array([10, 12, 14]), 2).tolist() == [16, 18]
    assert found.season == 1


def test_a_gap_does_not_hide_the_frequency():
    assert infer(times("2024-01-01", "2024-01-02", "2024-01-03", "2024-01-07")).code == "D"
    assert infer(times("2024-01-01", "2024-02-01", "2024-05-01")).code == "M"
    assert infer(np.array([1, 2, 5])).code == "step"


def test_one_time_is_taken_for_a_day_or_a_step():
    assert infer(times("2024-01-01")).code == "D"
    assert infer(np.array([7])).code == "step"


def test_months_that_are_too_short_for_the_day_end_earlier():
    found = Frequency(1, "M").after(times("2023-12-30", "2024-01-30"), 3)
    assert told(found) == ["2024-02-29", "2024-03-30", "2024-04-30"]


@pytest.mark.parametrize(
    ("code", "season"),
    [
        ("M", 12),
        ("Q", 4),
        ("Y", 1),
        ("W", 52),
        ("D", 7),
        ("h", 24),
        ("2h", 12),
        ("15min", 96),
        ("min", 1440),
        ("7min", 1),
        ("30s", 2880),
        ("5D", 1),
        ("B", 5),
    ],
)
def test_the_season_of_a_frequency(code, season):
    assert Frequency.parse(code).season == season


@pytest.mark.parametrize("code", ["", "d", "0D", "-1D", "1.5h", "month", "D ", 5, None])
def test_no_frequency(code):
    with pytest.raises(ParameterError, match=r"frequency must be one of s, min, h, D, B, W, M, Q, Y or step, with a n"):
        Frequency.parse(code)


@given(
    st.integers(1, 40),
    st.sampled_from(["s", "min", "h", "D", "W", "M", "Q", "Y"]),
    st.integers(0, 400),
    st.integers(0, 27),  # days that all months have
)
def test_what_goes_on_is_regular(count, unit, month, day):
    frequency = Frequency(count, unit)
    start = np.array([(np.datetime64("2001-01") + month).astype("datetime64[D]") + day]).astype("datetime64[s]")
    time = np.concatenate([start, frequency.after(start, 12)])
    check_regular(time, frequency, "x")
    assert frequency.places(time).tolist() == list(range(13))


def test_places_count_what_is_between():
    time = times("2024-01-01", "2024-01-02", "2024-01-05")
    assert Frequency(1, "D").places(time).tolist() == [0, 1, 4]
    assert Frequency(1, "M").places(times("2024-01-31", "2024-04-30")).tolist() == [0, 3]


def test_a_time_between_two_steps():
    with pytest.raises(DataError, match="the time 2024-01-02T05:00:00 is no whole number of steps of D after 2024-01-"):
        Frequency(1, "D").places(times("2024-01-01", "2024-01-02T05:00:00"))
    with pytest.raises(DataError, match="the time 2024-02-02 is no whole number of steps of M after 2024-01-01"):
        Frequency(1, "M").places(times("2024-01-01", "2024-02-02"))


def test_irregular_times_say_where():
    time = times("2024-01-01", "2024-01-02", "2024-01-04")
    with pytest.raises(DataError) as caught:
        check_regular(time, infer(time), "the series 'a'")
    assert str(caught.value) == (
        "the times of the series 'a' are irregular: after 2024-01-02 comes 2024-01-04, where steps of D are usual; "
        "give frequency (--frequency), such as 'D', to count what is between them as missing"
    )


def test_times_must_increase():
    rows = np.array([0, 4, 9])
    with pytest.raises(DataError, match="the times of x do not increase: row 10, 2024-01-02, comes after 2024-01-05;"):
        check_order(times("2024-01-01", "2024-01-05", "2024-01-02"), rows, "x", alone=False)
    with pytest.raises(DataError, match=r"the times of x have a duplicate: row 5, .*keep one row for each time$"):
        check_order(times("2024-01-01", "2024-01-01", "2024-01-02"), rows, "x", alone=False)
