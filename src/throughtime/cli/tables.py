"""Tables in files: CSV, TSV, JSON lines, and Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from throughtime.errors import DataError, OutputError, ParameterError, known
from throughtime.files import check_output, write_atomically
from throughtime.series.tables import MISSING

Columns = dict[str, Any]


_NO_NUMBER = re.compile(r".*_|[+-]?0\d", re.DOTALL)
"""How text begins that Python reads as a number, and that is none: 1_1, and 007, which is not 7."""


def read_table(path: Path, encoding: str = "utf-8", as_text: Collection[str | None] = ()) -> Columns:
    """The columns of a file, by its ending; those that hold nothing but numbers are numbers, except ``as_text``.

    Raises
    ------
    DataError
        If the file cannot be read or is no such table.
    """
    return typed(read_cells(path, encoding), as_text)


def read_cells(path: Path, encoding: str = "utf-8") -> Columns:
    """The columns of a file, by its ending, as they stand there: cells of CSV and TSV are text.

    Raises
    ------
    DataError
        As :func:`read_table` does.
    """
    kind = _kind(path)
    if kind not in _WRITERS:
        hint = (
            "save it as CSV, or read it in Python, with pandas"
            if kind in WORKBOOKS
            else f"choose one of {known(ENDINGS)}"
        )
        raise DataError(f"{path.name!r} ends in no form of a table that is read here; {hint}")
    if kind == "parquet":
        return _read_parquet(path)
    text = read_text(path, encoding)
    return _read_json(text, path) if kind == "jsonl" else _read_csv(text, path, "\t" if kind == "tsv" else None)


def typed(cells: Mapping[str, Any], as_text: Collection[str | None] = ()) -> Columns:
    """Columns of cells that were read; those that hold nothing but numbers are numbers, except ``as_text``.

    Those of Parquet have a type already.
    """

    def column(name: str, values: Any) -> Any:
        if not isinstance(values, list):
            return values
        return _texts(values) if name in as_text else _typed(values)

    return {name: column(name, values) for name, values in cells.items()}


def read_text(path: Path, encoding: str) -> str:
    """What stands in a file, without the mark of its encoding.

    Raises
    ------
    DataError
        If the file cannot be read, or is no text in this encoding.
    """
    _check_there(path)
    try:
        return path.read_text(encoding=encoding.replace("utf-8", "utf-8-sig"))
    except (UnicodeDecodeError, LookupError) as error:
        raise DataError(f"{str(path)!r} is no text in {encoding}: {error}; give its encoding (--encoding)") from None
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror}") from None


def _check_there(path: Path) -> None:
    if not path.exists():
        raise DataError(f"there is no file {str(path)!r}")


def holds_text(path: Path) -> bool:
    """Whether all cells of such a file are text."""
    return _kind(path) in ("csv", "tsv")


def _kind(path: Path) -> str:
    """What a file is, by its ending; ``csv`` where there is none, and the ending itself where it is not known."""
    ending = path.suffix.lower()
    return ENDINGS.get(ending, ending) if ending else "csv"


def _read_csv(text: str, path: Path, delimiter: str | None) -> Columns:
    head = text.partition("\n")[0]
    delimiter = delimiter or max(",;\t", key=head.count)
    try:
        names, *rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except ValueError:
        raise DataError(f"{str(path)!r} is empty; its first line should name the columns") from None
    except csv.Error as error:
        raise DataError(f"{str(path)!r} is no table in CSV: {error}") from None
    if len(set(names)) < len(names):
        raise DataError(f"{str(path)!r} has two columns of one name; the columns are {known(names)}")
    for number, row in enumerate(rows, start=2):
        if row and len(row) != len(names):
            raise DataError(
                f"{str(path)!r}, line {number}: {len(row)} cells, where the first line names {len(names)} columns"
            )
    rows = [row for row in rows if row]
    if not rows:
        raise DataError(f"{str(path)!r} has no rows below its first line")
    return {name: list(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}


def _read_json(text: str, path: Path) -> Columns:
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(
                f"{str(path)!r}, line {number}: no JSON: {error}; expected JSON lines, an object on each line"
            ) from None
        if not isinstance(row, dict):
            raise DataError(f'{str(path)!r}, line {number}: each line should be a JSON object, such as {{"y": 1.5}}')
        rows.append(row)
    if not rows:
        raise DataError(f"{str(path)!r} is empty; each line should be a JSON object")
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _read_parquet(path: Path) -> Columns:
    _check_there(path)
    parquet = _pyarrow()
    try:
        table = parquet.read_table(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{str(path)!r} is no Parquet file: {error}") from None
    return {name: table[name].to_numpy() for name in table.column_names}


def _pyarrow() -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise ParameterError("Parquet needs the package pyarrow: pip install throughtime[parquet]") from None
    return parquet


def _typed(values: Sequence[Any]) -> Any:
    """Numbers, where all are or are missing."""

    def number(value: Any) -> float:
        missing = value is None or (isinstance(value, str) and value.strip().lower() in MISSING)
        if isinstance(value, str) and _NO_NUMBER.match(value.strip()):
            raise ValueError
        return np.nan if missing else float(value)

    if any(isinstance(value, (bool, list, dict)) for value in values):
        return list(values)
    try:
        found = np.array([number(value) for value in values])
    except ValueError:
        return list(values)
    return list(values) if np.isnan(found).all() else found


def _texts(values: Sequence[Any]) -> list[str | None]:
    """Cells as they stand in the file; None where one is missing."""
    return [cell if cell is None or isinstance(cell, str) else json.dumps(cell) for cell in values]


def write_table(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Writes columns into a file, in the form that its ending names.

    Raises
    ------
    OutputError
        If the place cannot be written to, or the ending names no form.
    """
    check_table(path)
    write_atomically(path, _WRITERS[_kind(path)](list(columns), rows_of(columns)))


def rows_of(columns: Mapping[str, Sequence[Any]]) -> list[tuple[Any, ...]]:
    """The rows of columns, each cell as text, a Python number, or None."""
    return list(zip(*(map(_plain, column) for column in columns.values()), strict=True))


def check_table(path: Path) -> None:
    """Raises :class:`OutputError` unless a table can be written there; to be asked before long work."""
    if path.suffix.lower() == ".json":
        raise OutputError(f"{path.name!r} would be one JSON document; tables are written as JSON lines: choose .jsonl")
    if _kind(path) not in _WRITERS:
        hint = ", which spreadsheet programs open" if _kind(path) in WORKBOOKS else ""
        raise OutputError(
            f"{path.name!r} ends in no form of a table; choose {known(f'.{kind}' for kind in _WRITERS)}{hint}"
        )
    if _kind(path) == "parquet":
        _pyarrow()
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
    _pyarrow().write_table(table, sink)
    return bytes(sink.getvalue())


ENDINGS = {
    ".csv": "csv",
    ".txt": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
"""The forms of tables."""

WORKBOOKS = (".xlsx", ".xlsm", ".xls", ".ods")
"""Tables that are not read."""

TABLES = (*(ending for ending in ENDINGS if ending != ".txt"), *WORKBOOKS)
"""Endings of what is nothing but a table."""

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
