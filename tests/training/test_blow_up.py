"""What is a blow-up and what is a healthy curve, on curves made by hand."""

import math

import numpy as np
import pytest

from throughtime.training.blow_up import is_far_off

CHANCE = math.log(50)


def first_alarm(losses, chance=CHANCE):
    """After how many steps a training is said to have blown up; None if it never is."""
    return next((n for n in range(1, len(losses) + 1) if is_far_off(losses[:n], chance)), None)


def falling(steps, start=CHANCE, end=1.5):
    return [end + (start - end) * math.exp(-step / 100) for step in range(steps)]


@pytest.mark.parametrize("after", [1, 5, 10, 11, 50, 100, 101, 300])
def test_ten_high_losses_are_one(after):
    good = falling(after)
    assert first_alarm([*good, *[8.0] * 30]) == after + 10
    assert first_alarm([*good, *[8.0] * 9, 1.5, *[7.0] * 9, 1.5]) is None


def test_twice_the_worst_is_the_limit():
    assert first_alarm([3.0] * 50 + [6.0] * 30, chance=None) is None
    assert first_alarm([3.0] * 50 + [6.1] * 30, chance=None) == 60
    assert first_alarm([1.0] * 50 + [2 * CHANCE] * 30) is None
    assert first_alarm([1.0] * 50 + [2 * CHANCE + 0.1] * 30) == 60


def test_what_the_worst_is_forgets_the_middle_but_not_the_beginning():
    long = [2.0] * 200
    assert first_alarm([*[9.0] * 10, *long, *[15.0] * 30], chance=None) is None  # 15 is less than twice 9
    assert first_alarm([*[2.0] * 10, *[9.0] * 9, *long, *[15.0] * 30], chance=None) == 229


@pytest.mark.parametrize(("growth", "after"), [(1.2, None), (1.9, None), (2.1, 112), (10.0, 110)])
def test_a_rise_must_be_sudden(growth, after):
    """One of less than twice a step is seen when its numbers are not finite any more."""
    assert first_alarm(falling(100) + [1.5 * growth**step for step in range(1, 200)]) == after


def test_before_a_range_is_known_only_very_high_losses_are_one():
    """Numbers are predicted: a first loss may be small by chance."""
    assert first_alarm([0.01] + [0.5] * 18, chance=None) is None
    assert first_alarm([0.01] + [1.5] * 18, chance=None) == 11
    assert first_alarm([1e-9] * 10 + [1e-3] * 10, chance=None) == 20


@pytest.mark.parametrize("chance", [CHANCE, None])
@pytest.mark.parametrize("seed", range(5))
def test_noise_is_none(chance, seed):
    noise = np.random.default_rng(seed).normal(0, 0.4, 2000)
    assert first_alarm((np.array(falling(2000)) + noise).tolist(), chance) is None


@pytest.mark.parametrize("seed", range(5))
def test_heavy_tails_are_none(seed):
    """Single batches a hundred times as bad as others, as squared errors of outliers are."""
    losses = np.random.default_rng(seed).pareto(1.5, 2000) + 0.5
    assert losses.max() > 50 * np.median(losses)
    assert first_alarm(losses.tolist(), chance=None) is None


def test_a_curve_near_zero_is_none():
    """A text known by heart, with a hard batch now and then."""
    losses = [1e-4] * 400
    for place in range(100, 400, 25):
        losses[place : place + 9] = [0.5] * 9
    assert first_alarm(falling(300, end=1e-4) + losses) is None


def test_losses_below_zero_are_none():
    """A likelihood of numbers may be any number."""
    assert first_alarm([-3.0 - 0.01 * step for step in range(300)], chance=None) is None


def test_a_slow_beginning_is_none():
    """Guessing for long, then learning, then a plateau at twice the best."""
    assert first_alarm([CHANCE] * 500 + falling(500) + [3.0] * 100) is None


def test_the_first_steps_of_a_high_start_are_none():
    """The initial weights are ten times as bad as guessing, and learning takes its time."""
    assert first_alarm([40.0 * 0.99**step for step in range(500)]) is None
