"""Compiled code on disk: what its key holds, and what happens where it cannot be read or written."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys

import pytest
from tests.engine.compiled.material import ROOT, run_python

from throughtime.disk import cache_directory
from throughtime.engine.compiled import cache
from throughtime.engine.compiled.llvm import Function, Module

PATHS = [*filter(None, [os.environ.get("PYTHONPATH")]), str(ROOT)]


def program(number, name="answer"):
    """A function that gives a number."""
    module = Module()
    f = Function(module, name, [], returns="i64")
    f.give(f.constant("i64", number))
    return module.text


def call(code, name="answer"):
    return ctypes.CFUNCTYPE(ctypes.c_int64)(code.address(name))()


@pytest.fixture
def directory(monkeypatch, tmp_path):
    """An empty cache."""
    monkeypatch.setenv("THROUGHTIME_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_loaded", {})
    return tmp_path / "cache"


def load_afresh(monkeypatch, number, what="the answer"):
    """What a new process would load."""
    monkeypatch.setattr(cache, "_loaded", {})
    return call(cache.load(program(number), what))


def test_code_is_compiled_once_and_said_once(directory, monkeypatch, capsys):
    assert load_afresh(monkeypatch, 41) == 41
    said = capsys.readouterr().err
    assert said.startswith("throughtime: compiled the answer in ")
    assert said.endswith(f" s (kept in {directory})\n")
    assert said.count("\n") == 1
    (file,) = directory.iterdir()
    written = file.read_bytes(), file.stat().st_mtime_ns
    assert load_afresh(monkeypatch, 41) == 41
    assert cache.load(program(41), "the answer") is cache.load(program(41), "again")
    assert capsys.readouterr().err == ""
    assert (file.read_bytes(), file.stat().st_mtime_ns) == written


def test_other_code_has_another_place(directory, monkeypatch):
    assert load_afresh(monkeypatch, 1) == 1
    assert load_afresh(monkeypatch, 2) == 2
    assert load_afresh(monkeypatch, 1) == 1
    assert len(list(directory.iterdir())) == 2


def test_another_processor_has_another_place(directory, monkeypatch):
    from throughtime.engine.compiled.target import host

    load_afresh(monkeypatch, 1)
    here = host()
    monkeypatch.setattr(cache, "host", lambda: type(here)(here.triple, "core2", ""))
    load_afresh(monkeypatch, 1)
    assert len(list(directory.iterdir())) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:10],
        lambda data: data[:32],
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data + b"x",
        lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:],
        lambda data: bytes([data[0] ^ 128]) + data[1:],
        lambda data: bytes(len(data)),
    ],
    ids=["empty", "ten bytes", "checksum only", "cut", "half", "longer", "flipped bit", "flipped checksum", "zeros"],
)
def test_a_damaged_file_is_compiled_anew(damage, directory, monkeypatch, capsys):
    load_afresh(monkeypatch, 7)
    (file,) = directory.iterdir()
    good = file.read_bytes()
    file.write_bytes(damage(good))
    capsys.readouterr()
    assert load_afresh(monkeypatch, 7) == 7
    assert "compiled the answer" in capsys.readouterr().err
    assert load_afresh(monkeypatch, 7) == 7
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("place", ["a file", "below a file", "a directory where the code should be"])
def test_a_place_that_cannot_be_written(place, directory, monkeypatch, capsys, tmp_path):
    if place == "a directory where the code should be":
        load_afresh(monkeypatch, 5)
        (file,) = directory.iterdir()
        file.unlink()
        (directory / file.name / "full").mkdir(parents=True)
    else:
        (tmp_path / "file").write_text("")
        directory = tmp_path / "file" / "below" if place == "below a file" else tmp_path / "file"
        monkeypatch.setenv("THROUGHTIME_CACHE_DIR", str(directory))
    capsys.readouterr()
    for _ in range(2):
        assert load_afresh(monkeypatch, 5) == 5
        said = capsys.readouterr().err
        assert said.startswith("throughtime: compiled the answer in ")
        assert said.endswith(f" s (not kept: {directory} cannot be written)\n")
    if directory.is_dir():
        assert len(list(directory.iterdir())) == 1


def test_an_unwritable_directory(directory, monkeypatch, capsys):
    def refuse(**_):
        raise PermissionError

    monkeypatch.setattr(cache.tempfile, "mkstemp", refuse)
    assert load_afresh(monkeypatch, 5) == 5
    assert "not kept" in capsys.readouterr().err


def test_the_directory_is_the_users_where_none_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv("THROUGHTIME_CACHE_DIR", raising=False)
    monkeypatch.setattr(cache.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory() == tmp_path / "throughtime"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_directory() == tmp_path / ".cache" / "throughtime"
    monkeypatch.setattr(cache.sys, "platform", "darwin")
    assert cache_directory() == tmp_path / "Library" / "Caches" / "throughtime"
    monkeypatch.setattr(cache.sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache_directory() == tmp_path / "local" / "throughtime" / "Cache"


# ---------------------------------------------------------------------- in processes of their own


@pytest.fixture
def seeded(tmp_path):
    """A cache that has what is compiled already, so that only what is new costs time."""
    run_python("from throughtime.engine.compiled import library; library.common()")
    shutil.copytree(cache_directory(), tmp_path / "seeded")
    return {"THROUGHTIME_CACHE_DIR": str(tmp_path / "seeded"), "PYTHONPATH": os.pathsep.join([*PATHS, str(tmp_path)])}


CELL = """
from throughtime import Cell
from helper_of_cell import shrink

def step(a, u, state, p):
    return (shrink(a[0]),), ()

def step_back(d_state, state, saved, p):
    return (shrink(d_state[0]),), (), (0.0,), ()

MINE = Cell("mine", gates=("a",), states=("h",), step=step, step_back=step_back, recurrent=False)
"""
USE = """
import numpy as np
from throughtime import Network
from throughtime.layers import Recurrent
def use(cell):
    network = Network([Recurrent(cell, 3, 2)], engine="compiled", random_state=0)
    outputs, _ = network.forward(np.ones((1, 1, 3)))
    plain, _ = network.copy(engine="numpy").forward(np.ones((1, 1, 3)))
    assert np.allclose(outputs, plain, rtol=1e-5), (outputs, plain)
    print(outputs.ravel().tolist())
"""


def test_an_edited_helper_in_another_file_gives_other_code(seeded, tmp_path):
    (tmp_path / "cell_of_mine.py").write_text(CELL)
    seen = []
    for constant in ("0.25", "0.125", "0.25"):
        (tmp_path / "helper_of_cell.py").write_text(f"def shrink(x):\n    return x * {constant}\n")
        done = run_python(f"{USE}\nfrom cell_of_mine import MINE\nuse(MINE)", PYTHONDONTWRITEBYTECODE="1", **seeded)
        seen.append((done.stdout, "compiled the cell mine" in done.stderr))
    assert seen[0][0] == seen[2][0] != seen[1][0]
    assert [said for _, said in seen] == [True, True, False]


def test_a_cell_defined_again_under_its_name_and_on_the_command_line(seeded, tmp_path):
    text = CELL.replace("from helper_of_cell import shrink", "def shrink(x): return x * 0.5")
    again = text.replace("* 0.5", "* 0.75")
    done = run_python(f"{USE}\n{text}\nuse(MINE)\n{again}\nuse(MINE)\n{text}\nuse(MINE)", **seeded)
    first, second, third = done.stdout.splitlines()
    assert first == third != second
    assert done.stderr.count("compiled the cell mine") == 2
    (tmp_path / "script.py").write_text(f"{USE}\n{text}\nuse(MINE)")
    variables = os.environ | seeded
    as_main = subprocess.run(
        [sys.executable, tmp_path / "script.py"], env=variables, capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert as_main.stdout.splitlines() == [first]
    assert as_main.stderr == ""


def test_two_processes_at_once_on_an_empty_cache(tmp_path):
    variables = os.environ | {
        "THROUGHTIME_CACHE_DIR": str(tmp_path / "empty"),
        "PYTHONPATH": os.pathsep.join(PATHS),
    }
    text = CELL.replace("from helper_of_cell import shrink", "def shrink(x): return x * 0.5")
    command = [sys.executable, "-c", f"{USE}\n{text}\nuse(MINE)"]
    both = [
        subprocess.Popen(command, env=variables, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0][0] == said[1][0] != ""
    third = run_python(f"{USE}\n{text}\nuse(MINE)", THROUGHTIME_CACHE_DIR=str(tmp_path / "empty"))
    assert third.stdout == said[0][0]
    assert third.stderr == ""
    assert not [file for file in (tmp_path / "empty").iterdir() if file.suffix != ".o"]
