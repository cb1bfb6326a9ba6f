"""Tables of any size: read from files in blocks, and kept where there is room for them."""

from throughtime.tables.cells import Cells
from throughtime.tables.reading import read_table
from throughtime.tables.spill import Spill

__all__ = ["Cells", "Spill", "read_table"]
