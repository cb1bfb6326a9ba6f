"""Back-propagation through time in segments: what all steps together give, and the numerical derivative."""

from __future__ import annotations

import numpy as np
import pytest
from tests.tolerances import ROWS, assert_close

from throughtime.errors import ParameterError
from throughtime.inspection import compare_gradients
from throughtime.layers import (
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    Noise,
    OneHot,
    Pool,
    Recurrent,
    Stacked,
    recurrent_stack,
)
from throughtime.layers.segments import best_number, can_segment
from throughtime.losses import SoftmaxCrossEntropy, SquaredError
from throughtime.network import Batch, Network

T, N, K = 23, 4, 5
EVERYTHING = {"num_layers": 2, "residual": True, "dropout": 0.3, "variational_dropout": 0.2}
LAYERS = {
    "embedding": [Embedding(K, 3), *recurrent_stack("lstm", 3, 6, **EVERYTHING), Dense(6, K)],
    "one-hot": [OneHot(K), Recurrent("gru", K, 6), Dense(6, K)],
    "numbers": [*recurrent_stack("gru", 3, 6, num_layers=2, dropout=0.3), Dense(6, K)],
    "recurrent alone": [Recurrent("elman", 3, K)],
    "no state": [Dense(3, K)],
    "last": [*recurrent_stack("lstm", 3, 6, dropout=0.3), Pool("last"), Dropout(0.3, name="behind"), Dense(6, K)],
    "mean": [*recurrent_stack("gru", 3, 6, num_layers=2), Pool("mean"), Dense(6, K)],
    "max": [Embedding(K, 3), Recurrent("gru", 3, 6), Pool("max"), Dense(6, K)],
    "pool alone": [Recurrent("gru", 3, K), Pool("max")],
}
LENGTHS = np.array([T, 1, 0, 12])
ENGINES = [("numpy", "float64"), ("numpy", "float32"), ("compiled", "float32")]
every_layer = pytest.mark.parametrize("name", LAYERS)


def network(name, engine="numpy", dtype="float64", loss=None):
    return Network(LAYERS[name], loss or SoftmaxCrossEntropy(), engine=engine, dtype=dtype, random_state=0)


def batch_for(net, lengths=None):
    rng = np.random.default_rng(1)
    x = rng.integers(K, size=(T, N)) if net.body.takes_ids else rng.normal(size=(T, N, 3))
    steps = 1 if net.body.pools else T
    weights = rng.uniform(0.5, 2, (steps, N))
    if lengths is not None:
        weights = weights * (np.arange(steps)[:, None] < lengths)
    targets = rng.integers(K, size=(steps, N))
    if isinstance(net.objective, SquaredError):
        targets = rng.normal(size=(steps, N, K))
    return Batch(x, targets, weights, lengths)


def state_for(net):
    rng = np.random.default_rng(2)
    return {name: tuple(rng.normal(size=(N, H)) for H in sizes) for name, sizes in net.body.states().items()}


def everything(found):
    """All that a pass gives, by name."""
    named = {"loss": np.array(found.loss), **found.parameters}
    for kind, state in (("final", found.state), ("initial", found.d_state)):
        named |= {f"{kind} {name} {place}": part for name, parts in state.items() for place, part in enumerate(parts)}
    return named if found.d_x is None else named | {"d_x": found.d_x}


# ---------------------------------------------------------------------- the same numbers


@every_layer
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "lengths"])
@pytest.mark.parametrize("segments", [1, 2, 5, T, 100])
@pytest.mark.parametrize(("engine", "dtype"), ENGINES)
def test_segments_give_what_all_steps_together_give(name, engine, dtype, segments, lengths):
    net = network(name, engine, dtype)
    given = {"state": state_for(net), "noise": Noise(3, 7), "needs_input": not net.body.takes_ids}
    batch = batch_for(net, lengths)
    whole = everything(net.loss_and_gradients(batch, **given))
    cut = everything(net.loss_and_gradients(batch, segments=segments, **given))
    assert cut.keys() == whole.keys()
    for key, value in cut.items():
        assert_close(value, whole[key], ROWS[dtype], key)


@pytest.mark.parametrize(("engine", "dtype"), ENGINES)
def test_states_are_the_same_to_the_last_bit(engine, dtype):
    net = network("embedding", engine, dtype)
    whole = net.loss_and_gradients(batch_for(net, LENGTHS), noise=Noise(3, 7))
    cut = net.loss_and_gradients(batch_for(net, LENGTHS), noise=Noise(3, 7), segments=5)
    for name, parts in whole.state.items():
        for part, other in zip(parts, cut.state[name], strict=True):
            np.testing.assert_array_equal(part, other)


def test_another_loss_and_weights_of_each_output():
    net = network("numbers", loss=SquaredError())
    batch = batch_for(net)
    weights = np.random.default_rng(4).uniform(0, 2, (T, N, K))
    batch = Batch(batch.x, batch.targets, weights)
    whole, cut = (everything(net.loss_and_gradients(batch, segments=segments)) for segments in (None, 4))
    for key, value in cut.items():
        assert_close(value, whole[key], ROWS["float64"], key)


@pytest.mark.parametrize("name", ["numbers", "last", "mean"])
def test_against_the_numerical_derivative(name):
    net = network(name)
    batch, state, noise = batch_for(net, LENGTHS), state_for(net), Noise(3, 7)
    found = net.loss_and_gradients(batch, state, noise=noise, segments=4)

    def loss():
        return net.loss_and_gradients(batch, state, noise=noise).loss

    report = compare_gradients(loss, net.parameters, found.parameters)
    assert report.passed, str(report)


# ---------------------------------------------------------------------- what can be cut, and into how many


@pytest.mark.parametrize(("T", "expected"), [(1, 1), (2, 2), (16, 4), (17, 5), (20_000, 142)])
def test_the_best_number_is_the_square_root(T, expected):
    assert best_number(T) == expected


@every_layer
def test_layers_of_one_direction_can_be_cut(name):
    assert can_segment(Stacked(LAYERS[name]))


@pytest.mark.parametrize(
    "layers",
    [
        [Bidirectional("gru", 3, 4), Dense(8, K)],
        [Recurrent("gru", 3, 4, reverse=True), Dense(4, K)],
        [Bidirectional("gru", 3, 4), Pool("last", reversed_from=4), Dense(8, K)],
        [Stacked([Recurrent("gru", 3, 4), Pool("mean")]), Dense(4, K)],
        [Recurrent("gru", 3, 4), Pool("last", reversed_from=2), Dense(4, K)],
    ],
)
def test_others_are_refused(layers):
    net = Network(layers, SoftmaxCrossEntropy(), dtype="float64", random_state=0)
    assert not can_segment(net.body)
    with pytest.raises(ParameterError, match=r"can be cut into segments of time where its layers read forward alone"):
        net.loss_and_gradients(batch_for(net), segments=2)


def test_segments_must_make_sense():
    net = network("numbers")
    with pytest.raises(ParameterError, match=r"segments must be at least 1, got 0"):
        net.loss_and_gradients(batch_for(net), segments=0)
    with pytest.raises(ParameterError, match=r"bptt_truncate goes through time step by step; it takes no segments"):
        net.loss_and_gradients(batch_for(net), segments=2, bptt_truncate=3)
