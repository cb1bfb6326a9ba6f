"""The command line as a user runs it: processes, streams and exit codes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import SMALL
from tests.trained import TEXT, fitted

from throughtime import load


@pytest.fixture
def throughtime(tmp_path):
    def run(*arguments, stdin=None, environment=()):
        return subprocess.run(
            [sys.executable, "-m", "throughtime", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=tmp_path,
            env=os.environ | dict(environment),
        )

    return run


def test_train_sample_and_evaluate(throughtime, tmp_path):
    trained = throughtime("train", "-", "-o", "m.safetensors", "--json", *SMALL, stdin=TEXT)
    assert trained.returncode == 0
    assert json.loads(trained.stdout)["steps"] == 20
    assert "--- after 20 steps" in trained.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.safetensors"]
    sampled = throughtime("sample", "m.safetensors", "--length", 30, "--seed", 2)
    assert sampled.stdout == fitted().generate(30, random_state=2) + "\n"
    scored = throughtime("evaluate", "m.safetensors", "-", "--json", stdin="to be or not")
    assert json.loads(scored.stdout)["loss"] == fitted().evaluate("to be or not").loss


def test_an_error_is_one_sentence_and_with_debug_a_traceback(throughtime):
    plain = throughtime("train", "missing.txt", "-o", "m")
    assert (plain.returncode, plain.stdout) == (2, "")
    assert plain.stderr == "DataError: there is no file 'missing.txt'\n"
    debugged = throughtime("--debug", "train", "missing.txt", "-o", "m")
    assert debugged.returncode == 1
    assert debugged.stderr.startswith("Traceback (most recent call last):")
    assert debugged.stderr.endswith("throughtime.errors.DataError: there is no file 'missing.txt'\n")


def test_a_training_that_blows_up_says_so_and_nothing_else(throughtime, tmp_path):
    """Neither NumPy's warnings nor a traceback."""
    options = ["--cell", "elman-relu", "--optimizer", "sgd", "--learning-rate", "1e20", "--clip-norm", "none", "-q"]
    broken = throughtime("train", "-", "-o", "m", *SMALL, *options, stdin=TEXT)
    assert broken.returncode == 1
    kept, error = broken.stderr.splitlines()
    assert kept == "the last good weights are in m"
    assert error.startswith("NonFiniteLoss: step ")
    assert (tmp_path / "m").is_file()


def test_a_terminal_that_cannot_show_a_symbol_is_no_failure(throughtime, tmp_path):
    fitted_on_arrows = "→←" * 100
    environment = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    trained = throughtime("train", "-", "-o", "m", *SMALL, stdin=fitted_on_arrows, environment={"PYTHONUTF8": "1"})
    assert trained.returncode == 0
    sampled = throughtime("sample", "m", "--length", 3, environment=environment)
    assert sampled.returncode == 0
    assert set(sampled.stdout.split("\\u")) <= {"", "2192", "2190", "2192\n", "2190\n"}


def test_a_reader_that_has_seen_enough_is_no_failure(tmp_path):
    fitted().save(tmp_path / "m")
    command = [sys.executable, "-m", "throughtime", "sample", "m", "--length", "100000"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert len(process.stdout.read(50)) == 50
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 0
    process.stderr.close()


def test_a_full_disk_behind_standard_output_is_told(tmp_path):
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "throughtime", "cells"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    told = "OutputError: the answer could not be written: No space left on device; make room for it\n"
    assert (done.returncode, done.stderr) == (2, told)


def test_a_training_goes_on_where_what_it_says_cannot_be_written(tmp_path):
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "throughtime", "train", "text.txt", "-o", "m", *SMALL]
        done = subprocess.run(command, cwd=tmp_path, stderr=full, stdout=subprocess.PIPE, check=False)
    assert done.returncode == 0
    assert len(load(tmp_path / "m").history_.loss) == 20


def test_an_error_that_cannot_be_told_has_its_exit_code(tmp_path):
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "throughtime", "info", "m"]
        done = subprocess.run(command, cwd=tmp_path, stderr=full, stdout=subprocess.PIPE, check=False)
    assert (done.returncode, done.stdout) == (2, b"")


def test_the_demonstration_leaves_a_model_a_picture_and_samples(throughtime, tmp_path):
    result = throughtime("demo", "--minutes", 0.02, "--to", "shown", "--json")
    assert result.returncode == 0
    shown = tmp_path / "shown"
    assert sorted(path.name for path in shown.iterdir()) == ["learning_curve.png", "model.safetensors", "samples.txt"]
    assert (shown / "learning_curve.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    samples = (shown / "samples.txt").read_text(encoding="utf-8")
    assert re.match(r"--- after \d+ steps? ---\n", samples)
    assert len(samples) > 200
    report = json.loads(result.stdout)
    assert (report["picture"], report["samples"]) == ("shown/learning_curve.png", "shown/samples.txt")
    assert report["model"] == "shown/model.safetensors"
    assert throughtime("info", "shown/model.safetensors").returncode == 0


def test_a_training_goes_on_when_nobody_reads_what_it_says(tmp_path):
    """As in `throughtime train ... 2>&1 | head -1`."""
    (tmp_path / "text.txt").write_text("to be or not to be. " * 100, encoding="utf-8")
    options = "--max-steps 30 --hidden-size 8 --seq-len 16"
    command = f"{sys.executable} -m throughtime train text.txt -o m {options} 2>&1 | head -1"
    subprocess.run(command, shell=True, check=True, cwd=tmp_path, capture_output=True)
    assert (tmp_path / "m").is_file()
