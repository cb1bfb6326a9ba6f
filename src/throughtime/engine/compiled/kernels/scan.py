"""A cell carried through time, forward and back: the product of every step, with the cell's equations on its sums.

A thread has rows of its own and takes them through all time steps, so that nobody waits for anybody within a pass. Rows
lie as ``[T, N]``; row ``t * N + n`` of the record belongs to step t of sequence n. A state's history has T + 1 steps,
the first being the state before; its padding lanes are 0.

A sequence that has ended computes nothing: its history is 0 from there on, and its final state stands in the history at
its length.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
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
    _Forward(module, target, cell).write()


def write_scan_back(module: Module, target: Target, cell: Cell) -> None:
    """``scan_back``: all steps back.

    ``d_y`` are the gradients of the outputs, with any strides. ``carry0``, ``carry1``, ... ``[N]`` rows each, hold the
    gradients of the final states at first, and of the states before the first step at the end, if ``to_start`` is not
    0: that takes one product more. ``d_h`` is room for N rows.
    """
    _Back(module, target, cell).write()


class _Steps(Kernel, ABC):
    """What both ways have in common."""

    def __init__(self, module: Module, target: Target, cell: Cell, name: str, own: str, tiles: Slots) -> None:
        self.cell, self.layout = cell, RecordLayout(cell)
        self.states = [f"state{number}" for number in range(len(cell.states))]
        self.carries = [f"carry{number}" for number in range(len(cell.states))] if name == "scan_back" else []
        self.vectors = [f"p{number}" for number in range(len(cell.vectors))]
        common = "T N H blocks row *w w_block *record record_row record_block i64*lengths "
        arrays = " ".join(f"*{name}" for name in self.states + self.carries + self.vectors)
        super().__init__(module, target, name, f"{common} {own} {arrays}")
        self.L = target.lanes
        self.tiles = Tiles(module, target, f"{name}_tile", tiles)
        self.start_places = self.room("ptr", 8)

    def place_of(self, m: Value, block: Value) -> Pointer:
        """The record of row m."""
        record, record_row, record_block = self["record record_row record_block"]
        found: Pointer = record + (m * record_row + block * record_block)
        return found

    def each_unit(self, t: Value, rows: tuple[Value, Value], blocks: tuple[Value, Value]) -> None:
        """``step`` at step t for each vector of units, but ``end`` where the sequence has ended."""
        lengths = self["lengths"]
        has_lengths = lengths.cast("ptrtoint", "i64") != 0
        with self.loop(*rows) as n:
            running = self.variable(self.constant("i1", True))
            with self.when(has_lengths):
                running.set(t < (lengths + n).load())
            with self.loop(*blocks) as block:
                self.either(running.get(), lambda: self.step(t, n, block), lambda: self.end(t, n, block))

    @abstractmethod
    def step(self, t: Value, n: Value, block: Value) -> None:
        """The cell's equations on one vector of units."""

    @abstractmethod
    def end(self, t: Value, n: Value, block: Value) -> None:
        """What a sequence that has ended leaves there."""


class _Forward(_Steps):
    def __init__(self, module: Module, target: Target, cell: Cell) -> None:
        layout = RecordLayout(cell)
        starts = tuple(
            Start("bias", cell.apart.index(gate)) if gate in cell.apart else Start("row", slot)
            for gate, slot in zip(cell.gates, layout.gates, strict=True)
        )
        own = "*e *starts i64*ids start_row start_block"
        super().__init__(module, target, cell, "scan", own, Slots(starts, layout.hidden))
        T, N, blocks = self["T N blocks"]
        self.rows_from, self.rows_to, self.blocks_from, self.blocks_to = self.share_rows_or_blocks(
            N,
            blocks,
            T == 1,  # else the blocks meet in the next step
        )
        self.has_ids = self["ids"].cast("ptrtoint", "i64") != 0

    def write(self) -> None:
        rows, blocks = (self.rows_from, self.rows_to), (self.blocks_from, self.blocks_to)
        with self.loop(0, self["T"]) as t:
            if self.cell.recurrent:
                self.multiply(t)
            else:
                self.each_unit(t, rows, blocks)
        self.give()

    def multiply(self, t: Value) -> None:
        """The products of step t, each followed by the step of its units."""
        N, H, row_size, w, w_block, e, start_block = self["N H row w w_block e start_block"]

        def run(tile: Callable[..., None], row: Value, count: Value, place: Value, width: int, group: Value) -> None:
            n, block = self.rows_from + row, self.blocks_from + place
            m = t * N + n
            with self.loop(0, count) as i:
                (self.start_places.to("ptr") + i).store(self.start_of(m + i) + block * start_block)
            tile(
                self["state0"] + m * row_size,
                row_size,
                self.constant("i64", 0),
                H,
                w + block * w_block,
                w_block,
                self.tiles.following(self, w, w_block, block, width, self.blocks_to, self.blocks_from, group),
                self.start_places,
                start_block,
                e + block * (len(self.cell.apart) * self.L),
                self.place_of(m, block),
                *self["record_row record_block"],
            )
            self.each_unit(t, (n, n + count), (block, block + width))

        self.tiles.over(self, self.rows_to - self.rows_from, self.blocks_to - self.blocks_from, run)

    def start_of(self, m: Value) -> Pointer:
        """The input part of row m."""
        starts, ids, start_row = self["starts ids start_row"]
        number = self.variable(m)
        with self.when(self.has_ids):
            number.set((ids + m).load())
        found: Pointer = starts + number.get() * start_row
        return found

    def step(self, t: Value, n: Value, block: Value) -> None:
        N, H, row_size, start_block = self["N H row start_block"]
        L, cell, layout = self.L, self.cell, self.layout
        m = t * N + n
        place = self.place_of(m, block)
        units = block * L
        old, new = (m * row_size + units, (m + N) * row_size + units)
        start = self.start_of(m) + block * start_block
        a = []
        for gate, slot in zip(cell.gates, layout.gates, strict=True):
            summed_here = cell.recurrent and gate not in cell.apart
            a.append(self.v.load((place if summed_here else start) + slot * L))
        u = [self.v.load(place + slot * L) for slot in layout.apart]
        state = [self.v.load(self[name] + old) for name in self.states]
        p = [self.v.load(self[name] + units) for name in self.vectors]
        results = functions.run(self.v, cell.program, [*a, *u, *state, *p])
        after, saved = results[: len(state)], results[len(state) :]
        for slot, value in enumerate(saved):
            (place + slot * L).store(value)
        after[0] = self.select(self.v.mask(H - units), after[0], self.v.constant(0.0))
        for name, value in zip(self.states, after, strict=True):
            (self[name] + new).store(value)

    def end(self, t: Value, n: Value, block: Value) -> None:
        N, row_size = self["N row"]
        (self["state0"] + ((t * N + n + N) * row_size + block * self.L)).store(self.v.constant(0.0))


class _Back(_Steps):
    def __init__(self, module: Module, target: Target, cell: Cell) -> None:
        own = "*zeros *d_y d_y_step d_y_row *d_h to_start"
        read = RecordLayout(cell).hidden
        super().__init__(module, target, cell, "scan_back", own, Slots((Start("row", 0),), (0,), read))
        self.first, self.last = self.share(self["N"])
        self.at_once = max(1, NUMBERS_AT_ONCE // (self.L * max(1, len(read))))

    def write(self) -> None:
        T, blocks, row_size, d_h = self["T blocks row d_h"]
        zero = self.constant("i64", 0)
        with self.loop(0, T) as back:
            t = T - 1 - back
            if self.cell.recurrent:
                self.multiply(t, self.select(back > 0, blocks, zero), steps=True)
            else:
                self.each_unit(t, (self.first, self.last), (zero, blocks))
        if self.cell.recurrent:
            with self.when((self["to_start"] != 0) & (T > 0)):
                self.multiply(self.constant("i64", -1), blocks, steps=False)
                with self.loop(self.first, self.last) as n, self.loop(0, blocks) as block:
                    place = n * row_size + block * self.L
                    carry = self["carry0"] + place
                    carry.store(self.v.load(carry) + self.v.load(d_h + place))
        self.give()

    def multiply(self, t: Value, K: Value, *, steps: bool) -> None:
        """``d_h`` of the rows, from the gradients of step t + 1 and those of the outputs of step t.

        The blocks of K are taken in parts, whose weights stay in the second-level cache for all rows.
        """
        N, blocks, row_size, w, w_block, zeros, d_h = self["N blocks row w w_block zeros d_h"]
        d_y, d_y_step, d_y_row = self["d_y d_y_step d_y_row"]
        L, zero = self.L, self.constant("i64", 0)

        def run(tile: Callable[..., None], row: Value, count: Value, block: Value, width: int, group: Value) -> None:
            n = self.first + row
            with self.loop(0, count) as i:
                start = d_y + (t * d_y_step + (n + i) * d_y_row + block * L)
                chosen = self.select_pointer(t >= 0, start, zeros + block * L)
                so_far = d_h + ((n + i) * row_size + block * L)
                (self.start_places.to("ptr") + i).store(self.select_pointer(part == 0, chosen, so_far))
            tile(
                self.place_of((t + 1) * N + n, part),
                *self["record_row record_block"],
                self.minimum(K - part, self.at_once),
                w + (block * w_block + part * (L * L * len(self.layout.hidden))),
                w_block,
                self.tiles.following(self, w, w_block, block, width, blocks, zero, group),
                self.start_places,
                self.constant("i64", L),
                zeros,
                d_h + (n * row_size + block * L),
                row_size,
                self.constant("i64", L),
            )
            if steps:
                with self.when(part + self.at_once >= K):
                    self.each_unit(t, (n, n + count), (block, block + width))

        with self.loop(0, self.select(K > 0, K, 1), self.at_once) as part:
            self.tiles.over(self, self.last - self.first, blocks, run)

    def step(self, t: Value, n: Value, block: Value) -> None:
        N, H, row_size, d_h = self["N H row d_h"]
        d_y, d_y_step, d_y_row = self["d_y d_y_step d_y_row"]
        L, cell, layout = self.L, self.cell, self.layout
        G, A, S = len(cell.gates), len(cell.apart), len(cell.states)
        m = t * N + n
        place = self.place_of(m, block)
        units = block * L
        here = n * row_size + units
        d_states = [self.v.load(self[name] + here) for name in self.carries]
        start = d_h + here if cell.recurrent else d_y + (t * d_y_step + n * d_y_row + units)
        d_states[0] = self.v.load(start) + d_states[0]
        before = [self.v.load(self[name] + (m * row_size + units)) for name in self.states]
        saved = [self.v.load(place + slot * L) for slot in range(cell.saved)]
        p = [self.v.load(self[name] + units) for name in self.vectors]
        results = functions.run(self.v, cell.program_back, [*d_states, *before, *saved, *p])
        mask = self.v.mask(H - units)
        gradients = [*results[: G + A], *results[G + A + S :]]
        for slot, value in zip((*layout.gates, *layout.apart, *layout.vectors), gradients, strict=True):
            (place + slot * L).store(self.select(mask, value, self.v.constant(0.0)))
        for name, value in zip(self.carries, results[G + A : G + A + S], strict=True):
            (self[name] + here).store(value)

    def end(self, t: Value, n: Value, block: Value) -> None:
        place = self.place_of(t * self["N"] + n, block)
        for slot in (*self.layout.gates, *self.layout.apart, *self.layout.vectors):
            (place + slot * self.L).store(self.v.constant(0.0))
