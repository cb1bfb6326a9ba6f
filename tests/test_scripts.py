"""The example, in a shortened form."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_classic_example_runs(tmp_path):
    picture = tmp_path / "curves.png"
    command = [sys.executable, ROOT / "examples" / "character_rnn.py", "--steps", "20", "--to", picture]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[:6]] == ["sgd"] * 3 + ["adagrad"] * 3
    assert lines[6].startswith("Adagrad is ")
    assert picture.read_bytes().startswith(b"\x89PNG")
