"""What ``TextGenerator().fit(text)`` comes to, with nothing set but the seed, beside the n-gram of the best order.

The texts ship with Python; none of them was looked at when the defaults were chosen (docs/decisions/0010-defaults.md
names those that were). The last 10 % are scored, in nats per character; the n-gram learns the same 90 %, and the order
is the one that expects the scored part best.

    python benchmarks/defaults.py [FILE ...]   # adds a record to benchmarks/results/defaults.jsonl
"""

from __future__ import annotations

import argparse
import datetime
import sysconfig
from collections.abc import Callable
from pathlib import Path
from pydoc_data.topics import topics

from throughtime import TextGenerator
from throughtime.benchmark import record
from throughtime.benchmark.record import FORMAT, append, checkout, cpu, versions

RESULTS = Path(__file__).parent / "results" / "defaults.jsonl"
LIBRARY = Path(sysconfig.get_path("stdlib"))


def package(name: str) -> str:
    """The source code of a package, one module after another."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((LIBRARY / name).rglob("*.py")))


TEXTS: dict[str, Callable[[], str]] = {
    "zen of Python's module": lambda: (LIBRARY / "this.py").read_text(encoding="utf-8"),
    "notes on extending IDLE": lambda: (LIBRARY / "idlelib" / "extend.txt").read_text(encoding="utf-8"),
    "licence": lambda: (LIBRARY / "LICENSE.txt").read_text(encoding="utf-8"),
    "package curses": lambda: package("curses"),
    "package tomllib": lambda: package("tomllib"),
    "package urllib": lambda: package("urllib"),
    "package unittest": lambda: package("unittest"),
    "package email": lambda: package("email"),
    "package asyncio": lambda: package("asyncio"),
    "language reference": lambda: "\n\n".join(text for _, text in sorted(topics.items())),
}


def measure(name: str, text: str, seed: int) -> dict[str, object]:
    """One training of a model that is left all choices."""
    model = TextGenerator(random_state=seed, verbose=0).fit(text)
    loss, counted = model.validation_loss_, model.baseline_
    if loss is None or counted is None:
        raise SystemExit(f"{name} has no part to score")
    row = {
        "text": name,
        "characters": len(text),
        "seed": seed,
        "nats": round(loss, 4),
        "ngram_nats": round(counted.loss, 4),
        "ngram_order": counted.order,
        "hidden_size": model.hidden_size_,
        "dropout": model.dropout_,
        "steps": model.training_.step,
        "seconds": round(model.training_.seconds, 1),
    }
    print(
        f"{name:<26}{len(text):>10,}{loss:>9.4f}{counted.loss:>9.4f} ({counted.order})  "
        f"{'below' if loss <= counted.loss else 'ABOVE'}  {model.training_.seconds:6.1f} s",
        flush=True,
    )
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="*", help="texts of your own, besides those that ship with Python")
    parser.add_argument("--only", nargs="+", default=None, help="names of texts")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    options = parser.parse_args()
    texts = {name: text() for name, text in TEXTS.items() if options.only is None or name in options.only}
    texts |= {path.name: path.read_text(encoding="utf-8") for path in options.files}
    print(f"{'text':<26}{'characters':>10}{'network':>9}{'n-gram':>9} (order)")
    rows = [measure(name, text, seed) for name, text in texts.items() for seed in options.seeds]
    commit, changed = checkout(Path(record.__file__).parent)
    today = datetime.date.today().isoformat()
    where = {"date": today, "commit": commit, "changed": changed, "cpu": cpu(), "versions": versions()}
    append(RESULTS, {"format": FORMAT} | where | {"rows": rows})


if __name__ == "__main__":
    main()
