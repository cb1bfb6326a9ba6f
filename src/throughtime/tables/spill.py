"""Arrays that are too large to be held together go to temporary files, and are mapped into memory."""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from throughtime.disk import cache_directory
from throughtime.engine.protocol import Array
from throughtime.errors import OutputError

MOST = 64 << 20
"""Bytes of arrays that are held in memory before any is spilled."""

SEGMENT = 64 << 20
"""Bytes of a file that small arrays share."""

_ALIGNED = 64
_ZEROS = bytes(1 << 20)


class Spill:
    """Room for arrays: in memory as long as they are few, then in temporary files.

    The pages of a mapped file are no memory of the process: the system keeps them as long as it has room, and writes
    them to disk where it has not. A file has no name (on Windows one that ends with it), so that nothing stays behind
    however the process ends; its room is free again when no array needs it.

    Parameters
    ----------
    most : int or None, default None
        Bytes that are held in memory; None: 64 MiB (``MOST``).
    """

    def __init__(self, most: int | None = None) -> None:
        self.most = MOST if most is None else most
        self.held = 0
        """Bytes that were handed out so far."""
        self._segment: Array = np.zeros(0, np.uint8)

    @property
    def spills(self) -> bool:
        """Whether there is no more room for it in memory."""
        return self.held > self.most

    def empty(self, shape: int | tuple[int, ...], dtype: Any) -> Array:
        """An array to be filled.

        Raises
        ------
        OutputError
            If there is no room for it on the disk.
        """
        wanted = np.dtype(dtype)
        size = int(np.prod(shape, dtype=np.int64)) * wanted.itemsize
        self.held += size
        if not (self.spills and size):
            return np.empty(shape, wanted)
        if size > SEGMENT:
            return _as(_mapped(size), shape, wanted)
        if size > len(self._segment):
            self._segment = _mapped(SEGMENT)
        found, self._segment = self._segment[:size], self._segment[-(-size // _ALIGNED) * _ALIGNED :]
        return _as(found, shape, wanted)

    def keep(self, array: Array) -> Array:
        """A copy of an array, or itself where it is held in memory, as objects always are."""
        if array.dtype.hasobject or self.held + array.nbytes <= self.most:
            self.held += array.nbytes
            return array
        found = self.empty(array.shape, array.dtype)
        found[...] = array
        return found

    def joined(self, arrays: Sequence[Array]) -> Array:
        """One after another, in the type that all go into; there must be one.

        Raises
        ------
        ValueError
            If they are of different widths.
        """
        if len(arrays) == 1:
            return arrays[0]
        (width, *others), dtype = {array.shape[1:] for array in arrays}, np.result_type(*arrays)
        if others:
            raise ValueError(f"arrays of the shapes {[width, *others]} cannot be joined")
        if dtype.hasobject:
            return np.concatenate(arrays)
        found = self.empty((sum(map(len, arrays)), *width), dtype)
        start = 0
        for array in arrays:
            found[start : start + len(array)] = array
            start += len(array)
        return found


def _as(data: Array, shape: int | tuple[int, ...], dtype: Any) -> Array:
    return np.asarray(data.view(dtype).reshape(shape))


def _mapped(size: int) -> Array:
    """Bytes of a new file."""
    place = cache_directory() / "spilled"
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place) as file:
            _reserve(file.fileno(), size)
            return np.frombuffer(mmap.mmap(file.fileno(), size), np.uint8)
    except OSError as error:
        raise OutputError(
            f"the data are large, and there is no room for {size:,} bytes of them in {str(place)!r}: {error.strerror}; "
            "let THROUGHTIME_CACHE_DIR name a folder that has room"
        ) from error


def _reserve(file: int, size: int) -> None:
    """Gives a file its size, and its room on the disk at once: where that is missing later, the process would die."""
    try:
        os.posix_fallocate(file, 0, size)
    except (AttributeError, OSError) as error:
        if getattr(error, "errno", errno.EINVAL) not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
        for _ in range(0, size, len(_ZEROS)):  # where the system, or the file system, knows no such thing
            os.write(file, _ZEROS)
        os.truncate(file, size)
