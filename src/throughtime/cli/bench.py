"""The benchmark: chooses the rows, and shows what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from throughtime.benchmark import append, choose, last, measure, show
from throughtime.benchmark.jobs import Size
from throughtime.cli.base import print_json
from throughtime.cli.options import check_count
from throughtime.disk import check_output

ROUNDS: dict[Size, int] = {"quick": 3, "medium": 5, "all": 7}


def run(size: Size, only: str, of_cells: Sequence[str], rounds: int | None, to: Path | None, as_json: bool) -> None:
    """Measures, adds the record to a file if one is named, and prints it."""
    rounds = ROUNDS[size] if rounds is None else rounds
    check_count("rounds", rounds, 1)
    jobs = choose(size, of_cells, only)
    if to is not None:
        check_output(to)
    record = measure(jobs, rounds=rounds, tell=lambda text: typer.echo(text, err=True))
    if to is not None:
        append(to, record)
    _print(record, as_json)


def show_last(path: Path, as_json: bool) -> None:
    """Prints the last record of a file."""
    _print(last(path), as_json)


def _print(record: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(record)
    else:
        show(record, Console(highlight=False, markup=False))
