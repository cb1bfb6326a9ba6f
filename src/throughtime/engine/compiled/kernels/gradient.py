"""Gradients of weights: ``x^T d`` summed over all rows, and the sums of ``d`` for biases.

Each thread owns columns (or, where there are few, rows of the result) and runs over all time steps and sequences in
order, so that a gradient does not depend on the number of threads. The rows are taken in parts; the sum of each part
is added to the result. The factors of a part are packed into a thread's own scratch memory, where a tile finds them
side by side, unless their rows are short and so close together anyway.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from throughtime.engine.compiled.kernel import Kernel
from throughtime.engine.compiled.llvm import Function, Module, Pointer, Value, vector_of
from throughtime.engine.compiled.target import Target
from throughtime.engine.compiled.tile import AHEAD, best_shape
from throughtime.engine.compiled.vectors import Vectors

FEW_ROWS, MANY_ROWS = 128, 512
"""How many rows are packed together: few, so that the columns of a tile stay in the first-level cache, or many, where
the result is too large for the second-level cache and is to be passed through less often."""
FLOATS_IN_CACHE = 1 << 19
"""A result of this size has room in the second-level caches of two cores beside other things."""
FLOATS_APART = 256
"""Rows that are further apart than so many floats are packed: they would share a few lines of the first-level cache."""
FLOATS_PACKED = 1 << 17
"""So many floats of columns are packed together."""


@dataclass(frozen=True)
class Packing:
    """How much is packed at once, and the scratch memory that a thread needs for it, in floats."""

    rows: int
    groups: int
    scratch: int


def packing(target: Target, width: int, K: int, columns: int) -> Packing:
    """The packing for a result ``[K, columns]``, on any number of threads: sums are made by parts of the rows."""
    tile_rows, blocks = best_shape(target.registers, width)
    rows = FEW_ROWS if K * columns <= FLOATS_IN_CACHE else MANY_ROWS
    group = blocks * width * target.lanes
    groups = max(1, FLOATS_PACKED // (rows * group))
    a = -(-K // tile_rows) * (rows * tile_rows + target.lanes)
    return Packing(rows, groups, a + rows * groups * group)


def write_gradient(module: Module, target: Target, width: int) -> None:
    """``gradient_W``: ``c [K, columns]`` is ``a^T b``, where b are records of which ``width`` slots are taken.

    Slot number ``gates[i]`` of b makes the columns of gate i. ``bias`` (or null) gets the sums of the columns. Rows of
    a are plain. ``scratch_size`` floats are each thread's own, for ``rows_at_once`` rows and
    ``groups_at_once`` tiles' columns. ``by_rows`` shares the rows of c instead of its columns.
    """
    _Gradient(module, target, width).write()


class _Gradient(Kernel):
    """The kernel for records of which ``width`` slots are taken."""

    def __init__(self, module: Module, target: Target, width: int) -> None:
        self.width = width
        self.tile_rows, self.tile_blocks = best_shape(target.registers, width)
        self.tile = _write_tile(module, target, width, self.tile_rows, self.tile_blocks)
        super().__init__(
            module,
            target,
            f"gradient_{width}",
            "rows K H blocks columns *a a_row *b b_row b_block i64*gates *c *bias *scratch scratch_size by_rows "
            "rows_at_once groups_at_once",
        )
        L = self.lanes = target.lanes
        self.step = self.tile_blocks * width * L
        """How many floats a packed row of b has."""
        self.panel = self["rows_at_once"] * self.step
        self.panel_of_a = (
            self["rows_at_once"] * self.tile_rows + L
        )  # what is written beside a row is mended by the next
        self._share()
        self.b_packed = self["scratch"] + self.thread * self["scratch_size"]
        self.a_packed = self.b_packed + self["groups_at_once"] * self.panel
        offsets = [(self["gates"] + number).load() * L for number in range(width)]
        self.own_offsets = self._list(offsets)
        self.packed_offsets = self._list([self.constant("i64", number * L) for number in range(width)])
        self.offsets = offsets
        self.far_apart = self["b_row"] > FLOATS_APART

    def _share(self) -> None:
        """Which tiles of the result are this thread's: from one row of tiles to another, and from group to group."""
        K, blocks = self["K blocks"]
        tiles_k = (K + (self.tile_rows - 1)) // self.tile_rows
        groups = (blocks + (self.tile_blocks - 1)) // self.tile_blocks
        by_rows = self["by_rows"] != 0
        (k_share, k_end), (g_share, g_end) = self.share(tiles_k), self.share(groups)
        self.first_k, self.last_k = self.select(by_rows, k_share, 0), self.select(by_rows, k_end, tiles_k)
        self.first_group, self.last_group = self.select(by_rows, 0, g_share), self.select(by_rows, groups, g_end)
        self.sums_bias = (self["bias"].cast("ptrtoint", "i64") != 0) & ((self.thread == 0) | ~by_rows)

    def _list(self, values: list[Value]) -> Pointer:
        """Integers in memory."""
        place = self.room("i64", len(values))
        for number, value in enumerate(values):
            (place.to("i64") + number).store(value)
        return place

    def write(self) -> None:
        """All parts of the rows, in order; of each, all tiles of this thread."""
        rows, blocks, rows_at_once, at_once = self["rows blocks rows_at_once groups_at_once"]
        with self.loop(0, rows, rows_at_once) as row0:
            count = self.minimum(rows - row0, rows_at_once)
            self.pack_a(row0, count)
            with self.loop(self.first_group, self.last_group, at_once) as group0:
                some = self.minimum(self.last_group - group0, at_once)
                whole = self.minimum(some, blocks // self.tile_blocks - group0)
                self.pack_b(row0, count, group0, some, whole)
                with self.loop(0, some) as group:
                    self.multiply(row0, count, group0, group, whole)
        self.give()

    def pack_a(self, row0: Value, count: Value) -> None:
        """Packed as ``[tile][row][k of the tile]``."""
        K, a, a_row = self["K a a_row"]
        size = self.tile_rows
        several = 1 << (size - 1).bit_length()
        wide = vector_of(several, "float")
        whole = self.minimum(self.last_k, self.select(several <= K, (K - several) // size + 1, 0))
        rest = self.select(whole > self.first_k, whole, self.first_k)
        with self.loop(0, count) as row:
            line = a + (row0 + row) * a_row
            packed = self.a_packed + row * size
            with self.loop(self.first_k, whole) as number:
                (packed + number * self.panel_of_a).store((line + number * size).load(wide))
            with self.loop(rest, self.last_k) as number, self.loop(0, size) as i:  # near the end of the row
                value = self.variable(self.constant("float", 0.0))
                with self.when(number * size + i < K):
                    value.set((line + (number * size + i)).load())
                (packed + (number * self.panel_of_a + i)).store(value.get())

    def pack_b(self, row0: Value, count: Value, group0: Value, some: Value, whole: Value) -> None:
        """Packed as ``[group][row][block][slot][lane]``, zeros for blocks that there are not."""
        b, b_row, b_block, blocks = self["b b_row b_block blocks"]
        L, width, size = self.lanes, self.width, self.tile_blocks

        def copy(source: Pointer, place: Pointer, i: int) -> None:
            for number, offset in enumerate(self.offsets):
                (place + (i * width + number) * L).store(self.v.load(source + offset))

        with self.loop(0, count) as row:
            line = b + ((row0 + row) * b_row + group0 * size * b_block)
            packed = self.b_packed + row * self.step
            with self.loop(self.select(self.far_apart, self.constant("i64", 0), whole), whole) as group:
                for i in range(size):
                    copy(line + (group * size + i) * b_block, packed + group * self.panel, i)
            with self.loop(whole, some) as group:  # the last, of which some blocks are not there
                for i in range(size):
                    for number in range(width):
                        (packed + (group * self.panel + (i * width + number) * L)).store(self.v.constant(0.0))
                    with self.when((group0 + group) * size + i < blocks):
                        copy(line + (group * size + i) * b_block, packed + group * self.panel, i)

    def multiply(self, row0: Value, count: Value, group0: Value, group: Value, whole: Value) -> None:
        """The columns of one group, from where they are packed or from b itself."""
        b, b_row, b_block, c, columns, H, K = self["b b_row b_block c columns H K"]
        here = b + (row0 * b_row + (group0 + group) * self.tile_blocks * b_block)
        packs = self.far_apart | (group >= whole)
        part = (
            self.select_pointer(packs, self.b_packed + group * self.panel, here),
            self.select(packs, self.constant("i64", self.step), b_row),
            self.select(packs, self.constant("i64", self.width * self.lanes), b_block),
            self.select_pointer(packs, self.packed_offsets, self.own_offsets).to("i64"),
        )
        with self.when(self.sums_bias):
            self.sum_bias(row0, count, group0 + group, part)
        with self.loop(self.first_k, self.last_k) as tile_number:
            self.call(
                self.tile,
                self.a_packed + tile_number * self.panel_of_a,
                *part,
                count,
                row0,
                c,
                columns,
                H,
                (group0 + group) * self.tile_blocks,
                tile_number * self.tile_rows,
                K,
            )

    def sum_bias(self, row0: Value, count: Value, group: Value, part: tuple[Any, ...]) -> None:
        """Adds the columns up."""
        bias, blocks, H = self["bias blocks H"]
        L, width = self.lanes, self.width
        start, row_step, block_step, places = part
        totals = [self.variable(self.v.constant(0.0)) for _ in range(self.tile_blocks * width)]
        slots = [(places + number).load() for number in range(width)]
        with self.loop(0, count) as row:
            for number, total in enumerate(totals):
                place = start + (row * row_step + block_step * (number // width) + slots[number % width])
                total.set(total.get() + self.v.load(place))
        for number, total in enumerate(totals):
            one = group * self.tile_blocks + number // width
            with self.when(one < blocks):
                mask = self.v.mask(H - one * L)
                place = bias + (H * (number % width) + one * L)
                with self.when(row0 > 0):
                    total.set(self.v.load_masked(place, mask) + total.get())
                self.v.store_masked(place, total.get(), mask)


def _write_tile(module: Module, target: Target, width: int, rows: int, blocks: int) -> Function:
    """Adds the products of ``count`` rows to a few rows and blocks of the result, or sets it to them."""
    names = ("a", "b", "b_row", "b_block", "slots", "count", "row0", "c", "columns", "H", "block0", "k0", "K")
    types = [("ptr" if name in ("a", "b", "slots", "c") else "i64", name) for name in names]
    f = Function(module, f"gradient_{width}_tile", types, internal=True, inline=False)
    a, b, b_row, b_block, slots, count, row0, c, columns, H, block0, k0, K = f.arguments
    v = Vectors(f, target)
    L = v.lanes
    masks = [v.mask(H - (block0 + i) * L) for i in range(blocks)]
    sums = [f.variable(v.constant(0.0)) for _ in range(rows * blocks * width)]

    def each_place(row: int) -> list[tuple[int, Pointer, Value]]:
        """The number of the sum, its place in the result, and the lanes that it has there."""
        line = c + (k0 + row) * columns
        return [
            ((row * blocks + i) * width + slot, line + (H * slot + (block0 + i) * L), masks[i])
            for i in range(blocks)
            for slot in range(width)
        ]

    for row in range(rows):
        for _, place, _ in each_place(row):
            place.prefetch()  # a place beyond the result is not read by this
    step = blocks * width
    places = [b + (b_block * i + (slots.to("i64") + slot).load()) for i in range(blocks) for slot in range(width)]
    with f.loop(0, count) as m:
        columns_of_b = [v.load(place + m * b_row) for place in places]
        for place in places:
            (place + (m + AHEAD) * b_row).prefetch()
        for row in range(rows):
            x = v.splat((a + (m * rows + row)).load())
            for column, value in enumerate(columns_of_b):
                total = sums[row * step + column]
                total.set(v.fma(x, value, total.get()))
    for row in range(rows):
        with f.when(k0 + row < K):
            for number, place, mask in each_place(row):
                with f.when(row0 > 0):
                    sums[number].set(v.load_masked(place, mask) + sums[number].get())
                v.store_masked(place, sums[number].get(), mask)
    f.give()
    return f
