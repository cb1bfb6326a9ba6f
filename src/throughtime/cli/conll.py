"""Sentences in files: a token and its tag on each line, an empty line behind each sentence, as CoNLL's shared tasks."""

from __future__ import annotations

import re
from pathlib import Path

from throughtime.cli.tables import TABLES, read_text
from throughtime.errors import DataError

_COMMENT = re.compile(r"# [^\t=]+ =|# new(doc|par)\b|-DOCSTART-")


def read_conll(path: Path, encoding: str = "utf-8", *, tagged: bool = True) -> tuple[list[list[str]], list[list[str]]]:
    """The tokens of each sentence, the first word of each line, and its tags, the last ones.

    At the beginning of a sentence lines like ``# word = ...``, ``# newdoc``, ``# newpar`` and ``-DOCSTART-`` are left
    out; everywhere else ``#`` is a token. ``tagged=False`` wants no tags.

    Raises
    ------
    DataError
        If the file cannot be read, is a table by its ending, holds no sentence, or a line has a token without a tag.
    """
    if path.suffix.lower() in TABLES and path.suffix.lower() not in (".tsv", ".tab"):
        raise DataError(
            f"{path.name!r} is a table by its ending; expected sentences, a token on each line and an empty line "
            "behind each sentence, in a file such as .conll, .txt or .tsv"
        )
    lines = read_text(path, encoding).split("\n")
    tokens: list[list[str]] = [[]]
    tags: list[list[str]] = [[]]
    for number, line in enumerate(lines, start=1):
        words = line.split("\t") if "\t" in line else line.split()
        if not line.strip():
            tokens.append([])
            tags.append([])
        elif tokens[-1] or not _COMMENT.match(line):
            if tagged and len(words) < 2:
                raise DataError(
                    f"{str(path)!r}, line {number}: the token {words[0]!r} has no tag; expected a token and its tag, "
                    "with a space or tab between them"
                )
            tokens[-1].append(words[0])
            tags[-1].append(words[-1])
    if not any(tokens):
        raise DataError(f"{str(path)!r} has no sentence; expected a token and its tag on each line")
    return [some for some in tokens if some], [some for some in tags if some]
