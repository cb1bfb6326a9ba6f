"""One model, one file: safetensors with one JSON entry of metadata. Nothing in a file is ever executed."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from throughtime.errors import ModelFileError, OutputError

FORMAT = 2
"""2: the state of the training, for those that go on with it."""
_ENTRY = "throughtime"

Tensors = dict[str, npt.NDArray[Any]]


def check_output(path: str | os.PathLike[str]) -> Path:
    """The path, if a file can be written there; to be asked before long work.

    Raises
    ------
    OutputError
        If the folder does not exist or cannot be written to, or the path is a folder.
    """
    path = Path(path)
    if len(os.fsencode(path.name)) > 230:  # room for a temporary name beside it
        raise OutputError(f"the name {path.name[:40] + '...'!r} is too long; choose a shorter one")
    folder = path.parent
    if not folder.is_dir():
        what = "is a file, no folder; choose another" if folder.exists() else "does not exist; make it first"
        raise OutputError(f"the folder {str(folder)!r} for {path.name!r} {what}")
    if path.is_dir():
        raise OutputError(f"{str(path)!r} is a folder; name a file in it")
    if path.exists() and not path.is_file():
        raise OutputError(f"{str(path)!r} is not an ordinary file; choose another name")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"the folder {str(folder)!r} cannot be written to; choose another or change its permissions")
    return path


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes the whole file or leaves what was there: a temporary name, flushed to disk, then renamed.

    Raises
    ------
    OutputError
        If the place cannot be written to.
    """
    path = check_output(path).resolve()  # a link is followed, not replaced
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{str(path)!r} could not be written ({len(data):,} bytes): {error.strerror}") from error
    finally:  # after a failure or an interruption; renamed, it is gone already
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


class OutputLock:
    """Keeps other processes from training into the same file.

    Parameters
    ----------
    path : path of the file
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._lock: Any = None
        self._times = 0

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_lock": None, "_times": 0}

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Takes the lock and clears away what a killed process may have left; or holds it once more.

        Raises
        ------
        OutputError
            If another process has it, or the place cannot be written to.
        """
        from filelock import FileLock, Timeout

        if self._lock is not None:
            self._times += 1
            return
        path = check_output(self.path).resolve()
        lock = FileLock(path.with_name(f".{path.name}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise OutputError(
                f"{str(self.path)!r} is being written by another training; wait for its end, or choose another name"
            ) from None
        except OSError as error:
            raise OutputError(f"{str(self.path)!r} could not be locked: {error.strerror}") from error
        self._lock, self._times = lock, 1
        self._clear_away()

    def release(self) -> None:
        """Gives the lock back, if it is held and has been released as often as it was acquired."""
        self._times -= 1
        if self._lock is not None and self._times <= 0:
            with contextlib.suppress(OSError):  # Windows keeps a file that is open
                Path(self._lock.lock_file).unlink(missing_ok=True)
            self._lock.release()
            self._lock = None

    def abandon(self) -> None:
        """Leaves nothing behind where this process, which holds it, ends at once."""
        if self._lock is not None:
            self._clear_away()
            self._times = 0
            self.release()

    def _clear_away(self) -> None:
        """Removes what was half written."""
        path = self.path.resolve()
        ours = re.compile(rf"\.{re.escape(path.name)}\.\d+\.part")
        for left in path.parent.iterdir():
            if ours.fullmatch(left.name):
                left.unlink(missing_ok=True)


def save(path: str | os.PathLike[str], tensors: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, Any]) -> None:
    """Writes tensors and metadata; equal contents give equal bytes.

    Raises
    ------
    OutputError
        If the place cannot be written to.
    """
    from safetensors.numpy import save as to_bytes

    described = json.dumps({"format": FORMAT, **metadata}, sort_keys=True, allow_nan=False)
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise OutputError(f"the model is not saved: {name!r} holds values that are not finite")
    contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in sorted(tensors.items())}
    write_atomically(path, to_bytes(contiguous, metadata={_ENTRY: described}))


def load(path: str | os.PathLike[str]) -> tuple[Tensors, dict[str, Any]]:
    """The tensors and the metadata of a file.

    Raises
    ------
    ModelFileError
        If there is no such file, it is a folder, damaged, not one of ours, written by a newer version, or holds numbers
        that are not finite.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if path.is_dir():
        raise ModelFileError(f"{str(path)!r} is a folder; name a model file in it")
    if not path.is_file():
        raise ModelFileError(f"there is no model file {str(path)!r}")
    try:
        _check_kind(path)
        with safe_open(path, framework="numpy") as file:
            entry = (file.metadata() or {}).get(_ENTRY)
            metadata: Any = json.loads(entry) if entry is not None else None
            _check_format(path, metadata)
            tensors: Tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except ModelFileError:
        raise
    except (SafetensorError, RecursionError, TypeError, ValueError) as error:
        raise ModelFileError(f"{str(path)!r} is damaged or incomplete: {error}") from error
    except OSError as error:
        raise ModelFileError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    for name, tensor in tensors.items():
        if tensor.dtype not in (np.float32, np.float64, np.uint64) or not np.isfinite(tensor).all():
            raise ModelFileError(
                f"{str(path)!r} is damaged: {name!r} holds values that are no finite float32, float64 or uint64 numbers"
            )
    return tensors, metadata


def _check_kind(path: Path) -> None:
    """A file of safetensors begins with the length of its header, in 8 bytes, and the header, which is JSON."""
    with path.open("rb") as file:
        beginning = file.read(9)
    if beginning[8:] != b"{":
        raise ModelFileError(
            f"{str(path)!r} is no model file; expected one that `throughtime train -o` or save(path) wrote"
        )


def _check_format(path: Path, metadata: Any) -> None:
    if metadata is None:
        raise ModelFileError(f"{str(path)!r} is a safetensors file, but not a model of throughtime")
    version = metadata.get("format") if isinstance(metadata, dict) else None
    if not isinstance(version, int) or version < 1:
        raise ModelFileError(f"{str(path)!r} is damaged: it names no format")
    if version > FORMAT:
        raise ModelFileError(
            f"{str(path)!r} has format {version}, this version of throughtime reads up to {FORMAT}; upgrade throughtime"
        )
