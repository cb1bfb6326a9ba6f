"""Cells of a user's own, written here outside the package: checked, trained, saved and loaded like those inside.

Peephole LSTM (Gers and Schmidhuber, 2000): the gates look at the memory, through one weight for each unit.

    PEEPHOLE-1   i  = sigmoid(a_i + w_i * c)
    PEEPHOLE-2   f  = sigmoid(a_f + w_f * c)
    PEEPHOLE-3   g  = tanh(a_g)
    PEEPHOLE-4   c' = f * c + i * g
    PEEPHOLE-5   o  = sigmoid(a_o + w_o * c')
    PEEPHOLE-6   h' = o * tanh(c')

IndRNN (Li et al., 2018): each unit sees its own past alone, through one weight.

    INDRNN-1     h' = relu(a + w * h)
"""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from tests.trained import TEXT, small

from throughtime import Cell, Network, cells, check_gradients, load
from throughtime.cells.functions import relu, sigmoid, tanh, where
from throughtime.errors import CellError
from throughtime.layers import Dense, OneHot, Recurrent
from throughtime.losses import SoftmaxCrossEntropy


def peephole_step(a, u, state, p):
    a_i, a_f, a_g, a_o = a
    _, c = state
    w_i, w_f, w_o = p
    i = sigmoid(a_i + w_i * c)  # PEEPHOLE-1
    f = sigmoid(a_f + w_f * c)  # PEEPHOLE-2
    g = tanh(a_g)  # PEEPHOLE-3
    c_new = f * c + i * g  # PEEPHOLE-4
    o = sigmoid(a_o + w_o * c_new)  # PEEPHOLE-5
    q = tanh(c_new)
    return (o * q, c_new), (i, f, g, o, q, c_new)  # PEEPHOLE-6


def peephole_step_back(d_state, state, saved, p):
    d_h, d_c_new = d_state
    _, c = state
    i, f, g, o, q, c_new = saved
    w_i, w_f, w_o = p
    d_a_o = d_h * q * o * (1 - o)  # PEEPHOLE-6, PEEPHOLE-5
    d_c_new = d_c_new + d_h * o * (1 - q * q) + d_a_o * w_o  # PEEPHOLE-6, PEEPHOLE-5
    d_a_g = d_c_new * i * (1 - g * g)  # PEEPHOLE-4, PEEPHOLE-3
    d_a_f = d_c_new * c * f * (1 - f)  # PEEPHOLE-4, PEEPHOLE-2
    d_a_i = d_c_new * g * i * (1 - i)  # PEEPHOLE-4, PEEPHOLE-1
    d_c = d_c_new * f + d_a_f * w_f + d_a_i * w_i  # PEEPHOLE-4, PEEPHOLE-2, PEEPHOLE-1
    return (d_a_i, d_a_f, d_a_g, d_a_o), (), (0.0, d_c), (d_a_i * c, d_a_f * c, d_a_o * c_new)


PEEPHOLE = Cell(
    "peephole-lstm",
    gates=("input", "forget", "candidate", "output"),
    states=("h", "c"),
    vectors={"w_i": 0.1, "w_f": 0.2, "w_o": (-0.1, 0.1)},
    bias={"forget": 1.0},
    step=peephole_step,
    step_back=peephole_step_back,
)


def indrnn_step(a, u, state, p):
    (h,), (w,) = state, p
    h_new = relu(a[0] + w * h)  # INDRNN-1
    return (h_new,), (h_new,)


def indrnn_step_back(d_state, state, saved, p):
    (d_h,), (h,), (h_new,), (w,) = d_state, state, saved, p
    d_a = where(h_new > 0, d_h, 0.0)  # INDRNN-1
    return (d_a,), (), (d_a * w,), (d_a * h,)


INDRNN = Cell(
    "indrnn",
    gates=("hidden",),
    states=("h",),
    vectors={"w": (-0.5, 0.9)},
    recurrent=False,
    step=indrnn_step,
    step_back=indrnn_step_back,
)

IMPOSTOR = Cell(
    "indrnn",
    gates=("hidden",),
    states=("h",),
    vectors={"w": (-0.5, 0.9)},
    recurrent=False,
    step=lambda a, u, state, p: ((tanh(a[0] + p[0] * state[0]),), (a[0],)),
    step_back=lambda d_state, state, saved, p: ((d_state[0],), (), (0.0,), (0.0,)),
)

own = pytest.mark.parametrize("cell", [PEEPHOLE, INDRNN], ids=lambda cell: cell.name)


@pytest.fixture
def saved(cell, tmp_path):
    """A model with an own cell, and the file that it is in."""
    model = small(cell=cell, max_steps=40).fit(TEXT)
    model.save(tmp_path / "model.safetensors")
    return model, tmp_path / "model.safetensors"


@pytest.fixture
def registry(monkeypatch):
    """The registry of cells, put back afterwards."""
    monkeypatch.setattr(cells, "REGISTRY", dict(cells.REGISTRY))


@own
def test_its_gradients_are_right(cell):
    assert check_gradients(cell).passed


@own
def test_its_gradients_are_right_in_a_network(cell):
    layers = [OneHot(3), Recurrent(cell, 3, 4), Dense(4, 3)]
    assert check_gradients(Network(layers, SoftmaxCrossEntropy(), random_state=0)).passed


@own
def test_its_per_unit_parameters_start_as_declared(cell):
    network = Network([Recurrent(cell, 3, 50, name="own")], random_state=0)
    for name, start in cell.vectors.items():
        w = network.parameters[f"own.{name}"]
        low, high = start if isinstance(start, tuple) else (start, start)
        assert w.shape == (50,)
        assert (w >= np.float32(low)).all()
        assert (w <= np.float32(high)).all()
        assert len(np.unique(w)) == (50 if isinstance(start, tuple) else 1)


def test_a_cell_that_is_not_recurrent_has_no_hidden_weights():
    network = Network([Recurrent(INDRNN, 3, 5, name="own")], random_state=0)
    assert sorted(network.parameters) == ["own.U", "own.b", "own.w"]


@own
def test_it_learns_a_text(cell):
    model = small(cell=cell, max_steps=150).fit(TEXT)
    assert model.history_.loss[-1] < 0.5 * model.history_.loss[0]
    assert len(model.generate(10, "to be", random_state=1)) == 10


@own
def test_its_own_parameters_learn_too(saved, cell):
    model, _ = saved
    for name, start in cell.vectors.items():
        w = model.network_.parameters[f"recurrent.0.{name}"]
        assert len(np.unique(w)) == len(w)
        assert isinstance(start, tuple) or not np.isclose(w, start).all()


@own
def test_loaded_with_its_cell_a_model_predicts_the_same(saved, cell):
    model, path = saved
    again = load(path, cells=[cells.LSTM, cell])
    assert np.array_equal(again.predict_proba(TEXT[:50]), model.predict_proba(TEXT[:50]))
    assert again.generate(30, random_state=1) == model.generate(30, random_state=1)


@own
def test_a_loaded_model_can_be_saved_cloned_and_trained_again(saved, cell, tmp_path):
    model, path = saved
    again = load(path, cells=[cell])
    again.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()
    assert clone(again).set_params(verbose=0).fit(TEXT).history_ == model.history_


@own
def test_loaded_without_its_cell_a_model_is_refused(saved, cell):
    with pytest.raises(CellError, match=rf"made with the cell '{cell.name}', which is not known here; pass it: cells="):
        load(saved[1])


@pytest.mark.parametrize("cell", [INDRNN])
def test_another_cell_of_the_same_name_is_refused(saved):
    with pytest.raises(CellError, match=r"made with another cell named 'indrnn' .*pass the one it was trained with"):
        load(saved[1], cells=[IMPOSTOR])


def test_a_cell_that_took_the_name_of_a_known_one_is_not_mistaken_for_it(tmp_path):
    mine = Cell("elman", ("hidden",), ("h",), lambda a, u, s, p: ((a[0],), ()), lambda d, s, k, p: (d, (), (0.0,), ()))
    small(cell=mine, max_steps=2).fit(TEXT).save(tmp_path / "model.safetensors")
    with pytest.raises(CellError, match="made with another cell named 'elman'"):
        load(tmp_path / "model.safetensors")
    assert load(tmp_path / "model.safetensors", cells=[mine]).network_.layers[1].cell == mine


@own
def test_a_registered_cell_needs_nothing(saved, cell, registry):
    model, path = saved
    cells.register(cell)
    assert np.array_equal(load(path).predict_proba("to be"), model.predict_proba("to be"))
    assert small(cell=cell.name, max_steps=40).fit(TEXT).history_ == model.history_


def test_two_cells_of_one_name_cannot_be_registered(registry):
    cells.register(INDRNN)
    assert cells.register(INDRNN) is INDRNN
    with pytest.raises(CellError, match="another cell is registered as 'indrnn'; give this one another name"):
        cells.register(IMPOSTOR)


@own
def test_a_model_with_it_travels_in_a_pickle(saved):
    model, _ = saved
    again = pickle.loads(pickle.dumps(model))
    assert again.generate(30, random_state=1) == model.generate(30, random_state=1)


@own
def test_it_may_be_stacked(cell):
    model = small(cell=cell, num_layers=2, residual=True, dropout=0.2, max_steps=10).fit(TEXT)
    assert model.history_.loss[-1] < model.history_.loss[0]


@pytest.mark.parametrize("cell", [INDRNN])
def test_the_file_holds_a_name_and_a_fingerprint_and_no_code(saved, cell):
    data = saved[1].read_bytes()
    assert cell.fingerprint.encode() in data
    assert b"indrnn_step" not in data
