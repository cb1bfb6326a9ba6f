"""How well whole digits are told apart: scikit-learn's 8 x 8 pictures as 8 steps of 8 values, and as 64 steps of 1.

A quarter of the pictures is scored, drawn by scikit-learn with the seed 0, or every third one; the others are learned.
Nothing is set but the seed. A support vector machine, which sees a picture at once, stands beside.

    python benchmarks/sequences.py   # adds a record to benchmarks/results/sequences.jsonl
"""

from __future__ import annotations

import datetime
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from throughtime import SequenceClassifier
from throughtime.benchmark import record
from throughtime.benchmark.record import append, checkout, cpu, versions

RESULTS = Path(__file__).parent / "results" / "sequences.jsonl"


def main() -> None:
    pictures, digits = load_digits(return_X_y=True)
    places = np.arange(len(digits))
    splits = {"a quarter": train_test_split(places, random_state=0), "a third": [places[places % 3 != 2], places[2::3]]}
    rows = []
    for split, (learned, scored) in splits.items():
        svm = SVC().fit(pictures[learned], digits[learned]).score(pictures[scored], digits[scored])
        for name, X in (("8 steps of 8", pictures.reshape(-1, 8, 8)), ("64 steps of 1", pictures.reshape(-1, 64, 1))):
            accuracies, seconds = [], []
            for seed in (1, 2, 3):
                began = time.perf_counter()
                model = SequenceClassifier(random_state=seed).fit(X[learned], digits[learned])
                seconds.append(round(time.perf_counter() - began, 1))
                accuracies.append(round(float(model.score(X[scored], digits[scored])), 4))
            row = {"scored": split, "form": name, "accuracies": accuracies, "seconds": seconds, "svm": round(svm, 4)}
            rows.append(row | {"mean": round(float(np.mean(accuracies)), 4)})
            print(rows[-1], flush=True)
    commit, changed = checkout(Path(record.__file__).parent)
    today = datetime.date.today().isoformat()
    where = {"date": today, "commit": commit, "changed": changed, "cpu": cpu(), "versions": versions()}
    append(RESULTS, where | {"rows": rows})


if __name__ == "__main__":
    main()
