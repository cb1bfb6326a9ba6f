"""Rows of numbers in memory, plain or as records."""

from __future__ import annotations

from dataclasses import dataclass

from throughtime.engine.compiled.job import room
from throughtime.engine.compiled.layout import blocks_of, padded
from throughtime.engine.compiled.target import host
from throughtime.engine.protocol import Array

ONE = (0,)


@dataclass(frozen=True)
class Rows:
    """Rows of numbers in memory: plain (``slots`` 1, padded or not) or records.

    ``row`` is the distance of two rows, ``block`` that of two blocks of units, in floats.
    """

    array: Array
    count: int
    size: int
    row: int
    block: int

    @classmethod
    def plain(cls, array: Array, size: int) -> Rows:
        """The rows of an array ``[..., width]``, of which the first ``size`` numbers are meant."""
        width = array.shape[-1]
        return cls(array, array.size // width, size, width, host().lanes)

    @classmethod
    def records(cls, array: Array, size: int) -> Rows:
        """The rows of an array ``[rows, block, slot, lane]`` of ``size`` units."""
        rows, blocks, slots, lanes = array.shape
        return cls(array, rows, size, blocks * slots * lanes, slots * lanes)

    @property
    def blocks(self) -> int:
        return blocks_of(self.size, host().lanes)


def new_rows(count: int, size: int, *, zero: bool = False) -> Rows:
    """Plain rows, padded."""
    return Rows.plain(room((count, padded(size, host().lanes)), zero=zero), size)


def new_records(count: int, size: int, slots: int) -> Rows:
    """Records of ``slots`` values for each unit."""
    lanes = host().lanes
    return Rows.records(room((count, blocks_of(size, lanes), slots, lanes)), size)
