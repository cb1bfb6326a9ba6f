"""Trainings whose learning rate is far too high: each ends with weights of use, and says what happened.

A text, a forecast and a classifier learn from the command line with plain gradient descent at a learning rate of 50,
Adam at 1,000, and cells of which nothing is bounded. Right is: the exit code is 0, or 1 where it gave up and kept the
last good weights; each blow-up is told and in the history; the weights and all that the model answers are finite.
Their loss is shown beside that of guessing: log K of K answers, and for forecasts the error of the last value.

    python benchmarks/faults/blow_ups.py   # adds a record to benchmarks/results/faults.jsonl; takes two minutes
"""

from __future__ import annotations

import argparse
import math
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from terminal import PROGRAM
from told import RESULTS, add

from throughtime import load

TEXT = "to be or not to be, that is the question: whether it is nobler in the mind to suffer. " * 100
SERIES = [20 + step % 7 + 0.1 * (step * step % 11) for step in range(300)]
WORDS = random.Random(1).choices("abcd", k=6 * 200)
ROWS = ["".join(WORDS[place : place + 6]) for place in range(0, len(WORDS), 6)]
LABELS = ["high" if row.count("a") > row.count("b") else "low" for row in ROWS]

TRAININGS = {
    "text": ("train", "text.txt", "--seq-len", "32"),
    "forecast": ("forecast", "series.csv", "--horizon", "7"),
    "labels": ("classify", "labels.csv", "--label", "kind", "--text", "text"),
}
RATES = {
    "sgd 50": ("--optimizer", "sgd", "--learning-rate", "50"),
    "sgd 50, unclipped": ("--optimizer", "sgd", "--learning-rate", "50", "--clip-norm", "none"),
    "adam 1000": ("--optimizer", "adam", "--learning-rate", "1000"),
    "relu, sgd 50": ("--cell", "elman-relu", "--optimizer", "sgd", "--learning-rate", "50"),
    "relu, sgd 50, unclipped": (
        "--cell", "elman-relu", "--optimizer", "sgd", "--learning-rate", "50", "--clip-norm", "none",
    ),
    "relu, sgd 1e20, unclipped": (
        "--cell", "elman-relu", "--optimizer", "sgd", "--learning-rate", "1e20", "--clip-norm", "none",
    ),
}  # fmt: skip


@dataclass
class Row:
    """What came of a training."""

    learned: str
    rate: str
    code: int = 0
    rollbacks: int = 0
    gave_up: bool = False
    loss: float = math.nan
    """Of the final model, on what it learned from."""
    guessing: float = math.nan
    said: list[str] = field(default_factory=list)
    """What it said of blow-ups."""
    faults: list[str] = field(default_factory=list)

    def look(self, fault: str, right: bool) -> None:
        if not right:
            self.faults.append(fault)


def of_text(model: Any) -> tuple[float, float, Any]:
    """The loss, that of guessing, and what the model answers."""
    written = model.generate(200, random_state=1)
    return (
        model.evaluate(TEXT).loss,
        math.log(len(model.vocabulary_)),
        [len(written), *model.predict_proba("to be")[-1]],
    )


def of_forecast(model: Any) -> tuple[float, float, Any]:
    """The mean absolute error, that of the last value, and the forecast."""
    ahead = model.predict({"visits": SERIES})
    scores = model.evaluate({"visits": SERIES})
    answers = np.concatenate([np.asarray(column, float) for name, column in ahead.items() if name.startswith("visits")])
    return scores.overall("network")["mae"], scores.overall("naive")["mae"], answers


def of_labels(model: Any) -> tuple[float, float, Any]:
    """The loss, that of guessing, and the probabilities."""
    chances = model.predict_proba(ROWS)
    places = [model.classes_.tolist().index(label) for label in LABELS]
    right = chances[np.arange(len(ROWS)), places]
    return float(-np.log(np.maximum(right, 1e-30)).mean()), math.log(2), chances


JUDGES: dict[str, Callable[[Any], tuple[float, float, Any]]] = {
    "text": of_text,
    "forecast": of_forecast,
    "labels": of_labels,
}


def train(folder: Path, learned: str, rate: str, steps: int) -> Row:
    """One training, and what is to be said of it."""
    row = Row(learned, rate)
    options = ("--hidden-size", "32", "--seed", "1", "--max-steps", str(steps), *RATES[rate])
    command = [sys.executable, *PROGRAM, *TRAININGS[learned], "-o", "m", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()
    row.code, row.gave_up = done.returncode, "NonFiniteLoss: " in done.stderr
    back = [line for line in lines if re.search(r": back to step [\d,]+, with the learning rate halved from ", line)]
    last = [line for line in lines if re.match(r"the learning rate of|the last good weights|NonFiniteLoss", line)]
    row.said = [*back[-1:], *last]
    model = load(folder / "m")
    row.rollbacks = len(model.history_.rollback_steps)
    row.loss, row.guessing, answers = JUDGES[learned](model)
    row.look("the exit code", row.code == (1 if row.gave_up else 0))
    row.look("not all blow-ups are told", len(back) == row.rollbacks)
    row.look("not told at the end", bool(last) == bool(row.rollbacks or row.gave_up))
    row.look("weights", all(np.isfinite(w).all() for w in model.network_.parameters.values()))
    row.look("answers", bool(np.isfinite(answers).all()) and math.isfinite(row.loss))
    row.look("a warning or a traceback", not re.search("Warning|Traceback|unexpected", done.stderr))
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--learned", nargs="+", choices=TRAININGS, default=list(TRAININGS))
    parser.add_argument("--rates", nargs="+", choices=RATES, default=list(RATES), metavar="RATE")
    parser.add_argument("--to", type=Path, default=RESULTS, help="where the record goes")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        (folder / "text.txt").write_text(TEXT, encoding="utf-8")
        (folder / "series.csv").write_text("\n".join(["visits", *map(str, SERIES)]), encoding="utf-8")
        cells = [f"{row},{label}" for row, label in zip(ROWS, LABELS, strict=True)]
        (folder / "labels.csv").write_text("\n".join(["text,kind", *cells]), encoding="utf-8")
        print(f"{'learned':<10}{'with':<27}{'code':>5}{'blow-ups':>10}{'loss':>10}{'guessing':>10}{'faults':>8}")
        for learned in options.learned:
            for rate in options.rates:
                row = train(folder, learned, rate, options.steps)
                rows.append(row)
                figures = f"{row.code:>5}{row.rollbacks:>10}{row.loss:>10.3f}{row.guessing:>10.3f}{len(row.faults):>8}"
                print(f"{row.learned:<10}{row.rate:<27}{figures}", flush=True)
                for line in (*row.said, *row.faults):
                    print(f"    {line}")
    add(options.to, "blow_ups", {"steps": options.steps}, [asdict(row) for row in rows])
    if any(row.faults for row in rows):
        raise SystemExit("not all ended well")


if __name__ == "__main__":
    main()
