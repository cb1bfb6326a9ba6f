"""Every layer and composition against numerical derivatives."""

from __future__ import annotations

import numpy as np
import pytest
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
    Recurrent,
    Residual,
    Stacked,
    VariationalDropout,
    recurrent_stack,
)
from throughtime.losses import SoftmaxCrossEntropy, SquaredError
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


LOSSES = {
    "cross-entropy": SoftmaxCrossEntropy(),
    "mean squared error": SquaredError(),
    "half the sum of squares": SquaredError("half_sum"),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("weighted", [True, False])
def test_every_loss(name, weighted):
    rng = np.random.default_rng(5)
    T, N, K = 4, 2, 3
    targets = rng.integers(K, size=(T, N)) if name == "cross-entropy" else rng.normal(size=(T, N, K))
    weights = rng.integers(3, size=(T, N)).astype(float) if weighted else None
    batch = Batch(rng.normal(size=(T, N, 2)), targets, weights)
    check(network_of([Dense(2, K)], LOSSES[name]), batch)


@pytest.mark.parametrize("layers", [*LAYERS.values(), *NOISY.values()], ids=[*LAYERS, *(f"{n}, noisy" for n in NOISY)])
def test_a_gradient_of_the_input_changes_no_other_and_comes_only_where_it_is_asked_for(layers):
    network = network_of(layers, SquaredError())
    T, N, rng = 4, 3, np.random.default_rng(0)
    size, outputs = network.body.input_size or 3, network.body.output_size or 3
    x = rng.integers(size, size=(T, N)) if network.body.takes_ids else rng.normal(size=(T, N, size))
    batch = Batch(x, rng.normal(size=(T, N, outputs)), None, np.array([4, 2, 3]))
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
