"""Ctrl-C, SIGTERM and SIGHUP: a command ends with one line, and leaves the terminal as it was."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

Handler = Callable[[int, FrameType | None], Any] | signal.Handlers

SHOW_CURSOR = "\x1b[?25h"
"""A bar hides it."""


class Interrupted(KeyboardInterrupt):
    """A Ctrl-C came.

    Of a class of its own: where a plain :class:`KeyboardInterrupt` has passed through ``exec``, as when a dataclass is
    made, Python ends itself by the signal in the end, whoever has caught it.
    """


class Terminated(KeyboardInterrupt):
    """A SIGTERM came."""


class HungUp(KeyboardInterrupt):
    """A SIGHUP came: the terminal was closed."""


_HANG_UP = getattr(signal, "SIGHUP", None)  # Windows knows none

WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
"""What is listened to, and what is said of it."""

_RAISED: dict[int, type[KeyboardInterrupt]] = {signal.SIGINT: Interrupted, signal.SIGTERM: Terminated}

if _HANG_UP is not None:
    WORDS[_HANG_UP] = "hung up"
    _RAISED[_HANG_UP] = HungUp


def told(number: int) -> str:
    """The line that tells of a signal; a terminal gets its cursor back."""
    return (SHOW_CURSOR if os.isatty(2) else "") + WORDS[signal.Signals(number)]


def leave(number: int, frame: FrameType | None = None) -> NoReturn:
    """Ends this process at once, with nothing but a line on standard error."""
    with contextlib.suppress(OSError):  # where nobody reads it
        os.write(2, f"{told(number)}\n".encode())  # what the streams hold may be half written
    os._exit(128 + number)


def break_off(number: int, frame: FrameType | None = None) -> NoReturn:
    """Raises what belongs to a signal; another one ends the process at once."""
    listen_once_more(leave)
    raise exception(number)


def exception(number: int) -> KeyboardInterrupt:
    """What a signal raises."""
    return _RAISED[number]()


def number_of(error: KeyboardInterrupt) -> int:
    """The signal that raised it."""
    return next((number for number, kind in _RAISED.items() if isinstance(error, kind)), signal.SIGINT)


def listen(handler: Handler) -> dict[int, Any]:
    """Lets a handler hear of the signals; returns those that heard of them before.

    A signal that is ignored stays so: a shell sees to it that its Ctrl-C is not for what runs in the background. Only
    the main thread hears of signals, so that in another one all stays as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    heard = [number for number in WORDS if signal.getsignal(number) is not signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in heard}


def listen_once_more(handler: Handler) -> None:
    """Lets a handler hear of the signal after the first one. A terminal that is closed may say so again, to nobody."""
    listen(handler)
    if _HANG_UP is not None:
        signal.signal(_HANG_UP, signal.SIG_IGN)


@contextlib.contextmanager
def handled(handler: Handler) -> Iterator[None]:
    """Lets a handler hear of the signals meanwhile."""
    before = listen(handler)
    try:
        yield
    finally:
        for number, one in before.items():
            signal.signal(number, one)
