"""The engine's protocol, one kernel or a few at a time: what a layer, a loss or an optimizer asks for.

Whole networks are run from plans, with the same kernels on the same layouts, so that both give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from throughtime.cells import Cell
from throughtime.engine.choice import choose
from throughtime.engine.compiled import library, parts
from throughtime.engine.compiled.job import Job, room
from throughtime.engine.compiled.layout import RecordLayout, padded
from throughtime.engine.compiled.memory import FLOATS_AT_ONCE, count, reads_ahead, steps_at_once
from throughtime.engine.compiled.rows import ONE, Rows, new_records, new_rows
from throughtime.engine.compiled.target import host
from throughtime.engine.compiled.threads import number_for
from throughtime.engine.compiled.training import capacity_for
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
from throughtime.engine.random import Key
from throughtime.errors import ParameterError


@dataclass(frozen=True)
class _ScanTape:
    cell: Cell
    weights: ScanWeights
    x: Signal
    lengths: Array | None
    reverse: bool
    records: Rows
    histories: list[Array]
    """``[T + 1, N, padded H]`` for each state."""


@dataclass(frozen=True)
class _PoolTape:
    x: Array
    kind: str
    lengths: Array | None
    reversed_from: int | None


class Operations(Engine):
    """What is asked of an engine layer by layer, in machine code and float32."""

    name = "compiled"
    copies = 2  # in its own order, one for each way

    def __init__(self) -> None:
        self.dtype = np.dtype(np.float32)
        self._version = 0
        """Of the weights, as far as anybody said that they changed."""
        self._packed: dict[Any, tuple[Array, Array]] = {}

    def changed(self) -> None:
        self._version += 1
        self._packed.clear()

    def step_bytes(self, stages: Sequence[Stage], loss: str, parameters: int, T: int, N: int) -> int:
        steps = capacity_for(parameters, parameters, T * N)
        found = count(stages, T, N, number_for(T * N * parameters))
        data = 2 * (steps + 1) * batch_bytes(stages, loss, T, N)
        return data + self.dtype.itemsize * (found.place * T * N + found.fixed)

    def forward_bytes(self, stages: Sequence[Stage], loss: str, T: int, N: int) -> int:
        found = count(stages, T, N, 1)
        steps = T if any(map(reads_ahead, stages)) else min(T, steps_at_once(stages, N))
        outputs = 2 * found.size * T * N
        return 2 * batch_bytes(stages, loss, T, N) + self.dtype.itemsize * (found.place * steps * N + outputs)

    # ------------------------------------------------------------------ weights in the engine's own order

    def _pack(self, weight: Array, size: int, gates: Sequence[int], *, back: bool = False) -> Array:
        """A packed copy, made once for as long as nobody changes the weights."""
        key = (id(weight), size, tuple(gates), back, self._version)
        found = self._packed.get(key)
        if found is None:
            job = Job()
            packed = (parts.pack_back if back else parts.pack)(job, weight, size, gates)
            job.run(number_for(weight.size * 16))
            found = self._packed[key] = (packed, weight)  # the weights are kept so that no other array gets their id
        return found[0]

    # ------------------------------------------------------------------ inputs and dense products

    def embed(self, ids: Array, table: Array) -> Array:
        return table[ids]

    def embed_back(self, ids: Array, table: Array, d_y: Array) -> Array:
        job = Job()
        d_rows = Rows.plain(_aligned(d_y), d_y.shape[-1])
        total = new_rows(len(table), table.shape[1])
        parts.scatter(job, d_rows, _ids(ids), total, 1)
        job.run(number_for(d_y.size * 16))
        return np.ascontiguousarray(total.array[:, : table.shape[1]])

    def product(self, x: Signal, weight: Array, bias: Array) -> Array:
        K = weight.shape[1]
        T, N = x.ids.shape if isinstance(x, Tokens) else x.shape[:2]
        out = new_rows(T * N, K)
        job = Job()
        if isinstance(x, Tokens):
            parts.pick(job, weight, bias, _ids(x.ids), 1, out)
        else:
            packed, packed_bias = self._pack(weight, K, ONE), self._pack(bias, K, ONE)
            parts.product(job, library.common(), 1, Rows.plain(_plain(x), x.shape[2]), packed, packed_bias, out)
        job.run(number_for(T * N * weight.size))
        return _unpadded(out.array, K).reshape(T, N, K)

    def product_back(
        self, x: Signal, weight: Array, d_y: Array, *, needs_input: bool = True
    ) -> tuple[Array | None, Array, Array]:
        D, K = weight.shape
        T, N, _ = d_y.shape
        number = number_for(T * N * weight.size)
        d_rows = Rows.plain(_aligned(d_y), K)
        d_weight, d_bias = np.empty_like(weight), np.empty(K, self.dtype)
        job = Job()
        if isinstance(x, Tokens):
            total = new_rows(x.size, K)
            parts.symbol_gradients(job, _ids(x.ids), d_rows, total, ONE, d_weight, d_bias, number)
        else:
            x_rows = Rows.plain(_plain(x), D)
            parts.gradient(job, library.common(), x_rows, d_rows, ONE, d_weight, d_bias, number)
        d_x = None
        if needs_input:
            d_x = new_rows(T * N, D)
            parts.product_back(job, library.common(), ONE, d_rows, self._pack(weight, K, ONE, back=True), d_x)
        job.run(number)
        return None if d_x is None else _unpadded(d_x.array, D).reshape(T, N, D), d_weight, d_bias

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
        T, N = x.ids.shape if isinstance(x, Tokens) else x.shape[:2]
        lengths = some_lengths(lengths, T)
        x = _reversed(x, lengths) if reverse else x
        H = state[0].shape[1]
        records = RecordLayout(cell).slots * padded(H, host().lanes) * N
        at_once = T if keep else max(1, min(T, FLOATS_AT_ONCE // records))
        outputs = np.empty((T, N, H), self.dtype)
        for start in range(0, T, at_once):
            part = slice(start, start + at_once)
            left = None if lengths is None else np.clip(lengths - start, 0, len(outputs[part]))
            tape = self._scan_part(cell, weights, x[part], state, left)
            outputs[part] = tape.histories[0][1:, :, :H]
            ends = len(outputs[part]) if left is None else left
            state = tuple(np.ascontiguousarray(history[ends, np.arange(N), :H]) for history in tape.histories)
        if reverse:
            outputs = _reversed(outputs, lengths)
        tape = _ScanTape(cell, weights, x, lengths, reverse, tape.records, tape.histories)
        return ScanResult(outputs, state, tape if keep else None)

    def _scan_part(
        self, cell: Cell, weights: ScanWeights, x: Signal, state: States, lengths: Array | None
    ) -> _ScanTape:
        T, N = x.ids.shape if isinstance(x, Tokens) else x.shape[:2]
        H, layout, routines = state[0].shape[1], RecordLayout(cell), library.of_cell(cell)
        records = new_records(T * N, H, layout.slots)
        histories = [room((T + 1, N, padded(H, host().lanes))) for _ in state]
        for history, value in zip(histories, state, strict=True):
            history[0, :, :H], history[0, :, H:] = value, 0
        job = Job()
        if isinstance(x, Tokens):
            parts.pick(job, weights.U, weights.b, _ids(x.ids), len(cell.gates), records)
        else:
            U, b = (self._pack(w, H, layout.gates) for w in (weights.U, weights.b))
            parts.product(job, routines, len(cell.gates), Rows.plain(_plain(x), x.shape[2]), U, b, records)
        W = None if weights.W is None else self._pack(weights.W, H, layout.gates)
        e = None if weights.e is None else self._pack(weights.e, H, range(len(cell.apart)))
        vectors = [self._pack(vector, H, ONE) for vector in weights.p]
        parts.scan(job, cell, records, histories, W, e, vectors, lengths)
        job.run(number_for(T * N * H * H * len(cell.gates)))
        return _ScanTape(cell, weights, x, lengths, False, records, histories)

    def scan_back(
        self,
        tape: _ScanTape,
        d_outputs: Array,
        d_final: States | None = None,
        *,
        window: slice | None = None,
        needs_input: bool = True,
    ) -> ScanGradients:
        if window is not None:
            raise ParameterError("truncated back-propagation runs on the engine 'numpy'")
        cell, weights, x = tape.cell, tape.weights, tape.x
        layout, routines = RecordLayout(cell), library.of_cell(cell)
        T, N, H = d_outputs.shape
        D = x.size if isinstance(x, Tokens) else x.shape[2]
        number = number_for(T * N * H * H * len(cell.gates))
        if tape.reverse:
            d_outputs = _reversed(d_outputs, tape.lengths)
        carries = [new_rows(N, H, zero=True).array for _ in cell.states]
        for carry, value in zip(carries, d_final or (), strict=False):
            carry[:, :H] = value
        W = None if weights.W is None else self._pack(weights.W, H, layout.gates, back=True)
        vectors = [self._pack(vector, H, ONE) for vector in weights.p]
        job = Job()
        d_y = _aligned(d_outputs)
        parts.scan_back(job, cell, tape.records, tape.histories, W, vectors, tape.lengths, d_y, carries, to_start=True)
        d_b = np.empty_like(weights.b)
        d_W = None if weights.W is None else np.empty_like(weights.W)
        d_e = None if weights.e is None else np.empty_like(weights.e)
        d_p = tuple(np.empty_like(vector) for vector in weights.p)
        d_U = np.empty_like(weights.U)
        parts.recurrent_gradients(job, cell, tape.records, tape.histories[0], d_W, d_e, d_p, number)
        if isinstance(x, Tokens):
            total = new_records(D, H, len(cell.gates))
            parts.symbol_gradients(job, _ids(x.ids), tape.records, total, layout.gates, d_U, d_b, number)
        else:
            parts.gradient(job, routines, Rows.plain(_plain(x), D), tape.records, layout.gates, d_U, d_b, number)
        d_x = None
        if needs_input and not isinstance(x, Tokens):
            d_rows = new_rows(T * N, D)
            U = self._pack(weights.U, H, layout.gates, back=True)
            parts.product_back(job, routines, layout.gates, tape.records, U, d_rows)
        job.run(number)
        if needs_input and not isinstance(x, Tokens):
            d_x = _unpadded(d_rows.array, D).reshape(T, N, D)
            d_x = _reversed(d_x, tape.lengths) if tape.reverse else d_x
        d_state = tuple(_unpadded(carry, H) for carry in carries)
        return ScanGradients(d_x, ScanWeights(d_U, d_W, d_b, d_e, d_p), d_state)

    # ------------------------------------------------------------------ over time

    def pool(
        self, x: Array, kind: str, *, lengths: Array | None = None, reversed_from: int | None = None
    ) -> tuple[Array, _PoolTape]:
        _, N, D = x.shape
        tape = _PoolTape(_plain(x), kind, some_lengths(lengths, len(x)), reversed_from)
        out = new_rows(N, D)
        job = Job()
        parts.pool(job, kind, tape.x, out, reversed_from, tape.lengths)
        job.run(number_for(x.size))
        return _unpadded(out.array, D)[None], tape

    def pool_back(self, tape: _PoolTape, d_y: Array) -> Array:
        T, N, D = tape.x.shape
        d, out = Rows.plain(_aligned(d_y), D), new_rows(T * N, D)
        job = Job()
        parts.pool_back(job, tape.kind, tape.x, d, out, tape.reversed_from, tape.lengths)
        job.run(number_for(tape.x.size))
        return _unpadded(out.array, D).reshape(T, N, D)

    # ------------------------------------------------------------------ dropout

    def dropout(
        self, x: Array, rate: float, key: Key, step: int, *, per_step: bool = True, start: int = 0
    ) -> tuple[Array, Any]:
        return self._drop(x, rate, key, step, per_step, start), (rate, key, step, per_step, start)

    def dropout_back(self, tape: Any, d_y: Array, window: slice | None = None) -> Array:
        return self._drop(d_y, *tape)

    def _drop(self, x: Array, rate: float, key: Key, step: int, per_step: bool, start: int) -> Array:
        job = Job()
        source = _aligned(x)
        out = room(source.shape)
        parts.dropout(job, source, out, x.shape[2], rate, key, np.array([step]), per_step, start)
        job.run(number_for(x.size * 16))
        return _unpadded(out, x.shape[2])

    # ------------------------------------------------------------------ losses

    def softmax_cross_entropy(
        self, o: Array, targets: Array, weights: Array | None, *, needs_gradient: bool = True
    ) -> tuple[float, Array | None]:
        return self._loss(parts.softmax_cross_entropy, o, _ids(targets), weights, needs_gradient)

    def elementwise_loss(
        self, objective: Any, o: Array, targets: Array, weights: Array | None, *, needs_gradient: bool = True
    ) -> tuple[float, Array | None]:
        return self._loss(
            partial(parts.elementwise_loss, objective=objective), o, _plain(targets), weights, needs_gradient
        )

    def _loss(
        self, add: Callable[..., None], o: Array, targets: Array, weights: Array | None, needs_gradient: bool
    ) -> tuple[float, Array | None]:
        places = np.ones(o.shape[:2]) if weights is None else np.ascontiguousarray(weights, np.float64)
        rows, total = _aligned(o), np.zeros(1)
        job = Job()
        add(job, o=Rows.plain(rows, o.shape[2]), targets=targets, weights=places, total=total, gradient=needs_gradient)
        job.run(number_for(o.size * 16))
        return float(total[0]), _unpadded(rows, o.shape[2]) if needs_gradient else None

    # ------------------------------------------------------------------ learning

    def global_norm(self, gradients: Mapping[str, Array], clip_value: float | None = None) -> float:
        job, total = Job(), np.zeros(1)
        parts.norm(job, list(gradients.values()), clip_value, total)
        job.run(number_for(sum(g.size for g in gradients.values()) * 4))
        return float(np.sqrt(total[0]))

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
        job = Job()
        scales, go, sound = np.array([scale]), np.ones(1, np.int64), np.ones(1, np.int64)
        for name, w in parameters.items():
            k = np.array(coefficients[name], np.float64)
            parts.update(
                job, rule, w, np.ascontiguousarray(gradients[name]), slots[name], k, clip_value, scales, go, sound
            )
        self.changed()
        try:
            job.run(number_for(sum(w.size for w in parameters.values()) * 16))
        finally:
            self.changed()  # another thread may have packed what was half done

    # ------------------------------------------------------------------ generation

    def choose(self, o: Array, sampling: Sampling, u: Array) -> Array:
        return choose(o, sampling, u)


def _ids(ids: Array) -> Array:
    return np.ascontiguousarray(ids, np.int64)


def _plain(x: Array) -> Array:
    return np.ascontiguousarray(x, np.float32)


def _aligned(x: Array) -> Array:
    """A copy whose rows are padded with zeros to whole vectors."""
    size = x.shape[-1]
    out = room((*x.shape[:-1], padded(size, host().lanes)))
    out[..., :size], out[..., size:] = x, 0
    return out


def _unpadded(rows: Array, size: int) -> Array:
    return rows if rows.shape[-1] == size else np.ascontiguousarray(rows[..., :size])


def some_lengths(lengths: Array | None, T: int) -> Array | None:
    """The lengths, or None where every sequence has all T steps."""
    if lengths is None or np.all(lengths == T):
        return None
    return np.ascontiguousarray(lengths, np.int64)


def _reversed(x: Signal, lengths: Array | None) -> Signal:
    """Each row of ``[T, N, ...]`` with its own elements in reverse order, what follows its end left in place."""
    if isinstance(x, Tokens):
        return Tokens(_reversed(x.ids, lengths), x.size)
    if lengths is None:
        return np.ascontiguousarray(x[::-1])
    times = np.arange(len(x))[:, None]
    return x[np.where(times < lengths, lengths - 1 - times, times), np.arange(x.shape[1])]
