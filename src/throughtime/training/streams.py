"""Cuts sequences of tokens into rows that are read side by side, chunk after chunk, with the state carried along."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count, islice
from typing import NamedTuple, Protocol

import numpy as np

from throughtime.engine.protocol import Array, NetworkState
from throughtime.engine.random import generator, key
from throughtime.network import Batch

WARM_UP = 256
"""How many symbols before a part are read, uncounted, so that its score does not start from an empty state."""

SIZES = 8
"""Chunks whose rows end early have a multiple of so many steps, so that they come in few sizes."""

ALIKE = 16
"""Sequences of like length are looked for among so many for each row."""

RESTART_EVERY = 16
"""After how many chunks a row in training begins anew: a network that never does may fail from an empty state."""


@dataclass(frozen=True)
class Corpus:
    """Token sequences one after another.

    ``ids`` holds all symbols, ``bounds [n + 1]`` where each sequence starts and the last one ends.
    """

    ids: Array
    bounds: Array

    @classmethod
    def of(cls, sequences: list[Array]) -> Corpus:
        """One sequence after another."""
        return cls(np.concatenate(sequences), np.cumsum([0, *map(len, sequences)]))

    @property
    def predictions(self) -> int:
        """How many symbols have one before them in their sequence."""
        return int(np.maximum(np.diff(self.bounds) - 1, 0).sum())

    @property
    def predicted(self) -> Array:
        """The symbols that have one before them in their sequence."""
        first = self.bounds[:-1][np.diff(self.bounds) > 0]
        return np.delete(self.ids, first)

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
        starts, lengths = self.bounds[:-1][order], np.diff(self.bounds)[order]
        bounds = np.cumsum([0, *lengths])
        places = np.arange(len(self.ids)) + np.repeat(starts - bounds[:-1], lengths)
        return Corpus(self.ids[places], bounds).first(symbols)

    def _those(self, chosen: Array) -> Corpus:
        lengths = np.diff(self.bounds)
        return Corpus(self.ids[np.repeat(chosen, lengths)], np.cumsum([0, *lengths[chosen]]))


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
        for step in count(done):
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
    def pieces(self) -> Array:
        """``[P, 3]``: where reading starts, where counting starts, and where it ends, in predictions of the corpus."""
        starts, ends = self.corpus.bounds[:-1], self.corpus.bounds[1:] - 1
        starts, ends = starts[ends > starts], ends[ends > starts]
        longest = max(self.seq_len, -(-self.corpus.predictions // self.batch_size))
        if self.restart_every is not None:
            longest = min(longest, self.restart_every * self.seq_len)
        parts = -(-(ends - starts) // longest)
        number = np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)  # of a piece in its sequence
        starts, lengths, parts = (np.repeat(of_each, parts) for of_each in (starts, ends - starts, parts))
        first, last = (starts + lengths * place // parts for place in (number, number + 1))
        return np.stack([np.maximum(first - self.warm_up, starts), first, last], axis=1)

    @property
    def symbols(self) -> int:
        """How many symbols of the corpus are predicted."""
        return self.corpus.predictions

    @property
    def rows(self) -> int:
        """How many rows are read side by side."""
        return min(self.batch_size, len(self.pieces))

    @property
    def longest(self) -> int:
        """The most time steps that a chunk has."""
        return min(self.seq_len, int((self.pieces[:, 2] - self.pieces[:, 0]).max()))

    @property
    def steps_per_epoch(self) -> int:
        """How many chunks of all rows make one pass over the corpus, rounded up."""
        chunks = int((-(-(self.pieces[:, 2] - self.pieces[:, 0]) // self.seq_len)).sum())
        return -(-chunks // self.rows)

    def once(self) -> Iterator[Chunk]:
        """Every symbol once, in order; rows that have nothing left have length 0."""
        return map(self._chunk, self._places(iter(self.pieces)))

    def endless(self, seed: int, done: int = 0) -> Iterator[Chunk]:
        """Pass after pass. Where there are more pieces than rows, their order is drawn anew for each pass.

        Pieces of like length come together, so that little is padded.
        """
        pieces = self.pieces
        lengths = pieces[:, 2] - pieces[:, 0]

        def queue() -> Iterator[Array]:
            order = self._permutation(len(pieces), seed, 0)
            for epoch in count(1):
                following = self._permutation(len(pieces), seed, epoch)
                missing = -len(order) % self.rows  # which the next pass fills up
                yield from pieces[self._alike(order, lengths, generator(key(seed, "alike", epoch)))]
                yield from pieces[following[:missing]]
                order = following[missing:]

        return map(self._chunk, islice(self._places(queue()), done, None))

    def _permutation(self, pieces: int, seed: int, epoch: int) -> Array:
        return generator(key(seed, "order", epoch)).permutation(pieces) if pieces > self.rows else np.arange(pieces)

    def _alike(self, order: Array, lengths: Array, draws: np.random.Generator) -> Array:
        """The same pieces, those that are read side by side of like length where each is one chunk."""
        rows = self.rows
        if lengths.max() > self.seq_len or len(lengths) == rows:
            return order
        batches: list[Array] = []
        for start in range(0, len(order), ALIKE * rows):
            some = order[start : start + ALIKE * rows]
            some = some[np.argsort(-(-lengths[some] // SIZES), kind="stable")]
            alike = [some[place : place + rows] for place in range(0, len(some), rows)]
            *whole, last = alike
            batches += [whole[place] for place in draws.permutation(len(whole))] + [last]
        return np.concatenate(batches)

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
