"""Schedules at steps worked by hand."""

from __future__ import annotations

import math

import pytest
from tests.tolerances import HAND

from throughtime.errors import ParameterError
from throughtime.optimizers import schedules
from throughtime.optimizers.schedules import Constant, Cosine, Plateau, Step


@pytest.mark.parametrize(("step", "max_steps"), [(0, 1), (0, 100), (99, 100)])
def test_constant(step, max_steps):
    assert Constant().factor(step, max_steps) == 1.0


@pytest.mark.parametrize(
    ("step", "factor"),
    [
        (0, 1 / 11),  # ten steps up to one, not from zero
        (4, 5 / 11),
        (9, 10 / 11),
        (10, 1.0),  # the warm-up is over
        (40, 0.775),  # a third of the way: 0.1 + 0.9 * (1 + cos(pi / 3)) / 2
        (55, 0.55),  # half of the way: 0.1 + 0.9 / 2
        (70, 0.325),  # two thirds: 0.1 + 0.9 * (1 - 1/2) / 2
        (100, 0.1),
        (150, 0.1),
    ],
)
def test_cosine_with_a_warm_up_of_a_tenth(step, factor):
    assert Cosine(warmup=0.1, final=0.1).factor(step, 100) == pytest.approx(factor, abs=HAND)


def test_cosine_without_a_warm_up_starts_at_one_and_never_rises():
    factors = [Cosine(warmup=0.0, final=0.0).factor(step, 10) for step in range(11)]
    assert factors[0] == 1.0
    assert factors[5] == pytest.approx(0.5, abs=HAND)
    assert factors[10] == pytest.approx(0.0, abs=HAND)
    assert factors == sorted(factors, reverse=True)


@pytest.mark.parametrize("max_steps", [1, 2, 3])
def test_cosine_of_a_very_short_training_is_never_zero(max_steps):
    factors = [Cosine().factor(step, max_steps) for step in range(max_steps)]
    assert all(0 < factor <= 1 for factor in factors)
    assert factors[0] == 0.5  # a warm-up of one step


@pytest.mark.parametrize(
    ("step", "factor"),
    [(0, 1.0), (24, 1.0), (25, 0.5), (49, 0.5), (50, 0.25), (75, 0.125), (99, 0.125), (100, 0.125), (500, 0.125)],
)
def test_step(step, factor):
    assert Step(parts=4, gamma=0.5).factor(step, 100) == factor


@pytest.mark.parametrize(
    ("losses", "factor"),
    [
        ([], 1.0),
        ([3.0], 1.0),
        ([3.0, 2.0, 1.0], 1.0),
        ([3.0, 3.5], 1.0),  # waited once
        ([3.0, 3.5, 3.1], 0.5),  # twice
        ([3.0, 3.0, 3.0], 0.5),  # the same is no better
        ([3.0, 3.5, 2.9, 3.0], 1.0),  # better in between: the count starts afresh
        ([3.0, 3.5, 3.1, 3.2], 0.5),  # after a drop it starts afresh too
        ([3.0, 3.5, 3.1, 3.2, 3.3], 0.25),
        ([3.0, math.nan, math.nan], 0.5),  # a NaN is no better
    ],
)
def test_plateau(losses, factor):
    assert Plateau(patience=2, gamma=0.5).factor(7, 100, losses) == factor


def test_schedules_by_name():
    assert set(schedules.SCHEDULES) == {"constant", "cosine", "step", "plateau"}
    for name, kind in schedules.SCHEDULES.items():
        assert schedules.get(name) == kind()
    mine = Cosine(warmup=0.5)
    assert schedules.get(mine) is mine


@pytest.mark.parametrize("wrong", ["linear", None, ["step"]], ids=repr)
def test_an_unknown_schedule_is_refused_with_the_known_ones(wrong):
    with pytest.raises(
        ParameterError, match=r"schedule must be one of 'constant', 'cosine', 'step' and 'plateau', got"
    ):
        schedules.get(wrong)
