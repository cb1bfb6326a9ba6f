"""What is timed, against whom, and how it is written down: ``throughtime bench``."""

from __future__ import annotations

from throughtime.benchmark.jobs import Job, choose
from throughtime.benchmark.measure import measure
from throughtime.benchmark.record import append, last
from throughtime.benchmark.table import show

__all__ = ["Job", "append", "choose", "last", "measure", "show"]
