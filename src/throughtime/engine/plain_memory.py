"""How much memory a training step takes in NumPy, counted layer by layer as :mod:`throughtime.engine.plain` works.

A layer *keeps* what its way back needs until the step is over. Beside that one layer at a time *takes* room for what it
is computing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from throughtime.engine.protocol import Stage

OBJECT = 150
"""Bytes of a small array beside its numbers: of each step every state, and everything that is saved, is one."""

UPDATE = 5
"""Copies of a parameter while it is updated: an expression of NumPy makes one for each operation."""

MASK = 40
"""Bytes for each element of a dropout mask that is drawn: words of 64 and 32 bits, and the mask in float64."""

LOSSES = {"softmax_cross_entropy": 0, "elementwise_loss": 7}
"""Numbers for each output while the loss is computed: the former works in place."""


@dataclass(frozen=True)
class Count:
    """For each place of a batch: numbers that are kept, and that one layer takes; bytes of objects for each step.

    ``taken`` is in bytes. ``size`` is that of the signal, 0 for one-hot rows.
    """

    itemsize: int
    kept: int = 0
    taken: int = 0
    objects: int = 0
    size: int = 0

    def add(self, size: int, *, kept: int = 0, taken: int = 0, more: int = 0, objects: int = 0) -> Count:
        """A layer that gives ``size`` numbers, and takes ``taken`` numbers and ``more`` bytes for a while."""
        return replace(
            self,
            kept=self.kept + kept,
            taken=max(self.taken, taken * self.itemsize + more),
            objects=self.objects + objects,
            size=size,
        )

    def bytes(self, T: int, N: int) -> int:
        return T * N * (self.kept * self.itemsize + self.taken) + T * self.objects


def step_bytes(stages: Sequence[Stage], loss: str, T: int, N: int, itemsize: int) -> int:
    """Bytes of a training step of T steps and N rows; ``loss`` is its kernel."""
    found = Count(itemsize, size=next((stage.inputs for stage in stages if stage.inputs), 0) or 0)
    for number, stage in enumerate(stages, start=1):
        found = _count(stage, found)
        if stage.kind == "pool":  # what follows has one step
            return found.bytes(T, N) + step_bytes(stages[number:], loss, 1, N, itemsize)
    return found.add(found.size, taken=LOSSES[loss] * found.size).bytes(T, N)


def forward_bytes(stages: Sequence[Stage], loss: str, T: int, N: int, itemsize: int) -> int:
    """Bytes of a pass forward, of which a layer keeps nothing but its outputs until the next one has read them."""
    outputs = next((stage.size for stage in reversed(stages) if stage.size), None) or 0
    return T * N * itemsize * (max(map(_forward, stages)) + LOSSES[loss] * outputs)


def _forward(stage: Stage) -> int:
    """Numbers for each place while a layer computes its outputs, the inputs included."""
    size = stage.size or 0
    gates = len(stage.cell.gates) if stage.cell is not None else 1
    inputs = 0 if stage.kind in ("one_hot", "embedding") else stage.inputs or 0
    return max((gates + 1) * size + inputs, *map(_forward, stage.parts), 0)


def _count(stage: Stage, x: Count) -> Count:
    size = stage.size or x.size
    if stage.kind == "stacked":
        for part in stage.parts:
            x = _count(part, x)
        return x
    if stage.kind == "recurrent":
        return _recurrent(stage, x)
    if stage.kind == "bidirectional":
        for part in stage.parts:
            found = _recurrent(part, x)
            x = replace(found, size=x.size)
        return x.add(size, kept=2 * size)
    if stage.kind == "residual":
        return _count(stage.parts[0], x).add(size, kept=size)
    if stage.kind == "dropout":
        return x.add(x.size, kept=2 * x.size, more=MASK * x.size) if stage.rate else x
    if stage.kind == "pool":
        return x.add(x.size, taken=3 * x.size)
    if stage.kind == "one_hot":
        return x.add(0)
    if stage.kind == "embedding":
        return x.add(size, kept=size, taken=2 * size)
    return x.add(size, kept=size, taken=x.size)


def _recurrent(stage: Stage, x: Count) -> Count:
    assert stage.cell is not None
    cell, H = stage.cell, stage.size or 0
    G, A = len(cell.gates), len(cell.apart)
    values = cell.saved + len(cell.states)
    of_h_W = G if A else 0
    taken = (
        G + A + of_h_W + 3
    )  # gradients of a, u and h W; states side by side, the gradients of outputs and of a state
    if stage.reverse or not x.size:  # in another order, or sorted by symbol
        taken += G + 2
    return x.add(H, kept=(values + 1) * H, taken=taken * H + x.size, objects=values * OBJECT)
