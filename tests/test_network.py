"""The network as a whole: streaming, parameters, what is refused, and what it says of itself."""

from __future__ import annotations

import numpy as np
import pytest
from tests.tolerances import ROWS, assert_close

from throughtime import cells
from throughtime.engine.protocol import Sampling
from throughtime.errors import NonFiniteLoss, ParameterError, ShapeError
from throughtime.layers import (
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    Noise,
    OneHot,
    Recurrent,
    Residual,
    recurrent_stack,
)
from throughtime.losses import SoftmaxCrossEntropy, SquaredError
from throughtime.network import Batch, Network
from throughtime.optimizers import Optimizer


def symbols(**options):
    """Symbols in, symbols out."""
    layers = [OneHot(5), *recurrent_stack("lstm", 5, 4, num_layers=2), Dense(4, 5)]
    return Network(layers, SoftmaxCrossEntropy(), random_state=0, **options)


def numbers(**options):
    return Network([Recurrent("gru", 2, 3, name="r"), Dense(3, 1)], SquaredError(), random_state=0, **options)


IDS = np.random.default_rng(0).integers(5, size=(6, 3))
X = np.random.default_rng(1).normal(size=(6, 3, 2))


# ---------------------------------------------------------------------- forward and streaming


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", cells.names())
def test_symbol_by_symbol_is_as_the_whole(name, dtype):
    layers = [Embedding(5, 2), *recurrent_stack(name, 2, 4, num_layers=2), Dense(4, 5)]
    network = Network(layers, dtype=dtype, random_state=0)
    whole, final = network.forward(IDS)
    state = None
    for t, ids in enumerate(IDS):
        outputs, state = network.step(ids, state)
        assert_close(outputs, whole[t], ROWS[dtype])
    for key, values in final.items():
        for value, expected in zip(state[key], values, strict=True):
            assert_close(value, expected, ROWS[dtype])


def test_numbers_go_step_by_step_too():
    network = numbers(dtype="float64")
    whole, _ = network.forward(X)
    first, state = network.step(X[0])
    second, _ = network.step(X[1], state)
    assert_close(np.stack([first, second]), whole[:2], ROWS["float64"])


def test_the_state_is_a_value_that_can_be_forked():
    network = symbols(dtype="float64")
    _, state = network.forward(IDS[:3])
    kept = {name: tuple(s.copy() for s in states) for name, states in state.items()}
    one, _ = network.forward(IDS[3:], state)
    network.forward(IDS[::-1], state)
    again, _ = network.forward(IDS[3:], state)
    np.testing.assert_array_equal(again, one)
    for name, states in kept.items():
        np.testing.assert_array_equal(state[name], states)


def test_the_state_starts_at_zero():
    network = symbols(dtype="float64")
    zeros = network.initial_state(3)
    assert {name: [s.shape for s in states] for name, states in zeros.items()} == {
        "recurrent.0": [(3, 4)] * 2,
        "recurrent.1": [(3, 4)] * 2,
    }
    assert not any(s.any() for states in zeros.values() for s in states)
    np.testing.assert_array_equal(network.forward(IDS, zeros)[0], network.forward(IDS)[0])


def test_outputs_after_the_end_of_a_row_are_those_of_zero_states():
    network = symbols(dtype="float64")
    network.parameters["output.c"][:] = np.arange(5)
    network.changed()
    outputs, _ = network.forward(IDS, lengths=[6, 2, 0])
    np.testing.assert_array_equal(outputs[2:, 1], np.tile(np.arange(5.0), (4, 1)))
    np.testing.assert_array_equal(outputs[:, 2], np.tile(np.arange(5.0), (6, 1)))


def test_a_network_that_reads_ahead_has_no_next_step():
    for layer in (Bidirectional("gru", 2, 3), Recurrent("gru", 2, 3, reverse=True)):
        with pytest.raises(ParameterError, match="cannot go step by step; give it whole rows"):
            Network([layer]).step(X[0])


# ---------------------------------------------------------------------- loss and gradients


def test_the_loss_alone_is_the_loss_with_gradients():
    network = symbols(dtype="float64")
    batch = Batch(IDS, IDS[::-1], np.ones((6, 3)), np.array([6, 4, 1]))
    loss, state = network.loss(batch)
    found = network.loss_and_gradients(batch)
    assert found.loss == pytest.approx(loss, rel=ROWS["float64"])
    assert found.parameters.keys() == network.parameters.keys()
    for name, states in state.items():
        for value, expected in zip(found.state[name], states, strict=True):
            np.testing.assert_array_equal(value, expected)
    assert found.d_x is None
    assert found.d_state.keys() == state.keys()


def test_a_new_network_knows_nothing():
    network = symbols(dtype="float64", initializer="normal")
    loss, _ = network.loss(Batch(IDS, IDS))
    assert loss == pytest.approx(1.6094379124341003, rel=0.01)  # ln 5: all symbols alike


def test_the_gradient_of_the_input_comes_where_it_is_asked_for():
    network = numbers(dtype="float64")
    batch = Batch(X, np.zeros((6, 3, 1)))
    assert network.loss_and_gradients(batch).d_x is None
    d_x = network.loss_and_gradients(batch, needs_input=True).d_x
    step = np.zeros_like(X)
    step[2, 1, 0] = 1e-5
    up, down = (network.loss(Batch(X + sign * step, batch.targets))[0] for sign in (1, -1))
    assert d_x[2, 1, 0] == pytest.approx((up - down) / 2e-5, rel=1e-6)
    assert d_x.shape == X.shape


def test_noise_is_on_only_where_it_is_given_and_depends_on_its_step():
    layers = [OneHot(5), Recurrent("gru", 5, 8), Dropout(0.5), Dense(8, 5)]
    network = Network(layers, SoftmaxCrossEntropy(), dtype="float64", random_state=0)
    batch = Batch(IDS, IDS)
    clean = network.loss_and_gradients(batch).loss
    losses = [network.loss_and_gradients(batch, noise=Noise(1, step)).loss for step in (0, 1, 0)]
    assert clean == network.loss(batch)[0]
    assert losses[0] == losses[2]
    assert len({clean, *losses}) == 3


@pytest.mark.parametrize("cell", cells.names())
def test_a_few_steps_of_training_lower_the_loss(cell):
    network = Network(
        [OneHot(5), Recurrent(cell, 5, 8), Dense(8, 5)], SoftmaxCrossEntropy(), dtype="float64", random_state=0
    )
    batch, optimizer = Batch(IDS, IDS), Optimizer("adam")
    before, _ = network.loss(batch)
    for step in range(30):
        gradients = network.loss_and_gradients(batch).parameters
        optimizer.apply(network.engine, network.parameters, gradients, step=step, learning_rate=0.03)
    assert network.loss(batch)[0] < 0.5 * before


@pytest.mark.parametrize("lengths", [None, np.array([6, 2, 0])], ids=["whole", "padded"])
def test_float32_in_float32_out(lengths):
    network = numbers()
    weights = np.ones((6, 3), np.float32)
    outputs, state = network.forward(X, lengths=lengths)
    batch = Batch(X.astype(np.float32), np.zeros((6, 3, 1), np.float32), weights, lengths)
    found = network.loss_and_gradients(batch, needs_input=True, noise=Noise(0, 0))
    arrays = [outputs, *state["r"], *found.parameters.values(), found.d_x, *found.d_state["r"], *found.state["r"]]
    assert {array.dtype for array in arrays} == {np.dtype("float32")}
    assert {w.dtype for w in network.parameters.values()} == {np.dtype("float32")}
    numpy = network.copy(engine="numpy")
    cut = numpy.loss_and_gradients(batch, needs_input=True, bptt_truncate=2)
    assert {array.dtype for array in (*cut.parameters.values(), cut.d_x, *cut.d_state["r"])} == {np.dtype("float32")}


def test_float32_agrees_with_float64():
    rough = symbols()
    exact = rough.copy(dtype="float64")
    batch = Batch(IDS, IDS)
    one, other = (network.loss_and_gradients(batch) for network in (rough, exact))
    assert one.loss == pytest.approx(other.loss, rel=ROWS["float32"])
    for name, gradient in one.parameters.items():
        assert_close(gradient.astype(np.float64), other.parameters[name], ROWS["float32"], name)


# ---------------------------------------------------------------------- parameters


def test_set_parameters_copies_values_in():
    network, other = symbols(), Network(symbols().layers, random_state=1)
    held = network.parameters["output.V"]
    network.set_parameters(other.parameters)
    assert network.parameters["output.V"] is held
    for name, w in network.parameters.items():
        np.testing.assert_array_equal(w, other.parameters[name])
    other.parameters["output.V"][:] = 0
    assert held.any()


def test_set_parameters_takes_another_dtype():
    network = symbols()
    network.set_parameters({name: w.astype(np.float64) for name, w in network.parameters.items()})
    assert network.parameters["output.V"].dtype == np.float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.pop("output.V"), r"parameter 'output.V': expected the shape \[4, 5\], got none"),
        (lambda p: p.update(extra=np.zeros(2)), r"parameter 'extra': expected none, got the shape \[2\]"),
        (
            lambda p: p.update({"output.c": np.zeros((5, 1))}),
            r"parameter 'output.c': expected the shape \[5\], got the shape \[5, 1\]",
        ),
    ],
    ids=["missing", "unknown", "shape"],
)
def test_set_parameters_refuses_what_does_not_fit_and_changes_nothing(change, message):
    network = symbols()
    before = {name: w.copy() for name, w in network.parameters.items()}
    parameters = {name: w + 1 for name, w in before.items()}
    change(parameters)
    with pytest.raises(ShapeError, match=message):
        network.set_parameters(parameters)
    for name, w in network.parameters.items():
        np.testing.assert_array_equal(w, before[name])


def test_a_copy_has_the_same_weights_and_its_own_arrays():
    network = symbols()
    other = network.copy(dtype="float64")
    for name, w in network.parameters.items():
        np.testing.assert_array_equal(other.parameters[name], w)
        assert other.parameters[name].dtype == np.float64
        assert not np.shares_memory(other.parameters[name], w)
    assert other.objective is network.objective
    other.parameters["output.V"][:] = 0
    assert network.parameters["output.V"].any()


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("make", "x", "message"),
    [
        (symbols, np.zeros((6, 3)), r"inputs must be token ids \[T, N\], got float64 of shape \[6, 3\]"),
        (symbols, np.zeros(6, int), r"inputs must be token ids \[T, N\], got int64 of shape \[6\]"),
        (symbols, np.array([[0, 5]]), "token ids must be from 0 to 4, got 0 to 5"),
        (symbols, np.array([[-1, 3]]), "token ids must be from 0 to 4, got -1 to 3"),
        (symbols, np.zeros((0, 3), int), r"at least one time step and one row, got shape \[0, 3\]"),
        (numbers, np.zeros((6, 3)), r"inputs must be numbers \[T, N, 2\], got shape \[6, 3\]"),
        (numbers, np.zeros((6, 3, 4)), r"inputs must be numbers \[T, N, 2\], got shape \[6, 3, 4\]"),
        (numbers, np.zeros((6, 0, 2)), r"at least one time step and one row, got shape \[6, 0, 2\]"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(make, x, message):
    with pytest.raises(ShapeError, match=message):
        make().forward(x)


@pytest.mark.parametrize("lengths", [[6, 3], [6, 3, 7], [6, -1, 3], [[6, 3, 1]]], ids=str)
def test_lengths_that_do_not_fit_are_refused(lengths):
    with pytest.raises(ShapeError, match="lengths must be 3 integers from 0 to 6, got"):
        numbers().forward(X, lengths=lengths)


@pytest.mark.parametrize(
    "state",
    [{}, {"r": ()}, {"r": (np.zeros((3, 3)), np.zeros((3, 3)))}, {"r": (np.zeros((2, 3)),)}],
    ids=["none", "empty", "too many", "rows"],
)
def test_a_state_that_does_not_fit_is_refused(state):
    with pytest.raises(ShapeError, match=r"state 'r' must be 1 arrays \[3, 3\], got shapes"):
        numbers().forward(X, state)


def test_a_loss_is_needed_to_learn():
    network = Network([Dense(2, 1)])
    for call in (network.loss, network.loss_and_gradients):
        with pytest.raises(ParameterError, match=r"the network was made without a loss; pass loss= to Network"):
            call(Batch(X, np.zeros((6, 3, 1))))


def test_targets_and_weights_must_fit_the_outputs():
    network = numbers()
    with pytest.raises(ShapeError, match=r"targets must have the shape of the outputs, \[6, 3, 1\], got \[6, 3, 2\]"):
        network.loss(Batch(X, np.zeros((6, 3, 2))))
    with pytest.raises(ShapeError, match=r"weights must be \[6, 3\] or \[6, 3, 1\], got \[6, 1\]"):
        network.loss_and_gradients(Batch(X, np.zeros((6, 3, 1)), np.zeros((6, 1))))


# ---------------------------------------------------------------------- what it says of itself


def test_the_summary_counts_the_parameters():
    network = Network([Embedding(10, 4), Recurrent("gru", 4, 3, name="r"), Dropout(0.5), Dense(3, 10)])
    summary = network.summary(seq_len=7, batch_size=2)
    # 10 * 4;  U 4 * 9, W 3 * 9, b 9, e 3;  V 3 * 10, c 10
    assert [row.parameters for row in summary.layers] == [40, 75, 0, 40]
    assert summary.parameters == 155 == sum(w.size for w in network.parameters.values())
    text = str(summary)
    for line in ("r.W", "3 x 9", "dropout 0.5", "155", "a training step of 2 rows of 7 steps takes about"):
        assert line in text


def test_the_memory_in_the_summary_grows_with_the_batch_and_the_length():
    network = symbols()
    weights = sum(w.nbytes for w in network.parameters.values())
    small, long, wide = (network.summary(seq_len=T, batch_size=N).step_bytes for T, N in ((10, 2), (20, 2), (10, 4)))
    assert small > 4 * weights
    assert small < long < 2 * small
    assert small < wide < 2 * small
    assert network.summary(slots=0).step_bytes == network.summary().step_bytes - 2 * weights


def test_a_network_prints_its_layers_and_size():
    assert repr(numbers()) == "Network(gru of 3, dense; 61 parameters)"  # 2 * 9 + 3 * 9 + 9 + 3 + 3 + 1


@pytest.mark.parametrize("junk", [np.nan, np.inf, 1e30])
def test_padding_may_hold_anything(junk):
    rng = np.random.default_rng(0)
    network = Network([Recurrent("lstm", 2, 3), Dense(3, 1)], SquaredError(), random_state=0, dtype="float64")
    x, lengths = rng.normal(size=(4, 2, 2)), np.array([4, 2])
    weights = (np.arange(4)[:, None] < lengths).astype(float)
    clean = Batch(x, rng.normal(size=(4, 2, 1)), weights, lengths)
    dirty_x = x.copy()
    dirty_x[2:, 1] = junk
    dirty = Batch(dirty_x, clean.targets, weights, lengths)
    found, expected = network.loss_and_gradients(dirty), network.loss_and_gradients(clean)
    assert found.loss == expected.loss
    assert all(np.array_equal(found.parameters[name], expected.parameters[name]) for name in expected.parameters)


@pytest.mark.parametrize("target", [-1, 5])
def test_a_counted_target_must_be_a_symbol_and_another_may_be_anything(target):
    network = Network([OneHot(5), Recurrent("gru", 5, 3), Dense(3, 5)], SoftmaxCrossEntropy(), random_state=0)
    x = np.zeros((2, 1), int)
    targets = np.array([[0], [target]])
    with pytest.raises(ShapeError, match=f"targets must be from 0 to 4, got {min(0, target)} to {max(0, target)}"):
        network.loss_and_gradients(Batch(x, targets))
    assert np.isfinite(network.loss_and_gradients(Batch(x, targets, weights=np.array([[1.0], [0.0]]))).loss)


def test_a_state_of_another_dtype_is_cast():
    network = Network([OneHot(5), Recurrent("gru", 5, 3), Dense(3, 5)], random_state=0)
    state = {"recurrent": (np.zeros((2, 3), np.float64),)}
    outputs, final = network.forward(np.zeros((3, 2), int), state, lengths=np.array([3, 1]))
    assert outputs.dtype == final["recurrent"][0].dtype == np.float32


def test_a_copy_keeps_its_dtype():
    assert Network([Dense(1, 1)], dtype="float64", random_state=0).copy().engine.dtype == np.float64


@pytest.mark.parametrize("layer", [Dropout(0.5), Residual(Recurrent("gru", 5, 5))])
def test_one_hot_rows_go_only_where_they_are_looked_up(layer):
    with pytest.raises(ShapeError, match="cannot take one-hot rows; use an Embedding instead"):
        Network([OneHot(5), layer])


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, float("nan")])
def test_a_share_that_is_none_cannot_be_dropped(rate):
    with pytest.raises(ParameterError, match="dropout must be at least 0 and below 1"):
        Dropout(rate)


def test_two_dropouts_must_not_share_their_random_numbers():
    with pytest.raises(ShapeError, match="two layers are called 'dropout'"):
        Network([Dense(2, 2), Dropout(0.5), Dropout(0.5)])


def test_outputs_that_are_no_numbers_are_not_written_on():
    network = Network([OneHot(5), Recurrent("gru", 5, 3), Dense(3, 5)], random_state=0)
    outputs, state = network.step(np.array([1]))
    network.parameters["output.c"][:] = np.nan
    pieces = network.engine.generate(network, outputs, state, 3, Sampling(), (1, 2))
    next(pieces)
    with pytest.raises(NonFiniteLoss, match="not finite"):
        next(pieces)
