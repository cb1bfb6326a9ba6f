"""The processes that measure: what they are told, and what becomes of a failure."""

from dataclasses import asdict

import numpy as np
import pytest

from throughtime.benchmark import Job, processes
from throughtime.benchmark.processes import Crew, Process
from throughtime.errors import ThroughtimeError

JOB = asdict(Job("step", "lstm", 8))


def test_the_environment_is_cleaned(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    monkeypatch.setenv("THROUGHTIME_NUM_THREADS", "7")
    found = processes.environment(2, {"THROUGHTIME_CACHE_DIR": "here"})
    assert "OPENBLAS_CORETYPE" not in found
    assert "OMP_WAIT_POLICY" not in found
    assert {found[name] for name in processes.THREADS} == {"2"}
    assert found["THROUGHTIME_CACHE_DIR"] == "here"


def test_a_process_checks_and_takes_turns(tmp_path):
    with Crew() as crew:
        process = crew.get()
        assert crew.get() is process
        assert process.ask("check", job=JOB, to=str(tmp_path / "found.npz")) == {"entries": [""]}
        with np.load(tmp_path / "found.npz") as found:
            assert {name: found[name].shape for name in found} == {"|outputs": (5, 1, 8)}
        assert process.ask("prepare", job=JOB)["seconds"][""] > 0
        assert process.ask("turn", entry="", seconds=0.001)["seconds"] > 0
        assert process.ask("first", job=asdict(Job("text", "elman", 8, 1, 3)))["seconds"] > 0


def test_a_failure_is_told():
    with Process("throughtime", 1) as process:
        with pytest.raises(ThroughtimeError, match="throughtime failed to turn: KeyError: 'nonsense'"):
            process.ask("turn", entry="nonsense", seconds=1)
        assert process.ask("prepare", job=JOB)["seconds"]  # it goes on


def test_a_process_that_has_ended_is_told():
    process = Process("throughtime", 1)
    process.close()
    process._process.stdin = open("/dev/null", "w")  # noqa: PTH123, SIM115
    process._process.stdout = open("/dev/null")  # noqa: PTH123, SIM115
    with pytest.raises(ThroughtimeError, match="the process that measures throughtime has ended"):
        process.ask("limits", threads=1)
    process.close()
