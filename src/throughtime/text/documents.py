"""Cuts a text into documents: its lines, its sentences, or the rows of a table."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from throughtime.errors import DataError, ParameterError, known

Split = Literal["lines", "sentences"] | None

_SENTENCE_END = re.compile(
    r"""[.!?…]["'”’»)\]]*(?P<space>\s+)(?=["'“‘«(\[]*(?P<next>\S?))|[。！？]["'”’」』）]*\s*|\n[^\S\n]*\n\s*"""
)
_OPENING = re.compile(r"""["'“‘«(\[]*""")
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")
_LONGEST_FIELD = 2**31 - 1


def check_split(split: Split) -> None:
    """Raises :class:`ParameterError` unless it is a way to cut."""
    if split not in (None, "lines", "sentences"):
        raise ParameterError(f"split must be 'lines', 'sentences' or None, got {split!r}")


def documents(blocks: Iterable[str], *, split: Split, column: str | None, name: str) -> Iterator[str]:
    """The documents of a text, those that are empty too; ``column`` is cut out first, then each cell is split.

    The text may come in blocks; no more of it is held than one and the document that goes on in the next.

    Raises
    ------
    DataError
        If there is no such column; ``name`` is what the text is called.
    """
    cells = [blocks] if column is None else ([cell] for cell in _cells(blocks, column, name))
    cut = _LINES_OR_SENTENCES[split]
    return (document for cell in cells for document in cut(cell))


def _lines(blocks: Iterable[str]) -> Iterator[str]:
    rest, found = "", False
    for block in blocks:
        *lines, rest = (rest + block.replace("\r\n", "\n").replace("\r", "\n")).split("\n")
        found = found or bool(lines)
        yield from lines
    if rest or not found:
        yield rest


def sentences(text: str) -> Iterator[str]:
    """The sentences of a text, each on one line.

    One ends at ``.``, ``!``, ``?`` or ``…``, with the quotes and brackets that close there, before a space and
    something that is no small letter; at ``。``, ``！`` or ``？`` before anything; and at a blank line.

    >>> list(sentences('He said: "No. 5 is alive!" (So it was.) It was 3.5 m long, e.g. this.'))
    ['He said: "No.', '5 is alive!"', '(So it was.)', 'It was 3.5 m long, e.g. this.']
    """
    return _sentences([text])


def _sentences(blocks: Iterable[str]) -> Iterator[str]:
    rest = ""
    for block in blocks:
        rest, start = rest + block, 0
        for end in _ends(rest):
            if _is_open(rest, end):
                break
            yield from _one_line(rest[start:end])
            start = end
        rest = rest[start:]
    start = 0
    for end in [*_ends(rest), len(rest)]:
        yield from _one_line(rest[start:end])
        start = end


def _ends(text: str) -> Iterator[int]:
    """Where sentences end."""
    for found in _SENTENCE_END.finditer(text):
        goes_on = (found["next"] or "").islower() and not _BLANK_LINE.search(found["space"])
        if not goes_on:
            yield found.end()


def _is_open(text: str, end: int) -> bool:
    """Whether what comes after the text may tell that no sentence ends here, or that it ends later."""
    after = _OPENING.match(text, end)
    return after is None or after.end() == len(text)


def _one_line(sentence: str) -> list[str]:
    words = sentence.split()
    return [" ".join(words)] if words else []


def _cells(blocks: Iterable[str], column: str, name: str) -> Iterator[str]:
    lines = _lines_with_ends(blocks)
    first = next(lines, "")
    header = first.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        table = csv.DictReader(itertools.chain([first], lines), delimiter=delimiter, strict=True)
        columns = table.fieldnames or []
        if column not in columns:
            raise DataError(f"{name!r} has no column {column!r}; it has {known(columns) or 'none'}")
        for row in table:
            yield row[column] or ""
    except csv.Error as error:
        raise DataError(f"{name!r} is not a table in CSV: {error}") from None
    finally:
        csv.field_size_limit(before)


def _lines_with_ends(blocks: Iterable[str]) -> Iterator[str]:
    rest = ""
    for block in blocks:
        for line in io.StringIO(rest + block, newline=""):
            rest = "" if line.endswith(("\n", "\r")) else line  # which only the last one is not
            if not rest:
                yield line
    if rest:
        yield rest


_LINES_OR_SENTENCES: dict[Split, Callable[[Iterable[str]], Iterable[str]]] = {
    None: lambda blocks: blocks,  # a cell is one block
    "lines": _lines,
    "sentences": _sentences,
}
