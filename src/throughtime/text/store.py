"""What is found of large texts is kept in the user's cache directory, so that they are read through once.

An entry is named after what it was made from and is never changed: ``.json`` holds what was found, ``.ids`` the symbols
of all documents, where each starts and the last one ends, and how many there are of both. A file is written under
another name, flushed to disk and renamed, so that what was broken off is never used; the next encoding removes it. Of
more than ``MOST_KEPT`` bytes the entries that were longest not used are removed. The folder may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from throughtime.disk import cache_directory, lock, write_atomically
from throughtime.engine.protocol import Array
from throughtime.errors import OutputError
from throughtime.training import Corpus

MOST_KEPT = 32 << 30

_END = struct.Struct("<8s8sQQ")
_MARK = b"ids\0\0\0\0\1"


def folder() -> Path:
    """Where the entries are.

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    found = cache_directory() / "texts"
    try:
        found.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unkept(found, error) from error
    return found


def note(key: str, make: Callable[[], Any]) -> Any:
    """What is kept under this key; else what ``make`` gives, as JSON keeps it.

    Raises
    ------
    OutputError
        If it cannot be kept.
    """
    path = folder() / f"{key}.json"
    with contextlib.suppress(OSError, ValueError):
        return json.loads(path.read_bytes())
    data = json.dumps(make()).encode()
    with _alone(path.parent):
        try:
            write_atomically(path, data)
        except OutputError as error:
            raise _unkept(path.parent, error.__cause__) from error
    return json.loads(data)


def corpus(key: str, make: Callable[[], Iterable[tuple[Array, Array]]]) -> Corpus:
    """The symbols that are kept under this key, mapped into memory; else what ``make`` gives, which is then kept.

    It gives them in blocks: ids, all of one type, and how many of them come before the end of each document that ends
    there. One process encodes at a time; another that wants the same waits, and finds it.

    Raises
    ------
    OutputError
        If they cannot be kept.
    """
    place = folder()
    path = place / f"{key}.ids"
    with _alone(place):
        found = _mapped(path)
        if found is None:
            _write(path, make())
            _remove_oldest(place, path)
            found = _mapped(path)
            assert found is not None
        else:
            os.utime(path)
    return found


def _mapped(path: Path) -> Corpus | None:
    """What a file holds, or None where there is none that is whole."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(0, size - _END.size))
            mark, name, symbols, bounds = _END.unpack(file.read(_END.size))
    except (OSError, struct.error):
        return None
    if mark != _MARK:
        return None
    dtype = np.dtype(name.rstrip(b"\0").decode())
    start = -(-symbols * dtype.itemsize // 8) * 8
    if size != start + 8 * bounds + _END.size:
        return None
    ids = np.memmap(path, dtype, "r", shape=(symbols,)) if symbols else np.zeros(0, dtype)
    return Corpus(ids, np.memmap(path, np.int64, "r", offset=start, shape=(bounds,)).view(np.ndarray))


def _write(path: Path, blocks: Iterable[tuple[Array, Array]]) -> None:
    part = path.with_suffix(".part")
    symbols, size, ends, dtype = 0, 0, [np.zeros(1, np.int64)], ""
    try:
        for broken_off in path.parent.glob("*.part"):
            broken_off.unlink()
        with part.open("wb") as file:
            for ids, found in blocks:
                ends.append(found + symbols)
                symbols, size, dtype = symbols + len(ids), size + ids.nbytes, ids.dtype.str
                file.write(ids.data)
            bounds = np.concatenate(ends)
            file.write(bytes(-size % 8))
            file.write(bounds.astype(np.int64).data)
            file.write(_END.pack(_MARK, dtype.encode(), symbols, len(bounds)))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise _unkept(path.parent, error) from error
    finally:  # after a failure or an interruption; renamed, it is gone already
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _remove_oldest(place: Path, newest: Path) -> None:
    others = [path for kind in ("*.ids", "*.json") for path in place.glob(kind) if path != newest]
    entries = [(path.stat().st_mtime, path.stat().st_size, path) for path in others]
    total = newest.stat().st_size + sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= MOST_KEPT:
            return
        with contextlib.suppress(OSError):  # where another process uses it and the system does not allow it
            path.unlink()
            total -= size


@contextlib.contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Waits until no other process is here; one that ends, however it does, is here no more."""
    with contextlib.ExitStack() as closing:
        try:
            lock(closing.enter_context((place / "lock").open("a+b")), wait=True)
        except OSError as error:
            raise _unkept(place, error) from error
        yield


def _unkept(place: Path, error: BaseException | None) -> OutputError:
    why = error.strerror if isinstance(error, OSError) else error
    return OutputError(
        f"the text is large, and its symbols cannot be kept in {str(place)!r}: {why}; let "
        "THROUGHTIME_CACHE_DIR name a folder that has room for them"
    )
