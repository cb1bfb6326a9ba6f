"""How much memory labelled sequences take that do not fit into it: rows of numbers, or texts, and their labels.

The numbers are drawn in blocks into a temporary file, mapped into memory as the columns of a large table are; the texts
are words drawn from a few, in cells as a large table has them. Then, in a process of its own, a classifier is fitted
for some steps and scored on all rows; the most memory that this took is said.

Memory is the anonymous part of what is resident (RssAnon in /proc, so this is for Linux), beyond what it was right
after ``import throughtime``. Where the temporary files lie says THROUGHTIME_CACHE_DIR.

    python benchmarks/faults/large_labels.py --kind numbers --rows 1000000 --steps 128
    python benchmarks/faults/large_labels.py --kind texts --rows 2000000 --steps 200
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = """
import sys, time
import numpy as np
import throughtime
from throughtime import SequenceClassifier
from throughtime.tables import Cells, Spill
print("imported", flush=True)
sys.stdin.readline()
kind, rows, steps, max_steps = sys.argv[1], *map(int, sys.argv[2:])
draws, room = np.random.default_rng(1), Spill(most=0)
y = room.empty(rows, np.int64) if kind == "numbers" else Cells(room)
X = room.empty((rows, steps), np.float64) if kind == "numbers" else Cells(room)
words = ["good", "bad", "film", "plot", "the", "a", "of", "actor", "never", "again"]
for start in range(0, rows, 10_000):
    count = min(10_000, rows - start)
    if kind == "numbers":
        some = draws.normal(size=(count, steps))
        X[start : start + count], y[start : start + count] = some, some.sum(axis=1) > 0
    else:
        chosen = draws.integers(0, len(words), (count, -(-steps // 5)))
        X.add([" ".join(words[word] for word in row)[:steps] for row in chosen.tolist()])
        y.add(["good" if good else "bad" for good in ((chosen == 0).sum(axis=1) > (chosen == 1).sum(axis=1)).tolist()])
size = X.nbytes if kind == "numbers" else rows * steps
print(f"{size / 1e9:.1f} GB of {kind}", flush=True)
began = time.perf_counter()
model = SequenceClassifier(hidden_size=8, max_steps=max_steps, validation=0.01, random_state=1).fit(X, y)
print(f"fitted in {time.perf_counter() - began:.0f} s", flush=True)
began = time.perf_counter()
score = model.score(X, y)
print(f"scored {score:.3f} in {time.perf_counter() - began:.0f} s", flush=True)
"""


def anonymous(process: subprocess.Popen[str]) -> float:
    """Megabytes of a process that are in no file."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    found = [line.split()[1] for line in status.splitlines() if line.startswith("RssAnon")]
    return int(found[0]) / 1024 if found else 0.0


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--kind", choices=["numbers", "texts"], default="numbers")
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--steps", type=int, default=128, help="numbers of a row, or characters of a text")
    arguments.add_argument("--max-steps", type=int, default=200, help="steps of the training")
    given = arguments.parse_args()
    sizes = map(str, (given.rows, given.steps, given.max_steps))
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, given.kind, *sizes], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    before, peak = anonymous(process), 0.0
    process.stdin.write("\n")
    process.stdin.flush()
    while process.poll() is None:
        peak = max(peak, anonymous(process) - before)
        time.sleep(0.02)
    print(process.stdout.read(), end="")
    print(f"at most {peak:.0f} MB of memory, {(peak * 2**20) / given.rows:.0f} bytes for each row")
    sys.exit(process.returncode)


if __name__ == "__main__":
    main()
