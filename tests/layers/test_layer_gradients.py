"""Every layer and composition against numerical derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from tests.losses import ELEMENTWISE, name_of
from tests.tolerances import GRADIENT, ROWS, assert_close

from throughtime import cells
from throughtime.inspection import check_gradients
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
    VariationalDropout,
    recurrent_stack,
)
from throughtime.losses import Pinball, SoftmaxCrossEntropy, SquaredError
from throughtime.network import Batch, Network

LAYERS = {
    "dense": [Dense(3, 4)],
    "two dense": [Dense(3, 2, name="first"), Dense(2, 4, name="second")],
    "embedding": [Embedding(5, 3), Dense(3, 4)],
    "one-hot to dense": [OneHot(5), Dense(5, 4)],
    "one-hot to recurrent": [OneHot(5), Recurrent("gru", 5, 3), Dense(3, 4)],
    "one-hot, both directions": [OneHot(5), Bidirectional("gru", 5, 2), Dense(4, 4)],
    "embedding to recurrent": [Embedding(4, 2), Recurrent("lstm", 2, 3), Dense(3, 4)],
    "recurrent alone": [Recurrent("lstm", 2, 4)],
    "reversed": [Recurrent("gru", 2, 3, reverse=True), Dense(3, 4)],
    "two recurrent": [*recurrent_stack("lstm", 2, 3, num_layers=2), Dense(3, 4)],
    "both directions": [Bidirectional("lstm", 2, 2), Dense(4, 4)],
    "two of both directions": [*recurrent_stack("gru", 2, 2, num_layers=2, bidirectional=True), Dense(4, 4)],
    "residual": [*recurrent_stack("elman", 2, 3, num_layers=3, residual=True), Dense(3, 4)],
    "residual, both directions": [
        *recurrent_stack("elman", 2, 2, num_layers=2, bidirectional=True, residual=True),
        Dense(4, 4),
    ],
    "residual first": [Residual(Recurrent("elman", 3, 3)), Dense(3, 4)],
    "stack in a stack": [Stacked([Recurrent("elman", 2, 3), Stacked([Dense(3, 3, name="inner")])]), Dense(3, 4)],
}
POOLS = {
    "last": [Recurrent("lstm", 2, 3), Pool("last"), Dense(3, 4)],
    "mean": [Recurrent("gru", 2, 3), Pool("mean"), Dense(3, 4)],
    "max": [Recurrent("gru", 2, 3), Pool("max"), Dense(3, 4)],
    "last, both directions": [Bidirectional("lstm", 2, 2), Pool("last", reversed_from=2), Dense(4, 4)],
    "mean, both directions": [Bidirectional("gru", 2, 2), Pool("mean"), Dense(4, 4)],
    "max, both directions": [Bidirectional("gru", 2, 2), Pool("max"), Dense(4, 4)],
    "last, reversed": [Recurrent("gru", 2, 3, reverse=True), Pool("last", reversed_from=0), Dense(3, 4)],
    "last of numbers": [Pool("last"), Dense(3, 4)],
    "mean of an embedding": [Embedding(5, 3), Pool("mean"), Dense(3, 4)],
    "max, residual behind": [Recurrent("gru", 2, 3), Pool("max"), Residual(Dense(3, 3, name="d")), Dense(3, 4)],
    "inside a stack": [Stacked([Recurrent("gru", 2, 3), Pool("mean")]), Dense(3, 4)],
    "alone": [Recurrent("gru", 2, 4), Pool("max")],
}
LAYERS |= {f"pool: {name}": layers for name, layers in POOLS.items()}
NOISY = {
    "dropout": [Recurrent("gru", 2, 5), Dropout(0.4), Dense(5, 4)],
    "variational dropout": [Recurrent("gru", 2, 5), VariationalDropout(0.4), Dense(5, 4)],
    "dropout first": [Dropout(0.4), Recurrent("elman", 3, 3), Dense(3, 4)],
    "dropout alone": [Dropout(0.4)],
    "everything": [
        *recurrent_stack("elman", 2, 3, num_layers=2, residual=True, dropout=0.3, variational_dropout=0.2),
        Dense(3, 4),
    ],
    "both directions": [*recurrent_stack("elman", 2, 2, bidirectional=True, dropout=0.3), Dense(4, 4)],
    "around a pool": [Recurrent("gru", 2, 5), Dropout(0.4), Pool("mean"), Dropout(0.4, name="behind"), Dense(5, 4)],
}
every_layer = pytest.mark.parametrize("name", LAYERS)
every_noisy_layer = pytest.mark.parametrize("name", NOISY)


def network_of(layers, loss=None, **options):
    return Network(layers, loss or SoftmaxCrossEntropy(), dtype="float64", random_state=1, **options)


def check(network_or_cell, *arguments, kinks=False, **options):
    report = check_gradients(network_or_cell, *arguments, tolerance=GRADIENT, **options).raise_on_failure()
    assert kinks or all(block.skipped == 0 for block in report.blocks)


@pytest.mark.parametrize("name", cells.names())
def test_every_cell(name):
    check(cells.get(name), kinks=name == "elman-relu")


@pytest.mark.parametrize("name", cells.names())
def test_every_cell_in_a_network(name):
    network = network_of([*recurrent_stack(name, 2, 3, num_layers=2), Dense(3, 3)])
    check(network, kinks=name == "elman-relu")


@every_layer
def test_every_layer(name):
    check(network_of(LAYERS[name]))


@every_noisy_layer
def test_every_layer_with_noise(name):
    network = network_of(NOISY[name], SquaredError())
    check(network, noise=Noise(seed=3, step=7))


@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), *ELEMENTWISE], ids=name_of)
@pytest.mark.parametrize("weighted", ["places", "elements", None])
def test_every_loss(loss, weighted):
    rng = np.random.default_rng(5)
    T, N, K = 4, 2, 2 if isinstance(loss, Pinball) else 3
    ids = isinstance(loss, SoftmaxCrossEntropy)
    targets = rng.integers(K, size=(T, N)) if ids else rng.random((T, N, K))
    weights = None
    if weighted:
        weights = rng.integers(3, size=(T, N, K) if weighted == "elements" and not ids else (T, N)).astype(float)
    if weights is not None and weights.ndim == 3:
        targets[weights == 0] = np.nan
    batch = Batch(rng.normal(size=(T, N, 2)), targets, weights)
    check(network_of([Dense(2, K)], loss), batch)


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("lengths", [None, [5, 0, 1]], ids=["whole", "a row without steps"])
def test_every_pool_with_rows_of_any_length(name, lengths):
    network, rng = network_of(POOLS[name], SquaredError()), np.random.default_rng(2)
    T, N, size = 5, 3, network.body.input_size or 3
    x = rng.integers(size, size=(T, N)) if network.body.takes_ids else rng.normal(size=(T, N, size))
    check(network, Batch(x, rng.normal(size=(1, N, 4)), None, None if lengths is None else np.array(lengths)))


@pytest.mark.parametrize("layers", [*LAYERS.values(), *NOISY.values()], ids=[*LAYERS, *(f"{n}, noisy" for n in NOISY)])
def test_a_gradient_of_the_input_changes_no_other_and_comes_only_where_it_is_asked_for(layers):
    network = network_of(layers, SquaredError())
    T, N, rng = 4, 3, np.random.default_rng(0)
    size, outputs = network.body.input_size or 3, network.body.output_size or 3
    x = rng.integers(size, size=(T, N)) if network.body.takes_ids else rng.normal(size=(T, N, size))
    targets = rng.normal(size=(1 if network.body.pools else T, N, outputs))
    batch = Batch(x, targets, None, np.array([4, 2, 3]))
    noise = Noise(0, 0)
    without, with_input = (network.loss_and_gradients(batch, noise=noise, needs_input=n) for n in (False, True))
    assert without.parameters.keys() == with_input.parameters.keys() == network.parameters.keys()
    for name, gradient in without.parameters.items():
        assert_close(gradient, with_input.parameters[name], ROWS["float64"], name)
    assert (with_input.d_x is None) == network.body.takes_ids
    assert without.d_x is None or not network.parameters


WINDOWS = {name: layers for name, layers in (LAYERS | NOISY).items() if not Stacked(layers).reads_ahead}


@pytest.mark.parametrize("name", WINDOWS)
def test_windows_of_the_whole_length_give_the_full_gradient(name):
    network = network_of(WINDOWS[name], SquaredError())
    T, N, rng = 4, 3, np.random.default_rng(0)
    size, outputs = network.body.input_size or 3, network.body.output_size or 3
    x = rng.integers(size, size=(T, N)) if network.body.takes_ids else rng.normal(size=(T, N, size))
    lengths = np.array([4, 2, 3])
    weights = 1.0 * (np.arange(T)[:, None] < lengths)
    batch = Batch(x, rng.normal(size=(T, N, outputs)), weights, lengths)
    whole, cut = (
        network.loss_and_gradients(batch, noise=Noise(0, 0), bptt_truncate=truncate, needs_input=True)
        for truncate in (None, T)
    )
    assert cut.loss == whole.loss
    for key, gradient in whole.parameters.items():
        assert_close(cut.parameters[key], gradient, ROWS["float64"], key)
    if whole.d_x is not None:
        assert_close(cut.d_x, whole.d_x, ROWS["float64"])
