"""Adagrad (Duchi, Hazan and Singer, 2011), diagonal, with epsilon inside the root as in the character-RNN scripts.

ADAGRAD-1   s' = s + g**2
ADAGRAD-2   w' = w - rate * g / sqrt(s' + epsilon)
"""

from __future__ import annotations

from typing import Any

from throughtime.cells.functions import sqrt
from throughtime.optimizers.rule import Rule, Values


def adagrad(epsilon: float = 1e-8) -> Rule:
    """A rate for each weight that shrinks with the gradients it has seen."""

    def step(w: Any, g: Any, slots: Values, k: Values) -> tuple[Any, Values]:
        (s,) = slots
        rate, small = k
        s = s + g**2  # ADAGRAD-1
        return w - rate * g / sqrt(s + small), (s,)  # ADAGRAD-2

    return Rule(
        "adagrad",
        step,
        lambda t, rate, decay: (rate, epsilon),
        learning_rate=0.1,
        slots=("sum_of_squares",),
        settings={"epsilon": epsilon},
    )
