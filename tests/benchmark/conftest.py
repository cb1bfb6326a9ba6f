"""A record that was measured, and one that was written by hand."""

import copy

import pytest

from throughtime.benchmark import Job, measure, peers

SMALL = [Job("text", "elman", 8, 2, 3), Job("classic", "elman", 8, 1, 3)]


@pytest.fixture
def alone(monkeypatch):
    """Only this library and the classic script are installed."""

    def missing(name):
        return f"{name} is not installed" if name in ("PyTorch", "ONNX Runtime") else None

    monkeypatch.setattr(peers, "missing", missing)


@pytest.fixture(scope="session")
def measured():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peers, "missing", lambda name: "not here" if name in ("PyTorch", "ONNX Runtime") else None)
        return measure(SMALL, rounds=2, seconds=0.001)


def time_of(peer, threads, *milliseconds, entry=""):
    return {"peer": peer, "entry": entry, "threads": threads, "milliseconds": list(milliseconds)}


RECORD = {
    "format": 1,
    "date": "2026-11-20T12:00:00+00:00",
    "commit": None,
    "changed": False,
    "cpu": "A processor",
    "cores": 2,
    "load": 0.0,
    "target": "a target",
    "versions": {"python": "3.11.7", "numpy": "2.0.0"},
    "threads": 2,
    "limits": {"fma_one_core": 50.0, "fma_all_cores": 100.0, "read_one_core": 10.0, "read_all_cores": 20.0},
    "compile_seconds": {"lstm": {"nothing_cached": 2.5, "cached": 0.1}},
    "missing": {"ONNX Runtime": "onnxruntime is not installed"},
    "rounds": 3,
    "rows": [
        {
            "name": "text lstm 96, 1, 25",
            "job": {},
            "unit": "step",
            "multiplications": 10_000_000,
            "peers": ["throughtime", "PyTorch"],
            "times": [
                time_of("throughtime", 1, 2.0, 1.0, 3.0),
                time_of("throughtime", 2, 1.0, 0.9, 1.5),
                time_of("PyTorch", 1, 4.0, 3.9, 4.1, entry="oneDNN on"),
                time_of("PyTorch", 1, 3.0, 2.0, 9.0, entry="oneDNN off"),
            ],
        },
        {
            "name": "step lstm 32",
            "job": {},
            "unit": "step",
            "multiplications": 1000,
            "peers": ["throughtime", "PyTorch", "ONNX Runtime"],
            "times": [
                time_of("throughtime", 1, 1.0, 1.0, 1.002),
                time_of("PyTorch", 1, 0.999, 0.998, 1.001, entry="LSTMCell, oneDNN on"),
            ],
        },
    ],
}


@pytest.fixture
def record():
    return copy.deepcopy(RECORD)
