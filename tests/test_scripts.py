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


@pytest.mark.parametrize("fault", ["float('nan')", "1.001 * gradients['W'].flat[:]"], ids=["no number", "off by 0.1 %"])
def test_from_scratch_finds_a_planted_fault(tmp_path, fault):
    """A gradient with a NaN, or one of which a thousandth is too much, is said to be wrong."""
    code, checked = (EXAMPLES / "from_scratch.py").read_text(encoding="utf-8"), "for name, w in parameters.items():"
    before, _, check = code.rpartition(checked)
    (tmp_path / "faulty.py").write_text(f"{before}gradients['W'].flat[:] = {fault}\n{checked}{check}", encoding="utf-8")
    command = [sys.executable, "faulty.py", "--steps", "100"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "the gradient is wrong\n")


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


def test_the_sine_wave(tmp_path):
    """The procedure's first epoch is that of the tutorial's own loops; the others have begun to learn."""
    lines = run(tmp_path, "sine_wave.py", "--epochs", 1, "--steps", 50, "--to", "sine.png")
    errors = {line[:44].strip(): float(line[44:].split()[1]) for line in lines if "RMSE" in line}
    assert errors["always 0"] == 0.70499
    assert "epoch   1: validation loss 30971.55, summed over 50 records" in lines
    assert errors["true gradients, one weight"] < 0.65
    assert errors["Forecaster, by default"] < 0.05
    assert errors["Forecaster, for a series without noise"] < 0.05
    assert (tmp_path / "sine.png").read_bytes().startswith(b"\x89PNG")


def test_the_adding_problem(tmp_path):
    """Ten steps are not long: all three learn something."""
    lines = run(tmp_path, "adding_problem.py", "--length", 10, "--steps", 300, "--seeds", 1, "--to", "adding.png")
    assert re.fullmatch(r"T = 10; the answer 1 has a mean squared error of 0\.1[67]\d", lines[0])
    errors = {line[:14].strip(): float(line.split("error ")[1].split()[0]) for line in lines if "seed 1" in line}
    assert errors.keys() == {"tanh", "identity ReLU", "LSTM"}
    assert all(error < 0.1 for error in errors.values())
    assert (tmp_path / "adding.png").read_bytes().startswith(b"\x89PNG")


def test_digits_are_translated(tmp_path):
    lines = run(tmp_path, "translate_digits.py", "--steps", 60)
    losses = [float(line.split()[-4]) for line in lines if line.startswith("step ")]
    assert losses[-1] < losses[0] - 1
    assert sum(" -> " in line for line in lines) == 5
    assert sum(line.startswith("ok ") for line in lines) == 12
    assert not any(line.startswith("WRONG") for line in lines)


def test_one_to_many(tmp_path):
    lines = run(tmp_path, "one_to_many.py", "--steps", 60, "--to", "waves.png")
    error, size = map(float, re.findall(r"\d\.\d{4}", next(line for line in lines if line.startswith("500 other"))))
    assert error < size * 0.9
    assert sum(line.startswith("ok ") for line in lines) == 8
    assert not any(line.startswith("WRONG") for line in lines)
    assert (tmp_path / "waves.png").read_bytes().startswith(b"\x89PNG")


def test_the_weather(tmp_path):
    lines = run(tmp_path, "weather.py", "--days", 20, "--steps", 20, "--to", "weather.png")
    assert [line.split()[0] for line in lines[2:6]] == ["network", "naive", "seasonal", "drift"]
    assert "40 windows" in lines[6]
    table = [line.split()[-2:] for line in lines if re.match("(temperature|humidity), ", line)]
    assert all(0 < float(error) < 30 for row in table for error in row)
    assert len(table) == 4
    assert (tmp_path / "weather.png").read_bytes().startswith(b"\x89PNG")


def test_music(tmp_path):
    """The entropies in their order; the network, which has seen little, is already better than how often notes come."""
    lines = run(tmp_path, "music.py", "--steps", 100, "--to", "music.png")
    network, by_note, rule, often = (float(re.search(r"\d\.\d{3}", line)[0]) for line in lines[:4])
    assert rule < by_note < network < often
    assert (tmp_path / "music.png").read_bytes().startswith(b"\x89PNG")


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


def test_a_large_text_takes_little_memory_and_outlives_a_kill(tmp_path):
    """The benchmark in short: a training of 10 MB as of gigabytes; the memory is mostly that of the n-gram model."""
    script = ROOT / "benchmarks" / "faults" / "large_text.py"
    given = ["--gigabytes", "0.01", "--seconds", "1", "--threshold", "1000000", "--hidden-size", "8"]
    done = subprocess.run(
        [sys.executable, script, *given, "--folder", tmp_path], capture_output=True, text=True, check=True
    ).stdout
    characters, killed, _, same, before, after, *_ = done.splitlines()
    assert characters.endswith(" characters, 28 different")
    assert re.fullmatch(r"killed when [\d,]+ symbols were on disk; whole encodings found: 0", killed)
    assert same == "each character as often as written: True; parts left: 0"
    assert all(int(re.search(r"(\d+) MB of memory", line)[1]) < 400 for line in (before, after))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["numbers", "texts"])
def test_large_labelled_sets_take_little_memory(kind):
    """The benchmark in short."""
    script = ROOT / "benchmarks" / "faults" / "large_labels.py"
    given = ["--kind", kind, "--rows", "2000", "--steps", "20", "--max-steps", "5"]
    done = subprocess.run([sys.executable, script, *given], capture_output=True, text=True, check=True).stdout
    size, fitted, scored, memory = done.splitlines()
    assert (size, fitted[:9], scored[:7]) == (f"0.0 GB of {kind}", "fitted in", "scored ")
    assert int(re.search(r"at most (\d+) MB of memory", memory)[1]) < 400


def test_a_large_panel_takes_little_memory(tmp_path):
    """The benchmark in short: 200 series."""
    script = ROOT / "benchmarks" / "faults" / "large_tables.py"
    given = ["--kind", "panel", "--gigabytes", "0.008", "--seconds", "1", "--text"]
    done = subprocess.run(
        [sys.executable, script, *given, "--folder", tmp_path], capture_output=True, text=True, check=True
    ).stdout
    rows, *memory, learned = done.splitlines()
    assert rows == "200,000 rows of 200 series"
    assert len(memory) == 4
    assert all(int(re.search(r"(\d+) MB of memory", line)[1]) < 400 for line in memory)
    assert re.fullmatch(r"[\d,]+ steps; mean absolute error [\d.]+, of the noise alone 0.798", learned)
    assert not list(tmp_path.iterdir())
