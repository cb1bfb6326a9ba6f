"""Adam (Kingma and Ba, 2015, algorithm 1) and AdamW (Loshchilov and Hutter, 2019, algorithm 2).

ADAM-1   m' = beta1 * m + (1 - beta1) * g
ADAM-2   v' = beta2 * v + (1 - beta2) * g**2
ADAM-3   w' = w - rate * decay * w - rate * (m' / (1 - beta1**t)) / (sqrt(v' / (1 - beta2**t)) + epsilon)

Adam is AdamW with decay 0. Biases and per-unit vectors do not decay.
"""

from __future__ import annotations

from typing import Any

from throughtime.cells.functions import sqrt
from throughtime.errors import ParameterError
from throughtime.optimizers.rule import Rule, Values


def _step(w: Any, g: Any, slots: Values, k: Values) -> tuple[Any, Values]:
    m, v = slots
    rate, shrink, beta1, beta2, correct1, correct2, epsilon = k
    m = beta1 * m + (1 - beta1) * g  # ADAM-1
    v = beta2 * v + (1 - beta2) * g**2  # ADAM-2
    return w - shrink * w - rate * (m * correct1) / (sqrt(v * correct2) + epsilon), (m, v)  # ADAM-3


def _rule(name: str, weight_decay: float | None, beta1: float, beta2: float, epsilon: float) -> Rule:
    if not (0 <= beta1 < 1 and 0 <= beta2 < 1):
        raise ParameterError(f"beta1 and beta2 must be at least 0 and below 1, got {beta1!r} and {beta2!r}")

    def coefficients(t: int, rate: float, decay: float) -> tuple[float, ...]:
        return (rate, rate * decay, beta1, beta2, 1 / (1 - beta1**t), 1 / (1 - beta2**t), epsilon)

    return Rule(
        name,
        _step,
        coefficients,
        learning_rate=1e-2,
        slots=("first_moment", "second_moment"),
        weight_decay=weight_decay,
        settings={"beta1": beta1, "beta2": beta2, "epsilon": epsilon},
    )


def adam(beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> Rule:
    """Momentum and a rate for each weight, both freed of their bias towards zero."""
    return _rule("adam", None, beta1, beta2, epsilon)


def adamw(beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> Rule:
    """Adam whose weights, not biases, shrink by ``rate * weight_decay`` at every step."""
    return _rule("adamw", 0.01, beta1, beta2, epsilon)
