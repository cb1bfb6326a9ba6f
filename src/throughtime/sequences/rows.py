"""Sequences of unequal length, one after another, and what is learned from them."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Self

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.engine.random import generator, key
from throughtime.errors import DataError
from throughtime.tables import Spill

AT_ONCE = 1 << 20
"""Numbers that are looked at together, where there are more."""

OBJECTS_AT_ONCE = 1 << 14
"""The same of objects, which take more room."""

MOST_SORTED = 64 << 20
"""Bytes of different rows that are put in order by what they hold; more are by digests of it."""


def slices(values: Array) -> Iterator[slice]:
    """Parts of the first axis, of few enough values to be looked at together."""
    at_once = max(1, AT_ONCE * len(values) // max(1, values.size))
    return (slice(start, start + at_once) for start in range(0, len(values), at_once))


@dataclass(frozen=True)
class Rows:
    """Sequences that lie somewhere in the same values, so that nothing is copied where some of them are chosen.

    ``values`` holds steps, ``[S]`` or ``[S, ...]``; ``starts [N]`` where each sequence begins, and ``lengths [N]`` how
    many steps it has.
    """

    values: Array
    starts: Array
    lengths: Array

    @classmethod
    def between(cls, values: Array, bounds: Array) -> Self:
        """One after another; ``bounds [N + 1]`` tell where each begins and the last ends."""
        lengths = np.diff(bounds)
        return cls(values, bounds[:-1], lengths.astype(np.result_type(np.int32, np.min_scalar_type(lengths.max()))))

    @classmethod
    def of(cls, sequences: Iterable[Array]) -> Self:
        """One sequence after another; there must be one. Numbers of symbols are kept in as few bytes as they need."""
        room, lengths = Spill(), array("q", [0])
        pieces: list[Array] = []
        some: list[Array] = []
        size = 0
        for sequence in sequences:
            lengths.append(len(sequence))
            some.append(sequence)
            size += sequence.size
            if size >= AT_ONCE or len(some) == OBJECTS_AT_ONCE:
                pieces.append(room.keep(_narrow(np.concatenate(some))))
                some, size = [], 0
        if some:
            pieces.append(room.keep(_narrow(np.concatenate(some))))
        return cls.between(room.joined(pieces), np.cumsum(np.frombuffer(lengths, np.int64)))

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, row: int) -> Array:
        start = self.starts[row]
        return self.values[start : start + self.lengths[row]]

    @property
    def bounds(self) -> Array:
        """Where each begins and the last ends if one follows another, ``[N + 1]``."""
        return np.cumsum(np.append(0, self.lengths))

    @property
    def size(self) -> int:
        """Of the values of all rows."""
        return int(self.lengths.sum()) * int(np.prod(self.values.shape[1:], dtype=np.int64))

    def of_same_steps(self, values: Array) -> Rows:
        """Other values of the same steps."""
        return replace(self, values=values)

    def those(self, rows: Array) -> Rows:
        """These rows, in this order."""
        return Rows(self.values, self.starts[rows], self.lengths[rows])

    def cut(self, most: int, *, first: bool) -> Rows:
        """The first steps of each row, at most so many, or the last ones."""
        lengths = np.minimum(self.lengths, most)
        return Rows(self.values, self.starts if first else self.starts + self.lengths - lengths, lengths)

    def block(self, rows: Array, T: int) -> Array:
        """The values ``[T, n, ...]`` of these rows side by side; behind the end of a row they mean nothing."""
        places = self.starts[rows] + np.arange(T)[:, None]
        return self.values[np.minimum(places, len(self.values) - 1)]

    def parts(self) -> Iterator[slice]:
        """Some rows after another, of few enough values to be looked at together."""
        bounds = self.bounds
        at_once = max(1, AT_ONCE * int(bounds[-1]) // max(1, self.size))
        first = 0
        while first < len(self):
            last = max(first + 1, int(np.searchsorted(bounds, bounds[first] + at_once, side="right")) - 1)
            yield slice(first, last)
            first = last

    def values_of(self, rows: slice) -> Array:
        """The values of these rows, one row after another."""
        lengths = self.lengths[rows]
        ends = np.cumsum(lengths)
        steps = np.repeat(self.starts[rows] - ends + lengths, lengths) + np.arange(ends[-1])
        return np.asarray(self.values[steps])

    def together(self) -> Rows:
        """The same rows one after another, with nothing between them."""
        bounds = self.bounds
        if len(self.values) == bounds[-1] and np.array_equal(self.starts, bounds[:-1]):
            return self
        values = Spill().empty((bounds[-1], *self.values.shape[1:]), self.values.dtype)
        for rows in self.parts():
            values[bounds[rows.start] : bounds[rows.stop]] = self.values_of(rows)
        return Rows.between(values, bounds)

    def different(self) -> Rows:
        """Each once, in any order."""
        order, firsts = _grouped((_bytes(self[row]) for row in range(len(self))), len(self))
        return self.those(order[firsts])


@dataclass(frozen=True)
class Symbols:
    """Sequences of symbols: ``rows`` holds numbers, and ``known`` the symbol that each number stands for."""

    rows: Rows
    known: Sequence[Hashable]

    @classmethod
    def of(cls, sequences: Iterable[Sequence[Hashable]]) -> Self:
        """Those of all sequences; there must be one."""
        places: defaultdict[Hashable, int] = defaultdict()
        places.default_factory = places.__len__
        numbers = (np.fromiter(map(places.__getitem__, row), np.uint32, len(row)) for row in sequences)
        return cls(Rows.of(numbers), list(places))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> tuple[Hashable, ...]:
        return tuple(self.known[number] for number in self.rows[row].tolist())

    def __iter__(self) -> Iterator[tuple[Hashable, ...]]:
        return (self[row] for row in range(len(self)))

    def counts(self) -> Counter[Hashable]:
        """How often there is each symbol, of those that there are."""
        counted = np.zeros(len(self.known), np.int64)
        for part in self.rows.parts():
            counted += np.bincount(self.rows.values_of(part), minlength=len(counted))
        return Counter({self.known[number]: int(counted[number]) for number in np.flatnonzero(counted).tolist()})

    def mapped(self, table: Array) -> Rows:
        """What stands in a table ``[len(known), ...]`` for each symbol."""
        numbers = self.rows.values
        values = Spill().empty((len(numbers), *table.shape[1:]), table.dtype)
        for part in slices(values):
            values[part] = table[numbers[part]]
        return self.rows.of_same_steps(values)


@dataclass(frozen=True)
class Lesson:
    """Rows, their answers, and how much each row counts.

    Parameters
    ----------
    rows : Rows of N sequences
    answers : ``[N]`` integers that number classes, or ``[N, K]`` 0s and 1s or numbers
        A ``Rows`` of the same lengths, of ``[S]`` or ``[S, K]``, where there is an answer for each step.
    weights : ``[N]``, above 0
    """

    rows: Rows
    answers: Any
    weights: Array

    def __len__(self) -> int:
        return len(self.rows)

    def those(self, rows: Array) -> Lesson:
        """These rows, in this order."""
        answers = self.answers.those(rows) if isinstance(self.answers, Rows) else self.answers[rows]
        return Lesson(self.rows.those(rows), answers, self.weights[rows])

    def merged(self) -> Lesson:
        """Each row once, in an order that depends on the rows alone, counting as often as it came with its answer.

        So a row of weight 3 is the same as three rows, and the order in which rows are given has no influence.
        """
        order, firsts = _grouped(map(self._content, range(len(self))), len(self))
        counts = np.diff(np.append(firsts, len(self)))
        if 8 * self.rows.those(order[firsts]).size + 64 * len(firsts) <= MOST_SORTED:
            by_content = np.array(
                sorted(range(len(firsts)), key=lambda place: self._content(int(order[firsts[place]])))
            )
            firsts, counts = firsts[by_content], counts[by_content]
        merged = self.those(order[firsts])
        for place in np.flatnonzero(counts > 1):
            same = order[firsts[place] : firsts[place] + counts[place]]
            merged.weights[place] = np.sort(self.weights[same]).sum()
        return merged

    def _content(self, row: int) -> bytes:
        """What tells a row and its answer apart from others."""
        return _bytes(self.rows[row]) + b"|" + _bytes(self.answers[row])

    def spread(self) -> Lesson:
        """Rows that count more than the mean as several, so that no batch is one row's."""
        copies = np.maximum(1, np.ceil(self.weights / self.weights.mean() - 1e-9)).astype(np.int64)
        if (copies == 1).all():
            return self
        spread = self.those(np.repeat(np.arange(len(self)), copies))
        return Lesson(spread.rows, spread.answers, spread.weights / np.repeat(copies, copies))

    def split(self, share: float, seed: int) -> tuple[Lesson, Lesson | None]:
        """All but ``share`` of the rows, and the rest, drawn at random: at least one row each; None for a share of 0.

        Where answers are classes, about this share of each is drawn.

        Raises
        ------
        DataError
            If there is one row only.
        """
        if not share:
            return self, None
        if len(self) < 2:
            raise DataError("a validation part needs at least two different rows; give more of them, or validation=0")
        order = generator(key(seed, "held out")).permutation(len(self))
        if isinstance(self.answers, np.ndarray) and self.answers.ndim == 1 and self.answers.dtype.kind == "i":
            order = order[np.argsort(self.answers[order], kind="stable")]
        count = min(max(1, round(share * len(self))), len(self) - 1)
        held_out = np.zeros(len(self), bool)
        held_out[order[((np.arange(count) + 0.5) * len(self) / count).astype(np.int64)]] = True
        return self.those(np.flatnonzero(~held_out)), self.those(np.flatnonzero(held_out))


def _narrow(values: Array) -> Array:
    """Unsigned integers in the smallest type that holds them."""
    return values.astype(np.min_scalar_type(values.max())) if values.dtype.kind == "u" and values.size else values


def _bytes(values: Array) -> bytes:
    """The same, whatever type integers are kept in."""
    return values.astype(np.int64).tobytes() if values.dtype.kind in "iu" else values.tobytes()


def _grouped(contents: Iterable[bytes], count: int) -> tuple[Array, Array]:
    """An order of so many contents in which equal ones stand together, and where in it each different one begins."""
    digests = (blake2b(content, digest_size=16).digest() for content in contents)
    keys = np.fromiter(digests, "S16", count)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    return order, np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
