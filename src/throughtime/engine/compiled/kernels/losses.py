"""Losses with their gradients, one pass over the outputs, and the ordered sum of what the rows give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from throughtime.engine.compiled import functions
from throughtime.engine.compiled.kernel import Kernel
from throughtime.engine.compiled.llvm import Module, Pointer, Value, vector_of
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


def write_elementwise_loss(module: Module, target: Target, element: Any) -> None:
    """``elementwise_loss``: the same for what an element of the loss costs; targets are plain rows of K.

    Weights are one for each row, or one for each element (``by_element`` 1). Each ``k`` has a number for each column.
    """
    constants = [f"k{number}" for number in range(len(element.constants))]
    k = Kernel(
        module,
        target,
        "elementwise_loss",
        "rows K *o o_row *targets double*weights by_element double*losses gradient "
        + " ".join(f"*{name}" for name in constants),
    )
    rows, K, o, o_row, targets, weights, losses = k["rows K o o_row targets weights losses"]
    L = target.lanes
    wide = vector_of(L, "double")
    first, last = k.share(rows)
    by_element, wants_gradient = k["by_element"] != 0, k["gradient"] != 0
    nothing = k.constant(wide, 0.0)
    with k.loop(first, last) as m:
        of_row = k.splat((weights + k.select(by_element, m * K, m)).load(), L)
        total = k.variable(nothing)
        with k.loop(0, K, L) as i:
            place, mask = o + (m * o_row + i), k.v.mask(K - i)
            of_element = k.v.load_masked(weights + (m * K + i), mask & k.splat(by_element, L))
            weight = k.select(k.splat(by_element, L), of_element, of_row)
            counts = mask & (weight != 0.0)
            inputs = [k.v.load(place), k.v.load_masked(targets + (m * K + i), counts)]
            inputs += [k.v.load_masked(k[name] + i, mask) for name in constants]
            loss, d_o = functions.run(k.v, element.program, inputs)
            total.set(total.get() + k.select(counts, loss.cast("fpext", wide) * weight, nothing))
            with k.when(wants_gradient):
                place.store(k.select(counts, d_o * weight.cast("fptrunc", k.v.type), k.v.constant(0.0)))
        (losses + m).store(k.v.sum(total.get()))
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
