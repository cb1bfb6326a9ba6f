"""What is written is there whole or not at all, and one process at a time writes it."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from throughtime import disk, files
from throughtime.errors import OutputError

TENSORS = {"b": np.arange(3, dtype=np.float32), "a": np.eye(2, dtype=np.float64)}
METADATA = {"kind": "Example", "numbers": [1, 2.5, None], "word": "été"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


# ---------------------------------------------------------------------- places that cannot be written to


def test_a_place_that_can_be_written_to_is_returned(path):
    assert disk.check_output(str(path)) == path
    assert not path.exists()


@pytest.mark.parametrize("write", [disk.check_output, lambda path: disk.write_atomically(path, b"data")])
def test_a_folder_that_does_not_exist(write, tmp_path):
    with pytest.raises(OutputError, match=r"the folder '.*missing' for 'model' does not exist; make it first"):
        write(tmp_path / "missing" / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", [disk.check_output, lambda path: disk.write_atomically(path, b"data")])
def test_a_path_that_is_a_folder(write, tmp_path):
    with pytest.raises(OutputError, match="is a folder; name a file in it"):
        write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file(path):
    path.write_bytes(b"old")
    with pytest.raises(
        OutputError, match=r"the folder '.*model\.safetensors' for 'more' is a file, no folder; choose another"
    ):
        disk.check_output(path / "more")


def test_a_folder_that_cannot_be_written_to(path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda folder, mode: not (folder == path.parent and mode == os.W_OK))
    with pytest.raises(OutputError, match=r"the folder '.*' cannot be written to; choose another or change its perm"):
        disk.check_output(path)


def fail(*arguments, **options):
    raise OSError(errno.ENOSPC, "No space left on device")


FAILURES = pytest.mark.parametrize(("where", "what"), [(os, "fsync"), (Path, "replace"), (Path, "open")])


@FAILURES
def test_a_failure_leaves_nothing_behind(where, what, path, monkeypatch):
    monkeypatch.setattr(where, what, fail)
    with pytest.raises(OutputError, match=r"could not be written \(4 bytes\): No space left on device"):
        disk.write_atomically(path, b"data")
    assert list(path.parent.iterdir()) == []


@FAILURES
def test_a_failure_leaves_the_old_file_whole(where, what, path, monkeypatch):
    files.save(path, TENSORS, METADATA)
    before = path.read_bytes()
    monkeypatch.setattr(where, what, fail)
    with pytest.raises(OutputError, match="No space left on device"):
        files.save(path, {"c": np.zeros(5)}, {})
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_an_interruption_leaves_the_old_file_and_nothing_else(path, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        disk.write_atomically(path, b"data")
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_what_a_process_left_that_is_gone_is_cleared_away(path):
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    kept = [f".{path.name}.{os.getppid()}.part", f".other.{gone.pid}.part", f".{path.name}.x.part"]
    for name in (*kept, f".{path.name}.{gone.pid}.part", f".{path.name}.{10**20}.part"):
        (path.parent / name).touch()
    disk.write_atomically(path, b"data")
    assert sorted(found.name for found in path.parent.iterdir()) == sorted([*kept, path.name])


def test_what_cannot_be_cleared_away_is_in_nobodys_way(path, monkeypatch):
    (path.parent / f".{path.name}.{10**20}.part").mkdir()
    disk.write_atomically(path, b"data")
    monkeypatch.setattr(Path, "iterdir", fail)
    disk.write_atomically(path, b"more")
    assert path.read_bytes() == b"more"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EDEADLK])
def test_on_windows_another_process_is_waited_for(number, path, monkeypatch):
    errors = [OSError(number, os.strerror(number))] * 2
    on_windows(errors, monkeypatch)
    with path.open("wb") as file:
        assert disk.lock(file, wait=True)
    assert errors == []


def test_on_windows_a_disk_without_locks_is_not_waited_for(path, monkeypatch):
    on_windows([OSError(errno.ENOLCK, "no locks")], monkeypatch)
    with path.open("wb") as file, pytest.raises(OSError, match="no locks"):
        disk.lock(file, wait=True)


def on_windows(errors, monkeypatch):
    """Windows, where locking fails with these errors, one after the other."""

    def locking(*arguments):
        if errors:
            raise errors.pop()

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=locking, LK_LOCK=1, LK_NBLCK=2))


def test_it_is_on_the_disk_before_it_has_its_name(path, monkeypatch):
    order = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda number: (order.append("flushed"), fsync(number)))
    monkeypatch.setattr(Path, "replace", lambda self, to: (order.append("renamed"), replace(self, to)))
    disk.write_atomically(path, b"data")
    assert order[:2] == ["flushed", "renamed"]
    assert path.read_bytes() == b"data"


def test_its_name_is_on_the_disk_when_it_has_it(path, monkeypatch):
    """A file that was renamed has its old name after a power cut, unless its folder was flushed."""
    flushed = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (flushed.append((os.fstat(number), path.exists())), fsync(number)))
    disk.write_atomically(path, b"data")
    of_file, of_folder = flushed
    assert (of_file[0].st_ino, of_file[1]) == (path.stat().st_ino, False)
    assert (of_folder[0].st_ino, of_folder[1]) == (path.parent.stat().st_ino, True)


def test_a_folder_that_cannot_be_flushed_loses_nothing(path, monkeypatch):
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (fail if stat.S_ISDIR(os.fstat(number).st_mode) else fsync)(number))
    disk.write_atomically(path, b"data")
    assert path.read_bytes() == b"data"
    assert list(path.parent.iterdir()) == [path]
