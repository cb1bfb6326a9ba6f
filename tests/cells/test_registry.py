"""Cells by name, and on their way through pickle and model files."""

from __future__ import annotations

import copy
import pickle

import cloudpickle
import pytest

from throughtime import cells
from throughtime.cells import Cell
from throughtime.cells.functions import tanh
from throughtime.errors import CellError, ParameterError


def step(a, u, state, p):
    h = tanh(a[0])
    return (h,), (h,)


def step_back(d_state, state, saved, p):
    (h,) = saved
    return (d_state[0] * (1 - h * h),), (), (0.0,), ()


def make(name="mine", factor=1.0):
    def scaled(a, u, state, p):
        (h,), saved = step(a, u, state, p)
        return (factor * h,), saved

    return Cell(name, gates=("hidden",), states=("h",), step=scaled, step_back=step_back)


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(cells, "REGISTRY", dict(cells.REGISTRY))


def test_the_names_are_sorted_and_hold_the_three_families():
    assert cells.names() == tuple(sorted(cells.names()))
    assert {"elman", "elman-relu", "elman-sigmoid", "gru", "lstm"} <= set(cells.names())


@pytest.mark.parametrize("name", cells.names())
def test_get_finds_a_cell_by_its_name_and_lets_a_cell_through(name):
    cell = cells.get(name)
    assert cell.name == name
    assert cells.get(cell) is cell


@pytest.mark.parametrize("wrong", ["rnn", "GRU", None, 3, ["gru"]], ids=repr)
def test_an_unknown_cell_is_refused_with_the_known_ones(wrong):
    with pytest.raises(ParameterError, match=r"cell must be one of '.* or a throughtime.Cell"):
        cells.get(wrong)


def test_elman_by_activation_is_elman_by_name():
    assert cells.elman() == cells.get("elman") == cells.elman("tanh")
    for activation in ("relu", "sigmoid"):
        assert cells.elman(activation) == cells.get(f"elman-{activation}")


@pytest.mark.usefixtures("registry")
def test_register_makes_a_cell_known():
    cell = cells.register(make())
    assert cells.get("mine") is cell
    assert "mine" in cells.names()


@pytest.mark.usefixtures("registry")
def test_registering_the_same_cell_twice_is_no_conflict_and_another_of_its_name_is():
    first = cells.register(make())
    cells.register(make())
    with pytest.raises(CellError, match="another cell is registered as 'mine'; give this one another name"):
        cells.register(make(factor=2.0))
    assert cells.get("mine") is first


def test_match_takes_a_candidate_first_then_a_registered_cell():
    mine = make()
    assert cells.match("mine", mine.fingerprint, [cells.GRU, mine]) is mine
    assert cells.match("gru", cells.GRU.fingerprint, [mine]) is cells.GRU


def test_match_refuses_another_fingerprint():
    saved, here = make(), make(factor=2.0)
    with pytest.raises(CellError) as caught:
        cells.match("mine", saved.fingerprint, [here])
    message = str(caught.value)
    assert message.startswith("the model was made with another cell named 'mine' (fingerprint ")
    assert saved.fingerprint[:12] in message
    assert here.fingerprint[:12] in message
    assert "cells=[...]" in message


def test_a_candidate_does_not_hide_behind_a_registered_name():
    impostor = make("gru")
    with pytest.raises(CellError, match="another cell named 'gru'"):
        cells.match("gru", cells.GRU.fingerprint, [impostor])


def test_match_refuses_an_unknown_name():
    with pytest.raises(CellError, match=r"made with the cell 'mine', which is not known here; pass it: cells="):
        cells.match("mine", "0" * 64)


def test_cells_are_equal_when_they_compute_the_same():
    assert make() == make()
    assert hash(make()) == hash(make())
    assert make() != make(factor=2.0)
    assert make() != make("other")
    assert make() != "mine"
    assert len({make(), make(), cells.GRU}) == 2


def lstm(forget):
    made_of = cells.LSTM
    bias = {"forget": forget}
    return Cell("lstm", made_of.gates, made_of.states, made_of.step, made_of.step_back, bias=bias)


def test_a_cell_that_starts_elsewhere_is_another_cell_but_takes_the_same_model():
    assert lstm(1.0) == cells.LSTM
    assert lstm(5.0) != cells.LSTM
    assert lstm(5.0).fingerprint == cells.LSTM.fingerprint
    assert cells.match("lstm", lstm(5.0).fingerprint) is cells.LSTM
    with pytest.raises(CellError, match="another cell is registered as 'lstm'"):
        cells.register(lstm(5.0))


TRAVELS = {
    "pickle": lambda cell: pickle.loads(pickle.dumps(cell)),
    "cloudpickle": lambda cell: cloudpickle.loads(cloudpickle.dumps(cell)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("travel", TRAVELS)
@pytest.mark.parametrize("name", cells.names())
def test_a_registered_cell_travels_by_its_name(name, travel):
    assert TRAVELS[travel](cells.get(name)) is cells.get(name)


@pytest.mark.parametrize("travel", TRAVELS)
@pytest.mark.parametrize("activation", cells.ACTIVATIONS)
def test_a_fresh_elman_cell_travels_although_its_functions_are_closures(activation, travel):
    assert TRAVELS[travel](cells.elman(activation)) == cells.elman(activation)


@pytest.mark.parametrize("travel", TRAVELS)
def test_a_users_own_cell_travels_by_its_parts(travel):
    cell = Cell("mine", ["hidden"], ["h"], step, step_back, bias={"hidden": 0.5})
    other = TRAVELS[travel](cell)
    assert other == cell
    assert (other.gates, other.states, other.bias) == (cell.gates, cell.states, cell.bias)


@pytest.mark.parametrize("travel", TRAVELS)
def test_a_cell_that_starts_elsewhere_keeps_its_start_on_the_way(travel):
    assert TRAVELS[travel](lstm(5.0)).bias == {"forget": 5.0}


@pytest.mark.parametrize("travel", ["cloudpickle", "deepcopy"])
def test_a_users_own_closure_travels(travel):
    assert TRAVELS[travel](make(factor=2.0)) == make(factor=2.0)


def test_a_cell_prints_what_it_is():
    assert repr(cells.LSTM) == "Cell('lstm', gates=('input', 'forget', 'candidate', 'output'), states=('h', 'c'))"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "a cell needs a name, got ''"),
        ({"name": 3}, "a cell needs a name, got 3"),
        ({"gates": ()}, "gates must be different names, at least one, got ()"),
        ({"gates": ("x", "x")}, "gates must be different names, at least one, got ('x', 'x')"),
        ({"states": ()}, "states must be different names, at least one"),
        ({"states": ("h", "h")}, "states must be different names, at least one"),
        ({"apart": ("other",)}, "apart names 'other'; its gates are 'hidden'"),
        ({"bias": {"other": 1.0}}, "bias names 'other'; its gates are 'hidden'"),
        ({"apart": ("hidden",), "recurrent": False}, "apart needs the hidden-to-hidden product that recurrent=False"),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, dict) else "",
)
def test_a_cell_whose_names_make_no_sense_is_refused(changes, message):
    parts = {"name": "mine", "gates": ("hidden",), "states": ("h",), "step": step, "step_back": step_back}
    with pytest.raises(CellError) as caught:
        Cell(**parts | changes)
    assert message in str(caught.value)
