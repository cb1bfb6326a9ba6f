"""A bench from the first comparison to the record."""

import pytest
from tests.benchmark.conftest import SMALL

from throughtime.benchmark import Job, measure
from throughtime.benchmark.correctness import TOLERANCE
from throughtime.benchmark.processes import Process
from throughtime.engine.compiled.threads import available
from throughtime.errors import Disagreement, ParameterError

ALL = {1, available()}


def test_every_peer_is_timed_with_each_number_of_threads(measured):
    text, classic = measured["rows"]
    assert {(time["peer"], time["threads"]) for time in text["times"]} == {("throughtime", n) for n in ALL}
    assert {(time["peer"], time["threads"]) for time in classic["times"]} == {
        (peer, n) for peer in ("throughtime", "classic script") for n in ALL
    }
    for time in text["times"] + classic["times"]:
        assert len(time["milliseconds"]) == 2
        assert min(time["milliseconds"]) > 0


def test_what_is_not_installed_is_said(measured):
    assert measured["missing"] == {"PyTorch": "not here", "ONNX Runtime": "not here"}
    assert measured["rows"][0]["peers"] == ["throughtime", "PyTorch"]


def test_a_planted_fault_ends_the_bench_before_anything_is_timed(alone, monkeypatch):
    asked = []

    def ask(self, do, **request):
        asked.append(do)
        answer = real(self, do, **request)
        if do == "check":
            spoil(request["to"])
        return answer

    real = Process.ask
    monkeypatch.setattr(Process, "ask", ask)
    with pytest.raises(Disagreement, match=r"text elman 8, 2, 3: gradient recurrent\.0\.W of throughtime \(1 thread\)"):
        measure(SMALL, rounds=1, seconds=0.001)
    assert set(asked) == {"check"}


def spoil(path):
    import numpy as np

    with np.load(path) as found:
        arrays = {name: found[name] for name in found}
    wrong = arrays["|gradient recurrent.0.W"]
    wrong[np.unravel_index(np.abs(wrong).argmax(), wrong.shape)] *= 1.001
    np.savez(path, **arrays)


def test_what_goes_on_is_told(alone, monkeypatch):
    heard = []
    monkeypatch.setitem(TOLERANCE, "outputs", -1.0)
    monkeypatch.setattr("os.getloadavg", lambda: (9.0, 0.0, 0.0))
    with pytest.raises(Disagreement):
        measure([Job("step", "lstm", 8)], tell=heard.append)
    assert heard == [
        "this machine is busy (load 9.0); times will be longer than they need be, and differ more",
        "without PyTorch: PyTorch is not installed",
        "without ONNX Runtime: ONNX Runtime is not installed",
        "first whether all compute the same: 1 rows",
    ]


def test_no_rounds_are_refused():
    with pytest.raises(ParameterError, match="rounds must be at least 1, got 0"):
        measure(SMALL, rounds=0)
