"""Gradients of weights: ``x^T d`` summed over all rows, and the sums of ``d`` for biases.

Each thread owns columns (or, where there are few, rows of the result) and runs over all time steps and sequences in
order, so that a gradient does not depend on the number of threads. The rows are taken in blocks that are packed into a
thread's own scratch memory, where a tile finds them side by side.
"""

from __future__ import annotations

from throughtime.engine.compiled.kernel import Kernel
from throughtime.engine.compiled.llvm import Function, Module, Pointer, Value
from throughtime.engine.compiled.target import Target
from throughtime.engine.compiled.tile import best_shape
from throughtime.engine.compiled.vectors import Vectors

ROWS_AT_ONCE = 128
"""The packed columns of so many rows stay in the first-level cache."""


def scratch_floats(target: Target, width: int, K: int) -> int:
    """How much scratch memory a thread needs."""
    rows, blocks = best_shape(target.registers, width)
    return (-(-K // rows) * rows + blocks * width * target.lanes) * ROWS_AT_ONCE


def write_gradient(module: Module, target: Target, width: int) -> None:
    """``gradient_W``: ``c [K, columns]`` is ``a^T b``, where b are records of which ``width`` slots are taken.

    Slot number ``gates[i]`` of b makes the columns of gate i. ``bias`` (or null) gets the sums of the columns. Rows of
    a are plain. ``scratch_size`` floats are each thread's own. ``by_rows`` shares the rows of c instead of its columns.
    """
    tile_rows, tile_blocks = best_shape(target.registers, width)
    tile = _write_tile(module, target, width, tile_rows, tile_blocks)
    k = Kernel(
        module,
        target,
        f"gradient_{width}",
        "rows K H blocks columns *a a_row *b b_row b_block i64*gates *c *bias *scratch scratch_size by_rows",
    )
    rows, K, H, blocks, columns, a, a_row = k["rows K H blocks columns a a_row"]
    b, b_row, b_block, gates, c, bias = k["b b_row b_block gates c bias"]
    L = target.lanes
    step = tile_blocks * width * L
    tiles_k = (K + (tile_rows - 1)) // tile_rows
    groups = (blocks + (tile_blocks - 1)) // tile_blocks
    by_rows = k["by_rows"] != 0
    (k_share, k_end), (g_share, g_end) = k.share(tiles_k), k.share(groups)
    first_k, last_k = k.select(by_rows, k_share, 0), k.select(by_rows, k_end, tiles_k)
    first_group, last_group = k.select(by_rows, 0, g_share), k.select(by_rows, groups, g_end)
    sums_bias = (bias.cast("ptrtoint", "i64") != 0) & ((k.thread == 0) | ~by_rows)
    b_packed = k["scratch"] + k.thread * k["scratch_size"]
    a_packed = b_packed + step * ROWS_AT_ONCE

    def pack_a(row0: Value, count: Value) -> None:
        """Packed as ``[tile][row][k of the tile]``."""
        with k.loop(first_k, last_k) as number:
            whole = (number + 1) * tile_rows <= K

            def copy_whole() -> None:
                with k.loop(0, count) as row:
                    source = a + ((row0 + row) * a_row + number * tile_rows)
                    place = a_packed + (number * ROWS_AT_ONCE + row) * tile_rows
                    for i in range(tile_rows):
                        (place + i).store((source + i).load())

            def copy_part() -> None:
                valid = K - number * tile_rows
                with k.loop(0, count) as row, k.loop(0, tile_rows) as i:
                    source = a + ((row0 + row) * a_row + number * tile_rows)
                    place = a_packed + ((number * ROWS_AT_ONCE + row) * tile_rows + i)
                    k.either(
                        i < valid,
                        lambda: place.store((source + i).load()),
                        lambda: place.store(k.constant("float", 0.0)),
                    )

            k.either(whole, copy_whole, copy_part)

    def pack_b(row0: Value, count: Value, group: Value) -> None:
        """``[row][block][slot][lane]``, zeros for blocks that there are not; and the sums for the bias."""
        for i in range(tile_blocks):
            block = group * tile_blocks + i
            there = block < blocks
            for number in range(width):
                offset = (i * width + number) * L
                mask = k.v.mask(H - block * L)
                bias_place = bias + (number * H + block * L)

                def copy(
                    block: Value = block,
                    number: int = number,
                    offset: int = offset,
                    mask: Value = mask,
                    bias_place: Pointer = bias_place,
                ) -> None:
                    source = b + (row0 * b_row + block * b_block + (gates + number).load() * L)
                    total = k.variable(k.v.constant(0.0))
                    with k.when(sums_bias & (row0 > 0)):
                        total.set(k.v.load_masked(bias_place, mask))
                    with k.loop(0, count) as row:
                        value = k.v.load(source + row * b_row)
                        (b_packed + (row * step + offset)).store(value)
                        total.set(total.get() + value)
                    with k.when(sums_bias):
                        k.v.store_masked(bias_place, total.get(), mask)

                def clear(offset: int = offset) -> None:
                    with k.loop(0, count) as row:
                        (b_packed + (row * step + offset)).store(k.v.constant(0.0))

                k.either(there, copy, clear)

    with k.loop(0, rows, ROWS_AT_ONCE) as row0:
        count = k.minimum(rows - row0, ROWS_AT_ONCE)
        pack_a(row0, count)
        with k.loop(first_group, last_group) as group:
            pack_b(row0, count, group)
            with k.loop(first_k, last_k) as number:
                k.call(
                    tile,
                    a_packed + number * (ROWS_AT_ONCE * tile_rows),
                    b_packed,
                    count,
                    row0,
                    c,
                    columns,
                    H,
                    group * tile_blocks,
                    number * tile_rows,
                    K,
                )
    k.give()


def _write_tile(module: Module, target: Target, width: int, rows: int, blocks: int) -> Function:
    """Adds the products of ``count`` packed rows to a few rows and blocks of the result, or sets it from them."""
    names = ("a", "b", "count", "row0", "c", "columns", "H", "block0", "k0", "K")
    types = [("ptr" if name in ("a", "b", "c") else "i64", name) for name in names]
    f = Function(module, f"gradient_{width}_tile", types, internal=True, inline=False)
    a, b, count, row0, c, columns, H, block0, k0, K = f.arguments
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

    with f.when(row0 > 0):
        for row in range(rows):
            with f.when(k0 + row < K):
                for number, place, mask in each_place(row):
                    sums[number].set(v.load_masked(place, mask))
    step = blocks * width
    with f.loop(0, count) as m:
        columns_of_b = [v.load(b + (m * (step * L) + column * L)) for column in range(step)]
        for row in range(rows):
            x = v.splat((a + (m * rows + row)).load())
            for column, value in enumerate(columns_of_b):
                total = sums[row * step + column]
                total.set(v.fma(x, value, total.get()))
    for row in range(rows):
        with f.when(k0 + row < K):
            for number, place, mask in each_place(row):
                v.store_masked(place, sums[number].get(), mask)
    f.give()
    return f
