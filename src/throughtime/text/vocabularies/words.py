"""Words and the marks between them.

A *word* is a run of letters, digits and underscores, with apostrophes and hyphens inside it. A *mark* is any other
character, or a run of the same one, together with the space before and behind it: the comma of "one, two" is ``", "``.
A *break* is one line break, or two for any number of them, together with the space that the next line begins with.
Between two words stands a space that is not told. So what is put together again is the text itself, but for runs of
spaces within a line, spaces at its end, and blank lines after the first.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.errors import DataError, ModelFileError, ParameterError
from throughtime.text.blocks import Text, Texts, parts_of
from throughtime.text.vocabularies.vocabulary import END, Vocabulary, Writer

UNKNOWN = "<unk>"
"""Stands for all words that are not among the most frequent ones."""

MOST_WORDS = 8_000
MOST_DIFFERENT = 500_000
"""Of more different words those that were seen once are forgotten, or twice, if that is not enough."""
COUNTED_AT_ONCE = 100_000
"""After so many words it is looked at whether there are more."""

_SPACES = re.compile(r"(?<=\S)[^\S\n]+")
_SYMBOL = re.compile(
    r"(?P<word>\w+(?:['’-]\w+)*)"
    r"|(?P<line> ?\n\s*)"
    r"|(?P<mark>(?P<before> ?)(?P<same>[^\w\s])(?P=same)*(?P<behind> (?!\n))?)"
)


def split(text: str) -> Iterator[str]:
    """The words, marks and breaks of a text.

    >>> list(split("It's one,  two (or so)."))
    ["It's", 'one', ', ', 'two', ' (', 'or', 'so', ')', '.']
    """
    for found in _SYMBOL.finditer(_SPACES.sub(" ", text.lstrip())):
        if found.lastgroup == "line":
            line = found["line"]
            yield "\n" * min(line.count("\n"), 2) + line.rpartition("\n")[2]
        else:
            yield found[0]


def join(symbols: Iterable[str]) -> str:
    """The text of these symbols."""
    return _WordWriter().join(symbols)


class Words(Vocabulary):
    """The most frequent words and marks, the most frequent first, and ``<unk>`` for all others.

    Parameters
    ----------
    words : sequence of str
    ends : bool, default False
    """

    level = "word"
    called = "word"
    border = re.compile(r"\w(?= \w)|\w\n(?=\w)")

    def __init__(self, words: Sequence[str], ends: bool = False) -> None:
        self.words = [*words, UNKNOWN]
        self.places = {word: place for place, word in enumerate(self.words)}
        super().__init__(len(self.words), ends)

    @classmethod
    def of(cls, texts: Texts, *, vocab_size: int | None = None, ends: bool = False) -> Self:
        counts = _counts(word for text, _ in parts_of(texts, "vocabulary") for word in split(_checked(text)))
        room = (MOST_WORDS if vocab_size is None else vocab_size) - 1 - ends
        if room < 1:
            raise ParameterError(f"vocab_size must leave room for words beside {UNKNOWN} and {END}, got {vocab_size}")
        words = sorted(counts, key=lambda word: (-counts[word], word))
        return cls(words[:room], ends)

    @property
    def known(self) -> list[str]:
        return self.words

    @property
    def unwritten(self) -> tuple[int, ...]:
        return (self.size - 1,)

    def show(self, code: int) -> str:
        return repr(self.words[code])

    def find(self, text: Text) -> tuple[Array, Array, Sequence[int]]:
        unknown = self.size - 1
        ids = np.array([self.places.get(word, unknown) for word in split(_checked(text))], dtype=np.int64)
        return ids, np.zeros(len(ids), bool), ids.tolist()

    def encode(self, text: Text, *, what: str = "the text", unknown: Any = "error", before: int = 0) -> Array:
        ids = super().encode(text, what=what, unknown=unknown, before=before)
        return ids[ids != self.size - 1] if unknown == "skip" else ids

    def places_of(self, symbol: Any) -> list[int]:
        """A mark is meant with any space around it."""
        if not isinstance(symbol, str):
            return []
        exact = [self.places[symbol]] if symbol in self.places else []
        bare = symbol.strip(" ")
        marks = [self.places.get(f"{before}{bare}{behind}") for before in ("", " ") for behind in ("", " ")]
        return sorted({*exact, *(place for place in marks if place is not None)}) if bare == symbol else exact

    def check_known(self, text: Text, what: str) -> None:
        for symbol in split(_checked(text)):
            self.ids_of(symbol)

    def extended(self, texts: Texts, ends: bool) -> tuple[Self, Array]:
        return type(self)(self.words[:-1], self.ends or ends), np.arange(len(self))

    def writer(self, after: Text = "") -> Writer:
        return _WordWriter(self.words, after if isinstance(after, str) else "")

    def normal(self, parts: Iterable[Text]) -> Iterator[Text]:
        writer = _WordWriter()
        return (writer.join(split(_checked(part))) for part in parts)

    def to_json(self) -> dict[str, Any]:
        return {"words": self.words[:-1]}

    @classmethod
    def from_json(cls, fields: dict[str, Any], ends: bool) -> Self:
        words = fields.get("words")
        if not isinstance(words, list) or not words or not all(isinstance(word, str) and word for word in words):
            raise ModelFileError("the model file is damaged: it has no vocabulary")
        if len({*words, UNKNOWN, END}) != len(words) + 2:
            raise ModelFileError("the model file is damaged: its vocabulary names a word twice")
        return cls(words, ends)


def _counts(words: Iterator[str]) -> Counter[str]:
    """How often there is each; of a text of too many different ones the rarest so far are forgotten now and then."""
    counts: Counter[str] = Counter()
    while some := list(itertools.islice(words, COUNTED_AT_ONCE)):
        counts.update(some)
        rare = 0
        while len(counts) > MOST_DIFFERENT:
            rare += 1
            counts = Counter({word: count for word, count in counts.items() if count > rare})
    return counts


class _WordWriter(Writer):
    def __init__(self, words: Sequence[str] = (), after: str = "") -> None:
        self.words = words
        self.in_word = bool(re.search(r"\w\Z", after))
        self.spaced = after[-1:].isspace()

    def write(self, ids: Array) -> str:
        return self.join(self.words[i] for i in ids.tolist() if i < len(self.words))

    def join(self, symbols: Iterable[str]) -> str:
        parts = []
        for symbol in symbols:
            is_word = symbol == UNKNOWN or bool(re.match(r"\w", symbol))
            if self.in_word and is_word:
                parts.append(" ")
            parts.append(symbol.lstrip(" ") if self.spaced else symbol)
            self.in_word, self.spaced = is_word, symbol[-1:].isspace()
        return "".join(parts)


def _checked(text: Text) -> str:
    if isinstance(text, bytes):
        raise DataError("bytes were given where text is expected; decode them, or use level='byte'")
    return text
