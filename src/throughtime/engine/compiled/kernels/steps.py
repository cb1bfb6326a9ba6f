"""What stands around the work of a training step: its data are fetched, states are carried on, the outcome is kept."""

from __future__ import annotations

from throughtime.engine.compiled.kernel import Kernel
from throughtime.engine.compiled.llvm import Module, Value
from throughtime.engine.compiled.target import Target


def write_steps(module: Module, target: Target) -> None:
    """``fetch``, ``begin``, ``finish``, ``clip`` and ``report``."""
    _write_fetch(module, target)
    _write_begin(module, target)
    _write_finish(module, target)
    _write_clip(module, target)
    _write_report(module, target)


def _write_fetch(module: Module, target: Target) -> None:
    """``fetch``: part ``index`` of the data of several steps, ``count`` words of 4 bytes."""
    k = Kernel(module, target, "fetch", "count *source *target i64*index")
    count, source, place, index = k["count source target index"]
    L = target.lanes
    first, last = k.share((count + (L - 1)) // L)
    start = source + index.load() * count
    with k.loop(first, last) as number:
        i = number * L
        mask = k.v.mask(count - i)
        k.v.store_masked(place + i, k.v.load_masked(start + i, mask), mask)
    k.give()


def _write_begin(module: Module, target: Target) -> None:
    """``begin``: a history begins with the state, or with 0 in the rows that are fresh."""
    k = Kernel(module, target, "begin", "N row *history *state i64*fresh")
    N, size, history, state, fresh = k["N row history state fresh"]
    L = target.lanes
    with k.loop(0, N) as n:
        keep = k.splat((fresh + n).load() == 0, L)
        with k.loop(0, size, L) as i:
            place = n * size + i
            (history + place).store(k.select(keep, k.v.load(state + place), k.v.constant(0.0)))
    k.give()


def _write_finish(module: Module, target: Target) -> None:
    """``finish``: the state is that of the history at the end of each sequence."""
    k = Kernel(module, target, "finish", "T N row *history *state i64*lengths")
    T, N, size, history, state, lengths = k["T N row history state lengths"]
    has_lengths = lengths.cast("ptrtoint", "i64") != 0
    with k.loop(0, N) as n:
        end = k.variable(T)
        with k.when(has_lengths):
            end.set((lengths + n).load())
        with k.loop(0, size, target.lanes) as i:
            source = history + ((end.get() * N + n) * size + i)
            (state + (n * size + i)).store(k.v.load(source))
    k.give()


def _is_finite(value: Value) -> Value:
    return (value - value) == 0.0


def _write_clip(module: Module, target: Target) -> None:
    """``clip``: the norm from the sum of squares, the scale that clips it, and whether the step may be made.

    ``squares`` are those of the gradient as it is, ``clipped`` those of its clipped elements.
    """
    k = Kernel(
        module,
        target,
        "clip",
        "double*loss double*squares double*clipped double:clip_norm double*norm double*scale i64*go i64*sound",
    )
    loss, squares, clipped, clip_norm, norm, scale, go = k["loss squares clipped clip_norm norm scale go"]

    def root(x: Value) -> Value:
        return k.intrinsic("llvm.sqrt.f64", "double", x)

    whole, part = root(squares.load()), root(clipped.load())
    norm.store(whole)
    scale.store(k.select(part > clip_norm, clip_norm / part, k.constant("double", 1.0)))
    may = _is_finite(loss.load()) & _is_finite(whole)
    go.store(may.cast("zext", "i64"))
    k["sound"].store(k.constant("i64", 1))
    k.give()


def _write_report(module: Module, target: Target) -> None:
    """``report``: loss and norm of step ``index``, and whether the weights are sound, without which it ends here.

    ``index`` is counted on, as is the number of the training step.
    """
    k = Kernel(module, target, "report", "double*loss double*norm double*results i64*index i64*step i64*go i64*sound")
    loss, norm, results, index, step = k["loss norm results index step"]
    number = index.load()
    sound = k["sound"].load()
    for i, value in enumerate((loss.load(), norm.load(), sound.cast("sitofp", "double"))):
        (results + (number * 3 + i)).store(value)
    k["go"].store(k["go"].load() & sound)
    index.store(number + 1)
    step.store(step.load() + 1)
    k.give()
