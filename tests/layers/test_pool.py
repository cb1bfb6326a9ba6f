"""Pools: what they take of a row, with numbers followed on paper, and where they may stand."""

from __future__ import annotations

import numpy as np
import pytest
from tests.tolerances import HAND, assert_close

from throughtime import engine as engines
from throughtime.engine.protocol import Sampling
from throughtime.errors import ParameterError, ShapeError
from throughtime.layers import (
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    Noise,
    OneHot,
    Pool,
    Recurrent,
    Residual,
    Stacked,
)
from throughtime.losses import SoftmaxCrossEntropy, SquaredError
from throughtime.network import Batch, Network

X = np.array([[1.0, 8.0, 3.0], [5.0, 2.0, 7.0], [5.0, 9.0, 4.0], [0.0, 6.0, 4.0]])
"""Four steps of three rows of one unit, of which the second has two steps and the third none."""
LENGTHS = np.array([4, 2, 0])
BY_HAND = {  # (what comes out of each row, the gradient that a 1 becomes)
    "last": ([0.0, 2.0, 0.0], [[0, 0, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0]]),
    "mean": ([2.75, 5.0, 0.0], [[1 / 4, 1 / 2, 0], [1 / 4, 1 / 2, 0], [1 / 4, 0, 0], [1 / 4, 0, 0]]),
    "max": ([5.0, 8.0, 0.0], [[0, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]]),  # of two equals the first
}
every_engine = pytest.mark.parametrize("engine", ["numpy", "compiled"])


@every_engine
@pytest.mark.parametrize("kind", BY_HAND)
def test_pools_worked_by_hand(kind, engine):
    engine = engines.make(engine)
    y, tape = engine.pool(X[..., None].astype(np.float32), kind, lengths=LENGTHS)
    d_x = engine.pool_back(tape, np.ones((1, 3, 1), np.float32))
    values, gradient = BY_HAND[kind]
    assert y.dtype == d_x.dtype == np.float32
    assert_close(y[0, :, 0].astype(float), np.array(values), HAND)
    assert_close(d_x[..., 0].astype(float), np.array(gradient, float), HAND)


@every_engine
def test_units_that_were_read_backward_end_at_the_first_step(engine):
    engine = engines.make(engine)
    x = np.arange(12, dtype=np.float32).reshape(3, 2, 2)  # step t, row n, unit i: 4 t + 2 n + i
    y, tape = engine.pool(x, "last", lengths=np.array([3, 2]), reversed_from=1)
    assert y.tolist() == [[[8.0, 1.0], [6.0, 3.0]]]
    d_x = engine.pool_back(tape, np.array([[[1.0, 2.0], [3.0, 4.0]]], np.float32))
    assert d_x.tolist() == [[[0, 2], [0, 4]], [[0, 0], [3, 0]], [[1, 0], [0, 0]]]


@every_engine
@pytest.mark.parametrize("lengths", [None, [5, 1, 3]], ids=["whole", "padded"])
def test_the_last_of_both_directions_are_their_final_states(engine, lengths):
    x = np.random.default_rng(0).normal(size=(5, 3, 2))
    for layer, reversed_from, names in (
        (Bidirectional("lstm", 2, 4, name="r"), 4, ("r.forward", "r.backward")),
        (Recurrent("gru", 2, 4, name="r"), None, ("r",)),
        (Recurrent("gru", 2, 4, reverse=True, name="r"), 0, ("r",)),
    ):
        network = Network([layer, Pool("last", reversed_from)], engine=engine, random_state=0)
        outputs, state = network.forward(x, lengths=lengths)
        np.testing.assert_array_equal(outputs[0], np.concatenate([state[name][0] for name in names], axis=1))


@every_engine
@pytest.mark.parametrize("kind", BY_HAND)
def test_padding_may_hold_anything(kind, engine):
    network = Network(
        [Dense(2, 3, name="first"), Pool(kind), Dense(3, 2)], SquaredError(), engine=engine, random_state=0
    )
    network.parameters["first.c"] += 9  # which the padding would show
    network.changed()
    x, rng = np.random.default_rng(0).normal(size=(4, 2, 2)), np.random.default_rng(1)
    lengths, targets = np.array([4, 2]), rng.normal(size=(1, 2, 2))
    dirty = np.where((np.arange(4)[:, None] < lengths)[..., None], x, np.nan)
    found, expected = (network.loss_and_gradients(Batch(each, targets, None, lengths)) for each in (dirty, x))
    assert found.loss == expected.loss
    for name, gradient in expected.parameters.items():
        np.testing.assert_array_equal(found.parameters[name], gradient)
    short, _ = network.forward(x[:2, 1:])
    assert_close(network.forward(dirty, lengths=lengths)[0][:, 1:], short, 1e-6)


def test_targets_and_weights_have_one_step():
    network = Network([Recurrent("gru", 2, 3), Pool("mean"), Dense(3, 4)], SoftmaxCrossEntropy(), random_state=0)
    x = np.zeros((5, 3, 2))
    network.loss(Batch(x, np.zeros((1, 3), int), np.ones((1, 3))))
    with pytest.raises(ShapeError, match=r"targets must be ids \[1, 3\], got int64 \[5, 3\]"):
        network.loss(Batch(x, np.zeros((5, 3), int)))
    with pytest.raises(ShapeError, match=r"weights must be \[1, 3\], got \[5, 3\]"):
        network.loss_and_gradients(Batch(x, np.zeros((1, 3), int), np.ones((5, 3))))


def test_dropout_behind_a_pool_draws_the_mask_of_the_first_step():
    noise = Noise(1, 2)
    layers = [Pool("max"), Dropout(0.5), Dense(8, 1)]
    batch = Batch(np.ones((5, 6, 8)), np.zeros((1, 6, 1)))
    networks = [Network(layers, SquaredError(), engine=engine, random_state=0) for engine in ("numpy", "compiled")]
    found = [network.loss_and_gradients(batch, noise=noise) for network in networks]
    one_step = Network(layers[1:], SquaredError(), engine="numpy", random_state=0)
    one_step.set_parameters(networks[0].parameters)
    expected = one_step.loss_and_gradients(Batch(batch.x[:1], batch.targets), noise=noise)
    for each in found:
        assert each.loss == pytest.approx(expected.loss, rel=1e-6)
        np.testing.assert_allclose(each.parameters["output.V"], expected.parameters["output.V"], rtol=1e-5, atol=1e-7)


@every_engine
def test_a_pool_is_learned_through(engine):
    """Which of two symbols stood somewhere in a row."""
    rng = np.random.default_rng(0)
    ids = rng.integers(2, 6, size=(7, 20))
    targets = rng.integers(2, size=20)
    ids[rng.integers(7, size=20), np.arange(20)] = targets
    layers = [OneHot(6), Bidirectional("gru", 6, 8), Pool("max"), Dense(16, 2)]
    network = Network(layers, SoftmaxCrossEntropy(), engine=engine, random_state=0)
    batch = Batch(ids, targets[None])
    for _ in range(60):
        gradients = network.loss_and_gradients(batch).parameters
        network.set_parameters({name: w - 1.0 * gradients[name] for name, w in network.parameters.items()})
    assert network.loss(batch)[0] < 0.1


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("first",), "the kind of a pool must be 'last', 'mean' or 'max', got 'first'"),
        (("mean", 3), r"reversed_from is for Pool\('last'\); 'mean' takes all steps alike"),
        (("last", -1), "reversed_from must be an integer of at least 0, got -1"),
        (("last", 1.5), "reversed_from must be an integer of at least 0, got 1.5"),
    ],
)
def test_a_pool_that_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ParameterError, match=message):
        Pool(*arguments)


def test_more_units_read_backward_than_there_are_are_refused():
    with pytest.raises(ShapeError, match=r"layer 1 \(last of each row\) has reversed_from=7, the layer before gives 6"):
        Network([Bidirectional("gru", 2, 3), Pool("last", 7)])


def test_a_pool_of_the_last_step_has_to_know_which_units_were_read_backward():
    message = (
        r"layer 2 \(last of each row\) takes units that were read backward \(gru of 3, both directions\), whose last "
        r"step is the first: pass reversed_from, the number of the first such unit \(6: none\)"
    )
    with pytest.raises(ParameterError, match=message):
        Network([Bidirectional("gru", 2, 3), Dropout(0.5), Pool("last")])
    Network([Bidirectional("gru", 2, 3), Pool("last", 6)])
    Network([Bidirectional("gru", 2, 3), Recurrent("gru", 6, 3), Pool("last")])
    Network([Bidirectional("gru", 2, 3), Pool("mean")])


@pytest.mark.parametrize(
    "behind",
    [
        [Recurrent("gru", 3, 3, name="second")],
        [Dropout(0.5), Bidirectional("gru", 3, 3, name="second")],
        [Residual(Recurrent("gru", 3, 3, name="second"))],
        [Pool("max")],
        [Stacked([Dense(3, 3), Pool("max")])],
    ],
    ids=["recurrent", "both", "residual", "pool", "inside"],
)
def test_what_goes_through_time_cannot_stand_behind_a_pool(behind):
    with pytest.raises(
        ParameterError, match="goes through time, but behind a Pool each row has one step; put the Pool"
    ):
        Network([Recurrent("gru", 2, 3), Pool("mean"), *behind])


def test_a_pool_cannot_have_a_shortcut_around_it():
    with pytest.raises(ParameterError, match="last of each row gives one step for a whole row"):
        Residual(Pool("last"))


def test_one_hot_rows_are_not_pooled():
    with pytest.raises(ShapeError, match="cannot take one-hot rows; use an Embedding instead"):
        Network([OneHot(3), Pool("mean"), Dense(3, 2)])


@every_engine
def test_a_network_with_a_pool_has_no_next_step_and_generates_nothing(engine):
    layers = [Embedding(5, 3), Recurrent("gru", 3, 4), Pool("last"), Dense(4, 5)]
    network = Network(layers, SoftmaxCrossEntropy(), engine=engine, random_state=0)
    message = "a network with a Pool gives one output for a whole row, so it has no next step"
    with pytest.raises(ParameterError, match=message):
        network.step(np.array([1, 2]))
    outputs, state = network.forward(np.array([[1, 2], [3, 4]]))
    with pytest.raises(ParameterError, match=message):
        next(network.engine.generate(network, outputs[0], state, 3, Sampling(), (1, 2)))


def test_a_network_with_a_pool_is_not_truncated():
    network = Network([Recurrent("gru", 2, 3), Pool("mean")], SquaredError(), engine="numpy", random_state=0)
    with pytest.raises(
        ParameterError, match="bptt_truncate needs outputs at every step; a network with a Pool has one"
    ):
        network.loss_and_gradients(Batch(np.zeros((4, 2, 2)), np.zeros((1, 2, 3))), bptt_truncate=2)


def test_what_a_pool_says_of_itself():
    assert Pool().describe() == "last of each row"
    assert Pool("max").describe() == "max of each row"
    assert Stacked([Dense(2, 3), Pool("mean")]).pools
    assert Stacked([Dense(2, 3), Pool("mean")]).reads_ahead
    assert not Bidirectional("gru", 2, 3).pools
