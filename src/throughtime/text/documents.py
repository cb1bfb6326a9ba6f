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
    if split is None:
        return (block for cell in cells for block in cell)
    cut = _lines if split == "lines" else _sentences
    return (document for cell in cells for document in _pieces(cell, cut))


def _pieces(blocks: Iterable[str], cut: Callable[[str, bool], tuple[Iterable[str], str]]) -> Iterator[str]:
    """What ``cut`` finds in a text; it is asked for what is certain of a beginning, and what is left, or of the end."""
    rest, begun = "", False
    following: list[str] = []
    for block in blocks:
        following.append(block)
        if sum(map(len, following)) < len(rest):
            continue  # a long piece is not looked through again for each block
        found, rest = cut("".join([rest, *following]), False)
        following = []
        for piece in found:
            begun = True
            yield piece
    rest = "".join([rest, *following])
    if rest or not begun:
        yield from cut(rest, True)[0]


def _lines(text: str, last: bool) -> tuple[list[str], str]:
    *lines, rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if last and (rest or not lines):
        lines.append(rest)
    return lines, rest


def sentences(text: str) -> Iterator[str]:
    """The sentences of a text, each on one line.

    One ends at ``.``, ``!``, ``?`` or ``…``, with the quotes and brackets that close there, before a space and
    something that is no small letter; at ``。``, ``！`` or ``？`` before anything; and at a blank line.

    >>> list(sentences('He said: "No. 5 is alive!" (So it was.) It was 3.5 m long, e.g. this.'))
    ['He said: "No.', '5 is alive!"', '(So it was.)', 'It was 3.5 m long, e.g. this.']
    """
    return iter(_sentences(text, True)[0])


def _sentences(text: str, last: bool) -> tuple[Iterable[str], str]:
    ends = [end for end in _ends(text) if last or not _is_open(text, end)]
    starts = [0, *ends]
    if last:
        ends.append(len(text))
    found = (line for start, end in zip(starts, ends, strict=False) for line in _one_line(text[start:end]))
    return found, text[starts[-1] :]


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
    lines = _pieces(blocks, _lines_with_ends)
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


def _lines_with_ends(text: str, last: bool) -> tuple[list[str], str]:
    lines = list(io.StringIO(text, newline=""))
    whole = last or not lines or lines[-1].endswith(("\n", "\r"))
    return (lines, "") if whole else (lines[:-1], lines[-1])
