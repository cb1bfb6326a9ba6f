"""Two trainings into one file, in a shortened form: benchmarks/faults/two_processes.py has more of them."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "faults" / "two_processes.py"


def test_two_processes_never_have_one_file(tmp_path):
    options = ["--pairs", "1", "--steps", "500", "--seconds", "1", "--to", tmp_path / "r.jsonl"]
    done = subprocess.run([sys.executable, SCRIPT, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((tmp_path / "r.jsonl").read_text(encoding="utf-8"))
    assert record["settings"]["lock"]["taken"] > 0 == record["settings"]["lock"]["doubly"]
    assert [row["pairs"] for row in record["rows"]] == [1, 0, 0, 0]
    assert all(row["faults"] == [] for row in record["rows"])
