"""Shows a training as it goes, on standard error: a bar in a terminal or a notebook, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from throughtime.errors import NonFiniteLoss
from throughtime.training import blow_up
from throughtime.training.callbacks import Callback
from throughtime.training.history import steps_in_words

if TYPE_CHECKING:
    from throughtime.training.loop import Training

LINE_EVERY = 10.0
"""Seconds between plain lines."""

RECENT = 20
"""The loss that is shown is the mean of this many last steps."""

NATS = "nats per symbol"

SAMPLES_AT = (0.02, 0.25, 0.5, 1.0)
"""Parts of the training after which a sample is shown."""


class Progress(Callback):
    """Loss, bits, symbols per second, time left, and a sample now and then.

    Parameters
    ----------
    sample : callable, optional
        Gives a sample.

    Attributes
    ----------
    samples : list of (int, str)
        The samples shown so far, and after how many steps.
    """

    every_step = False

    def __init__(self, sample: Callable[[], str] | None = None) -> None:
        self.sample = sample
        self.samples: list[tuple[int, str]] = []
        self._skipped = 0
        """Samples that are not shown, as the training that this one goes on with has shown them."""
        self._next_line = 0.0
        self._console: Any = None
        self._bar: Any = None

    def on_start(self, run: Training) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = _console()
        self._next_line = time.monotonic() + LINE_EVERY
        self._skipped = sum(0 < part * run.plan.max_steps <= run.first_step for part in SAMPLES_AT)
        if _shows_bars(self._console):
            columns = (BarColumn(30), MofNCompleteColumn(), TextColumn("{task.fields[figures]}"), TimeRemainingColumn())
            self._bar = Progress(*columns, console=self._console, transient=False)
            self._bar.add_task("", total=run.plan.max_steps, completed=run.step, figures="")
            self._bar.start()

    def on_step(self, run: Training) -> None:
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=run.step, figures=_figures(run))
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE_EVERY
            left = run.seconds / max(1, run.step - run.first_step) * (run.plan.max_steps - run.step)
            self._say(f"step {run.step:,} of {run.plan.max_steps:,}: {_figures(run)}, {clock(left)} left")
        if self.sample is not None and self._sample_is_due(run):
            self._show_sample(run, self.sample)

    def _show_sample(self, run: Training, sample: Callable[[], str]) -> None:
        try:
            text = sample()
        except NonFiniteLoss:  # the training will find that it has blown up, and go back; then it is due again
            return
        self.samples.append((run.step, text))
        self._say(f"--- after {steps_in_words(run.step)}, {_figures(run)}\n{printable(text)}\n---")

    def on_validation(self, run: Training) -> None:
        history = run.history
        loss = history.validation_loss[-1]
        bits = f" nats, {loss / math.log(2):.3f} bits per symbol" if history.unit == NATS else f", {history.unit}"
        self._say(f"step {run.step:,}: validation {loss:.4f}{bits}")

    def on_rollback(self, run: Training) -> None:
        rate = run.peak_rate
        halved = f"the learning rate halved from {rate / blow_up.SLOWER:.3g} to {rate:.3g}"
        self._say(f"{run.trouble}: back to step {run.step:,}, with {halved}")

    def on_end(self, run: Training) -> None:
        if self._bar is not None:
            self._bar.stop()
        if run.stopped:
            self._say(f"stopped: {run.stopped}")
        if run.completed and run.halvings:
            before, rate = f"{run.plan.learning_rate:.3g}", f"{run.peak_rate:.3g}"
            self._say(
                f"the learning rate of {before} was too high, and {rate} was not: begin with that one "
                f"(learning_rate={rate}, --learning-rate {rate})"
            )

    def _sample_is_due(self, run: Training) -> bool:
        taken = self._skipped + len(self.samples)
        ends = run.plan.max_steps if run.stopped is None else run.step  # the clock may end it early
        return taken < len(SAMPLES_AT) and run.step >= SAMPLES_AT[taken] * ends

    def _say(self, text: str) -> None:
        if self._bar is not None:
            self._console.print(printable(text))
        else:
            say(text)


class Unfailing:
    """A text file that takes in silence what cannot be written, as on a full disk, or where its terminal is gone.

    Parameters
    ----------
    stream : text file
        What it stands for.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def close(self) -> None:
        with suppress(OSError):
            self._stream.close()


@contextmanager
def reading(what: str, size: int, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """A bar for the reading of so many bytes, where bars are shown; the function that it gives moves it on."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = _console()
    if not (shown and _shows_bars(console)):
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(30), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=size)
        yield lambda count: bar.update(task, advance=count)


def _console() -> Any:
    """That of standard error."""
    from rich.console import Console

    stream: Any = Unfailing(sys.stderr)
    return Console(file=stream, highlight=False, markup=False)


def _shows_bars(console: Any) -> bool:
    if console.is_jupyter:
        return find_spec("ipywidgets") is not None  # which rich needs there
    return bool(console.is_terminal)


def say(text: str) -> None:
    """A line on standard error. Where nobody can read it, as on a full disk, work goes on in silence.

    A terminal gets it without control characters, which names in a model file may have.
    """
    try:
        print(printable(text) if sys.stderr.isatty() else text, file=sys.stderr, flush=True)  # noqa: T201 (said to the user, not written to a result)
    except OSError:
        sys.stderr = Unfailing(sys.stderr)  # to the end, when Python flushes it


def _figures(run: Training) -> str:
    recent = run.history.loss[-RECENT:]
    loss = sum(recent) / len(recent)
    if run.history.unit == NATS:
        return f"loss {loss:.3f}, {loss / math.log(2):.2f} bits, {run.symbols_per_second:,.0f} symbols/s"
    return f"loss {loss:.4f}, {run.symbols_per_second:,.0f} places/s"


def clock(seconds: float) -> str:
    """``1 h 05 min``, ``3 min 20 s`` or ``12 s``."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    if whole >= 60:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole} s"


def printable(text: str) -> str:
    """The text without control characters, which could take over a terminal; line breaks and tabs stay."""
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs") else "\ufffd" for c in text)
