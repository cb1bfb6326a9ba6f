"""The processes that measure, seen from the one that asks them: each peer and number of threads has one of its own.

So no thread pool of one disturbs another, and a library that reads the number of threads when it is loaded gets it.
Only one is asked at a time; the others sleep.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from throughtime.benchmark import peers
from throughtime.errors import ThroughtimeError

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "THROUGHTIME_NUM_THREADS")
OTHERS = ("OPENBLAS_", "OMP_", "GOMP_", "KMP_", "MKL_", "ONEDNN_", "DNNL_")
"""What is set under these names is left out: ``OPENBLAS_CORETYPE`` would choose a kernel for another processor."""


def environment(threads: int, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """That of a process which measures with so many threads."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
    return kept | dict.fromkeys(THREADS, str(threads)) | dict(more or {})


class Process:
    """A process that measures; see :mod:`throughtime.benchmark.worker`."""

    def __init__(self, peer: str, threads: int, more: Mapping[str, str] | None = None) -> None:
        self.peer, self.threads = peer, threads
        command = [sys.executable, "-P", "-m", "throughtime.benchmark.worker", peer, str(threads)]
        self._process = subprocess.Popen(
            command,
            env=environment(threads, more),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is for the one that asks, which ends it
        )

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Sends a request and waits for its answer.

        Raises
        ------
        ThroughtimeError
            If the peer fails, or its process ends.
        """
        asked, answers = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answers is not None
        try:
            asked.write(json.dumps({"do": do} | request) + "\n")
            asked.flush()
            line = answers.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise ThroughtimeError(f"the process that measures {self.peer} has ended (code {self._process.wait()})")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ThroughtimeError(f"{self.peer} failed to {do}: {answer['error']}")
        return answer

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Crew:
    """The processes that there are, started when they are first needed; to be used in a ``with`` block."""

    def __init__(self) -> None:
        self._processes: dict[tuple[str, int], Process] = {}

    def get(self, peer: str = peers.US, threads: int = 1) -> Process:
        """The process of a peer with so many threads."""
        if (peer, threads) not in self._processes:
            self._processes[peer, threads] = Process(peer, threads)
        return self._processes[peer, threads]

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in self._processes.values():
            process.close()
