"""Losses with their gradients, one pass over the outputs, and the ordered sum of what the rows give."""

from __future__ import annotations

from collections.abc import Callable

from throughtime.engine.compiled import functions
from throughtime.engine.compiled.kernel import Kernel
from throughtime.engine.compiled.llvm import Module, Pointer, Value
from throughtime.engine.compiled.target import Target


def write_softmax_cross_entropy(module: Module, target: Target) -> None:
    """``softmax_cross_entropy``: ``losses[m]`` is the weighted loss of row m; o becomes its gradient.

    Where the weight is 0 the target is not looked at. Rows of o are padded; the padding of the gradient is 0.
    """
    k = Kernel(
        module, target, "softmax_cross_entropy", "rows K *o o_row i64*targets double*weights double*losses gradient"
    )
    rows, K, o, o_row, targets, weights, losses = k["rows K o o_row targets weights losses"]
    L = target.lanes
    first, last = k.share(rows)
    wants_gradient = k["gradient"] != 0

    def blocks(line: Pointer, body: Callable[[Pointer, Value], None]) -> None:
        """All vectors of a row, the last one with its mask."""
        with k.loop(0, K, L) as i:
            body(line + i, k.v.mask(K - i))

    with k.loop(first, last) as m:
        line = o + m * o_row
        weight = (weights + m).load()

        def count(line: Pointer = line, m: Value = m, weight: Value = weight) -> None:
            largest = k.variable(k.v.constant(float("-inf")))

            def find(place: Pointer, mask: Value) -> None:
                value = k.select(mask, k.v.load(place), k.v.constant(float("-inf")))
                largest.set(functions.maximum(k.v, largest.get(), value))

            blocks(line, find)
            most = k.v.splat(_largest_lane(k, largest.get()))
            total = k.variable(k.v.constant(0.0))
            target_place = line + (targets + m).load()
            at_target = target_place.load() - most.lane(0)

            def raise_(place: Pointer, mask: Value) -> None:
                e = functions.exp(k.v, k.v.load(place) - most)
                e = k.select(mask, e, k.v.constant(0.0))
                place.store(e)
                total.set(total.get() + e)

            blocks(line, raise_)
            whole = k.v.sum(total.get())
            log_whole = functions.log(k.v, k.v.splat(whole)).lane(0)
            loss = log_whole.cast("fpext", "double") - at_target.cast("fpext", "double")
            (losses + m).store(loss * weight)
            with k.when(wants_gradient):
                scale = k.v.splat(weight.cast("fptrunc", "float"))
                divisor = k.v.splat(whole)
                # the target's place first: probability - 1, times the weight, in one rounding after another
                p = target_place.load() / whole
                share = (p - 1.0) * weight.cast("fptrunc", "float")

                def shrink(place: Pointer, _: Value) -> None:
                    place.store(k.v.load(place) / divisor * scale)

                blocks(line, shrink)
                target_place.store(share)

        def leave_out(line: Pointer = line, m: Value = m) -> None:
            (losses + m).store(k.constant("double", 0.0))
            with k.when(wants_gradient):
                blocks(line, lambda place, _: place.store(k.v.constant(0.0)))

        k.either(weight != 0.0, count, leave_out)
    k.give()


def _largest_lane(k: Kernel, value: Value) -> Value:
    lanes = k.v.lanes
    while lanes > 1:
        lanes //= 2
        low, high = k.shuffle(value, value, range(lanes)), k.shuffle(value, value, range(lanes, 2 * lanes))
        value = k.select(low != low, low, k.select(low > high, low, high))
    return value.lane(0)


def write_squared_error(module: Module, target: Target) -> None:
    """``squared_error``: the same for ``weight * (o - target)**2``; targets are plain rows of K."""
    k = Kernel(module, target, "squared_error", "rows K *o o_row *targets double*weights double*losses gradient")
    rows, K, o, o_row, targets, weights, losses = k["rows K o o_row targets weights losses"]
    L = target.lanes
    first, last = k.share(rows)
    wants_gradient = k["gradient"] != 0
    with k.loop(first, last) as m:
        weight = (weights + m).load()
        scale = k.v.splat(weight.cast("fptrunc", "float"))
        total = k.variable(k.constant("double", 0.0))
        with k.loop(0, K, L) as i:
            place = o + (m * o_row + i)
            mask = k.v.mask(K - i)
            error = k.v.load(place) - k.v.load_masked(targets + (m * K + i), mask)
            error = k.select(mask, error, k.v.constant(0.0))
            error = k.select(k.splat(weight != 0.0, L), error, k.v.constant(0.0))
            with k.when(wants_gradient):
                place.store(error * scale * 2.0)
            with k.loop(0, k.minimum(K - i, L)) as lane:
                one = k.emit("float", f"extractelement {error.type} {error.text}, i64 {lane.text}").cast(
                    "fpext", "double"
                )
                total.set(total.get() + one * one)
        (losses + m).store(k.select(weight != 0.0, total.get() * weight, 0.0))
    k.give()


def write_sum(module: Module, target: Target) -> None:
    """``sum``: of float64 numbers, always in the same order; for one thread."""
    k = Kernel(module, target, "sum", "count double*values double*total")
    count, values, total = k["count values total"]
    lanes = 8
    sums = [k.variable(k.constant("double", 0.0)) for _ in range(lanes)]
    whole = count // lanes * lanes
    with k.loop(0, whole, lanes) as i:
        for lane, one in enumerate(sums):
            one.set(one.get() + (values + (i + lane)).load())
    with k.loop(whole, count) as i:
        sums[0].set(sums[0].get() + (values + i).load())
    result = sums[0].get()
    for one in sums[1:]:
        result = result + one.get()
    total.store(result)
    k.give()
