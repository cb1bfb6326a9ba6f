"""The benchmark: chooses the rows, and shows what was measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console

from throughtime.benchmark import append, choose, measure, show
from throughtime.benchmark.jobs import Size
from throughtime.files import check_output

ROUNDS: dict[Size, int] = {"quick": 3, "medium": 5, "all": 7}


def run(size: Size, only: str, of_cells: Sequence[str], rounds: int | None, to: Path | None, as_json: bool) -> None:
    """Measures, prints the table or the record, and adds the record to a file if one is named."""
    jobs = choose(size, of_cells, only)
    if to is not None:
        check_output(to)
    record = measure(
        jobs, rounds=ROUNDS[size] if rounds is None else rounds, tell=lambda text: typer.echo(text, err=True)
    )
    if to is not None:
        append(to, record)
    if as_json:
        typer.echo(json.dumps(record, allow_nan=False))
        return
    show(record, Console(highlight=False, markup=False))
