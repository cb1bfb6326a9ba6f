"""The record: every field, and a file to which lines are only added."""

import json
import platform
import resource

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


def test_a_record_that_does_not_fit_leaves_the_others(tmp_path):
    """Of the line that is too long some bytes fit."""
    path = tmp_path / "records.jsonl"
    append(path, {"format": 1})
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, hard))
    try:
        with pytest.raises(OutputError, match=r"records\.jsonl' could not be written: No space left on device$"):
            append(path, {"format": 1, "rows": ["x" * 100]})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
