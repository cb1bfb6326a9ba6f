"""One way of doing a job."""

from __future__ import annotations

from abc import ABC, abstractmethod

from throughtime.engine.protocol import Array

Findings = dict[str, Array]
"""What was computed, by name, in the names and shapes of this library.

``loss``, ``gradient recurrent.0.W``, ``weights recurrent.0.W`` after the first step, ``outputs``.
"""


class Entry(ABC):
    """One way of doing a job, made ready for it."""

    @abstractmethod
    def check(self) -> Findings:
        """What it computes; asked once, of an entry that has not run and will not be timed."""

    @abstractmethod
    def run(self) -> int:
        """Does some steps or symbols; how many they were."""

    def begin(self) -> None:  # noqa: B027 (most have nothing to set)
        """Sets what must be set before runs: another entry may have run in between."""
