"""Small trained models that several tests look at; they are shared, so that nobody may change them."""

from __future__ import annotations

from functools import cache

from throughtime import TextGenerator

TEXT = "to be or not to be, that is the question. " * 20
FRENCH = "déjà vu, là où l'été naît. " * 20

SMALL = {
    "hidden_size": 8,
    "embedding_size": 0,
    "dropout": 0.0,
    "seq_len": 16,
    "max_steps": 20,
    "learning_rate": 0.02,
    "random_state": 1,
    "verbose": 0,
}


def small(**changes):
    """A model that trains in a tenth of a second."""
    return TextGenerator(**SMALL | changes)


@cache
def fitted():
    """A model of characters that knows a little."""
    return small().fit(TEXT)


@cache
def fitted_on_bytes():
    """A model of bytes that knows a little, and writes much that is not UTF-8."""
    return small(level="byte").fit(FRENCH)


@cache
def learned():
    """A model that knows its text by heart."""
    return small(hidden_size=16, seq_len=32, max_steps=250, learning_rate=0.03).fit(TEXT)
