"""Bit for bit: a result depends neither on the company of a row, nor on padding, cuts, or the number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.compiled.material import (
    AHEAD,
    CELLS,
    KINDS,
    POOLED,
    LayerByLayer,
    assert_same,
    batch_for,
    chunks_for,
    every_cell,
    flat,
    lengths_of,
    make,
    network_of,
    scan_of,
    seeds,
    state_for,
    trained,
    using,
)
from tests.helpers import row_of
from tests.trained import TEXT, small

from throughtime import cells
from throughtime.engine import random
from throughtime.engine.protocol import Engine, Sampling, Tokens
from throughtime.losses import Bernoulli, SoftmaxCrossEntropy, SquaredError
from throughtime.optimizers import RULES, Optimizer

T, N, D, H = st.integers(1, 7), st.integers(1, 40), st.integers(1, 40), st.integers(1, 70)
both_directions = pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
every_kind = pytest.mark.parametrize("kind", KINDS)


@both_directions
@every_cell
@given(st.data(), T, N, D, H, seeds)
def test_a_row_is_the_same_alone_in_any_batch_and_padded(cell, reverse, data, T, N, D, H, seed):
    lengths = data.draw(lengths_of(T, N))
    scan = scan_of(cell, T, N, D, H, lengths=lengths, reverse=reverse, seed=seed)
    whole = scan.run(make())
    n = data.draw(st.integers(0, N - 1))
    assert_same(row_of(scan.row(n).run(make()), 0), row_of(whole, n))
    length = T if lengths is None else lengths[n]
    if length:
        alone = row_of(scan.row(n).until(length).run(make()), 0)
        assert not whole["outputs"][length:, n].any()
        in_company = row_of(whole, n)
        in_company |= {name: in_company[name][:length] for name in ("outputs", "d_x")}
        assert_same(alone, in_company)


@every_cell
@given(st.data(), st.integers(2, 9), N, D, H, seeds)
def test_one_pass_is_any_cut_into_chunks(cell, data, T, N, D, H, seed):
    engine = make()
    lengths = data.draw(lengths_of(T, N))
    scan = scan_of(cell, T, N, D, H, lengths=lengths, seed=seed)
    whole = scan.forward(engine)
    cuts = sorted(data.draw(st.sets(st.integers(1, T - 1), max_size=3)))
    outputs, state = [], scan.state
    for start, stop in zip([0, *cuts], [*cuts, T], strict=True):
        left = None if lengths is None else np.clip(np.array(lengths) - start, 0, stop - start)
        part = scan.part(x=scan.x[start:stop], state=state, lengths=left)
        kept = engine.scan(cell, part.weights, part.x, state, lengths=left, keep=data.draw(st.booleans()))
        outputs.append(kept.outputs)
        state = kept.final
    assert_same({"outputs": np.concatenate(outputs)}, {"outputs": whole.outputs})
    assert_same(flat({"final": state}), flat({"final": whole.final}))


@both_directions
@every_cell
@given(st.data(), T, N, D, H, seeds)
def test_one_thread_is_two_is_three(cell, reverse, data, T, N, D, H, seed):
    scan = scan_of(cell, T, N, D, H, lengths=data.draw(lengths_of(T, N)), reverse=reverse, seed=seed)
    if data.draw(st.booleans()):
        scan = scan.part(x=Tokens(np.random.default_rng(seed).integers(D, size=(T, N)), D))

    def run(number):
        with using(number):
            found = scan.run(make())
        return {name: value for name, value in found.items() if value is not None}

    alone = run(1)
    assert_same(run(2), alone)
    assert_same(run(3), alone)


@pytest.mark.parametrize(("cell", "H"), [("elman", 640), ("gru", 512), ("lstm", 320)])
def test_gradients_of_wide_layers_are_the_same_on_any_number_of_threads(cell, H):
    """Sizes between those whose rows are all taken at once and those whose are always in parts."""
    scan = scan_of(cells.get(cell), 10, 15, 20, H)
    with using(1):
        alone = scan.run(make())
    for number in (2, 3, 4):
        with using(number):
            assert_same(scan.run(make()), alone)


@given(T, N, D, st.integers(1, 200), seeds)
def test_products_losses_pools_dropout_norm_and_update_on_one_two_and_three_threads(T, N, D, K, seed):
    def run(number):
        rng, engine = np.random.default_rng(seed), make()
        x, V = rng.normal(size=(T, N, D)).astype(np.float32), rng.normal(size=(D, K)).astype(np.float32)
        c, ids = rng.normal(size=K).astype(np.float32), rng.integers(D, size=(T, N))
        targets, weights = rng.integers(K, size=(T, N)), rng.choice([0.0, 0.3, 1.0], (T, N))
        of_elements = rng.choice([0.0, 0.3, 1.0], (T, N, K))
        with using(number):
            o = engine.product(x, V, c)
            found = {"o": o.copy(), "looked up": engine.product(Tokens(ids, D), V, c)}
            squares, found["d squares"] = engine.elementwise_loss(SquaredError(), o.copy(), o[::-1].copy(), weights)
            yes, found["d yes"] = engine.elementwise_loss(Bernoulli(), o.copy(), o[::-1].copy(), of_elements)
            loss, d = engine.softmax_cross_entropy(o.copy(), targets, weights)
            found |= {"losses": np.array([loss, squares, yes]), "d": d}
            for kind in ("last", "mean", "max"):
                found[kind], tape = engine.pool(x, kind, lengths=rng.integers(0, T + 1, N))
                found[f"d {kind}"] = engine.pool_back(tape, found[kind])
            found["d_x"], found["d_V"], found["d_c"] = engine.product_back(x, V, d)
            _, found["d_V of ids"], found["d_c of ids"] = engine.product_back(Tokens(ids, D), V, d, needs_input=False)
            found["d_table"] = engine.embed_back(ids, V, d)
            found["dropped"], tape = engine.dropout(x, 0.3, random.key(seed, "dropout"), 5)
            found["d dropped"] = engine.dropout_back(tape, x)
            gradients = {"V": found["d_V"], "c": found["d_c"]}
            found["norm"] = np.array(engine.global_norm(gradients, 0.01))
            Optimizer("adam", clip_norm=0.1).apply(engine, {"V": V, "c": c}, gradients, step=0, learning_rate=0.1)
        return found | {"V": V, "c": c}

    alone = run(1)
    assert_same(run(2), alone)
    assert_same(run(3), alone)


@pytest.mark.parametrize("kind", ["last", "mean", "max"])
@given(st.data(), T, N, st.integers(1, 70), seeds)
def test_a_pool_of_a_row_is_the_same_alone_in_any_batch_and_padded(kind, data, T, N, D, seed):
    lengths, rng = data.draw(lengths_of(T, N)), np.random.default_rng(seed)
    x = rng.normal(size=(T, N, D)).astype(np.float32)
    options = {"reversed_from": data.draw(st.integers(0, D))} if kind == "last" else {}
    n = data.draw(st.integers(0, N - 1))
    length = T if lengths is None else lengths[n]
    lengths = None if lengths is None else np.array(lengths)
    engine = make()
    y, tape = engine.pool(x, kind, lengths=lengths, **options)
    d_y = rng.normal(size=y.shape).astype(np.float32)
    d_x = engine.pool_back(tape, d_y)
    assert not d_x[length:, n].any()
    if length == 0:
        assert not y[:, n].any()
        return
    alone, tape = engine.pool(x[:length, n : n + 1], kind, **options)
    assert_same({"y": alone}, {"y": y[:, n : n + 1]})
    assert_same({"d_x": engine.pool_back(tape, d_y[:, n : n + 1])}, {"d_x": d_x[:length, n : n + 1]})


@pytest.mark.parametrize("kind", POOLED)
@given(st.data(), st.integers(1, 7), st.integers(1, 20), st.integers(1, 30), st.integers(1, 40), seeds)
def test_a_row_in_front_of_a_pool_is_the_same_alone_and_without_padding(kind, data, T, N, D, H, seed):
    network = network_of(kind, data.draw(st.sampled_from(CELLS)), D, H, seed=seed)
    lengths = np.array(data.draw(st.lists(st.integers(1, T), min_size=N, max_size=N)))
    x = batch_for(network, T, N, seed=seed).x
    outputs, _ = network.forward(x, lengths=lengths)
    assert outputs.shape == (1, N, 5)
    n = data.draw(st.integers(0, N - 1))
    alone, _ = network.forward(x[: lengths[n], n : n + 1])
    assert_same({"o": alone}, {"o": outputs[:, n : n + 1]})


def test_a_pool_of_a_long_row_is_one_pass():
    network = network_of("numbers mean", "gru", 5, 100)
    x = batch_for(network, 5000, 3).x
    outputs, _ = network.forward(x, lengths=[5000, 4000, 3])
    for n, length in enumerate((5000, 4000, 3)):
        np.testing.assert_array_equal(network.forward(x[:length, n : n + 1])[0], outputs[:, n : n + 1])


@every_kind
@given(st.data(), T, st.integers(1, 20), st.integers(1, 30), st.integers(1, 40), seeds)
def test_a_whole_network_is_its_layers_one_after_another(kind, data, T, N, D, H, seed):
    cell = data.draw(st.sampled_from(CELLS))
    lengths = data.draw(lengths_of(T, N))
    network = network_of(kind, cell, D, H, seed=seed)
    slow = network_of(kind, cell, D, H, seed=seed, engine=LayerByLayer())
    x, state = batch_for(network, T, N, seed=seed).x, state_for(network, N)
    outputs, final = network.forward(x, state, lengths=lengths)
    expected, expected_final = slow.forward(x, state, lengths=lengths)
    assert_same(flat(final) | {"outputs": outputs}, flat(expected_final) | {"outputs": expected})
    with using(2):
        again, final = network.copy().forward(x, state, lengths=lengths)
    assert_same(flat(final) | {"outputs": again}, flat(expected_final) | {"outputs": expected})
    if not network.body.reads_ahead:
        outputs, final = network.step(x[0], state)
        expected, expected_final = slow.step(x[0], state)
        assert_same(flat(final) | {"outputs": outputs}, flat(expected_final) | {"outputs": expected})


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.endswith(AHEAD)])
@given(st.data(), T, st.integers(1, 20), st.integers(1, 30), st.integers(1, 40), seeds)
def test_steps_with_the_state_carried_are_one_pass_and_each_row_is_its_own(kind, data, T, N, D, H, seed):
    network = network_of(kind, data.draw(st.sampled_from(CELLS)), D, H, seed=seed)
    x, state = batch_for(network, T, N, seed=seed).x, state_for(network, N)
    whole, final = network.forward(x, state)
    outputs, current = [], state
    for t in range(T):
        out, current = network.step(x[t], current)
        outputs.append(out)
    assert_same(flat(current) | {"outputs": np.stack(outputs)}, flat(final) | {"outputs": whole})
    n = data.draw(st.integers(0, N - 1))
    alone, _ = network.forward(
        x[:, n : n + 1], {name: tuple(value[n : n + 1] for value in values) for name, values in state.items()}
    )
    assert_same({"outputs": alone}, {"outputs": whole[:, n : n + 1]})


def test_a_long_pass_is_one_of_steps_with_the_state_carried():
    network = network_of("one-hot stack", "gru", 5, 100)
    x = batch_for(network, 700, 3).x
    whole, final = network.forward(x, lengths=[700, 650, 3])
    first, state = network.forward(x[:641], lengths=[641, 641, 3])
    rest, state = network.forward(x[641:], state, lengths=[59, 9, 0])
    assert_same(flat(state) | {"o": np.concatenate([first, rest])}, flat(final) | {"o": whole})


@pytest.mark.parametrize("kind", ["embedding", "one-hot", "numbers"])
def test_a_pass_begins_with_its_state_on_every_thread(kind):
    network = network_of(kind, "elman", 5, 512)
    x = batch_for(network, 1, 256).x
    expected = [network.forward(x, state_for(network, 256, seed))[0] for seed in range(20)]
    with using(2):
        other = network.copy()
        for seed, value in enumerate(expected):
            np.testing.assert_array_equal(other.forward(x, state_for(network, 256, seed))[0], value)


@every_kind
@given(st.data(), T, st.integers(1, 20), st.integers(1, 30), st.integers(1, 40), seeds)
def test_training_is_the_same_on_one_two_and_three_threads_and_in_any_groups(kind, data, T, N, D, H, seed):
    cell, rule = data.draw(st.sampled_from(CELLS[:7])), data.draw(st.sampled_from(sorted(RULES)))
    lengths = data.draw(lengths_of(T, N)) if not kind.endswith("stack") else None
    if lengths is not None and not any(lengths):
        lengths[0] = T
    loss = SquaredError() if kind.startswith("numbers") else SoftmaxCrossEntropy()

    def run(number, at_once):
        network = network_of(kind, cell, D, H, loss=loss, seed=seed)
        chunks = chunks_for(network, T, N, 4, lengths=lengths, seed=seed)
        with using(number):
            return trained(network, chunks, Optimizer(rule, clip_norm=0.5, clip_value=0.1), at_once=at_once)

    alone = run(1, 4)
    assert_same(run(2, 4), alone)
    assert_same(run(3, 3), alone)
    assert_same(run(1, 1), alone)


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "gru", "dropout": 0.2, "hidden_size": 33},
        {"cell": "lstm", "embedding_size": 9, "num_layers": 2, "residual": True, "optimizer": "adamw"},
        {"cell": "elman", "variational_dropout": 0.1, "batch_size": 7, "validation": 0.1, "patience": 1},
    ],
    ids=["gru", "lstm", "elman"],
)
def test_a_model_file_is_the_same_on_one_two_and_three_threads(options, tmp_path):
    documents = [TEXT, "or not. ", "the question is to be or not to be? " * 5]
    files = []
    for number in (1, 2, 3):
        with using(number):
            small(engine="compiled", **options).fit(documents).save(tmp_path / f"{number}")
        files.append((tmp_path / f"{number}").read_bytes())
    assert files[1] == files[0]
    assert files[2] == files[0]


@pytest.mark.parametrize("kind", ["one-hot", "embedding", "one-hot stack", "embedding stack"])
@settings(max_examples=6)
@given(st.data(), st.integers(2, 12), st.integers(1, 20), seeds)
def test_a_stream_of_many_is_that_stream_alone(kind, data, N, H, seed):
    cell, K = data.draw(st.sampled_from(CELLS)), data.draw(st.integers(2, 40))
    sampling = Sampling(
        temperature=data.draw(st.sampled_from([0.5, 1.0, 2.0])),
        top_k=data.draw(st.sampled_from([None, 1, 3])),
        top_p=data.draw(st.sampled_from([None, 0.5, 0.9])),
        greedy=data.draw(st.booleans()),
    )
    network = network_of(kind, cell, K, H, K, seed=seed)
    rng = np.random.default_rng(seed)
    o, state = rng.normal(size=(N, K)).astype(np.float32), state_for(network, N)
    key = random.key(seed, "generate")

    def generate(rows, number=1):
        part = {name: tuple(value[:rows] for value in values) for name, values in state.items()}
        with using(number):
            return np.concatenate(list(make().generate(network, o[:rows], part, 12, sampling, key)))

    whole = generate(N)
    assert whole.shape == (12, N)
    n = data.draw(st.integers(1, N))
    np.testing.assert_array_equal(generate(n), whole[:, :n])
    np.testing.assert_array_equal(generate(N, 2), whole)
    np.testing.assert_array_equal(generate(N, 3), whole)
    layered = list(Engine.generate(make(), network, o, state, 12, sampling, key))
    np.testing.assert_array_equal(np.concatenate(layered), whole)
