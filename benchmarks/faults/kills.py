"""Trainings that are killed at random moments, again and again, and gone on with: their final files must be equal.

For each kind of model one training runs without a break. Then as many as are asked for are ended by SIGKILL up to four
times each, at random moments; about every second one saves after each step, so that some kills meet it saving.
`throughtime resume` goes on with each until it is done.

    python benchmarks/faults/kills.py   # adds a record to benchmarks/results/faults.jsonl; takes ten minutes
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from told import RESULTS, add

from throughtime import load
from throughtime.errors import ModelFileError

PROGRAM = (sys.executable, "-m", "throughtime")
MODEL = "killed.safetensors"
TEXT = "to be or not to be, that is the question: whether it is nobler in the mind to suffer. " * 40
SERIES = "\n".join(["visits", *(f"{20 + step % 7 + 0.1 * (step * step % 11)}" for step in range(300))])
TRAININGS = {
    "TextGenerator": ("train", "text.txt", "--hidden-size", "64", "--seq-len", "32", "--averaging", "0.3"),
    "Forecaster": ("forecast", "series.csv", "--horizon", "7", "--hidden-size", "32", "--early-stopping"),
}


@dataclass
class Outcome:
    """What came of the trainings of one kind of model."""

    model: str
    runs: int = 0
    equal: int = 0
    kills: int = 0
    while_saving: int = 0
    """Kills that left a half written file."""
    lost: int = 0
    """Kills after which the model file was damaged, or left behind more than what the next training clears away."""
    kills_per_run: Counter[int] = field(default_factory=Counter)


def run(folder: Path, *arguments: str) -> float:
    """The seconds that a command takes that must come to a good end."""
    began = time.perf_counter()
    done = subprocess.run([*PROGRAM, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}: {done.stderr}")
    return time.perf_counter() - began


def killed(folder: Path, arguments: tuple[str, ...], seconds: float) -> bool:
    """Whether a command was killed after so many seconds; else it had come to its end."""
    child = subprocess.Popen(
        [*PROGRAM, *arguments], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        _, said = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return True
    if child.returncode:
        raise SystemExit(f"{' '.join(arguments)}: {said}")
    return False


def look(folder: Path, outcome: Outcome) -> None:
    """Counts what a kill left."""
    left = {path.name for path in folder.iterdir()} - {"text.txt", "series.csv"}
    half = {name for name in left if re.fullmatch(rf"\.{re.escape(MODEL)}\.\d+\.part", name)}
    outcome.while_saving += bool(half)
    outcome.lost += not is_whole(folder / MODEL) or bool(left - half - {MODEL, f".{MODEL}.lock"})


def is_whole(path: Path) -> bool:
    """Whether a model can be loaded, or there is none yet."""
    try:
        return not path.exists() or load(path) is not None
    except ModelFileError:
        return False


def train(folder: Path, command: tuple[str, ...], most_kills: int, longest: float, draws: random.Random) -> Outcome:
    """One training that is killed up to so often, and at last left alone."""
    outcome, every = Outcome("", runs=1), draws.choice(["1", "25"])
    for _ in range(draws.randint(1, most_kills)):
        begun = (folder / MODEL).exists()
        if begun and not is_unfinished(folder):
            break
        arguments = ("resume", MODEL) if begun else (*command, "-o", MODEL)
        if not killed(folder, (*arguments, "--checkpoint-every", every, "-q"), draws.uniform(0.2, longest)):
            break
        outcome.kills += 1
        look(folder, outcome)
    if not (folder / MODEL).exists():
        run(folder, *command, "-o", MODEL, "-q")
    elif is_unfinished(folder):
        run(folder, "resume", MODEL, "-q")
    outcome.kills_per_run[outcome.kills] += 1
    return outcome


def is_unfinished(folder: Path) -> bool:
    """Whether the training in the file is to be gone on with: it still names its data."""
    return "data" in load(folder / MODEL).notes_


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=50, help="of each kind of model")
    parser.add_argument("--kills", type=int, default=4, help="the most of one run")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--models", nargs="+", choices=TRAININGS, default=list(TRAININGS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--to", type=Path, default=RESULTS, help="where the record goes")
    options = parser.parse_args()
    draws = random.Random(options.seed)
    outcomes = []
    for name in options.models:
        with tempfile.TemporaryDirectory() as parent:
            first = folder_of(parent, "whole")
            command = (*TRAININGS[name], "--max-steps", str(options.steps), "--seed", "1")
            run(first, *command, "-o", MODEL, "-q")  # compiles
            seconds = run(first, *command, "-o", MODEL, "-q")
            expected = (first / MODEL).read_bytes()
            total = Outcome(name)
            for number in range(options.runs):
                folder = folder_of(parent, str(number))
                found = train(folder, command, options.kills, 1.2 * seconds, draws)
                total.runs += 1
                total.kills += found.kills
                total.while_saving += found.while_saving
                total.lost += found.lost
                total.kills_per_run += found.kills_per_run
                left = {path.name for path in folder.iterdir()} - {"text.txt", "series.csv", MODEL}
                clean = left <= {
                    f".{MODEL}.lock"
                }  # which stays where the kill came between the last saving and the end
                total.equal += clean and (folder / MODEL).read_bytes() == expected
            outcomes.append(total)
            print(
                f"{name}: {total.equal} of {total.runs} final files equal to that of the training without a break; "
                f"{total.kills} kills, {total.while_saving} of them in the midst of saving, {total.lost} files lost",
                flush=True,
            )
    rows = [{**vars(one), "kills_per_run": dict(sorted(one.kills_per_run.items()))} for one in outcomes]
    settings = {"steps": options.steps, "most_kills": options.kills, "seed": options.seed}
    add(options.to, "kills", settings, rows)
    if any(one.equal < one.runs or one.lost for one in outcomes):
        raise SystemExit("not all are equal")


def folder_of(parent: str, name: str) -> Path:
    """A new folder with the data."""
    folder = Path(parent, name)
    folder.mkdir()
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "series.csv").write_text(SERIES, encoding="utf-8")
    return folder


if __name__ == "__main__":
    main()
