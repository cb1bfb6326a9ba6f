"""What a history computes from its lists."""

import math

import pytest
from tests.tolerances import HAND

from throughtime.training import History


def test_the_smoothed_loss_is_that_of_the_tutorials():
    """It starts at log 4 = 1.38629...; then 0.999 of it and 0.001 of each loss."""
    history = History(4, loss=[1.0, 2.0])
    assert history.smooth_loss == pytest.approx([1.3859080667587707, 1.386522158692012], abs=HAND)


def test_guessing_at_random_keeps_the_smoothed_loss_at_log_k():
    history = History(65, loss=[math.log(65)] * 1000)
    assert history.smooth_loss[-1] == pytest.approx(math.log(65), abs=HAND)


def test_an_empty_history():
    history = History(4)
    assert history.steps == history.smooth_loss == []
    assert math.isnan(history.train_loss)


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        (History(4), "History(0 steps; nats per symbol)"),
        (History(4, loss=[1.25]), "History(1 step, last loss 1.25; nats per symbol)"),
        (
            History(None, loss=[0.5] * 3_749 + [0.125], validation_loss=[0.5, 0.25, 0.75], unit="squared error"),
            "History(3,750 steps, last loss 0.125, best validation 0.25; squared error)",
        ),
    ],
)
def test_a_history_is_shown_in_a_line(history, expected):
    assert repr(history) == expected


def test_steps_count_from_one():
    assert History(4, loss=[0.5, 0.25, 0.125]).steps == [1, 2, 3]


@pytest.mark.parametrize(
    ("losses", "expected"), [([2.0], 2.0), ([1.0, 2.0], 1.5), ([9.0] * 50 + [1.0] * 50 + [3.0] * 50, 2.0)]
)
def test_the_training_loss_is_the_mean_of_the_last_hundred(losses, expected):
    assert History(4, loss=losses).train_loss == expected


def test_as_arrays_and_back():
    history = History(4, [1.0, 0.5], [0.1, 0.05], [2.0, 3.0], [2], [0.75], [9], [1], [1.5])
    arrays = history.to_arrays()
    assert sorted(arrays) == [
        "history.beginning",
        "history.gradient_norm",
        "history.learning_rate",
        "history.loss",
        "history.rollback_steps",
        "history.rollback_to",
        "history.validation_loss",
        "history.validation_steps",
    ]
    back = History.from_arrays(4, arrays)
    assert back == history
    assert type(back.validation_steps[0]) is type(back.rollback_to[0]) is int


def test_files_of_format_1_tell_of_no_blow_up():
    history = History(4, [1.0], [0.1], [2.0])
    arrays = {name: array for name, array in history.to_arrays().items() if "rollback" not in name}
    assert History.from_arrays(4, arrays) == history


def test_what_came_after_a_step_is_forgotten():
    history = History(4, [1.0, 0.5, 9.0], [0.1, 0.2, 0.3], [2.0, 3.0, 4.0], [1, 3], [0.75, 9.5], [9], [1])
    history.cut(2, 1)
    assert history == History(4, [1.0, 0.5], [0.1, 0.2], [2.0, 3.0], [1], [0.75], [9], [1])
