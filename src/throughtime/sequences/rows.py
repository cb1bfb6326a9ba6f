"""Sequences of unequal length, one after another, and what is learned from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.engine.random import generator, key
from throughtime.errors import DataError


@dataclass(frozen=True)
class Rows:
    """Sequences one after another.

    ``values`` holds the steps of all, ``[S]`` or ``[S, ...]``; ``bounds [N + 1]`` where each begins and the last ends.
    """

    values: Array
    bounds: Array

    @classmethod
    def of(cls, sequences: Sequence[Array]) -> Self:
        """One sequence after another; there must be one."""
        return cls(np.concatenate(sequences), np.cumsum([0, *map(len, sequences)]))

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, row: int) -> Array:
        return self.values[self.bounds[row] : self.bounds[row + 1]]

    @property
    def lengths(self) -> Array:
        """How many steps each has, ``[N]``."""
        return np.diff(self.bounds)

    def of_same_bounds(self, values: Array) -> Rows:
        """Other values of the same steps."""
        return Rows(values, self.bounds)

    def those(self, rows: Array) -> Rows:
        """These rows, in this order."""
        lengths = self.lengths[rows]
        bounds = np.cumsum([0, *lengths])
        steps = np.repeat(self.bounds[rows] - bounds[:-1], lengths) + np.arange(bounds[-1])
        return Rows(self.values[steps], bounds)

    def block(self, rows: Array, T: int) -> Array:
        """The values ``[T, n, ...]`` of these rows side by side; behind the end of a row they mean nothing."""
        places = self.bounds[rows] + np.arange(T)[:, None]
        return self.values[np.minimum(places, len(self.values) - 1)]


@dataclass(frozen=True)
class Lesson:
    """Rows, their answers, and how much each row counts.

    Parameters
    ----------
    rows : Rows of N sequences
    answers : ``[N]`` integers that number classes, or ``[N, K]`` 0s and 1s or numbers
        A ``Rows`` of the same bounds, of ``[S]`` or ``[S, K]``, where there is an answer for each step.
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
        places: dict[bytes, list[int]] = {}
        for row in range(len(self)):
            places.setdefault(self.rows[row].tobytes() + b"|" + self.answers[row].tobytes(), []).append(row)
        order = [places[content] for content in sorted(places)]
        merged = self.those(np.array([same[0] for same in order]))
        return Lesson(merged.rows, merged.answers, np.array([np.sort(self.weights[same]).sum() for same in order]))

    def spread(self) -> Lesson:
        """Rows that count more than the mean as several, so that no batch is one row's."""
        copies = np.maximum(1, np.ceil(self.weights / self.weights.mean() - 1e-9)).astype(np.int64)
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

    def mapped(self, rows: Callable[[Rows], Rows], targets: Callable[[Array], Array]) -> Lesson:
        """The lesson with its answers and its rows as the network takes them."""
        answers = self.answers
        changed = answers.of_same_bounds(targets(answers.values)) if isinstance(answers, Rows) else targets(answers)
        return Lesson(rows(self.rows), changed, self.weights)
