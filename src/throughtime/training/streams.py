"""Cuts sequences of tokens into rows that are read side by side, chunk after chunk, with the state carried along."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np

from throughtime.engine.protocol import Array, NetworkState
from throughtime.engine.random import Key, generator, key, philox
from throughtime.network import Batch
from throughtime.training.corpus import BLOCK, Corpus

WARM_UP = 256
"""How many symbols before a part are read, uncounted, so that its score does not start from an empty state."""

SIZES = 8
"""Chunks whose rows end early have a multiple of so many steps, so that they come in few sizes."""

ALIKE = 16
"""Sequences of like length are looked for among so many for each row."""

MOST_DRAWN = 1 << 20
"""Of more pieces than these the order is found piece by piece, so that it takes no memory."""

ROUNDS = 6
"""Of the network that finds it."""

RESTART_EVERY = 16
"""After how many chunks a row in training begins anew: a network that never does may fail from an empty state."""


class Shuffled:
    """The numbers below ``count`` in an order that a key draws, each found from its place alone.

    A Feistel network over Philox orders the numbers of an even count of bits; what is too large is sent through again
    until it is not (J. Black and P. Rogaway, Ciphers with arbitrary finite domains, 2002).
    """

    def __init__(self, count: int, key: Key) -> None:
        self.count, self.key = count, key
        self.half = -(-(count - 1).bit_length() // 2)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, places: slice) -> Array:
        numbers = self._mixed(np.arange(*places.indices(self.count)))
        while (outside := numbers >= self.count).any():
            numbers[outside] = self._mixed(numbers[outside])
        return numbers

    def _mixed(self, numbers: Array) -> Array:
        left, right = numbers >> self.half, numbers & ((1 << self.half) - 1)
        for number in range(ROUNDS):
            word = philox((right, number, 0, 0), self.key)[0].astype(np.int64)
            left, right = right, left ^ (word & ((1 << self.half) - 1))
        return (left << self.half) | right


@dataclass(frozen=True)
class Chunk:
    """A batch, which of its rows begin anew (their state is zero), and how many symbols it counts."""

    batch: Batch
    fresh: Array
    symbols: int

    @property
    def counted(self) -> float:
        """What its loss, a mean, counts for: the sum of the weights."""
        weights = self.batch.weights
        return float(self.batch.targets.shape[0] * self.batch.targets.shape[1] if weights is None else weights.sum())


class Endless(Protocol):
    """Batches without end."""

    @property
    def rows(self) -> int:
        """How many rows each batch has."""
        ...

    def endless(self, seed: int, done: int = 0) -> Iterator[Chunk]:
        """Pass after pass, behind the first ``done`` batches."""
        ...


@dataclass(frozen=True)
class Drawn:
    """Batches of rows that are made as they are needed, each row a sequence by itself.

    Parameters
    ----------
    rows : int
    make : callable
        ``make(rng)`` makes a batch with a NumPy generator, which is another one for each step.
    """

    rows: int
    make: Callable[[np.random.Generator], Batch]

    def endless(self, seed: int, done: int = 0) -> Iterator[Chunk]:
        for step in itertools.count(done):
            batch = self.make(generator(key(seed, "batch", step)))
            yield Chunk(batch, np.ones(self.rows, bool), batch.x.shape[0] * self.rows)


class Source(Endless, Protocol):
    """Where the batches of a training come from, that ends some time."""

    @property
    def longest(self) -> int:
        """The most time steps that a batch has."""
        ...

    @property
    def steps_per_epoch(self) -> int:
        """How many batches make one pass, rounded up."""
        ...

    @property
    def symbols(self) -> int:
        """How many places of one pass are counted."""
        ...

    def once(self) -> Iterator[Chunk]:
        """One pass, everything in it counted once."""
        ...


@dataclass(frozen=True)
class Streams:
    """The rows that a corpus is read in.

    A sequence is cut into pieces, so that there is one for each row; a row that has finished its piece takes the next.
    A chunk has at most ``seq_len`` steps; those of one piece are equally long, to within one.

    Parameters
    ----------
    corpus : Corpus
    batch_size : int
        How many rows there may be. Fewer, where the corpus is too short to give each one chunk.
    seq_len : int
    warm_up : int, default 0
        How many symbols before each piece are read without being counted.
    restart_every : int or None, default None
        The most chunks that a piece may have.
    """

    corpus: Corpus
    batch_size: int
    seq_len: int
    warm_up: int = 0
    restart_every: int | None = None

    @cached_property
    def _sequences(self) -> tuple[Array, Array, Array, Array]:
        """Of each sequence: where it starts, its predictions, its pieces, and the number of the first one."""
        starts, ends = self.corpus.bounds[:-1], self.corpus.bounds[1:] - 1
        starts, lengths = starts[ends > starts], (ends - starts)[ends > starts]
        longest = max(self.seq_len, -(-self.corpus.predictions // self.batch_size))
        if self.restart_every is not None:
            longest = min(longest, self.restart_every * self.seq_len)
        parts = -(-lengths // longest)
        return starts, lengths, parts, np.cumsum(parts) - parts

    @cached_property
    def count(self) -> int:
        """How many pieces there are, P."""
        return int(self._sequences[2].sum())

    @property
    def pieces(self) -> Array:
        """``[P, 3]``: where reading starts, where counting starts, and where it ends, in predictions of the corpus."""
        return self._pieces(np.arange(self.count))

    def _pieces(self, numbers: Array) -> Array:
        """Those of these numbers."""
        starts, lengths, parts, firsts = self._sequences
        sequence = np.searchsorted(firsts, numbers, side="right") - 1
        starts, lengths, parts = starts[sequence], lengths[sequence], parts[sequence]
        place = numbers - firsts[sequence]
        first, last = (starts + lengths * number // parts for number in (place, place + 1))
        return np.stack([np.maximum(first - self.warm_up, starts), first, last], axis=1)

    def _blocks(self) -> Iterator[Array]:
        """All pieces, some of them at a time."""
        for start in range(0, self.count, BLOCK):
            yield self._pieces(np.arange(start, min(start + BLOCK, self.count)))

    @property
    def symbols(self) -> int:
        """How many symbols of the corpus are predicted."""
        return self.corpus.predictions

    @property
    def rows(self) -> int:
        """How many rows are read side by side."""
        return min(self.batch_size, self.count)

    @property
    def longest(self) -> int:
        """The most time steps that a chunk has."""
        return max(min(self.seq_len, int((pieces[:, 2] - pieces[:, 0]).max())) for pieces in self._blocks())

    @cached_property
    def steps_per_epoch(self) -> int:
        """How many chunks of all rows make one pass over the corpus, rounded up."""
        chunks = sum(int((-(-(pieces[:, 2] - pieces[:, 0]) // self.seq_len)).sum()) for pieces in self._blocks())
        return -(-chunks // self.rows)

    @cached_property
    def _are_chunks(self) -> bool:
        """Whether each piece is one chunk."""
        return all(int((pieces[:, 2] - pieces[:, 0]).max()) <= self.seq_len for pieces in self._blocks())

    def once(self) -> Iterator[Chunk]:
        """Every symbol once, in order; rows that have nothing left have length 0."""
        return map(self._chunk, self._places(piece for pieces in self._blocks() for piece in pieces))

    def endless(self, seed: int, done: int = 0) -> Iterator[Chunk]:
        """Pass after pass. Where there are more pieces than rows, their order is drawn anew for each pass.

        Pieces of like length come together, so that little is padded.
        """

        def queue() -> Iterator[Array]:
            order, begun = self._order(seed, 0), 0
            for epoch in itertools.count(1):
                following = self._order(seed, epoch)
                missing = (begun - len(order)) % self.rows  # which the next pass fills up
                for some in self._alike(order, begun, generator(key(seed, "alike", epoch))):
                    yield from self._pieces(some)
                yield from self._pieces(following[:missing])
                order, begun = following, missing

        return map(self._chunk, itertools.islice(self._places(queue()), done, None))

    def _order(self, seed: int, epoch: int) -> Array | Shuffled:
        if self.count <= self.rows:
            return np.arange(self.count)
        drawn = key(seed, "order", epoch)
        return generator(drawn).permutation(self.count) if self.count <= MOST_DRAWN else Shuffled(self.count, drawn)

    def _alike(self, order: Array | Shuffled, begun: int, draws: np.random.Generator) -> Iterator[Array]:
        """The numbers from ``begun`` on, some at a time.

        Where each piece is one chunk, those that are read side by side are of like length.
        """
        rows = self.rows
        for start in range(begun, len(order), ALIKE * rows):
            some = order[start : start + ALIKE * rows]
            if not self._are_chunks or self.count == rows:
                yield some
                continue
            pieces = self._pieces(some)
            some = some[np.argsort(-(-(pieces[:, 2] - pieces[:, 0]) // SIZES), kind="stable")]
            alike = [some[place : place + rows] for place in range(0, len(some), rows)]
            *whole, last = alike
            yield np.concatenate([whole[place] for place in draws.permutation(len(whole))] + [last])

    def _places(self, queue: Iterator[Array]) -> Iterator[Places]:
        """Where the rows read, chunk by chunk."""
        rows = self.rows
        place = np.zeros(rows, np.int64)  # where each row stands
        counted = np.zeros(rows, np.int64)  # from where it is counted
        left = np.zeros(rows, np.int64)  # how many steps its piece has left
        chunks_left = np.zeros(rows, np.int64)
        while True:
            fresh = left == 0
            for row in np.nonzero(fresh)[0]:
                piece = next(queue, None)
                if piece is None:
                    break
                place[row], counted[row], end = piece
                left[row] = end - place[row]
                chunks_left[row] = -(-left[row] // self.seq_len)
            if not left.any():
                return
            lengths = -(-left // np.maximum(chunks_left, 1))
            yield Places(place.copy(), counted.copy(), lengths, fresh)
            place += lengths
            left -= lengths
            chunks_left -= lengths > 0

    def _chunk(self, places: Places) -> Chunk:
        ids, lengths = self.corpus.ids, places.lengths
        whole = bool(np.all(lengths == lengths[0]))
        most = int(lengths.max())
        steps = np.arange(most if whole else min(-(-most // SIZES) * SIZES, self.seq_len))[:, None]
        where = np.minimum(places.first + steps, len(ids) - 2)
        weights = (steps < lengths) & (where >= places.counted)
        batch = Batch(
            x=ids[where],
            targets=ids[where + 1],
            weights=None if weights.all() else weights,
            lengths=None if whole else lengths,
        )
        return Chunk(batch, places.fresh, int(weights.sum()))


class Places(NamedTuple):
    """Where each of N rows reads a chunk, all ``[N]``."""

    first: Array
    """Where it stands."""
    counted: Array
    """From where it is counted."""
    lengths: Array
    """How many steps it reads."""
    fresh: Array
    """Whether it begins anew."""


def restart(state: NetworkState, fresh: Array) -> NetworkState:
    """The state with the rows that begin anew set to zero."""
    if not fresh.any():
        return state
    return {name: tuple(np.where(fresh[:, None], 0, s) for s in states) for name, states in state.items()}
