"""How well a character model writes Shakespeare after three minutes, and after ten, on this machine.

Tiny Shakespeare (1.1 MB; the file of the char-rnn and nanoGPT repositories): the first 90 % are learned, the last 10 %
are scored once, every character, in nats. Nothing is set but the minutes: what they choose was tuned inside the first
90 %. The time is that of ``fit``, from the text to the trained model; a cold compile comes on top.

For comparison, nanoGPT's README gives 1.4697 nats after about 3 minutes on an A100, and 1.88 for its CPU recipe of
about 3 minutes.

    python benchmarks/equal_time.py path/to/input.txt   # adds a record to benchmarks/results/equal_time.jsonl
"""

from __future__ import annotations

import argparse
import datetime
import time
from pathlib import Path

from throughtime import TextGenerator
from throughtime.benchmark import record
from throughtime.benchmark.record import append, checkout, cpu, versions

RESULTS = Path(__file__).parent / "results" / "equal_time.jsonl"


def measure(learned: str, scored: str, minutes: float, seed: int) -> dict[str, object]:
    """One training and its score."""
    model = TextGenerator(minutes=minutes, validation=0, random_state=seed)
    began = time.perf_counter()
    model.fit(learned)
    seconds = time.perf_counter() - began
    evaluation = model.evaluate(scored)
    symbols = model.training_.symbols
    print(f"{minutes:g} minutes, seed {seed}: {evaluation.loss:.4f} nats after {seconds:.0f} s, {symbols:,} symbols")
    return {
        "minutes": minutes,
        "seed": seed,
        "seconds": round(seconds, 1),
        "nats": round(evaluation.loss, 4),
        "steps": model.training_.step,
        "symbols": symbols,
        "hidden_size": model.hidden_size_,
        "num_layers": model.num_layers_,
        "dropout": model.dropout_,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", type=Path)
    parser.add_argument("--minutes", type=float, nargs="+", default=[3, 10])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    options = parser.parse_args()
    text = options.text.read_text(encoding="utf-8")
    cut = int(0.9 * len(text))
    rows = [measure(text[:cut], text[cut:], minutes, seed) for minutes in options.minutes for seed in options.seeds]
    commit, changed = checkout(Path(record.__file__).parent)
    today = datetime.date.today().isoformat()
    where = {"date": today, "commit": commit, "changed": changed, "cpu": cpu(), "versions": versions()}
    append(RESULTS, where | {"rows": rows})


if __name__ == "__main__":
    main()
