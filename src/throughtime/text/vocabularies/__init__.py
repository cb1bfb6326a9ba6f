"""Vocabularies, by level: what a symbol is."""

from __future__ import annotations

from typing import Any

from throughtime.errors import ModelFileError, ParameterError, known
from throughtime.text.blocks import Text
from throughtime.text.vocabularies.codes import Bytes, Characters
from throughtime.text.vocabularies.subwords import Subwords
from throughtime.text.vocabularies.vocabulary import END, Unknown, Vocabulary, Writer
from throughtime.text.vocabularies.words import Words

__all__ = [
    "END",
    "LEVELS",
    "Bytes",
    "Characters",
    "Subwords",
    "Text",
    "Unknown",
    "Vocabulary",
    "Words",
    "Writer",
    "from_json",
    "level",
    "to_json",
]

LEVELS: dict[str, type[Vocabulary]] = {kind.level: kind for kind in (Characters, Bytes, Words, Subwords)}


def level(name: str) -> type[Vocabulary]:
    """The kind of vocabulary of this name.

    Raises
    ------
    ParameterError
        If it is unknown.
    """
    if name not in LEVELS:
        raise ParameterError(f"level must be one of {known(LEVELS)}, got {name!r}")
    return LEVELS[name]


def to_json(vocabulary: Vocabulary) -> dict[str, Any]:
    """A vocabulary for a model file."""
    return {"level": vocabulary.level, "ends": vocabulary.ends, **vocabulary.to_json()}


def from_json(data: Any) -> Vocabulary:
    """What ``to_json`` gave.

    Raises
    ------
    ModelFileError
        If it is anything else.
    """
    fields: dict[str, Any] = data if isinstance(data, dict) else {}
    kind, ends = LEVELS.get(str(fields.get("level"))), fields.get("ends", False)
    if kind is None or not isinstance(ends, bool):
        raise ModelFileError("the model file is damaged: it has no vocabulary")
    return kind.from_json(fields, ends)
