"""What every registered cell must keep, on every engine: a new one is picked up by its name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers import assert_all_close, draw_scan, row_of, shared
from tests.tolerances import ROWS, assert_close

from throughtime import cells
from throughtime import engine as engines
from throughtime.cells import Cell
from throughtime.layers import Dense, OneHot, Recurrent, recurrent_stack
from throughtime.losses import SoftmaxCrossEntropy
from throughtime.network import Batch, Network

every_cell = pytest.mark.parametrize("cell", [cells.get(name) for name in cells.names()], ids=lambda cell: cell.name)
every_engine = pytest.mark.parametrize("engine", [("numpy", "float64"), ("numpy", "float32")], ids="-".join)


EITHER = st.booleans()


@st.composite
def scans(draw, *, padded=EITHER, reverse=EITHER):
    """Sizes, lengths and a seed for ``draw_scan``; the cell and the dtype come from the test."""
    T, N = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    lengths = draw(st.lists(st.integers(0, T), min_size=N, max_size=N)) if draw(padded) else None
    sizes = {"T": T, "N": N, "D": draw(st.integers(1, 3)), "H": draw(st.integers(1, 5))}
    return sizes | {"lengths": lengths, "reverse": draw(reverse), "seed": draw(st.integers(0, 99))}


@every_engine
@every_cell
@given(scans())
def test_a_row_does_not_depend_on_the_others(engine, cell, drawn):
    name, dtype = engine
    scan = draw_scan(cell, **drawn, dtype=dtype)
    whole = scan.run(engines.make(name, dtype))
    alone = [scan.row(n).run(engines.make(name, dtype)) for n in range(drawn["N"])]
    for n, found in enumerate(alone):
        assert_all_close(row_of(found, 0), row_of(whole, n), ROWS[dtype])
    total = {key: np.sum([shared(found)[key] for found in alone], axis=0) for key in shared(whole)}
    assert_all_close(total, shared(whole), ROWS[dtype])


@every_engine
@every_cell
@given(scans(reverse=st.just(False)), st.integers(0, 6))
def test_in_chunks_is_as_the_whole(engine, cell, drawn, cut):
    name, dtype = engine
    engine = engines.make(name, dtype)
    scan = draw_scan(cell, **drawn, dtype=dtype)
    T, whole = drawn["T"], scan.run(engine)
    cut = 1 + cut % T
    first = scan.part(x=scan.x[:cut], d_outputs=scan.d_outputs[:cut], lengths=_clipped(scan.lengths, 0, cut))
    if cut == T:
        assert_all_close(first.run(engine), whole, ROWS[dtype])
        return
    second = scan.part(
        x=scan.x[cut:],
        d_outputs=scan.d_outputs[cut:],
        lengths=_clipped(scan.lengths, cut, T - cut),
        state=first.forward(engine).final,
    )
    late = second.run(engine)
    early = first.part(d_final=tuple(late[f"d_initial {state}"] for state in cell.states)).run(engine)
    for key in ("outputs", "d_x"):
        assert_close(np.concatenate([early[key], late[key]]), whole[key], ROWS[dtype], key)
    for state in cell.states:
        assert_close(late[f"final {state}"], whole[f"final {state}"], ROWS[dtype])
        assert_close(early[f"d_initial {state}"], whole[f"d_initial {state}"], ROWS[dtype])
    total = {key: shared(early)[key] + shared(late)[key] for key in shared(whole)}
    assert_all_close(total, shared(whole), ROWS[dtype])


def _clipped(lengths, start, size):
    return None if lengths is None else np.clip(lengths - start, 0, size)


@every_engine
@every_cell
@given(scans(padded=st.just(True)))
def test_padded_is_as_unpadded(engine, cell, drawn):
    name, dtype = engine
    engine = engines.make(name, dtype)
    scan = draw_scan(cell, **drawn, dtype=dtype)
    whole = scan.run(engine)
    total = {key: np.zeros_like(value) for key, value in shared(whole).items()}
    for n, length in enumerate(drawn["lengths"]):
        row, found = scan.row(n), row_of(whole, n)
        assert not found["outputs"][length:].any()
        assert not found["d_x"][length:].any()
        if length == 0:
            for state, before, d in zip(cell.states, row.state, row.d_final, strict=True):
                assert_close(found[f"final {state}"], before, ROWS[dtype])
                assert_close(found[f"d_initial {state}"], d, ROWS[dtype])
            continue
        alone = row.until(length).run(engine)
        found |= {key: found[key][:length] for key in ("outputs", "d_x")}
        assert_all_close(found, row_of(alone, 0), ROWS[dtype])
        total = {key: total[key] + value for key, value in shared(alone).items()}
    assert_all_close(total, shared(whole), ROWS[dtype])


def _flipped(values, lengths):
    """Each row of ``[T, N, ...]`` with its own elements in reverse order."""
    flipped = values.copy()
    for n in range(values.shape[1]):
        end = len(values) if lengths is None else lengths[n]
        flipped[:end, n] = values[:end, n][::-1]
    return flipped


@every_engine
@every_cell
@given(scans(reverse=st.just(False)))
def test_time_reversed_twice_is_the_identity(engine, cell, drawn):
    name, dtype = engine
    engine = engines.make(name, dtype)
    scan = draw_scan(cell, **drawn, dtype=dtype)
    straight = scan.run(engine)
    twice = scan.part(
        x=_flipped(scan.x, drawn["lengths"]), d_outputs=_flipped(scan.d_outputs, drawn["lengths"]), reverse=True
    ).run(engine)
    twice |= {key: _flipped(twice[key], drawn["lengths"]) for key in ("outputs", "d_x")}
    assert_all_close(twice, straight, ROWS[dtype])


@every_engine
@every_cell
@pytest.mark.parametrize("extra", [-1, 0, 3])
def test_truncation_at_the_whole_length_is_full_back_propagation(engine, cell, extra):
    name, dtype = engine
    T, N = 5, 3
    layers = [OneHot(4), *recurrent_stack(cell, 4, 3, num_layers=2, residual=True), Dense(3, 4)]
    network = Network(layers, SoftmaxCrossEntropy(), engine=name, dtype=dtype, random_state=1)
    rng = np.random.default_rng(2)
    lengths = np.array([5, 3, 1])
    batch = Batch(
        rng.integers(4, size=(T, N)), rng.integers(4, size=(T, N)), 1.0 * (np.arange(T)[:, None] < lengths), lengths
    )
    state = {
        layer: tuple(rng.normal(size=s.shape).astype(dtype) for s in states)
        for layer, states in network.initial_state(N).items()
    }
    whole = network.loss_and_gradients(batch, state)
    cut = network.loss_and_gradients(batch, state, bptt_truncate=T + extra)
    assert cut.loss == whole.loss
    assert_all_close(cut.parameters, whole.parameters, ROWS[dtype])
    for layer in state:
        for found, expected in zip(cut.d_state[layer], whole.d_state[layer], strict=True):
            assert_close(found, expected, ROWS[dtype])


@every_engine
@every_cell
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, [4, 3, 4]], ids=["whole", "padded"])
def test_a_nan_comes_out_in_its_row_and_in_no_other(engine, cell, reverse, lengths):
    name, dtype = engine
    clean = draw_scan(cell, 4, 3, 2, 5, lengths=lengths, reverse=reverse, dtype=dtype)
    x = clean.x.copy()
    x[1, 1] = np.nan
    outputs = clean.part(x=x).forward(engines.make(name, dtype)).outputs
    d_outputs = np.where(np.isnan(outputs), np.nan, clean.d_outputs).astype(dtype)  # as any loss makes it
    expected = clean.run(engines.make(name, dtype))
    found = clean.part(x=x, d_outputs=d_outputs).run(engines.make(name, dtype))
    for n in (0, 2):
        assert_all_close(row_of(found, n), row_of(expected, n), ROWS[dtype])
    hit = row_of(found, 1)
    end = 4 if lengths is None else lengths[1]
    after = slice(0, 2) if reverse else slice(1, end)
    assert np.isnan(hit["outputs"][after]).all()
    assert all(np.isnan(hit[f"final {state}"]).all() for state in cell.states)
    assert np.isnan(hit["d_x"][:end]).all()
    assert any(np.isnan(hit[f"d_initial {state}"]).all() for state in cell.states)
    assert all(np.isnan(value).any() for value in shared(found).values())


@every_engine
@every_cell
@pytest.mark.parametrize("lengths", [None, [4, 2, 0]], ids=["whole", "padded"])
@pytest.mark.parametrize("reverse", [False, True])
def test_what_comes_out_has_the_dtype_of_the_engine(engine, cell, lengths, reverse):
    name, dtype = engine
    found = draw_scan(cell, 4, 3, 2, 5, lengths=lengths, reverse=reverse, dtype=dtype).run(engines.make(name, dtype))
    assert {key: str(value.dtype) for key, value in found.items()} == dict.fromkeys(found, dtype)


def test_a_state_that_is_a_constant_can_be_passed_on():
    cell = Cell(
        "constant",
        ("g",),
        ("h", "c"),
        lambda a, u, s, p: ((a[0], 0.5), ()),
        lambda d, s, k, p: ((d[0],), (), (0.0, 0.0), ()),
    )
    network = Network([Recurrent(cell, 2, 3)], random_state=0)
    _, state = network.forward(np.ones((2, 2, 2)))
    assert state["recurrent"][1].shape == (2, 3)
    network.forward(np.ones((2, 2, 2)), state)
