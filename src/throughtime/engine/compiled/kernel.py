"""A kernel: a compiled function that does one kind of work on any number of threads.

All kernels have one signature: the address of their arguments, the number of this thread, and how many there are. The
arguments lie in memory as 8-byte fields, so that a list of kernels with their arguments is a program that a thread can
run without coming back to Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from throughtime.engine.compiled.llvm import Function, Module, Value
from throughtime.engine.compiled.target import Target
from throughtime.engine.compiled.vectors import Vectors


@dataclass(frozen=True)
class Field:
    """One argument: ``kind`` is ``i64``, ``double``, or the element type of an address followed by ``*``."""

    name: str
    kind: str


def fields(text: str) -> tuple[Field, ...]:
    """Reads ``"rows K *a i64*ids double:scale"``: integers, addresses of floats or of others, and numbers."""
    found = []
    for word in text.split():
        if word.startswith("double:"):
            found.append(Field(word[7:], "double"))
        elif "*" in word:
            element, _, name = word.partition("*")
            found.append(Field(name, f"{element or 'float'}*"))
        else:
            found.append(Field(word, "i64"))
    return tuple(found)


class Kernel(Function):
    """Writes a kernel down; its arguments are read at the start and found in ``self.at``.

    Parameters
    ----------
    module, target
    name : str
    arguments : str
        As :func:`fields` reads them.
    """

    def __init__(self, module: Module, target: Target, name: str, arguments: str) -> None:
        super().__init__(module, name, [("ptr", "arguments"), ("i64", "thread"), ("i64", "threads")])
        base, self.thread, self.threads = self.arguments
        self.v = Vectors(self, target)
        self.fields = fields(arguments)
        self.at: dict[str, Any] = {}
        for number, field in enumerate(self.fields):
            place = base.to("i64") + number
            if field.kind.endswith("*"):
                self.at[field.name] = place.pointer(field.kind[:-1])
            else:
                self.at[field.name] = place.load(field.kind)

    def __getitem__(self, names: str) -> Any:
        """``kernel["K"]``, or several at once: ``kernel["rows K a"]``."""
        found = [self.at[name] for name in names.split()]
        return found[0] if len(found) == 1 else found

    def share(self, count: Value) -> tuple[Value, Value]:
        """The part of ``range(count)`` that is this thread's."""
        return count * self.thread // self.threads, count * (self.thread + 1) // self.threads

    def share_rows_or_blocks(self, rows: Value, blocks: Value, may: Value | bool = True) -> tuple[Value, ...]:
        """Rows from, rows to, blocks from, blocks to.

        A thread has some of the rows or, if they are too few and it ``may``, some of the blocks.
        """
        few = (rows < self.threads) & may
        rows_from, rows_to = self.share(rows)
        blocks_from, blocks_to = self.share(blocks)
        return (
            self.select(few, 0, rows_from),
            self.select(few, rows, rows_to),
            self.select(few, blocks_from, 0),
            self.select(few, blocks_to, blocks),
        )


def signature(functions: Sequence[Function]) -> dict[str, tuple[Field, ...]]:
    """The arguments of each kernel among the functions."""
    return {function.name: function.fields for function in functions if isinstance(function, Kernel)}
