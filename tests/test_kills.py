"""Killed trainings, in a shortened form: benchmarks/faults/kills.py has many of them."""

import json
import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "faults" / "kills.py"


def test_killed_trainings_come_to_the_same_bytes(tmp_path):
    command = [sys.executable, SCRIPT, "--runs", "2", "--kills", "2", "--steps", "200", "--to", tmp_path / "r.jsonl"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    told = r"(\w+): 2 of 2 final files equal to that of the training without a break; \d+ kills, \d+ of them in the "
    assert [re.match(told, line)[1] for line in lines] == ["TextGenerator", "Forecaster"]
    record = json.loads((tmp_path / "r.jsonl").read_text(encoding="utf-8"))
    assert [row["equal"] for row in record["rows"]] == [2, 2]
    assert all(row["lost"] == 0 for row in record["rows"])
    assert {"date", "commit", "changed", "cpu", "versions", "settings"} <= record.keys()
