"""References and inputs: numbers worked on paper, and that nothing looks ahead."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tolerances import HAND, ROWS, assert_close

from throughtime.errors import DataError
from throughtime.series.features import (
    REFERENCES,
    Fact,
    Features,
    Standard,
    ahead,
    best_reference,
    cycles,
    filled,
    phase_means,
    recent_mean,
    references,
    scale_of,
)
from throughtime.series.panel import Panel, Roles, Series

NAN = np.nan


def column(*values):
    return np.array(values, float)[:, None]


def series_of(y, past=None, future=None, time=None):
    T = len(y)
    return Series(
        None, y, np.zeros((T, 0)) if past is None else past, np.zeros((T, 0)) if future is None else future, (), time
    )


def features_of(reference="season", season=3, leads=2, P=0, F=0, calendar=()):
    return Features(leads, season, reference, True, calendar, Standard.of([], P), Standard.of([], F), ())


def drawn(seed, T=20, C=2, missing=0.3):
    random = np.random.default_rng(seed)
    y = random.normal(10, 3, (T, C))
    return np.where(random.random((T, C)) < missing, np.nan, y)


# ---------------------------------------------------------------------- worked on paper


def test_values_ahead():
    assert np.array_equal(ahead(column(1, 2, 3), 2)[..., 0], [[2, 3], [3, NAN], [NAN, NAN]], equal_nan=True)


def test_missing_values_are_filled_with_the_last_known_one():
    assert filled(column(NAN, 1, NAN, 3, NAN))[1:, 0].tolist() == [1, 1, 3, 3]
    assert np.isnan(filled(column(NAN, 1))[0, 0])
    assert filled(column(1, 2, NAN, NAN, NAN), 2)[:, 0].tolist() == [1, 2, 1, 2, 1]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("mean", [5, 5, 5]),
        ("last", [8, 8, 8]),
        ("season", [2, 8, 2]),
        ("profile", [2, 16 / 3, 2]),
        ("recent", [4.5, 20 / 3, 4.5]),
    ],
)
def test_the_references_at_the_end_of_a_short_series(kind, expected):
    """With a season of 2 the values at even places are 1, 3, 2 and at odd ones 4, 4, 8.

    The recent means are 1, 2.5, 3.5, 3.5, 3, 5, and the values are off them by 0, 1.5, -0.5, 0.5, -1, 3: on average
    by -0.5 at even places and 5/3 at odd ones.
    """
    y = column(1, 4, 3, 4, 2, 8)
    found = references(y, kind, 2, 3, np.array([5.0]))[-1, :, 0]
    assert_close(found, np.array(expected, float), HAND)


def test_the_mean_of_what_was_never_known_is_not_known():
    assert np.isnan(references(column(NAN, NAN), "mean", 1, 2, np.zeros(1))).all()


def test_the_values_ahead():
    found = ahead(column(1, 2, 3), 2)[:, :, 0]
    assert found[:2].tolist() == [[2, 3], [3, pytest.approx(np.nan, nan_ok=True)]]
    assert np.isnan(found[2]).all()


def test_means_by_phase():
    assert phase_means(column(1, 10, 3, NAN, 5, 20), 2)[:, 0].tolist() == [1, 10, 2, 10, 3, 15]


def test_the_recent_mean_is_of_as_many_as_there_are():
    assert recent_mean(column(2, 4, 6, 8), 3)[:, 0].tolist() == [2, 3, 4, 6]


@pytest.mark.parametrize(
    ("kind", "season", "size"),
    [("mean", 1, np.sqrt(5)), ("last", 1, 2), ("season", 2, 4), ("recent", 2, 4)],
)
def test_the_scale_is_the_root_mean_square_of_what_a_reference_is_off_by(kind, season, size):
    found = scale_of(column(1, 3, 5, 7), kind, season)
    assert found.mean.tolist() == [4]
    assert_close(found.size, np.array([size], float), HAND)


@pytest.mark.parametrize("value", [0.0, 0.1, -7e5])
def test_the_scale_of_a_constant_is_one(value):
    for kind in REFERENCES:
        assert scale_of(np.full((50, 1), value), kind, 7).size.tolist() == [1]


def test_the_scale_of_a_season_that_repeats_is_its_spread():
    assert scale_of(column(1, 3, 1, 3), "season", 2).size.tolist() == [1]


def test_the_best_reference_is_the_one_that_is_off_least():
    def best(y, season):
        return best_reference(Panel([series_of(y[:, None])], Roles(("y",))), season, 3)

    random, t = np.random.default_rng(0), np.arange(300)
    assert best(random.normal(size=300), 1) == "mean"
    assert best(np.cumsum(random.normal(size=300)), 1) == "last"
    assert best(np.tile(random.normal(size=7), 40), 7) == "season"
    assert best(np.tile(random.normal(size=7), 40) + random.normal(0, 0.3, 280), 7) == "profile"
    assert best(np.tile(random.normal(size=7), 40) + np.cumsum(random.normal(0, 0.3, 280)), 7) in ("recent", "season")
    assert best(t + 0.0, 1) == "last"


def test_standards_count_known_values_alone():
    found = Standard.of([column(1, NAN), column(3)], 1)
    assert (found.mean.tolist(), found.spread.tolist()) == ([2], [1])
    assert found(column(4)).tolist() == [[2]]
    assert Standard.of([column(5, 5)], 1).spread.tolist() == [1]


def test_calendar_cycles_begin_on_monday_at_midnight_in_january():
    monday = np.array(["2024-01-01T00:00:00", "2024-04-01T18:30:00"], "datetime64[s]")
    found = cycles(monday, ("minute", "hour", "weekday", "day", "month"))
    assert_close(found[0], np.tile([0.0, 1.0], 5), HAND)
    hour = 2 * np.pi * 18.5 / 24
    assert_close(found[1], np.array([0, -1, np.sin(hour), np.cos(hour), 0, 1, 0, 1, 1, 0]), HAND)


def test_the_inputs_of_a_step():
    """1, 4, 3, 6 with a season of 2 and the scale of a change over a season, the root of (4 + 4) / 2."""
    y = column(1, 4, 3, 6)
    features = features_of("season", season=2, leads=1)
    scale = scale_of(y, "season", 2)
    prepared = features.of(series_of(y), scale)
    assert scale.size.tolist() == [2]
    change, over, recent, there = prepared.now[-1].tolist()
    assert (change, over, recent, there) == (1.5, 1.0, 1.25, 1.0)  # 3 / 2, 2 / 2, (6 - 3.5) / 2
    targets = prepared.targets(0, 4)[:, 0]
    assert targets.tolist()[1:3] == [1.0, 1.0]  # (3 - 1) / 2, (6 - 4) / 2
    assert np.isnan(targets[[0, 3]]).all()
    assert prepared.now.shape[1] == features.width(Roles(("y",)))


def test_a_measured_column_is_standardised_and_what_is_missing_is_flagged():
    past = column(1, NAN, 3)
    features = replace(features_of(), past=Standard.of([past], 1))
    y = column(1, 2, 4)
    found = features.of(series_of(y, past), scale_of(y, "season", 3)).now[:, -2:]
    assert found.tolist() == [[-1, 1], [0, 0], [1, 1]]


# ---------------------------------------------------------------------- static facts


def test_numbers_are_standardised_and_categories_are_told_apart():
    assert Fact.of("size", [1, 3.0])(5, "x") == [3.0]
    assert Fact.of("size", [2.0, 2.0])(3.0, "x") == [1.0]
    assert Fact.of("kind", ["b", "a", "b"])("b", "x") == [0.0, 1.0]
    assert Fact.of("open", [True, False]).categories == ("False", "True")
    assert Fact.of("kind", ["b", "a", "b"]).width == 2


def test_a_category_that_was_never_seen():
    with pytest.raises(DataError) as caught:
        Fact.of("kind", ["b", "a"])("c", "the series 7")
    assert str(caught.value) == (
        "the static column 'kind' of the series 7 is 'c', a category that the model never saw; it knows 'a' and 'b'"
    )


def test_a_number_is_needed():
    with pytest.raises(DataError, match="the static column 'size' of x must be a number, got 'big'"):
        Fact.of("size", [1, 2])("big", "x")


# ---------------------------------------------------------------------- nothing looks ahead


@pytest.mark.parametrize("kind", REFERENCES)
@given(st.integers(0, 10_000), st.integers(1, 19))
def test_references_do_not_know_what_comes(kind, seed, step):
    y = drawn(seed)
    other = y.copy()
    other[step:] = drawn(seed + 1)[step:]
    mean = np.array([10.0, 9.0])
    before, after = (references(values, kind, 5, 7, mean)[:step] for values in (y, other))
    assert np.array_equal(before, after, equal_nan=True)


@pytest.mark.parametrize("kind", REFERENCES)
@given(st.integers(0, 10_000), st.integers(1, 19))
def test_inputs_do_not_know_what_comes(kind, seed, step):
    features = features_of(kind, season=5, leads=3, P=2, calendar=("weekday",))
    y, past = drawn(seed), drawn(seed + 2)
    scale = scale_of(y, kind, 5)
    time = np.arange(20).astype("datetime64[D]").astype("datetime64[s]")
    other, past_other = y.copy(), past.copy()
    other[step:], past_other[step:] = drawn(seed + 1)[step:], NAN
    first = features.of(series_of(y, past, time=time), scale)
    second = features.of(series_of(other, past_other, time=time), scale)
    assert np.array_equal(first.now[:step], second.now[:step])
    assert np.isfinite(first.now).all()


@given(st.integers(0, 10_000), st.integers(6, 20))
def test_a_shorter_series_has_the_same_inputs(seed, steps):
    """A forecast from step t is the same whether the rest is cut off or only not looked at."""
    features = features_of("recent", season=5)
    series = series_of(drawn(seed))
    scale = scale_of(series.target, "recent", 5)
    whole, part = features.of(series, scale), features.of(series.first(steps), scale)
    assert np.array_equal(whole.now[:steps], part.now)
    for step in range(steps):
        assert np.array_equal(whole.reference_at(step), part.reference_at(step), equal_nan=True)


@pytest.mark.parametrize("kind", REFERENCES)
@given(st.integers(0, 10_000), st.integers(1, 19), st.integers(1, 30))
def test_the_targets_of_a_piece_are_those_of_the_whole(kind, seed, start, leads):
    """Each is the value so many steps later less the reference, in units of the scale."""
    y = drawn(seed)
    scale = scale_of(y, kind, 5)
    prepared = features_of(kind, season=5, leads=leads).of(series_of(y), scale)
    off = (ahead(y, leads) - references(y, kind, 5, leads, scale.mean)) / scale.size
    expected = off.reshape(20, -1).astype(np.float32)
    assert np.array_equal(prepared.targets(start, 20), expected[start:], equal_nan=True)
    assert np.array_equal(prepared.targets(0, start), expected[:start], equal_nan=True)


@pytest.mark.parametrize("kind", REFERENCES)
def test_what_is_kept_of_a_step_does_not_grow_with_the_horizon(kind):
    y = drawn(0)
    near, far = (features_of(kind, leads=leads).of(series_of(y), scale_of(y, kind, 3)) for leads in (1, 250))
    assert len(pickle.dumps(near)) == len(pickle.dumps(far))


@pytest.mark.parametrize("kind", REFERENCES)
@given(st.integers(0, 10_000))
def test_inputs_and_targets_do_not_depend_on_the_units(kind, seed):
    y = drawn(seed)
    features = features_of(kind, season=5)
    one, other = (features.of(series_of(z), scale_of(z, kind, 5)) for z in (y, y * 1000 + 5))
    for name, first, second in (
        ("now", one.now, other.now),
        ("targets", one.targets(0, 20), other.targets(0, 20)),
    ):
        there = np.isfinite(first)
        assert np.array_equal(there, np.isfinite(second))
        assert_close(first[there], second[there], ROWS["float32"], name)
