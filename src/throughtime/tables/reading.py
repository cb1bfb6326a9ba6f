"""Reads tables in files block by block: CSV, TSV, JSON lines, and Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.errors import DataError, MissingPackage, ThroughtimeError, known
from throughtime.tables.cells import Cells
from throughtime.tables.pieces import blocks
from throughtime.tables.spill import Spill

Columns = dict[str, Any]
Tell = Callable[[int], None]

ROWS = 1 << 14
"""Rows of a block."""

MISSING = ("", "na", "n/a", "nan", "null", "none")
"""What stands for a missing value in text."""

_NO_NUMBER = re.compile(r".*_|[+-]?0\d", re.DOTALL)
"""How text begins that Python reads as a number, and that is none: 1_1, and 007, which is not 7."""

_NO_NUMBERS = re.compile(r"_|^\s*[+-]?0\d", re.MULTILINE)
"""The same in any of several lines."""


def read_table(
    path: str | PathLike[str],
    encoding: str = "utf-8",
    as_text: Collection[str | None] = (),
    tell: Tell = lambda _: None,
) -> Columns:
    r"""The columns of a table in a file, which need not fit into memory.

    Parameters
    ----------
    path : str or path
        CSV, TSV, JSON lines or Parquet, by its ending. CSV may be divided by commas, semicolons or tabs.
    encoding : str, default "utf-8"
        Of all but Parquet.
    as_text : collection of str
        Columns that are not turned into numbers, such as numbers of articles.
    tell : callable
        Is told how much was read: characters, or bytes of Parquet.

    Returns
    -------
    dict
        By their names: columns that hold nothing but numbers as arrays of float64, NaN where a cell is empty or says
        that its value is missing; all others as lists of strings (of JSON: of what stands there). Columns of Parquet
        are arrays of their own types. Where the table is large, arrays are mapped from temporary files, and lists are
        :class:`~throughtime.tables.Cells`: the estimators take these without holding them in memory.

    Raises
    ------
    DataError
        If the file cannot be read or is no such table.
    OutputError
        If there is no room on the disk for a large one.
    MissingPackage
        If Parquet cannot be read, as pyarrow is not installed.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "prices.csv")
    ...     _ = path.write_text("day,price\n2026-11-20,1.5\n2026-11-21,\n")
    ...     read_table(path)
    {'day': ['2026-11-20', '2026-11-21'], 'price': array([1.5, nan])}
    """
    return typed(read_cells(Path(path), encoding, tell), as_text)


def read_cells(path: Path, encoding: str = "utf-8", tell: Tell = lambda _: None) -> Columns:
    """The columns of a file, by its ending, as they stand there: cells of CSV and TSV are text.

    Raises
    ------
    DataError, MissingPackage, OutputError
        As :func:`read_table` does.
    """
    kind = kind_of(path)
    if kind not in FORMS:
        hint = (
            "save it as CSV, or read it in Python, with pandas"
            if kind in WORKBOOKS
            else f"choose one of {known(ENDINGS)}"
        )
        raise DataError(f"{path.name!r} ends in no form of a table that is read here; {hint}")
    if kind == "parquet":
        return _read_parquet(path, tell)
    read = _read_json if kind == "jsonl" else _read_csv
    spill = Spill()
    columns = read(path, lines_of(path, encoding, tell), spill)
    return {name: cells if spill.spills else list(cells) for name, cells in columns.items()}


def typed(cells: Mapping[str, Any], as_text: Collection[str | None] = ()) -> Columns:
    """Columns of cells that were read; those that hold nothing but numbers are numbers, except ``as_text``.

    Those of Parquet have a type already.
    """
    spill = Spill()

    def column(name: str, values: Any) -> Any:
        if not isinstance(values, (list, Cells)) or (isinstance(values, Cells) and values.typed):
            return values
        if name not in as_text:
            return _numbers(values, spill)
        return values if isinstance(values, Cells) and not values.as_json else _texts(values)

    return {name: column(name, values) for name, values in cells.items()}


def lines_of(path: Path, encoding: str, tell: Tell = lambda _: None) -> Iterator[str]:
    """The lines of a file of text, with their ends, without the mark of its encoding.

    Raises
    ------
    DataError
        If the file cannot be read, or is no text in this encoding.
    """
    _check_there(path)
    number = 0
    try:
        with path.open(encoding=encoding.replace("utf-8", "utf-8-sig")) as file:
            for number, line in enumerate(file, start=1):  # noqa: B007 the number of the last one is told
                tell(len(line))
                yield line
    except UnicodeDecodeError as error:
        place = f"byte 0x{error.object[error.start]:02x} after line {number}" if number else f"{error.reason}"
        raise DataError(f"{str(path)!r} is no text in {encoding}: {place}; give its encoding (--encoding)") from None
    except LookupError as error:
        raise DataError(f"{str(path)!r} is no text in {encoding}: {error}; give its encoding (--encoding)") from None
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror}") from None


def holds_text(path: Path) -> bool:
    """Whether all cells of such a file are text."""
    return kind_of(path) in ("csv", "tsv")


def kind_of(path: Path) -> str:
    """What a file is, by its ending; ``csv`` where there is none, and the ending itself where it is not known."""
    ending = path.suffix.lower()
    return ENDINGS.get(ending, ending) if ending else "csv"


def pyarrow_parquet() -> Any:
    """The part of pyarrow that is for Parquet.

    Raises
    ------
    MissingPackage
        If it is not installed.
    """
    try:
        from pyarrow import parquet
    except ImportError:
        raise MissingPackage("Parquet needs the package pyarrow: pip install throughtime[parquet]") from None
    return parquet


def _check_there(path: Path) -> None:
    if not path.exists():
        raise DataError(f"there is no file {str(path)!r}")


def _blocks(rows: Iterable[Any]) -> Iterator[list[Any]]:
    rows = iter(rows)
    return iter(lambda: list(itertools.islice(rows, ROWS)), [])


def _read_csv(path: Path, lines: Iterator[str], spill: Spill) -> dict[str, Cells]:
    head = next(lines, "")
    delimiter = "\t" if kind_of(path) == "tsv" else max(",;\t", key=head.count)
    rows = csv.reader(itertools.chain([head], lines), delimiter=delimiter, strict=True)
    try:
        names = next(rows, [])
        if not names:
            raise DataError(f"{str(path)!r} is empty; its first line should name the columns")
        _check_names(names, path)
        columns = {name: Cells(spill) for name in names}
        for block in _blocks(_of_width(rows, len(names), path)):
            for cells, values in zip(columns.values(), zip(*block, strict=True), strict=True):
                cells.add(values)
    except csv.Error as error:
        raise DataError(f"{str(path)!r} is no table in CSV: {error}") from None
    if not len(columns[names[0]]):
        raise DataError(f"{str(path)!r} has no rows below its first line")
    return columns


def _check_names(names: Sequence[str], path: Path) -> None:
    if len(set(names)) < len(names):
        raise DataError(f"{str(path)!r} has two columns of one name; the columns are {known(names)}")


def _of_width(rows: Iterable[list[str]], width: int, path: Path) -> Iterator[list[str]]:
    """The rows that are not empty."""
    for number, row in enumerate(rows, start=2):
        if row and len(row) != width:
            raise DataError(
                f"{str(path)!r}, line {number}: {len(row)} cells, where the first line names {width} columns"
            )
        if row:
            yield row


def _read_json(path: Path, lines: Iterator[str], spill: Spill) -> dict[str, Cells]:
    columns: dict[str, Cells] = {}
    rows = 0
    for block in _blocks(_objects(path, lines)):
        for name in dict.fromkeys(name for row in block for name in row):
            if name not in columns:
                columns[name] = Cells(spill, as_json=True)
                for start in range(0, rows, ROWS):  # the rows before have no such value
                    columns[name].add([None] * min(ROWS, rows - start))
        for name, cells in columns.items():
            cells.add([row.get(name) for row in block])
        rows += len(block)
    if not rows:
        raise DataError(f"{str(path)!r} is empty; each line should be a JSON object")
    return columns


def _objects(path: Path, lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, start=1):
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
        yield row


def _read_parquet(path: Path, tell: Tell) -> Columns:
    _check_there(path)
    parquet = pyarrow_parquet()
    spill = Spill()
    try:
        with parquet.ParquetFile(path, memory_map=True) as file:
            fields = list(file.schema_arrow)
            _check_names([field.name for field in fields], path)
            texts = {field.name: Cells(spill, typed=True) for field in fields if _is_text(field.type)}
            arrays: dict[str, list[Array]] = {field.name: [] for field in fields if field.name not in texts}
            size, total = path.stat().st_size, file.metadata.num_rows
            for batch in file.iter_batches(ROWS):
                for field, column in zip(fields, batch.columns, strict=True):
                    if field.name in texts:
                        texts[field.name].add(column.to_pylist())
                    else:
                        arrays[field.name].append(spill.keep(column.to_numpy(zero_copy_only=False)))
                tell(size * batch.num_rows // total)
            names = [field.name for field in fields]
    except ThroughtimeError:
        raise
    except (OSError, ValueError) as error:
        raise DataError(f"{str(path)!r} is no Parquet file: {error}") from None
    if not total:
        raise DataError(f"{str(path)!r} has no rows")
    found = {name: _text(cells, spill) for name, cells in texts.items()}
    found |= {name: spill.joined(some) for name, some in arrays.items()}
    return {name: found[name] for name in names}


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _text(cells: Cells, spill: Spill) -> Any:
    return cells if spill.spills else np.array(list(cells), object)


def _numbers(cells: Any, spill: Spill) -> Any:
    """Numbers, where all cells are or are missing; else the cells."""
    found = []
    for block in blocks(cells):
        if not {bool, list, dict}.isdisjoint(map(type, block)):
            return cells
        try:
            some = _floats(block)
        except ValueError:
            return cells
        found.append(spill.keep(some))
    return cells if all(np.isnan(numbers).all() for numbers in found) else spill.joined(found)


def _floats(cells: Sequence[Any]) -> Array:
    with suppress(TypeError, ValueError):  # the usual way is quick, and knows no missing values
        if not _NO_NUMBERS.search("\n".join(cells)):
            return np.array([*map(float, cells)])
    return np.array([_number(cell) for cell in cells], np.float64)


def _number(value: Any) -> float:
    if isinstance(value, str):
        value = value.strip()
        if value.lower() in MISSING:
            return np.nan
        if _NO_NUMBER.match(value):
            raise ValueError
    return np.nan if value is None else float(value)


def _texts(cells: Any) -> Any:
    """Cells as they stand in the file; None where one is missing."""

    def text(cell: Any) -> str | None:
        return cell if cell is None or isinstance(cell, str) else json.dumps(cell)

    if not isinstance(cells, Cells):
        return [text(cell) for cell in cells]
    found = Cells(Spill(0))
    for block in cells.blocks():
        found.add([text(cell) for cell in block])
    return found


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

FORMS = ("csv", "tsv", "jsonl", "parquet")

WORKBOOKS = (".xlsx", ".xlsm", ".xls", ".ods")
"""Tables that are not read."""

TABLES = (*(ending for ending in ENDINGS if ending != ".txt"), *WORKBOOKS)
"""Endings of what is nothing but a table."""
