"""Who takes part: this library, PyTorch, ONNX Runtime, and the classic NumPy script, one file each."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol, cast

from throughtime.benchmark.jobs import Job
from throughtime.benchmark.peers.entry import Entry

US = "throughtime"
PEERS: dict[str, str] = {US: "ours", "PyTorch": "pytorch", "ONNX Runtime": "onnx_runtime", "classic script": "classic"}
"""The names, and the files that they stand in."""


class Peer(Protocol):
    """What the file of a peer offers."""

    NEEDS: tuple[str, ...]
    """The packages that must be installed."""

    def takes(self, job: Job) -> bool:
        """Whether the peer has such a job; asked without what it needs."""

    def entries(self, job: Job, threads: int) -> Mapping[str, Entry]:
        """Its ways of doing the job, by what is special about them."""


def get(name: str) -> Peer:
    """The peer of this name."""
    return cast(Peer, import_module(f"{__name__}.{PEERS[name]}"))


def missing(name: str) -> str | None:
    """What is not installed, in words; None if the peer can take part."""
    lacking = [package for package in get(name).NEEDS if find_spec(package) is None]
    return f"{' and '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} not installed" if lacking else None
