"""Initial weights: where they lie, and what they depend on."""

from __future__ import annotations

import numpy as np
import pytest
from tests.tolerances import HAND, assert_close

from throughtime import initializers
from throughtime.cells import Cell
from throughtime.errors import ParameterError
from throughtime.initializers import INITIALIZERS, Initializer, ParameterSpec, identity
from throughtime.layers import Dense, Embedding, OneHot, Recurrent
from throughtime.network import Network


def fill(name, rows, columns, role="input", blocks=1):
    spec = ParameterSpec((rows, columns * blocks), role, blocks)
    return initializers.get(name).fill(spec, np.random.default_rng(0))


def blocks_of(weights, count):
    return np.split(weights, count, axis=1)


def test_uniform_fills_its_bounds_and_keeps_them():
    weights = fill("uniform", 25, 400, blocks=2)  # 1/sqrt(25) = 0.2, whatever the number of units
    assert np.abs(weights).max() < 0.2
    assert weights.min() < -0.199
    assert weights.max() > 0.199
    assert abs(weights.mean()) < 5 * 0.2 / np.sqrt(3 * weights.size)


def test_normal_has_its_spread():
    weights = fill("normal", 100, 200)
    assert weights.std() == pytest.approx(0.01, rel=5 / np.sqrt(2 * weights.size))
    assert abs(weights.mean()) < 5 * 0.01 / np.sqrt(weights.size)


@pytest.mark.parametrize("count", [1, 4])
def test_glorot_counts_the_rows_and_the_columns_of_a_block(count):
    weights = fill("glorot", 14, 400, blocks=count)
    bound = 0.12038585308576922  # sqrt(6 / (14 + 400))
    assert np.abs(weights).max() < bound
    assert np.abs(weights).max() > 0.99 * bound


@pytest.mark.parametrize(("rows", "columns"), [(5, 5), (7, 3), (3, 7)])
def test_every_block_is_orthogonal(rows, columns):
    weights = fill("orthogonal", rows, columns, "hidden", blocks=3)
    assert weights.shape == (rows, 3 * columns)
    blocks = blocks_of(weights, 3)
    for q in blocks:
        product = q.T @ q if rows >= columns else q @ q.T
        assert_close(product, np.eye(min(rows, columns)), HAND)
    assert not np.allclose(blocks[0], blocks[1])


def test_orthogonal_matrices_are_drawn_without_a_preferred_sign():
    rng = np.random.default_rng(0)
    spec = ParameterSpec((4, 4), "hidden")
    signs = [np.linalg.det(INITIALIZERS["orthogonal"].fill(spec, rng)) for _ in range(200)]
    corner = [INITIALIZERS["orthogonal"].fill(spec, rng)[0, 0] for _ in range(200)]
    assert abs(np.sum(np.sign(signs))) < 5 * np.sqrt(200)
    assert abs(np.mean(corner)) < 5 * 0.5 / np.sqrt(200)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_identity_joins_each_unit_with_itself_in_every_block(scale):
    made = identity(scale)
    weights = made.fill(ParameterSpec((3, 12), "hidden", 4), np.random.default_rng(0))
    for block in blocks_of(weights, 4):
        np.testing.assert_array_equal(block, scale * np.eye(3))
    others = made.fill(ParameterSpec((100, 200), "input"), np.random.default_rng(0))
    assert others.std() == pytest.approx(0.001, rel=5 / np.sqrt(2 * others.size))


def test_identity_says_its_scale():
    assert identity().name == "identity"
    assert identity(0.5).name == "identity:0.5"


def test_the_forget_bias_of_an_lstm_is_one_and_every_other_bias_zero():
    network = Network([Recurrent("lstm", 2, 3, name="r"), Dense(3, 2)], random_state=0)
    assert network.parameters["r.b"].tolist() == [0.0] * 3 + [1.0] * 3 + [0.0] * 6
    assert network.parameters["output.c"].tolist() == [0.0] * 2


@pytest.mark.parametrize("name", INITIALIZERS)
def test_biases_do_not_depend_on_the_initializer(name):
    network = Network([Recurrent("gru", 2, 3, name="r")], initializer=name, random_state=0)
    assert not network.parameters["r.b"].any()
    assert not network.parameters["r.e"].any()


def test_vectors_start_where_their_cell_says():
    def step(a, u, state, p):
        return (a[0] + p[0] * state[0] + p[1],), ()

    def step_back(d_state, state, saved, p):
        (d,) = d_state
        return (d,), (), (d * p[0],), (d * state[0], d)

    vectors = {"decay": (0.25, 0.75), "shift": 2.0}
    cell = Cell("mine", ["hidden"], ["h"], step, step_back, vectors=vectors, recurrent=False)
    network = Network([Recurrent(cell, 2, 500, name="r")], random_state=0)
    decay = network.parameters["r.decay"]
    assert decay.min() >= 0.25
    assert decay.max() <= 0.75
    assert decay.max() - decay.min() > 0.45
    assert set(network.parameters["r.shift"]) == {2.0}
    assert "r.W" not in network.parameters


def parameters(*layers, seed=7, name="glorot"):
    return Network(layers, initializer=name, random_state=seed).parameters


@pytest.mark.parametrize("name", INITIALIZERS)
def test_the_weights_of_a_layer_do_not_depend_on_the_other_layers(name):
    alone = parameters(Recurrent("gru", 4, 3, name="r"), name=name)
    among = parameters(
        Embedding(5, 4), Recurrent("gru", 4, 3, name="r"), Recurrent("lstm", 3, 3), Dense(3, 2), name=name
    )
    for key, weights in alone.items():
        np.testing.assert_array_equal(among[key], weights)


def test_weights_depend_on_the_seed_and_on_the_name():
    first, same, other, renamed = (
        parameters(OneHot(5), Dense(5, 3, name=name), seed=seed)
        for name, seed in (("o", 7), ("o", 7), ("o", 8), ("p", 7))
    )
    np.testing.assert_array_equal(first["o.V"], same["o.V"])
    assert np.all(first["o.V"] != other["o.V"])
    assert np.all(first["o.V"] != renamed["p.V"])


def test_the_gates_of_a_cell_are_drawn_each_for_itself():
    blocks = blocks_of(parameters(Recurrent("lstm", 4, 3, name="r"))["r.U"], 4)
    assert len({block.tobytes() for block in blocks}) == 4


def test_get_finds_by_name_and_lets_an_initializer_through():
    ones = Initializer("ones", lambda rng, rows, columns, role: np.ones((rows, columns)))
    assert initializers.get(ones) is ones
    assert initializers.get("glorot") is INITIALIZERS["glorot"]
    assert set(parameters(Dense(2, 3), name=ones)["output.V"].ravel()) == {1.0}


@pytest.mark.parametrize("wrong", ["xavier", None, 3, ["glorot"]], ids=repr)
def test_an_unknown_initializer_is_refused_with_the_known_ones(wrong):
    with pytest.raises(ParameterError, match=r"initializer must be one of 'uniform', .* and 'orthogonal', got"):
        initializers.get(wrong)
