"""Dropout with masks that are drawn where they are used: Philox4x32-10 on vectors of counters."""

from __future__ import annotations

from throughtime.engine.compiled.kernel import Kernel
from throughtime.engine.compiled.llvm import Module, Value, lanes_of, vector_of
from throughtime.engine.compiled.target import Target
from throughtime.engine.random import MULTIPLIERS, ROUNDS, WEYL


def write_dropout(module: Module, target: Target) -> None:
    """``dropout``: ``out = x * mask``; an element falls where its random word is below ``threshold``.

    The word is that of ``random.words(key, step, time, row, unit)``; the first time is ``start``, and ``moving`` 0 uses
    the mask of time 0 at every time. Rows of ``x`` have H numbers at least, those of ``out`` whole vectors.
    """
    k = Kernel(
        module, target, "dropout", "T N H *x x_row *out out_row i64*step moving start key0 key1 threshold double:factor"
    )
    T, N, H, x, x_row, out, out_row = k["T N H x x_row out out_row"]
    L = target.lanes
    words = vector_of(L, "i32")
    step = k.splat(k["step"].load().cast("trunc", "i32"), L)
    sign = k.constant(words, -(2**31))
    threshold = k.splat(k["threshold"].cast("trunc", "i32"), L) ^ sign  # so that a signed comparison orders as unsigned
    factor = k.v.splat(k["factor"].cast("fptrunc", "float"))
    counters = Value(k, words, f"<{', '.join(f'i32 {lane}' for lane in range(L))}>")
    first, last = k.share(N)
    moving = k["moving"] != 0
    with k.loop(0, T) as t:
        time = k.splat(k.select(moving, t + k["start"], 0).cast("trunc", "i32"), L)
        with k.loop(first, last) as n:
            row = k.splat(n.cast("trunc", "i32"), L)
            m = t * N + n
            with k.loop(0, H, 4 * L) as unit:
                block = counters + k.splat((unit // 4).cast("trunc", "i32"), L)
                drawn = _interleaved(k, philox(k, [block, time, row, step], (k["key0"], k["key1"])))
                for number, word in enumerate(drawn):
                    here = unit + number * L
                    with k.when(here < out_row):
                        kept = k.select((word ^ sign) < threshold, k.v.constant(0.0), factor)
                        value = k.v.load_masked(x + (m * x_row + here), k.v.mask(H - here))
                        (out + (m * out_row + here)).store(value * kept)
    k.give()


def philox(k: Kernel, counter: list[Value], key: tuple[Value, Value]) -> list[Value]:
    """Four random words for a counter, or vectors of them for a vector of counters; keys are i64."""
    words, L = counter[0].type, lanes_of(counter[0].type)
    wide = vector_of(L, "i64") if L else "i64"

    def spread(word: Value) -> Value:
        return k.splat(word, L) if L else word

    def product(x: Value, multiplier: int) -> tuple[Value, Value]:
        both = x.cast("zext", wide) * multiplier
        return (both >> 32).cast("trunc", words), both.cast("trunc", words)

    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        high0, low0 = product(c0, MULTIPLIERS[0])
        high1, low1 = product(c2, MULTIPLIERS[1])
        key0, key1 = spread(k0.cast("trunc", "i32")), spread(k1.cast("trunc", "i32"))
        c0, c1, c2, c3 = high1 ^ c1 ^ key0, low1, high0 ^ c3 ^ key1, low0
        k0, k1 = k0 + WEYL[0], k1 + WEYL[1]
    return [c0, c1, c2, c3]


def _interleaved(k: Kernel, words: list[Value]) -> list[Value]:
    """From four vectors, one word of each counter in each, to the words of counter after counter."""
    L = k.v.lanes

    def zipped(x: Value, y: Value) -> tuple[Value, Value]:
        low = [place for i in range(L // 2) for place in (i, L + i)]
        high = [place for i in range(L // 2, L) for place in (i, L + i)]
        return k.shuffle(x, y, low), k.shuffle(x, y, high)

    even_low, even_high = zipped(words[0], words[2])
    odd_low, odd_high = zipped(words[1], words[3])
    return [*zipped(even_low, odd_low), *zipped(even_high, odd_high)]
