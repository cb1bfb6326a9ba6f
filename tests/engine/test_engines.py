"""Which engine is made, and its dense products."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers import draw_scan
from tests.tolerances import ROWS, assert_close

from throughtime import cells
from throughtime import engine as engines
from throughtime.engine.plain import PlainEngine
from throughtime.engine.protocol import StepResult, Tokens
from throughtime.errors import ParameterError

sizes = st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 6), st.integers(1, 5), st.integers(0, 99))


def draw(drawn):
    """Ids ``[T, N]`` below K, the same as one-hot rows, and a generator."""
    T, N, K, _, seed = drawn
    rng = np.random.default_rng(seed)
    ids = rng.integers(K, size=(T, N))
    return ids, np.eye(K)[ids], rng


@given(sizes)
def test_the_product_of_symbols_is_that_of_their_one_hot_rows(drawn):
    _, _, K, D, _ = drawn
    ids, rows, rng = draw(drawn)
    engine, tokens = PlainEngine(np.float64), Tokens(ids, K)
    weight, bias = rng.normal(size=(K, D)), rng.normal(size=D)
    y = engine.product(tokens, weight, bias)
    assert_close(y, rows @ weight + bias, ROWS["float64"])
    d_y = rng.normal(size=y.shape)
    _, d_weight, d_bias = engine.product_back(tokens, weight, d_y, needs_input=False)
    _, expected, expected_bias = engine.product_back(rows, weight, d_y)
    assert_close(d_weight, expected, ROWS["float64"])
    assert_close(d_bias, expected_bias, ROWS["float64"])


@given(sizes)
def test_an_embedding_is_the_product_with_one_hot_rows(drawn):
    _, _, K, E, _ = drawn
    ids, rows, rng = draw(drawn)
    engine, table = PlainEngine(np.float64), rng.normal(size=(K, E))
    y = engine.embed(ids, table)
    assert_close(y, rows @ table, ROWS["float64"])
    d_y = rng.normal(size=y.shape)
    assert_close(engine.embed_back(ids, table, d_y), np.einsum("tnk,tne->ke", rows, d_y), ROWS["float64"])


@pytest.mark.parametrize("name", cells.names())
def test_a_scan_of_symbols_is_that_of_their_one_hot_rows(name):
    engine, rng = PlainEngine(np.float64), np.random.default_rng(0)
    ids = rng.integers(3, size=(5, 4))
    scan = draw_scan(cells.get(name), 5, 4, 3, 2, lengths=[5, 3, 1, 0])
    of_rows, of_ids = (scan.part(x=x).forward(engine) for x in (np.eye(3)[ids], Tokens(ids, 3)))
    assert_close(of_ids.outputs, of_rows.outputs, ROWS["float64"])
    backs = [
        engine.scan_back(result.tape, scan.d_outputs, scan.d_final, needs_input=False) for result in (of_ids, of_rows)
    ]
    assert_close(backs[0].d_weights.U, backs[1].d_weights.U, ROWS["float64"])
    assert_close(backs[0].d_weights.b, backs[1].d_weights.b, ROWS["float64"])


def test_a_product_worked_by_hand():
    engine = PlainEngine(np.float64)
    x, weight = np.array([[[1.0, 2.0]], [[3.0, 4.0]]]), np.array([[5.0], [7.0]])
    assert engine.product(x, weight, np.array([100.0])).ravel().tolist() == [119.0, 143.0]
    d_x, d_weight, d_bias = engine.product_back(x, weight, np.array([[[1.0]], [[10.0]]]))
    assert d_x[:, 0].tolist() == [[5.0, 7.0], [50.0, 70.0]]
    assert d_weight[:, 0].tolist() == [31.0, 42.0]  # 1 * 1 + 3 * 10, 2 * 1 + 4 * 10
    assert d_bias.tolist() == [11.0]


def test_a_gradient_that_nobody_needs_is_not_made():
    engine = PlainEngine()
    scan = draw_scan(cells.GRU, 3, 2, 2, 2, dtype="float32")
    _, _, tape = scan.forward(engine)
    assert engine.scan_back(tape, scan.d_outputs, needs_input=False).d_x is None
    assert engine.product_back(scan.x, np.zeros((2, 1)), np.zeros((3, 2, 1)), needs_input=False)[0] is None


def test_no_tape_is_made_where_none_is_kept():
    scan = draw_scan(cells.LSTM, 3, 2, 2, 2)
    engine = PlainEngine(np.float64)
    kept, free = (engine.scan(scan.cell, scan.weights, scan.x, scan.state, keep=keep) for keep in (True, False))
    assert kept.tape is not None
    assert free.tape is None
    np.testing.assert_array_equal(free.outputs, kept.outputs)


def test_a_scan_leaves_what_goes_in_as_it_was():
    for name in cells.names():
        scan = draw_scan(cells.get(name), 4, 3, 2, 2, lengths=[4, 2, 0])
        before = [value.copy() for value in (scan.x, *scan.state, scan.weights.U, scan.d_outputs, *scan.d_final)]
        scan.run(PlainEngine(np.float64))
        after = (scan.x, *scan.state, scan.weights.U, scan.d_outputs, *scan.d_final)
        for one, other in zip(before, after, strict=True):
            np.testing.assert_array_equal(one, other)


def test_make_gives_the_engine_that_was_asked_for():
    assert engines.make("numpy").dtype == np.float32
    assert engines.make("numpy", "float64").dtype == np.float64
    assert engines.make("auto").name in engines.ENGINES
    engine = PlainEngine(np.float64)
    assert engines.make(engine, "float32") is engine


def test_an_unknown_engine_or_dtype_is_refused():
    with pytest.raises(ParameterError, match=r"engine must be one of 'auto'.* and '.*', got 'cuda'"):
        engines.make("cuda")
    with pytest.raises(ParameterError, match=r"dtype must be 'float32' or 'float64', got 'float16'"):
        engines.make("numpy", "float16")


def test_training_steps_carry_the_state_from_one_to_the_next():
    class Run:
        def train_step(self, batch, state, step):
            return StepResult(losses[batch], 1.0, step), [*state, batch]

    losses = {"a": 2.0, "b": 1.0, "broken": np.nan}
    results, state = PlainEngine().train_steps(Run(), ["a", "b"], ["start"], step=5)
    assert results == [StepResult(2.0, 1.0, 5), StepResult(1.0, 1.0, 6)]
    assert state == ["start", "a", "b"]
    results, _ = PlainEngine().train_steps(Run(), ["a", "broken", "b"], ["start"], step=5)
    assert len(results) == 2  # nothing is trained after a loss that is no number
