"""The threads that kernels run on: how many, and a pool of them that sleeps between jobs.

The calling thread always takes part, so that one thread needs no pool. Where the pool is taken by another thread of the
program, work is done alone: results do not depend on the number of threads. A forked child makes a pool of its own.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import threading

import numpy as np

from throughtime.engine.compiled import library
from throughtime.engine.compiled.kernels.runtime import POOL_SIZE
from throughtime.errors import ParameterError

SMALL_WORK = 8_000_000
"""With fewer multiplications a second thread gains little, and costs much where another process holds its core."""

_chosen: int | None = None
_pool: Pool | None = None
_taken = threading.Lock()


def available() -> int:
    """The CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_num_threads(threads: int | None) -> None:
    """Sets how many threads the compiled engine may use; None: the default.

    The default is ``THROUGHTIME_NUM_THREADS``, or the CPUs that this process may use. Results do not depend on it.

    Raises
    ------
    ParameterError
        If it is not an integer of at least 1.
    """
    global _chosen
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise ParameterError(f"the number of threads must be an integer of at least 1, got {threads!r}")
    _chosen = threads


def get_num_threads() -> int:
    """How many threads the compiled engine may use.

    Raises
    ------
    ParameterError
        If ``THROUGHTIME_NUM_THREADS`` is not an integer of at least 1.
    """
    if _chosen is not None:
        return _chosen
    stated = os.environ.get("THROUGHTIME_NUM_THREADS")
    if not stated:
        return available()
    if not stated.isascii() or not stated.isdigit() or int(stated) < 1:
        raise ParameterError(f"THROUGHTIME_NUM_THREADS must be an integer of at least 1, got {stated!r}")
    return int(stated)


def number_for(multiplications: int) -> int:
    """How many threads are worth their while for so much work."""
    threads = get_num_threads()
    return threads if multiplications > SMALL_WORK else 1


class Pool:
    """``size`` - 1 threads beside the calling one."""

    def __init__(self, size: int) -> None:
        code = library.common()
        self.size = size
        self.process = os.getpid()
        self._memory = np.zeros(POOL_SIZE + 8, np.int64)
        self._address = -(-self._memory.ctypes.data // 64) * 64
        self._dispatch = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(code.address("dispatch"))
        self._end = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(code.address("end"))
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.address("prepare"))(self._address)
        work = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(code.address("work"))
        keep = (self._memory, code)
        self._threads: list[threading.Thread] = []
        for number in range(1, size):

            def run(number: int = number, address: int = self._address, _: object = keep) -> None:
                work(address, number, 0)

            self._threads.append(threading.Thread(target=run, name=f"throughtime-{number}", daemon=True))
            self._threads[-1].start()

    def dispatch(self, job: int) -> None:
        """Runs the job on the pool and the calling thread; comes back when it is done."""
        self._dispatch(self._address, job)

    def end(self) -> None:
        """Lets the threads go, and waits until they have."""
        if self.process == os.getpid():
            self._end(self._address, 0)
            for thread in self._threads:
                thread.join()


def run(job: int, threads: int) -> bool:
    """Runs the job (an address) if the pool is free; whether it was.

    An interruption between taking and giving back would leave the pool taken for ever; only ``with`` rules that out.
    Where two threads find the pool free at once, the second waits for one job.
    """
    global _pool
    if _taken.locked():
        return False
    with _taken:
        if _pool is None or _pool.process != os.getpid() or _pool.size < threads:
            smaller, _pool = _pool, None  # an interruption here leaves none that has ended
            if smaller is not None:
                smaller.end()
            _pool = Pool(threads)
        _pool.dispatch(job)
    return True


def _after_fork() -> None:
    global _pool, _taken
    _pool = None
    _taken = threading.Lock()


def _at_exit() -> None:
    """No thread may be in compiled code when its memory goes."""
    global _pool
    with _taken:
        if _pool is not None:
            _pool.end()
            _pool = None


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
