"""The record of a run of these scripts: a line of benchmarks/results/faults.jsonl."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from throughtime.benchmark import record
from throughtime.benchmark.record import append, checkout, cpu, versions

RESULTS = Path(__file__).parents[1] / "results" / "faults.jsonl"


def add(to: Path, benchmark: str, settings: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Adds the rows to the file, with where and when they were found."""
    commit, changed = checkout(Path(record.__file__).parent)
    today = datetime.date.today().isoformat()
    where = {"date": today, "commit": commit, "changed": changed, "cpu": cpu(), "versions": versions()}
    append(to, where | {"benchmark": benchmark, "settings": dict(settings), "rows": [dict(row) for row in rows]})
