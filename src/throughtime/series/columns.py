"""Columns of tables that may be larger than memory: some rows are read at a time."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.errors import DataError
from throughtime.tables import pieces
from throughtime.tables.cells import Cells
from throughtime.tables.pieces import as_array, spans
from throughtime.tables.spill import Spill


def kind_of(column: Any) -> str:
    """Of what a column holds, as the kinds of dtypes are called."""
    return "O" if isinstance(column, Cells) else as_array(column).dtype.kind


def blocks(column: Any) -> Iterator[Array | list[Any]]:
    """All rows of a column, some at a time."""
    return pieces.blocks(column if isinstance(column, Cells) else as_array(column))


def as_list(block: Array | list[Any]) -> list[Any]:
    """The objects of a block."""
    return block if isinstance(block, list) else block.tolist()


@dataclass(frozen=True)
class Coded:
    """A column by its different values.

    Parameters
    ----------
    values : list
        In the order of their first rows.
    codes : ``[rows]``, which of them each row has
    """

    values: list[Any]
    codes: Array

    @classmethod
    def of(cls, column: Any, spill: Spill, key: Callable[[Any, int], Hashable]) -> Coded:
        """Values are the same where their keys are; ``key`` is called with a value and its row."""
        found: dict[Hashable, int] = {}
        values: list[Any] = []
        codes, start = spill.empty(len(column), np.int64), 0
        for block in blocks(column):
            firsts = _changes(block)
            some = as_list(block[firsts]) if isinstance(block, np.ndarray) else [block[place] for place in firsts]
            here = []
            for value, place in zip(some, firsts.tolist(), strict=True):
                here.append(found.setdefault(key(value, start + place), len(values)))
                if here[-1] == len(values):
                    values.append(value)
            codes[start : start + len(block)] = np.repeat(here, np.diff(firsts, append=len(block)))
            start += len(block)
        return cls(values, codes)


def _changes(block: Array | list[Any]) -> Array:
    """The places of values that differ from the one before them, and the first."""
    if isinstance(block, np.ndarray) and block.dtype.kind != "O":
        return np.flatnonzero(np.append(True, block[1:] != block[:-1]))
    pairs = enumerate(pairwise(as_list(block)), start=1)
    return np.array([0, *(n for n, (one, other) in pairs if type(one) is not type(other) or one != other)])


@dataclass(frozen=True)
class Groups:
    """The rows of each series of a table.

    Parameters
    ----------
    names : list
        Of the series, in the order of their first rows.
    bounds : ``[n + 1]``, where the rows of each series begin in ``order``, and where the last ones end
    order : ``[rows]``, series by series; None: as they stand in the table
    """

    names: list[Any]
    bounds: Array
    order: Array | None = None

    @classmethod
    def of(cls, ids: Any, rows: int, spill: Spill) -> Groups:
        """By a column of names; None: there is one series.

        Raises
        ------
        DataError
            If a name is missing, or neither text nor a number.
        """
        if ids is None:
            return cls([None], np.array([0, rows]))
        coded = Coded.of(ids, spill, _name)
        codes, number = coded.codes, len(coded.values)
        counts, changes = np.zeros(number, np.int64), 0
        for some in spans(rows):
            counts += np.bincount(codes[some], minlength=number)
            changes += int(np.count_nonzero(np.diff(codes[some.start : some.stop + 1])))
        bounds = np.append(0, np.cumsum(counts))
        return cls(coded.values, bounds, None if changes == number - 1 else _order(codes, bounds[:-1].copy(), spill))

    def __len__(self) -> int:
        return len(self.names)

    @property
    def longest(self) -> int:
        """The number of the first of the longest series."""
        return int(np.diff(self.bounds).argmax())

    def rows(self, number: int) -> Array:
        """Where the rows of a series stand in the table."""
        start, end = self.bounds[number : number + 2]
        return np.arange(start, end) if self.order is None else self.order[start:end]

    def part(self, column: Array, number: int) -> Array:
        """What a column holds in the rows of a series."""
        start, end = self.bounds[number : number + 2]
        return np.asarray(column[start:end] if self.order is None else column[self.order[start:end]])


def _name(name: Any, row: int) -> Hashable:
    if name is None or name != name:
        raise DataError(f"row {row + 1} does not say which series it belongs to")
    if not isinstance(name, (str, int, float)):
        raise DataError(f"row {row + 1}: the name of a series must be text or a number, got {name!r}")
    return name


def _order(codes: Array, starts: Array, spill: Spill) -> Array:
    """The rows of each code in turn: a counting sort, from where those of each code are to start."""
    found = spill.empty(len(codes), np.int64)
    for rows in spans(len(codes)):
        order = np.argsort(codes[rows], kind="stable")
        some = codes[rows][order]
        nth = np.arange(len(some)) - np.searchsorted(some, some)  # of those with its code
        found[starts[some] + nth] = rows.start + order
        starts += np.bincount(some, minlength=len(starts))
    return found
