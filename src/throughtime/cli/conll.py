"""Sentences in files: a token and its tag on each line, an empty line behind each sentence, as CoNLL's shared tasks."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from throughtime.errors import DataError, how_many, short
from throughtime.tables.reading import TABLES, lines_of

_COMMENT = re.compile(r"# [^\t=]+ =|# new(doc|par)\b|-DOCSTART-")
_UNTAGGED = "to be tagged, write a token on each line and an empty line behind each sentence"


def read_conll(
    path: Path, encoding: str = "utf-8", learned: Collection[str] | None = None
) -> tuple[list[list[str]], list[list[str]]]:
    """The tokens of each sentence, the first word of each line, and its tags, the last ones.

    All lines have as many words; tabs divide the words of a line that has one, else spaces. Before a sentence lines
    like ``# word = ...``, ``# newdoc``, ``# newpar`` and ``-DOCSTART-`` are left out; everywhere else ``#`` is a token.

    Parameters
    ----------
    path : Path
    encoding : str, default "utf-8"
    learned : collection of str or None, default None
        The tags of the model, where the file is to be tagged: then a line may be a token alone, and what has more words
        has to end in one of these tags on half of its lines, else it is prose. None: a tag on each line is wanted.

    Raises
    ------
    DataError
        If the file cannot be read, is a table by its ending, or holds no sentence; if a line has no tag, or not as many
        words as the others; if a line before a sentence could be a comment or the token ``#``; or if it is prose.
    """
    if path.suffix.lower() in TABLES and path.suffix.lower() not in (".tsv", ".tab"):
        raise DataError(
            f"{path.name!r} is a table by its ending; expected sentences, a token on each line and an empty line "
            "behind each sentence, in a file such as .conll, .txt or .tsv"
        )
    sentences: list[list[list[str]]] = [[]]
    first = width = 0
    for number, words in _lines(path, encoding):
        if not words:
            sentences.append([])
            continue
        where = f"{str(path)!r}, line {number}"
        if learned is None and len(words) < 2:
            raise DataError(
                f"{where}: the token {short(words[0])} has no tag; expected a token and its tag, with a space or tab "
                "between them"
            )
        first, width = first or number, width or len(words)
        if len(words) != width:
            hint = "expected a token and its tag, with as many words on each line" if learned is None else _UNTAGGED
            raise DataError(f"{where}: {how_many(len(words), 'word')}, where line {first} has {width}; {hint}")
        sentences[-1].append(words)
    sentences = [sentence for sentence in sentences if sentence]
    if not sentences:
        raise DataError(f"{str(path)!r} has no sentence; expected a token and its tag on each line")
    tags = [[words[-1] for words in sentence] for sentence in sentences]
    if learned is not None and width > 1:
        _check_tagged(path, [tag for some in tags for tag in some], learned)
    return [[words[0] for words in sentence] for sentence in sentences], tags


def _lines(path: Path, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """The words of each line but comments, and its number; none where it is empty."""
    inside = False
    for number, line in enumerate(lines_of(path, encoding), start=1):
        line = line.removesuffix("\n")
        if not inside and _COMMENT.match(line):
            continue
        if not inside and line.startswith("# ") and line.strip() != "#":
            raise DataError(
                f"{str(path)!r}, line {number}: {short(line.strip())} could be a comment or the token '#'; write "
                "comments as '# text = ...', and a tab behind the token"
            )
        inside = bool(line.strip())
        yield number, (line.split("\t") if "\t" in line else line.split()) if inside else []


def _check_tagged(path: Path, last: list[str], learned: Collection[str]) -> None:
    """Raises :class:`DataError` where most lines do not end in a tag, as those of prose."""
    if 2 * sum(tag in learned for tag in last) < len(last):
        strange = next(tag for tag in last if tag not in learned)
        raise DataError(
            f"{str(path)!r} has lines of several words whose last one is no tag that was learned, such as "
            f"{short(strange)}; {_UNTAGGED}"
        )
