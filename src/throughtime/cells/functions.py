"""The functions that a cell, an optimizer rule or a loss may use, besides ``+ - * / ** 2 abs`` and comparisons.

On NumPy arrays they compute; on the symbols of a trace they are written down. A NaN goes through all of them.

>>> float(sigmoid(0.0)), float(relu(-2.0)), float(where(1 > 0, 3.0, 4.0))
(0.5, 0.0, 3.0)
"""

from __future__ import annotations

from typing import Any

from throughtime.cells.trace import apply

__all__ = ["exp", "log", "maximum", "minimum", "relu", "sigmoid", "sqrt", "tanh", "where"]


def sigmoid(x: Any) -> Any:
    """``1 / (1 + exp(-x))``, computed through tanh so that it never overflows."""
    return apply("sigmoid", x)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return apply("tanh", x)


def relu(x: Any) -> Any:
    """``max(x, 0)``."""
    return apply("relu", x)


def exp(x: Any) -> Any:
    """The exponential."""
    return apply("exp", x)


def log(x: Any) -> Any:
    """The natural logarithm."""
    return apply("log", x)


def sqrt(x: Any) -> Any:
    """The square root."""
    return apply("sqrt", x)


def maximum(x: Any, y: Any) -> Any:
    """The larger of the two, NaN if either is NaN."""
    return apply("maximum", x, y)


def minimum(x: Any, y: Any) -> Any:
    """The smaller of the two, NaN if either is NaN."""
    return apply("minimum", x, y)


def where(condition: Any, x: Any, y: Any) -> Any:
    """``x`` where the condition holds, else ``y``."""
    return apply("where", condition, x, y)
