"""Whole rows in batches: each begins from an empty state, and rows of like length are read side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count, islice

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.engine.random import generator, key
from throughtime.network import Batch
from throughtime.tables.pieces import spans
from throughtime.tables.spill import Spill
from throughtime.training.streams import Chunk

ALIKE = 16
"""Rows of like length are looked for among so many batches."""


def steps_for(length: int) -> int:
    """The steps of a batch whose longest row has ``length``: of few sizes, so that work is prepared for few.

    Four sizes for each doubling: 8, 10, 12, 14, 16, 20, 24, ...; shorter ones are as they are.

    Examples
    --------
    >>> [steps_for(length) for length in (5, 9, 17, 64, 65, 250)]
    [5, 10, 20, 64, 80, 256]
    """
    if length <= 8:
        return length
    unit = 1 << max(0, (length - 1).bit_length() - 3)
    return -(-length // unit) * unit


@dataclass(frozen=True)
class Batches:
    """Batches of whole rows.

    Parameters
    ----------
    lengths : ``[n]``, how many steps each row has, at least one
    batch_size : int
        How many rows a batch has; fewer, where there are not so many.
    make : callable
        Makes the batch of these rows, ``make(rows, T)``, with T at least the longest of their lengths. Row -1 is empty:
        its length and weights are 0.
    """

    lengths: Array
    batch_size: int
    make: Callable[[Array, int], Batch]

    @property
    def rows(self) -> int:
        return min(self.batch_size, len(self.lengths))

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.lengths) // self.rows)

    @cached_property
    def symbols(self) -> int:
        """How many time steps one pass has."""
        return int(self.lengths.sum())

    @cached_property
    def longest(self) -> int:
        """Of all rows, in time steps."""
        return int(self.lengths.max())

    def once(self) -> Iterator[Chunk]:
        """Every row once, the longest last; what is missing in the last batch are empty rows."""
        order = np.argsort(self.lengths, kind="stable")
        missing = -len(order) % self.rows
        return map(self._chunk, np.append(order, np.full(missing, -1)).reshape(-1, self.rows))

    def endless(self, seed: int, done: int = 0) -> Iterator[Chunk]:
        """Pass after pass, in an order that is drawn anew for each; the next one fills the last batch of a pass."""
        return map(self._chunk, islice(self._drawn(seed), done, None))

    def _drawn(self, seed: int) -> Iterator[Array]:
        rest = np.zeros(0, np.int64)
        for epoch in count():
            draws = generator(key(seed, "order", epoch))
            order = Spill().empty(len(rest) + len(self.lengths), np.int64)
            order[: len(rest)] = rest
            draws.shuffle(_counted(order[len(rest) :]))
            whole = len(order) - len(order) % self.rows
            order, rest = order[:whole], order[whole:]
            for start in range(0, whole, ALIKE * self.rows):
                some = order[start : start + ALIKE * self.rows]
                batches = some[np.argsort(self.lengths[some], kind="stable")].reshape(-1, self.rows)
                yield from draws.permutation(batches)

    def _chunk(self, rows: Array) -> Chunk:
        """The order of rows within a batch has no influence on what is learned."""
        lengths = np.where(rows < 0, 0, self.lengths[rows])
        steps = min(steps_for(int(lengths.max())), self.longest)
        return Chunk(self.make(rows, steps), np.ones(len(rows), bool), int(lengths.sum()))


def _counted(numbers: Array) -> Array:
    """An array that is filled with 0, 1, 2, ..."""
    for rows in spans(len(numbers)):
        numbers[rows] = np.arange(rows.start, rows.stop)
    return numbers
