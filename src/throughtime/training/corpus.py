"""Token sequences one after another, in memory or on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.engine.random import generator, key

BLOCK = 1 << 20
"""So many symbols of a long text are looked at together."""


class Spliced:
    """Parts of an array one after another, as if they were one; they are copied only where they are asked for.

    Parameters
    ----------
    whole : array
    starts : ``[n]``, where each part starts in it
    bounds : ``[n + 1]``, where each part starts here, and the last one ends
    """

    def __init__(self, whole: Array, starts: Array, bounds: Array) -> None:
        self.whole, self.starts, self.bounds = whole, starts, bounds

    def __len__(self) -> int:
        return int(self.bounds[-1])

    def __getitem__(self, places: Any) -> Any:
        if isinstance(places, slice):
            places = np.arange(*places.indices(len(self)))
        part = np.searchsorted(self.bounds, places, side="right") - 1
        return self.whole[places - self.bounds[part] + self.starts[part]]


Ids = Array | Spliced


@dataclass(frozen=True)
class Corpus:
    """Token sequences one after another.

    ``ids`` holds all symbols, ``bounds [n + 1]`` where each sequence starts and the last one ends. Symbols that lie on
    disk (``numpy.memmap``) are never copied as a whole.
    """

    ids: Ids
    bounds: Array

    @classmethod
    def of(cls, sequences: list[Array]) -> Corpus:
        """One sequence after another."""
        return cls(np.concatenate(sequences), np.cumsum([0, *map(len, sequences)]))

    @property
    def predictions(self) -> int:
        """How many symbols have one before them in their sequence."""
        return int(np.maximum(np.diff(self.bounds) - 1, 0).sum())

    def blocks(self) -> Iterator[Array]:
        """All symbols, some of them at a time."""
        for start in range(0, len(self.ids), BLOCK):
            yield self.ids[start : start + BLOCK]

    def different(self, symbols: int) -> int:
        """How many of the symbols below this one there are."""
        seen = np.zeros(symbols, bool)
        for ids in self.blocks():
            if seen.all():
                break
            seen |= np.bincount(ids, minlength=symbols)[:symbols] > 0
        return int(np.count_nonzero(seen))

    def predicted_among(self, symbols: Sequence[int]) -> int:
        """How many of the symbols that have one before them in their sequence are among these."""
        if not symbols:
            return 0
        first = self.ids[self.bounds[:-1][np.diff(self.bounds) > 0]]
        there = sum(int(np.isin(ids, symbols).sum()) for ids in self.blocks())
        return there - int(np.isin(first, symbols).sum())

    def first(self, symbols: int) -> Corpus:
        """So many symbols at the beginning, or all; a sequence may be cut in two."""
        end = min(len(self.ids), symbols)
        return Corpus(self.ids[:end], np.append(self.bounds[self.bounds < end], end))

    def last(self, symbols: int) -> Corpus:
        """So many symbols at the end, or all; a sequence may be cut in two."""
        start = max(0, len(self.ids) - symbols)
        return Corpus(self.ids[start:], np.append(start, self.bounds[self.bounds > start]) - start)

    def split(self, share: float) -> tuple[Corpus, Corpus]:
        """All but the last ``share`` of the symbols, and the rest; a sequence may be cut in two."""
        held_out = int(len(self.ids) * share)
        return self.first(len(self.ids) - held_out), self.last(held_out)

    def draw(self, share: float, seed: int) -> tuple[Corpus, Corpus]:
        """All but ``share`` of the symbols, and the rest, in whole sequences that are drawn at random.

        A long one is as likely to be drawn as a short one, so that ``share`` is met as nearly as their lengths allow:
        at least one is drawn unless it is 0, and never all.
        """
        lengths = np.diff(self.bounds)
        order = generator(key(seed, "held out")).permutation(len(lengths))
        nearest = int(np.abs(np.cumsum(lengths[order]) - share * len(self.ids)).argmin())
        drawn = np.zeros(len(lengths), bool)
        if share:
            drawn[order[: min(nearest + 1, len(lengths) - 1)]] = True
        return self._those(~drawn), self._those(drawn)

    def sample(self, symbols: int, seed: int) -> Corpus:
        """So many symbols of sequences that are drawn at random, or all; the last one may be cut."""
        if symbols >= len(self.ids):
            return self
        order = generator(key(seed, "sample")).permutation(len(self.bounds) - 1)
        bounds = _bounds(np.diff(self.bounds)[order])
        bounds = np.append(bounds[bounds < symbols], symbols)
        starts = self.bounds[:-1][order[: len(bounds) - 1]]
        places = np.arange(symbols) + np.repeat(starts - bounds[:-1], np.diff(bounds))
        return Corpus(self.ids[places], bounds)

    def _those(self, chosen: Array) -> Corpus:
        lengths = np.diff(self.bounds)
        bounds = _bounds(lengths[chosen])
        if isinstance(self.ids, np.memmap):
            return Corpus(Spliced(self.ids, self.bounds[:-1][chosen], bounds), bounds)
        return Corpus(self.ids[np.repeat(chosen, lengths)], bounds)


def _bounds(lengths: Array) -> Array:
    """Where each of them starts, and the last one ends."""
    return np.append(0, np.cumsum(lengths))
