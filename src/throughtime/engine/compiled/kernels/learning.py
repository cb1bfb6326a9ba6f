"""What happens to gradients: their norm, clipping, and the optimizer's rule on every parameter."""

from __future__ import annotations

from typing import Any

from throughtime.engine.compiled import functions
from throughtime.engine.compiled.kernel import Kernel
from throughtime.engine.compiled.llvm import Module, Value, vector_of
from throughtime.engine.compiled.target import Target

PART = 4096
"""The squares of so many numbers make one part of a norm, whoever adds them."""


def write_squares(module: Module, target: Target) -> None:
    """``squares``: the sum of squares of each part of a gradient, its elements first clipped to ±clip (or infinity)."""
    k = Kernel(module, target, "squares", "count *g double:clip double*parts")
    count, g, clip, parts = k["count g clip parts"]
    L = target.lanes
    number = (count + (PART - 1)) // PART
    first, last = k.share(number)
    wide = vector_of(L, "double")
    with k.loop(first, last) as part:
        total = k.variable(k.constant(wide, 0.0))
        stop = k.minimum(count, (part + 1) * PART)
        with k.loop(part * PART, stop, L) as i:
            value = _clipped(k, k.v.load_masked(g + i, k.v.mask(stop - i)), clip).cast("fpext", wide)
            total.set(total.get() + value * value)
        (parts + part).store(k.v.sum(total.get()))
    k.give()


def _clipped(k: Kernel, value: Value, clip: Value) -> Value:
    bound = k.v.splat(clip.cast("fptrunc", "float"))
    value = k.select(value > bound, bound, value)
    return k.select(value < -bound, -bound, value)


def write_update(module: Module, target: Target, rule: Any) -> None:
    """``update``: the rule on ``count`` elements of a parameter, its gradient and its running values.

    ``coefficients`` and ``scale`` are read from memory; where ``go`` is 0 nothing is changed. ``sound`` becomes 0 where
    a new element is not finite.
    """
    slots = [f"slot{number}" for number in range(len(rule.slots))]
    k = Kernel(
        module,
        target,
        "update",
        "count *w *g double*coefficients double:clip double*scale i64*go i64*sound "
        + " ".join(f"*{name}" for name in slots),
    )
    count, w, g, coefficients, clip, scale, go = k["count w g coefficients clip scale go"]
    L = target.lanes
    first, last = k.share((count + (L - 1)) // L)
    number = len(rule.program.inputs) - 2 - len(slots)
    with k.when(go.load() != 0):
        constants = [k.v.splat((coefficients + i).load().cast("fptrunc", "float")) for i in range(number)]
        factor = k.v.splat(scale.load().cast("fptrunc", "float"))
        wrong = k.variable(k.v.constant(0.0))  # a number minus itself is 0 unless it is not finite

        def change(i: Value, load: Any, store: Any) -> None:
            gradient = _clipped(k, load(g + i), clip) * factor
            inputs = [load(w + i), gradient, *(load(k[name] + i) for name in slots), *constants]
            results = functions.run(k.v, rule.program, inputs)
            wrong.set(wrong.get() + (results[0] - results[0]))
            for place, value in zip((w, *(k[name] for name in slots)), results, strict=True):
                store(place + i, value)

        with k.loop(first, last) as vector:
            i = vector * L

            def part(i: Value = i) -> None:
                mask = k.v.mask(count - i)
                change(i, lambda p: k.v.load_masked(p, mask), lambda p, x: k.v.store_masked(p, x, mask))

            k.either(i + L <= count, lambda: change(i, k.v.load, lambda p, x: p.store(x)), part)
        total = k.v.sum(wrong.get())
        with k.when(total != 0.0):
            k["sound"].store(k.constant("i64", 0))
    k.give()
