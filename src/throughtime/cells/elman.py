"""Simple recurrent unit (Elman, 1990, "Finding Structure in Time"; Goodfellow et al., 2016, eq. 10.8 and 10.9).

ELMAN-1   h' = activation(a)                  a = x U + h W + b; activation is tanh, ReLU or the sigmoid
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from throughtime.cells.cell import Cell, Values
from throughtime.cells.functions import relu, sigmoid, tanh, where
from throughtime.errors import ParameterError, known

ACTIVATIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]] = {
    # name: (the function, the way back through it, told from its result h)
    "tanh": (tanh, lambda d, h: d * (1 - h * h)),
    "relu": (relu, lambda d, h: where(h > 0, d, 0.0 * h)),  # 0, but a NaN stays one
    "sigmoid": (sigmoid, lambda d, h: d * h * (1 - h)),
}


def elman(activation: str = "tanh") -> Cell:
    """The Elman cell with this activation.

    Parameters
    ----------
    activation : {"tanh", "relu", "sigmoid"}, default "tanh"

    Raises
    ------
    ParameterError
        If the activation is unknown.
    """
    if activation not in ACTIVATIONS:
        raise ParameterError(f"activation must be one of {known(ACTIVATIONS)}, got {activation!r}")
    function, back = ACTIVATIONS[activation]

    def step(a: Values, u: Values, state: Values, p: Values) -> tuple[Values, Values]:
        (a_h,) = a
        h = function(a_h)  # ELMAN-1
        return (h,), (h,)

    def step_back(d_state: Values, state: Values, saved: Values, p: Values) -> tuple[Values, Values, Values, Values]:
        (d_h,) = d_state
        (h,) = saved
        d_a = back(d_h, h)  # ELMAN-1
        return (d_a,), (), (0.0,), ()

    name = "elman" if activation == "tanh" else f"elman-{activation}"
    return Cell(name, gates=("hidden",), states=("h",), step=step, step_back=step_back)
