"""When a training has blown up, and how often it may."""

from __future__ import annotations

from collections.abc import Sequence

STREAK = 10
"""So many steps one after the other must be far too bad: a single one may be the fault of its data."""

FAR = 2.0
"""So many times what the weights that it began with cost is far too bad."""

PROBED = 10
"""That is the worst of so many batches."""

SLOWER = 0.5
"""What the learning rate is multiplied by after each time."""

MOST_OFTEN = 10
"""A training that has gone back so often ends at the next time."""


def is_far_off(losses: Sequence[float], worst: float, since: int = 0) -> bool:
    """Whether the last ten losses are all far above what a network costs that has learned nothing.

    A training may be worse for a while than it was before, as on another kind of data, but not worse than at first.

    Parameters
    ----------
    losses : of all steps so far
    worst : what the weights cost that the training began with: log K where one of K answers is guessed
    since : int, default 0
        The step from which on the losses are those of these data.
    """
    return len(losses) >= since + STREAK and losses[-STREAK] > FAR * worst and min(losses[-STREAK:]) > FAR * worst
