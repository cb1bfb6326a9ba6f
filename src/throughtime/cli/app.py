"""The command line with all its commands, each a thin view: it reads arguments, calls the library, and prints."""

from __future__ import annotations

from throughtime.cli import predict, resume, sequences, series, text, tools
from throughtime.cli.base import app

__all__ = ["app", "predict", "resume", "sequences", "series", "text", "tools"]
