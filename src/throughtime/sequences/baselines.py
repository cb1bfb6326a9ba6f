"""What guessing comes to that does not look at the sequence: whoever is behind it has learned nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np

from throughtime.engine.plain import PlainEngine
from throughtime.engine.protocol import Array
from throughtime.errors import short
from throughtime.sequences.inputs import Read
from throughtime.sequences.rows import Lesson, Rows, Symbols, slices
from throughtime.sequences.targets import Answers, Labels, Several


@dataclass(frozen=True)
class Guess:
    """A guess, and what it comes to on the validation part or, where there is none, on what was learned from.

    Parameters
    ----------
    guess : str
        What is guessed, in words.
    score : float
        As ``score`` of the estimator, which leaves ``class_weight`` out.
    loss : float
        As the losses of the history.
    """

    guess: str
    score: float
    loss: float

    def in_words(self) -> str:
        """For a message."""
        return f"guessing {self.guess} scores {self.score:.3f}, with a loss of {self.loss:.4f}"


@dataclass(frozen=True)
class FrequentTags:
    """The tag that each token has most often where it was learned, by number; the first one where several have as many.

    Parameters
    ----------
    otherwise : int
        The most frequent tag of all: that of a token that was never seen, and of numbers.
    others : mapping of token to int
        The tags of the tokens that have another one.
    """

    otherwise: int
    others: Mapping[Hashable, int]

    @classmethod
    def of(cls, symbols: Symbols | None, tags: Rows) -> FrequentTags:
        """Those of the tokens as they were given; None for numbers. ``tags`` are those of all steps."""
        otherwise = int(np.bincount(tags.together().values).argmax())
        if symbols is None:
            return cls(otherwise, {})
        steps = (tag for row in range(len(tags)) for tag in tags[row].tolist())
        counts = Counter(zip(chain.from_iterable(symbols), steps, strict=True))
        rarest_first = sorted(counts, key=lambda pair: (counts[pair], -pair[1]))
        return cls(otherwise, {token: tag for token, tag in dict(rarest_first).items() if tag != otherwise})

    def guess(self, read: Read) -> Array:
        """The guessed tags of all steps, ``[S]``."""
        if isinstance(read.content, Rows):
            return np.full(read.lengths.sum(), self.otherwise)
        tags = [self.others.get(token, self.otherwise) for token in read.content.known]
        return np.array(tags)[read.rows.together().values]


def baseline(learned: Lesson, scored: Lesson, answers: Answers, of_classes: Array | None = None) -> Guess:
    """The majority, or the mean, of ``learned``, as it does on ``scored``.

    ``of_classes [K]`` is the part of the weights that counts for the loss alone.
    """
    given, weights = _flat(learned)
    found, counts = _flat(scored)
    o = _constant(answers, given, weights)
    loss = _loss(answers, o, found, counts)
    if isinstance(answers, Labels):
        if of_classes is not None:
            weights, counts = weights / of_classes[given], counts / of_classes[found]
        usual = np.bincount(given, weights).argmax()
        return Guess(short(answers.classes[usual]), float(np.average(found == usual, weights=counts)), loss)
    if isinstance(answers, Several):
        right = (found == (o > 0)).all(axis=1)
        return Guess("what most have of each label", float(np.average(right, weights=counts)), loss)
    guessed = np.tile(np.average(given, axis=0, weights=weights), (len(found), 1))
    return Guess("the mean", r_squared(found, guessed, counts), loss)


def r_squared(found: Array, guessed: Array, weights: Array) -> float:
    """The share of the variance that is explained, ``1 - error / variance``, the mean over columns of ``[N, K]``.

    A column that never changes counts 1 where it is met exactly, else 0.
    """
    error = (weights[:, None] * (found - guessed) ** 2).sum(axis=0)
    mean = np.average(found, axis=0, weights=weights)
    variance = (weights[:, None] * (found - mean) ** 2).sum(axis=0)
    shares = np.where(variance > 0, 1 - error / np.where(variance > 0, variance, 1), np.where(error > 0, 0.0, 1.0))
    return float(shares.mean())


def _loss(answers: Answers, o: Array, found: Array, counts: Array) -> float:
    """That of the outputs ``[K]`` for every answer."""
    engine, objective = PlainEngine("float64"), answers.loss
    places = objective.place_weights((1, len(found), len(o)), counts[None])

    def loss(part: slice) -> float:
        targets = answers.targets(found[part])[None]
        outputs = np.tile(o, (1, targets.shape[1], 1))
        return objective.summed(engine, outputs, targets, places[:, part], needs_gradient=False)[0]

    return sum(map(loss, slices(np.broadcast_to(o, (len(found), len(o))))))


def _flat(lesson: Lesson) -> tuple[Array, Array]:
    """All answers in one array, and how much each counts."""
    if isinstance(lesson.answers, Rows):
        return lesson.answers.together().values, np.repeat(lesson.weights, lesson.rows.lengths)
    return lesson.answers, lesson.weights


def _constant(answers: Answers, given: Array, weights: Array) -> Array:
    """The outputs ``[K]`` that say the same of every row; no class has the probability 0."""
    total = len(given) / weights.sum()
    if isinstance(answers, Labels):
        counts = total * np.bincount(given, weights, answers.size)
        return np.asarray(np.log((counts + 1) / (counts.sum() + answers.size)))
    if isinstance(answers, Several):
        counts = total * (weights[:, None] * given).sum(axis=0)
        return np.asarray(np.log((counts + 1) / (len(given) - counts + 1)))
    return np.zeros(answers.size)
