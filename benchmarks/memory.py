"""What a training takes of memory, beside what was reckoned for it, and what segments of time save and cost.

Each training runs in a process of its own, in which the same network has learned from a short batch before, so that
libraries and compiled code are there; the figure is how much larger the resident size became (Linux). 66 steps, so that
there are two snapshots to go back to. LSTM, Adam, one thread.

    python benchmarks/memory.py   # adds a record to benchmarks/results/memory.jsonl; takes some minutes
"""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from throughtime import Network, set_num_threads
from throughtime.benchmark import record
from throughtime.benchmark.record import FORMAT, append, checkout, cpu, versions
from throughtime.layers import Dense, Embedding, Layer, Pool, recurrent_stack
from throughtime.losses import Loss, Pinball, SoftmaxCrossEntropy
from throughtime.network import Batch
from throughtime.optimizers import Optimizer, schedules
from throughtime.training import Drawn, History, Outline, Plan, Size, Training

RESULTS = Path(__file__).parent / "results" / "memory.jsonl"
STEPS = 66
LONG, CUT = 20_000, 142

CASES: dict[str, tuple[int, int, int]] = {  # T, N, steps
    "text, H 256": (64, 16, STEPS),
    "text, H 512": (32, 8, STEPS),
    "words, K 8,000": (32, 8, STEPS),
    "tags, both directions": (128, 16, STEPS),
    "forecast, three layers": (128, 16, STEPS),
    "classes of long rows": (LONG, 8, 3),
}
ENGINES = ("compiled", "numpy")
AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""Memory that is given back is not resident any more."""


def layers_of(case: str) -> tuple[list[Layer], Loss]:
    if case.startswith("text"):
        H = int(case.split()[-1])
        return [Embedding(90, 128), *recurrent_stack("lstm", 128, H, dropout=0.3), Dense(H, 90)], SoftmaxCrossEntropy()
    if case.startswith("words"):
        layers = [Embedding(8000, 128), *recurrent_stack("lstm", 128, 256, dropout=0.3), Dense(256, 8000)]
        return layers, SoftmaxCrossEntropy()
    if case.startswith("tags"):
        stack = recurrent_stack("lstm", 64, 64, num_layers=2, bidirectional=True, residual=True, dropout=0.2)
        return [Embedding(5000, 64), *stack, Dense(128, 9)], SoftmaxCrossEntropy()
    if case.startswith("forecast"):
        stack = recurrent_stack("lstm", 8, 64, num_layers=3, residual=True)
        return [*stack, Dense(64, 72)], Pinball([0.1, 0.5, 0.9])
    return [*recurrent_stack("lstm", 3, 64, dropout=0.2), Pool("last"), Dense(64, 5)], SoftmaxCrossEntropy()


def batch_of(network: Network, T: int, N: int, rng: np.random.Generator) -> Batch:
    D, K = network.body.input_size or 1, network.body.output_size or 1
    x = rng.integers(D, size=(T, N)) if network.body.takes_ids else rng.standard_normal((T, N, D), np.float32)
    steps = 1 if network.body.pools else T
    if isinstance(network.objective, SoftmaxCrossEntropy):
        return Batch(x, rng.integers(K, size=(steps, N)))
    return Batch(x, rng.standard_normal((steps, N, K), np.float32), np.ones((steps, N, K), np.float32))


def train(network: Network, T: int, N: int, steps: int, segments: int | None) -> float:
    """Seconds of the processor for a step, which other processes hardly change."""
    plan = Plan(steps, 1e-3, schedules.get("constant"), seed=0, segments=segments)
    run = Training(network, Optimizer("adam"), plan, History(None))
    began = time.process_time()
    run.run(Drawn(N, lambda rng: batch_of(network, T, N, rng)))
    return (time.process_time() - began) / steps


def resident(which: str) -> int:
    """``VmRSS``, what is resident now, or ``VmHWM``, the most that was."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(which))


def measure(case: str, engine: str, segments: int | None) -> dict[str, Any]:
    """One training, in this process."""
    T, N, steps = CASES[case]
    layers, loss = layers_of(case)
    train(Network(layers, loss, engine=engine, random_state=0), 8, 2, 2, segments and 2)
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the most is what there is now
    before = resident("VmRSS")
    network = Network(layers, loss, engine=engine, random_state=0)
    seconds = train(network, T, N, steps, segments)
    outline = Outline(layers, loss, network.engine, Size(T, N), None, slots=2, keeps_best=False, averages=False)
    return {
        "case": case,
        "engine": engine,
        "segments": segments,
        "reckoned": outline.need(segments).total,
        "measured": resident("VmHWM") - before,
        "cpu_seconds_per_step": round(seconds, 4),
    }


def main() -> None:
    set_num_threads(1)
    if len(sys.argv) > 1:
        print(json.dumps(measure(*json.loads(sys.argv[1]))))
        return
    results = []
    for case, (T, _, _) in CASES.items():
        for engine in ENGINES:
            for segments in (None, CUT) if T == LONG else (None,):
                command = [sys.executable, __file__, json.dumps([case, engine, segments])]
                done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | AT_ONCE)
                found = json.loads(done.stdout.splitlines()[-1])
                results.append(found)
                ratio = found["reckoned"] / found["measured"]
                print(f"{case:24}{engine:10}{segments or '':>5}", end="")
                print(f"{found['reckoned'] / 2**20:10,.0f} {found['measured'] / 2**20:10,.0f} MiB {ratio:6.2f}", end="")
                print(f"{found['cpu_seconds_per_step']:10.3f} s", flush=True)
    commit, changed = checkout(Path(record.__file__).parent)
    today = datetime.date.today().isoformat()
    where = {"date": today, "commit": commit, "changed": changed, "cpu": cpu(), "versions": versions()}
    append(RESULTS, {"format": FORMAT} | where | {"rows": results})


if __name__ == "__main__":
    main()
