"""A list of kernels with their arguments, run without coming back to Python between them."""

from __future__ import annotations

import ctypes
import struct
from functools import lru_cache
from typing import Any

import numpy as np

from throughtime.engine.compiled import library, threads
from throughtime.engine.compiled.kernels.runtime import ENTRY, JOB
from throughtime.engine.compiled.library import Routine
from throughtime.engine.protocol import Array

ALIGNMENT = 64
ELEMENTS = {"float*": np.dtype(np.float32), "double*": np.dtype(np.float64), "i64*": np.dtype(np.int64)}
"""What stands at an address of this kind."""


def room(shape: tuple[int, ...] | int, dtype: Any = np.float32, *, zero: bool = False) -> Array:
    """Memory at the start of a cache line."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    raw = (np.zeros if zero else np.empty)(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    found: Array = raw[start : start + size].view(dtype).reshape(shape)
    return found


def address_of(value: Any) -> int:
    """Where an array's numbers are; 0 for None."""
    return 0 if value is None else int(value.__array_interface__["data"][0])


@lru_cache(maxsize=1)
def _alone() -> Any:
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p)(library.common().address("run_alone"))


class Job:
    """Kernels in order. Arrays that are handed in are kept, and read and written in place.

    ``go`` is the array whose first number ends the repeats of a run when it is 0.
    """

    def __init__(self, go: Array | None = None) -> None:
        self._entries: list[tuple[int, list[int], bool]] = []
        self._waits: list[bool] = []
        self._kept: list[Any] = []
        self._go = np.ones(1, np.int64) if go is None else go
        self._memory: Array | None = None

    def add(self, routine: Routine, *, alone: bool = False, waits: bool = True, **arguments: Any) -> None:
        """One more kernel.

        Parameters
        ----------
        routine : Routine
        alone : the first thread does it, for work that is too small to share
        waits : whether the next kernel needs what this one makes
        arguments : integers, numbers, arrays, or None for no array, by the names of the kernel's fields
        """
        values = []
        for field in routine.fields:
            value = arguments.pop(field.name)
            if field.kind == "double":
                values.append(struct.unpack("<q", struct.pack("<d", value))[0])
            elif field.kind == "i64":
                values.append(int(value))
            else:
                if value is not None and value.dtype != ELEMENTS[field.kind]:
                    raise TypeError(f"{routine.name} takes {ELEMENTS[field.kind]} as {field.name}, got {value.dtype}")
                values.append(address_of(value))
                self._kept.append(value)
        if arguments:
            raise TypeError(f"{routine.name} has no argument {', '.join(arguments)}")
        self._entries.append((routine.address, values, alone))
        self._waits.append(waits)
        self._memory = None

    def extend(self, other: Job) -> None:
        """All kernels of another job."""
        self._entries += other._entries
        self._waits += other._waits
        self._waits[-1] = True
        self._kept += other._kept
        self._memory = None

    def wait(self) -> None:
        """What comes next needs all that was added so far."""
        if self._waits:
            self._waits[-1] = True
            self._memory = None

    def _seal(self) -> Array:
        """Everything in one piece of memory: the job, the list, the arguments."""
        size = len(ENTRY)
        count = len(self._entries)
        head = 8
        first = head + size * count
        memory = room(first + sum(len(values) for _, values, _ in self._entries), np.int64)
        base = address_of(memory)
        place = first
        for number, (kernel, values, alone) in enumerate(self._entries):
            entry = head + size * number
            memory[entry + ENTRY["kernel"]] = kernel
            memory[entry + ENTRY["arguments"]] = base + 8 * place
            memory[entry + ENTRY["alone"]] = alone
            memory[entry + ENTRY["waits"]] = self._waits[number] or number == count - 1
            memory[place : place + len(values)] = values
            place += len(values)
        memory[JOB["list"]] = base + 8 * head
        memory[JOB["count"]] = count
        memory[JOB["go"]] = address_of(self._go)
        self._run_alone = _alone()
        self._address, self._last = base, (0, 0)
        self._memory = memory
        return memory

    def run(self, number: int, repeats: int = 1) -> None:
        """Runs it on ``number`` threads."""
        if not self._entries:
            return
        memory = self._seal() if self._memory is None else self._memory
        if (repeats, number) != self._last:
            memory[JOB["repeats"]], memory[JOB["threads"]] = repeats, number
            self._last = repeats, number
        if number > 1:
            if threads.run(self._address, number):
                return
            memory[JOB["threads"]] = 1
            self._last = repeats, 1
        self._run_alone(self._address)
