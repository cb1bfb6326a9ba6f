"""A whole network as kernels of one job, forward and back.

Each kind of layer is planned by one function, which adds its kernels forward and returns what adds those of its way
back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from throughtime.engine.compiled import library, parts
from throughtime.engine.compiled.job import room
from throughtime.engine.compiled.layout import RecordLayout
from throughtime.engine.compiled.plan import Plan, Signal, Symbols
from throughtime.engine.compiled.rows import ONE, Rows, new_records, new_rows
from throughtime.engine.compiled.target import host
from throughtime.engine.protocol import Array, Stage
from throughtime.engine.random import dropout_key

Back = Callable[[Rows, bool], Rows | None]
"""Takes the gradient of a layer's output, which it may write over, and gives that of its input if that is needed."""


def plan_network(plan: Plan, stages: Sequence[Stage]) -> tuple[Rows, Callable[[Rows], None]]:
    """Adds the pass forward.

    Returns the outputs, rows of ``[T * N]``, or of ``[N]`` behind a pool, and what adds the way back for their
    gradient; all others are then found in ``plan.gradients``.
    """
    last, back = _stacked(plan, Stage("stacked", parts=tuple(stages)), plan.input)
    outputs, rows_back = _rows_of(plan, last)  # symbols, if there is an embedding alone
    if plan.trains and any(np.may_share_memory(outputs.array, history) for history in plan.histories):
        history, outputs = outputs, new_rows(outputs.count, outputs.size)  # the loss writes its gradient over them
        parts.columns(plan.job, _flat(history), _flat(outputs), outputs.size)
    plan.finish()

    def way_back(d: Rows) -> None:
        below = rows_back(d, True)
        if below is not None:
            back(below, False)

    return outputs, way_back


def _plan(plan: Plan, stage: Stage, x: Signal) -> tuple[Signal, Back]:
    return KINDS[stage.kind](plan, stage, x)


def _stacked(plan: Plan, stage: Stage, x: Signal) -> tuple[Signal, Back]:
    backs = []
    for part in stage.parts:
        x, back = _plan(plan, part, x)
        backs.append(back)

    def way_back(d: Rows, needs: bool) -> Rows | None:
        below: Rows | None = d
        for place in reversed(range(len(backs))):
            assert below is not None
            below = backs[place](below, needs or any(map(_learns, stage.parts[:place])))
            if below is None:
                break
        return below

    return x, way_back


def _learns(stage: Stage) -> bool:
    """Whether it has parameters."""
    return stage.kind in ("embedding", "recurrent", "bidirectional", "dense") or any(map(_learns, stage.parts))


def _one_hot(plan: Plan, stage: Stage, x: Signal) -> tuple[Signal, Back]:
    return x, lambda d, needs: None


def _embedding(plan: Plan, stage: Stage, x: Signal) -> tuple[Signal, Back]:
    """The look-up itself is left to the next layer, which may be able to fold the table into its weights."""
    assert isinstance(x, Symbols)
    name = f"{stage.name}.table"
    return Symbols(x.ids, x.count, plan.parameters[name], name), lambda d, needs: d


def _rows_of(plan: Plan, x: Signal) -> tuple[Rows, Back]:
    """The rows that symbols stand for, looked up."""
    if isinstance(x, Rows):
        return x, lambda d, needs: d if needs else None
    assert x.table is not None
    rows = new_rows(len(x.ids), x.table.shape[1])
    parts.pick(plan.job, x.table, None, x.ids, 1, rows)

    def way_back(d: Rows, needs: bool) -> None:
        table = new_rows(x.count, d.size)
        parts.scatter(plan.job, d, x.ids, table, 1)
        parts.unpack(plan.job, table, 1, plan.gradient_of(x.name))

    return rows, way_back


def _recurrent(plan: Plan, stage: Stage, x: Signal) -> tuple[Signal, Back]:
    if stage.reverse:
        return _reversed(plan, stage, x)
    return _forward_recurrent(plan, stage, x)


def _forward_recurrent(plan: Plan, stage: Stage, x: Signal) -> tuple[Rows, Back]:
    cell, H, T, N = stage.cell, stage.size or 0, plan.T, plan.N
    assert cell is not None
    layout, job = RecordLayout(cell), plan.job

    def name(what: str) -> str:
        return f"{stage.name}.{what}"

    records = new_records(T * N, H, layout.slots)
    histories = [plan.new_history(stage.name, H) for _ in cell.states]
    W = plan.pack(name("W"), H, layout.gates) if cell.recurrent else None
    e = plan.pack(name("e"), H, range(len(cell.apart))) if cell.apart else None
    vectors = [plan.pack(name(vector), H, ONE) for vector in cell.vectors]
    table, ids, inputs_back = _inputs(plan, stage, x, records)
    parts.scan(job, cell, records, histories, W, e, vectors, plan.lengths, table=table, ids=ids)
    outputs = Rows(histories[0][1:], T * N, H, histories[0].shape[2], host().lanes)

    def way_back(d: Rows, needs: bool) -> Rows | None:
        carries = [new_rows(N, H).array for _ in cell.states]
        for carry in carries:
            parts.clear(job, carry)
        W_back = plan.pack(name("W"), H, layout.gates, back=True) if cell.recurrent else None
        job.wait()
        d_y = d.array.reshape(T, N, d.row)
        parts.scan_back(job, cell, records, histories, W_back, vectors, plan.lengths, d_y, carries, to_start=False)
        d_W = plan.gradient_of(name("W")) if cell.recurrent else None
        d_e = plan.gradient_of(name("e")) if cell.apart else None
        d_vectors = [plan.gradient_of(name(vector)) for vector in cell.vectors]
        parts.recurrent_gradients(job, cell, records, histories[0], d_W, d_e, d_vectors, plan.threads)
        return inputs_back(records, needs)

    return outputs, way_back


def _inputs(plan: Plan, stage: Stage, x: Signal, records: Rows) -> tuple[Rows | None, Array | None, Back]:
    """The input parts ``x U + b``: in the records, or as a table with a row for each symbol if there are fewer of them.

    Returns the table and the ids, or None for both, and the way back, which takes the records' gradients.
    """
    cell, H, job = stage.cell, stage.size or 0, plan.job
    assert cell is not None
    layout, routines = RecordLayout(cell), library.of_cell(cell)
    U, b, G = f"{stage.name}.U", f"{stage.name}.b", len(cell.gates)

    if isinstance(x, Symbols) and plan.folds(x.count, records):
        table, packing = new_records(x.count, H, G), plan.packing
        job.wait()
        if x.table is None:
            parts.pick(packing, plan.parameters[U], plan.parameters[b], None, G, table)
        else:
            packed, packed_b = plan.pack(U, H, layout.gates), plan.pack(b, H, layout.gates)
            packing.wait()
            rows = Rows(x.table, x.count, x.table.shape[1], x.table.shape[1], host().lanes)
            parts.product(packing, routines, G, rows, packed, packed_b, table)

        def fold_back(d: Rows, needs: bool) -> None:
            total = new_records(x.count, H, G)
            parts.scatter(job, d, x.ids, total, G)
            if x.table is None:
                parts.unpack(job, total, G, plan.gradient_of(U))
                parts.sums(job, total, layout.gates, plan.gradient_of(b), plan.threads)
                return
            parts.gradient(
                job, routines, rows, total, layout.gates, plan.gradient_of(U), plan.gradient_of(b), plan.threads
            )
            d_rows = new_rows(x.count, rows.size)
            U_back = plan.pack(U, H, layout.gates, back=True)
            job.wait()
            parts.product_back(job, routines, layout.gates, total, U_back, d_rows)
            parts.unpack(job, d_rows, 1, plan.gradient_of(x.name))

        return table, x.ids, fold_back

    if isinstance(x, Symbols) and x.table is None:
        job.wait()
        parts.pick(job, plan.parameters[U], plan.parameters[b], x.ids, G, records)

        def one_hot_back(d: Rows, needs: bool) -> None:
            total, d_U, d_b = new_records(x.count, H, G), plan.gradient_of(U), plan.gradient_of(b)
            parts.symbol_gradients(job, x.ids, d, total, layout.gates, d_U, d_b, plan.threads)

        return None, None, one_hot_back

    packed, packed_b = plan.pack(U, H, layout.gates), plan.pack(b, H, layout.gates)
    inner, inner_back = _rows_of(plan, x)
    job.wait()
    parts.product(job, routines, G, inner, packed, packed_b, records)

    def rows_back(d: Rows, needs: bool) -> Rows | None:
        parts.gradient(job, routines, inner, d, layout.gates, plan.gradient_of(U), plan.gradient_of(b), plan.threads)
        if not needs:
            return None
        d_x = new_rows(records.count, inner.size)
        U_back = plan.pack(U, H, layout.gates, back=True)
        job.wait()
        parts.product_back(job, routines, layout.gates, d, U_back, d_x)
        return inner_back(d_x, needs)

    return None, None, rows_back


def _reversed(plan: Plan, stage: Stage, x: Signal) -> tuple[Rows, Back]:
    """A layer that reads each sequence from its own end: its inputs are reversed, and so are its outputs."""
    T, N, job = plan.T, plan.N, plan.job
    inner: Signal
    if isinstance(x, Symbols):
        ids = room(T * N, np.int64, zero=True)
        inner = Symbols(ids, x.count, x.table, x.name)
        words, reversed_words = (array.view(np.float32).reshape(T, N, 2) for array in (x.ids, ids))  # two to an id
        parts.reverse(job, words, reversed_words, plan.lengths)
    else:
        inner = Rows(room((T * N, x.row), zero=True), x.count, x.size, x.row, x.block)
        parts.reverse(job, _steps(plan, x), _steps(plan, inner), plan.lengths)
    y, back = _forward_recurrent(plan, stage, inner)
    outputs = new_rows(T * N, y.size)
    parts.reverse(job, _steps(plan, y), _steps(plan, outputs), plan.lengths)

    def way_back(d: Rows, needs: bool) -> Rows | None:
        d_y = new_rows(T * N, y.size)
        parts.reverse(job, _steps(plan, d), _steps(plan, d_y), plan.lengths)
        d_inner = back(d_y, needs)
        if d_inner is None:
            return None
        d_x = new_rows(T * N, d_inner.size)
        parts.reverse(job, _steps(plan, d_inner), _steps(plan, d_x), plan.lengths)
        return d_x

    return outputs, way_back


def _steps(plan: Plan, rows: Rows) -> Array:
    """Rows as ``[T, N, width]``; behind a pool T is 1."""
    return rows.array.reshape(rows.count // plan.N, plan.N, rows.row)


def _flat(rows: Rows) -> Array:
    return rows.array.reshape(rows.count, rows.row)


def _bidirectional(plan: Plan, stage: Stage, x: Signal) -> tuple[Signal, Back]:
    rows_back: Back | None = None
    if isinstance(x, Symbols) and x.table is not None:  # both directions have a part in the table's gradient
        x, rows_back = _rows_of(plan, x)
    pieces = [_plan(plan, part, x) for part in stage.parts]
    sizes = [y.size for y, _ in pieces if isinstance(y, Rows)]
    both = new_rows(plan.T * plan.N, sum(sizes), zero=True)
    starts = [0, sizes[0]]
    for (y, _), start, size in zip(pieces, starts, sizes, strict=True):
        assert isinstance(y, Rows)
        parts.columns(plan.job, _flat(y), _flat(both)[:, start:], size)

    def way_back(d: Rows, needs: bool) -> Rows | None:
        d_xs = []
        for (_, back), start, size in zip(pieces, starts, sizes, strict=True):
            half = new_rows(d.count, size, zero=True)
            parts.columns(plan.job, _flat(d)[:, start:], _flat(half), size)
            d_xs.append(back(half, needs))
        first, second = d_xs
        if isinstance(x, Symbols) or first is None or second is None:
            return None
        parts.columns(plan.job, _flat(second), _flat(first), first.size, add=True)
        return first if rows_back is None else rows_back(first, needs)

    return both, way_back


def _residual(plan: Plan, stage: Stage, x: Signal) -> tuple[Signal, Back]:
    (part,) = stage.parts
    rows, rows_back = _rows_of(plan, x)
    y, back = _plan(plan, part, rows)
    assert isinstance(y, Rows)
    outputs = new_rows(rows.count, rows.size, zero=True)
    parts.columns(plan.job, _flat(y), _flat(outputs), y.size)
    parts.columns(plan.job, _flat(rows), _flat(outputs), rows.size, add=True)

    def way_back(d: Rows, needs: bool) -> Rows | None:
        inner = new_rows(d.count, d.size, zero=True)
        parts.columns(plan.job, _flat(d), _flat(inner), d.size)
        d_x = back(inner, needs)
        if d_x is None:
            return None
        parts.columns(plan.job, _flat(d_x), _flat(d), d.size, add=True)
        return rows_back(d, needs)

    return outputs, way_back


def _dropout(plan: Plan, stage: Stage, x: Signal) -> tuple[Signal, Back]:
    if not plan.trains or stage.rate == 0:
        return x, lambda d, needs: d
    rows, rows_back = _rows_of(plan, x)
    outputs = new_rows(rows.count, rows.size, zero=True)
    drawn = (rows.size, stage.rate, dropout_key(plan.seed, stage.name), plan.step, stage.per_step)
    parts.dropout(plan.job, _steps(plan, rows), _steps(plan, outputs), *drawn)

    def way_back(d: Rows, needs: bool) -> Rows | None:
        parts.dropout(plan.job, _steps(plan, d), _steps(plan, d), *drawn)
        return rows_back(d, needs)

    return outputs, way_back


def _pool(plan: Plan, stage: Stage, x: Signal) -> tuple[Signal, Back]:
    rows, rows_back = _rows_of(plan, x)
    outputs = new_rows(plan.N, rows.size)
    parts.pool(plan.job, stage.pooling, _steps(plan, rows), outputs, stage.reversed_from, plan.lengths)

    def way_back(d: Rows, needs: bool) -> Rows | None:
        if not needs:
            return None
        d_x = new_rows(rows.count, rows.size)
        parts.pool_back(plan.job, stage.pooling, _steps(plan, rows), d, d_x, stage.reversed_from, plan.lengths)
        return rows_back(d_x, needs)

    return outputs, way_back


def _dense(plan: Plan, stage: Stage, x: Signal) -> tuple[Signal, Back]:
    job, K = plan.job, stage.size or 0
    V, c = f"{stage.name}.V", f"{stage.name}.c"
    if isinstance(x, Symbols) and x.table is None:
        outputs = new_rows(len(x.ids), K)
        parts.pick(job, plan.parameters[V], plan.parameters[c], x.ids, 1, outputs)

        def one_hot_back(d: Rows, needs: bool) -> None:
            total, d_V, d_c = new_rows(x.count, K), plan.gradient_of(V), plan.gradient_of(c)
            parts.symbol_gradients(job, x.ids, d, total, ONE, d_V, d_c, plan.threads)

        return outputs, one_hot_back

    rows, rows_back = _rows_of(plan, x)
    outputs = new_rows(rows.count, K)
    packed, packed_c = plan.pack(V, K, ONE), plan.pack(c, K, ONE)
    job.wait()
    parts.product(job, library.common(), 1, rows, packed, packed_c, outputs)

    def way_back(d: Rows, needs: bool) -> Rows | None:
        V_back = plan.pack(V, K, ONE, back=True) if needs else None
        parts.gradient(job, library.common(), rows, d, ONE, plan.gradient_of(V), plan.gradient_of(c), plan.threads)
        if V_back is None:
            return None
        d_x = new_rows(d.count, rows.size)
        parts.product_back(job, library.common(), ONE, d, V_back, d_x)
        return rows_back(d_x, needs)

    return outputs, way_back


KINDS: dict[str, Callable[[Plan, Stage, Signal], tuple[Signal, Back]]] = {
    "stacked": _stacked,
    "embedding": _embedding,
    "one_hot": _one_hot,
    "recurrent": _recurrent,
    "bidirectional": _bidirectional,
    "residual": _residual,
    "pool": _pool,
    "dropout": _dropout,
    "dense": _dense,
}
"""How each kind of layer is planned."""


def can_plan(stages: Sequence[Stage]) -> bool:
    """Whether every layer is of a kind that is known here, and there is something to compute."""
    return all(map(_is_known, stages)) and any(map(_learns, stages))


def _is_known(stage: Stage) -> bool:
    return stage.kind in KINDS and all(map(_is_known, stage.parts))
