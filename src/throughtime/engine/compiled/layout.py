"""How numbers lie in memory inside the engine.

The units of a layer stand in blocks of one vector (L lanes); the last block is filled up with zeros. A row of plain
values is ``[block][lane]``: the natural order, padded. A *record* has several values for each unit and lies as
``[block][slot][lane]``, the slots of a block together, so that a tile finds them side by side.

The record of a recurrent unit is written over as a step goes on: first its pre-activations, then what the way back
needs, then gradients.
"""

from __future__ import annotations

from dataclasses import dataclass

from throughtime.cells import Cell


def blocks_of(size: int, lanes: int) -> int:
    """How many blocks this many units take."""
    return -(-size // lanes)


def padded(size: int, lanes: int) -> int:
    """The size of a plain row."""
    return blocks_of(size, lanes) * lanes


@dataclass(frozen=True)
class RecordLayout:
    """The slots of a cell's record: gradients of ``a``, of ``u`` and of per-unit parameters come in this order."""

    cell: Cell

    @property
    def gates(self) -> tuple[int, ...]:
        """The slot of each gate's pre-activation."""
        return tuple(range(len(self.cell.gates)))

    @property
    def apart(self) -> tuple[int, ...]:
        """The slot of each hidden part that is kept apart."""
        first = len(self.cell.gates)
        return tuple(range(first, first + len(self.cell.apart)))

    @property
    def hidden(self) -> tuple[int, ...]:
        """Where the hidden part of each gate stands: with its pre-activation, or apart."""
        apart = dict(zip(self.cell.apart, self.apart, strict=True))
        return tuple(apart.get(gate, slot) for gate, slot in zip(self.cell.gates, self.gates, strict=True))

    @property
    def vectors(self) -> tuple[int, ...]:
        """The slot of each per-unit parameter's gradient."""
        first = len(self.cell.gates) + len(self.cell.apart)
        return tuple(range(first, first + len(self.cell.vectors)))

    @property
    def slots(self) -> int:
        """How many there are."""
        cell = self.cell
        return max(len(cell.gates) + len(cell.apart) + len(cell.vectors), cell.saved)
