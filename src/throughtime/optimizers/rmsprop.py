"""RMSprop (Tieleman and Hinton, 2012, lecture 6e).

RMSPROP-1   s' = decay * s + (1 - decay) * g**2
RMSPROP-2   w' = w - rate * g / (sqrt(s') + epsilon)
"""

from __future__ import annotations

from typing import Any

from throughtime.cells.functions import sqrt
from throughtime.optimizers.rule import Rule, Values


def rmsprop(decay: float = 0.95, epsilon: float = 1e-8) -> Rule:
    """A rate for each weight from a running mean of its squared gradients."""

    def step(w: Any, g: Any, slots: Values, k: Values) -> tuple[Any, Values]:
        (s,) = slots
        rate, keep, small = k
        s = keep * s + (1 - keep) * g**2  # RMSPROP-1
        return w - rate * g / (sqrt(s) + small), (s,)  # RMSPROP-2

    return Rule(
        "rmsprop",
        step,
        lambda t, rate, _: (rate, decay, epsilon),
        learning_rate=2e-3,
        slots=("mean_of_squares",),
        settings={"decay": decay, "epsilon": epsilon},
    )
