"""The command line."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """What ``throughtime`` runs."""
    from throughtime.cli.signals import leave, listen

    listen(leave)  # but for a command, which has handlers of its own, there is nothing to be finished
    from throughtime.cli.app import app
    from throughtime.training.progress import Unfailing

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a model may write what the terminal cannot show
    if sys.stderr is not None:
        sys.stderr = Unfailing(sys.stderr)  # to the end, when Python flushes it
    try:
        app()
    finally:  # the last moments of Python know no handlers
        listen(signal.SIG_IGN)
