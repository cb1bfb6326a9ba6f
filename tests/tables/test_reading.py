import json
from pathlib import Path

import numpy as np
import pytest

from throughtime.errors import DataError, OutputError
from throughtime.tables import Cells, read_table, reading, spill

ROWS = [
    {
        "day": f"2026-11-{n % 28 + 1:02}",
        "price": n / 8 if n % 7 else None,
        "item": f"{n % 3:03}",
        "note": "a, b" * (n % 2),
    }
    for n in range(50)
]


def written(path: Path) -> Path:
    """The rows in a file of this ending."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif path.suffix == ".parquet":
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(ROWS), path, row_group_size=20)
    else:
        lines = [
            f'{row["day"]},{"" if row["price"] is None else row["price"]},{row["item"]},"{row["note"]}"' for row in ROWS
        ]
        path.write_text("\n".join([",".join(ROWS[0]), *lines]))
    return path


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_small_and_large_tables_hold_the_same(tmp_path, monkeypatch, ending, large):
    monkeypatch.setenv("THROUGHTIME_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(reading, "ROWS", 8)
    if large:
        monkeypatch.setattr(spill, "MOST", 0)
    found = read_table(written(tmp_path / f"t.{ending}"), as_text=["item"])
    assert list(found) == ["day", "price", "item", "note"]
    for name in ("day", "item", "note"):
        assert isinstance(found[name], Cells) == large
        assert list(found[name]) == [row[name] for row in ROWS]
    np.testing.assert_array_equal(found["price"], [np.nan if row["price"] is None else row["price"] for row in ROWS])
    assert (tmp_path / "cache" / "spilled").exists() == large


@pytest.mark.parametrize("large", [False, True])
def test_a_column_is_text_where_a_late_cell_is_none_of_numbers(tmp_path, monkeypatch, large):
    monkeypatch.setenv("THROUGHTIME_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(reading, "ROWS", 4)
    if large:
        monkeypatch.setattr(spill, "MOST", 0)
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,\n" * 9 + "x,\n")
    found = read_table(path)
    assert list(found["a"]) == ["1"] * 9 + ["x"]
    assert list(found["b"]) == [""] * 10


def test_json_lines_may_name_a_column_late(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "ROWS", 4)
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": 1}\n' * 9 + '{"b": [2]}\n' + '{"a": 3, "b": "x"}\n')
    found = read_table(path)
    np.testing.assert_array_equal(found["a"], [1.0] * 9 + [np.nan, 3])
    assert found["b"] == [None] * 9 + [[2], "x"]


def test_types_of_parquet_stay(tmp_path, monkeypatch):
    import pyarrow
    from pyarrow import parquet

    monkeypatch.setattr(reading, "ROWS", 2)
    columns = {
        "whole": [1, 2, 3],
        "some": [1, 2, None],
        "digits": ["1", "2", "3"],
        "list": [[1], [2, 3], None],
        "flag": [True, None, False],
        "day": np.array(["2026-11-20", "2026-11-21", "2026-11-22"], "datetime64[D]"),
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    found = read_table(tmp_path / "t.parquet")
    assert found["whole"].dtype == np.int64
    np.testing.assert_array_equal(found["some"], [1, 2, np.nan])
    assert found["digits"].tolist() == ["1", "2", "3"]
    assert [None if cell is None else list(cell) for cell in found["list"]] == [[1], [2, 3], None]
    assert found["flag"].tolist() == [True, None, False]
    np.testing.assert_array_equal(found["day"], columns["day"])
    parquet.write_table(pyarrow.table({"a": pyarrow.array([], pyarrow.int64())}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"t\.parquet' has no rows"):
        read_table(tmp_path / "t.parquet")


def test_the_place_of_what_is_no_text_is_told(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n" + b"1,2\n" * 10_000 + b"1,\xe4\n")
    with pytest.raises(DataError, match=r"is no text in utf-8: byte 0xe4 after line \d+; give its encoding"):
        read_table(path)


def test_two_columns_of_one_name_are_refused_in_parquet_too(tmp_path):
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.table([[1], [2], [3]], names=["b", "a", "a"])
    parquet.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(DataError, match="has two columns of one name; the columns are 'b', 'a' and 'a'"):
        read_table(tmp_path / "t.parquet")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_full_disk_is_nothing_else(tmp_path, monkeypatch, ending):
    path = written(tmp_path / f"t.{ending}")
    full = OutputError("no room")

    def no_room(size):
        raise full

    monkeypatch.setattr(spill, "MOST", 0)
    monkeypatch.setattr(spill, "_mapped", no_room)
    with pytest.raises(OutputError, match="no room"):
        read_table(path)
    monkeypatch.undo()
    cells = reading.read_cells(written(tmp_path / "t.csv"))
    monkeypatch.setattr(spill, "MOST", 0)
    monkeypatch.setattr(spill, "_mapped", no_room)
    with pytest.raises(OutputError, match="no room"):
        reading.typed(cells)
