"""What guessing comes to that does not look at the sequence: whoever is behind it has learned nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from throughtime.engine.plain import PlainEngine
from throughtime.engine.protocol import Array
from throughtime.errors import short
from throughtime.sequences.encoding import Encoding
from throughtime.sequences.rows import Lesson, Rows
from throughtime.sequences.targets import Answers, Labels, Several


@dataclass(frozen=True)
class Guess:
    """A guess, and what it comes to on the validation part or, where there is none, on what was learned from.

    Parameters
    ----------
    guess : str
        What is guessed, in words.
    score : float
        As ``score`` of the estimator.
    loss : float
        As the losses of the history.
    """

    guess: str
    score: float
    loss: float

    def in_words(self) -> str:
        """For a message."""
        return f"guessing {self.guess} scores {self.score:.3f}, with a loss of {self.loss:.4f}"


def baseline(learned: Lesson, scored: Lesson, answers: Answers) -> Guess:
    """The majority, or the mean, of ``learned``, as it does on ``scored``."""
    given, weights = _flat(learned)
    found, counts = _flat(scored)
    o = _constant(answers, given, weights)
    outputs = np.tile(o, (1, len(found), 1))
    loss, _ = answers.loss(
        PlainEngine("float64"), outputs, answers.targets(found)[None], counts[None], needs_gradient=False
    )
    if isinstance(answers, Labels):
        guess = short(answers.classes.tolist()[o.argmax()])
        return Guess(guess, float(np.average(found == o.argmax(), weights=counts)), loss)
    if isinstance(answers, Several):
        right = (found == (o > 0)).all(axis=1)
        return Guess("what most have of each label", float(np.average(right, weights=counts)), loss)
    guessed = np.tile(np.average(given, axis=0, weights=weights), (len(found), 1))
    return Guess("the mean", r_squared(found, guessed, counts), loss)


def most_frequent(learned: Lesson, encoding: Encoding, answers: Answers) -> Array | None:
    """The tag that each token has most often, by their numbers; of a token without one the most frequent of all.

    None where there is no tag for each step, or several may hold.
    """
    if not isinstance(learned.answers, Rows) or not isinstance(answers, Labels):
        return None
    counts = np.zeros((encoding.size, answers.size), np.int64)
    np.add.at(counts, (encoding.tokens(learned.rows.values), learned.answers.values), 1)
    return np.asarray(np.where(counts.any(axis=1), counts.argmax(axis=1), counts.sum(axis=0).argmax()))


def r_squared(found: Array, guessed: Array, weights: Array) -> float:
    """The share of the variance that is explained, ``1 - error / variance``, the mean over columns of ``[N, K]``.

    A column that never changes counts 1 where it is met exactly, else 0.
    """
    error = (weights[:, None] * (found - guessed) ** 2).sum(axis=0)
    mean = np.average(found, axis=0, weights=weights)
    variance = (weights[:, None] * (found - mean) ** 2).sum(axis=0)
    shares = np.where(variance > 0, 1 - error / np.where(variance > 0, variance, 1), np.where(error > 0, 0.0, 1.0))
    return float(shares.mean())


def _flat(lesson: Lesson) -> tuple[Array, Array]:
    """All answers in one array, and how much each counts."""
    if isinstance(lesson.answers, Rows):
        return lesson.answers.values, np.repeat(lesson.weights, lesson.rows.lengths)
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
