"""The work of a layer as kernels of a job: which kernel, on which arrays, in which layout.

A function here adds to a job what makes one array from others. Arrays are allocated by the caller or here; nothing runs
before the job does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from throughtime.cells import Cell
from throughtime.engine.compiled import library
from throughtime.engine.compiled.job import Job, room
from throughtime.engine.compiled.kernels.gradient import packing
from throughtime.engine.compiled.kernels.learning import PART
from throughtime.engine.compiled.layout import RecordLayout, blocks_of
from throughtime.engine.compiled.library import Library, Routine
from throughtime.engine.compiled.rows import ONE, Rows
from throughtime.engine.compiled.target import host
from throughtime.engine.protocol import Array


def _numbered(name: str, arrays: Sequence[Array]) -> dict[str, Any]:
    return {f"{name}{number}": array for number, array in enumerate(arrays)}


def slots_of(places: Sequence[int]) -> Array:
    """A list of slots in memory."""
    return np.array(places, np.int64)


def pack(job: Job, weight: Array, size: int, gates: Sequence[int], waits: bool = True) -> Array:
    """Weights ``[K, G*size]`` (or a bias ``[G*size]``) for a product: ``[block, k, slot, lane]``."""
    lanes = host().lanes
    K = 1 if weight.ndim == 1 else len(weight)
    packed = room((blocks_of(size, lanes), K, len(gates), lanes))
    job.add(
        library.common()["pack"],
        waits=waits,
        K=K,
        H=size,
        columns=weight.shape[-1],
        slots=len(gates),
        gates=slots_of(gates),
        weight=weight,
        packed=packed,
    )
    return packed


def pack_back(job: Job, weight: Array, size: int, gates: Sequence[int], waits: bool = True) -> Array:
    """The same weights for the product of the way back: ``[block of K, block, lane, slot, lane of K]``."""
    lanes = host().lanes
    packed = room((blocks_of(len(weight), lanes), blocks_of(size, lanes), lanes, len(gates), lanes))
    job.add(
        library.common()["pack_back"],
        waits=waits,
        K=len(weight),
        H=size,
        columns=weight.shape[-1],
        slots=len(gates),
        gates=slots_of(gates),
        weight=weight,
        packed=packed,
    )
    return packed


def product(job: Job, routines: Library, gates: int, x: Rows, packed: Array, bias: Array, out: Rows) -> None:
    """``out = x W + bias`` for plain ``x``; the weights are packed for ``gates`` slots."""
    job.add(
        routines[f"product_{gates}"],
        rows=x.count,
        K=x.size,
        blocks=out.blocks,
        a=x.array,
        a_row=x.row,
        a_block=x.block,
        w=packed,
        w_block=packed[0].size,
        bias=bias,
        out=out.array,
        out_row=out.row,
        out_block=out.block,
    )


def product_back(job: Job, routines: Library, gates: Sequence[int], d: Rows, packed: Array, out: Rows) -> None:
    """``out = d W^T``; the weights are packed for the way back. Plain ``d`` has ``gates`` (0,)."""
    is_plain = tuple(gates) == ONE and routines is library.common()
    name = "product_1" if is_plain else f"product_from_{'_'.join(map(str, gates))}_to_1"
    job.add(
        routines[name],
        rows=d.count,
        K=d.size if is_plain else d.blocks,
        blocks=out.blocks,
        a=d.array,
        a_row=d.row,
        a_block=d.block,
        w=packed,
        w_block=packed[0].size,
        bias=room(out.blocks * host().lanes, zero=True),
        out=out.array,
        out_row=out.row,
        out_block=out.block,
    )


def gradient(
    job: Job,
    routines: Library,
    x: Rows | None,
    d: Rows,
    slots: Sequence[int],
    weight: Array | None,
    bias: Array | None,
    threads: int,
) -> None:
    """``weight = x^T d`` and ``bias`` = the sums of ``d``, with the slots of ``d`` as the columns' gates.

    Without ``x`` the bias alone.
    """
    target = host()
    K = 0 if x is None else x.size
    columns = len(slots) * d.size
    packed = packing(target, len(slots), K, columns)
    job.add(
        routines[f"gradient_{len(slots)}"],
        rows=d.count,
        K=K,
        H=d.size,
        blocks=d.blocks,
        columns=columns,
        a=None if x is None else x.array,
        a_row=0 if x is None else x.row,
        b=d.array,
        b_row=d.row,
        b_block=d.block,
        gates=slots_of(slots),
        c=weight,
        bias=bias,
        scratch=room(packed.scratch * threads),
        scratch_size=packed.scratch,
        by_rows=d.blocks < 4 * threads and K > 0,
        rows_at_once=packed.rows,
        groups_at_once=packed.groups,
    )


def sums(job: Job, d: Rows, slots: Sequence[int], out: Array, threads: int) -> None:
    """``out [len(slots) * size]``: the sums of these slots of ``d`` over all rows."""
    for number, slot in enumerate(slots):
        part = out[number * d.size : (number + 1) * d.size]
        gradient(job, library.common(), None, d, (slot,), None, part, threads)


def pick(job: Job, weight: Array, bias: Array | None, ids: Array | None, gates: int, out: Rows) -> None:
    """``out = bias + weight[ids]``; no ids: row after row."""
    job.add(
        library.common()["pick"],
        rows=out.count,
        H=out.size,
        blocks=out.blocks,
        gates=gates,
        weight=weight,
        bias=bias,
        ids=ids,
        out=out.array,
        out_row=out.row,
        out_block=out.block,
    )


def scatter(job: Job, d: Rows, ids: Array, table: Rows, width: int) -> None:
    """Row ``ids[m]`` of the table is the sum of the rows m of ``d``."""
    job.add(
        library.common()["scatter"],
        rows=d.count,
        symbols=table.count,
        blocks=d.blocks,
        width=width,
        b=d.array,
        b_row=d.row,
        b_block=d.block,
        ids=ids,
        table=table.array,
        table_row=table.row,
        table_block=table.block,
    )


def symbol_gradients(
    job: Job, ids: Array, d: Rows, total: Rows, gates: Sequence[int], weight: Array, bias: Array, threads: int
) -> None:
    """Of weights whose rows symbols stand for, and of the bias; ``total`` has room for a row for each symbol."""
    scatter(job, d, ids, total, len(gates))
    unpack(job, total, len(gates), weight)
    sums(job, d, gates, bias, threads)


def unpack(job: Job, records: Rows, gates: int, out: Array) -> None:
    """Plain rows ``[gates*size]`` from records."""
    job.add(
        library.common()["unpack"],
        rows=records.count,
        H=records.size,
        blocks=records.blocks,
        gates=gates,
        record=records.array,
        record_row=records.row,
        record_block=records.block,
        out=out,
    )


def reverse(job: Job, source: Array, out: Array, lengths: Array | None) -> None:
    """Each sequence of ``[T, N, width]`` from its own last step to its first."""
    T, N, width = source.shape
    job.add(library.common()["reverse"], T=T, N=N, size=width, source=source, target=out, lengths=lengths)


def columns(job: Job, source: Array, out: Array, size: int, *, add: bool = False) -> None:
    """The first ``size`` numbers of the rows of one array to (or onto) those of another; views will do."""
    job.add(
        library.common()["columns"],
        rows=source.size // source.shape[-1],
        size=size,
        source=source,
        source_row=source.strides[-2] // source.itemsize,
        target=out,
        target_row=out.strides[-2] // out.itemsize,
        add=add,
    )


def parts_of_norm(count: int) -> int:
    """How many partial sums the norm of a gradient has."""
    return -(-count // PART)


def _steps(
    records: Rows,
    histories: Sequence[Array],
    W: Array | None,
    vectors: Sequence[Array],
    lengths: Array | None,
) -> dict[str, Any]:
    """What the steps of a cell need in either direction."""
    steps, N, width = histories[0].shape
    return dict(
        T=steps - 1,
        N=N,
        H=records.size,
        blocks=records.blocks,
        row=width,
        w=W,
        w_block=0 if W is None else W[0].size,
        record=records.array,
        record_row=records.row,
        record_block=records.block,
        lengths=lengths,
        **_numbered("state", histories),
        **_numbered("p", vectors),
    )


def scan(
    job: Job,
    cell: Cell,
    records: Rows,
    histories: Sequence[Array],
    W: Array | None,
    e: Array | None,
    vectors: Sequence[Array],
    lengths: Array | None,
    *,
    table: Rows | None = None,
    ids: Array | None = None,
) -> None:
    """All steps of a cell forward. Input parts stand in the records, or in a table's row for each id."""
    starts = records if table is None else table
    job.add(
        library.of_cell(cell)["scan"],
        e=e,
        starts=starts.array,
        ids=None if table is None else ids,
        start_row=starts.row,
        start_block=starts.block,
        **_steps(records, histories, W, vectors, lengths),
    )


def scan_back(
    job: Job,
    cell: Cell,
    records: Rows,
    histories: Sequence[Array],
    W: Array | None,
    vectors: Sequence[Array],
    lengths: Array | None,
    d_y: Array,
    carries: Sequence[Array],
    *,
    to_start: bool,
) -> None:
    """All steps of a cell back. ``d_y`` is ``[T, N, padded H]``."""
    _, N, width = histories[0].shape
    job.add(
        library.of_cell(cell)["scan_back"],
        zeros=room(width, zero=True),
        d_y=d_y,
        d_y_step=N * d_y.shape[-1],
        d_y_row=d_y.shape[-1],
        d_h=room((N, width)),
        to_start=to_start,
        **_numbered("carry", carries),
        **_steps(records, histories, W, vectors, lengths),
    )


def recurrent_gradients(
    job: Job,
    cell: Cell,
    records: Rows,
    history: Array,
    W: Array | None,
    e: Array | None,
    vectors: Sequence[Array],
    threads: int,
) -> None:
    """Of what a cell has beside its input weights; the records hold their gradients, ``history`` the first state's."""
    layout = RecordLayout(cell)
    if W is not None:
        before = Rows(history, records.count, records.size, history.shape[2], host().lanes)
        gradient(job, library.of_cell(cell), before, records, layout.hidden, W, None, threads)
    if e is not None:
        sums(job, records, layout.apart, e, threads)
    for slot, vector in zip(layout.vectors, vectors, strict=True):
        sums(job, records, (slot,), vector, threads)


def pool(job: Job, kind: str, x: Array, out: Rows, reversed_from: int | None, lengths: Array | None) -> None:
    """``out``: one row for each sequence of ``x [T, N, width]``."""
    T, N, width = x.shape
    job.add(
        library.common()[f"pool_{kind}"],
        T=T,
        N=N,
        H=out.size,
        forward=out.size if reversed_from is None else reversed_from,
        x=x,
        x_row=width,
        out=out.array,
        out_row=out.row,
        lengths=lengths,
    )


def pool_back(
    job: Job, kind: str, x: Array, d: Rows, out: Rows, reversed_from: int | None, lengths: Array | None
) -> None:
    """``out``, the gradient of all steps of ``x [T, N, width]``, from that of its pool."""
    T, N, width = x.shape
    job.add(
        library.common()[f"pool_{kind}_back"],
        T=T,
        N=N,
        H=d.size,
        forward=d.size if reversed_from is None else reversed_from,
        x=x,
        x_row=width,
        d=d.array,
        d_row=d.row,
        out=out.array,
        out_row=out.row,
        lengths=lengths,
    )


def dropout(
    job: Job,
    x: Array,
    out: Array,
    size: int,
    rate: float,
    key: tuple[int, int],
    step: Array,
    per_step: bool,
    start: int = 0,
) -> None:
    """``out = x * mask`` for ``[T, N, width]``, of which the first ``size`` numbers are units; ``out`` is padded."""
    T, N, _ = x.shape
    job.add(
        library.common()["dropout"],
        T=T,
        N=N,
        H=size,
        x=x,
        x_row=x.shape[-1],
        out=out,
        out_row=out.shape[-1],
        step=step,
        moving=per_step,
        start=start,
        key0=key[0],
        key1=key[1],
        threshold=int(rate * 2**32),
        factor=1 / (1 - rate),
    )


def softmax_cross_entropy(
    job: Job, o: Rows, targets: Array, weights: Array, total: Array, *, gradient: bool = True
) -> None:
    """The loss of all rows; ``o`` becomes its gradient."""
    _loss(job, library.common()["softmax_cross_entropy"], o, targets, weights, total, gradient)


def elementwise_loss(
    job: Job, objective: Any, o: Rows, targets: Array, weights: Array, total: Array, *, gradient: bool = True
) -> None:
    """The same for a loss of each output by itself; the weights are for rows, or for all elements."""
    columns = [np.ascontiguousarray(row, np.float32) for row in objective.constants(o.size)]
    routine = library.of_loss(objective.element)["elementwise_loss"]
    by_element = weights.ndim == 3
    _loss(job, routine, o, targets, weights, total, gradient, by_element=by_element, **_numbered("k", columns))


def _loss(
    job: Job, routine: Routine, o: Rows, targets: Array, weights: Array, total: Array, gradient: bool, **more: Any
) -> None:
    losses = room(o.count, np.float64)
    job.add(
        routine,
        rows=o.count,
        K=o.size,
        o=o.array,
        o_row=o.row,
        targets=targets,
        weights=weights,
        losses=losses,
        gradient=gradient,
        **more,
    )
    job.add(library.common()["sum"], alone=True, count=losses.size, values=losses, total=total)


def norm(job: Job, gradients: Sequence[Array], clip_value: float | None, total: Array) -> None:
    """The sum of the squares of all gradients, each element first clipped to ``±clip_value``."""
    partial = room(sum(parts_of_norm(g.size) for g in gradients), np.float64)
    place = 0
    for g in gradients:
        count = parts_of_norm(g.size)
        job.add(
            library.common()["squares"],
            waits=False,
            count=g.size,
            g=g,
            clip=np.inf if clip_value is None else clip_value,
            parts=partial[place : place + count],
        )
        place += count
    job.wait()
    job.add(library.common()["sum"], alone=True, count=partial.size, values=partial, total=total)


def update(
    job: Job,
    rule: Any,
    w: Array,
    g: Array,
    slots: Sequence[Array],
    coefficients: Array,
    clip_value: float | None,
    scale: Array,
    go: Array,
    sound: Array,
) -> None:
    """The optimizer's rule on one parameter."""
    job.add(
        library.of_rule(rule)["update"],
        waits=False,
        count=w.size,
        w=w,
        g=g,
        coefficients=coefficients,
        clip=np.inf if clip_value is None else clip_value,
        scale=scale,
        go=go,
        sound=sound,
        **_numbered("slot", slots),
    )


def clear(job: Job, array: Array) -> None:
    """All zeros."""
    job.add(library.common()["clear"], waits=False, count=array.size, target=array)
