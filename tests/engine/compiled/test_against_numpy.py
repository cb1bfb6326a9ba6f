"""The compiled engine in float32 against the plain one in float64, which starts from the same numbers."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.engine.compiled.material import (
    KINDS,
    KINKED,
    SMOOTH_LOSSES,
    assert_near,
    assert_same,
    batch_for,
    chunks_for,
    every_cell,
    flat,
    in_float64,
    lengths_of,
    make,
    network_of,
    scan_of,
    seeds,
    state_for,
    trained,
    training_of,
)
from tests.helpers import make_engine
from tests.losses import ELEMENTWISE, name_of
from tests.tolerances import COMPILED, assert_close

from throughtime import Cell, Network, cells, optimizers
from throughtime.cells import trace
from throughtime.cells.functions import tanh
from throughtime.engine import random
from throughtime.engine.protocol import Tokens
from throughtime.layers import Dense, Dropout, Embedding, Noise, OneHot, Recurrent
from throughtime.losses import Bernoulli, Huber, Pinball, SoftmaxCrossEntropy, SquaredError
from throughtime.network import Batch
from throughtime.optimizers import RULES, Optimizer
from throughtime.training.streams import Chunk

sizes = st.tuples(st.integers(1, 60), st.integers(1, 70), st.integers(1, 300), st.integers(1, 1100), seeds)
WORK = 3_000_000
KINK = 1e-5
"""A derivative that jumps is not compared where float32 may stand on the other side."""


def of_bounded_work(cell, T, N, D, H):
    """Sizes of which the later ones give way to the earlier ones."""
    H = max(1, min(H, int((WORK / len(cell.gates) / T / N) ** 0.5)))
    D = max(1, min(D, WORK // (len(cell.gates) * T * N * H)))
    return T, N, D, H


def distance_from_kink(scan):
    """How near to 0 the argument of a ReLU comes."""
    near = []

    def relu(x):
        near.append(np.abs(x).min())
        return np.maximum(x, 0.0)

    with patch.dict(trace.OPERATIONS, {"relu": relu}):
        in_float64(scan).forward(make_engine())
    return min(near)


def compare_scan(scan):
    expected = in_float64(scan).run(make_engine())
    assert_near(scan.run(make()), expected, COMPILED["scan"])


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@every_cell
@given(st.data(), sizes)
def test_a_scan_and_its_way_back(cell, reverse, data, drawn):
    *drawn, seed = drawn
    T, N, D, H = of_bounded_work(cell, *drawn)
    lengths = data.draw(lengths_of(T, N))
    scan = scan_of(cell, T, N, D, H, lengths=lengths, reverse=reverse, seed=seed)
    if cell.name in KINKED:
        assume(distance_from_kink(scan) > KINK)
    compare_scan(scan)


@every_cell
@pytest.mark.parametrize("H", [15, 16, 17, 31, 33])
def test_sizes_beside_whole_vectors(cell, H):
    for N in (1, 7, 8, 9):
        compare_scan(scan_of(cell, 3, N, H, H, lengths=[3, 0, 1, 2, 3, 3, 3, 3, 3][:N], seed=4))


@pytest.mark.parametrize("name", cells.names())
def test_wide_layers(name):
    compare_scan(scan_of(cells.get(name), 2, 3, 300, 1100, seed=2))
    compare_scan(scan_of(cells.get(name), 60, 70, 3, 5, lengths=list(range(61)) + [0] * 9, seed=2))


@every_cell
@given(sizes)
def test_a_scan_of_symbols(cell, drawn):
    T, N, K, H, seed = drawn
    T, N, H = min(T, 9), min(N, 20), min(H, 60)
    scan = scan_of(cell, T, N, K, H, seed=seed)
    scan = scan.part(x=Tokens(np.random.default_rng(seed).integers(K, size=(T, N)), K))
    if cell.name in KINKED:
        rows = scan.part(x=np.eye(K)[scan.x.ids])
        assume(distance_from_kink(rows) > KINK)
    found, expected = (
        engine.scan_back((result := engine.scan(s.cell, s.weights, s.x, s.state)).tape, s.d_outputs, s.d_final)
        for engine, s in ((make(), scan), (make_engine(), in_float64(scan.part(x=np.eye(K)[scan.x.ids]))))
    )
    assert found.d_x is None
    for name in ("U", "W", "b", "e"):
        mine, other = (getattr(back.d_weights, name) for back in (found, expected))
        assert (mine is None) == (other is None)
        if mine is not None:
            assert_near({name: mine}, {name: other}, COMPILED["scan"])
    assert result.tape is not None


@given(sizes, st.booleans())
def test_products(drawn, of_symbols):
    T, N, D, K, seed = drawn
    T, N = min(T, 12), min(N, 30)
    rng = np.random.default_rng(seed)
    x = Tokens(rng.integers(D, size=(T, N)), D) if of_symbols else rng.normal(size=(T, N, D)).astype(np.float32)
    V, c = (rng.normal(size=(D, K)) / D**0.5).astype(np.float32), rng.normal(size=K).astype(np.float32)
    d = rng.normal(size=(T, N, K)).astype(np.float32) / np.float32(K**0.5)

    def run(engine, dtype):
        wide = x if of_symbols else x.astype(dtype)
        d_x, d_V, d_c = engine.product_back(wide, V.astype(dtype), d.astype(dtype), needs_input=not of_symbols)
        found = {"y": engine.product(wide, V.astype(dtype), c.astype(dtype)), "d_V": d_V, "d_c": d_c}
        if of_symbols:
            found["d_table"] = engine.embed_back(x.ids, V.astype(dtype), d.astype(dtype))
        return found | ({} if d_x is None else {"d_x": d_x})

    assert_near(run(make(), np.float32), run(make_engine(), np.float64), COMPILED["product"])


@given(st.integers(1, 30), st.integers(1, 40), st.integers(1, 300), seeds, st.sampled_from([1.0, 30.0, 1e4]))
def test_losses_whatever_stands_where_nothing_counts(T, N, K, seed, size):
    rng = np.random.default_rng(seed)
    o = (rng.normal(size=(T, N, K)) * size).astype(np.float32)
    weights = rng.choice([0.0, 0.25, 1.0, 3.0], (T, N))
    ids, numbers = rng.integers(K, size=(T, N)), o + rng.normal(size=o.shape).astype(np.float32)
    counts = weights != 0
    garbage_o, garbage_ids, garbage_numbers = (
        np.where(counts[..., None], o, np.float32(np.nan)),
        np.where(counts, ids, rng.choice([-(2**62), -1, K, 2**62], ids.shape)),
        np.where(counts[..., None], numbers, np.float32(np.inf)),
    )
    for run, targets, garbage in (
        (lambda engine, *values, **options: engine.softmax_cross_entropy(*values, **options), ids, garbage_ids),
        (
            lambda engine, *values, **options: engine.elementwise_loss(SquaredError(), *values, **options),
            numbers,
            garbage_numbers,
        ),
    ):
        loss, d = run(make(), garbage_o.copy(), garbage, weights)
        wide = targets if targets is ids else targets.astype(np.float64)
        expected, d_expected = run(make_engine(), o.astype(np.float64), wide, weights)
        assert abs(loss - expected) <= COMPILED["loss"] * max(1, abs(expected), weights.sum())
        assert_near({"d": d}, {"d": d_expected}, COMPILED["loss"] * max(1, size / 1e2))
        assert not d[~counts].any()
        again, nothing = run(make(), garbage_o.copy(), garbage, weights, needs_gradient=False)
        assert (again, nothing) == (loss, None)
        whole, _ = run(make(), o.copy(), targets, None)
        ones, _ = run(make(), o.copy(), targets, np.ones((T, N)))
        assert whole == ones


@pytest.mark.parametrize("loss", ELEMENTWISE, ids=name_of)
@given(st.integers(1, 9), st.integers(1, 20), st.integers(1, 70), seeds, st.sampled_from([1.0, 100.0]), st.booleans())
def test_every_loss_of_each_output_by_itself(loss, T, N, K, seed, size, by_element):
    K = 2 * K if isinstance(loss, Pinball) else K
    rng = np.random.default_rng(seed)
    o = (rng.normal(size=(T, N, K)) * size).astype(np.float32)
    draw = rng.random if isinstance(loss, Bernoulli) else rng.normal
    targets = draw(size=(T, N, K)).astype(np.float32)
    weights = rng.choice([0.0, 0.25, 1.0, 3.0], (T, N, K) if by_element else (T, N))
    weights[0, 0] = 1.0
    counts = np.broadcast_to(weights if by_element else weights[..., None], o.shape) != 0
    dirty = np.where(counts, targets, np.float32(np.nan))
    found, d = loss(make(), np.where(counts, o, np.float32(np.nan)), dirty, weights)
    expected, d_expected = loss(make_engine(), o.astype(np.float64), dirty.astype(np.float64), weights)
    assert abs(found - expected) <= COMPILED["loss"] * max(1, abs(expected))
    assert_near({"d": d}, {"d": d_expected}, COMPILED["loss"])
    assert not d[~counts].any()
    assert loss(make(), o.copy(), dirty, weights, needs_gradient=False) == (found, None)


@pytest.mark.parametrize("kind", ["last", "mean", "max"])
@given(st.data(), st.integers(1, 30), st.integers(1, 20), st.integers(1, 70), seeds)
def test_pools(kind, data, T, N, D, seed):
    lengths, rng = data.draw(lengths_of(T, N)), np.random.default_rng(seed)
    x, d_y = rng.normal(size=(T, N, D)).astype(np.float32), rng.normal(size=(1, N, D)).astype(np.float32)
    if lengths is not None:
        x[np.arange(T)[:, None] >= lengths] = np.nan
        lengths = np.array(lengths)
    options = {"reversed_from": data.draw(st.integers(0, D))} if kind == "last" else {}
    results = []
    for engine, dtype in ((make(), np.float32), (make_engine(), np.float64)):
        y, tape = engine.pool(x.astype(dtype), kind, lengths=lengths, **options)
        results.append({"y": y, "d_x": engine.pool_back(tape, d_y.astype(dtype))})
        assert {value.dtype for value in results[-1].values()} == {np.dtype(dtype)}
    assert_near(*results, COMPILED["product"])


def test_the_largest_of_a_row_with_a_nan_is_a_nan_and_of_equals_the_first_is_meant():
    x = np.array([3.0, 7.0, 7.0, np.nan, 9.0, np.nan], np.float32).reshape(6, 1, 1)
    for engine in (make(), make_engine("float32")):
        y, tape = engine.pool(x, "max", lengths=np.array([3]))
        assert y.item() == 7
        assert np.flatnonzero(engine.pool_back(tape, np.ones((1, 1, 1), np.float32))).tolist() == [1]
        y, tape = engine.pool(x, "max")
        assert np.isnan(y.item())
        assert np.flatnonzero(engine.pool_back(tape, np.ones((1, 1, 1), np.float32))).tolist() == [3]


@pytest.mark.parametrize("reduction", ["mean", "half_sum"])
def test_both_reductions_of_the_squared_error(reduction):
    loss = SquaredError(reduction)
    rng = np.random.default_rng(0)
    o, targets = (rng.normal(size=(4, 5, 33)).astype(np.float32) for _ in range(2))
    for weights in (None, rng.random((4, 5))):
        found, d = loss(make(), o.copy(), targets, weights)
        expected, d_expected = loss(make_engine(), o.astype(np.float64), targets.astype(np.float64), weights)
        assert_close(found, expected, COMPILED["loss"])
        assert_near({"d": d}, {"d": d_expected}, COMPILED["loss"])


@given(st.integers(1, 9), st.integers(1, 20), st.integers(1, 150), seeds, st.booleans())
def test_dropout_leaves_out_the_same_elements(T, N, H, seed, per_step):
    rng = np.random.default_rng(seed)
    x, rate, key = rng.normal(size=(T, N, H)).astype(np.float32), rng.uniform(0, 0.99), random.key(seed, "dropout")
    (found, tape), (expected, plain) = (
        engine.dropout(x, rate, key, seed, per_step=per_step) for engine in (make(), make_engine("float32"))
    )
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(make().dropout_back(tape, x), make_engine("float32").dropout_back(plain, x))


SMOOTH = {  # a rule that divides by the root of a small gradient's square tells its sign, not its size
    "sgd": optimizers.sgd(),
    "momentum": optimizers.momentum(),
    "adagrad": optimizers.adagrad(epsilon=1e-2),
    "rmsprop": optimizers.rmsprop(epsilon=1e-1),
    "adam": optimizers.adam(epsilon=1e-1),
    "adamw": optimizers.adamw(epsilon=1e-1),
}


def test_every_rule_is_compared():
    assert SMOOTH.keys() == RULES.keys()


@pytest.mark.parametrize(
    "clipping", [{}, {"clip_norm": 0.3}, {"clip_value": 0.5}, {"clip_norm": 3.0, "clip_value": 0.5}]
)
@pytest.mark.parametrize("name", RULES)
def test_every_rule_with_every_clipping(name, clipping):
    rng = np.random.default_rng(1)
    start = {"a": rng.normal(size=(37, 29)), "b": rng.normal(size=1), "c": rng.normal(size=(1, 5000))}
    gradients = [{key: rng.normal(size=w.shape).astype(np.float32) for key, w in start.items()} for _ in range(4)]

    def run(engine, dtype):
        optimizer = Optimizer(name, **clipping)
        weights, norms = {key: w.astype(np.float32).astype(dtype) for key, w in start.items()}, []
        for step, found in enumerate(gradients):
            g = {key: value.astype(dtype) for key, value in found.items()}
            norms.append(engine.global_norm(g, clipping.get("clip_value")))
            optimizer.apply(engine, weights, g, step=step, learning_rate=0.05)
        slots = {f"{key} {place}": s for key, found in optimizer.slots.items() for place, s in enumerate(found)}
        return weights | slots | {"norms": np.array(norms)}

    assert_near(run(make(), np.float32), run(make_engine(), np.float64), COMPILED["update"])


@pytest.mark.parametrize("cell", ["lstm", "elman-sigmoid"])
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=6)
@given(st.data(), st.integers(1, 9), st.integers(1, 12), st.integers(1, 20), st.integers(1, 40), seeds)
def test_a_network_and_its_gradients(kind, cell, data, T, N, D, H, seed):
    lengths = data.draw(lengths_of(T, N))
    if lengths is not None:
        lengths[0] = T
    loss = data.draw(st.sampled_from(SMOOTH_LOSSES)) if kind.startswith("numbers") else SoftmaxCrossEntropy()
    network = network_of(kind, cell, D, H, loss=loss, seed=seed)
    plain = network.copy(engine="numpy", dtype="float64")
    batch, state = batch_for(network, T, N, lengths=lengths, seed=seed), state_for(network, N, seed)
    results = []
    for each in (network, plain):
        outputs, final = each.forward(batch.x, state, lengths=batch.lengths)
        found = each.loss_and_gradients(batch, state, noise=Noise(seed, 2))
        score, _ = each.loss(batch, state)
        losses = {"loss": np.array([found.loss, score])}
        results.append({"o": outputs} | found.parameters | losses | flat(final))
        results[-1] |= {f"d {name}": d for name, d in flat(found.d_state).items()}
    assert_near(*results, COMPILED["scan"])


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=6)
@given(st.data(), st.integers(1, 9), st.integers(1, 12), st.integers(1, 20), st.integers(1, 40), seeds)
def test_a_training(kind, data, T, N, D, H, seed):
    cell, rule = data.draw(st.sampled_from(["gru", "lstm", "elman"])), data.draw(st.sampled_from(sorted(SMOOTH)))
    lengths = data.draw(lengths_of(T, N))
    if lengths is not None:
        lengths[0] = T
    loss = data.draw(st.sampled_from(SMOOTH_LOSSES))
    loss = loss if kind.startswith("numbers") else SoftmaxCrossEntropy()
    clipping = data.draw(st.sampled_from([{}, {"clip_norm": 0.3}, {"clip_norm": 0.5, "clip_value": 0.05}]))
    network = network_of(kind, cell, D, H, loss=loss, seed=seed)
    plain = network.copy(engine="numpy", dtype="float64")
    chunks = chunks_for(network, T, N, 3, lengths=lengths, seed=seed)
    found = trained(network, chunks, Optimizer(SMOOTH[rule], **clipping))
    assert_near(found, trained(plain, chunks, Optimizer(SMOOTH[rule], **clipping)), COMPILED["training"])


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=6)
@given(st.data(), st.integers(1, 9), st.integers(1, 12), st.integers(1, 20), st.integers(1, 40), seeds)
def test_the_gradients_of_a_training_step(kind, data, T, N, D, H, seed):
    """Nothing but the gradient is left of a weight by so large a step of plain gradient descent."""
    lengths = data.draw(lengths_of(T, N))
    if lengths is not None:
        lengths[0] = T
    loss = SquaredError() if kind.startswith("numbers") else SoftmaxCrossEntropy()
    network = network_of(kind, data.draw(st.sampled_from(["gru", "lstm", "elman"])), D, H, loss=loss, seed=seed)
    plain = network.copy(engine="numpy", dtype="float64")
    chunk = Chunk(batch_for(network, T, N, lengths=lengths, seed=seed), np.zeros(N, bool), T * N)
    state = state_for(network, N, seed)
    expected = plain.loss_and_gradients(chunk.batch, state, noise=Noise(seed, 2)).parameters
    before = {name: w.astype(np.float64) for name, w in network.parameters.items()}
    network.engine.train_steps(training_of(network, rate=2.0**30, seed=seed), [chunk], state, 2)
    for name, w in network.parameters.items():
        found, largest = (before[name] - w) / 2.0**30, np.abs(expected[name]).max()
        np.testing.assert_allclose(found, expected[name], rtol=0, atol=COMPILED["gradient"] * largest, err_msg=name)


@pytest.mark.parametrize("kind", ["numbers", "numbers last", "numbers max"])
@pytest.mark.parametrize("loss", [Huber(0.5), Bernoulli(), SquaredError("half_sum")], ids=name_of)
def test_each_output_may_have_its_weight_in_training(loss, kind):
    network = network_of(kind, "gru", 3, 5, 4, loss=loss)
    plain = network.copy(engine="numpy", dtype="float64")
    chunks = []
    for chunk in chunks_for(network, 5, 4, 3, lengths=[3, 0, 2, 5]):
        batch = chunk.batch
        weights = np.random.default_rng(1).choice([0.0, 1.0, 2.0], batch.targets.shape)
        targets = np.where(weights != 0, batch.targets, np.float32(np.nan))
        chunks.append(Chunk(Batch(batch.x, targets, weights, batch.lengths), chunk.fresh, chunk.symbols))
    chunks.insert(1, chunks_for(network, 5, 4, 1, lengths=[3, 0, 2, 5])[0])  # and now one with a weight for each place
    assert_near(trained(network, chunks), trained(plain, chunks), COMPILED["training"])


@pytest.mark.parametrize("kind", ["numbers", "numbers both"])
def test_padding_may_hold_anything_in_training_too(kind):
    lengths = [3, 0, 2, 5]
    network = network_of(kind, "gru", 3, 5, 2, loss=SquaredError())
    batch = batch_for(network, 5, 4, lengths=lengths)
    beyond = (np.arange(5)[:, None] >= lengths)[..., None]
    dirty = Batch(
        np.where(beyond, np.float32(np.nan), batch.x),
        np.where(beyond, np.float32(np.inf), batch.targets),
        batch.weights,
        batch.lengths,
    )
    clean_chunk = chunks_for(network, 5, 4, 1, lengths=lengths)[0]
    results = []
    for each in (batch, dirty):
        chunk = type(clean_chunk)(each, clean_chunk.fresh, clean_chunk.symbols)
        results.append(trained(network.copy(), [chunk, chunk]))
    assert_same(results[1], results[0])


def test_layers_without_a_recurrent_one():
    for layers, x in (
        ([Dense(3, 2)], np.ones((4, 2, 3))),
        ([OneHot(3), Dense(3, 2)], np.ones((4, 2), int)),
        ([Embedding(3, 5), Dense(5, 2)], np.ones((4, 2), int)),
    ):
        network = Network(layers, engine="compiled", random_state=0)
        outputs, state = network.forward(x)
        expected, _ = network.copy(engine="numpy", dtype="float64").forward(x)
        assert_near({"o": outputs}, {"o": expected}, COMPILED["product"])
        assert state == {}
        stepped, _ = network.step(x[0])
        np.testing.assert_array_equal(stepped, outputs[0])


def test_an_embedding_alone():
    network = Network([Embedding(3, 5)], engine="compiled", random_state=0)
    outputs, _ = network.forward(np.array([[0, 2]]))
    np.testing.assert_array_equal(outputs[0], network.parameters["embedding.table"][[0, 2]])


def test_parts_kept_apart_come_in_the_order_that_the_cell_names_them():
    def step(a, u, state, p):
        u_second, u_first = u
        return (tanh(a[0] + 2.0 * u_first - u_second),), (u_first,)

    def step_back(d_state, state, saved, p):
        (d,) = d_state
        return (d, 3.0 * d), (5.0 * d, 7.0 * d), (0.0,), ()

    swapped = Cell("swapped", ("first", "second"), ("h",), apart=("second", "first"), step=step, step_back=step_back)
    compare_scan(scan_of(swapped, 3, 4, 2, 5))


@pytest.mark.parametrize("first", [[Embedding(5, 4)], []], ids=["embedding", "numbers"])
def test_dropout_of_inputs(first):
    layers = [*first, Dropout(0.5), Recurrent("gru", 4, 3), Dropout(0.0, name="none"), Dense(3, 5)]
    network = Network(layers, SoftmaxCrossEntropy(), engine="compiled", random_state=0)
    plain = network.copy(engine="numpy", dtype="float64")
    chunks = chunks_for(network, 6, 3, 2)
    assert_near(trained(network, chunks), trained(plain, chunks), COMPILED["training"])
    x = chunks[0].batch.x
    assert_near(*({"o": each.forward(x)[0]} for each in (network, plain)), COMPILED["scan"])
