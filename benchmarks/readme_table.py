"""The README's tables, of speeds and of what the defaults come to, from the last records.

python benchmarks/readme_table.py   # prints them; a test compares them with the README
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from throughtime.benchmark.record import last
from throughtime.benchmark.table import Line, lines

RESULTS = Path(__file__).parent / "results" / "bench.jsonl"
DEFAULTS = Path(__file__).parent / "results" / "defaults.jsonl"
NAMES = {"elman": "Elman", "gru": "GRU", "lstm": "LSTM"}


def two_digits(ratio: float) -> str:
    """Rounded down."""
    digits = max(0, 1 - math.floor(math.log10(ratio)))
    return f"{math.floor(ratio * 10**digits) / 10**digits:.{digits}f}"


def span(found: list[Line]) -> str:
    """From the smallest ratio to the largest."""
    low, high = (two_digits(chosen(line.ratio for line in found)) for chosen in (min, max))
    return low if low == high else f"{low} to {high}"


def by_cell(found: list[Line]) -> str:
    """The span of each cell."""
    return ", ".join(
        f"{name} {span([line for line in found if f' {cell} ' in line.name])}" for cell, name in NAMES.items()
    )


def table(record: dict[str, Any]) -> str:
    """The table, in Markdown."""
    every = [line for line in lines(record) if line.theirs]

    def chosen(kind: str, peer: str, where: Callable[[int], bool] = lambda rows: True) -> list[Line]:
        rows = {row["name"]: row["job"]["N"] for row in record["rows"]}
        return [line for line in every if line.name.startswith(kind) and line.peer == peer and where(rows[line.name])]

    (writing,) = chosen("generation", "PyTorch")
    a_second = math.floor(1000 / writing.ours.middle / 1000) * 1000
    rows = [
        (
            "a training step of a character model, one row (H 96 and 128)",
            "PyTorch",
            by_cell(chosen("text", "PyTorch", lambda N: N == 1)),
        ),
        ("the same, 16 to 128 rows (H 128 to 1024)", "PyTorch", by_cell(chosen("text", "PyTorch", lambda N: N > 1))),
        (
            "numbers in and out, 16 to 128 rows (H 128 to 1024)",
            "PyTorch",
            by_cell(chosen("dense", "PyTorch", lambda N: N > 1)),
        ),
        ("8,000 words, an LSTM of 256", "PyTorch", span(chosen("words", "PyTorch"))),
        ("the classic NumPy script's own job", "the script", span(chosen("classic", "classic script"))),
        (
            f"writing text, a two-layer LSTM of 128, one core: {a_second:,} characters a second",
            "PyTorch",
            span([writing]),
        ),
        ("one step of an LSTM called from Python, H 32 to 512", "ONNX Runtime", span(chosen("step", "ONNX Runtime"))),
    ]
    return "\n".join(
        ["| | peer | ratio |", "|---|---|---|", *(f"| {what} | {peer} | {ratio} |" for what, peer, ratio in rows)]
    )


def defaults_table(record: dict[str, Any]) -> str:
    """The losses of the defaults beside those of counting, in Markdown."""
    rows = [
        f"| {row['text']} | {row['characters']:,} "
        f"| {row['nats']:.3f} | {row['ngram_nats']:.3f} ({row['ngram_order']}) |"
        for row in record["rows"]
    ]
    head = ["| text | characters | network | n-gram of the best order |", "|---|---|---|---|"]
    return "\n".join([*head, *rows])


if __name__ == "__main__":
    print(table(last(RESULTS)))
    print(defaults_table(last(DEFAULTS)))
