"""Losses: a number, and its gradient with respect to the outputs.

Weights ``[T, N]`` say how much each place counts; where a weight is 0 nothing is looked at, so that padding may hold
anything. ``reduction="mean"`` divides by the sum of the weights.

A loss of each output by itself is written once, value and derivative side by side, and traced like a cell. Its weights
may be ``[T, N, K]`` too: a value that is missing has weight 0, and its target may be NaN.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from throughtime.cells.functions import exp, log, maximum, minimum, sigmoid, where
from throughtime.cells.trace import Program, Tracer
from throughtime.engine.protocol import Array, Engine
from throughtime.errors import CellError, ParameterError, ShapeError

Values = tuple[Any, ...]


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

    kernel: ClassVar[str]

    def __call__(
        self, engine: Engine, o: Array, targets: Array, weights: Array | None = None, *, needs_gradient: bool = True
    ) -> tuple[float, Array | None]:
        """The loss and the gradient of ``o``. May overwrite ``o``."""
        return self.summed(engine, o, targets, self.place_weights(o.shape, weights), needs_gradient=needs_gradient)

    @abstractmethod
    def summed(
        self, engine: Engine, o: Array, targets: Array, places: Array, *, needs_gradient: bool = True
    ) -> tuple[float, Array | None]:
        """The same where each place counts as ``place_weights`` says, so that parts of a batch may be added."""

    @abstractmethod
    def place_weights(self, shape: tuple[int, ...], weights: Array | None) -> Array:
        """How much each place of outputs ``[T, N, K]`` counts in the sum, the 1/n of a mean included.

        ``[T, N]``, or ``[T, N, K]`` where the weights are so.
        """

    @abstractmethod
    def check(self, shape: tuple[int, ...], targets: Array, weights: Array | None = None) -> None:
        """Raises :class:`ShapeError` unless weights and targets, where they count, fit outputs ``[T, N, K]``."""


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Loss):
    """``-log softmax(o)[target]`` in nats, the mean over the counted places (Goodfellow et al., 2016, eq. 10.12-10.13).

    Targets are ids ``[T, N]`` below K.
    """

    kernel = "softmax_cross_entropy"

    def summed(
        self, engine: Engine, o: Array, targets: Array, places: Array, *, needs_gradient: bool = True
    ) -> tuple[float, Array | None]:
        return engine.softmax_cross_entropy(o, targets, places, needs_gradient=needs_gradient)

    def place_weights(self, shape: tuple[int, ...], weights: Array | None) -> Array:
        return _mean_weights(shape, weights)

    def check(self, shape: tuple[int, ...], targets: Array, weights: Array | None = None) -> None:
        if weights is not None and weights.shape != shape[:2]:
            raise ShapeError(f"weights must be {list(shape[:2])}, got {list(weights.shape)}")
        if targets.shape != shape[:2] or targets.dtype.kind not in "iu":
            raise ShapeError(f"targets must be ids {list(shape[:2])}, got {targets.dtype} {list(targets.shape)}")
        counted = targets if weights is None else targets[weights != 0]
        if counted.size and not (counted.min() >= 0 and counted.max() < shape[2]):
            raise ShapeError(f"targets must be from 0 to {shape[2] - 1}, got {counted.min()} to {counted.max()}")


@dataclass(frozen=True)
class Element:
    """What one output costs, and the derivative: written once, traced like a cell, and run by every engine.

    Parameters
    ----------
    name : str
    step : callable
        ``step(o, target, k) -> (loss, d_o)``, elementwise and straight-line, for an output, its target and the
        constants of its column.
    constants : sequence of str, default ()
        Names of the constants ``k``.

    Attributes
    ----------
    program : Program
        The traced step.

    Raises
    ------
    CellError
        If the step does what cannot be compiled, or does not return two results.
    """

    name: str
    step: Callable[[Any, Any, Values], tuple[Any, Any]] = field(repr=False, compare=False)
    constants: Sequence[str] = ()
    program: Program = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "constants", tuple(self.constants))
        tracer = Tracer(["o", "target", *self.constants])
        o, target, *k = tracer.symbols()
        result = self.step(o, target, tuple(k))
        if not isinstance(result, tuple) or len(result) != 2:
            raise CellError(f"loss {self.name!r}: step must return the loss and its derivative with respect to o")
        object.__setattr__(self, "program", tracer.program(result))


class Elementwise(Loss):
    """A loss of each output by itself: the mean over the elements, each as often as its weight says.

    Targets have the shape of the outputs, ``[T, N, K]``; weights are ``[T, N]`` or ``[T, N, K]``. Where a weight is 0
    the target is not looked at, and the gradient is 0.

    A loss of your own is a subclass with an ``element``:

    >>> from throughtime.cells.functions import exp, log, tanh
    >>> def step(o, target, k):
    ...     e = o - target
    ...     return log(0.5 * (exp(e) + exp(-e))), tanh(e)
    >>> class LogCosh(Elementwise):
    ...     element = Element("log-cosh", step)
    """

    kernel = "elementwise_loss"
    element: ClassVar[Element]

    def constants(self, K: int) -> tuple[Array, ...]:
        """The ``k`` of each of K columns of outputs: ``[K]`` for every name in ``element.constants``."""
        return ()

    def summed(
        self, engine: Engine, o: Array, targets: Array, places: Array, *, needs_gradient: bool = True
    ) -> tuple[float, Array | None]:
        return engine.elementwise_loss(self, o, targets, places, needs_gradient=needs_gradient)

    def place_weights(self, shape: tuple[int, ...], weights: Array | None) -> Array:
        mean = _mean_weights(shape, weights)
        return mean / shape[2] if mean.ndim == 2 else mean

    def check(self, shape: tuple[int, ...], targets: Array, weights: Array | None = None) -> None:
        if targets.shape != shape:
            raise ShapeError(f"targets must have the shape of the outputs, {list(shape)}, got {list(targets.shape)}")
        if weights is not None and weights.shape not in (shape, shape[:2]):
            raise ShapeError(f"weights must be {list(shape[:2])} or {list(shape)}, got {list(weights.shape)}")
        found = [np.shape(row) for row in self.constants(shape[2])]
        if found != [shape[2:]] * len(self.element.constants):
            wanted = len(self.element.constants)
            raise ShapeError(f"loss {self.element.name!r} needs {wanted} constants [{shape[2]}], got shapes {found}")


def _squared(o: Any, target: Any, k: Values) -> tuple[Any, Any]:
    e = o - target
    loss = e * e
    d_o = 2.0 * e
    return loss, d_o


@dataclass(frozen=True)
class SquaredError(Elementwise):
    """``(o - target)**2``: ``"mean"`` over counted elements, or ``"half_sum"``, the 1/2 sum of the tutorials.

    Targets have the shape of the outputs, ``[T, N, K]``.
    """

    reduction: Literal["mean", "half_sum"] = "mean"

    element = Element("squared error", _squared)

    def __post_init__(self) -> None:
        if self.reduction not in ("mean", "half_sum"):
            raise ParameterError(f"reduction must be 'mean' or 'half_sum', got {self.reduction!r}")

    def place_weights(self, shape: tuple[int, ...], weights: Array | None) -> Array:
        if self.reduction == "mean":
            return super().place_weights(shape, weights)
        return np.full(shape[:2], 0.5) if weights is None else weights * 0.5


def _absolute(o: Any, target: Any, k: Values) -> tuple[Any, Any]:
    e = o - target
    loss = abs(e)
    d_o = where(e > 0, 1.0, where(e < 0, -1.0, e))  # 0 at the kink, and a NaN stays one
    return loss, d_o


@dataclass(frozen=True)
class AbsoluteError(Elementwise):
    """``|o - target|``, the mean over counted elements; least where the output is the median.

    Targets have the shape of the outputs, ``[T, N, K]``. At the kink the derivative is 0.
    """

    element = Element("absolute error", _absolute)


def _pinball(o: Any, target: Any, k: Values) -> tuple[Any, Any]:
    (tau,) = k
    e = o - target
    loss = maximum(-tau * e, (1.0 - tau) * e)
    d_o = where(e > 0, 1.0 - tau, where(e < 0, -tau, e))
    return loss, d_o


@dataclass(frozen=True)
class Pinball(Elementwise):
    """``tau * (target - o)`` where the output is too low, ``(1 - tau) * (o - target)`` where it is too high.

    It is least where the output is the quantile ``tau`` (Koenker and Bassett, 1978); the mean over counted elements. Of
    Q quantiles and C series, column ``c*Q + q`` of the outputs ``[T, N, C*Q]`` is quantile q of series c. Targets have
    the shape of the outputs: each is repeated Q times. At the kink the derivative is 0.

    Parameters
    ----------
    quantiles : sequence of float
        Between 0 and 1, such as ``(0.1, 0.5, 0.9)``.

    Raises
    ------
    ParameterError
        If there is none, or one is not between 0 and 1.
    """

    quantiles: Sequence[float]

    element = Element("pinball", _pinball, constants=("tau",))

    def __post_init__(self) -> None:
        object.__setattr__(self, "quantiles", tuple(map(float, self.quantiles)))
        if not self.quantiles or not all(0 < tau < 1 for tau in self.quantiles):
            raise ParameterError(f"quantiles must be numbers between 0 and 1, at least one, got {self.quantiles!r}")

    def constants(self, K: int) -> tuple[Array, ...]:
        series, rest = divmod(K, len(self.quantiles))
        if rest:
            raise ShapeError(f"outputs for {len(self.quantiles)} quantiles must be a multiple of that, got {K}")
        return (np.tile(self.quantiles, series),)


def _bernoulli(o: Any, target: Any, k: Values) -> tuple[Any, Any]:
    loss = maximum(o, 0.0) - o * target + log(1.0 + exp(-abs(o)))  # log(1 + exp(o)) - o * target without overflow
    d_o = sigmoid(o) - target
    return loss, d_o


@dataclass(frozen=True)
class Bernoulli(Elementwise):
    """``-target * log(p) - (1 - target) * log(1 - p)`` with ``p = sigmoid(o)``: the cross-entropy of yes and no.

    In nats, the mean over counted elements (Goodfellow et al., 2016, section 6.2.2.2). Targets from 0 to 1 have the
    shape of the outputs, ``[T, N, K]``.
    """

    element = Element("Bernoulli", _bernoulli)

    def check(self, shape: tuple[int, ...], targets: Array, weights: Array | None = None) -> None:
        super().check(shape, targets, weights)
        counted = targets if weights is None else targets[weights != 0]
        if counted.size and (counted.min() < 0 or counted.max() > 1):
            raise ShapeError(f"targets must be from 0 to 1, got {counted.min()} to {counted.max()}")


def _huber(o: Any, target: Any, k: Values) -> tuple[Any, Any]:
    (delta,) = k
    e = o - target
    loss = where(abs(e) > delta, delta * (abs(e) - 0.5 * delta), 0.5 * e * e)
    d_o = maximum(minimum(e, delta), -delta)
    return loss, d_o


@dataclass(frozen=True)
class Huber(Elementwise):
    """``e**2 / 2`` for errors up to ``delta``, ``delta * (|e| - delta / 2)`` beyond (Huber, 1964).

    The mean over counted elements; outliers pull no harder than an error of ``delta``. Targets have the shape of the
    outputs, ``[T, N, K]``.

    Raises
    ------
    ParameterError
        If ``delta`` is not above 0.
    """

    delta: float = 1.0

    element = Element("Huber", _huber, constants=("delta",))

    def __post_init__(self) -> None:
        if not 0 < self.delta < float("inf"):
            raise ParameterError(f"delta must be a number above 0, got {self.delta!r}")

    def constants(self, K: int) -> tuple[Array, ...]:
        return (np.full(K, self.delta),)


def _mean_weights(shape: tuple[int, ...], weights: Array | None) -> Array:
    """Weights that make a sum a mean."""
    if weights is None:
        return np.full(shape[:2], 1 / (shape[0] * shape[1]))
    total = weights.sum(dtype=np.float64)
    if not total > 0:
        raise ShapeError("the weights of a batch must have a sum above 0, or nothing would be counted")
    return np.asarray(weights / total)
