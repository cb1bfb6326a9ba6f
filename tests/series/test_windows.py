"""What counts in training: nothing that is missing, nothing behind the learned end, everything else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.forecasters import ROLES, shop, small, wave

from throughtime.errors import DataError
from throughtime.series.lesson import prepare
from throughtime.series.tables import columns_of, panel_of_arrays, panel_of_columns, roles_of


def silent(message):
    pass


def lesson_of(data, **changes):
    return prepare(small(**changes), panel_of_arrays(data), silent)


def panel_of_shops(table):
    found = columns_of(table)
    return panel_of_columns(found, roles_of(found.columns, **ROLES), None, gaps=False)


def lesson_of_shops(table, **changes):
    return prepare(small(**ROLES | changes), panel_of_shops(table), silent)


def batch_of(windows):
    return windows.batch(np.arange(len(windows.places)), int(windows.lengths.max()))


def counted(lesson, outputs=1):
    """How often each (series, step, lead and column) is learned: a list of arrays."""
    windows = lesson.learned(outputs)
    weights = batch_of(windows).weights[:, :, ::outputs]
    found = [np.zeros(one.targets(0, len(one)).shape, int) for one in lesson.prepared]
    for n, (number, start, end) in enumerate(windows.places):
        found[number][start:end] += weights[: end - start, n] > 0
    return found


def holes(steps, seed, share):
    return np.where(np.random.default_rng(seed).random(steps) < share, np.nan, wave(steps, seed))


def assert_same_lesson(one, other):
    first, second = batch_of(one.learned(3)), batch_of(other.learned(3))
    assert np.array_equal(first.x, second.x)
    assert np.array_equal(first.targets, second.targets)
    assert np.array_equal(first.weights, second.weights)


@given(st.integers(0, 10_000), st.sampled_from([0, 0.1, 0.5]), st.sampled_from([None, 1, 5, 30]))
def test_all_that_is_known_before_the_end_is_learned_and_nothing_else(seed, share, context):
    data = [holes(60, seed, share), holes(90, seed + 1, share)]
    lesson = lesson_of(data, context=context, season=7)
    for one, end, times in zip(lesson.prepared, lesson.ends, counted(lesson), strict=True):
        step, lead = np.arange(len(one))[:, None], np.arange(1, 4)
        known = np.isfinite(one.targets(0, len(one))) & (step + lead < end)
        assert (times[~known] == 0).all()
        assert (times[known] > 0).all()


@given(st.integers(0, 10_000), st.integers(0, 23))
def test_what_is_held_out_is_not_learned(seed, place):
    """Another value in the last fifth changes neither inputs, targets nor weights of what is learned."""
    y = holes(120, seed, 0.05)
    other = y.copy()
    other[96 + place] = 1e6
    other[np.isnan(y)] = np.nan
    assert_same_lesson(lesson_of(y, season=7), lesson_of(other, season=7))


def test_what_is_held_out_of_measured_columns_is_not_learned():
    table = shop()
    other = {name: column.copy() for name, column in table.items()}
    for shop_name, length in (("north", 60), ("south", 45)):
        rows = np.nonzero(table["shop"] == shop_name)[0][length - length // 5 :]
        other["sales"][rows], other["visits"][rows] = -1e4, 1e4
    assert_same_lesson(lesson_of_shops(table), lesson_of_shops(other))


def test_missing_values_have_no_weight_and_no_target():
    y = wave(60)
    y[20] = np.nan
    batch = batch_of(lesson_of(y).learned(1))
    assert np.isfinite(batch.targets).all()
    assert (batch.targets[batch.weights == 0] == 0).all()


def test_held_out_windows_begin_where_learning_ends():
    lesson = lesson_of(wave(100), season=7)
    assert lesson.ends.tolist() == [80]
    windows = lesson.held_out(1)
    assert windows.places[:, 2].tolist() == list(range(80, 100))
    weights = batch_of(windows).weights
    assert (weights.sum(axis=(0, 2)) == [3] * 18 + [2, 1]).all()
    steps, rows, _ = np.nonzero(weights)
    assert (steps == windows.lengths[rows] - 1).all()


def test_the_held_out_part_is_the_horizon_at_least_or_nothing():
    assert lesson_of(wave(50), horizon=15).ends.tolist() == [35]
    short = lesson_of(wave(12), horizon=5)
    assert short.ends.tolist() == [12]
    assert short.held_out(1) is None
    assert lesson_of(wave(50), validation=0.0).ends.tolist() == [50]


def test_the_inputs_tell_what_is_known_ahead_for_every_lead():
    lesson = lesson_of_shops(shop(more=3))
    windows = lesson.learned(1)
    inputs = windows.inputs(np.arange(1), int(windows.lengths[0]))
    future = lesson.prepared[0].future[:, 0]
    assert np.array_equal(inputs[5, 0, -4:], future[5:9])
    assert inputs.shape[2] == lesson.features.width(lesson.panel.roles)


def test_the_context_is_four_seasons_or_three_horizons_or_48_or_all_there_is():
    assert lesson_of(wave(400), season=24).context == 96
    assert lesson_of(wave(400), horizon=30).context == 90
    assert lesson_of(wave(400)).context == 48
    assert lesson_of(wave(50)).context == 40
    assert lesson_of(wave(400), context=9).context == 9


def test_too_short_for_context_and_horizon():
    with pytest.raises(DataError) as caught:
        lesson_of(wave(20), context=18)
    assert str(caught.value) == (
        "the series has 20 steps, of which context (18) plus the horizon (3) need 21; leave it out, give more of it, "
        "or a smaller context or horizon"
    )
    with pytest.raises(DataError, match=r"the series 1 has 9 steps, of which a season \(7\) and a step plus the hori"):
        lesson_of([wave(50), wave(9)], season=7)
    with pytest.raises(DataError, match=r"give more of it, or a smaller season \(--season\) or horizon"):
        lesson_of(wave(9), season=7)


def test_what_never_changes():
    with pytest.raises(DataError, match="the series is constant in the part that is learned; there is nothing to lear"):
        lesson_of(np.full(50, 0.1))
    with pytest.raises(DataError, match="all 2 series are constant; there is nothing to learn"):
        lesson_of([np.ones(50), np.ones(40)])
    said = []
    prepare(small(), panel_of_arrays([np.ones(50), wave(50)]), said.append)
    assert said == ["1 series is constant, such as the series 0"]


def said_of_shops(table):
    said = []
    prepare(small(**ROLES), panel_of_shops(table), said.append)
    return said


def test_missing_values_are_said():
    said = []
    y = wave(50)
    y[[3, 4]] = np.nan
    prepare(small(), panel_of_arrays(y), said.append)
    assert said == ["2 of 50 values are missing and left out, not invented"]
    table = shop()
    table["visits"][7] = np.nan
    assert said_of_shops(table) == ["1 value of other columns is missing; the network reads the column's mean instead"]
    table["price"][[8, 70]] = np.nan
    assert said_of_shops(table) == [
        "3 values of other columns are missing; the network reads the column's mean instead"
    ]


def test_what_is_known_ahead_and_missing_is_read_as_the_mean_that_was_learned():
    table = shop()
    table["price"][8] = np.nan
    lesson = lesson_of_shops(table)
    assert lesson.prepared[0].future[8, 0] == 0
    learned = np.concatenate([table["price"][:48], table["price"][60:96]])
    np.testing.assert_allclose(lesson.features.future.mean, np.nanmean(learned), rtol=1e-12)


def test_a_reference_to_a_season_needs_one():
    for reference in ("season", "profile", "recent"):
        with pytest.raises(DataError, match=f"reference='{reference}' needs a season; give season "):
            lesson_of(wave(50), reference=reference)
