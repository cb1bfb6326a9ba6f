"""The command line."""

from __future__ import annotations

import sys


def main() -> None:
    """What ``throughtime`` runs."""
    from throughtime.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a model may write what the terminal cannot show
    app()
