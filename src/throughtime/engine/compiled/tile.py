"""The register tile: the product of a few rows with a few vectors of columns, summed in registers.

Columns stand in blocks of one vector of units; a block has one vector for each of its *slots* (the gates of a cell, or
one). Weights are packed so that a tile reads them in order: ``[block][k][slot][lane]``. What is written may have room
for more slots than are summed here.

Every tile adds over k in the same order, with one accumulator for each sum: a row has the same bits in any company.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from throughtime.engine.compiled.kernel import Kernel
from throughtime.engine.compiled.llvm import Function, Module, Pointer, Value
from throughtime.engine.compiled.target import Target
from throughtime.engine.compiled.vectors import Vectors

MOST_ROWS = 8
LINES_A_STEP = 2
"""So many vectors of the weights that come next are asked for in each step of k."""
FLOATS_ASKED_FOR = 1 << 16
AHEAD = 16
"""So many k ahead, weights are asked for: the processor does not foresee all these streams by itself."""


@dataclass(frozen=True)
class Start:
    """Where a sum starts: at a slot of the row's own start, or of a bias that all rows share."""

    of: str
    """``row`` or ``bias``"""
    slot: int


@dataclass(frozen=True)
class Slots:
    """What a family of tiles sums.

    ``starts`` and ``places`` are, for each slot, where its sum starts and in which slot of the written row it ends.
    ``read`` is None where the rows that are multiplied are plain, ``[k]``; else they are in blocks too, and these of
    their slots are multiplied, k running over blocks, lanes and slots, in this nesting.
    """

    starts: tuple[Start, ...]
    places: tuple[int, ...]
    read: tuple[int, ...] | None = None


class Tiles:
    """All tiles of one family, for every number of rows and blocks that registers have room for."""

    def __init__(self, module: Module, target: Target, name: str, slots: Slots) -> None:
        self.target = target
        self.slots = slots
        self.name = name
        self.rows, _ = best_shape(target.registers, len(slots.places))
        self.functions = {
            (rows, blocks): self._write(module, rows, blocks)
            for rows in range(1, self.rows + 1)
            for blocks in (16, 8, 4, 2, 1)
            if blocks <= self.most_blocks(rows)
        }

    def most_blocks(self, rows: int) -> int:
        """How many blocks fit beside this many rows: a power of 2."""
        width, registers = len(self.slots.places), self.target.registers
        vectors = registers // 2 if rows == 1 else (registers - 1) // (rows + 1)
        blocks = 1
        while 2 * blocks * width <= vectors and blocks < 16:
            blocks *= 2
        return blocks

    def _write(self, module: Module, rows: int, blocks: int) -> Function:
        """One tile.

        ``a`` is the first row to multiply, ``starts`` the addresses of the rows' starts, ``out`` the first row that is
        written; all but ``a`` stand at the first block.
        """
        f = Function(
            module,
            f"{self.name}_{rows}x{blocks}",
            [
                ("ptr", "a"),
                ("i64", "a_row"),
                ("i64", "a_block"),
                ("i64", "K"),
                ("ptr", "w"),
                ("i64", "w_block"),
                ("ptr", "following"),
                ("ptr", "starts"),
                ("i64", "start_block"),
                ("ptr", "bias"),
                ("ptr", "out"),
                ("i64", "out_row"),
                ("i64", "out_block"),
            ],
            internal=True,
            inline=False,
        )
        a, a_row, a_block, K, w, w_block, following, starts, start_block, bias, out, out_row, out_block = f.arguments
        v = Vectors(f, self.target)
        L, width = v.lanes, len(self.slots.places)
        biases = 1 + max((start.slot for start in self.slots.starts if start.of == "bias"), default=0)
        sums = []
        for row in range(rows):
            start_row = (starts.to("ptr") + row).pointer()
            for block in range(blocks):
                for start in self.slots.starts:
                    if start.of == "row":
                        place = start_row + (start_block * block + start.slot * L)
                    else:
                        place = bias + (block * biases + start.slot) * L
                    sums.append(f.variable(v.load(place)))

        def multiply(k_of_weights: Value, places: list[Pointer]) -> None:
            """Adds the products of one k."""
            weights = [
                v.load(w + (k_of_weights * (width * L) + w_block * block + slot * L))
                for block in range(blocks)
                for slot in range(width)
            ]
            if rows > 1:  # a single row waits for nothing but loads, and these would be more of them
                for block in range(blocks):
                    for slot in range(width):
                        ahead = (k_of_weights + AHEAD) * (width * L) + w_block * block + slot * L
                        (w + ahead).prefetch()
                for line in range(LINES_A_STEP):
                    (following + (k_of_weights * LINES_A_STEP + line) * L).prefetch(near=False)
            for row in range(rows):
                x = v.splat(places[row].load())
                for column, weight in enumerate(weights):
                    total = sums[row * len(weights) + column]
                    total.set(v.fma(x, weight, total.get()))

        lines = [a + a_row * row for row in range(rows)]
        if self.slots.read is None:
            with f.loop(0, K) as k:
                multiply(k, [line + k for line in lines])
        else:
            read = self.slots.read
            with f.loop(0, K) as block_read, f.loop(0, L) as lane:
                k = (block_read * L + lane) * len(read)
                for number, slot in enumerate(read):
                    multiply(k + number, [line + (block_read * a_block + (lane + slot * L)) for line in lines])
        for row in range(rows):
            for block in range(blocks):
                for slot, place in enumerate(self.slots.places):
                    value = sums[(row * blocks + block) * width + slot].get()
                    (out + (out_row * row + out_block * block + place * L)).store(value)
        f.give()
        return f

    def over(
        self,
        kernel: Kernel,
        rows: Value,
        blocks: Value,
        call: Callable[[Callable[..., None], Value, Value, Value, int, Value], None],
    ) -> None:
        """Goes through ``rows`` and ``blocks`` tile by tile, the rows in groups of nearly equal size.

        ``call(tile, row, count, block, width, group)`` is asked to run ``tile(*arguments)`` for ``count`` rows from
        ``row`` on, which are group number ``group``, and ``width`` blocks from ``block`` on.
        """
        f = kernel
        groups = (rows + (self.rows - 1)) // self.rows
        largest = (rows + (groups - 1)) // f.select(groups > 0, groups, 1)
        done = f.variable(0)
        for width in (16, 8, 4, 2, 1):
            fitting = [count for count in range(1, self.rows + 1) if width <= self.most_blocks(count)]
            if not fitting:
                continue
            allowed = largest <= max(fitting)
            stop = f.select(allowed, blocks - (width - 1), 0)
            with f.loop(done.get(), stop, width) as block:
                with f.loop(0, groups) as group:
                    row = rows * group // groups
                    count = rows * (group + 1) // groups - row

                    def tile(
                        *arguments: Value, count: Value = count, width: int = width, fitting: list[int] = fitting
                    ) -> None:
                        def run(rows: int) -> None:
                            f.call(self.functions[rows, width], *arguments)

                        f.switch(count, fitting, run)

                    call(tile, row, count, block, width, group)
                done.set(block + width)

    def following(
        self, k: Kernel, w: Pointer, w_block: Value, block: Value, width: int, end: Value, first: Value, group: Value
    ) -> Pointer:
        """Which weights to ask for meanwhile: for each of the first groups of rows a part of those behind this block.

        Behind the last block comes the first. Weights of many k would drive others out of the second-level cache.
        """
        columns = width * len(self.slots.places)
        behind = k.select(block + width < end, block + width, first)
        part = w + (behind * w_block + group * LINES_A_STEP * (w_block // len(self.slots.places)))
        asks = (group * LINES_A_STEP < columns) & (w_block * width <= FLOATS_ASKED_FOR)
        return k.select_pointer(asks, part, w + block * w_block)


def best_shape(registers: int, width: int) -> tuple[int, int]:
    """Rows and blocks of the tile that multiplies most for what it loads, where a block is ``width`` vectors."""
    shapes = [
        (rows * blocks * width / (rows + blocks * width), rows, blocks)
        for rows in range(1, MOST_ROWS + 1)
        for blocks in (1, 2, 4)
        if blocks * width * (rows + 1) + 1 <= registers
    ]
    _, rows, blocks = max(shapes, default=(0.0, 1, 1))
    return rows, blocks
