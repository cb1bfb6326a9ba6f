"""One value for each sequence from those of all its steps, and the way back. Threads share the sequences."""

from __future__ import annotations

from collections.abc import Callable

from throughtime.engine.compiled.kernel import Kernel
from throughtime.engine.compiled.llvm import Module, Pointer, Value
from throughtime.engine.compiled.target import Target


def write_pool(module: Module, target: Target) -> None:
    """``pool_last``, ``pool_mean`` and ``pool_max``, and ``pool_last_back`` and so on.

    A sequence without steps gives 0. Units from number ``forward`` on are read backward: their last step is the first.
    Rows of ``x`` have H numbers at least, all others whole vectors.
    """
    for kind, value, share in (("last", _last, _to_last), ("mean", _mean, _to_all), ("max", _max, _to_largest)):
        _write_forward(module, target, kind, value)
        _write_back(module, target, kind, share)


class _Steps:
    """The steps of one vector of units of a sequence.

    Parameters
    ----------
    k : Kernel
    n : number of the sequence
    i : the first unit
    """

    def __init__(self, k: Kernel, n: Value, i: Value) -> None:
        self.k, self.n, self.i = k, n, i
        self.length = k.variable(k["T"])
        with k.when(k["lengths"].cast("ptrtoint", "i64") != 0):
            self.length.set((k["lengths"] + n).load())
        self.mask = k.v.mask(k["H"] - i)
        self.is_forward = k.v.mask(k["forward"] - i)

    def x(self, t: Value | int) -> Value:
        """The numbers of step t."""
        place: Pointer = self.k["x"] + (self.row(t) * self.k["x_row"] + self.i)
        return self.k.v.load_masked(place, self.mask)

    def row(self, t: Value | int) -> Value:
        """Which row of all steps is step t's."""
        first: Value = self.k["N"] * t
        return first + self.n

    def divisor(self) -> Value:
        """The length, in all lanes."""
        return self.k.v.splat(self.length.get().cast("sitofp", "float"))


def _write_forward(module: Module, target: Target, kind: str, value: Callable[[_Steps], Value]) -> None:
    k = Kernel(module, target, f"pool_{kind}", "T N H forward *x x_row *out out_row i64*lengths")
    first, last = k.share(k["N"])
    with k.loop(first, last) as n, k.loop(0, k["H"], target.lanes) as i:
        steps, result = _Steps(k, n, i), k.variable(k.v.constant(0.0))
        with k.when(steps.length.get() > 0):
            result.set(value(steps))
        (k["out"] + (n * k["out_row"] + i)).store(result.get())
    k.give()


def _write_back(
    module: Module, target: Target, kind: str, share: Callable[[_Steps, Value], Callable[[Value], Value]]
) -> None:
    """``share(steps, d)`` gives what tells the gradient of a step within the sequence."""
    k = Kernel(module, target, f"pool_{kind}_back", "T N H forward *x x_row *d d_row *out out_row i64*lengths")
    first, last = k.share(k["N"])

    def store(steps: _Steps, t: Value, gradient: Value) -> None:
        (k["out"] + (steps.row(t) * k["out_row"] + steps.i)).store(gradient)

    with k.loop(first, last) as n, k.loop(0, k["H"], target.lanes) as i:
        steps = _Steps(k, n, i)
        with k.when(steps.length.get() > 0):
            of = share(steps, k.v.load_masked(k["d"] + (n * k["d_row"] + i), steps.mask))
            with k.loop(0, steps.length.get()) as t:
                store(steps, t, of(t))
        with k.loop(steps.length.get(), k["T"]) as t:
            store(steps, t, k.v.constant(0.0))
    k.give()


def _last(steps: _Steps) -> Value:
    return steps.k.select(steps.is_forward, steps.x(steps.length.get() - 1), steps.x(0))


def _to_last(steps: _Steps, d: Value) -> Callable[[Value], Value]:
    k = steps.k

    def of(t: Value) -> Value:
        at_end, at_start = (k.splat(here, k.v.lanes) for here in (t == steps.length.get() - 1, t == 0))
        is_here = (steps.is_forward & at_end) | (~steps.is_forward & at_start)
        return k.select(is_here, d, k.v.constant(0.0))

    return of


def _mean(steps: _Steps) -> Value:
    total = steps.k.variable(steps.k.v.constant(0.0))
    with steps.k.loop(0, steps.length.get()) as t:
        total.set(total.get() + steps.x(t))
    return total.get() / steps.divisor()


def _to_all(steps: _Steps, d: Value) -> Callable[[Value], Value]:
    share = d / steps.divisor()
    return lambda t: share


def _max(steps: _Steps) -> Value:
    return _largest(steps)[0]


def _to_largest(steps: _Steps, d: Value) -> Callable[[Value], Value]:
    k = steps.k
    _, place = _largest(steps)
    return lambda t: k.select(place == _number(k, t), d, k.v.constant(0.0))


def _largest(steps: _Steps) -> tuple[Value, Value]:
    """The largest of each unit, a NaN if there is one, and the first step that it comes from."""
    k = steps.k
    best, place = k.variable(steps.x(0)), k.variable(k.constant(k.v.integers, 0))
    with k.loop(1, steps.length.get()) as t:
        x, old = steps.x(t), best.get()
        is_more = (x > old) | ((x != x) & (old == old))
        best.set(k.select(is_more, x, old))
        place.set(k.select(is_more, _number(k, t), place.get()))
    return best.get(), place.get()


def _number(k: Kernel, t: Value) -> Value:
    return k.splat(t.cast("trunc", "i32"), k.v.lanes)
