"""What is a blow-up and what is a healthy curve, on curves made by hand and in trainings."""

import math

import numpy as np
import pytest

from throughtime.training.blow_up import is_far_off

CHANCE = math.log(50)


def first_alarm(losses, worst=CHANCE, since=0):
    """After how many steps a training is said to have blown up; None if it never is."""
    return next((n for n in range(1, len(losses) + 1) if is_far_off(losses[:n], worst, since)), None)


def falling(steps, start=CHANCE, end=1.5):
    return [end + (start - end) * math.exp(-step / 100) for step in range(steps)]


@pytest.mark.parametrize("after", [0, 1, 5, 10, 11, 50, 100, 101, 300])
def test_ten_high_losses_are_one(after):
    good = falling(after)
    assert first_alarm([*good, *[8.0] * 30]) == after + 10
    assert first_alarm([*good, *[8.0] * 9, 1.5, *[8.0] * 9, 1.5]) is None


@pytest.mark.parametrize("worst", [1e-3, 0.5, CHANCE, 40.0])
def test_more_than_twice_the_worst_is_one(worst):
    assert first_alarm([worst] * 50 + [2 * worst] * 30, worst) is None
    assert first_alarm([worst] * 50 + [2.001 * worst] * 30, worst) == 60


def test_nothing_is_one_where_the_worst_is_not_known():
    """As in a file of a time when it was not noted."""
    assert first_alarm([1e30] * 30, math.inf) is None


@pytest.mark.parametrize(("growth", "over"), [(1.01, 166), (1.1, 18), (2.0, 3), (10.0, 1)])
def test_a_rise_may_be_as_slow_as_it_likes(growth, over):
    """From 1.5, twice log 50 is passed after log(2 log(50) / 1.5) / log(growth) steps; it is the tenth that tells."""
    assert math.ceil(math.log(2 * CHANCE / 1.5) / math.log(growth)) == over
    assert first_alarm(falling(300) + [1.5 * growth**step for step in range(300)]) == 300 + over + 10


def test_losses_of_other_data_are_judged_alone():
    """Those up to there were high with the data that were there before."""
    losses = [*[9.0] * 9, *[9.0] * 5, *falling(100)]
    assert first_alarm(losses, since=0) == 10
    assert first_alarm(losses, since=9) is None
    assert first_alarm([9.0] * 30, since=7) == 17


def test_other_data_may_be_far_worse_than_those_before():
    """A loss of 0.01 becomes one of 3.5, which is less than guessing."""
    assert first_alarm([0.01] * 100 + [3.5] * 100, since=100) is None


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_none(seed):
    noise = np.random.default_rng(seed).normal(0, 0.4, 2000)
    assert first_alarm((np.array(falling(2000)) + noise).tolist()) is None


@pytest.mark.parametrize("seed", range(5))
def test_heavy_tails_are_none(seed):
    """Single batches a hundred times as bad as others, as squared errors of outliers are."""
    losses = np.random.default_rng(seed).pareto(1.5, 2000) + 0.5
    assert losses.max() > 50 * np.median(losses)
    assert first_alarm(losses.tolist(), worst=max(losses[:10])) is None


def test_a_curve_near_zero_is_none():
    """A text known by heart, with a hard batch now and then, and one that begins so."""
    losses = [1e-4] * 400
    for place in range(100, 400, 25):
        losses[place : place + 9] = [9.0] * 9
    assert first_alarm(falling(300, end=1e-4) + losses) is None
    assert first_alarm([1e-9] * 50 + [3.0] * 50) is None


def test_a_slow_beginning_is_none():
    """Guessing for long, then learning, then a plateau at twice the best."""
    assert first_alarm([CHANCE] * 500 + falling(500) + [3.0] * 100) is None


def test_a_high_start_of_numbers_is_none():
    """The initial weights are ten times as bad as a constant, and learning takes its time."""
    assert first_alarm([40.0 * 0.99**step for step in range(500)], worst=40.0) is None
