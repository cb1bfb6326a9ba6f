"""Intervals: ranks worked on paper, and coverage where the law is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughtime.series.conformal import FEW, later_half, measured, moved, shift, shifts

LEVELS = np.array([0.1, 0.5, 0.9])


@pytest.mark.parametrize(
    ("n", "tau", "rank"),
    [(9, 0.9, 9), (19, 0.9, 18), (10, 0.9, 10), (9, 0.1, 1), (19, 0.1, 2), (29, 0.1, 3), (99, 0.55, 55), (3, 0.5, 2)],
)
def test_the_shift_has_the_rank_of_a_finite_sample(n, tau, rank):
    off = np.random.default_rng(n).permutation(np.arange(1.0, n + 1))
    assert shift(off, tau) == rank


def test_with_too_few_windows_it_is_the_largest_or_smallest():
    assert shift(np.array([2.0, 1.0, 3.0]), 0.9) == 3
    assert shift(np.array([2.0, 1.0, 3.0]), 0.1) == 1
    assert shift(np.zeros(0), 0.9) == 0


def test_each_lead_column_and_level_has_its_own_shift():
    off = np.arange(1.0, 20)[:, None, None] * np.array([[1.0, 10.0], [100.0, 1000.0]])
    found = shifts(np.zeros((19, 2, 2, 3)), off, LEVELS)
    assert found.shape == (2, 2, 3)
    pooled = shifts(np.zeros((19, 2, 2, 3)), off, LEVELS)[0, 0]
    assert pooled.tolist() == found[1, 0].tolist()  # fewer than FEW: the leads together
    many = np.concatenate([off, off[:1]])
    assert len(many) == FEW
    assert shifts(np.zeros((FEW, 2, 2, 3)), many, LEVELS)[:, :, 2].tolist() == [[18, 180], [1800, 18000]]


def test_missing_values_do_not_calibrate():
    y = np.full((40, 1, 1), np.nan)
    y[:29, 0, 0] = np.arange(1.0, 30)
    assert shifts(np.zeros((40, 1, 1, 3)), y, LEVELS)[0, 0].tolist() == [3, 15, 27]


def test_quantiles_stay_in_order_and_the_middle_where_it_is():
    q = np.array([[[[0.0, 1.0, 2.0]]]])
    found = moved(q, np.array([5.0, 7.0, -9.0]), LEVELS, np.array([[[1.0]]]))
    assert found.tolist() == [[[[1, 1, 1]]]]
    wide = moved(q, np.array([-1.0, 7.0, 1.0]), LEVELS, np.array([[[1.0]]]))
    assert wide.tolist() == [[[[-1, 1, 3]]]]


@given(st.integers(0, 10_000))
def test_moved_quantiles_are_in_order(seed):
    random = np.random.default_rng(seed)
    q, middle = random.normal(size=(4, 2, 1, 3)), random.normal(size=(4, 2, 1))
    found = moved(q, random.normal(size=(2, 1, 3)), LEVELS, middle)
    assert (np.diff(found, axis=-1) >= 0).all()
    assert (found[..., 1] == middle).all()


LATE = np.arange(4000) >= 2000


def test_the_measured_coverage_is_what_was_promised_where_the_law_is_known():
    y = np.random.default_rng(0).normal(size=(4000, 1, 1))
    assert abs(measured(np.zeros((4000, 1, 1, 3)), y, LEVELS, LATE) - 0.8) < 0.02


def test_the_measured_coverage_counts_known_values_alone():
    y = np.random.default_rng(0).normal(size=(4000, 1, 1))
    y[::3] = np.nan
    assert abs(measured(np.zeros((4000, 1, 1, 3)), y, LEVELS, LATE) - 0.8) < 0.03
    assert measured(np.zeros((4, 1, 1, 3)), np.full((4, 1, 1), np.nan), LEVELS, np.arange(4) > 1) is None


def test_one_half_says_nothing_of_a_break_before_the_other():
    """Of values between -3 and -2, and then between 2 and 3, no half holds the other."""
    y = np.random.default_rng(0).random((4000, 1, 1)) + np.where(LATE, 2, -3)[:, None, None]
    assert measured(np.zeros((4000, 1, 1, 3)), y, LEVELS, LATE) == 0


@pytest.mark.parametrize("levels", [(0.5,), (0.5, 0.9), (0.1, 0.5)])
def test_levels_on_one_side_make_no_interval(levels):
    y = np.random.default_rng(0).normal(size=(4000, 1, 1))
    assert measured(np.zeros((4000, 1, 1, len(levels))), y, np.array(levels), LATE) is None


def test_the_later_half_is_that_of_each_series():
    found = later_half(np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 4, 5]))
    assert found.astype(int).tolist() == [0, 0, 1, 1, 0, 1, 1, 0, 0, 1, 0, 1]
