"""How much memory there is for work that is about to begin.

Linux tells what is free, and a control group may allow less, as containers do. psutil, which reads the former on more
systems, knows nothing of the latter. Elsewhere nothing is known, and nothing is refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from throughtime.errors import ParameterError

VARIABLE = "THROUGHTIME_MEMORY"
"""Of the environment: so many bytes are taken as free, whatever the machine says."""

UNLIMITED = 1 << 60
"""A control group without a limit names a number above this, or ``max``."""


def free_memory(root: Path = Path("/")) -> int | None:
    """Bytes that may still be taken without another process, or this one, being ended for it; None: not known.

    Parameters
    ----------
    root : path, default "/"
        Where ``proc`` and ``sys`` are.

    Raises
    ------
    ParameterError
        If the environment's ``THROUGHTIME_MEMORY`` is no number of bytes.
    """
    given = os.environ.get(VARIABLE)
    if given is not None:
        if not given.isdecimal():
            raise ParameterError(f"{VARIABLE} must be a number of bytes, such as 8000000000, got {given!r}")
        return int(given)
    found = [*_of_machine(root), *_of_groups(root)]
    return max(0, min(found)) if found else None


def _of_machine(root: Path) -> Iterator[int]:
    """What the kernel thinks can be had without swapping."""
    for line in _text(root / "proc/meminfo").splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            yield int(value.split()[0]) << 10


def _of_groups(root: Path) -> Iterator[int]:
    """What the process's control groups leave, version 1 or 2, with all those that they are in."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, limit, usage, reclaimable = root / "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            base, limit, usage = root / "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            reclaimable = "total_inactive_file"
        else:
            continue
        inner = base / path.lstrip("/")  # in a container it may not be there, but its own group is at the base
        for group in (inner, *inner.parents):
            if group.is_relative_to(base):
                yield from _left(group, limit, usage, reclaimable)


def _left(group: Path, limit: str, usage: str, reclaimable: str) -> Iterator[int]:
    most, used = _text(group / limit).strip(), _text(group / usage).strip()
    if not (most.isdecimal() and used.isdecimal()) or int(most) >= UNLIMITED:
        return
    words = (line.split() for line in _text(group / "memory.stat").splitlines())
    files = {name: int(value) for name, value in words}
    yield int(most) - int(used) + files.get(reclaimable, 0)


def _text(path: Path) -> str:
    """What a file of the kernel says; nothing where there is none."""
    return path.read_text(encoding="utf-8") if path.is_file() else ""
