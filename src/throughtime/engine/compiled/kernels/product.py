"""``x W + bias`` for many rows, and the packing of weights that it needs.

A product that is not part of a scan: inputs of a layer, the output layer, and their ways back.
"""

from __future__ import annotations

from collections.abc import Callable

from throughtime.engine.compiled.kernel import Kernel
from throughtime.engine.compiled.llvm import Module, Value
from throughtime.engine.compiled.target import Target
from throughtime.engine.compiled.tile import Slots, Start, Tiles

ROWS_AT_ONCE = 96
"""So many rows stay in the second-level cache while all columns pass by."""


def write_product(module: Module, target: Target, width: int, read: tuple[int, ...] | None = None) -> None:
    """``product_W`` or ``product_from_S_to_W``: rows times packed weights, ``width`` slots for each block of columns.

    The bias is packed as ``[block][slot][lane]``.
    """
    name = f"product_{width}" if read is None else f"product_from_{'_'.join(map(str, read))}_to_{width}"
    slots = Slots(tuple(Start("bias", slot) for slot in range(width)), tuple(range(width)), read)
    tiles = Tiles(module, target, f"{name}_tile", slots)
    k = Kernel(module, target, name, "rows K blocks *a a_row a_block *w w_block *bias *out out_row out_block")
    rows, K, blocks, a, a_row, a_block, w, w_block, bias, out, out_row, out_block = k[
        "rows K blocks a a_row a_block w w_block bias out out_row out_block"
    ]
    L = target.lanes
    first, last, first_block, last_block = k.share_rows_or_blocks(rows, blocks)
    with k.loop(first, last, ROWS_AT_ONCE) as row0:

        def run(tile: Callable[..., None], row: Value, count: Value, place: Value, several: int, group: Value) -> None:
            block = first_block + place
            tile(
                a + (row0 + row) * a_row,
                a_row,
                a_block,
                K,
                w + block * w_block,
                w_block,
                tiles.following(k, w, w_block, block, several, last_block, first_block, group),
                w,
                k.constant("i64", 0),
                bias + block * (width * L),
                out + ((row0 + row) * out_row + block * out_block),
                out_row,
                out_block,
            )

        tiles.over(k, k.minimum(last - row0, ROWS_AT_ONCE), last_block - first_block, run)
    k.give()


def write_pack(module: Module, target: Target) -> None:
    """``pack``: from ``[K, G*H]`` to ``[block][k][slot][lane]``, with any of the gates as slots, in any order.

    A bias is a matrix of one row. Threads share the blocks.
    """
    k = Kernel(module, target, "pack", "K H columns slots i64*gates *weight *packed")
    K, H, columns, slots, gates, weight, packed = k["K H columns slots gates weight packed"]
    L = target.lanes
    blocks = (H + (L - 1)) // L
    first, last = k.share(blocks)
    with k.loop(first, last) as block:
        valid = H - block * L
        mask = k.v.mask(valid)
        with k.loop(0, K) as row, k.loop(0, slots) as slot:
            source = weight + (row * columns + (gates + slot).load() * H + block * L)
            place = packed + ((block * K + row) * slots + slot) * L
            place.store(k.v.load_masked(source, mask))
    k.give()


def write_pack_back(module: Module, target: Target) -> None:
    """``pack_back``: from ``[K, G*H]`` to the weights of the way back, whose columns are the K units.

    ``[block of K][block of H][lane][slot]``, then a vector of K: the order in which a record is read. What is beyond
    H or K is 0.
    """
    k = Kernel(module, target, "pack_back", "K H columns slots i64*gates *weight *packed")
    K, H, columns, slots, gates, weight, packed = k["K H columns slots gates weight packed"]
    L = target.lanes
    blocks, blocks_k = (H + (L - 1)) // L, (K + (L - 1)) // L
    first, last = k.share(blocks_k)
    square = k.room("float", L * L)
    with k.loop(first, last) as block_k, k.loop(0, blocks) as block, k.loop(0, slots) as slot:
        columns_mask = k.v.mask(H - block * L)
        rows = k.minimum(K - block_k * L, L)
        # the square [row of K][unit of H] is read by rows and written by columns
        with k.loop(0, L) as i:

            def read(i: Value = i) -> None:
                source = weight + ((block_k * L + i) * columns + (gates + slot).load() * H + block * L)
                (square + i * L).store(k.v.load_masked(source, columns_mask))

            def clear(i: Value = i) -> None:
                (square + i * L).store(k.v.constant(0.0))

            k.either(i < rows, read, clear)
        rows_of_square = [k.v.load(square + i * L) for i in range(L)]
        start = packed + (((block_k * blocks + block) * L) * slots + slot) * L
        for lane, column in enumerate(transposed(k, rows_of_square)):
            (start + slots * (lane * L)).store(column)
    k.give()


def transposed(k: Kernel, rows: list[Value]) -> list[Value]:
    """The square matrix that these vectors are the rows of, by its columns: log2(L) rounds of pairwise exchange."""
    lanes = len(rows)
    distance = 1
    while distance < lanes:
        low = [i + (0 if i % (2 * distance) < distance else lanes - distance) for i in range(lanes)]
        high = [i + distance if i % (2 * distance) < distance else lanes + i for i in range(lanes)]
        for i in range(lanes):
            if i % (2 * distance) < distance:
                x, y = rows[i], rows[i + distance]
                rows[i], rows[i + distance] = k.shuffle(x, y, low), k.shuffle(x, y, high)
        distance *= 2
    return rows
