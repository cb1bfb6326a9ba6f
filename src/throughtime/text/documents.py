"""Cuts a text into documents: its lines, its sentences, or the rows of a table."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Literal

from throughtime.errors import DataError, ParameterError, known

Split = Literal["lines", "sentences"] | None

_SENTENCE_END = re.compile(
    r"""[.!?…]["'”’»)\]]*(?P<space>\s+)(?=["'“‘«(\[]*(?P<next>\S?))|[。！？]["'”’」』）]*\s*|\n[^\S\n]*\n\s*"""
)
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")
_LONGEST_FIELD = 2**31 - 1


def check_split(split: Split) -> None:
    """Raises :class:`ParameterError` unless it is a way to cut."""
    if split not in (None, "lines", "sentences"):
        raise ParameterError(f"split must be 'lines', 'sentences' or None, got {split!r}")


def documents(text: str, *, split: Split, column: str | None, name: str) -> list[str]:
    """The documents of a text, those that are empty too; ``column`` is cut out first, then each cell is split.

    Raises
    ------
    DataError
        If there is no such column; ``name`` is what the text is called.
    """
    cells = [text] if column is None else list(_cells(text, column, name))
    if split == "lines":
        same = (cell.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n") for cell in cells)
        return [line for cell in same for line in cell.split("\n")]
    if split == "sentences":
        return [sentence for cell in cells for sentence in sentences(cell)]
    return cells


def sentences(text: str) -> Iterator[str]:
    """The sentences of a text, each on one line.

    One ends at ``.``, ``!``, ``?`` or ``…``, with the quotes and brackets that close there, before a space and
    something that is no small letter; at ``。``, ``！`` or ``？`` before anything; and at a blank line.

    >>> list(sentences('He said: "No. 5 is alive!" (So it was.) It was 3.5 m long, e.g. this.'))
    ['He said: "No.', '5 is alive!"', '(So it was.)', 'It was 3.5 m long, e.g. this.']
    """
    start = 0
    for found in _SENTENCE_END.finditer(text):
        goes_on = (found["next"] or "").islower() and not _BLANK_LINE.search(found["space"])
        if not goes_on:
            yield from _one_line(text[start : found.end()])
            start = found.end()
    yield from _one_line(text[start:])


def _one_line(sentence: str) -> list[str]:
    words = sentence.split()
    return [" ".join(words)] if words else []


def _cells(text: str, column: str, name: str) -> Iterator[str]:
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        table = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        columns = table.fieldnames or []
        if column not in columns:
            raise DataError(f"{name!r} has no column {column!r}; it has {known(columns) or 'none'}")
        for row in table:
            yield row[column] or ""
    except csv.Error as error:
        raise DataError(f"{name!r} is not a table in CSV: {error}") from None
    finally:
        csv.field_size_limit(before)
