"""The record: every field, and a file to which lines are only added."""

import json
import platform

import pytest
from tests.benchmark.conftest import RECORD

from throughtime import __version__
from throughtime.benchmark import append, last
from throughtime.benchmark.record import checkout, rounded
from throughtime.errors import DataError, OutputError


def test_every_field_is_there_and_documented(measured):
    from throughtime.benchmark import record

    assert list(measured) == list(RECORD)
    for name in measured:
        assert name in record.__doc__


def test_what_the_fields_say(measured):
    assert measured["versions"]["python"] == platform.python_version()
    assert measured["versions"]["throughtime"] == __version__
    assert {"numpy", "llvmlite"} <= measured["versions"].keys()
    assert measured["cpu"]
    assert "vectors" in measured["target"]
    assert measured["limits"].keys() == RECORD["limits"].keys()
    assert min(measured["limits"].values()) > 0
    assert measured["compile_seconds"].keys() == {"elman"}
    assert min(measured["compile_seconds"]["elman"].values()) > 0
    assert measured["rounds"] == 2
    assert measured["rows"][0]["job"] == {"kind": "text", "cell": "elman", "H": 8, "N": 2, "T": 3, "K": 65}


def test_a_record_is_json(measured):
    assert json.loads(json.dumps(measured, allow_nan=False)) == measured


def test_a_line_is_added_and_none_is_changed(tmp_path, record):
    path = tmp_path / "bench.jsonl"
    append(path, record)
    first = path.read_text(encoding="utf-8")
    append(path, record | {"rounds": 9})
    assert path.read_text(encoding="utf-8").startswith(first)
    assert last(path) == record | {"rounds": 9}


def test_a_place_that_cannot_be_written(tmp_path, record):
    with pytest.raises(OutputError, match="does not exist"):
        append(tmp_path / "no" / "bench.jsonl", record)


@pytest.mark.parametrize("text", ["", "nonsense\n", "{}\n", "[]\n"])
def test_what_is_no_record_is_refused(tmp_path, text):
    path = tmp_path / "bench.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="record"):
        last(path)


def test_a_record_of_a_file_that_is_missing(tmp_path):
    with pytest.raises(DataError, match=r"'.*missing' holds no record of a benchmark"):
        last(tmp_path / "missing")


def test_outside_a_checkout_there_is_no_commit(tmp_path):
    assert checkout(tmp_path / "package" / "benchmark") == (None, False)


def test_five_digits():
    assert [rounded(x) for x in (0.0012345678, 1.23456789, 123456.0)] == [0.0012346, 1.2346, 123460.0]
