"""How much memory a training step takes: counted as :mod:`throughtime.engine.compiled.layers` plans it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from throughtime.engine.compiled.kernels.gradient import packing
from throughtime.engine.compiled.layout import RecordLayout, padded
from throughtime.engine.compiled.target import host
from throughtime.engine.protocol import Stage

FLOATS_AT_ONCE = 1 << 21
"""What keeps nothing for the way back goes in chunks that keep about so many numbers."""


@dataclass(frozen=True)
class Count:
    """Numbers in float32: for each place of a batch, and whatever its size is.

    ``size`` is that of the signal so far; ``symbols`` is how many symbols it stands for where it is ids still.
    """

    place: int = 0
    fixed: int = 0
    size: int = 0
    symbols: int | None = None

    def add(self, *, place: int = 0, fixed: int = 0) -> Count:
        return replace(self, place=self.place + place, fixed=self.fixed + fixed)


def count(stages: Sequence[Stage], T: int, N: int, threads: int, x: Count | None = None) -> Count:
    """What the layers keep in a training step of T steps and N rows, on so many threads."""
    found = x or Count()
    for number, stage in enumerate(stages, start=1):
        found = _count(stage, found, T * N, threads)
        if stage.kind == "pool":  # what follows has one step
            behind = count(stages[number:], 1, N, threads, Count(size=found.size))
            return found.add(fixed=behind.fixed + behind.place * N)
    return found


def _width(size: int) -> int:
    return padded(size, host().lanes)


def _scratch(width: int, K: int, columns: int, threads: int) -> int:
    """Room in which a gradient of weights is made."""
    return packing(host(), width, K, columns).scratch * threads


def _count(stage: Stage, x: Count, places: int, threads: int) -> Count:
    if stage.kind in ("one_hot", "embedding"):
        return replace(x, size=0 if stage.kind == "one_hot" else stage.size or 0, symbols=stage.inputs)
    if stage.kind == "stacked":
        for part in stage.parts:
            x = _count(part, x, places, threads)
        return x
    if stage.kind == "recurrent":
        return _recurrent(stage, x, places, threads)
    if stage.kind == "bidirectional":
        return _bidirectional(stage, x, places, threads)
    if stage.kind == "dense":
        return _dense(stage, x, places, threads)
    x = _looked_up(x)
    if stage.kind == "residual":
        (part,) = stage.parts
        x = _count(part, x, places, threads)
        return x.add(place=2 * _width(x.size))
    if stage.kind == "dropout" and stage.rate == 0:
        return x
    return x.add(place=_width(x.size))  # dropout, and the way back of a pool


def _looked_up(x: Count) -> Count:
    """The rows that symbols stand for, and the way back to their table."""
    if not x.symbols or not x.size:
        return x
    return replace(x.add(place=_width(x.size), fixed=x.symbols * _width(x.size)), symbols=None)


def _recurrent(stage: Stage, x: Count, places: int, threads: int) -> Count:
    assert stage.cell is not None
    cell, H, layout = stage.cell, stage.size or 0, RecordLayout(stage.cell)
    G, width = len(cell.gates), _width(H)
    x = x.add(place=(layout.slots + len(cell.states)) * width)
    if stage.reverse:
        x = x.add(place=2 * width + 2 * (2 if x.symbols else _width(x.size)))
    if cell.recurrent:
        x = x.add(fixed=_scratch(G, H, G * H, threads))
    if x.symbols and x.symbols < places:  # the input parts of all symbols, and their gradients
        x = x.add(fixed=x.symbols * (2 * G * width + _width(x.size)))
    elif x.symbols and not x.size:
        x = x.add(fixed=x.symbols * G * width)
    else:
        x = _looked_up(x)
        x = x.add(place=_width(x.size), fixed=_scratch(G, x.size, G * H, threads))
    return replace(x, size=H, symbols=None)


def _bidirectional(stage: Stage, x: Count, places: int, threads: int) -> Count:
    x = _looked_up(x)
    size, symbols = x.size, x.symbols
    for part in stage.parts:
        x = _recurrent(part, replace(x, size=size, symbols=symbols), places, threads)
    return replace(x.add(place=_width(2 * x.size) + 2 * _width(x.size)), size=2 * x.size)


def _dense(stage: Stage, x: Count, places: int, threads: int) -> Count:
    K = stage.size or 0
    if x.symbols and not x.size:
        x = x.add(fixed=x.symbols * _width(K))
    else:
        x = _looked_up(x)
        x = x.add(place=_width(x.size), fixed=_scratch(1, x.size, K, threads))
    return replace(x.add(place=_width(K)), size=K, symbols=None)


def steps_at_once(stages: Sequence[Stage], N: int) -> int:
    """How many steps of N rows a pass forward takes together; at least one."""
    return max(1, FLOATS_AT_ONCE // (N * max(1, count(stages, 1, N, 1).place)))


def reads_ahead(stage: Stage) -> bool:
    """Whether an output of the layer depends on later inputs, so that it takes all steps together."""
    return stage.reverse or stage.kind in ("bidirectional", "pool") or any(map(reads_ahead, stage.parts))
