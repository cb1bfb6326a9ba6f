"""Sequences, and small models that learned from them; these are shared, so that nobody may change them."""

from __future__ import annotations

from functools import cache

import numpy as np

from throughtime import SequenceClassifier, SequenceRegressor, SequenceTagger

SMALL = {"hidden_size": 8, "max_steps": 30, "random_state": 1}


def ragged(rows=40, most=9, D=None, seed=0):
    """Sequences of numbers of unequal lengths."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, most + 1, rows)
    return [rng.normal(size=length if D is None else (length, D)) for length in lengths]


SENTENCES = [
    ["Anna", "Smith", "lives", "in", "Rome"],
    ["in", "Paris", "lives", "Bert"],
    ["nobody", "saw", "Bert", "Jones"],
    ["Rome"],
] * 5
TAGS = [
    ["B-PER", "I-PER", "O", "O", "B-LOC"],
    ["O", "B-LOC", "O", "B-PER"],
    ["O", "O", "B-PER", "I-PER"],
    ["B-LOC"],
] * 5

X_RAGGED = ragged()
Y_RAGGED = np.array([x[0] > 0 for x in X_RAGGED]).astype(int)
X_NOTES = ragged(D=3)
Y_NOTES = [(x > 0).astype(int) for x in X_NOTES]
WORDS = ["abba", "baab", "cdc", "ddcd", "ab", "dc"] * 4
KINDS = ["low", "low", "high", "high", "low", "high"] * 4


@cache
def classifier():
    """Of numbers, [T]."""
    return SequenceClassifier(**SMALL).fit(X_RAGGED, Y_RAGGED)


@cache
def classifier_of_strings():
    return SequenceClassifier(**SMALL).fit(WORDS, KINDS)


@cache
def classifier_of_tokens():
    """Of the same, as lists of their letters."""
    return SequenceClassifier(**SMALL, tokens=True).fit([list(word) for word in WORDS], KINDS)


@cache
def classifier_of_several():
    """Which of three features end above zero."""
    return SequenceClassifier(**SMALL).fit(X_NOTES, np.array([y[-1] for y in Y_NOTES]))


@cache
def regressor():
    return SequenceRegressor(**SMALL).fit(X_RAGGED, [x.sum() for x in X_RAGGED])


@cache
def tagger():
    """Of words."""
    return SequenceTagger(**SMALL).fit(SENTENCES, TAGS)


@cache
def tagger_with_characters():
    return SequenceTagger(**SMALL, characters=True).fit(SENTENCES, TAGS)


@cache
def tagger_of_several():
    """Of vectors: which features are above zero."""
    return SequenceTagger(**SMALL).fit(X_NOTES, Y_NOTES)


MODELS = {
    "classifier": (classifier, X_RAGGED, Y_RAGGED),
    "classifier of strings": (classifier_of_strings, WORDS, KINDS),
    "classifier of several": (classifier_of_several, X_NOTES, np.array([y[-1] for y in Y_NOTES])),
    "regressor": (regressor, X_RAGGED, np.array([x.sum() for x in X_RAGGED])),
    "tagger": (tagger, SENTENCES, TAGS),
    "tagger with characters": (tagger_with_characters, SENTENCES, TAGS),
    "tagger of several": (tagger_of_several, X_NOTES, Y_NOTES),
}
"""Each model, and what it learned from."""


def outputs(model, X):
    """All that a model says of sequences, row by row."""
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)
