"""The example and the benchmark, in a shortened form."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]


def test_the_classic_example_runs(tmp_path):
    picture = tmp_path / "curves.png"
    command = [sys.executable, ROOT / "examples" / "character_rnn.py", "--steps", "20", "--to", picture]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[:6]] == ["sgd"] * 3 + ["adagrad"] * 3
    assert lines[6].startswith("Adagrad is ")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_benchmark_compares_before_it_times(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    spec = importlib.util.spec_from_file_location("text_step", ROOT / "benchmarks" / "text_step.py")
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    peers = benchmark.classic_job(np.random.default_rng(0))
    seconds = benchmark.time_side_by_side(peers, rounds=2)
    assert seconds.keys() == {"throughtime", "classic script"}
    assert all(len(rounds) == 2 and min(rounds) > 0 for rounds in seconds.values())
