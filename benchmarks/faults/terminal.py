"""A command in a terminal of its own, where Ctrl-C is a key."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PATIENCE = 60.0
"""Seconds after which a process that says nothing has failed."""

CTRL_C = b"\x03"

PROGRAM = ("-m", "throughtime")

IN_A_TERMINAL = """\
import fcntl, os, resource, signal, sys, termios
fcntl.ioctl(int(sys.argv[1]), termios.TIOCSCTTY, 0)
largest = int(sys.argv[2])
if largest:
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, *sys.argv[3:]])
"""
"""Makes the terminal its own, so that Ctrl-C reaches it, and lets no file get larger than so many bytes."""


class Process:
    """A command in a terminal.

    Parameters
    ----------
    folder : where it runs
    arguments : of throughtime
    largest : int, default 0
        Bytes that a file may have; 0: as many as it likes.
    stdin : file number or None, default None
        Instead of the terminal.
    program : sequence of str
        What Python runs.
    environment : mapping
        Beside that of this process.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: object,
        largest: int = 0,
        stdin: int | None = None,
        program: Sequence[str] = PROGRAM,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.terminal, theirs = pty.openpty()
        self.said = b""
        self.child = subprocess.Popen(
            [sys.executable, "-c", IN_A_TERMINAL, "1", str(largest), *program, *map(str, arguments)],
            stdin=theirs if stdin is None else stdin,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            start_new_session=True,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "400", "LINES": "50"} | dict(environment or {}),
        )
        os.close(theirs)

    def read(self) -> bool:
        """Whether there was more to read."""
        ready, _, _ = select.select([self.terminal], [], [], PATIENCE)
        assert ready, f"it is silent; it said {self.said!r}"
        try:
            more = os.read(self.terminal, 4096)
        except OSError:  # Linux says so where the other side is closed
            more = b""
        self.said += more
        return bool(more)

    def until(self, pattern: bytes) -> Process:
        """Reads until this was said."""
        while re.search(pattern, self.said) is None:
            assert self.read(), f"it ended and said {self.said!r}"
        return self

    def until_it_listens(self) -> Process:
        """Waits until it handles SIGTERM, or has ended."""
        while self.child.poll() is None:
            listened = re.search(r"^SigCgt:\s*(\w+)$", self._figures("status"), re.MULTILINE)
            if listened and int(listened[1], 16) >> (signal.SIGTERM - 1) & 1:
                break
            time.sleep(0.001)
        return self

    def seconds(self) -> float:
        """How long it has computed."""
        return int(self._figures("stat").rpartition(")")[2].split()[11]) / os.sysconf("SC_CLK_TCK")

    def _figures(self, name: str) -> str:
        return Path(f"/proc/{self.child.pid}/{name}").read_text(encoding="utf-8")

    def type(self, keys: bytes) -> Process:
        """Presses keys."""
        os.write(self.terminal, keys)
        return self

    def interrupt(self, how: str) -> Process:
        """By ``"Ctrl-C"`` or ``"SIGTERM"``."""
        if how == "Ctrl-C":
            return self.type(CTRL_C)
        self.child.send_signal(signal.SIGTERM)
        return self

    def end(self) -> tuple[int, list[str]]:
        """The exit code and the lines that were said, without what draws the bar."""
        while self.read():
            pass
        os.close(self.terminal)
        code = self.child.wait(PATIENCE)
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.said.decode("utf-8", "replace"))
        return code, [line.rpartition("\r")[2] for line in plain.replace("\r\n", "\n").split("\n")]
