"""What the machine and its control groups say of their memory."""

from __future__ import annotations

import pytest

from throughtime.engine.free_memory import VARIABLE, free_memory
from throughtime.errors import ParameterError

GIB = 1 << 30
MEMINFO = {"proc/meminfo": f"MemTotal: {16 << 20} kB\nMemFree: {1 << 20} kB\nMemAvailable: {8 << 20} kB\n"}


@pytest.fixture(autouse=True)
def nothing_is_given(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def machine(tmp_path):
    """The files of a kernel."""

    def make(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return make


def group(folder, most, used, files):
    """A control group of version 2."""
    return {
        f"sys/fs/cgroup{folder}/memory.max": f"{most}\n",
        f"sys/fs/cgroup{folder}/memory.current": f"{used}\n",
        f"sys/fs/cgroup{folder}/memory.stat": f"anon 1\ninactive_file {files}\n",
    }


def old_group(folder, most, used, files):
    """The same of version 1."""
    return {
        f"sys/fs/cgroup/memory{folder}/memory.limit_in_bytes": f"{most}\n",
        f"sys/fs/cgroup/memory{folder}/memory.usage_in_bytes": f"{used}\n",
        f"sys/fs/cgroup/memory{folder}/memory.stat": f"cache 1\ntotal_inactive_file {files}\n",
    }


def test_of_the_machine_alone(machine):
    assert free_memory(machine(MEMINFO)) == 8 * GIB


def test_nothing_is_known_elsewhere(tmp_path):
    assert free_memory(tmp_path) is None


@pytest.mark.parametrize(
    ("membership", "groups", "expected"),
    [
        ("0::/\n", group("", 3 * GIB, 2 * GIB, GIB // 2), 1.5 * GIB),
        ("0::/a/b\n", group("/a/b", "max", GIB, 0), 8 * GIB),
        ("0::/a/b\n", group("/a/b", "max", GIB, 0) | group("/a", 4 * GIB, GIB, 0), 3 * GIB),
        ("0::/a\n", group("/a", 64 * GIB, GIB, 0), 8 * GIB),
        ("0::/a\n", group("/a", GIB, 2 * GIB, 0), 0),
        ("0::/not/there\n", group("", 2 * GIB, GIB, 0), GIB),
        ("5:devices:/\n4:cpu,memory:/a\n0::/\n", old_group("/a", 3 * GIB, 2 * GIB, GIB), 2 * GIB),
        ("4:memory:/in/container\n", old_group("", 3 * GIB, 2 * GIB, 0), GIB),
        ("4:memory:/a\n", old_group("/a", 9223372036854771712, GIB, 0), 8 * GIB),
        ("5:devices:/a\n", group("/a", GIB, 0, 0), 8 * GIB),
    ],
)
def test_a_control_group_may_allow_less(machine, membership, groups, expected):
    assert free_memory(machine(MEMINFO | groups | {"proc/self/cgroup": membership})) == expected


def test_of_this_machine():
    assert free_memory() is None or free_memory() > 0


def test_what_is_given_counts(monkeypatch, machine):
    monkeypatch.setenv(VARIABLE, "5000")
    assert free_memory(machine(MEMINFO)) == 5000


@pytest.mark.parametrize("value", ["", "8GB", "-1", "1e9"])
def test_what_is_given_must_be_bytes(monkeypatch, value):
    monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(ParameterError, match=rf"THROUGHTIME_MEMORY must be a number of bytes, .*, got {value!r}"):
        free_memory()
