"""Tells data apart: equal data have equal fingerprints, on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

AT_ONCE = 1 << 14
"""Elements of an array of text that are looked at together."""


def fingerprint(parts: Iterable[str | bytes | npt.NDArray[Any] | None]) -> str:
    """32 hexadecimal digits of BLAKE2b over texts and arrays in order, their kinds and sizes among it.

    >>> fingerprint(["to be", "or not"]) == fingerprint(["to be ", "or not"])
    False
    """
    digest = hashlib.blake2b(digest_size=16)
    data: bytes | memoryview
    for part in parts:
        if isinstance(part, np.ndarray) and part.dtype.kind in "biuf":
            little = np.ascontiguousarray(part, part.dtype.newbyteorder("<"))
            kind, data = f"{little.dtype.str}{little.shape}", little.reshape(-1).view(np.uint8).data
        elif isinstance(part, np.ndarray) and part.ndim:
            digest.update(f"{type(part).__name__}:{sum(map(len, _as_list(part)))}:".encode())
            for some in _as_list(part):
                digest.update(some)
            continue
        elif isinstance(part, bytes):
            kind, data = "bytes", part
        else:
            text = part if isinstance(part, str) else repr(part if part is None else part.tolist())
            kind, data = type(part).__name__, _bytes(text)
        digest.update(f"{kind}:{len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()


def _as_list(array: npt.NDArray[Any]) -> Iterator[bytes]:
    """What ``repr`` makes of the array as a list, in parts."""
    yield b"["
    for start in range(0, len(array), AT_ONCE):
        text = repr(array[start : start + AT_ONCE].tolist())[1:-1]
        yield _bytes(f", {text}" if start else text)
    yield b"]"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
