"""Rows chosen by token ids, and their gradients added up; rows in reverse order, side by side, or summed."""

from __future__ import annotations

from throughtime.engine.compiled.kernel import Kernel
from throughtime.engine.compiled.llvm import Module, Pointer, Value
from throughtime.engine.compiled.target import Target


def write_pick(module: Module, target: Target) -> None:
    """``pick``: ``bias + weight[ids[m]]`` as records of ``gates`` slots, from a plain ``[K, gates*H]``.

    Null ids: row m itself. Null bias: none.
    """
    k = Kernel(module, target, "pick", "rows H blocks gates *weight *bias i64*ids *out out_row out_block")
    rows, H, blocks, gates, weight, bias, ids = k["rows H blocks gates weight bias ids"]
    out, out_row, out_block = k["out out_row out_block"]
    L = target.lanes
    has_ids = ids.cast("ptrtoint", "i64") != 0
    has_bias = bias.cast("ptrtoint", "i64") != 0
    first, last = k.share(rows)
    with k.loop(first, last) as m:
        number = k.variable(m)
        with k.when(has_ids):
            number.set((ids + m).load())
        line = weight + number.get() * (gates * H)
        with k.loop(0, blocks) as block:
            mask = k.v.mask(H - block * L)
            with k.loop(0, gates) as gate:
                value = k.variable(k.v.load_masked(line + (gate * H + block * L), mask))
                with k.when(has_bias):
                    value.set(k.v.load_masked(bias + (gate * H + block * L), mask) + value.get())
                (out + (m * out_row + block * out_block + gate * L)).store(value.get())
    k.give()


def write_unpack(module: Module, target: Target) -> None:
    """``unpack``: from records of ``gates`` slots to plain rows ``[gates*H]``: what ``pick`` does, undone."""
    k = Kernel(module, target, "unpack", "rows H blocks gates *record record_row record_block *out")
    rows, H, blocks, gates, record, record_row, record_block, out = k[
        "rows H blocks gates record record_row record_block out"
    ]
    L = target.lanes
    first, last = k.share(rows)
    with k.loop(first, last) as m, k.loop(0, blocks) as block:
        mask = k.v.mask(H - block * L)
        with k.loop(0, gates) as gate:
            value = k.v.load(record + (m * record_row + block * record_block + gate * L))
            k.v.store_masked(out + (m * gates * H + gate * H + block * L), value, mask)
    k.give()


def write_scatter(module: Module, target: Target) -> None:
    """``scatter``: row ``ids[m]`` of the table gets row m added to it, in order; at first all its rows are 0.

    Threads share blocks of columns. A block is ``width`` slots.
    """
    k = Kernel(
        module, target, "scatter", "rows symbols blocks width *b b_row b_block i64*ids *table table_row table_block"
    )
    rows, symbols, blocks, width, b, b_row, b_block = k["rows symbols blocks width b b_row b_block"]
    ids, table, table_row, table_block = k["ids table table_row table_block"]
    L = target.lanes
    first, last = k.share(blocks)
    with k.loop(0, symbols) as symbol, k.loop(first, last) as block, k.loop(0, width) as slot:
        (table + (symbol * table_row + block * table_block + slot * L)).store(k.v.constant(0.0))
    with k.loop(0, rows) as m:
        line = table + (ids + m).load() * table_row
        with k.loop(first, last) as block, k.loop(0, width) as slot:
            place = line + (block * table_block + slot * L)
            place.store(k.v.load(place) + k.v.load(b + (m * b_row + block * b_block + slot * L)))
    k.give()


def write_reverse(module: Module, target: Target) -> None:
    """``reverse``: each sequence from its own last step to its first, what follows its end left in place."""
    k = Kernel(module, target, "reverse", "T N size *source *target i64*lengths")
    T, N, size, source, place, lengths = k["T N size source target lengths"]
    has_lengths = lengths.cast("ptrtoint", "i64") != 0
    first, last = k.share(N)
    with k.loop(0, T) as t, k.loop(first, last) as n:
        length = k.variable(T)
        with k.when(has_lengths):
            length.set((lengths + n).load())
        other = k.select(t < length.get(), length.get() - 1 - t, t)
        _copy(k, source + (other * N + n) * size, place + (t * N + n) * size, size)
    k.give()


def write_columns(module: Module, target: Target) -> None:
    """``columns``: ``size`` numbers of each row are copied (``add`` 0) or added (1), from rows to rows of any width."""
    k = Kernel(module, target, "columns", "rows size *source source_row *target target_row add")
    rows, size, source, source_row, place, target_row = k["rows size source source_row target target_row"]
    first, last = k.share(rows)
    add = k["add"] != 0
    with k.loop(first, last) as m:
        _copy(k, source + m * source_row, place + m * target_row, size, add)
    k.give()


def write_clear(module: Module, target: Target) -> None:
    """``clear``: all numbers are 0."""
    k = Kernel(module, target, "clear", "count *target")
    count, place = k["count target"]
    L = target.lanes
    first, last = k.share((count + (L - 1)) // L)
    with k.loop(first, last) as number:
        k.v.store_masked(place + number * L, k.v.constant(0.0), k.v.mask(count - number * L))
    k.give()


def _copy(k: Kernel, source: Pointer, place: Pointer, size: Value, add: Value | None = None) -> None:
    L = k.v.lanes
    with k.loop(0, size, L) as i:
        mask = k.v.mask(size - i)
        value = k.variable(k.v.load_masked(source + i, mask))
        if add is not None:
            with k.when(add):
                value.set(k.v.load_masked(place + i, mask) + value.get())
        k.v.store_masked(place + i, value.get(), mask)
