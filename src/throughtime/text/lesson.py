"""From documents to a lesson: a vocabulary, what is learned, what is only scored, and how well counting expects it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.errors import DataError
from throughtime.text import store
from throughtime.text.blocks import LargeTexts, Text, Texts, as_bytes, blocks_of, parts_of
from throughtime.text.evaluation import characters
from throughtime.text.vocabularies import Unknown, Vocabulary, from_json, to_json
from throughtime.training import Corpus

WHOLE_DOCUMENTS = 20
"""Where there are so many, whole ones are held out, drawn at random; else the end of the text."""

MOST_SCORED = 1_000_000
"""Of a larger held-out part so many symbols are scored: its first ones, or of documents that are drawn some of them."""

MOST_REMEMBERED = 1_000_000
"""Of so many documents a model knows which they were."""


@dataclass(frozen=True)
class Lesson:
    """A vocabulary, the part of the corpus that is learned, and the part that is only scored."""

    vocabulary: Vocabulary
    learned: Corpus
    held_out: Corpus
    drawn: bool
    """Whether whole documents are held out, drawn at random; else it is the end of the text."""
    seed: int
    """What draws."""

    @property
    def scored(self) -> Corpus:
        """What is scored of the part that is held out."""
        return self.held_out.sample(MOST_SCORED, self.seed) if self.drawn else self.held_out.first(MOST_SCORED)

    @property
    def symbols(self) -> int:
        """Length of all the text."""
        return len(self.learned.ids) + len(self.held_out.ids)


def vocabulary_of(kind: type[Vocabulary], texts: Texts, *, vocab_size: int | None, ends: bool) -> Vocabulary:
    """That of these texts; it is kept for large ones."""
    if not isinstance(texts, LargeTexts):
        return kind.of(texts, vocab_size=vocab_size, ends=ends)
    key = texts.key("vocabulary", kind.level, vocab_size, ends)
    return from_json(store.note(key, lambda: to_json(kind.of(texts, vocab_size=vocab_size, ends=ends))))


def encoded(vocabulary: Vocabulary, texts: Texts, unknown: Unknown | None = "error") -> Corpus:
    """The symbols of these texts; of large ones they are kept on disk, and lie there.

    Raises
    ------
    UnknownSymbol
        If a text has a symbol that the vocabulary does not know, and ``unknown`` is ``"error"``.
    OutputError
        If they cannot be kept.
    """
    if not isinstance(texts, LargeTexts):
        return Corpus.of([vocabulary.document(text, unknown=unknown) for text in texts])
    key = texts.key("symbols", to_json(vocabulary), unknown)
    return store.corpus(key, lambda: _encoded_blocks(vocabulary, texts, unknown))


def _encoded_blocks(vocabulary: Vocabulary, texts: Texts, unknown: Unknown | None) -> Iterator[tuple[Array, Array]]:
    """The symbols of each block, and where documents end in it."""
    before = 0  # symbols of the document that goes on
    for block in blocks_of(texts, "symbols"):
        found = []
        for place, text in enumerate(block.texts, start=1):
            begins, ends = block.begins or place > 1, block.ends or place < len(block.texts)
            found.append(vocabulary.document(text, unknown=unknown, begins=begins, ends=ends, before=before))
            before = 0 if ends else before + len(found[-1]) - (begins and vocabulary.ends)
        lengths = np.cumsum(list(map(len, found)))
        yield np.concatenate(found), lengths if block.ends else lengths[:-1]


def prepare(vocabulary: Vocabulary, texts: Texts, *, validation: float, seq_len: int, seed: int) -> Lesson:
    """Encodes the texts and splits them.

    Raises
    ------
    DataError
        If there are fewer than two different symbols, or too few to learn from or to score.
    """
    corpus = encoded(vocabulary, texts)
    different = corpus.different(vocabulary.size)
    if different < 2:
        raise DataError(
            f"the text has {different} different {vocabulary.called}; at least two are needed to learn from it"
        )
    drawn = are_drawn(vocabulary, texts)
    learned, held_out = corpus.draw(validation, seed) if drawn else corpus.split(validation)
    if learned.predictions < seq_len:
        fits = learned.predictions
        ways = ["more text"]
        if fits:
            ways.append(f"seq_len={fits} (--seq-len {fits})")
        if validation and corpus.predictions >= seq_len:
            ways.append("validation=0 (--validation 0)")
        raise DataError(
            f"the text is too short: {len(corpus.ids):,} symbols, of which {fits:,} can be learned; "
            f"a sequence needs {seq_len + 1} (seq_len + 1). Give {' or '.join(ways)}"
        )
    if validation and held_out.predictions < 1:
        raise DataError(
            f"the text is too short: its validation part, {len(held_out.ids)} of {len(corpus.ids):,} symbols, "
            "has nothing to predict. Give more text, a larger validation, or validation=0"
        )
    return Lesson(vocabulary, learned, held_out, drawn, seed)


def are_drawn(vocabulary: Vocabulary, texts: Texts) -> bool:
    """Whether there are so many documents that a part of them is drawn at random, since lists are often sorted."""
    return vocabulary.ends and len(texts) >= WHOLE_DOCUMENTS


def to_score(vocabulary: Vocabulary, texts: Texts, unknown: Unknown) -> tuple[Corpus, int]:
    """What is scored of some documents, and how many characters that is.

    Raises
    ------
    UnknownSymbol
        If a text has a symbol that the vocabulary does not know.
    DataError
        If there is nothing to predict.
    """
    corpus = encoded(vocabulary, texts, unknown)
    if unknown == "error":
        left = characters(parts_of(texts, "characters"))
    else:
        writer = vocabulary.writer()
        left = sum(len(writer.write(ids)) for ids in corpus.blocks()) + len(writer.finish())
    if corpus.predictions < 1 or not left:
        raise DataError("the text has fewer than two symbols in a row; there is nothing to score")
    return corpus, left


def fingerprints(vocabulary: Vocabulary, texts: Texts) -> Array:
    """A number for each text, the same for equal texts: 64 bits of BLAKE2."""
    parts = parts_of(texts, "documents")
    return np.fromiter((_number(vocabulary, text, ends, parts) for text, ends in parts), np.uint64)


def _number(vocabulary: Vocabulary, text: Text, ends: bool, following: Iterator[tuple[Text, bool]]) -> int:
    def document() -> Iterator[Text]:
        yield text
        last = ends
        while not last:
            part, last = next(following)
            yield part

    digest = blake2b(digest_size=8)
    for part in vocabulary.normal(document()):
        digest.update(as_bytes(part))
    return int.from_bytes(digest.digest(), "little")
