"""Full disks, in a shortened form: benchmarks/faults/full_disk.py has more of them."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "faults" / "full_disk.py"
CASES = ("training, the last saving",)


def test_nothing_is_lost_on_a_full_disk(tmp_path):
    options = ["--runs", "1", "--steps", "2000", "--disks", "limit", "--cases", *CASES, "--to", tmp_path / "r.jsonl"]
    done = subprocess.run([sys.executable, SCRIPT, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "r.jsonl").read_text(encoding="utf-8"))["rows"]
    assert [(row["case"], row["runs"], row["faults"]) for row in rows] == [(case, 1, []) for case in CASES]
