"""Columns some rows at a time, and many arrays of like kind, one behind another in few large ones."""

from __future__ import annotations

import array as arrays
from collections.abc import Iterator
from typing import Any

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.tables.cells import Cells
from throughtime.tables.made import Made
from throughtime.tables.spill import Spill

ROWS = 1 << 18
"""So many rows of a column are looked at together."""

SMALLEST, LARGEST = 1 << 12, 1 << 24
"""Bytes of the array that the first pieces share, and of those that later ones do."""


def spans(length: int, size: int | None = None) -> Iterator[slice]:
    """All rows, some at a time: ``size``, or :data:`ROWS`."""
    step = ROWS if size is None else size
    return (slice(start, min(start + step, length)) for start in range(0, length, step))


def as_array(values: Any) -> Array:
    """An array; a list with a string among its numbers is one of objects, so that both stay what they are."""
    array = np.asarray(values)
    mixed = array.dtype.kind in "US" and not isinstance(values, np.ndarray)
    return np.asarray(values, object) if mixed else array


def blocks(column: Any) -> Iterator[Any]:
    """All rows of a column, some at a time: parts of what it is, lists of :class:`Cells`."""
    return column.blocks() if isinstance(column, Cells) else (column[rows] for rows in spans(len(column)))


class Pieces(Made[Array]):
    """Arrays that differ in their lengths alone; each takes 24 bytes besides its own.

    Parameters
    ----------
    spill : Spill
        Where they are kept.
    """

    def __init__(self, spill: Spill) -> None:
        self._spill = spill
        self._shared: list[Array] = []
        self._where = arrays.array("q")  # of each which of the shared arrays, from where, to where
        self._end = 0

    def add(self, array: Array) -> None:
        """A copy of one more."""
        if not self._shared or self._end + len(array) > len(self._shared[-1]):
            self._begin(array)
        start, self._end = self._end, self._end + len(array)
        self._shared[-1][start : self._end] = array
        self._where.extend((len(self._shared) - 1, start, self._end))

    def _begin(self, array: Array) -> None:
        """Room for this one and those behind it."""
        row = max(1, array.itemsize * int(np.prod(array.shape[1:])))
        usual = min(max(SMALLEST // row, 2 * len(self._shared[-1]) if self._shared else 0), LARGEST // row)
        self._shared.append(self._spill.empty((max(len(array), usual), *array.shape[1:]), array.dtype))
        self._end = 0

    def made(self, number: int) -> Array:
        where, place = self._where, 3 * number
        return self._shared[where[place]][where[place + 1] : where[place + 2]]

    def __len__(self) -> int:
        return len(self._where) // 3
