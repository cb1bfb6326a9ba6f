"""What fits together, what does not, and what a layer says of itself."""

from __future__ import annotations

import numpy as np
import pytest

from throughtime import cells
from throughtime.errors import ParameterError, ShapeError
from throughtime.layers import (
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    OneHot,
    Recurrent,
    Residual,
    Stacked,
    VariationalDropout,
    recurrent_stack,
)
from throughtime.losses import SoftmaxCrossEntropy
from throughtime.network import Batch, Network


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "a network needs at least one layer"),
        (
            [Recurrent("gru", 2, 3), Dense(4, 1)],
            "layer 1 (dense) takes inputs of size 4, the layer before gives 3",
        ),
        (
            [OneHot(5), Recurrent("lstm", 4, 3)],
            "layer 1 (lstm of 3) takes inputs of size 4, the layer before gives 5",
        ),
        (
            [Bidirectional("gru", 2, 3), Dropout(0.5), Dense(3, 1)],
            "layer 2 (dense) takes inputs of size 3, the layer before gives 6",
        ),
        (
            [Dense(2, 5), Embedding(5, 3)],
            "layer 1 (embedding of 5 symbols) takes token ids, so it must be the first layer",
        ),
        ([OneHot(5), OneHot(5)], "layer 1 (one-hot rows of 5 symbols) takes token ids, so it must be the first layer"),
    ],
)
def test_layers_that_do_not_fit_are_refused(layers, message):
    with pytest.raises(ShapeError) as caught:
        Stacked(layers)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("layers", "name"),
    [
        ([Recurrent("gru", 3, 3), Recurrent("gru", 3, 3)], "recurrent"),
        ([Recurrent("gru", 3, 3, name="a.b"), Recurrent("lstm", 3, 3, name="a.b")], "a.b"),
        ([Dense(3, 3), Dense(3, 3)], "output"),
        ([Recurrent("gru", 3, 3, name="output"), Dense(3, 3), Dense(3, 3)], "output"),
        ([Bidirectional("gru", 3, 3), Recurrent("gru", 6, 3, name="recurrent.forward")], "recurrent.forward"),
        ([Dense(3, 3), Residual(Stacked([Recurrent("gru", 3, 3), Dense(3, 3)]))], "output"),
    ],
    ids=["recurrent", "dotted", "dense", "third", "direction", "inside"],
)
def test_two_layers_of_one_name_are_refused(layers, name):
    with pytest.raises(ShapeError) as caught:
        Stacked(layers)
    assert str(caught.value) == f"two layers are called {name!r}; give one another name="


@pytest.mark.parametrize(
    ("layer", "sizes"),
    [
        (Recurrent("gru", 2, 3), "2 and 3"),
        (Bidirectional("gru", 3, 3), "3 and 6"),
        (Embedding(3, 3), "3 and 3"),
        (OneHot(3), "3 and 3"),
    ],
    ids=["recurrent", "both directions", "embedding", "one-hot"],
)
def test_a_residual_layer_needs_one_size(layer, sizes):
    with pytest.raises(ShapeError) as caught:
        Residual(layer)
    message = f"a residual layer needs inputs and outputs of one size; {layer.describe()} has {sizes}"
    assert str(caught.value) == message


def test_an_unknown_cell_is_refused_where_the_layer_is_made():
    with pytest.raises(ParameterError, match="cell must be one of"):
        Recurrent("rnn", 2, 3)


@pytest.mark.parametrize("name", cells.names())
def test_a_recurrent_layer_has_the_parameters_of_the_alphabet(name):
    cell, D, H = cells.get(name), 2, 3
    G, A = len(cell.gates), len(cell.apart)
    expected = {"r.U": (D, G * H), "r.b": (G * H,)}
    expected |= {"r.W": (H, G * H)} if cell.recurrent else {}
    expected |= {"r.e": (A * H,)} if A else {}
    expected |= {f"r.{vector}": (H,) for vector in cell.vectors}
    layer = Recurrent(cell, D, H, name="r")
    assert {key: spec.shape for key, spec in layer.specs().items()} == expected
    assert layer.states() == {"r": (H,) * len(cell.states)}
    assert (layer.input_size, layer.output_size) == (D, H)


def test_a_bidirectional_layer_is_its_two_directions_side_by_side():
    rng = np.random.default_rng(0)
    layer = Bidirectional("lstm", 2, 3, name="r")
    both = Network([layer], dtype="float64", random_state=0)
    x, lengths = rng.normal(size=(5, 3, 2)), np.array([5, 3, 1])
    outputs, state = both.forward(x, lengths=lengths)
    for part, direction in zip(np.split(outputs, 2, axis=2), layer.directions(), strict=True):
        alone = Network([direction], dtype="float64")
        alone.set_parameters({name: both.parameters[name] for name in alone.parameters})
        expected, final = alone.forward(x, lengths=lengths)
        np.testing.assert_array_equal(part, expected)
        np.testing.assert_array_equal(state[direction.name], final[direction.name])
    assert layer.reads_ahead
    assert layer.output_size == 6


def test_a_residual_layer_adds_its_input():
    rng = np.random.default_rng(0)
    layer = Recurrent("gru", 3, 3)
    plain, shortcut = (Network([made], dtype="float64", random_state=0) for made in (layer, Residual(layer)))
    x = rng.normal(size=(4, 2, 3))
    np.testing.assert_array_equal(shortcut.forward(x)[0], x + plain.forward(x)[0])


def test_a_recurrent_stack_is_laid_out_as_it_says():
    layers = recurrent_stack(
        "gru", 4, 3, num_layers=3, bidirectional=True, residual=True, dropout=0.1, variational_dropout=0.2
    )
    assert [layer.describe() for layer in layers] == [
        "gru of 3, both directions",
        "dropout 0.1",
        "variational dropout 0.2",
        "gru of 3, both directions, dropout 0.1, variational dropout 0.2, residual",
        "gru of 3, both directions, dropout 0.1, variational dropout 0.2, residual",
    ]
    assert [layer.input_size for layer in layers] == [4, None, None, 6, 6]
    assert list(Stacked(layers).states()) == [
        f"recurrent.{number}.{way}" for number in range(3) for way in ("forward", "backward")
    ]
    assert Stacked(layers).output_size == 6
    assert [layer.describe() for layer in recurrent_stack("lstm", 4, 3)] == ["lstm of 3"]
    names = [layer.name for layer in recurrent_stack("gru", 4, 4, num_layers=2, dropout=0.5)]
    assert names == ["recurrent.0", "dropout.0", "recurrent.1", "dropout.1"]


def test_what_a_layer_says_of_itself():
    assert Recurrent("elman-relu", 2, 3).describe() == "elman-relu of 3"
    assert Recurrent("gru", 2, 3, reverse=True).describe() == "gru of 3, reversed"
    assert VariationalDropout(0.25).describe() == "variational dropout 0.25"
    assert Stacked([OneHot(3), Dense(3, 2)]).describe() == "one-hot rows of 3 symbols, dense"
    assert Stacked([OneHot(3), Dense(3, 2)]).takes_ids
    assert (Stacked([OneHot(3), Dense(3, 2)]).input_size, Stacked([Dropout(0.5)]).output_size) == (3, None)
    assert [Recurrent("gru", 2, 3, reverse=reverse).reads_ahead for reverse in (False, True)] == [False, True]


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_a_one_hot_row_is_looked_up_and_never_multiplied_by_zero(cell):
    network = Network(
        [OneHot(4), Recurrent(cell, 4, 3, name="r"), Dense(3, 4)],
        SoftmaxCrossEntropy(),
        dtype="float64",
        random_state=0,
    )
    network.parameters["r.U"][3] = np.inf
    network.changed()
    ids = np.array([[0, 1], [2, 0], [1, 1]])
    outputs, _ = network.forward(ids)
    assert np.isfinite(outputs).all()
    found = network.loss_and_gradients(Batch(ids, ids))
    assert all(np.isfinite(gradient).all() for gradient in found.parameters.values())
    assert not found.parameters["r.U"][3].any()
    assert found.parameters["r.U"][:3].all()


def test_a_dense_layer_looks_up_one_hot_rows_too():
    network = Network([OneHot(3), Dense(3, 2)], SoftmaxCrossEntropy(), dtype="float64", random_state=0)
    network.parameters["output.V"][2] = np.inf
    network.changed()
    ids = np.array([[0, 1]])
    outputs, _ = network.forward(ids)
    np.testing.assert_array_equal(outputs[0], network.parameters["output.V"][:2] + network.parameters["output.c"])
    assert all(np.isfinite(d).all() for d in network.loss_and_gradients(Batch(ids, ids)).parameters.values())


def test_a_symbol_that_does_not_occur_has_no_gradient_in_the_embedding():
    network = Network([Embedding(4, 3), Dense(3, 4)], SoftmaxCrossEntropy(), dtype="float64", random_state=0)
    ids = np.array([[0, 3], [3, 3]])
    found = network.loss_and_gradients(Batch(ids, ids)).parameters["embedding.table"]
    assert found[[0, 3]].all()
    assert not found[[1, 2]].any()
