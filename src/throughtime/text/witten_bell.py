"""Interpolated Witten-Bell n-grams, in arrays: how well a text is expected by counting alone.

    WB-1   p_0(w) = 1 / K                                                guessing at random
    WB-2   p_n(w | h) = (count(h w) + T(h) p_{n-1}(w | h')) / (count(h) + T(h))

``h`` is the n - 1 symbols before ``w``, and ``h'`` is ``h`` without its first one. ``T(h)`` is how many different
symbols were seen after ``h``, ``count(h)`` how many symbols in all; where ``h`` was never seen, ``p_n = p_{n-1}``. A
sequence has no symbols before its first one: that one is neither counted nor scored, and those that follow have the
longest ``h`` that exists.

References
----------
I. H. Witten and T. C. Bell, The zero-frequency problem: estimating the probabilities of novel events in adaptive text
compression, IEEE Transactions on Information Theory 37(4), 1991, method C. The interpolated form: S. F. Chen and
J. Goodman, An empirical study of smoothing techniques for language modeling, 1998, section 2.5, eq. 9 and 10.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.training import Corpus

MOST_ORDER = 8
WORSE_IN_A_ROW = 2
"""After so many orders that are worse than the one before them no higher one is tried."""

MOST_LEARNED, MOST_SCORED = 2_000_000, 500_000
"""Of a large text so many symbols are counted, those at its end, and so many scored, those at its beginning; of many
documents they are drawn at random."""


class Baseline(NamedTuple):
    """The n-gram of the best order."""

    order: int
    loss: float
    """Nats per symbol."""
    counted: int | None = None
    """How many symbols were counted, where it was only a part of the text."""

    def in_words(self) -> str:
        """For a report."""
        part = f", counted on {self.counted:,} symbols," if self.counted else ""
        return f"{'an' if self.order == 8 else 'a'} {self.order}-gram{part} gets {self.loss:.3f}"


@dataclass(frozen=True)
class Grams:
    """The different runs of n symbols in a text, each known by its place in ``keys``.

    ``keys`` are ``place of the first n - 1 symbols * K + last symbol``, increasing, and ``counts`` how often each was
    seen. ``totals`` and ``different`` belong to the first n - 1 symbols: how often any symbol came after them, and how
    many different ones. Each has one element more, for what was never seen: its place is -1, its counts are 0.
    """

    keys: Array
    counts: Array
    totals: Array
    different: Array

    @classmethod
    def of(cls, keys: Array, counted: Array, contexts: int, symbols: int) -> tuple[Grams, Array]:
        """Those of ``keys``, of which the ``counted`` ones are seen as predictions; and the place of each key."""
        unique, places = np.unique(keys, return_inverse=True)
        counts = np.bincount(places, counted, len(unique))
        before = unique // symbols
        totals = np.bincount(before, counts, contexts + 1)
        different = np.bincount(before, counts > 0, contexts + 1)
        return cls(np.append(unique, np.iinfo(np.int64).max), np.append(counts, 0), totals, different), places

    def find(self, keys: Array) -> Array:
        """The place of each key, or -1."""
        places = np.searchsorted(self.keys, keys)
        return np.asarray(np.where(self.keys[places] == keys, places, -1))

    def interpolate(self, contexts: Array, places: Array, p: Array) -> Array:
        """WB-2, where ``contexts`` and ``places`` are the places of ``h`` and of ``h w``, or -1."""
        total, different, count = self.totals[contexts], self.different[contexts], self.counts[places]
        return np.asarray(np.where(total > 0, (count + different * p) / np.maximum(total + different, 1), p))


def learn(corpus: Corpus, symbols: int) -> Iterator[Grams]:
    """The runs of 1, 2, ... symbols of a text, one length after another."""
    offsets = _offsets(corpus)
    places = np.zeros(len(corpus.ids), np.int64)  # of the run that ends at each symbol
    contexts = 1
    for n in range(1, MOST_ORDER + 1):
        keys, whole = _keys(corpus, offsets, places, n, symbols)
        grams, found = Grams.of(keys[whole], offsets[whole] > 0, contexts, symbols)
        places = np.full(len(corpus.ids), -1)
        places[whole] = found
        contexts = len(grams.keys) - 1
        yield grams


def probabilities(grams: Iterator[Grams], corpus: Corpus, symbols: int) -> Iterator[Array]:
    """What is expected of each symbol that has one before it, by orders 1, 2, ...: one array for each order."""
    offsets = _offsets(corpus)
    places = np.zeros(len(corpus.ids), np.int64)
    p = np.full(len(corpus.ids), 1 / symbols)  # WB-1
    for n, of_length in enumerate(grams, start=1):
        keys, whole = _keys(corpus, offsets, places, n, symbols)
        contexts = np.where(keys >= 0, keys // symbols, -1)
        places = np.where(whole & (keys >= 0), of_length.find(keys), -1)
        p = np.where(whole, of_length.interpolate(contexts, places, p), p)
        yield p[offsets > 0]


def _offsets(corpus: Corpus) -> Array:
    """How many symbols there are before each one in its sequence."""
    return np.asarray(np.arange(len(corpus.ids)) - np.repeat(corpus.bounds[:-1], np.diff(corpus.bounds)))


def _keys(corpus: Corpus, offsets: Array, places: Array, n: int, symbols: int) -> tuple[Array, Array]:
    """The key of the run of n symbols that ends at each symbol, and where there is one; -1 where its start is new."""
    before = np.zeros_like(places) if n == 1 else np.append(-1, places[:-1])
    keys = np.where(before >= 0, before * symbols + np.asarray(corpus.ids[:], np.int64), -1)
    return keys, offsets >= n - 1


def baseline(learned: Corpus, scored: Corpus, symbols: int, *, seed: int | None = None) -> Baseline:
    """The best order, judged by the text that is scored, which is kind to it.

    ``seed`` draws the documents that are counted and scored where there are too many symbols, and is None where the
    text goes on from ``learned`` to ``scored``.
    """
    counted = learned.last(MOST_LEARNED) if seed is None else learned.sample(MOST_LEARNED, seed)
    judge = scored.first(MOST_SCORED) if seed is None else scored.sample(MOST_SCORED, seed)
    found: list[float] = []
    for loss in losses(counted, judge, symbols):
        found.append(loss)
        recent = found[-WORSE_IN_A_ROW - 1 :]
        if len(recent) > WORSE_IN_A_ROW and recent == sorted(recent):
            break
    part = len(counted.ids) if len(counted.ids) < len(learned.ids) else None
    return Baseline(int(np.argmin(found)) + 1, min(found), part)


def losses(learned: Corpus, scored: Corpus, symbols: int) -> Iterator[float]:
    """The loss of orders 1, 2, ... in nats for each symbol that has one before it."""
    for p in probabilities(learn(learned, symbols), scored, symbols):
        yield float(-np.log(p).mean())
