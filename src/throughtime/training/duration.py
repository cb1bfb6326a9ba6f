"""How long a training lasts: from steps, or from seconds, to steps and validations."""

from __future__ import annotations

import math
from dataclasses import dataclass

VALIDATION_COST = 0.1
"""Scoring the validation part may take this share of the time of training."""

FORWARD_SHARE = 1 / 3
"""A pass forward costs about this share of a training step."""


@dataclass(frozen=True)
class Duration:
    """How long a training lasts."""

    max_steps: int
    validate_every: int | None
    seconds: float
    """Estimated."""


def duration(
    *,
    steps: int | None,
    seconds: float | None = None,
    symbols_per_step: float,
    validation_symbols: int,
    step_seconds: float,
    score_seconds: float | None = None,
) -> Duration:
    """The number of steps, how often to validate, and the estimated time.

    Either ``steps`` or ``seconds`` (what is left of a budget) is given. There is always one step and, where there is a
    validation part, one scoring of it, however small the budget. How often it is scored depends on amounts alone, so
    that it is the same on every machine; ``score_seconds`` is what one scoring takes here.
    """
    if score_seconds is None:
        score_seconds = FORWARD_SHARE * step_seconds * validation_symbols / symbols_per_step

    def whole(steps: int) -> Duration:
        if not validation_symbols:
            return Duration(steps, None, steps * step_seconds)
        affordable = FORWARD_SHARE * validation_symbols / symbols_per_step / VALIDATION_COST
        every = max(1, math.ceil(steps / 20), math.ceil(affordable))
        return Duration(steps, every, steps * step_seconds + math.ceil(steps / every) * score_seconds)

    if seconds is None:
        assert steps is not None
        return whole(steps)
    steps = max(1, int(seconds / step_seconds))
    while steps > 1 and whole(steps).seconds > seconds:
        steps = max(1, min(steps - 1, int(steps * seconds / whole(steps).seconds)))
    return whole(steps)
