"""The compiled engine as an object: copied, shared, changed, and asked for what it does not do."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tests.engine.compiled.material import (
    KINDS,
    Listed,
    assert_same,
    batch_for,
    chunks_for,
    flat,
    make,
    network_of,
    scan_of,
    state_for,
    trained,
    training_of,
)

from throughtime import Network, cells
from throughtime import engine as engines
from throughtime.engine.compiled.job import Job
from throughtime.engine.free_memory import VARIABLE
from throughtime.errors import NonFiniteLoss, ParameterError, ShapeError, ThroughtimeError
from throughtime.layers import Dense, OneHot, Recurrent
from throughtime.losses import SoftmaxCrossEntropy, SquaredError
from throughtime.network import Batch
from throughtime.optimizers import Optimizer
from throughtime.training.streams import Chunk

copies = pytest.mark.parametrize(
    "duplicate", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy, copy.copy], ids=["pickle", "deepcopy", "copy"]
)


@copies
def test_an_engine_that_has_worked_can_be_copied(duplicate):
    engine, scan = make(), scan_of(cells.GRU, 3, 4, 5, 6)
    expected = scan.run(engine)
    other = duplicate(engine)
    assert (other.name, other.dtype) == (engine.name, engine.dtype)
    assert_same(scan.run(other), expected)
    assert_same(scan.run(engine), expected)


@pytest.mark.parametrize("duplicate", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy], ids=["pickle", "deep"])
@pytest.mark.parametrize("kind", ["one-hot", "embedding stack", "numbers both"])
def test_a_network_that_has_worked_can_be_copied_and_goes_its_own_way(duplicate, kind):
    loss = SquaredError() if kind.startswith("numbers") else SoftmaxCrossEntropy()
    network = network_of(kind, loss=loss)
    chunks = chunks_for(network, 4, 3, 2)
    trained(network, chunks)
    x = chunks[0].batch.x
    expected, _ = network.forward(x)
    other = duplicate(network)
    np.testing.assert_array_equal(other.forward(x)[0], expected)
    first, second = trained(network, chunks), trained(other, chunks)
    assert_same(second, first)
    other.parameters["output.c"] += 1
    other.changed()
    np.testing.assert_array_equal(network.forward(x)[0], network.copy().forward(x)[0])
    np.testing.assert_array_equal(other.forward(x)[0], other.copy().forward(x)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_one_engine_does_not_mix_up_two_networks(kind):
    shared = make()
    loss = SquaredError() if kind.startswith("numbers") else SoftmaxCrossEntropy()
    both = [network_of(kind, "gru", loss=loss, engine=shared, seed=seed) for seed in (1, 2)]
    own = [network_of(kind, "gru", loss=loss, seed=seed) for seed in (1, 2)]
    x = batch_for(both[0], 3, 2).x
    optimizers = [[Optimizer("adam") for _ in range(2)] for _ in range(2)]
    for turn in range(3):
        for number in (0, 1):
            results = []
            for networks, each in ((both, optimizers[0]), (own, optimizers[1])):
                network = networks[number]
                found = trained(network, chunks_for(network, 3, 2, 2, seed=turn), each[number])
                outputs, state = network.forward(x)
                results.append(found | flat(state) | {"o": outputs})
                if not network.body.reads_ahead:
                    results[-1]["stepped"], _ = network.step(x[0])
            assert_same(*results)


def test_a_network_that_was_forgotten_leaves_nothing_to_the_next():
    shared = make()
    for seed in range(30):
        network = network_of("one-hot", "gru", engine=shared, seed=seed)
        x = batch_for(network, 2, 3, seed=seed).x
        np.testing.assert_array_equal(network.forward(x)[0], network.copy().forward(x)[0])
        del network


@pytest.mark.parametrize("kind", ["one-hot", "embedding", "numbers both"])
def test_changed_weights_are_seen(kind):
    network = network_of(kind)
    x = batch_for(network, 4, 3).x
    before, _ = network.forward(x)
    for name, w in network.parameters.items():
        w *= 1.5
        network.changed()
        after, _ = network.forward(x)
        np.testing.assert_array_equal(after, network.copy().forward(x)[0], err_msg=name)
        assert np.any(after != before)
        before = after
    network.set_parameters({name: w * 0.5 for name, w in network.parameters.items()})
    np.testing.assert_array_equal(network.forward(x)[0], network.copy().forward(x)[0])


def test_weights_put_in_place_of_others_are_seen():
    network = network_of("one-hot")
    x = batch_for(network, 4, 3).x
    network.forward(x)
    network.parameters["recurrent.W"] = network.parameters["recurrent.W"] * 2
    network.changed()
    np.testing.assert_array_equal(network.forward(x)[0], network.copy().forward(x)[0])
    found = trained(network, chunks_for(network, 4, 3, 2))
    network.parameters["recurrent.U"] = network.parameters["recurrent.U"] * 2
    assert np.any(trained(network, chunks_for(network, 4, 3, 2))["recurrent.U"] != found["recurrent.U"])


def test_what_is_returned_belongs_to_the_caller():
    network = network_of("one-hot stack")
    x = batch_for(network, 4, 3).x
    first, state = network.forward(x)
    kept = flat(state) | {"o": first.copy()}
    kept = {name: value.copy() for name, value in kept.items()}
    network.forward(x[::-1].copy(), state)
    network.step(x[0], state)
    assert_same(flat(state) | {"o": first}, kept)
    stepped, state = network.step(x[0])
    kept = {name: value.copy() for name, value in (flat(state) | {"o": stepped}).items()}
    network.step(x[1], state)
    assert_same(flat(state) | {"o": stepped}, kept)


@pytest.mark.parametrize("kind", ["one-hot stack", "embedding both", "numbers"])
def test_what_goes_in_stays_as_it_was(kind):
    network = network_of(kind, loss=SquaredError() if kind == "numbers" else None)
    chunks, state = chunks_for(network, 4, 3, 2, lengths=[4, 0, 2]), state_for(network, 3)
    arrays = [v for chunk in chunks for v in vars(chunk.batch).values()] + list(flat(state).values())
    before = [value.copy() for value in arrays]
    run = training_of(network)
    network.engine.train_steps(run, chunks, state, 0)
    network.forward(chunks[0].batch.x, state, lengths=chunks[0].batch.lengths)
    network.loss_and_gradients(chunks[0].batch, state)
    for one, other in zip(before, arrays, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_scan_leaves_what_goes_in_as_it_was():
    for name in cells.names():
        scan = scan_of(cells.get(name), 4, 3, 16, 16, lengths=[4, 2, 0])
        arrays = (scan.x, *scan.state, scan.weights.U, scan.d_outputs, *scan.d_final)
        before = [value.copy() for value in arrays]
        scan.run(make())
        for one, other in zip(before, arrays, strict=True):
            np.testing.assert_array_equal(one, other)


def test_what_the_engine_does_not_do_is_said():
    with pytest.raises(ParameterError, match="the engine 'compiled' computes in float32, got float64"):
        engines.make("compiled", "float64")
    scan = scan_of(cells.GRU, 3, 2, 4, 5)
    tape = scan.forward(make()).tape
    with pytest.raises(ParameterError, match="truncated back-propagation runs on the engine 'numpy'"):
        make().scan_back(tape, scan.d_outputs, window=slice(0, 1))
    network = network_of("one-hot")
    with pytest.raises(ParameterError, match="bptt_truncate runs on the engine 'numpy', not on 'compiled'"):
        network.loss_and_gradients(batch_for(network, 3, 2), bptt_truncate=1)


def test_auto_is_compiled_in_float32_and_numpy_in_float64():
    assert engines.make("auto").name == "compiled"
    assert engines.make("auto", "float64").name == "numpy"


def test_a_gradient_that_nobody_needs_is_not_made():
    scan = scan_of(cells.GRU, 3, 2, 2, 2)
    _, _, tape = scan.forward(make())
    assert make().scan_back(tape, scan.d_outputs, needs_input=False).d_x is None
    V, d = np.zeros((2, 1), np.float32), np.zeros((3, 2, 1), np.float32)
    assert make().product_back(scan.x, V, d, needs_input=False)[0] is None
    assert make().scan(scan.cell, scan.weights, scan.x, scan.state, keep=False).tape is None


def refused(network, action):
    """What the plain engine says to this, or None."""
    with pytest.raises(ThroughtimeError) as told:
        action(network)
    return type(told.value), str(told.value)


@pytest.mark.parametrize(
    "action",
    [
        lambda network: network.step(np.array([0, 5])),
        lambda network: network.step(np.array([0, -1])),
        lambda network: network.step(np.array([0.0, 1.0])),
        lambda network: network.step(np.array([[0, 1]])),
        lambda network: network.step(np.array([0, 1]), {"recurrent": (np.zeros((1, 6), np.float32),)}),
        lambda network: network.step(np.array([0, 1]), {"recurrent": (np.zeros((2, 5), np.float32),)}),
        lambda network: network.forward(np.array([[0, 5]])),
        lambda network: network.forward(np.array([[0, 1]]), lengths=[2, 1]),
    ],
    ids=["too large", "negative", "no integers", "two axes", "one state", "short state", "forward", "lengths"],
)
def test_ids_and_states_that_do_not_fit_are_refused_as_in_numpy(action):
    compiled = network_of("one-hot")
    plain = compiled.copy(engine="numpy", dtype="float32")
    assert refused(compiled, action) == refused(plain, action)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_numbers_of_another_width_are_refused_in_a_step(width):
    network = Network([Recurrent("gru", 3, 4), Dense(4, 2)], engine="compiled", random_state=0)
    with pytest.raises(ShapeError, match="inputs must be numbers"):
        network.step(np.ones((2, width), np.float32))


def changed(batch, **changes):
    return Batch(**(vars(batch) | changes))


@pytest.mark.parametrize(
    "change",
    [
        lambda b: {"x": b.x + 1},
        lambda b: {"x": b.x - 1},
        lambda b: {"x": b.x.astype(float)},
        lambda b: {"targets": b.targets + 5},
        lambda b: {"targets": b.targets - 5},
        lambda b: {"targets": b.targets[:, :1]},
        lambda b: {"targets": b.targets.astype(float)},
        lambda b: {"weights": b.weights[:1]},
        lambda b: {"weights": b.weights * 0},
        lambda b: {"lengths": np.array([4, 5, 4])},
        lambda b: {"lengths": np.array([4, -1, 4])},
    ],
    ids=[
        "large id",
        "negative id",
        "ids of floats",
        "large target",
        "negative target",
        "one column of targets",
        "targets of floats",
        "one row of weights",
        "no weights",
        "long",
        "negative length",
    ],
)
def test_a_batch_that_does_not_fit_is_refused_in_training_as_in_numpy(change):
    network = network_of("one-hot")
    network.parameters["output.c"][:] = 0
    batch = batch_for(network, 4, 3)
    batch.x[:], batch.x[0, 0], batch.x[0, 1] = 1, 0, 4
    chunk = Chunk(changed(batch, **change(batch)), np.zeros(3, bool), 12)
    weights = {name: w.copy() for name, w in network.parameters.items()}
    for each in (network, network.copy(engine="numpy", dtype="float32")):
        run = training_of(each)
        with pytest.raises(ShapeError):
            each.engine.train_steps(run, [chunk], each.initial_state(3), 0)
        assert_same(each.parameters, weights)


@pytest.mark.parametrize("rate", [1e30, 1e38])
def test_a_training_that_breaks_down_keeps_the_last_good_weights(rate):
    def run(engine):
        layers = [OneHot(5), Recurrent("elman-relu", 5, 6), Dense(6, 5)]
        network = Network(layers, SoftmaxCrossEntropy(), engine=engine, random_state=0)
        good = network.copy()
        training = training_of(network, rate=rate)
        chunks = chunks_for(network, 4, 3, 1) * 50
        with pytest.raises(NonFiniteLoss):
            training.run(Listed(chunks))
        assert_same(network.parameters, good.parameters)
        return training.history.rollback_steps

    assert run("compiled") == run("numpy")


def test_a_training_that_begins_with_no_number_leaves_the_weights_that_it_found():
    """Those before it may come from another training."""
    network = network_of("numbers", loss=SquaredError())
    weights = network.copy().parameters
    trained(network, chunks_for(network, 4, 3, 3))
    network.set_parameters(weights)
    chunks = chunks_for(network, 4, 3, 1)
    chunks[0].batch.targets[:] = np.nan
    with pytest.raises(NonFiniteLoss):
        training_of(network).run(Listed(chunks))
    assert_same(network.parameters, weights)


def test_weights_of_a_training_that_was_broken_off_are_seen():
    network = network_of("one-hot")
    x = batch_for(network, 4, 3).x
    before, _ = network.forward(x)
    first = chunks_for(network, 4, 3, 1)
    refused = chunks_for(network, 2, 3, 1)
    refused[0].batch.x[0, 0] = 99
    with pytest.raises(ShapeError):
        network.engine.train_steps(training_of(network), first + refused, network.initial_state(3), 0)
    after, _ = network.forward(x)
    assert not np.array_equal(after, before)
    assert_same({"o": after}, {"o": network.copy().forward(x)[0]})


def test_threads_of_python_may_share_a_network():
    network = network_of("one-hot stack", "lstm", 5, 40)
    xs = [batch_for(network, 30, 8, seed=seed).x for seed in range(4)]
    expected = [network.forward(x)[0] for x in xs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            for found, wanted in zip(pool.map(lambda x: network.forward(x)[0], xs), expected, strict=True):
                np.testing.assert_array_equal(found, wanted)


def test_weights_that_were_packed_while_they_changed_are_packed_again(monkeypatch):
    """As another thread may do in the middle of an update."""
    network = network_of("one-hot")
    batch, run = batch_for(network, 4, 3), Job.run
    gradients = network.loss_and_gradients(batch).parameters

    def run_behind_a_pass(*arguments):
        monkeypatch.setattr(Job, "run", run)
        network.forward(batch.x)
        run(*arguments)

    monkeypatch.setattr(Job, "run", run_behind_a_pass)
    network.engine.update(
        Optimizer("sgd").rule,
        network.parameters,
        gradients,
        dict.fromkeys(gradients, ()),
        dict.fromkeys(gradients, (0.5,)),
    )
    assert Job.run is run
    assert_same({"o": network.forward(batch.x)[0]}, {"o": network.copy().forward(batch.x)[0]})


def test_an_optimizer_of_a_larger_network_is_refused():
    optimizer = Optimizer("adam")
    for H, fits in ((6, True), (9, False)):
        network = network_of("one-hot", H=H)
        for each in (network, network.copy(engine="numpy")):
            if fits:
                trained(network, chunks_for(network, 2, 3, 1), optimizer)
                continue
            with pytest.raises(ShapeError, match=r"the optimizer has running values for another 'recurrent\.U'"):
                trained(each, chunks_for(each, 2, 3, 1), optimizer)


@pytest.mark.parametrize("change", [lambda w: w.astype(np.float64), lambda w: w[:, :-1], np.asfortranarray])
def test_weights_that_are_no_such_array_are_refused(change):
    network = network_of("one-hot")
    network.parameters["output.V"] = change(network.parameters["output.V"])
    for use in (
        lambda: network.forward(np.zeros((2, 3), int)),
        lambda: network.step(np.zeros(3, int)),
        lambda: trained(network, chunks_for(network, 2, 3, 1)),
    ):
        with pytest.raises(ShapeError, match=r"parameter 'output\.V' must be \[6, 5\] in float32 and in C order"):
            use()


def test_training_steps_end_at_a_loss_that_is_no_number():
    network = network_of("numbers", loss=SquaredError())
    chunks = chunks_for(network, 4, 3, 5)
    chunks[2].batch.targets[1, 1] = np.nan
    run = training_of(network)
    two = network.copy()
    trained(two, chunks[:2])
    results, _ = network.engine.train_steps(run, chunks, state_for(network, 3), 0)
    assert [np.isfinite(result.loss) for result in results] == [True, True, False]
    assert_same(network.parameters, two.parameters)


@pytest.mark.parametrize(("free", "kept"), [("1000", 1), (str(1 << 40), 3)])
def test_batches_of_several_sizes_keep_their_memory_as_far_as_there_is_any(monkeypatch, free, kept):
    chunks = several_sizes()
    expected = trained(network_of("embedding stack"), chunks)
    monkeypatch.setenv(VARIABLE, free)
    network = network_of("embedding stack")
    assert_same(trained(network, chunks), expected)
    assert len(network.engine._training) == kept


def several_sizes():
    network = network_of("embedding stack")
    return [chunk for T in (3, 5, 4, 3) for chunk in chunks_for(network, T, 3, 1, seed=T)]
