"""A process that measures: one peer with one number of threads. It answers requests, one line of JSON each.

    check    job, to     writes what each entry finds to an .npz file: which entries there are
    prepare  job         makes the entries ready: seconds a unit, roughly, of each
    turn     entry, seconds     times one entry: seconds a unit
    first    job         makes the first step of a training in this process: seconds
    limits   threads     what the machine can do

An answer with ``error`` says what went wrong. It comes when the threads of the process have fallen asleep.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import numpy as np

from throughtime.benchmark import limits, peers
from throughtime.benchmark.jobs import Job
from throughtime.benchmark.peers.entry import Entry

SHORT = 0.05
"""A run that is shorter is done once more before it is timed: other processes have used the caches since."""
LOOK = 0.005
MOST_LOOKS = 100
"""How often, and how many seconds apart, it is looked whether threads have fallen asleep."""


class Worker:
    """The entries of one peer.

    Parameters
    ----------
    peer : str
    threads : int
    """

    def __init__(self, peer: str, threads: int) -> None:
        self.peer = peers.get(peer)
        self.threads = threads
        self.entries: dict[str, Entry] = {}
        self.a_run: dict[str, float] = {}
        """Seconds that a run of each entry took when it was last timed."""

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Does what is asked."""
        what = request.pop("do")
        if "job" in request:
            request["job"] = Job(**request["job"])
        found: dict[str, Any] = getattr(self, what)(**request)
        return found

    def check(self, job: Job, to: str) -> dict[str, Any]:
        entries = self.peer.entries(job, self.threads)
        found: dict[str, Any] = {
            f"{entry}|{name}": value for entry, it in entries.items() for name, value in it.check().items()
        }
        np.savez(to, **found)
        return {"entries": list(entries)}

    def prepare(self, job: Job) -> dict[str, Any]:
        self.entries = {}  # their memory is given back first
        self.entries = dict(self.peer.entries(job, self.threads))
        seconds = {}
        for name, entry in self.entries.items():
            entry.begin()
            entry.run()
            seconds[name], self.a_run[name] = _timed(entry, 1)
            if self.a_run[name] < SHORT:  # so short that a moment's disturbance would count
                seconds[name], self.a_run[name] = min(_timed(entry, 1) for _ in range(3))
        return {"seconds": seconds}

    def turn(self, entry: str, seconds: float) -> dict[str, Any]:
        it = self.entries[entry]
        it.begin()
        if self.a_run[entry] < SHORT:
            it.run()
        a_unit, self.a_run[entry] = _timed(it, max(1, round(seconds / self.a_run[entry])))
        return {"seconds": a_unit}

    def first(self, job: Job) -> dict[str, Any]:
        began = time.perf_counter()
        (entry,) = self.peer.entries(job, self.threads).values()
        entry.run()
        return {"seconds": time.perf_counter() - began}

    def limits(self, threads: int) -> dict[str, Any]:
        return dict(limits.measure(threads))


def _timed(entry: Entry, runs: int) -> tuple[float, float]:
    """Seconds a unit, and seconds a run."""
    done = 0
    began = time.perf_counter()
    for _ in range(runs):
        done += entry.run()
    seconds = time.perf_counter() - began
    return seconds / done, seconds / runs


def rest() -> None:
    """Waits until no thread of this process works: those of OpenBLAS and OpenMP look out for more for a while."""
    for _ in range(MOST_LOOKS):
        before = time.process_time()
        time.sleep(LOOK)
        if time.process_time() - before < LOOK / 4:
            return


@contextmanager
def _channel() -> Iterator[TextIO]:
    """Standard output for answers alone: whatever else writes there goes to standard error."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as channel:
        os.dup2(2, 1)
        yield channel


def main(peer: str, threads: int) -> None:
    """Answers until there are no more requests."""
    with _channel() as channel:
        worker = Worker(peer, threads)
        for line in sys.stdin:
            try:
                answer = worker.answer(json.loads(line))
            except Exception as error:  # whatever a peer raises is the parent's to tell
                answer = {"error": f"{type(error).__name__}: {error}"}
            rest()
            channel.write(json.dumps(answer) + "\n")
            channel.flush()


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]))
    except KeyboardInterrupt:
        sys.exit(130)
