"""How long to train, worked by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.text import sizing
from throughtime.text.sizing import Duration

GIVEN = {"epochs": None, "max_steps": None, "seconds": None}
SITUATION = {
    "steps_per_epoch": 40,
    "symbols": 65,
    "symbols_per_step": 10.0,
    "validation_symbols": 0,
    "step_seconds": 0.5,
}

SITUATIONS = st.fixed_dictionaries(
    {
        "steps_per_epoch": st.integers(1, 1000),
        "symbols_per_step": st.floats(1, 1e4),
        "validation_symbols": st.integers(0, 10**6),
        "step_seconds": st.floats(1e-5, 10),
    }
)
thorough = settings(max_examples=200)


def for_budget(**changes):
    """200,000 parameters at 256 units and 10,000 symbols a second; 160 s are 8 symbols for each of them."""
    situation = {"seconds": 160.0, "predictions": 1_600_000, "hidden_size": 256, "parameters": 200_000}
    return sizing.for_budget(**situation | {"symbols_per_second": 10_000.0} | changes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (256, 1, 0.04)),  # once through the text
        ({"seconds": 2560.0}, (512, 1, 0.16)),  # sixteen times as long: twice the units, a quarter as fast, four times
        ({"seconds": 2560.0, "predictions": 100_000}, (192, 2, 0.6)),  # two parameters a symbol; 256 times
        ({"seconds": 2560.0, "predictions": 100_000, "may_stack": False}, (256, 1, 0.6)),
        ({"seconds": 1e-3}, (64, 1, 0.0)),
        ({"seconds": 1e9, "predictions": 10**9}, (832, 2, 0.6)),
    ],
)
def test_sizes_for_a_budget_worked_by_hand(changes, expected):
    assert for_budget(**changes) == expected


@thorough
@given(st.floats(1e-3, 1e6), st.floats(1, 10), st.integers(100, 10**9))
def test_more_time_or_text_is_never_a_smaller_network(seconds, factor, predictions):
    situation = {"seconds": seconds, "predictions": predictions, "may_stack": False}
    size, _, _ = for_budget(**situation)
    assert size <= for_budget(**situation | {"seconds": seconds * factor})[0]
    assert size <= for_budget(**situation | {"predictions": int(predictions * factor)})[0]


def duration(**changes):
    return sizing.duration(**GIVEN | SITUATION | changes)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"max_steps": 100}, Duration(100, None, 50.0)),
        ({"epochs": 3}, Duration(120, None, 60.0)),
        ({}, Duration(600, None, 300.0)),  # fifteen epochs
        ({"seconds": 120.0}, Duration(240, None, 120.0)),
        ({"seconds": 1e-9}, Duration(1, None, 0.5)),  # one step at least
        ({"seconds": -3.0}, Duration(1, None, 0.5)),  # the budget was spent before
    ],
)
def test_without_validation(given, expected):
    assert duration(**given) == expected


def test_validation_is_a_twentieth_of_the_training_apart():
    """30 symbols cost the time of 3 steps forward, a third of it, so 0.5 s; 20 times that is 10 s."""
    assert duration(max_steps=1000, validation_symbols=30) == Duration(1000, 50, 510.0)


def test_validation_is_rarer_where_it_would_cost_more_than_a_tenth():
    """60 symbols cost the time of 2 steps, so it takes place every 20 steps, not every 5."""
    assert duration(max_steps=100, validation_symbols=60) == Duration(100, 20, 55.0)


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
    assert duration(max_steps=steps, **situation).seconds <= duration(max_steps=steps + 1, **situation).seconds


@pytest.mark.parametrize(
    ("steps_per_epoch", "symbols", "steps"),
    [(1, 65, 15), (100, 65, 1500), (100, 8000, 1000), (1000, 65, 15_000), (5000, 65, 20_000), (10**6, 8000, 20_000)],
)
def test_steps_where_nobody_said_how_long(steps_per_epoch, symbols, steps):
    assert sizing.steps_of(None, None, steps_per_epoch, symbols) == steps
    assert duration(steps_per_epoch=steps_per_epoch, symbols=symbols).max_steps == steps


@given(st.integers(1, 10**8), st.integers(1, 10**8))
def test_more_text_never_means_a_smaller_network_or_batch(one, other):
    few, many = sorted([one, other])
    assert sizing.hidden_size(few) <= sizing.hidden_size(many)
    assert sizing.batch_size(few, 64, 64) <= sizing.batch_size(many, 64, 64)


@pytest.mark.parametrize(("steps", "rows"), [(64, 16), (32, 32), (13, 79), (2, 128)])
def test_of_short_documents_more_are_read_side_by_side(steps, rows):
    assert sizing.batch_size(10**6, steps, 64) == rows
