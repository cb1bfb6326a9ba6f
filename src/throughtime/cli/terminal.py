"""What is shown in a terminal, which obeys control sequences: a model and its text may be a stranger's."""

from __future__ import annotations

import sys
from typing import TextIO


def shown(text: str, stream: TextIO | None = None, *, raw: bool = False) -> str:
    """The text as it is sent to a stream.

    A terminal gets it without control characters, of which line breaks and tabs stay; a file or a pipe gets it as it
    is, but for halves of characters, which cannot be written. (``typer.echo`` has a mind of its own about what files
    get, and takes colours away; ``color=True`` turns that off.)

    Parameters
    ----------
    stream : file, default standard output
    raw : bool, default False
        A terminal gets what a file would.
    """
    stream = sys.stdout if stream is None else stream
    if stream.isatty() and not raw:
        from throughtime.training.progress import printable

        return printable(text)
    return text.encode("utf-8", "replace").decode("utf-8")
