"""What this machine can do at most: multiply and add in registers, and read from memory."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache as once
from functools import partial
from typing import Any

import numpy as np

from throughtime.engine.compiled import cache
from throughtime.engine.compiled.llvm import Function, Module
from throughtime.engine.compiled.target import Target, host
from throughtime.engine.compiled.vectors import Vectors
from throughtime.engine.protocol import Array

REPEATS = 5
"""The best of so many counts: a limit is what can be reached, not what was."""
SECONDS = 0.1
FLOATS = 1 << 26
"""How many float32 are read: 256 MiB, far more than the caches hold."""


def accumulators(target: Target) -> int:
    """How many sums are kept side by side: enough to hide the latency, and few enough to stay in registers."""
    return 24 if target.registers >= 32 else 12


def kernels(target: Target) -> str:
    """The assembly of ``multiply(times, place)`` and ``read(floats, from, place)``.

    ``place`` has room for the accumulators and one vector more.
    """
    module = Module(target.attributes)
    _write_multiply(module, target)
    _write_read(module, target)
    return module.text


def _write_multiply(module: Module, target: Target) -> None:
    f = Function(module, "multiply", [("i64", "times"), ("ptr", "place")])
    v = Vectors(f, target)
    times, place = f.arguments
    places = [place + v.lanes * number for number in range(accumulators(target) + 1)]
    factor = v.load(places.pop())
    sums = [f.variable(v.load(at)) for at in places]
    with f.loop(0, times):
        for total in sums:
            total.set(v.fma(total.get(), factor, factor))
    for total, at in zip(sums, places, strict=True):
        at.store(total.get())
    f.give()


def _write_read(module: Module, target: Target) -> None:
    f = Function(module, "read", [("i64", "floats"), ("ptr", "source"), ("ptr", "place")])
    v = Vectors(f, target)
    floats, source, place = f.arguments
    places = [place + v.lanes * number for number in range(8)]
    sums = [f.variable(v.load(at)) for at in places]
    with f.loop(0, floats, 8 * v.lanes) as i:
        for number, total in enumerate(sums):
            total.set(total.get() + v.load(source + i + v.lanes * number))
    for total, at in zip(sums, places, strict=True):
        at.store(total.get())
    f.give()


@once
def _code() -> cache.Code:
    return cache.load(kernels(host()), "the kernels that measure this machine")


def _kernel(name: str, *arguments: Any) -> Any:
    return ctypes.CFUNCTYPE(None, *arguments)(_code().address(name))


def seconds_of(calls: Sequence[Callable[[], None]]) -> float:
    """How long these calls take side by side, each in a thread: from the first start to the last end."""
    times: list[tuple[float, float]] = []
    ready = threading.Barrier(len(calls))

    def run(call: Callable[[], None]) -> None:
        ready.wait()
        began = time.perf_counter()
        call()
        times.append((began, time.perf_counter()))

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(end for _, end in times) - min(began for began, _ in times)


def fma_rate(threads: int, seconds: float = SECONDS) -> float:
    """Multiplications and additions in float32, in GFLOP/s, of vectors that stay in registers."""
    target = host()
    multiply = _kernel("multiply", ctypes.c_int64, ctypes.c_void_p)
    places = [_room(accumulators(target) + 1) for _ in range(threads)]
    each = 2 * accumulators(target) * target.lanes
    times = 10_000

    def took() -> float:
        return seconds_of([partial(multiply, times, place.ctypes.data) for place in places])

    while took() < seconds / 2:
        times *= 2
    fastest = min(took() for _ in range(REPEATS))
    return threads * times * each / fastest / 1e9


def read_rate(threads: int, floats: int = FLOATS) -> float:
    """What is read from memory, in GB/s, each thread reading a part of its own."""
    read = _kernel("read", ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
    part = floats // threads // (8 * host().lanes) * (8 * host().lanes)
    numbers = np.ones(part * threads, np.float32)
    parts = numbers.reshape(threads, part)
    places = [_room(8) for _ in parts]
    calls = [partial(read, part, row.ctypes.data, at.ctypes.data) for row, at in zip(parts, places, strict=True)]
    return numbers.nbytes / min(seconds_of(calls) for _ in range(REPEATS)) / 1e9


def _room(vectors: int) -> Array:
    return np.full(vectors * host().lanes, 0.5, np.float32)


def measure(threads: int) -> dict[str, float]:
    """GFLOP/s and GB/s of one core and of ``threads``."""
    fma, read = fma_rate(1), read_rate(1)
    return {
        "fma_one_core": fma,
        "fma_all_cores": max(fma, fma_rate(threads)),  # all can do what one can, whoever else keeps them busy
        "read_one_core": read,
        "read_all_cores": max(read, read_rate(threads)),
    }
