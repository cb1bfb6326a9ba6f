"""A cell carried through time, forward and back: the product of every step, with the cell's equations on its sums.

A thread has rows of its own and takes them through all time steps, so that nobody waits for anybody within a pass. Rows
lie as ``[T, N]``; row ``t * N + n`` of the record belongs to step t of sequence n. A state's history has T + 1 steps,
the first being the state before; its padding lanes are 0.

A sequence that has ended computes nothing: its history is 0 from there on, and its final state stands in the history at
its length.
"""

from __future__ import annotations

from collections.abc import Callable

from throughtime.cells import Cell
from throughtime.engine.compiled import functions
from throughtime.engine.compiled.kernel import Kernel
from throughtime.engine.compiled.layout import RecordLayout
from throughtime.engine.compiled.llvm import Module, Pointer, Value
from throughtime.engine.compiled.target import Target
from throughtime.engine.compiled.tile import Slots, Start, Tiles

NUMBERS_AT_ONCE = 2048
"""On the way back so many numbers of a row are multiplied before it is the next row's turn."""


def write_scan(module: Module, target: Target, cell: Cell) -> None:
    """``scan``: all steps forward.

    ``starts`` are the input parts ``x U + b``: the record itself, or a table whose row for each symbol is chosen by
    ``ids`` (null: rows in order). ``e`` is the bias of the gates kept apart.
    """
    layout = RecordLayout(cell)
    L = target.lanes
    states = [f"state{number}" for number in range(len(cell.states))]
    vectors = [f"p{number}" for number in range(len(cell.vectors))]
    k = Kernel(
        module,
        target,
        "scan",
        "T N H blocks row *w w_block *e *starts i64*ids start_row start_block *record record_row record_block "
        "i64*lengths " + " ".join(f"*{name}" for name in states + vectors),
    )
    T, N, H, blocks, row_size, w, w_block, e = k["T N H blocks row w w_block e"]
    starts, ids, start_row, start_block = k["starts ids start_row start_block"]
    record, record_row, record_block = k["record record_row record_block"]
    apart = [gate in cell.apart for gate in cell.gates]
    slots = Slots(
        tuple(
            Start("bias", cell.apart.index(gate)) if is_apart else Start("row", slot)
            for gate, is_apart, slot in zip(cell.gates, apart, layout.gates, strict=True)
        ),
        layout.hidden,
    )
    tiles = Tiles(module, target, "scan_tile", slots)
    start_places = k.room("ptr", 8)
    first, last, first_block, last_block = k.share_rows_or_blocks(N, blocks, T == 1)  # blocks meet in the next step
    has_ids = ids.cast("ptrtoint", "i64") != 0

    def start_of(m: Value) -> Pointer:
        """The input part of row m."""
        number = k.variable(m)
        with k.when(has_ids):
            number.set((ids + m).load())
        found: Pointer = starts + number.get() * start_row
        return found

    def step_one(t: Value, n: Value, block: Value) -> None:
        """The cell's equations on one vector of units."""
        m = t * N + n
        place = record + (m * record_row + block * record_block)
        units = block * L
        old, new = (m * row_size + units, (m + N) * row_size + units)
        a = []
        start = start_of(m) + block * start_block
        for is_apart, slot in zip(apart, layout.gates, strict=True):
            summed_here = cell.recurrent and not is_apart
            a.append(k.v.load((place if summed_here else start) + slot * L))
        u = [k.v.load(place + slot * L) for slot in layout.apart]
        state = [k.v.load(k[name] + old) for name in states]
        p = [k.v.load(k[name] + units) for name in vectors]
        results = functions.run(k.v, cell.program, [*a, *u, *state, *p])
        after, saved = results[: len(states)], results[len(states) :]
        for slot, value in enumerate(saved):
            (place + slot * L).store(value)
        after[0] = k.select(k.v.mask(H - units), after[0], k.v.constant(0.0))
        for name, value in zip(states, after, strict=True):
            (k[name] + new).store(value)

    def end_one(t: Value, n: Value, block: Value) -> None:
        """Nothing happens any more to a sequence that has ended."""
        (k[states[0]] + ((t * N + n + N) * row_size + block * L)).store(k.v.constant(0.0))

    def step(t: Value, n: Value, count: Value, block: Value, width: Value) -> None:
        _each_unit(k, t, (n, n + count), (block, block + width), step_one, end_one)

    with k.loop(0, T) as t:
        if cell.recurrent:

            def run(
                tile: Callable[..., None], row: Value, count: Value, place: Value, width: int, group: Value
            ) -> None:
                n, block = first + row, first_block + place
                with k.loop(0, count) as i:
                    (start_places.to("ptr") + i).store(start_of(t * N + n + i) + block * start_block)
                m = t * N + n
                tile(
                    k[states[0]] + m * row_size,
                    row_size,
                    k.constant("i64", 0),
                    H,
                    w + block * w_block,
                    w_block,
                    tiles.following(k, w, w_block, block, width, last_block, first_block, group),
                    start_places,
                    start_block,
                    e + block * (len(cell.apart) * L),
                    record + (m * record_row + block * record_block),
                    record_row,
                    record_block,
                )
                step(t, n, count, block, k.constant("i64", width))

            tiles.over(k, last - first, last_block - first_block, run)
        else:
            step(t, first, last - first, first_block, last_block - first_block)
    k.give()


def _each_unit(
    k: Kernel,
    t: Value,
    rows: tuple[Value, Value],
    blocks: tuple[Value, Value],
    run: Callable[[Value, Value, Value], None],
    end: Callable[[Value, Value, Value], None],
) -> None:
    """``run(t, row, block)`` for each vector of units at step t, but ``end`` where the sequence has ended."""
    lengths = k["lengths"]
    has_lengths = lengths.cast("ptrtoint", "i64") != 0
    with k.loop(*rows) as n:
        running = k.variable(k.constant("i1", True))
        with k.when(has_lengths):
            running.set(t < (lengths + n).load())
        with k.loop(*blocks) as block:
            k.either(running.get(), lambda: run(t, n, block), lambda: end(t, n, block))


def write_scan_back(module: Module, target: Target, cell: Cell) -> None:
    """``scan_back``: all steps back.

    ``d_y`` are the gradients of the outputs, with any strides. ``carry0``, ``carry1``, ... ``[N]`` rows each, hold the
    gradients of the final states at first, and of the states before the first step at the end, if ``to_start`` is not
    0: that takes one product more. ``d_h`` is room for N rows.
    """
    layout = RecordLayout(cell)
    L = target.lanes
    states = [f"state{number}" for number in range(len(cell.states))]
    carries = [f"carry{number}" for number in range(len(cell.states))]
    vectors = [f"p{number}" for number in range(len(cell.vectors))]
    k = Kernel(
        module,
        target,
        "scan_back",
        "T N H blocks row *w w_block *zeros *d_y d_y_step d_y_row *d_h *record record_row record_block i64*lengths "
        "to_start " + " ".join(f"*{name}" for name in states + carries + vectors),
    )
    T, N, H, blocks, row_size, w, w_block, zeros = k["T N H blocks row w w_block zeros"]
    d_y, d_y_step, d_y_row, d_h = k["d_y d_y_step d_y_row d_h"]
    record, record_row, record_block = k["record record_row record_block"]
    tiles = Tiles(module, target, "scan_back_tile", Slots((Start("row", 0),), (0,), layout.hidden))
    start_places = k.room("ptr", 8)
    first, last = k.share(N)
    at_once = max(1, NUMBERS_AT_ONCE // (L * max(1, len(layout.hidden))))
    G, A, S = len(cell.gates), len(cell.apart), len(cell.states)

    def step_one(t: Value, n: Value, block: Value) -> None:
        m = t * N + n
        place = record + (m * record_row + block * record_block)
        units = block * L
        here = n * row_size + units
        d_states = [k.v.load(k[name] + here) for name in carries]
        start = d_h + here if cell.recurrent else d_y + (t * d_y_step + n * d_y_row + units)
        d_states[0] = k.v.load(start) + d_states[0]
        before = [k.v.load(k[name] + (m * row_size + units)) for name in states]
        saved = [k.v.load(place + slot * L) for slot in range(cell.saved)]
        p = [k.v.load(k[name] + units) for name in vectors]
        results = functions.run(k.v, cell.program_back, [*d_states, *before, *saved, *p])
        mask = k.v.mask(H - units)
        gradients = [*results[: G + A], *results[G + A + S :]]
        for slot, value in zip((*layout.gates, *layout.apart, *layout.vectors), gradients, strict=True):
            (place + slot * L).store(k.select(mask, value, k.v.constant(0.0)))
        for name, value in zip(carries, results[G + A : G + A + S], strict=True):
            (k[name] + here).store(value)

    def end_one(t: Value, n: Value, block: Value) -> None:
        place = record + ((t * N + n) * record_row + block * record_block)
        for slot in (*layout.gates, *layout.apart, *layout.vectors):
            (place + slot * L).store(k.v.constant(0.0))

    def step(t: Value, n: Value, count: Value, block: Value, width: Value) -> None:
        _each_unit(k, t, (n, n + count), (block, block + width), step_one, end_one)

    def multiply(t: Value, K: Value, after: Callable[..., None] | None) -> None:
        """``d_h`` of the rows, from the gradients of step t + 1 and those of the outputs of step t.

        The blocks of K are taken in parts, whose weights stay in the second-level cache for all rows.
        """

        def run(tile: Callable[..., None], row: Value, count: Value, block: Value, width: int, group: Value) -> None:
            n = first + row
            with k.loop(0, count) as i:
                start = d_y + (t * d_y_step + (n + i) * d_y_row + block * L)
                chosen = k.select_pointer(t >= 0, start, zeros + block * L)
                so_far = d_h + ((n + i) * row_size + block * L)
                (start_places.to("ptr") + i).store(k.select_pointer(part == 0, chosen, so_far))
            tile(
                record + (((t + 1) * N + n) * record_row + part * record_block),
                record_row,
                record_block,
                k.minimum(K - part, at_once),
                w + (block * w_block + part * (L * L * len(layout.hidden))),
                w_block,
                tiles.following(k, w, w_block, block, width, blocks, k.constant("i64", 0), group),
                start_places,
                k.constant("i64", L),
                zeros,
                d_h + (n * row_size + block * L),
                row_size,
                k.constant("i64", L),
            )
            if after:
                with k.when(part + at_once >= K):
                    step(t, n, count, block, k.constant("i64", width))

        with k.loop(0, k.select(K > 0, K, 1), at_once) as part:
            tiles.over(k, last - first, blocks, run)

    with k.loop(0, T) as back:
        t = T - 1 - back
        if cell.recurrent:
            multiply(t, k.select(back > 0, blocks, k.constant("i64", 0)), step)
        else:
            step(t, first, last - first, k.constant("i64", 0), blocks)
    if cell.recurrent:
        with k.when((k["to_start"] != 0) & (T > 0)):
            multiply(k.constant("i64", -1), blocks, None)
            with k.loop(first, last) as n, k.loop(0, blocks) as block:
                place = k["carry0"] + (n * row_size + block * L)
                place.store(k.v.load(place) + k.v.load(d_h + (n * row_size + block * L)))
    k.give()
