"""The record of a bench: one JSON object, one line of a file to which lines are only added.

format              1
date                when it was written, in UTC
commit              of the checkout, None outside one; "changed" if src differs from it
cpu, cores, load    the processor, how many CPUs this process may use, the load average of the minute before the bench
target              what compiled code is made for
versions            of Python and of what takes part
threads             how many "all" are
limits              GFLOP/s of multiply-adds and GB/s that are read, on one core and on all
compile_seconds     by cell: to the first training step of a process, with nothing on disk and with it
missing             peers that are not installed, and why
rounds              how often each had its turn
rows                name, job, unit, multiplications, the peers that have such a job, and times: for every peer,
                    entry (its settings) and number of threads, the milliseconds a unit in each round
"""

from __future__ import annotations

import datetime
import errno
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from throughtime.disk import check_output
from throughtime.engine.compiled.target import host
from throughtime.engine.compiled.threads import available
from throughtime.errors import DataError, OutputError

FORMAT = 1
PACKAGES = ("throughtime", "numpy", "llvmlite", "torch", "onnxruntime", "onnx")


def rounded(figure: float) -> float:
    """Five digits: more are noise."""
    return float(f"{figure:.5g}")


def make(
    rows: Sequence[Mapping[str, Any]],
    *,
    limits: Mapping[str, float],
    compile_seconds: Mapping[str, Mapping[str, float]],
    missing: Mapping[str, str],
    rounds: int,
    load: float | None,
) -> dict[str, Any]:
    """The record of these rows, on this machine, now."""
    commit, changed = checkout(Path(__file__).parent)
    return {
        "format": FORMAT,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "changed": changed,
        "cpu": cpu(),
        "cores": available(),
        "load": load,
        "target": str(host()),
        "versions": versions(),
        "threads": available(),
        "limits": {name: rounded(figure) for name, figure in limits.items()},
        "compile_seconds": {cell: dict(found) for cell, found in compile_seconds.items()},
        "missing": dict(missing),
        "rounds": rounds,
        "rows": [dict(row) for row in rows],
    }


def versions() -> dict[str, str]:
    """Of Python, and of the packages that are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def cpu() -> str:
    """The name of the processor."""
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def checkout(folder: Path) -> tuple[str | None, bool]:
    """The commit of the checkout that these files belong to, and whether they differ from it; None outside one."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
        except OSError:
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    package = str(folder.parent)
    if not git("ls-files", "--", package):
        return None, False
    return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--", package))


def load_average() -> float | None:
    """How many processes ran or waited in the last minute; None where nobody counts them."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def append(path: Path, record: Mapping[str, Any]) -> None:
    """Adds the record to the file as one line, or leaves it as it was.

    Raises
    ------
    OutputError
        If the file cannot be written to.
    """
    check_output(path)
    line = (json.dumps(record, allow_nan=False) + "\n").encode()
    try:
        with path.open("ab", buffering=0) as file:
            before = file.tell()
            if file.write(line) < len(line):
                file.truncate(before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        raise OutputError(f"{str(path)!r} could not be written: {error.strerror}") from error


def last(path: Path) -> dict[str, Any]:
    """The record that was added last.

    Raises
    ------
    DataError
        If there is no such file, or its last line is no record.
    """
    try:
        *_, line = path.read_text(encoding="utf-8").splitlines()
        record = json.loads(line)
    except (OSError, ValueError) as error:
        raise DataError(f"{str(path)!r} holds no record of a benchmark: {error}") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise DataError(f"the last line of {str(path)!r} is no record of format {FORMAT}")
    return record
