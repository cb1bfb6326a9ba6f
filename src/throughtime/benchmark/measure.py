"""A whole bench: first whether all compute the same, then this machine's limits, then the times."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from throughtime.benchmark import peers, record
from throughtime.benchmark.correctness import compare, expected
from throughtime.benchmark.jobs import Job
from throughtime.benchmark.processes import Crew, Process
from throughtime.benchmark.rounds import alternate
from throughtime.engine.compiled.threads import available
from throughtime.errors import ParameterError

SECONDS = 0.1
"""How long a turn takes; a step that is longer is done once."""
BUSY = 0.5
"""A load above this is told."""


def measure(
    jobs: Sequence[Job], *, rounds: int = 7, seconds: float = SECONDS, tell: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Checks, then times the jobs on all peers that are installed; one thing at a time.

    Parameters
    ----------
    jobs : what is timed
    rounds : how often each peer has its turn
    seconds : how long a turn takes
    tell : hears what goes on

    Returns
    -------
    dict
        The record: see :mod:`throughtime.benchmark.record`.

    Raises
    ------
    Disagreement
        If a peer computes something else than the NumPy engine. Nothing has been timed then.
    ParameterError
        If there is no round.
    """
    if rounds < 1:
        raise ParameterError(f"rounds must be at least 1, got {rounds}")
    load = record.load_average()
    if load is not None and load > BUSY:
        tell(f"this machine is busy (load {load:.1f}); times will be longer than they need be, and differ more")
    missing = {name: why for name in peers.PEERS if (why := peers.missing(name))}
    for name, why in missing.items():
        if any(peers.get(name).takes(job) for job in jobs):
            tell(f"without {name}: {why}")
    with Crew() as crew:
        tell(f"first whether all compute the same: {len(jobs)} rows")
        for job in jobs:
            check(job, contestants(job, crew))
        tell("then what this machine can do")
        limits = crew.get().ask("limits", threads=available())
        compile_seconds = {cell: first_steps(cell) for cell in dict.fromkeys(job.cell for job in jobs)}
        rows = []
        for number, job in enumerate(jobs, start=1):
            tell(f"{number} of {len(jobs)}: {job.name}")
            rows.append(time_job(job, contestants(job, crew), rounds, seconds))
        again = crew.get().ask("limits", threads=available())  # a busy moment must not make a limit of what it left
        limits = {name: max(limit, again[name]) for name, limit in limits.items()}
    return record.make(rows, limits=limits, compile_seconds=compile_seconds, missing=missing, rounds=rounds, load=load)


def contestants(job: Job, crew: Crew) -> list[Process]:
    """A process for each peer that is installed and has the job, and each number of threads."""
    names = [name for name in peers.PEERS if peers.get(name).takes(job) and not peers.missing(name)]
    return [crew.get(name, threads) for name in names for threads in job.threads(available())]


def check(job: Job, processes: Sequence[Process]) -> None:
    """Raises :class:`Disagreement` if one of them computes something else than the NumPy engine in float64."""
    reference = expected(job)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "found.npz"
        for process in processes:
            entries = process.ask("check", job=asdict(job), to=str(place))["entries"]
            with np.load(place, allow_pickle=False) as found:
                for entry in entries:
                    own = {name.partition("|")[2]: found[name] for name in found if name.partition("|")[0] == entry}
                    threads = f"{process.threads} thread{'s' if process.threads > 1 else ''}"
                    who = f"{process.peer} ({', '.join(filter(None, (entry, threads)))})"
                    compare(who, job.name, own, reference)


def first_steps(cell: str) -> dict[str, float]:
    """Seconds to the first training step of a new process, with no compiled code on disk, and with it."""
    job = asdict(Job("text", cell, 32, 1, 5))
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for name in ("nothing_cached", "cached"):
            with Process(peers.US, available(), {"THROUGHTIME_CACHE_DIR": folder}) as process:
                found[name] = round(process.ask("first", job=job)["seconds"], 3)
    return found


def time_job(job: Job, processes: Sequence[Process], rounds: int, seconds: float) -> dict[str, Any]:
    """A row of the record: the job, and milliseconds a unit of every peer, entry and number of threads."""
    turns = {}
    for process in processes:
        for entry in process.ask("prepare", job=asdict(job))["seconds"]:
            turns[process, entry] = partial(_turn, process, entry, seconds)
    figures = alternate(turns, rounds)
    times = [
        {
            "peer": process.peer,
            "entry": entry,
            "threads": process.threads,
            "milliseconds": [record.rounded(1e3 * figure) for figure in found],
        }
        for (process, entry), found in figures.items()
    ]
    return {
        "name": job.name,
        "job": asdict(job),
        "unit": job.unit,
        "multiplications": job.multiplications,
        "peers": [name for name in peers.PEERS if peers.get(name).takes(job)],
        "times": times,
    }


def _turn(process: Process, entry: str, seconds: float) -> float:
    found: float = process.ask("turn", entry=entry, seconds=seconds)["seconds"]
    return found
