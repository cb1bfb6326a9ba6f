"""Losses: a number, and its gradient with respect to the outputs.

Weights ``[T, N]`` say how much each place counts; where a weight is 0 nothing is looked at, so that padding may hold
anything. ``reduction="mean"`` divides by the sum of the weights.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np

from throughtime.engine.protocol import Array, Engine
from throughtime.errors import ParameterError, ShapeError


def softmax(o: Array) -> Array:
    """``exp(o) / sum(exp(o))`` along the last axis, with the largest subtracted first, so that nothing overflows.

    >>> import numpy as np
    >>> softmax(np.array([1000.0, 1000.0])).tolist()
    [0.5, 0.5]
    """
    e = np.exp(o - o.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


class Loss(ABC):
    """Compares outputs with targets.

    ``kernel`` is the method of the engine that computes it, which multiplies each place with its weight.
    """

    kernel: str

    def __call__(
        self, engine: Engine, o: Array, targets: Array, weights: Array | None = None, *, needs_gradient: bool = True
    ) -> tuple[float, Array | None]:
        """The loss and the gradient of ``o``. May overwrite ``o``."""
        places = self.place_weights(o.shape, weights)
        found: tuple[float, Array | None] = getattr(engine, self.kernel)(
            o, targets, places, needs_gradient=needs_gradient
        )
        return found

    @abstractmethod
    def place_weights(self, shape: tuple[int, ...], weights: Array | None) -> Array:
        """``[T, N]``: how much each place of outputs ``[T, N, K]`` counts in the sum, the 1/n of a mean included."""

    @abstractmethod
    def check(self, shape: tuple[int, ...], targets: Array, weights: Array | None = None) -> None:
        """Raises :class:`ShapeError` unless the targets, where they count, fit outputs ``[T, N, K]``."""


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Loss):
    """``-log softmax(o)[target]`` in nats, the mean over the counted places (Goodfellow et al., 2016, eq. 10.12-10.13).

    Targets are ids ``[T, N]`` below K.
    """

    kernel = "softmax_cross_entropy"

    def place_weights(self, shape: tuple[int, ...], weights: Array | None) -> Array:
        return _mean_weights(shape, weights)

    def check(self, shape: tuple[int, ...], targets: Array, weights: Array | None = None) -> None:
        if targets.shape != shape[:2] or targets.dtype.kind not in "iu":
            raise ShapeError(f"targets must be ids {list(shape[:2])}, got {targets.dtype} {list(targets.shape)}")
        counted = targets if weights is None else targets[weights != 0]
        if counted.size and not (counted.min() >= 0 and counted.max() < shape[2]):
            raise ShapeError(f"targets must be from 0 to {shape[2] - 1}, got {counted.min()} to {counted.max()}")


@dataclass(frozen=True)
class SquaredError(Loss):
    """``(o - target)**2``: ``"mean"`` over counted elements, or ``"half_sum"``, the 1/2 sum of the tutorials.

    Targets have the shape of the outputs, ``[T, N, K]``.
    """

    reduction: Literal["mean", "half_sum"] = "mean"

    def __post_init__(self) -> None:
        if self.reduction not in ("mean", "half_sum"):
            raise ParameterError(f"reduction must be 'mean' or 'half_sum', got {self.reduction!r}")

    kernel = "squared_error"

    def place_weights(self, shape: tuple[int, ...], weights: Array | None) -> Array:
        if self.reduction == "mean":
            return _mean_weights(shape, weights) / shape[2]
        return np.full(shape[:2], 0.5) if weights is None else weights * 0.5

    def check(self, shape: tuple[int, ...], targets: Array, weights: Array | None = None) -> None:
        if targets.shape != shape:
            raise ShapeError(f"targets must have the shape of the outputs, {list(shape)}, got {list(targets.shape)}")


def _mean_weights(shape: tuple[int, ...], weights: Array | None) -> Array:
    """Weights that make a sum a mean."""
    if weights is None:
        return np.full(shape[:2], 1 / (shape[0] * shape[1]))
    total = weights.sum(dtype=np.float64)
    if not total > 0:
        raise ShapeError("the weights of a batch must have a sum above 0, or nothing would be counted")
    return np.asarray(weights / total)
