"""Back-propagation through time that keeps little: time is cut into segments, each of which is run twice.

On the way forward only the states at the ends of segments are kept. The way back begins with the last segment: it is
run forward once more, now with a tape, and taken back; then the one before it (Chen et al., 2016; Gruslys et al., 2016,
who choose the places by dynamic programming: here all segments are equally long). With the square root of T segments
memory grows with the square root of T, for one more pass forward.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from throughtime.engine.protocol import Array, NetworkState
from throughtime.errors import ParameterError
from throughtime.layers.containers import Stacked
from throughtime.layers.layer import Backward, Forward
from throughtime.layers.pool import Pool

LossOf = Callable[[Array, slice], tuple[float, Any]]
"""The loss of the outputs of some steps, and its gradient."""


def best_number(T: int) -> int:
    """How many segments T steps are cut into: the square root, rounded up."""
    return math.isqrt(T - 1) + 1


def can_segment(body: Stacked) -> bool:
    """Whether each output depends on earlier inputs alone, but for a pool among the outermost layers."""
    below, pool, _ = _parts(body)
    return bool(below) and not any(layer.reads_ahead for layer in below) and (pool is None or _is_plain(pool))


def _is_plain(pool: Any) -> bool:
    return isinstance(pool, Pool) and pool.reversed_from is None


def _parts(body: Stacked) -> tuple[Sequence[Any], Any, Sequence[Any]]:
    """The layers below a pool, the pool or None, and those above it."""
    place = next((number for number, layer in enumerate(body.layers) if layer.pools), None)
    if place is None:
        return body.layers, None, ()
    return body.layers[:place], body.layers[place], body.layers[place + 1 :]


@dataclass
class Segments:
    """One pass forward and back in segments.

    Parameters
    ----------
    body : Stacked
    run : Forward
        The pass that is cut.
    x : token ids ``[T, N]`` or numbers ``[T, N, D]``
    number : int
        How many segments; fewer, where T asks for it.
    needs_input : whether the gradient of the inputs is wanted

    Attributes
    ----------
    back : Backward
        The gradients of the parameters, and those of the initial state.
    final : NetworkState
    d_x : Array or None

    Raises
    ------
    ParameterError
        If the network cannot be cut, or into no such number.
    """

    body: Stacked
    run: Forward
    x: Array
    number: int
    needs_input: bool = False
    final: NetworkState = field(default_factory=dict)
    d_x: Array | None = None

    def __post_init__(self) -> None:
        if self.number < 1:
            raise ParameterError(f"segments must be at least 1, got {self.number}")
        if not can_segment(self.body):
            raise ParameterError(
                "a network can be cut into segments of time where its layers read forward alone, and a Pool, if any, "
                "is among the outermost layers"
            )
        length = -(-len(self.x) // self.number)
        self.parts = [slice(start, min(start + length, len(self.x))) for start in range(0, len(self.x), length)]
        self.states = [self.run.state]
        self.back = Backward(self.run.engine, self.run.parameters, {})
        below, self.pool, above = _parts(self.body)
        self.below = Stacked(below)
        self.above = Stacked(above) if above else None

    def loss_and_gradients(self, loss_of: LossOf) -> float:
        """The loss; the gradients are left in ``back``."""
        return self._of_every_step(loss_of) if self.pool is None else self._of_pool(loss_of)

    def _of_every_step(self, loss_of: LossOf) -> float:
        carries = Stacked(self.below.layers[: _last_with_states(self.below) + 1])
        for number in range(len(self.parts) - 1):
            self._forward(carries, number, keep=False)
        losses: list[float] = []

        def gradient(outputs: Array, number: int) -> Any:
            loss, d_outputs = loss_of(outputs, self.parts[number])
            losses.append(loss)
            return d_outputs

        self._backward(gradient)
        return sum(losses)

    def _of_pool(self, loss_of: LossOf) -> float:
        engine = self.run.engine
        numbers = range(len(self.parts))
        pooled = np.concatenate([self._pool(self._forward(self.below, n, keep=False)[0], n)[0] for n in numbers])
        shares = self._shares(pooled)
        y = _weighted(shares, pooled).sum(axis=0, keepdims=True).astype(engine.dtype)
        top = Forward(engine, self.run.parameters, {}, noise=self.run.noise)
        if self.above is None:
            loss, d_y = loss_of(y, slice(0, 1))
        else:
            outputs, tape = self.above.forward(y, top)
            loss, d_outputs = loss_of(outputs, slice(0, 1))
            d_y = self.above.backward(tape, d_outputs, self.back)

        def gradient(outputs: Array, number: int) -> Any:
            _, pool_tape = self._pool(outputs, number)
            return engine.pool_back(pool_tape, _weighted(shares[number], d_y).astype(engine.dtype))

        self._backward(gradient)
        return loss

    def _forward(self, layers: Stacked, number: int, *, keep: bool) -> tuple[Any, Any]:
        """Outputs and tape of a segment; the state at its end goes to ``states`` unless it is there."""
        run, part = self.run, self.parts[number]
        lengths = self._left(number)
        here = Forward(run.engine, run.parameters, self.states[number], lengths, run.noise, keep, part.start)
        outputs, tape = layers.forward(self.x[part], here)
        if number + 1 == len(self.states):
            self.states.append(here.final)
        return outputs, tape

    def _backward(self, gradient: Callable[[Array, int], Any]) -> None:
        """All segments again, the last one first; ``gradient`` is that of a segment's outputs."""
        d_xs = []
        for number in reversed(range(len(self.parts))):
            outputs, tape = self._forward(self.below, number, keep=True)
            d_xs.append(self.below.backward(tape, gradient(outputs, number), self.back, self.needs_input))
            self.back.d_final = dict(self.back.d_initial)
        self.final = self.states[-1]
        self.d_x = None if d_xs[0] is None else np.concatenate(d_xs[::-1])

    def _left(self, number: int) -> Array | None:
        """How many steps of a segment each row has."""
        lengths, part = self.run.lengths, self.parts[number]
        return None if lengths is None else np.clip(lengths - part.start, 0, part.stop - part.start)

    def _pool(self, outputs: Array, number: int) -> tuple[Array, Any]:
        return self.run.engine.pool(outputs, self.pool.kind, lengths=self._left(number))

    def _shares(self, pooled: Array) -> Array:
        """``[S, N, 1 or D]``: what the pool of each segment counts for in that of the whole row."""
        T, N = len(self.x), pooled.shape[1]
        lengths = np.full(N, T) if self.run.lengths is None else self.run.lengths
        left = np.stack([np.clip(lengths - part.start, 0, part.stop - part.start) for part in self.parts])[..., None]
        if self.pool.kind == "mean":
            return np.asarray(left / np.maximum(lengths, 1)[:, None])
        if self.pool.kind == "max":
            best = np.where(left > 0, pooled, -np.inf).argmax(axis=0)  # the first of the largest
            return np.asarray((np.arange(len(left))[:, None, None] == best) & (left > 0))
        ends = np.array([part.stop for part in self.parts])[:, None, None]
        return np.asarray((left > 0) & (lengths[:, None] <= ends))


def _weighted(shares: Array, values: Array) -> Array:
    """What has no share counts as 0, even if it is not finite."""
    return np.asarray(shares * np.where(shares != 0, values, 0))


def _last_with_states(layers: Stacked) -> int:
    """The place of the last layer that carries a state; 0 if there is none."""
    return max((place for place, layer in enumerate(layers.layers) if layer.states()), default=0)
