"""The kernels that there are, compiled in groups: for every network, a cell, an optimizer's rule, a loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from throughtime.cells import Cell
from throughtime.engine.compiled import cache
from throughtime.engine.compiled.kernel import Field, signature
from throughtime.engine.compiled.kernels import (
    choice,
    dropout,
    gradient,
    learning,
    lookup,
    losses,
    pool,
    product,
    runtime,
    scan,
    steps,
)
from throughtime.engine.compiled.layout import RecordLayout
from throughtime.engine.compiled.llvm import Module
from throughtime.engine.compiled.target import Target, host


@dataclass(frozen=True)
class Routine:
    """A compiled kernel: its name, its address, and what its arguments are."""

    name: str
    address: int
    fields: tuple[Field, ...]


class Library:
    """A group of kernels that are compiled together; ``library["product_1"]``."""

    def __init__(self, what: str, write: Callable[[Module, Target], None]) -> None:
        target = host()
        module = Module(target.attributes)
        write(module, target)
        self.text = module.text
        self._code = cache.load(self.text, what)
        self._fields = signature(module.functions)
        self._routines = {name: Routine(name, self._code.address(name), found) for name, found in self._fields.items()}

    def __getitem__(self, name: str) -> Routine:
        return self._routines[name]

    def address(self, name: str) -> int:
        return self._code.address(name)


@lru_cache(maxsize=1)
def common() -> Library:
    """What every network needs."""

    def write(module: Module, target: Target) -> None:
        runtime.write_runtime(module, target)
        product.write_pack(module, target)
        product.write_pack_back(module, target)
        product.write_product(module, target, 1)
        gradient.write_gradient(module, target, 1)
        lookup.write_pick(module, target)
        lookup.write_unpack(module, target)
        lookup.write_scatter(module, target)
        lookup.write_reverse(module, target)
        lookup.write_columns(module, target)
        lookup.write_clear(module, target)
        losses.write_softmax_cross_entropy(module, target)
        losses.write_sum(module, target)
        learning.write_squares(module, target)
        pool.write_pool(module, target)
        dropout.write_dropout(module, target)
        steps.write_steps(module, target)
        choice.write_choice(module, target)

    return Library("what every network needs", write)


@lru_cache(maxsize=64)
def of_cell(cell: Cell) -> Library:
    """What the cell needs: its scan and the products around it."""
    layout = RecordLayout(cell)

    def write(module: Module, target: Target) -> None:
        product.write_product(module, target, len(cell.gates))
        product.write_product(module, target, 1, layout.gates)
        gradient.write_gradient(module, target, len(cell.gates))
        scan.write_scan(module, target, cell)
        scan.write_scan_back(module, target, cell)

    return Library(f"the cell {cell.name}", write)


@lru_cache(maxsize=64)
def of_rule(rule: Any) -> Library:
    """What the optimizer's rule needs."""
    return Library(f"the optimizer {rule.name}", lambda module, target: learning.write_update(module, target, rule))


@lru_cache(maxsize=64)
def of_loss(element: Any) -> Library:
    """What a loss of each output by itself needs."""
    return Library(
        f"the loss {element.name}", lambda module, target: losses.write_elementwise_loss(module, target, element)
    )
