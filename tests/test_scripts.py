"""The examples, in a shortened form."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


def run(folder, name, *options):
    """The lines that an example prints."""
    command = [sys.executable, EXAMPLES / name, *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder).stdout.splitlines()


def test_every_example_is_run_here():
    text = Path(__file__).read_text(encoding="utf-8")
    assert all(f'"{path.name}"' in text for path in EXAMPLES.glob("*.py"))


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("character_rnn.py", ["--text", "missing.txt"], "there is no file 'missing.txt'"),
        ("character_rnn.py", ["--to", "no/curves.png"], "the folder 'no' for 'curves.png' does not exist; make it"),
        ("from_scratch.py", ["--text", "missing.txt"], "there is no file 'missing.txt'"),
        ("identity_init.py", ["--text", "missing.txt"], "there is no file 'missing.txt'"),
        ("identity_init.py", ["--to", "no/curve.png"], "the folder 'no' for 'curve.png' does not exist; make it"),
        ("next_word.py", ["--text", "missing.txt"], "there is no file 'missing.txt'"),
        ("source_code.py", ["--folder", "missing"], "there are no functions to learn from in missing"),
    ],
)
def test_what_an_example_cannot_use_is_said_at_once(tmp_path, name, options, sentence):
    command = [sys.executable, EXAMPLES / name, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith(f"{name}: error: {sentence}")


def test_the_classic_example(tmp_path):
    picture = tmp_path / "curves.png"
    lines = run(tmp_path, "character_rnn.py", "--steps", 20, "--to", picture)
    assert [line.split()[0] for line in lines[:6]] == ["sgd"] * 3 + ["adagrad"] * 3
    assert re.fullmatch(r"one-hot rows of \d+ symbols, elman of \d+, dense", lines[6])
    assert lines[7].startswith("Adagrad is ")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_from_scratch(tmp_path):
    """Every shape is printed, the loss falls, and the gradient agrees with the numerical one."""
    lines = run(tmp_path, "from_scratch.py", "--steps", 400)
    shapes = dict(re.findall(r"^  (\w+) (\(.*\))$", "\n".join(lines), re.MULTILINE))
    letters = ["U", "W", "b", "V", "c"]
    assert all(shapes["d" + letter] == shapes[letter] for letter in letters)
    assert {"x", "h", "hidden", "o"} <= shapes.keys()
    losses = [float(figure) for figure in re.findall(r"loss ([\d.]+) nats", "\n".join(lines))]
    assert losses[-1] < losses[0] - 0.2
    assert float(lines[-1].rpartition(" ")[2]) < 1e-6
    assert len((EXAMPLES / "from_scratch.py").read_text(encoding="utf-8").splitlines()) < 120


def test_from_the_identity(tmp_path):
    lines = run(tmp_path, "identity_init.py", "--characters", 4000, "--epochs", 2, "--to", "curve.png")
    assert sum(line.startswith("--- epoch ") for line in lines) == 2
    before, after = map(float, re.findall(r"\d\.\d{3}", lines[-1]))
    assert after < before
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_the_next_word(tmp_path):
    """What has learned nothing yet has the loss of guessing; then it falls, and stays finite."""
    lines = run(tmp_path, "next_word.py", "--sentences", 120, "--epochs", 1)
    guessing, untrained = map(float, re.findall(r"\d\.\d{3}", next(line for line in lines if "guessing" in line)))
    assert abs(untrained - guessing) < 0.05
    losses = [float(line.split()[2]) for line in lines if line.startswith("step ")]
    assert losses[-1] < losses[0]
    assert sum(" -> " in line for line in lines) == 3


def test_source_code(tmp_path):
    folder = Path(json.__file__).parent
    lines = run(tmp_path, "source_code.py", "--folder", folder, "--minutes", 0.05, "--count", 5)
    assert re.match(r"\d+ of \d+ functions, [\d,]+ characters$", lines[0])
    assert re.match(r"\d of 5 functions compile \(\d+%\), of which \d are copies", lines[1])
