"""Pairs of trainings into the same file, begun at random moments: one is refused, and the other's file is right.

Both run from the command line, both in Python with a ModelCheckpoint, or one of each. Whichever comes first has the
file; the other one says so and what to do, ends with an exit code, and changes nothing. One that begins after the first
has ended trains anew. Of some pairs the first is killed: it is in nobody's way. Besides, processes take the lock of one
file from each other as fast as they can, and no two may have it at once.

    python benchmarks/faults/two_processes.py   # adds a record to benchmarks/results/faults.jsonl; takes two minutes
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from terminal import PROGRAM
from told import RESULTS, add

from throughtime.disk import OutputLock
from throughtime.errors import OutputError

TEXT = "to be or not to be, that is the question: whether it is nobler in the mind to suffer. " * 40
IN_PYTHON = """\
import sys
from pathlib import Path
from throughtime import TextGenerator
from throughtime.errors import ThroughtimeError
from throughtime.training import ModelCheckpoint
given = dict(hidden_size=16, batch_size=4, seq_len=16, max_steps=int(sys.argv[2]), random_state=1, verbose=0)
try:
    TextGenerator(**given, callbacks=[ModelCheckpoint(sys.argv[1], 20)]).fit(Path("text.txt"))
except ThroughtimeError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""
SIDES = ("command line", "Python")
REFUSED = "OutputError: 'm' is being written by another training; wait for its end, or choose another name\n"


@dataclass
class Row:
    """What came of the pairs of two sides."""

    first: str
    second: str
    pairs: int = 0
    refused: int = 0
    """Pairs of which one was refused."""
    apart: int = 0
    """Pairs of which the second began when the first had ended."""
    killed: int = 0
    """Pairs of which the first was killed."""
    faults: list[str] = field(default_factory=list)


def command(side: str, path: str, steps: int) -> list[str]:
    """A training by one of the sides."""
    if side == "Python":
        return [sys.executable, "-c", IN_PYTHON, path, str(steps)]
    options = ["--hidden-size", "16", "--batch-size", "4", "--seq-len", "16", "--max-steps", str(steps), "--seed", "1"]
    return [sys.executable, *PROGRAM, "train", "text.txt", "-o", path, "-q", "--checkpoint-every", "20", *options]


def start(side: str, folder: Path, steps: int) -> subprocess.Popen[str]:
    unread = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen(command(side, "m", steps), cwd=folder, text=True, **unread)


def pair(row: Row, folder: Path, whole: dict[str, bytes], steps: int, moment: float, *, kill: bool) -> None:
    """Two trainings, the second begun so many seconds after the first, which is killed then or not."""
    first = start(row.first, folder, steps)
    time.sleep(moment)
    if kill:
        first.kill()
        row.killed += first.wait() < 0
    second = start(row.second, folder, steps)
    said = [process.communicate()[1] for process in (first, second)]
    codes = [process.returncode for process in (first, second)]
    row.pairs += 1
    left = {path.name for path in folder.iterdir()} - {"text.txt"}
    found = (folder / "m").read_bytes() if "m" in left else b""
    right = [found == whole[side] for side in (row.first, row.second)]
    refused = [code in (1, 2) and message == REFUSED for code, message in zip(codes, said, strict=True)]
    if kill and codes[0] < 0:
        sound = codes[1] == 0 and right[1]
    elif sum(refused) == 1:
        row.refused += 1
        winner = refused.index(False)
        loser = (row.first, row.second)[1 - winner]
        sound = codes[winner] == 0 and right[winner] and codes[1 - winner] == (1 if loser == "Python" else 2)
    else:
        row.apart += 1
        sound = codes == [0, 0] and right[1]
    if not sound or left != {"m"}:
        row.faults.append(f"{moment:.2f} s: codes {codes}, said {said}, left {sorted(left)}, right {right}")
    (folder / "m").unlink(missing_ok=True)


def take(path: str, seconds: float, found: Any) -> None:
    """Takes the lock of a file again and again; tells how often, and how often another one had it too."""
    taken = doubly = 0
    mark, end = f"{path}.mark", time.monotonic() + seconds
    while time.monotonic() < end:
        lock = OutputLock(path)
        try:
            lock.acquire()
        except OutputError:
            continue
        taken += 1
        try:
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
            Path(mark).unlink()
        except OSError:
            doubly += 1
        lock.release()
    found.put((taken, doubly))


def fight(folder: Path, processes: int, seconds: float) -> dict[str, int]:
    """How often processes took one lock from each other, and how often two had it."""
    found = multiprocessing.Queue()
    given = (str(folder / "fought"), seconds, found)
    children = [multiprocessing.Process(target=take, args=given) for _ in range(processes)]
    for child in children:
        child.start()
    taken = [found.get() for _ in children]
    for child in children:
        child.join()
    return {"taken": sum(times for times, _ in taken), "doubly": sum(times for _, times in taken)}


def prepare(folder: Path, steps: int) -> tuple[dict[str, bytes], dict[str, float]]:
    """The data; the file that each side comes to by itself, and the seconds that it takes."""
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    whole: dict[str, bytes] = {}
    seconds: dict[str, float] = {}
    for side in SIDES:
        began = time.perf_counter()
        subprocess.run(command(side, "m", steps), cwd=folder, check=True, stdout=subprocess.DEVNULL)
        seconds[side] = time.perf_counter() - began
        whole[side] = (folder / "m").read_bytes()
        (folder / "m").unlink()
    return whole, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seconds", type=float, default=5.0, help="of the fight for a lock")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--to", type=Path, default=RESULTS, help="where the record goes")
    options = parser.parse_args()
    draws = random.Random(options.seed)
    rows = {(first, second): Row(first, second) for first in SIDES for second in SIDES}
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        whole, seconds = prepare(folder, options.steps)
        for number in range(options.pairs):
            row = list(rows.values())[number % len(rows)]
            kill = number % 5 == 4
            pair(row, folder, whole, options.steps, draws.uniform(0, seconds[row.first]), kill=kill)
        fought = fight(folder, 4, options.seconds)
    tell(list(rows.values()), fought)
    settings = {"steps": options.steps, "seed": options.seed, "lock": fought}
    add(options.to, "two_processes", settings, [asdict(row) for row in rows.values()])
    if fought["doubly"] or any(row.faults for row in rows.values()):
        raise SystemExit("two had one file")


def tell(rows: Sequence[Row], fought: dict[str, int]) -> None:
    for row in rows:
        counts = f"{row.pairs} pairs, {row.refused} refused, {row.apart} apart, {row.killed} killed"
        print(f"{row.first}, then {row.second}: {counts}, {len(row.faults)} faults")
        for fault in row.faults:
            print(f"    {fault}")
    print(f"the lock was taken {fought['taken']:,} times, {fought['doubly']} of them by two at once")


if __name__ == "__main__":
    main()
