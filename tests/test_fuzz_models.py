"""The fuzzer of model files, in a shortened form, and whether it would see what it looks for."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.golden.make_models import FOLDER

from throughtime import files
from throughtime.errors import CellError, ModelFileError

FAULTS = Path(__file__).parents[1] / "benchmarks" / "faults"


@pytest.fixture
def fuzzer(monkeypatch):
    monkeypatch.syspath_prepend(FAULTS)
    import fuzz_models

    before = signal.signal(signal.SIGPROF, fuzz_models._hang)
    yield fuzz_models
    signal.signal(signal.SIGPROF, before)


def test_some_hundred_spoilt_files_do_no_harm(tmp_path):
    command = [sys.executable, FAULTS / "fuzz_models.py", "--files", "400", "--seed", "7", "--to", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\n400 files, \d+ a second; 0 failures\n$", done.stdout)
    assert list(tmp_path.iterdir()) == []
    counts = {name: int(count) for count, name in re.findall(r"(\d+)  (.*)", done.stdout)}
    assert sum(count for name, count in counts.items() if name.endswith(": used")) > 40
    assert sum(count for name, count in counts.items() if name.endswith("(ModelFileError)")) > 200


def test_a_file_is_spoilt_the_same_way_again(fuzzer):
    sound = fuzzer.sound_files()
    for number in range(50):
        first, again, other = (fuzzer.spoilt(number, seed, sound) for seed in (1, 1, 2))
        assert first == again != other


def hang(path):
    while True:
        pass


def import_something(path):
    import this  # noqa: F401


def forget(path):
    raise ModelFileError("damaged") from MemoryError()


def fail(path):
    raise KeyError("name")


def flood(path):
    raise ModelFileError("x" * 10_000)


def beep(path):
    raise ModelFileError("a\x07b")


FAILURES = {
    hang: "FAILURE: time",
    import_something: "FAILURE: import",
    forget: "FAILURE: MemoryError",
    fail: "FAILURE: KeyError",
    flood: "FAILURE: Flood",
    beep: "FAILURE: Flood",
}


@pytest.mark.parametrize("deed", FAILURES, ids=lambda deed: deed.__name__)
def test_a_failure_is_seen(deed, fuzzer, monkeypatch, capsys):
    monkeypatch.setattr(fuzzer, "use", deed)
    monkeypatch.delitem(sys.modules, "this", raising=False)
    outcome, said = fuzzer.judged(Path("model"))
    assert outcome == FAILURES[deed]
    assert said


def test_what_is_no_failure(fuzzer, monkeypatch):
    def refuse(path):
        raise ModelFileError("damaged")

    monkeypatch.setattr(fuzzer, "use", refuse)
    assert fuzzer.judged(Path("model")) == ("refused (ModelFileError)", "")
    monkeypatch.setattr(fuzzer, "use", lambda path: None)
    assert fuzzer.judged(Path("model")) == ("used", "")


@pytest.mark.parametrize("error", [None, CellError("unknown")])
def test_an_accident_that_is_overlooked_is_a_failure(error, fuzzer, monkeypatch):
    def use(path):
        if error:
            raise error

    monkeypatch.setattr(fuzzer, "use", use)
    assert fuzzer.judged(Path("model"))[1] == ""
    outcome, said = fuzzer.judged(Path("model"), accident=True)
    assert outcome == "FAILURE: overlooked"
    assert said.endswith(", though it is damaged and not sealed")


def test_what_is_no_accident_has_a_checksum_that_fits(fuzzer, tmp_path):
    """So that the checks behind it are what refuses the file."""
    from changes import ACCIDENTS

    sound = fuzzer.sound_files()
    path = tmp_path / "model"
    for number in range(300):
        change, data = fuzzer.spoilt(number, 3, sound)
        path.write_bytes(data)
        with contextlib.suppress(ModelFileError):
            files.load(path)
            assert change not in ACCIDENTS
            continue
        with pytest.raises(ModelFileError) as caught:
            files.load(path)
        assert change in ACCIDENTS or "its checksum does not fit" not in str(caught.value)


def test_a_sound_file_is_sealed_as_it_was(fuzzer):
    from changes import NO_CHECKSUM, sealed

    for path in sorted(FOLDER.glob("format2-*.safetensors")):
        data = path.read_bytes()
        checksum = re.search(rb'"checksum":"(.{32})"', data)[1]
        assert sealed(data.replace(checksum, NO_CHECKSUM.encode())) == data == sealed(data)
