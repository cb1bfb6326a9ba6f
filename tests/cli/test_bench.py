"""``throughtime bench``: which rows, and where the record goes."""

import json

import pytest
from tests.benchmark.conftest import RECORD

from throughtime.benchmark import last
from throughtime.cli import bench


@pytest.fixture
def asked(monkeypatch):
    """What would be measured; the answer is a record from a file."""
    calls = []

    def measure(jobs, *, rounds, tell):
        calls.append(([job.name for job in jobs], rounds))
        tell("a line")
        return RECORD

    monkeypatch.setattr(bench, "measure", measure)
    return calls


def test_a_quick_bench_of_one_row(cli, tmp_path):
    result = cli("bench", "--quick", "--only", "step lstm 32", "--rounds", 1, "--to", "bench.jsonl", "--json")
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout.splitlines()[-1])
    (row,) = record["rows"]
    assert row["name"] == "step lstm 32"
    assert {time["peer"] for time in row["times"]} | record["missing"].keys() >= {
        "throughtime",
        "PyTorch",
        "ONNX Runtime",
    }
    assert last(tmp_path / "bench.jsonl") == record
    assert "first whether all compute the same: 1 rows" in result.stderr


@pytest.mark.parametrize(
    ("given", "rows", "rounds"),
    [
        (["--quick"], 10, 3),
        ([], 25, 5),
        (["--all"], 55, 7),
        (["--all", "--rounds", "2", "--cell", "gru", "--cell", "lstm", "--only", "1024"], 4, 2),
    ],
)
def test_which_rows(cli, asked, given, rows, rounds):
    assert cli("bench", *given).exit_code == 0
    ((names, count),) = asked
    assert (len(names), count) == (rows, rounds)


def test_the_table_is_printed_and_no_file_is_written(cli, asked, tmp_path):
    result = cli("bench", "--quick")
    assert "behind in 1:\n  step lstm 32: PyTorch 0.99x\n" in result.stdout
    assert result.stderr == "a line\n"
    assert list(tmp_path.iterdir()) == []


def test_a_record_is_shown_again(cli, asked):
    first = cli("bench", "--to", "bench.jsonl")
    asked.clear()
    assert cli("bench", "--show", "bench.jsonl").stdout == first.stdout
    assert json.loads(cli("bench", "--show", "bench.jsonl", "--json").stdout) == RECORD
    assert asked == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("--quick --all", "--quick and --all exclude each other"),
        ("--only nonsense", "no row of the set 'medium' contains 'nonsense'"),
        ("--cell nonsense", "cell must be one of"),
        ("--to no/file", "the folder 'no' for 'file' does not exist"),
        ("--show nothing", "'nothing' holds no record of a benchmark"),
        ("--rounds 0", "rounds must be an integer of at least 1, got 0"),
        ("--rounds many", "rounds must be an integer of at least 1, got 'many'"),
    ],
)
def test_bad_input(cli, asked, given, sentence):
    result = cli("bench", *given.split())
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert asked == []
