"""A process that measures: one peer with one number of threads. It answers requests, one line of JSON each.

    check    job, to     writes what each entry finds to an .npz file: which entries there are
    prepare  job         makes the entries ready: seconds a unit, roughly, of each
    turn     entry, seconds     times one entry: seconds a unit
    first    job         makes the first step of a training in this process: seconds
    limits   threads     what the machine can do

An answer with ``error`` says what went wrong.
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
        self.seconds: dict[str, float] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Does what is asked."""
        what = request.pop("do")
        if "job" in request:
            request["job"] = Job(**request["job"])
        found: dict[str, Any] = getattr(self, what)(**request)
        return found

    def check(self, job: Job, to: str) -> dict[str, Any]:
        entries = self.peer.entries(job, self.threads)
        found = {f"{entry}|{name}": value for entry, it in entries.items() for name, value in it.check().items()}
        np.savez(to, allow_pickle=False, **found)
        return {"entries": list(entries)}

    def prepare(self, job: Job) -> dict[str, Any]:
        self.entries = {}  # their memory is given back first
        self.entries = dict(self.peer.entries(job, self.threads))
        for name, entry in self.entries.items():
            entry.begin()
            entry.run()
            began = time.perf_counter()
            done = entry.count
            entry.run()
            self.seconds[name] = (time.perf_counter() - began) / done
        return {"seconds": {name: self.seconds[name] for name in self.entries}}

    def turn(self, entry: str, seconds: float) -> dict[str, Any]:
        it = self.entries[entry]
        it.begin()
        one = self.seconds[entry] * it.count
        if one < SHORT:
            it.run()
        runs = max(1, round(seconds / one))
        began = time.perf_counter()
        for _ in range(runs):
            it.run()
        self.seconds[entry] = (time.perf_counter() - began) / (runs * it.count)
        return {"seconds": self.seconds[entry]}

    def first(self, job: Job) -> dict[str, Any]:
        began = time.perf_counter()
        (entry,) = self.peer.entries(job, self.threads).values()
        entry.run()
        return {"seconds": time.perf_counter() - began}

    def limits(self, threads: int) -> dict[str, Any]:
        return dict(limits.measure(threads))


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
            channel.write(json.dumps(answer) + "\n")
            channel.flush()


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]))
    except KeyboardInterrupt:
        sys.exit(130)
