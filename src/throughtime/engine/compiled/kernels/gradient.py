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
    tile_rows, tile_blocks = best_shape(target.registers, width)
    tile = _write_tile(module, target, width, tile_rows, tile_blocks)
    k = Kernel(
        module,
        target,
        f"gradient_{width}",
        "rows K H blocks columns *a a_row *b b_row b_block i64*gates *c *bias *scratch scratch_size by_rows "
        "rows_at_once groups_at_once",
    )
    rows, K, H, blocks, columns, a, a_row = k["rows K H blocks columns a a_row"]
    b, b_row, b_block, gates, c, bias = k["b b_row b_block gates c bias"]
    L = target.lanes
    step = tile_blocks * width * L
    rows_at_once, at_once = k["rows_at_once groups_at_once"]
    panel = rows_at_once * step
    tiles_k = (K + (tile_rows - 1)) // tile_rows
    groups = (blocks + (tile_blocks - 1)) // tile_blocks
    by_rows = k["by_rows"] != 0
    (k_share, k_end), (g_share, g_end) = k.share(tiles_k), k.share(groups)
    first_k, last_k = k.select(by_rows, k_share, 0), k.select(by_rows, k_end, tiles_k)
    first_group, last_group = k.select(by_rows, 0, g_share), k.select(by_rows, groups, g_end)
    sums_bias = (bias.cast("ptrtoint", "i64") != 0) & ((k.thread == 0) | ~by_rows)
    b_packed = k["scratch"] + k.thread * k["scratch_size"]
    a_packed = b_packed + at_once * panel
    panel_of_a = rows_at_once * tile_rows + L  # a row is written with more numbers than it has; the next mends that
    several = 1 << (tile_rows - 1).bit_length()
    wide = vector_of(several, "float")
    offsets = [(gates + number).load() * L for number in range(width)]

    def pack_a(row0: Value, count: Value) -> None:
        """Packed as ``[tile][row][k of the tile]``."""
        whole = k.minimum(last_k, k.select(several <= K, (K - several) // tile_rows + 1, 0))
        rest = k.select(whole > first_k, whole, first_k)
        with k.loop(0, count) as row:
            line = a + (row0 + row) * a_row
            packed = a_packed + row * tile_rows
            with k.loop(first_k, whole) as number:
                (packed + number * panel_of_a).store((line + number * tile_rows).load(wide))
            with k.loop(rest, last_k) as number, k.loop(0, tile_rows) as i:  # near the end of the row
                value = k.variable(k.constant("float", 0.0))
                with k.when(number * tile_rows + i < K):
                    value.set((line + (number * tile_rows + i)).load())
                (packed + (number * panel_of_a + i)).store(value.get())

    packed_offsets = k.room("i64", width)
    for number in range(width):
        (packed_offsets.to("i64") + number).store(k.constant("i64", number * L))
    own_offsets = k.room("i64", width)
    for number, offset in enumerate(offsets):
        (own_offsets.to("i64") + number).store(offset)
    far_apart = b_row > FLOATS_APART

    def pack_b(row0: Value, count: Value, group0: Value, some: Value, whole: Value) -> None:
        """Packed as ``[group][row][block][slot][lane]``, zeros for blocks that there are not."""

        def copy(source: Pointer, place: Pointer, i: int) -> None:
            for number, offset in enumerate(offsets):
                (place + (i * width + number) * L).store(k.v.load(source + offset))

        with k.loop(0, count) as row:
            line = b + ((row0 + row) * b_row + group0 * tile_blocks * b_block)
            packed = b_packed + row * step
            with k.loop(k.select(far_apart, k.constant("i64", 0), whole), whole) as group:
                for i in range(tile_blocks):
                    copy(line + (group * tile_blocks + i) * b_block, packed + group * panel, i)
            with k.loop(whole, some) as group:  # the last, of which some blocks are not there
                for i in range(tile_blocks):
                    for number in range(width):
                        (packed + (group * panel + (i * width + number) * L)).store(k.v.constant(0.0))
                    with k.when((group0 + group) * tile_blocks + i < blocks):
                        copy(line + (group * tile_blocks + i) * b_block, packed + group * panel, i)

    def sum_bias(row0: Value, count: Value, group: Value, part: tuple[Any, ...]) -> None:
        """Adds the columns up."""
        start, row_step, block_step, places = part
        totals = [k.variable(k.v.constant(0.0)) for _ in range(tile_blocks * width)]
        slots = [(places + number).load() for number in range(width)]
        with k.loop(0, count) as row:
            for number, total in enumerate(totals):
                place = start + (row * row_step + block_step * (number // width) + slots[number % width])
                total.set(total.get() + k.v.load(place))
        for number, total in enumerate(totals):
            one = group * tile_blocks + number // width
            with k.when(one < blocks):
                mask = k.v.mask(H - one * L)
                place = bias + (H * (number % width) + one * L)
                with k.when(row0 > 0):
                    total.set(k.v.load_masked(place, mask) + total.get())
                k.v.store_masked(place, total.get(), mask)

    with k.loop(0, rows, rows_at_once) as row0:
        count = k.minimum(rows - row0, rows_at_once)
        pack_a(row0, count)
        with k.loop(first_group, last_group, at_once) as group0:
            some = k.minimum(last_group - group0, at_once)
            whole = k.minimum(some, blocks // tile_blocks - group0)
            pack_b(row0, count, group0, some, whole)
            with k.loop(0, some) as group:
                here = b + (row0 * b_row + (group0 + group) * tile_blocks * b_block)
                packs = far_apart | (group >= whole)
                part = (
                    k.select_pointer(packs, b_packed + group * panel, here),
                    k.select(packs, k.constant("i64", step), b_row),
                    k.select(packs, k.constant("i64", width * L), b_block),
                    k.select_pointer(packs, packed_offsets, own_offsets).to("i64"),
                )
                with k.when(sums_bias):
                    sum_bias(row0, count, group0 + group, part)
                with k.loop(first_k, last_k) as tile_number:
                    k.call(
                        tile,
                        a_packed + tile_number * panel_of_a,
                        *part,
                        count,
                        row0,
                        c,
                        columns,
                        H,
                        (group0 + group) * tile_blocks,
                        tile_number * tile_rows,
                        K,
                    )
    k.give()


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
