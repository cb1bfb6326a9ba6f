"""The engine in NumPy, to be read: the reference that every other engine is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from threadpoolctl import threadpool_limits

from throughtime.cells import Cell
from throughtime.engine import plain_memory, random
from throughtime.engine.choice import choose
from throughtime.engine.protocol import (
    Array,
    Engine,
    Sampling,
    ScanGradients,
    ScanResult,
    ScanWeights,
    Signal,
    Stage,
    States,
    Tokens,
    batch_bytes,
)


@dataclass(frozen=True)
class _ScanTape:
    cell: Cell
    weights: ScanWeights
    x: Signal
    active: Array | None
    """``[T, N]``, which rows are not at their end yet; None: all of them, always."""
    lengths: Array | None
    reverse: bool
    before: list[States]
    """The states before each step."""
    saved: list[tuple[Any, ...]]
    """What the cell's way back needs of each step."""


@dataclass(frozen=True)
class _PoolTape:
    inside: Array
    """``[T, N, 1]``, which steps are before the end of their row."""
    counts: Array | None
    """``[N, 1]``, what the sum of a row is divided by."""
    places: Array | None
    """``[N, D]``, the step that each value comes from."""


class PlainEngine(Engine):
    """NumPy, in float32 or float64.

    Long work takes one thread of the BLAS library: a product in every time step means a barrier in every time step,
    which gains on an idle machine, for wide layers, and can stall for seconds on a busy one.
    """

    name = "numpy"
    truncates = True
    copies = 0

    def __init__(self, dtype: Any = np.float32) -> None:
        self.dtype = np.dtype(dtype)

    def changed(self) -> None:
        """Nothing is copied here."""

    @contextmanager
    def working(self) -> Iterator[None]:
        # A NaN or infinity is not warned of here: it goes through, and the training loop stops at it.
        with (
            threadpool_limits(limits=1, user_api="blas"),
            np.errstate(over="ignore", invalid="ignore", divide="ignore"),
        ):
            yield

    def step_bytes(self, stages: Sequence[Stage], loss: str, parameters: int, T: int, N: int) -> int:
        passes = plain_memory.step_bytes(stages, loss, T, N, self.dtype.itemsize)
        update = plain_memory.UPDATE * parameters * self.dtype.itemsize
        return 2 * batch_bytes(stages, loss, T, N) + max(passes, update)

    def forward_bytes(self, stages: Sequence[Stage], loss: str, T: int, N: int) -> int:
        forward = plain_memory.forward_bytes(stages, loss, T, N, self.dtype.itemsize)
        return 2 * batch_bytes(stages, loss, T, N) + forward

    # ------------------------------------------------------------------ inputs and dense products

    def embed(self, ids: Array, table: Array) -> Array:
        return table[ids]

    def embed_back(self, ids: Array, table: Array, d_y: Array) -> Array:
        return _add_rows(ids, d_y, len(table))

    def product(self, x: Signal, weight: Array, bias: Array) -> Array:
        y = weight[x.ids] if isinstance(x, Tokens) else x @ weight
        y += bias
        return cast(Array, y)

    def product_back(
        self, x: Signal, weight: Array, d_y: Array, *, needs_input: bool = True
    ) -> tuple[Array | None, Array, Array]:
        d_rows = d_y.reshape(-1, d_y.shape[-1])
        d_weight = _add_rows(x.ids, d_y, x.size) if isinstance(x, Tokens) else x.reshape(len(d_rows), -1).T @ d_rows
        d_x = d_y @ weight.T if needs_input else None
        return d_x, d_weight, d_rows.sum(axis=0)

    # ------------------------------------------------------------------ through time

    def scan(
        self,
        cell: Cell,
        weights: ScanWeights,
        x: Signal,
        state: States,
        *,
        lengths: Array | None = None,
        reverse: bool = False,
        keep: bool = True,
    ) -> ScanResult:
        a_x = self.product(x, weights.U, weights.b)  # [T, N, G*H], all time steps at once
        if reverse:
            a_x = _reverse_rows(a_x, lengths)
        T, N, _ = a_x.shape
        active = None if lengths is None or np.all(lengths == T) else np.arange(T)[:, None] < lengths
        H = state[0].shape[1]
        outputs = np.zeros((T, N, H), dtype=a_x.dtype)
        before: list[States] = []
        kept: list[tuple[Any, ...]] = []
        for t in range(T):
            a, u = _pre_activations(cell, weights, a_x[t], state[0])
            new, saved = cell.step(a, u, state, weights.p)
            if keep:
                before.append(state)
                kept.append(saved)
            if active is None:
                outputs[t] = new[0]
                state = tuple(np.broadcast_to(np.asarray(value, dtype=a_x.dtype), (N, H)) for value in new)
            else:
                mask = active[t][:, None]
                np.copyto(outputs[t], new[0], where=mask)
                state = tuple(
                    np.where(mask, after, old).astype(a_x.dtype) for after, old in zip(new, state, strict=True)
                )
        if reverse:
            outputs = _reverse_rows(outputs, lengths)
        tape = _ScanTape(cell, weights, x, active, lengths, reverse, before, kept) if keep else None
        return ScanResult(outputs, state, tape)

    def scan_back(
        self,
        tape: _ScanTape,
        d_outputs: Array,
        d_final: States | None = None,
        *,
        window: slice | None = None,
        needs_input: bool = True,
    ) -> ScanGradients:
        cell, weights, active = tape.cell, tape.weights, tape.active
        steps = range(len(tape.before))[window or slice(None)]
        if tape.reverse:
            d_outputs = _reverse_rows(d_outputs, tape.lengths)
        _, N, H = d_outputs.shape
        d_state: States = d_final or tuple(np.zeros((N, H), d_outputs.dtype) for _ in cell.states)
        d_a = np.empty((len(steps), N, len(cell.gates) * H), d_outputs.dtype)
        d_u = np.empty((len(steps), N, len(cell.apart) * H), d_outputs.dtype)
        d_p = tuple(np.zeros_like(vector) for vector in weights.p)
        for k in reversed(range(len(steps))):
            t = steps[k]
            mask = None if active is None else active[t][:, None]
            d_new = (d_state[0] + d_outputs[k], *d_state[1:])
            if mask is not None:  # a row past its end took no step: nothing comes back through the cell
                d_new = tuple(np.where(mask, d, 0) for d in d_new)
            d_gates, d_apart, d_before, d_vectors = cell.step_back(d_new, tape.before[t], tape.saved[t], weights.p)
            _put_blocks(d_a[k], d_gates, H)
            _put_blocks(d_u[k], d_apart, H)
            for total, d in zip(d_p, d_vectors, strict=True):
                total += np.broadcast_to(d, (N, H)).sum(axis=0)
            if weights.W is not None:
                d_before = (d_before[0] + _hidden_gradient(cell, d_a[k], d_u[k], H) @ weights.W.T, *d_before[1:])
            d_before = tuple(np.broadcast_to(np.asarray(d, d_outputs.dtype), (N, H)) for d in d_before)
            if mask is not None:
                d_before = tuple(np.where(mask, d, past) for d, past in zip(d_before, d_state, strict=True))
            d_state = d_before
        d_W = None
        if weights.W is not None:
            d_hidden = _hidden_gradient(cell, d_a, d_u, H).reshape(len(steps) * N, -1)
            h_before = np.stack([tape.before[t][0] for t in steps]).reshape(len(steps) * N, H)
            d_W = h_before.T @ d_hidden
        d_e = d_u.sum(axis=(0, 1)) if weights.e is not None else None
        if tape.reverse:
            d_a = _reverse_rows(d_a, tape.lengths)
        x = tape.x if window is None else tape.x[window]
        d_x, d_U, d_b = self.product_back(x, weights.U, d_a, needs_input=needs_input)
        return ScanGradients(d_x, ScanWeights(d_U, d_W, d_b, d_e, d_p), d_state)

    # ------------------------------------------------------------------ over time

    def pool(
        self, x: Array, kind: str, *, lengths: Array | None = None, reversed_from: int | None = None
    ) -> tuple[Array, _PoolTape]:
        T, N, D = x.shape
        lengths = np.full(N, T) if lengths is None else np.asarray(lengths)
        inside = (np.arange(T)[:, None] < lengths)[..., None]
        if kind == "mean":
            tape = _PoolTape(inside, np.maximum(lengths, 1).astype(x.dtype)[:, None], None)
            return (np.where(inside, x, 0).sum(axis=0) / tape.counts)[None], tape
        if kind == "max":
            places = np.where(inside, x, -np.inf).argmax(axis=0)  # the first of the largest
        else:
            backward = np.arange(D) >= (D if reversed_from is None else reversed_from)
            places = np.where(backward, 0, np.maximum(lengths - 1, 0)[:, None])
        y = np.take_along_axis(x, places[None], axis=0)
        return np.where(lengths[:, None] > 0, y, 0), _PoolTape(inside, None, places)

    def pool_back(self, tape: _PoolTape, d_y: Array) -> Array:
        if tape.places is None:
            return np.where(tape.inside, d_y / tape.counts, 0)
        chosen = np.arange(len(tape.inside))[:, None, None] == tape.places
        return np.where(chosen & tape.inside, d_y, 0)

    # ------------------------------------------------------------------ dropout

    def dropout(
        self, x: Array, rate: float, key: random.Key, step: int, *, per_step: bool = True, start: int = 0
    ) -> tuple[Array, Array]:
        T, N, H = x.shape
        times = np.arange(start, start + T) if per_step else np.zeros(1, np.int64)
        words = random.words(key, step=step, times=times, rows=np.arange(N), units=H)
        mask = np.where(words < np.uint32(int(rate * 2**32)), 0.0, 1 / (1 - rate)).astype(x.dtype)
        mask = np.broadcast_to(mask, x.shape)
        return x * mask, mask

    def dropout_back(self, tape: Array, d_y: Array, window: slice | None = None) -> Array:
        return d_y * tape[window or slice(None)]

    # ------------------------------------------------------------------ losses

    def softmax_cross_entropy(
        self, o: Array, targets: Array, weights: Array | None, *, needs_gradient: bool = True
    ) -> tuple[float, Array | None]:
        if weights is not None:
            targets = np.where(weights != 0, targets, 0)
        o -= o.max(axis=-1, keepdims=True)  # the largest is 0 now: exp cannot overflow
        at_target = np.take_along_axis(o, targets[..., None], axis=-1)[..., 0]
        p = np.exp(o, out=o)
        total = p.sum(axis=-1, keepdims=True)
        losses = np.log(total[..., 0], dtype=np.float64) - at_target
        loss = losses.sum() if weights is None else np.where(weights != 0, losses * weights, 0).sum()
        if not needs_gradient:
            return float(loss), None
        p /= total
        rows = p.reshape(-1, p.shape[-1])
        rows[np.arange(len(rows)), targets.ravel()] -= 1
        if weights is not None:
            np.copyto(rows, 0, where=weights.reshape(-1, 1) == 0)
            rows *= weights.reshape(-1, 1).astype(rows.dtype)
        return float(loss), p

    def elementwise_loss(
        self, objective: Any, o: Array, targets: Array, weights: Array | None, *, needs_gradient: bool = True
    ) -> tuple[float, Array | None]:
        weights = np.ones(o.shape[:2]) if weights is None else weights
        weights = np.broadcast_to(weights if weights.ndim == 3 else weights[..., None], o.shape)
        counts = weights != 0
        targets = np.where(counts, targets, 0).astype(o.dtype)  # what is not looked at could overflow
        k = tuple(row.astype(o.dtype) for row in objective.constants(o.shape[2]))
        losses, d_o = objective.element.step(np.where(counts, o, 0), targets, k)
        loss = float(np.sum(np.where(counts, losses * weights, 0), dtype=np.float64))
        return loss, np.where(counts, d_o * weights.astype(o.dtype), 0).astype(o.dtype) if needs_gradient else None

    # ------------------------------------------------------------------ learning

    def global_norm(self, gradients: Mapping[str, Array], clip_value: float | None = None) -> float:
        total = 0.0
        for gradient in gradients.values():
            g = _clip(gradient, clip_value).astype(np.float64).ravel()
            total += float(g @ g)
        return float(np.sqrt(total))

    def update(
        self,
        rule: Any,
        parameters: Mapping[str, Array],
        gradients: Mapping[str, Array],
        slots: Mapping[str, tuple[Array, ...]],
        coefficients: Mapping[str, tuple[float, ...]],
        *,
        clip_value: float | None = None,
        scale: float = 1.0,
    ) -> None:
        for name, w in parameters.items():
            g = _clip(gradients[name], clip_value) * scale
            new_w, new_slots = rule.step(w, g, slots[name], coefficients[name])
            w[...] = new_w
            for slot, new in zip(slots[name], new_slots, strict=True):
                slot[...] = new

    # ------------------------------------------------------------------ generation

    def choose(self, o: Array, sampling: Sampling, u: Array) -> Array:
        return choose(o, sampling, u)


def _pre_activations(
    cell: Cell, weights: ScanWeights, a_x: Array, h: Array
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """The blocks ``a`` and ``u`` of one step, from its input part ``[N, G*H]`` and the state before."""
    H = h.shape[1]
    if weights.W is None:
        return _blocks(a_x, H), ()
    a, apart = [], {}
    for gate, from_input, from_hidden in zip(cell.gates, _blocks(a_x, H), _blocks(h @ weights.W, H), strict=True):
        if gate in cell.apart:
            a.append(from_input)
            apart[gate] = from_hidden
        else:
            a.append(from_input + from_hidden)
    biases = () if weights.e is None else _blocks(weights.e, H)
    return tuple(a), tuple(apart[gate] + bias for gate, bias in zip(cell.apart, biases, strict=True))


def _hidden_gradient(cell: Cell, d_a: Array, d_u: Array, H: int) -> Array:
    """The gradient of ``h W``: that of ``a``, with the blocks kept apart taken from ``u``."""
    if not cell.apart:
        return d_a
    apart = dict(zip(cell.apart, _blocks(d_u, H), strict=True))
    blocks = zip(cell.gates, _blocks(d_a, H), strict=True)
    return np.concatenate([apart.get(gate, block) for gate, block in blocks], axis=-1)


def _blocks(array: Array, H: int) -> tuple[Array, ...]:
    """Views of the blocks of H along the last axis."""
    return tuple(array[..., start : start + H] for start in range(0, array.shape[-1], H))


def _put_blocks(target: Array, values: tuple[Any, ...], H: int) -> None:
    for block, value in zip(_blocks(target, H), values, strict=True):
        block[...] = value


def _add_rows(ids: Array, d_y: Array, size: int) -> Array:
    """``[size, D]``: row k is the sum of the rows of ``d_y`` whose id is k."""
    d_rows = d_y.reshape(-1, d_y.shape[-1])
    order = np.argsort(ids, axis=None, kind="stable")
    found, starts = np.unique(ids.ravel()[order], return_index=True)
    total = np.zeros((size, d_rows.shape[1]), d_rows.dtype)
    total[found] = np.add.reduceat(d_rows[order], starts, axis=0)
    return total


def _reverse_rows(x: Array, lengths: Array | None) -> Array:
    """Each row with its own elements in reverse order, what follows its end left in place. Undoes itself."""
    T, N = x.shape[:2]
    if lengths is None:
        return np.ascontiguousarray(x[::-1])
    times = np.arange(T)[:, None]
    return x[np.where(times < lengths, lengths - 1 - times, times), np.arange(N)]


def _clip(gradient: Array, clip_value: float | None) -> Array:
    return gradient if clip_value is None else np.clip(gradient, -clip_value, clip_value)
