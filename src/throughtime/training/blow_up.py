"""When a training has blown up, and how often it may."""

from __future__ import annotations

from collections.abc import Sequence

STREAK = 10
"""So many steps one after the other must be far too bad: a single one may be the fault of its data."""

RANGE = 100
"""Steps whose losses are the running range."""

FAR = 2.0
"""So many times the worst loss of the running range, and of the beginning, is far too bad."""

VERY_FAR = 100.0
"""The same, where too few steps were done to know a range."""

SLOWER = 0.5
"""What the learning rate is multiplied by after each time."""

MOST_OFTEN = 10
"""A training that has gone back so often ends at the next time."""


def is_far_off(losses: Sequence[float], chance: float | None) -> bool:
    """Whether the last ten losses are all far above what was seen before them.

    Parameters
    ----------
    losses : of all steps so far
    chance : what guessing at random costs, where that is known
    """
    recent = losses[-STREAK:]
    if len(losses) <= STREAK or recent[0] <= FAR * losses[-STREAK - 1]:  # nearly always
        return False
    before = [*losses[: min(STREAK, len(losses) - STREAK)], *losses[-STREAK - RANGE : -STREAK]]
    known = chance is not None or len(losses) >= 2 * STREAK
    return min(recent) > (FAR if known else VERY_FAR) * max(*before, chance or 0.0)
