"""What is chosen where nobody said, worked by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.text import sizing

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


@pytest.mark.parametrize(
    ("steps_per_epoch", "symbols", "steps"),
    [(1, 65, 15), (100, 65, 1500), (100, 8000, 1000), (1000, 65, 15_000), (5000, 65, 20_000), (10**6, 8000, 20_000)],
)
def test_steps_where_nobody_said_how_long(steps_per_epoch, symbols, steps):
    assert sizing.steps_of(None, None, steps_per_epoch, symbols) == steps


@given(st.integers(1, 10**8), st.integers(1, 10**8))
def test_more_text_never_means_a_smaller_network_or_batch(one, other):
    few, many = sorted([one, other])
    assert sizing.hidden_size(few) <= sizing.hidden_size(many)
    assert sizing.batch_size(few, 64, 64) <= sizing.batch_size(many, 64, 64)


@pytest.mark.parametrize(("steps", "rows"), [(64, 16), (32, 32), (13, 79), (2, 128)])
def test_of_short_documents_more_are_read_side_by_side(steps, rows):
    assert sizing.batch_size(10**6, steps, 64) == rows
