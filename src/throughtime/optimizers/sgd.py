"""Stochastic gradient descent, and with momentum (Polyak, 1964, in the form of Sutskever et al., 2013, eq. 1-2).

SGD-1        w' = w - rate * g
MOMENTUM-1   v' = momentum * v + g
MOMENTUM-2   w' = w - rate * v'
"""

from __future__ import annotations

from typing import Any

from throughtime.optimizers.rule import Rule, Values


def sgd() -> Rule:
    """Plain gradient descent."""

    def step(w: Any, g: Any, slots: Values, k: Values) -> tuple[Any, Values]:
        (rate,) = k
        return w - rate * g, ()  # SGD-1

    return Rule("sgd", step, lambda t, rate, decay: (rate,), learning_rate=0.1)


def momentum(momentum: float = 0.9) -> Rule:
    """Gradient descent whose direction is a running sum of gradients."""

    def step(w: Any, g: Any, slots: Values, k: Values) -> tuple[Any, Values]:
        (v,) = slots
        rate, keep = k
        v = keep * v + g  # MOMENTUM-1
        return w - rate * v, (v,)  # MOMENTUM-2

    return Rule(
        "momentum",
        step,
        lambda t, rate, decay: (rate, momentum),
        learning_rate=0.05,
        slots=("velocity",),
        settings={"momentum": momentum},
    )
