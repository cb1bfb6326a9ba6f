"""The examples, in a shortened form."""

from __future__ import annotations

import ast
import html
import json
import re
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


def run(folder, name, *options):
    """The lines that an example prints."""
    command = [sys.executable, EXAMPLES / name, *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder).stdout.splitlines()


def test_every_example_is_run_here():
    text = Path(__file__).read_text(encoding="utf-8")
    assert all(f'"{path.name}"' in text for path in EXAMPLES.glob("*.py"))


def test_the_classic_example(tmp_path):
    picture = tmp_path / "curves.png"
    lines = run(tmp_path, "character_rnn.py", "--steps", 20, "--to", picture)
    assert [line.split()[0] for line in lines[:6]] == ["sgd"] * 3 + ["adagrad"] * 3
    assert re.fullmatch(r"one-hot rows of \d+ symbols, elman, dense", lines[6])
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


def test_cells_side_by_side(tmp_path):
    """The majority comes first, then each network; its parameters are counted by hand for the Elman cell."""
    lines = run(tmp_path, "compare_cells.py", "--lines", 150, "--steps", 5, "--to", "cells.png")
    assert re.fullmatch(r"150 lines of \d+ to \d+ characters to learn from, 150 to score", lines[0])
    rows = [re.fullmatch(r"(.+?) +([\d,]+) +(\d+\.\d) +(0\.\d{3})", line).groups() for line in lines[2:7]]
    assert rows[0][0].startswith("always ")
    assert [row[0] for row in rows[1:]] == ["Elman", "GRU", "LSTM", "LSTM, two layers, both ways"]
    sizes = [int(row[1].replace(",", "")) for row in rows[1:]]
    outputs, hidden = 64 * 5 + 5, 64 * 64 + 64 * 64 + 64  # of the dense layer; of one gate, from 64 numbers a symbol
    assert (sizes[0] - outputs - hidden) % 64 == 0
    assert [size - sizes[0] for size in sizes[1:3]] == [2 * hidden + 64, 3 * hidden]
    assert (tmp_path / "cells.png").read_bytes().startswith(b"\x89PNG")


def test_highlighting(tmp_path):
    """The page holds the file character by character, and the tags are those that the syntax tree knows."""
    folder = Path(json.__file__).parent
    lines = run(tmp_path, "highlight.py", "--folder", folder, "--steps", 5, "--to", "page.html")
    assert lines[-1].startswith("__init__.py: ")
    code = (folder / "__init__.py").read_text(encoding="utf-8")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    spans = re.findall(r'<span class="(\w+)( wrong)?" title="(\w+)(?:, but it is: (\w+))?">([^<]+)</span>', page)
    assert html.unescape("".join(span[-1] for span in spans)) == code
    assert all(tag == titled and bool(wrong) == (true not in ("", tag)) for tag, wrong, titled, true, _ in spans)
    nodes = list(ast.walk(ast.parse(code)))
    support = {line.split()[0]: int(line.split()[-1].replace(",", "")) for line in lines[3:-3]}
    assert support["defined"] == sum(len(n.name) for n in nodes if isinstance(n, (ast.FunctionDef, ast.ClassDef)))
    assert support["attribute"] + support["called"] >= sum(len(n.attr) for n in nodes if isinstance(n, ast.Attribute))


def test_motifs_in_dna(tmp_path):
    """The sequence that is shown holds both motifs where they are drawn, with the gap that is asked for."""
    lines = run(tmp_path, "dna.py", "--sequences", 40, "--steps", 5)
    shares = [float(line.rpartition(" ")[2]) for line in lines[2:8]]
    assert all(0 <= share <= 1 for share in shares)
    motifs, text, after, fall = (line[2:] for line in lines[-4:])
    gap = re.search(r"TATAWAW( {10,20})TCAKTY", motifs)
    assert re.fullmatch(r"TATA[AT]A[AT][ACGT]{10,20}TCA[GT]T[CT]", text[gap.start() : gap.end()])
    assert len(after) == len(fall) == len(text)


def test_sounds(tmp_path):
    """The pitch of a chirp up rises in its file and that of a chirp down falls; each sound is in the table once."""
    lines = run(tmp_path, "audio.py", "--files", 20, "--steps", 5, "--folder", "sounds")
    assert [sum(map(int, line.split()[-5:])) for line in lines[-5:]] == [4] * 5
    chirps = sorted((tmp_path / "sounds").glob("*/*chirp*.wav"))
    assert len(chirps) == 16
    for path in chirps:
        with wave.open(str(path), "rb") as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8_000)
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        first, last = (np.abs(np.fft.rfft(part)).argmax() for part in (samples[:500], samples[-500:]))
        assert (first < last) == ("up" in path.name)
