"""A column of cells, kept as bytes: so many strings would not fit into memory."""

from __future__ import annotations

import itertools
import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.tables.made import Made
from throughtime.tables.spill import Spill


class _Block(NamedTuple):
    """Some cells in UTF-8: the bytes of all, where each ends, and which are missing."""

    data: Array
    ends: Array
    missing: Array


class Cells(Made[Any]):
    """The cells of a column as they stand in a file; None where one is missing.

    They behave as a list does: length, index, slice, iteration. Only those that are looked at become objects.

    Parameters
    ----------
    spill : Spill
        Where the bytes are kept.
    as_json : bool, default False
        Whether cells are of any kind that JSON knows; else they are text.
    typed : bool, default False
        Whether they are known to be text; else they may be numbers that are written as text.
    """

    ndim = 1

    def __init__(self, spill: Spill, *, as_json: bool = False, typed: bool = False) -> None:
        self.as_json, self.typed = as_json, typed
        self._spill = spill
        self._blocks: list[_Block] = []
        self._starts = [0]

    def add(self, cells: Sequence[Any]) -> None:
        """Some more behind the last one."""
        if not cells:
            return
        missing = np.array([cell is None for cell in cells])
        texts = [json.dumps(cell) for cell in cells] if self.as_json else [cell or "" for cell in cells]
        whole = "".join(texts)
        data = whole.encode("utf-8", "surrogatepass")
        if len(data) > len(whole):
            sizes = [len(text.encode("utf-8", "surrogatepass")) for text in texts]
        else:
            sizes = [*map(len, texts)]
        keep, ends = self._spill.keep, np.cumsum(sizes, dtype=np.int64)
        self._blocks.append(_Block(keep(np.frombuffer(data, np.uint8)), keep(ends), keep(missing)))
        self._starts.append(self._starts[-1] + len(cells))

    def blocks(self) -> Iterator[list[Any]]:
        """All of them, some at a time."""
        return (self._decoded(number) for number in range(len(self._blocks)))

    def __len__(self) -> int:
        return self._starts[-1]

    def made(self, number: int) -> Any:
        block = bisect_right(self._starts, number) - 1
        data, ends, missing = self._blocks[block]
        row = number - self._starts[block]
        if missing[row]:
            return None
        text = data[ends[row - 1] if row else 0 : ends[row]].tobytes().decode("utf-8", "surrogatepass")
        return json.loads(text) if self.as_json else text

    def __iter__(self) -> Iterator[Any]:
        for block in self.blocks():
            yield from block

    def _decoded(self, number: int) -> list[Any]:
        data, ends, missing = self._blocks[number]
        whole, pairs = data.tobytes(), itertools.pairwise([0, *ends.tolist()])
        if whole.isascii():
            text = whole.decode()
            texts = [text[start:end] for start, end in pairs]
        else:
            texts = [whole[start:end].decode("utf-8", "surrogatepass") for start, end in pairs]
        if self.as_json:
            return [json.loads(text) for text in texts]
        if not missing.any():
            return texts
        return [None if none else text for text, none in zip(texts, missing.tolist(), strict=True)]
