"""Writes tables into files: CSV, TSV, JSON lines, and Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from throughtime.disk import check_output, write_atomically
from throughtime.errors import OutputError, known
from throughtime.tables.reading import WORKBOOKS, kind_of, pyarrow_parquet
from throughtime.tables.spill import MOST
from throughtime.training.progress import reading


def bar(path: Path, *, shown: bool) -> AbstractContextManager[Callable[[int], None]]:
    """A bar for the reading of a file, where it is large; what it gives is to be told how many bytes were read."""
    size = path.stat().st_size if path.exists() else 0
    return reading(path.name, size, shown and size > MOST)


def write_table(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Writes columns into a file, in the form that its ending names.

    Raises
    ------
    OutputError
        If the place cannot be written to, or the ending names no form.
    """
    check_table(path)
    write_atomically(path, _WRITERS[kind_of(path)](list(columns), rows_of(columns)))


def rows_of(columns: Mapping[str, Sequence[Any]]) -> list[tuple[Any, ...]]:
    """The rows of columns, each cell as text, a Python number, or None."""
    return list(zip(*(map(_plain, column) for column in columns.values()), strict=True))


def check_table(path: Path) -> None:
    """Raises :class:`OutputError` unless a table can be written there; to be asked before long work."""
    if path.suffix.lower() == ".json":
        raise OutputError(f"{path.name!r} would be one JSON document; tables are written as JSON lines: choose .jsonl")
    if kind_of(path) not in _WRITERS:
        hint = ", which spreadsheet programs open" if kind_of(path) in WORKBOOKS else ""
        raise OutputError(
            f"{path.name!r} ends in no form of a table; choose {known(f'.{kind}' for kind in _WRITERS)}{hint}"
        )
    if kind_of(path) == "parquet":
        pyarrow_parquet()
    check_output(path)


def as_csv(names: Sequence[str], rows: Sequence[Sequence[Any]], delimiter: str = ",") -> str:
    """Rows as text; whole numbers whole, others with up to ten digits."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_in_csv(cell) if isinstance(cell, float) else cell for cell in row] for row in rows)
    return out.getvalue()


def _in_csv(number: float) -> str:
    return f"{number:.0f}" if number.is_integer() and abs(number) < 2**53 else f"{number:.10g}"


def _as_json(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows).encode()


def _as_parquet(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    import pyarrow

    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in names]
    sink = pyarrow.BufferOutputStream()
    try:
        table = pyarrow.table(dict(zip(names, columns, strict=True)))
    except (TypeError, ValueError) as error:
        raise OutputError(
            f"a column has cells of several kinds, which Parquet cannot hold ({error}); choose .jsonl"
        ) from None
    pyarrow_parquet().write_table(table, sink)
    return bytes(sink.getvalue())


_WRITERS: Mapping[str, Callable[[Sequence[str], Sequence[Sequence[Any]]], bytes]] = {
    "csv": lambda names, rows: as_csv(names, rows).encode(),
    "tsv": lambda names, rows: as_csv(names, rows, "\t").encode(),
    "jsonl": _as_json,
    "parquet": _as_parquet,
}


def _plain(value: Any) -> Any:
    if isinstance(value, np.datetime64):
        return str(value.astype("datetime64[s]")).removesuffix("T00:00:00")
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and np.isnan(value) else value
