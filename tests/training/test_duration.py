"""How long to train, worked by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.training.duration import Duration
from throughtime.training.duration import duration as training_duration

GIVEN = {"steps": None, "seconds": None}
SITUATION = {"symbols_per_step": 10.0, "validation_symbols": 0, "step_seconds": 0.5}

SITUATIONS = st.fixed_dictionaries(
    {
        "symbols_per_step": st.floats(1, 1e4),
        "validation_symbols": st.integers(0, 10**6),
        "step_seconds": st.floats(1e-5, 10),
    }
)
thorough = settings(max_examples=200)


def duration(**changes):
    return training_duration(**GIVEN | SITUATION | changes)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"steps": 100}, Duration(100, None, 50.0)),
        ({"seconds": 120.0}, Duration(240, None, 120.0)),
        ({"seconds": 1e-9}, Duration(1, None, 0.5)),  # one step at least
        ({"seconds": -3.0}, Duration(1, None, 0.5)),  # the budget was spent before
    ],
)
def test_without_validation(given, expected):
    assert duration(**given) == expected


def test_validation_is_a_twentieth_of_the_training_apart():
    """30 symbols cost the time of 3 steps forward, a third of it, so 0.5 s; 20 times that is 10 s."""
    assert duration(steps=1000, validation_symbols=30) == Duration(1000, 50, 510.0)


def test_validation_is_rarer_where_it_would_cost_more_than_a_tenth():
    """60 symbols cost the time of 2 steps, so it takes place every 20 steps, not every 5."""
    assert duration(steps=100, validation_symbols=60) == Duration(100, 20, 55.0)


def test_a_budget_leaves_time_for_validation():
    """In 60 s there is time for 120 steps, with validation (0.5 s) every 10 steps for 109, and 11 validations."""
    found = duration(seconds=60.0, validation_symbols=30)
    assert found.validate_every == 10
    assert 105 <= found.max_steps <= 110
    assert 57 < found.seconds <= 60


@thorough
@given(SITUATIONS, st.floats(-1, 10_000))
def test_a_budget_is_kept(situation, seconds):
    found = duration(seconds=seconds, **situation)
    assert found.max_steps == 1 or found.seconds <= seconds


@thorough
@given(SITUATIONS, st.floats(0.01, 10_000), st.floats(1, 3))
def test_more_time_is_never_fewer_steps(situation, seconds, factor):
    assert duration(seconds=seconds, **situation).max_steps <= duration(seconds=seconds * factor, **situation).max_steps


@thorough
@given(SITUATIONS, st.integers(1, 10**5))
def test_more_steps_never_take_less_time(situation, steps):
    """Apart from scoring, which is a little rarer now and then where there are more steps."""
    situation = {**situation, "validation_symbols": 0}
    assert duration(steps=steps, **situation).seconds <= duration(steps=steps + 1, **situation).seconds
