"""Recurrent units, one file each, and the registry of their names.

>>> from throughtime import cells
>>> cells.names()
('elman', 'elman-relu', 'elman-sigmoid', 'gru', 'lstm')
>>> cells.get("gru").gates
('reset', 'update', 'candidate')
"""

from __future__ import annotations

from collections.abc import Iterable

from throughtime.cells.cell import Cell
from throughtime.cells.elman import ACTIVATIONS, elman
from throughtime.cells.gru import GRU
from throughtime.cells.lstm import LSTM
from throughtime.errors import CellError, ParameterError, known

__all__ = ["ACTIVATIONS", "GRU", "LSTM", "REGISTRY", "Cell", "elman", "get", "match", "names", "register"]

REGISTRY: dict[str, Cell] = {}


def register(cell: Cell) -> Cell:
    """Makes a cell known by its name, wherever a name is accepted.

    Raises
    ------
    CellError
        If another cell has that name already.
    """
    if REGISTRY.setdefault(cell.name, cell) != cell:
        raise CellError(f"another cell is registered as {cell.name!r}; give this one another name")
    return cell


for _cell in (*map(elman, ACTIVATIONS), GRU, LSTM):
    register(_cell)


def names() -> tuple[str, ...]:
    """The names of the registered cells, sorted."""
    return tuple(sorted(REGISTRY))


def get(cell: str | Cell) -> Cell:
    """The cell of this name; a :class:`Cell` is returned as it is.

    Raises
    ------
    ParameterError
        If no cell is registered under the name.
    """
    if isinstance(cell, Cell):
        return cell
    if not isinstance(cell, str) or cell not in REGISTRY:
        raise ParameterError(f"cell must be one of {known(names())} or a throughtime.Cell, got {cell!r}")
    return REGISTRY[cell]


def match(name: str, fingerprint: str, candidates: Iterable[Cell] = ()) -> Cell:
    """The cell that a model was made with: one of ``candidates``, else a registered one.

    Raises
    ------
    CellError
        If no cell has the name, or the one that has it computes something else.
    """
    found = next((cell for cell in candidates if cell.name == name), REGISTRY.get(name))
    if found is None:
        raise CellError(
            f"the model was made with the cell {name!r}, which is not known here; pass it: cells=[...] "
            "(--cell MODULE:NAME)"
        )
    if found.fingerprint != fingerprint:
        raise CellError(
            f"the model was made with another cell named {name!r} (fingerprint {fingerprint[:12]}, this one has "
            f"{found.fingerprint[:12]}); pass the one it was trained with: cells=[...]"
        )
    return found
