"""A process whose memory is watched: the anonymous part of what is resident (RssAnon in /proc, on Linux)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

IMPORTED = """
import json, sys, time
import throughtime
print("imported", flush=True)
sys.stdin.readline()
"""


class Child:
    """A process that runs a program, and the most anonymous memory that it was seen to have, in MB.

    Memory is counted beyond what there was right after ``import throughtime``.

    Parameters
    ----------
    program : str
        What is run; it finds the arguments in ``sys.argv``.
    arguments : what it is given, as text
    """

    def __init__(self, program: str, *arguments: object) -> None:
        command = [sys.executable, "-c", IMPORTED + program, *map(str, arguments)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.line()
        self.before, self.peak = self.anonymous(), 0.0
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        os.set_blocking(self.process.stdout.fileno(), False)

    def line(self) -> str:
        return self.process.stdout.readline().strip()

    def anonymous(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = [line.split()[1] for line in status.splitlines() if line.startswith("RssAnon")]
        return int(found[0]) / 1024 if found else 0.0

    def watch(self) -> str:
        """Until it says something or ends: that."""
        while self.process.poll() is None:
            self.peak = max(self.peak, self.anonymous() - self.before)
            said = self.line()
            if said:
                return said
            time.sleep(0.02)
        return self.line()
