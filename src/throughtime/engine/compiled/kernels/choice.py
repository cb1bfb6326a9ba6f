"""The choice of the next symbol: what :func:`throughtime.engine.choice.choose` does, in the same order, in float64."""

from __future__ import annotations

from throughtime.engine.compiled.kernel import Kernel
from throughtime.engine.compiled.kernels.dropout import philox
from throughtime.engine.compiled.llvm import Function, Module, Pointer, Value
from throughtime.engine.compiled.target import Target


def write_choice(module: Module, target: Target) -> None:
    """``choose``: a symbol for each stream from its outputs, to ``ids`` and to part ``index`` of ``chosen``.

    ``top_k`` is K where all symbols take part, ``top_p`` is 2. ``p`` and ``heap`` are room for ``[N, K]`` numbers.
    ``fine`` becomes 0 where outputs are not finite.
    """
    module.declare("exp", "double", ["double"])
    sift = _write_sift(module)
    k = Kernel(
        module,
        target,
        "choose",
        "N K *o o_row double:temperature top_k double:top_p double:min_p greedy key0 key1 i64*time double*p i64*heap "
        "i64*ids i64*chosen i64*index i64*fine",
    )
    N, K, o, o_row, temperature, top_k, top_p = k["N K o o_row temperature top_k top_p"]
    min_p, time, ids, chosen, index, fine = k["min_p time ids chosen index fine"]
    first, last = k.share(N)
    with k.loop(first, last) as n:
        line = o + n * o_row
        best, largest = k.variable(0), k.variable(line.load())
        finite = k.variable(k.constant("i1", True))
        with k.loop(0, K) as i:
            value = (line + i).load()
            finite.set(finite.get() & ((value - value) == 0.0))
            with k.when(value > largest.get()):
                largest.set(value)
                best.set(i)
        with k.when(~finite.get()):
            fine.store(k.constant("i64", 0))
        with k.when((k["greedy"] == 0) & finite.get()):
            p, heap = k["p"] + n * K, k["heap"] + n * K
            most = largest.get().cast("fpext", "double")
            with k.loop(0, K) as i:
                z = ((line + i).load().cast("fpext", "double") - most) / temperature
                e = k.call("exp", z, returns="double")
                (p + i).store(e)
            with k.when((top_k < K) | (top_p < 1.0)):
                _cut(k, sift, p, heap, K, top_k, top_p)
            with k.when(min_p > 0.0), k.loop(0, K) as i:  # the likeliest has 1
                e = (p + i).load()
                (p + i).store(k.select(e < min_p, k.constant("double", 0.0), e))
            total = k.variable(k.constant("double", 0.0))
            with k.loop(0, K) as i:
                total.set(total.get() + (p + i).load())
            below = (total.get().cast("bitcast", "i64") - 1).cast("bitcast", "double")  # the next smaller number
            drawn = _uniform(k, time.load(), n) * total.get()
            threshold = k.select(drawn < below, drawn, below)
            summed = k.variable(k.constant("double", 0.0))
            count = k.variable(0)
            with k.loop(0, K) as i:
                summed.set(summed.get() + (p + i).load())
                count.set(count.get() + (summed.get() <= threshold).cast("zext", "i64"))
            best.set(count.get())
        (ids + n).store(best.get())
        (chosen + (index.load() * N + n)).store(best.get())
    k.give()

    k = Kernel(module, target, "tick", "i64*index i64*time i64*fine i64*go")
    for counter in k["index time"]:
        counter.store(counter.load() + 1)
    k["go"].store(k["fine"].load())  # not before all threads have looked at it
    k.give()


def _uniform(k: Kernel, time: Value, row: Value) -> Value:
    """``random.uniforms(key, time, row)``: 53 random bits."""
    counter = [
        k.constant("i32", 0),
        time.cast("trunc", "i32"),
        row.cast("trunc", "i32"),
        (time >> 32).cast("trunc", "i32"),
    ]
    high, low, _, _ = philox(k, counter, (k["key0"], k["key1"]))
    bits = (high.cast("zext", "i64") << 21) ^ (low.cast("zext", "i64") >> 11)
    return bits.cast("uitofp", "double") * 2.0**-53


def _cut(k: Kernel, sift: Function, p: Pointer, heap: Pointer, K: Value, top_k: Value, top_p: Value) -> None:
    """Sets to 0 what is beyond the ``top_k`` likeliest symbols, and beyond the smallest set of probability ``top_p``.

    The symbols come off a heap, the likeliest first; of equals, the first symbol. Those that come off stand behind the
    heap, in reverse order.
    """
    with k.loop(0, K) as i:
        (heap + i).store(i)
    with k.loop(0, K // 2) as i:
        k.call(sift, p, heap, K, K // 2 - 1 - i)
    taken, mass = k.variable(0), k.variable(k.constant("double", 0.0))

    def take() -> None:
        end = K - 1 - taken.get()
        top, last = heap.load(), (heap + end).load()
        heap.store(last)
        (heap + end).store(top)
        k.call(sift, p, heap, end, k.constant("i64", 0))
        mass.set(mass.get() + (p + top).load())
        taken.set(taken.get() + 1)

    whole = k.variable(k.constant("double", 0.0))

    def take_top_k() -> None:
        with k.loop_while(lambda: taken.get() < top_k):
            take()
        whole.set(mass.get())

    def add_all() -> None:
        with k.loop(0, K) as i:
            whole.set(whole.get() + (p + i).load())

    k.either(top_k < K, take_top_k, add_all)
    bound = whole.get() * top_p

    def keep_part() -> None:
        """Of those that were taken, as many as it takes to have the mass."""
        mass.set(k.constant("double", 0.0))
        kept = k.variable(0)
        with k.loop_while(lambda: (kept.get() < top_k) & (mass.get() < bound)):
            mass.set(mass.get() + (p + (heap + (K - 1 - kept.get())).load()).load())
            kept.set(kept.get() + 1)
        with k.loop(kept.get(), taken.get()) as i:
            (p + (heap + (K - 1 - i)).load()).store(k.constant("double", 0.0))

    def take_part() -> None:
        with k.loop_while(lambda: (taken.get() < K) & (mass.get() < bound)):
            take()

    k.either(top_k < K, keep_part, take_part)
    with k.loop(0, K - taken.get()) as i:  # what is still on the heap
        (p + (heap + i).load()).store(k.constant("double", 0.0))


def _write_sift(module: Module) -> Function:
    """``sift``: lets the symbol at a place of the heap sink to where it belongs."""
    f = Function(
        module, "sift", [("ptr", "p"), ("ptr", "heap"), ("i64", "size"), ("i64", "place")], internal=True, inline=False
    )
    p, heap, size, start = f.arguments
    p, heap = p.to("double"), heap.to("i64")
    place = f.variable(start)
    going = f.variable(f.constant("i1", True))

    def before(x: Value, y: Value) -> Value:
        """Whether symbol x comes before y."""
        p_x, p_y = (p + x).load(), (p + y).load()
        found: Value = (p_x > p_y) | ((p_x == p_y) & (x < y))
        return found

    with f.loop_while(lambda: going.get() & (place.get() * 2 + 1 < size)):
        here, left = place.get(), place.get() * 2 + 1
        child = f.variable(left)
        with f.when(left + 1 < size), f.when(before((heap + left + 1).load(), (heap + left).load())):
            child.set(left + 1)
        x, y = (heap + here).load(), (heap + child.get()).load()

        def swap() -> None:
            (heap + here).store(y)
            (heap + child.get()).store(x)
            place.set(child.get())

        f.either(before(y, x), swap, lambda: going.set(f.constant("i1", False)))
    f.give()
    return f
