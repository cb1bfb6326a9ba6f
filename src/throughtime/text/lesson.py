"""From documents to a lesson: a vocabulary, what is learned, what is only scored, and how well counting expects it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.errors import DataError
from throughtime.text.evaluation import characters
from throughtime.text.vocabularies import Text, Unknown, Vocabulary
from throughtime.text.vocabularies.codes import as_bytes
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


def prepare(vocabulary: Vocabulary, texts: Sequence[Text], *, validation: float, seq_len: int, seed: int) -> Lesson:
    """Encodes the texts and splits them.

    Raises
    ------
    DataError
        If there are fewer than two different symbols, or too few to learn from or to score.
    """
    corpus = Corpus.of([vocabulary.document(text) for text in texts])
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


def are_drawn(vocabulary: Vocabulary, texts: Sequence[Text]) -> bool:
    """Whether there are so many documents that a part of them is drawn at random, since lists are often sorted."""
    return vocabulary.ends and len(texts) >= WHOLE_DOCUMENTS


def to_score(vocabulary: Vocabulary, texts: Sequence[Text], unknown: Unknown) -> tuple[Corpus, int]:
    """What is scored of some documents, and how many characters that is.

    Raises
    ------
    UnknownSymbol
        If a text has a symbol that the vocabulary does not know.
    DataError
        If there is nothing to predict.
    """
    corpus = Corpus.of([vocabulary.document(text, unknown=unknown) for text in texts])
    left = sum(map(characters, texts)) if unknown == "error" else len(vocabulary.decode(corpus.ids[:]))
    if corpus.predictions < 1 or not left:
        raise DataError("the text has fewer than two symbols in a row; there is nothing to score")
    return corpus, left


def fingerprints(vocabulary: Vocabulary, texts: Sequence[Text]) -> Array:
    """A number for each text, the same for equal texts: 64 bits of BLAKE2."""
    data = (as_bytes(vocabulary.normal(text)) for text in texts)
    return np.array([int.from_bytes(blake2b(item, digest_size=8).digest(), "little") for item in data], np.uint64)
