"""Which package is this line of code from? The same question for an Elman network, a GRU, an LSTM and a deeper LSTM.

The lines are those of five packages of the standard library, read as characters, of unequal lengths. Every fourth file
is only scored: no file is on both sides, and no line that was learned is asked. All networks take as many steps. Each
row of the table must be well above the first one, the most frequent package; the picture shows how each one learns.

    python examples/compare_cells.py [--lines 20000] [--steps 2000] [--to compare_cells.png]
"""

import argparse
import sysconfig
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from throughtime import SequenceClassifier

PACKAGES = ("asyncio", "email", "multiprocessing", "unittest", "xml")
SHORTEST, LONGEST = 15, 90  # characters: a line such as "return None" is from anywhere
NETWORKS = {
    "Elman": {"cell": "elman", "bidirectional": False, "learning_rate": 0.003},  # 0.01, as the others, is too fast
    "GRU": {"cell": "gru", "bidirectional": False},
    "LSTM": {"cell": "lstm", "bidirectional": False},
    "LSTM, two layers, both ways": {"cell": "lstm", "bidirectional": True, "num_layers": 2},
}


def lines_of(path):
    """The lines of a file that are not too short."""
    lines = (line.strip()[:LONGEST] for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    return [line for line in lines if len(line) >= SHORTEST]


def read():
    """Each line and its package, of the files that are learned and of those that are scored."""
    learned, scored = {}, {}
    for package in PACKAGES:
        files = sorted((Path(sysconfig.get_path("stdlib")) / package).rglob("*.py"))
        for number, path in enumerate(file for file in files if not {"test", "tests"} & set(file.parts)):
            side = scored if number % 4 == 3 else learned
            side.update(dict.fromkeys(lines_of(path), package))
    return learned, {line: package for line, package in scored.items() if line not in learned}


def some(lines, count, rng):
    """So many of the lines, drawn at random: the sequences and their labels."""
    chosen = rng.permutation(len(lines))[:count]
    X, y = list(lines), list(lines.values())
    return [X[i] for i in chosen], [y[i] for i in chosen]


arguments = argparse.ArgumentParser(description="four networks on one task")
arguments.add_argument("--lines", type=int, default=20_000, help="how many are learned, and at most scored")
arguments.add_argument("--steps", type=int, default=2_000)
arguments.add_argument("--to", type=Path, default=Path("compare_cells.png"))
options = arguments.parse_args()

rng = np.random.default_rng(1)
learned, scored = read()
X, y = some(learned, options.lines, rng)
X_scored, y_scored = some(scored, options.lines, rng)
lengths = [len(line) for line in X]
print(f"{len(X):,} lines of {min(lengths)} to {max(lengths)} characters to learn from, {len(X_scored):,} to score")
most = max(PACKAGES, key=y.count)
majority = y_scored.count(most) / len(y_scored)
print(f"{'':<30}parameters  seconds  accuracy\n{'always ' + most:<30}{0:>10,}{0:>9.1f}{majority:>10.3f}")

figure = Figure(figsize=(9, 4), layout="constrained")
curves, bars = figure.subplots(1, 2, width_ratios=(3, 2))
for (name, settings), style in zip(NETWORKS.items(), (":", "-.", "--", "-"), strict=True):
    model = SequenceClassifier(**settings, pooling="max", max_steps=options.steps, random_state=1).fit(X, y)
    size = sum(weights.size for weights in model.network_.parameters.values())
    accuracy = model.score(X_scored, y_scored)
    print(f"{name:<30}{size:>10,}{model.training_.seconds:>9.1f}{accuracy:>10.3f}", flush=True)
    curves.plot(model.history_.smooth_loss, style, label=name)
    bars.bar_label(bars.barh(name.replace(", ", ",\n"), accuracy), [f"{accuracy:.0%}"], padding=3)

curves.set(xlabel="step", ylabel="smoothed loss (nats per line)", title="Learning", ylim=(0, None))
curves.legend()
bars.axvline(majority, color="0.3", linestyle="--")
bars.set(xlabel=f"accuracy; dashed: always {most}", title="Lines of other files", xlim=(0, 1))
bars.invert_yaxis()
figure.savefig(options.to, dpi=150)
print(f"the picture is in {options.to}")
