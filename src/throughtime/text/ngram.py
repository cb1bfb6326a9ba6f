"""The n-gram model that reports compare a network with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from throughtime.estimator import Estimator
from throughtime.parameters import PARAMETERS, Parameter
from throughtime.text.documents import Split
from throughtime.text.evaluation import Evaluation
from throughtime.text.lesson import are_drawn, encoded, to_score, vocabulary_of
from throughtime.text.reading import Sources, read
from throughtime.text.vocabularies import Unknown, Vocabulary, level
from throughtime.text.witten_bell import MOST_LEARNED, MOST_ORDER, Grams, learn, probabilities
from throughtime.training import Corpus


class NGram(Estimator):
    """An n-gram model with interpolated Witten-Bell smoothing.

    It counts which symbol came after which others, and mixes the counts of all orders up to its own (Witten and Bell,
    1991, method C; Chen and Goodman, 1998, section 2.5). What a network gains over it is what counting cannot see.

    Parameters
    ----------
    order : int, default 5
        Symbols in a run, 1 to 8: each is expected from the ``order - 1`` before it.
    level : {"char", "byte", "word", "bpe"}, default "char"
    vocab_size : int or None, default None
        As for :class:`~throughtime.TextGenerator`.
    max_symbols : int or None, default 2,000,000
        Of a longer text so many symbols are counted: those at its end, or of twenty documents and more some that are
        drawn, always the same; None: all.

    Attributes
    ----------
    vocabulary_ : Vocabulary
    counted_ : int or None
        How many symbols were counted, where it was only a part of the text.

    Examples
    --------
    >>> text = "to be or not to be, that is the question. " * 20
    >>> model = NGram(order=3).fit(text)
    >>> round(model.evaluate("to be, or not to be").loss, 3)
    0.5
    >>> [round(loss, 2) for loss in model.losses("to be, or not to be")]
    [2.26, 1.11, 0.5]
    """

    table: ClassVar[Mapping[str, Parameter]] = {
        "order": Parameter(5, "symbols in a run", int, low=1, high=MOST_ORDER),
        "level": PARAMETERS["level"],
        "vocab_size": PARAMETERS["vocab_size"],
        "max_symbols": Parameter(MOST_LEARNED, "symbols counted", int, optional=True, low=1),
    }
    learned: ClassVar[str] = "vocabulary_"

    def __init__(
        self,
        order: int = 5,
        *,
        level: str = "char",
        vocab_size: int | None = None,
        max_symbols: int | None = MOST_LEARNED,
    ) -> None:
        self.order = order
        self.level = level
        self.vocab_size = vocab_size
        self.max_symbols = max_symbols

    def fit(
        self,
        text: Sources,
        y: Any = None,
        *,
        encoding: str = "utf-8",
        split: Split = None,
        column: str | None = None,
        vocabulary: Vocabulary | None = None,
    ) -> Self:
        """Counts.

        Parameters
        ----------
        text, encoding, split, column : as for :meth:`throughtime.TextGenerator.fit`
        y : ignored
        vocabulary : Vocabulary or None, default None
            That of a model to compare with, such as ``model.vocabulary_``, and its level; None: that of the text.
            Symbols that it does not have are left out; unknown words are counted as ``<unk>``.

        Raises
        ------
        ParameterError
            If a parameter makes no sense.
        DataError
            If the text cannot be read.
        """
        self.check_parameters()
        kind = level(self.level) if vocabulary is None else type(vocabulary)
        texts = read(text, level=kind.level, encoding=encoding, split=split, column=column).texts
        cut = len(texts) > 1 or split is not None or column is not None
        self.vocabulary_ = vocabulary or vocabulary_of(kind, texts, vocab_size=self.vocab_size, ends=cut)
        whole = encoded(self.vocabulary_, texts, unknown=None)
        corpus = whole
        if self.max_symbols is not None:
            drawn = are_drawn(self.vocabulary_, texts)
            corpus = whole.sample(self.max_symbols, seed=0) if drawn else whole.last(self.max_symbols)
        self.counted_ = len(corpus.ids) if len(corpus.ids) < len(whole.ids) else None
        self._grams: list[Grams] = [
            grams for _, grams in zip(range(self.order), learn(corpus, len(self.vocabulary_)), strict=False)
        ]
        return self

    def losses(
        self,
        text: Sources,
        *,
        encoding: str = "utf-8",
        split: Split = None,
        column: str | None = None,
        unknown: Unknown = "error",
    ) -> list[float]:
        """The loss of a text in nats per symbol by orders 1, 2, ... up to that of the model.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        UnknownSymbol
            If the text has a symbol that the model never saw.
        DataError
            If the text cannot be read, or has fewer than two symbols.
        """
        return self._scored(text, encoding, split, column, unknown)[0]

    def evaluate(
        self,
        text: Sources,
        *,
        encoding: str = "utf-8",
        split: Split = None,
        column: str | None = None,
        unknown: Unknown = "error",
    ) -> Evaluation:
        """How well the model expects a text. Raises what ``losses`` raises."""
        found, corpus, left = self._scored(text, encoding, split, column, unknown)
        strange = corpus.predicted_among(self.vocabulary_.unwritten)
        return Evaluation(found[-1], corpus.predictions, characters=left, unknown=strange)

    def score(self, text: Sources, y: Any = None) -> float:
        """Minus the loss of ``evaluate``."""
        return -self.evaluate(text).loss

    def _scored(
        self, text: Sources, encoding: str, split: Split, column: str | None, unknown: Unknown
    ) -> tuple[list[float], Corpus, int]:
        self.check_fitted()
        vocabulary = self.vocabulary_
        texts = read(text, level=vocabulary.level, encoding=encoding, split=split, column=column).texts
        corpus, left = to_score(vocabulary, texts, unknown)
        found = probabilities(iter(self._grams), corpus, len(vocabulary))
        losses = [float(-np.log(p).mean()) for p in found]
        return losses, corpus, left
