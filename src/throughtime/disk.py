"""Places on the disk: what is written is there whole or not at all, and one process at a time writes it."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Self

from throughtime.errors import OutputError


def cache_directory() -> Path:
    """Where compiled code and encoded texts are kept: ``THROUGHTIME_CACHE_DIR``, or the user's cache directory."""
    chosen = os.environ.get("THROUGHTIME_CACHE_DIR")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        home = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
        return Path(home) / "throughtime" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "throughtime"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "throughtime"


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
    """Writes the whole file or leaves what was there: a temporary name, flushed to disk, then renamed for good.

    What a process has left that ended while it wrote this file is cleared away.

    Raises
    ------
    OutputError
        If the place cannot be written to.
    """
    path = check_output(path).resolve()  # a link is followed, not replaced
    _clear_away(path, _is_gone)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        raise OutputError(f"{str(path)!r} could not be written ({len(data):,} bytes): {error.strerror}") from error
    finally:  # after a failure or an interruption; renamed, it is gone already
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _clear_away(path: Path, whose: Callable[[int], bool]) -> None:
    """Removes what processes, which ``whose`` chooses by their numbers, have half written of a file.

    What cannot be removed stays, and is in nobody's way.
    """
    ours = re.compile(rf"\.{re.escape(path.name)}\.(\d+)\.part")
    with contextlib.suppress(OSError):
        for left in path.parent.iterdir():
            found = ours.fullmatch(left.name)
            if found and whose(int(found[1])):
                with contextlib.suppress(OSError):
                    left.unlink()


def _is_gone(number: int) -> bool:
    """Whether no process has this number; Windows is not asked, as it keeps a file that is open."""
    if sys.platform == "win32":
        return True
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # somebody else's
        return False
    return False


def _flush_folder(folder: Path) -> None:
    """Lets a new name outlive a power cut, where the system can flush a folder; the file is there anyway."""
    with contextlib.suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def lock(file: BinaryIO, *, wait: bool) -> bool:
    """Locks an empty file against other processes until it is unlocked, or this process ends; whether that is done.

    Where another process has locked it, ``wait`` says whether that one is waited for.

    Raises
    ------
    OSError
        If the system cannot lock it at all.
    """
    if sys.platform == "win32":
        import msvcrt

        while True:
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
                return True
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EDEADLK):  # the latter after ten seconds
                    raise
                if not wait:
                    return False
    import fcntl

    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def unlock(file: BinaryIO) -> None:
    """Gives up the lock, also where a forked process has the file open, and closes it."""
    with file:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_UN)


def _taken(place: Path) -> BinaryIO | None:
    """The file of this name, locked; None where another process has it."""
    while True:
        with contextlib.ExitStack() as closing:
            file = closing.enter_context(place.open("ab"))
            if not lock(file, wait=False):
                return None
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), place.stat()):
                    closing.pop_all()
                    return file  # else the one that had it took away its name


class OutputLock:
    """Keeps other processes from training into the same file.

    Parameters
    ----------
    path : path of the file
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._lock: BinaryIO | None = None
        self.path = Path(path)
        self._times = 0
        self._pid = os.getpid()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_lock": None, "_times": 0, "_pid": 0}

    def __del__(self) -> None:
        if self._lock is not None:
            self._lock.close()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    @property
    def held(self) -> bool:
        """Whether it is held, by this process."""
        return self._lock is not None and self._pid == os.getpid()

    def acquire(self) -> None:
        """Takes the lock and clears away what a killed process may have left; or holds it once more.

        Raises
        ------
        OutputError
            If another process has it, or the place cannot be written to.
        """
        if self._pid != os.getpid():  # what a parent process holds is not this one's
            self.__del__()
            self._lock, self._times, self._pid = None, 0, os.getpid()
        if self._lock is not None:
            self._times += 1
            return
        path = check_output(self.path).resolve()
        try:
            taken = _taken(path.with_name(f".{path.name}.lock"))
        except OSError as error:
            raise OutputError(f"{str(self.path)!r} could not be locked: {error.strerror}") from error
        if taken is None:
            raise OutputError(
                f"{str(self.path)!r} is being written by another training; wait for its end, or choose another name"
            )
        self._lock, self._times = taken, 1
        _clear_away(path, lambda _: True)

    def release(self) -> None:
        """Gives the lock back, if it is held and has been released as often as it was acquired."""
        self._times -= 1
        if self.held and self._times <= 0:
            assert self._lock is not None
            with contextlib.suppress(OSError):  # Windows keeps a file that is open
                Path(self._lock.name).unlink(missing_ok=True)
            unlock(self._lock)
            self._lock = None

    def abandon(self) -> None:
        """Leaves nothing behind where this process, which holds it, ends at once."""
        if self.held:
            _clear_away(self.path.resolve(), lambda _: True)
            self._times = 0
            self.release()
