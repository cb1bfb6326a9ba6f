"""Nothing is written beside an array, and nothing is read that was not written before."""

from __future__ import annotations

import sys
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.compiled.material import (
    CELLS,
    KINDS,
    assert_same,
    batch_for,
    chunks_for,
    every_cell,
    flat,
    lengths_of,
    make,
    network_of,
    run_python,
    scan_of,
    seeds,
    state_for,
    trained,
    using,
)

from throughtime.engine import random
from throughtime.engine.compiled import job
from throughtime.engine.protocol import Sampling, Tokens
from throughtime.losses import Huber, SoftmaxCrossEntropy, SquaredError
from throughtime.optimizers import RULES, Optimizer

ZONE = 512
"""How many bytes before and after an array are guarded: eight vectors."""
FILLING = 0xFF
"""Four such bytes are a NaN as float32, eight are -1 as an integer: whoever reads them gets into trouble."""


class Guarded:
    """Stands for NumPy in a module: its new arrays lie between guards, and hold no zeros that nobody asked for."""

    def __init__(self):
        self.zones = []

    def __getattr__(self, name):
        return getattr(np, name)

    def new(self, shape, dtype, value=None):
        dtype = np.dtype(dtype)
        size = int(np.prod(shape)) * dtype.itemsize
        raw = np.full(size + 2 * ZONE + job.ALIGNMENT, FILLING, np.uint8)
        start = ZONE + -(raw.ctypes.data + ZONE) % job.ALIGNMENT
        self.zones += [raw[:start], raw[start + size :]]
        array = raw[start : start + size].view(dtype).reshape(shape)
        if value is not None:
            array[...] = value
        return array

    def room(self, shape, dtype=np.float32, *, zero=False):
        return self.new(shape, dtype, 0 if zero else None)

    def empty(self, shape, dtype=np.float64):
        return self.new(shape, dtype)

    def zeros(self, shape, dtype=np.float64):
        return self.new(shape, dtype, 0)

    def ones(self, shape, dtype=np.float64):
        return self.new(shape, dtype, 1)

    def empty_like(self, array):
        return self.new(array.shape, array.dtype)

    def zeros_like(self, array):
        return self.new(array.shape, array.dtype, 0)

    def check(self):
        assert self.zones
        for zone in self.zones:
            assert (zone == FILLING).all(), "something was written beside an array"


@contextmanager
def guards():
    """All arrays of the compiled engine lie between guards, which are looked at in the end."""
    guarded = Guarded()
    with pytest.MonkeyPatch.context() as patch:
        for name, module in list(sys.modules.items()):
            if name.startswith("throughtime.engine.compiled."):
                if getattr(module, "room", None) is job.room:
                    patch.setattr(module, "room", guarded.room)
                if getattr(module, "np", None) is np and not name.endswith((".job", ".threads")):
                    patch.setattr(module, "np", guarded)
        yield guarded
    guarded.check()


def test_the_guards_notice():
    for zone, place in ((0, -1), (1, 0)):
        guarded = Guarded()
        guarded.room((3, 5))[...] = 1
        guarded.check()
        guarded.zones[zone][place] = 0
        with pytest.raises(AssertionError, match="beside an array"):
            guarded.check()


@pytest.mark.parametrize("number", [1, 2])
@every_cell
@given(st.data(), st.integers(1, 5), st.integers(1, 40), st.integers(1, 40), st.integers(1, 70), seeds)
def test_a_scan_between_guards(cell, number, data, T, N, D, H, seed):
    scan = scan_of(cell, T, N, D, H, lengths=data.draw(lengths_of(T, N)), reverse=data.draw(st.booleans()), seed=seed)
    if data.draw(st.booleans()):
        scan = scan.part(x=Tokens(np.random.default_rng(seed).integers(D, size=(T, N)), D))
    with using(1):
        expected = {name: value for name, value in scan.run(make()).items() if value is not None}
    with guards(), using(number):
        found = {name: value for name, value in scan.run(make()).items() if value is not None}
    assert_same(found, expected)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8)
@given(st.data(), st.integers(1, 5), st.integers(1, 20), st.integers(1, 40), st.integers(1, 40), seeds)
def test_a_network_between_guards(kind, data, T, N, D, H, seed):
    cell, rule = data.draw(st.sampled_from(CELLS)), data.draw(st.sampled_from(sorted(RULES)))
    lengths = data.draw(lengths_of(T, N))
    if lengths is not None:
        lengths[0] = T
    K = data.draw(st.integers(2, 70))
    loss = SquaredError() if kind.startswith("numbers") else SoftmaxCrossEntropy()

    def run():
        network = network_of(kind, cell, D, H, K, loss=loss, seed=seed)
        chunks = chunks_for(network, T, N, 3, lengths=lengths, seed=seed)
        found = trained(network, chunks, Optimizer(rule, clip_norm=0.5, clip_value=0.1))
        x, state = batch_for(network, T, N, seed=seed).x, state_for(network, N)
        outputs, final = network.forward(x, state, lengths=lengths)
        found |= flat(final) | {"o": outputs}
        if not network.body.reads_ahead:
            found["stepped"], _ = network.step(x[0], state)
        return found

    with using(1):
        expected = run()
    with guards(), using(data.draw(st.integers(1, 3))):
        found = run()
    assert_same(found, expected)


@settings(max_examples=8)
@given(st.integers(1, 6), st.integers(1, 20), st.integers(1, 40), st.integers(1, 90), seeds)
def test_the_rest_of_the_protocol_between_guards(T, N, D, K, seed):
    def run():
        rng, engine = np.random.default_rng(seed), make()
        x, V = rng.normal(size=(T, N, D)).astype(np.float32), rng.normal(size=(D, K)).astype(np.float32)
        c, ids = rng.normal(size=K).astype(np.float32), rng.integers(D, size=(T, N))
        targets, weights = rng.integers(K, size=(T, N)), rng.choice([0.0, 0.3, 1.0], (T, N))
        o = engine.product(x, V, c)
        found = {"o": o.copy(), "looked up": engine.product(Tokens(ids, D), V, c)}
        of_elements = rng.choice([0.0, 0.3, 1.0], (T, N, K))
        _, found["d squares"] = engine.elementwise_loss(SquaredError(), o.copy(), o[::-1].copy(), weights)
        _, found["d Huber"] = engine.elementwise_loss(Huber(0.5), o.copy(), o[::-1].copy(), of_elements)
        for kind in ("last", "mean", "max"):
            found[kind], tape = engine.pool(x, kind, lengths=rng.integers(0, T + 1, N))
            found[f"d {kind}"] = engine.pool_back(tape, found[kind])
        _, d = engine.softmax_cross_entropy(o.copy(), targets, weights)
        found["d_x"], found["d_V"], found["d_c"] = engine.product_back(x, V, d)
        _, found["d_V of ids"], found["d_c of ids"] = engine.product_back(Tokens(ids, D), V, d, needs_input=False)
        found["d_table"] = engine.embed_back(ids, V, d)
        found["dropped"], _ = engine.dropout(x, 0.3, random.key(seed, "dropout"), 5)
        found["norm"] = np.array(engine.global_norm({"V": found["d_V"]}, 0.01))
        return found

    expected = run()
    with guards():
        found = run()
    assert_same(found, expected)


@settings(max_examples=8)
@given(st.integers(1, 9), st.integers(2, 40), st.integers(1, 40), seeds)
def test_generation_between_guards(N, K, H, seed):
    network = network_of("one-hot", "gru", K, H, K, seed=seed)
    o = np.random.default_rng(seed).normal(size=(N, K)).astype(np.float32)

    def run():
        sampling = Sampling(top_k=3, top_p=0.9)
        return np.concatenate(
            list(make().generate(network, o, state_for(network, N), 9, sampling, random.key(1, "generate")))
        )

    expected = run()
    with guards():
        found = run()
    np.testing.assert_array_equal(found, expected)


AT_THE_EDGE = """
import ctypes, mmap
import numpy as np
from tests.engine.compiled.material import *
from throughtime.engine.protocol import Tokens
from throughtime.losses import SquaredError
from throughtime.optimizers import RULES

PAGE = mmap.PAGESIZE
libc = ctypes.CDLL(None, use_errno=True)
kept = []

def at_edge(array, end):
    # a copy between two pages that nobody may touch, at the end or the start of what lies between
    array = np.ascontiguousarray(array)
    pages = -(-array.nbytes // PAGE)
    block = mmap.mmap(-1, (pages + 2) * PAGE)
    kept.append(block)
    base = ctypes.addressof(ctypes.c_char.from_buffer(block))
    for page in (0, pages + 1):
        assert libc.mprotect(ctypes.c_void_p(base + page * PAGE), PAGE, 0) == 0
    start = PAGE + (pages * PAGE - array.nbytes if end else 0)
    found = np.frombuffer(block, np.uint8, array.nbytes, start).view(array.dtype).reshape(array.shape)
    found[...] = array
    return found

def compare(T, N, D, H, cell, end, seed):
    def edge(value):
        return None if value is None else at_edge(value, end)
    lengths = np.random.default_rng(seed).integers(0, T + 1, N)
    scan = scan_of(cell, T, N, D, H, lengths=lengths, seed=seed)
    U, W, b, e, p = scan.weights
    moved = scan.part(
        weights=scan.weights._replace(U=edge(U), W=edge(W), b=edge(b), e=edge(e), p=tuple(map(edge, p))),
        x=edge(scan.x), state=tuple(map(edge, scan.state)), d_outputs=edge(scan.d_outputs),
        d_final=tuple(map(edge, scan.d_final)), lengths=edge(lengths),
    )
    assert_same(moved.run(make()), scan.run(make()))
    ids = np.random.default_rng(seed).integers(D, size=(T, N))
    a, b = (s.part(x=Tokens(i, D)).forward(make()) for s, i in ((scan, ids), (moved, edge(ids))))
    np.testing.assert_array_equal(a.outputs, b.outputs)
    for kind in ("one-hot", "embedding both", "numbers stack", "numbers last", "numbers max"):
        loss = SquaredError() if kind.startswith("numbers") else None
        results = []
        for move in (lambda value: value, edge):
            network = network_of(kind, cell, D, H, max(2, D), loss=loss, seed=seed)
            for name in network.parameters:
                network.parameters[name] = move(network.parameters[name])
            network.changed()
            optimizer = Optimizer(sorted(RULES)[seed % len(RULES)], clip_norm=1.0, clip_value=0.1)
            optimizer.prepare(network.parameters)
            optimizer.slots = {name: tuple(map(move, slots)) for name, slots in optimizer.slots.items()}
            found = trained(network, chunks_for(network, T, N, 2), optimizer)
            batch = batch_for(network, T, N)
            batch = Batch(*(move(v) for v in (batch.x, batch.targets, batch.weights)))
            found["o"], _ = network.forward(batch.x, {n: tuple(map(move, s)) for n, s in state_for(network, N).items()})
            layered = network.loss_and_gradients(batch)
            moved_gradients = {n: move(g) for n, g in layered.parameters.items()}
            adam = Optimizer("adam")
            adam.apply(network.engine, network.parameters, moved_gradients, step=0, learning_rate=0.1)
            found |= {"after " + n: w.copy() for n, w in network.parameters.items()} | layered.parameters
            results.append(found)
        assert_same(*[{f"{n}": np.asarray(v) for n, v in r.items()} for r in results])

for number, (T, N, D, H) in enumerate([(1, 1, 1, 1), (3, 5, 7, 15), (2, 9, 16, 16), (3, 2, 17, 33), (4, 17, 3, 31)]):
    for end in (True, False):
        for cell in CELLS[number % 2 :: 2]:
            compare(T, N, D, H, cell, end, number)
print("sound")
"""


def test_nothing_is_touched_beyond_the_ends_of_arrays_that_are_handed_in():
    assert run_python(AT_THE_EDGE).stdout.strip() == "sound"


def test_a_page_that_nobody_may_touch_ends_the_process():
    text = AT_THE_EDGE.partition("for number,")[0] + "print(at_edge(np.ones(3), True).base is None, flush=True)\n"
    text += "ctypes.string_at(at_edge(np.ones(3), True).ctypes.data + 24, 1)\n"
    assert run_python(text, check=False).returncode < 0
