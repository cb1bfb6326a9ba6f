"""What is said while a training runs: on standard error, and safe for a terminal."""

import errno
import io
import os
import sys
from itertools import pairwise
from types import SimpleNamespace

import pytest
from tests.trained import TEXT, small

from throughtime.errors import NonFiniteLoss
from throughtime.training import History, progress
from throughtime.training.progress import Progress, clock, printable


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "JPY_PARENT_PID"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (12.4, "12 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.7, "1 h 00 min"),
        (3900, "1 h 05 min"),
        (100_000, "27 h 46 min"),
    ],
)
def test_clock(seconds, expected):
    assert clock(seconds) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain\n\ttext", "plain\n\ttext"),
        ("déjà 字 😀", "déjà 字 😀"),
        ("\x1b[31mred", "\ufffd[31mred"),
        ("a\rb\x07c\x00", "a\ufffdb\ufffdc\ufffd"),
        ("\x9b2J", "\ufffd2J"),  # one-character form of escape and bracket
        ("a\u202eb", "a\ufffdb"),  # turns the direction of writing around
        ("\ud800", "\ufffd"),
    ],
)
def test_printable(text, expected):
    assert printable(text) == expected


def test_without_a_terminal_plain_lines_go_to_standard_error(capsys):
    model = small(verbose=1).fit(TEXT)
    out, err = capsys.readouterr()
    assert out == ""
    assert "\x1b" not in err
    for step, loss in zip(model.history_.validation_steps, model.history_.validation_loss, strict=True):
        assert f"step {step}: validation {loss:.4f} nats" in err


def test_samples_are_shown_and_recorded(capsys):
    model = small(verbose=1).fit(TEXT)
    err = capsys.readouterr().err
    assert [step for step, _ in model.samples_] == [1, 5, 10, 20]
    for step, text in model.samples_:
        assert len(text) == 200
        assert f"--- after {step} step{'s' if step > 1 else ''}, loss" in err
        assert printable(text) in err


def test_silence(capsys):
    model = small(verbose=0).fit(TEXT)
    assert capsys.readouterr() == ("", "")
    assert model.samples_ == []


def test_why_it_stopped_is_said(capsys):
    small(verbose=1, early_stopping=True, patience=1, learning_rate=5.0, max_steps=300).fit(TEXT)
    assert "stopped: the validation loss has not improved 1 times" in capsys.readouterr().err


def a_run(step, max_steps=10):
    history = History(4, loss=[0.5] * step)
    return SimpleNamespace(
        step=step,
        first_step=0,
        seconds=2.0 * step,
        symbols_per_second=50.0,
        history=history,
        plan=SimpleNamespace(max_steps=max_steps),
    )


def test_a_line_tells_loss_bits_speed_and_time_left(capsys, monkeypatch):
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    shown = Progress()
    shown.on_start(a_run(0))
    shown.on_step(a_run(4))
    assert capsys.readouterr().err == "step 4 of 10: loss 0.500, 0.72 bits, 50 symbols/s, 12 s left\n"


def test_lines_come_now_and_then_only(capsys):
    shown = Progress()
    shown.on_start(a_run(0))
    for step in range(1, 10):
        shown.on_step(a_run(step))
    assert capsys.readouterr().err == ""


def test_a_training_without_a_reason_to_stop_ends_in_silence(capsys):
    shown = Progress()
    shown.on_start(a_run(0))
    shown.on_end(SimpleNamespace(stopped=None, completed=True, halvings=0))
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    small(verbose=1).fit(TEXT)
    out, err = capsys.readouterr()
    assert out == ""
    assert "20/20" in err
    assert "validation" in err


@pytest.mark.parametrize(
    ("terminal", "said"), [(True, "a label called \ufffd[2J\n"), (False, "a label called \x1b[2J\n")]
)
def test_what_is_said_in_a_terminal_has_no_control_characters(terminal, said, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    progress.say("a label called \x1b[2J")
    assert capsys.readouterr().err == said


class FullDisk(io.StringIO):
    def write(self, text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_training_with_a_bar_goes_on_in_silence_where_nothing_can_be_written(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(sys, "stderr", FullDisk())
    assert len(small(verbose=1).fit(TEXT).history_.loss) == 20


def test_what_is_said_where_nothing_can_be_written_is_no_error(monkeypatch):
    monkeypatch.setattr(sys, "stderr", FullDisk())
    for _ in range(2):
        progress.say("unheard")


def test_what_cannot_be_written_is_dropped_for_good(monkeypatch):
    """Also by Python, which tries once more at its end."""
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123 (a stream like standard error)
        stream = progress.Unfailing(full)
        stream.write("lost")
        stream.flush()
        stream.close()
    assert stream.closed


def test_a_sample_of_weights_that_are_of_no_use_is_due_again(capsys):
    """The training has yet to find that it has blown up."""

    def sample():
        if left:
            raise NonFiniteLoss(left.pop())
        return "a sample"

    left = ["the network's outputs are not finite numbers"]
    shown = Progress(sample)
    shown.on_start(a_run(0))
    first, second = a_run(4), a_run(5)
    first.stopped = second.stopped = None
    shown.on_step(first)
    assert shown.samples == []
    shown.on_step(second)
    assert shown.samples == [(5, "a sample")]
    assert "--- after 5 steps" in capsys.readouterr().err


def test_a_rate_that_was_too_high_is_told_with_one_that_was_not(capsys):
    network = small(verbose=1, learning_rate=50.0, optimizer="sgd", clip_norm=None, max_steps=40)
    history = network.fit(TEXT).history_
    err = capsys.readouterr().err
    rates = [50 * 0.5**times for times in range(len(history.rollback_steps) + 1)]
    assert len(rates) > 1
    for before, after in pairwise(rates):
        assert f", with the learning rate halved from {before:.3g} to {after:.3g}\n" in err
    last = f"{rates[-1]:.3g}"
    assert (
        f"the learning rate of 50 was too high, and {last} was not: begin with that one (learning_rate={last}," in err
    )
