"""How time grows with the size, what a busy neighbour costs, and how much memory a training step takes.

The job is a training step on text (token ids, embedding, one recurrent layer, 65 symbols, Adam). Time should grow at
most linearly with the steps T and the sequences N, and with the square of the hidden size H; a step beside a process
that keeps one core busy should not wait for that core. Memory is what a process holds more after some steps than
before the first, at its peak, with PyTorch beside it where that is installed; weights and data are there before.

    python benchmarks/scaling.py   # adds a record to benchmarks/results/scaling.jsonl
"""

from __future__ import annotations

import argparse
import datetime
import json
import multiprocessing
import subprocess
import sys
import time
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from throughtime.benchmark import Job, peers, record
from throughtime.benchmark.processes import Process, environment
from throughtime.benchmark.record import append, checkout, cpu, rounded, versions
from throughtime.benchmark.rounds import alternate
from throughtime.engine.compiled.threads import available

MIDDLE = Job("text", "lstm", 256, 32, 64)
LADDERS = {
    "T": [replace(MIDDLE, T=T) for T in (16, 32, 64, 128, 256, 512)],
    "N": [replace(MIDDLE, N=N) for N in (8, 16, 32, 64, 128, 256)],
    "H": [replace(MIDDLE, H=H) for H in (64, 128, 256, 512, 1024)],
}
POWER = {"T": 1, "N": 1, "H": 2}
LARGE = Job("text", "lstm", 512, 128, 64)
STEPS = 3
RESULTS = Path(__file__).parent / "results" / "scaling.jsonl"


def timed(jobs: list[Job], rounds: int) -> list[float]:
    """Milliseconds a step, the median of alternating rounds."""
    with Process(peers.US, available()) as process:

        def turn(job: Job) -> float:
            process.ask("prepare", job=asdict(job))
            return float(process.ask("turn", entry="", seconds=0.5)["seconds"])

        found = alternate({job: (lambda job=job: turn(job)) for job in jobs}, rounds)
    return [1e3 * median(figures) for figures in found.values()]


def growth(cell: str, rounds: int) -> dict[str, Any]:
    """Times along each ladder, and what each doubling costs over what it should."""
    found = {}
    for name, ladder in LADDERS.items():
        times = timed([replace(job, cell=cell) for job in ladder], rounds)
        over = [b / a / 2 ** POWER[name] for a, b in pairwise(times)]
        found[name] = {
            "sizes": [getattr(job, name) for job in ladder],
            "milliseconds": [*map(rounded, times)],
            "over": [round(o, 3) for o in over],
        }
        costs = " ".join(f"{o:.2f}" for o in over)
        print(f"{cell}, {name} doubled from {getattr(ladder[0], name)} on: {costs} of what is expected", flush=True)
    return found


def _spin() -> None:
    while True:
        pass


def beside_a_busy_core(job: Job, rounds: int) -> dict[str, Any]:
    """A step alone, and beside a process that never rests."""
    (alone,) = timed([job], rounds)
    neighbour = multiprocessing.Process(target=_spin, daemon=True)
    neighbour.start()
    try:
        time.sleep(0.5)
        (beside,) = timed([job], rounds)
    finally:
        neighbour.kill()
        neighbour.join()
    print(f"{job.name}: alone {alone:.3g} ms, beside a busy core {beside:.3g} ms, {beside / alone:.2f} times as long")
    return {"job": job.name, "alone": rounded(alone), "beside": rounded(beside)}


def memory_of(peer: str) -> float:
    """MB that a fresh process holds more at its peak after some steps than before the first."""
    command = [sys.executable, __file__, "--memory-of", peer]
    done = subprocess.run(command, env=environment(available()), capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout))


def _print_memory(peer: str) -> None:
    small = replace(LARGE, H=16, N=2, T=4)
    for entry in peers.get(peer).entries(small, available()).values():  # libraries and compiled code are loaded
        entry.begin()
        entry.run()
    entry = next(iter(peers.get(peer).entries(LARGE, available()).values()))
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak begins anew
    before = _memory("VmRSS")
    entry.begin()
    for _ in range(STEPS):
        entry.run()
    print(json.dumps(round(_memory("VmHWM") - before, 1)))


def _memory(what: str) -> float:
    """MB, from Linux."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(what))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        _print_memory(options.memory_of)
        return
    grown = {cell: growth(cell, options.rounds) for cell in ("elman", "gru", "lstm")}
    steps = [Job("step", "lstm", H) for H in (128, 256, 512)]
    busy = [
        beside_a_busy_core(job, options.rounds) for job in (Job("text", "lstm", 128, 16, 50), MIDDLE, LARGE, *steps)
    ]
    memory = {peer: memory_of(peer) for peer in (peers.US, "PyTorch") if not peers.missing(peer)}
    print("memory of a step:", ", ".join(f"{peer} {megabytes:g} MB" for peer, megabytes in memory.items()))
    commit, changed = checkout(Path(record.__file__).parent)
    where = {"date": datetime.date.today().isoformat(), "commit": commit, "changed": changed, "cpu": cpu()}
    what = {"growth": grown, "busy": busy, "memory_MB": {"job": LARGE.name, **memory}}
    append(RESULTS, where | {"versions": versions(), "threads": available()} | what)


if __name__ == "__main__":
    main()
