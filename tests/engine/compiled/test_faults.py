"""Tests of the tests: a fault is planted, and the comparison that should notice does."""

from __future__ import annotations

import numpy as np
import pytest
from tests.engine.compiled.material import (
    assert_near,
    assert_same,
    in_float64,
    make,
    scan_of,
)
from tests.helpers import make_engine, row_of
from tests.tolerances import COMPILED

from throughtime import cells
from throughtime.cells.functions import relu
from throughtime.engine.compiled import functions, library, parts
from throughtime.engine.compiled.tile import Tiles
from throughtime.engine.compiled.vectors import Vectors
from throughtime.optimizers import Rule


@pytest.fixture
def compiled_anew(monkeypatch):
    """Code is made again, with whatever fault is in what makes it, and forgotten afterwards."""
    for group in (library.of_cell, library.of_rule):
        group.cache_clear()
    yield
    monkeypatch.undo()
    for group in (library.of_cell, library.of_rule):
        group.cache_clear()


def is_as_in_numpy(scan):
    assert_near(scan.run(make()), in_float64(scan).run(make_engine()), COMPILED["scan"])


def is_the_same_in_any_company(scan):
    assert_same(row_of(scan.row(1).run(make()), 0), row_of(scan.run(make()), 1))


@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_swapped_gates_are_noticed(name, monkeypatch):
    scan, pack = scan_of(cells.get(name), 3, 4, 5, 17), parts.pack
    is_as_in_numpy(scan)

    def swapped(job, weight, size, gates, waits=True):
        gates = list(gates)
        if weight.shape[0] == size and len(gates) > 1:
            gates[0], gates[1] = gates[1], gates[0]
        return pack(job, weight, size, gates, waits)

    monkeypatch.setattr(parts, "pack", swapped)
    with pytest.raises(AssertionError):
        is_as_in_numpy(scan)


@pytest.mark.parametrize("name", ["d_U", "d_W", "d_b", "d_x", "outputs", "final h", "d_initial h"])
def test_a_result_wrong_by_a_twentieth_of_a_percent_is_noticed(name):
    scan = scan_of(cells.GRU, 3, 4, 5, 17)
    found, expected = scan.run(make()), in_float64(scan).run(make_engine())
    assert_near(found, expected, COMPILED["scan"])
    found[name] = found[name] * np.float32(1.0005)
    with pytest.raises(AssertionError, match=name):
        assert_near(found, expected, COMPILED["scan"])


def test_a_nan_is_never_near():
    with pytest.raises(AssertionError):
        assert_near({"x": np.array([np.nan])}, {"x": np.array([1.0])}, 1.0)
    with pytest.raises(AssertionError):
        assert_near({"x": np.array([np.nan])}, {"x": np.array([np.nan])}, 1.0)


def test_one_bit_is_noticed():
    x = np.ones(3, np.float32)
    with pytest.raises(AssertionError):
        assert_same({"x": x}, {"x": np.nextafter(x, np.float32(2))})
    with pytest.raises(AssertionError):
        assert_same({"x": x}, {"x": x.astype(np.float64)})


def test_a_tile_that_rounds_otherwise_is_noticed(monkeypatch, compiled_anew):
    scan, write, fma = scan_of(cells.GRU, 3, 9, 5, 40), Tiles._write, Vectors.fma
    is_the_same_in_any_company(scan)

    def faulty(self, module, rows, blocks):
        if rows == 1:
            monkeypatch.setattr(Vectors, "fma", lambda v, x, y, z: (x * y + z) + (x * y - x * y) + z * 1e-7)
        written = write(self, module, rows, blocks)
        monkeypatch.setattr(Vectors, "fma", fma)
        return written

    monkeypatch.setattr(Tiles, "_write", faulty)
    library.of_cell.cache_clear()
    with pytest.raises(AssertionError):
        is_the_same_in_any_company(scan)


def test_a_function_that_loses_a_nan_is_noticed(monkeypatch, compiled_anew):
    def relu_of(x):
        rule, w = Rule("own", lambda w, g, slots, k: (relu(w), ()), lambda *_: (), 1.0), x.copy()
        make().update(rule, {"w": w}, {"w": x}, {"w": ()}, {"w": ()})
        return w

    def keeps_a_nan():
        np.testing.assert_array_equal(relu_of(np.array([np.nan, 1.0, -1.0], np.float32)), [np.nan, 1, 0])

    keeps_a_nan()
    monkeypatch.setitem(functions.OPERATIONS, "relu", lambda v, x: v.f.select(x > 0.0, x, 0.0))
    library.of_rule.cache_clear()
    with pytest.raises(AssertionError):
        keeps_a_nan()


def test_a_state_that_leaks_into_the_next_row_is_noticed(monkeypatch):
    scan, put = scan_of(cells.GRU, 3, 4, 5, 17), parts.scan

    def leaking(job, cell, records, histories, *others, **named):
        for row in histories[0][0, 1:2]:
            row += 1e-6 * histories[0][0, 0]
        put(job, cell, records, histories, *others, **named)

    monkeypatch.setattr(parts, "scan", leaking)
    with pytest.raises(AssertionError):
        is_the_same_in_any_company(scan)
    is_as_in_numpy(scan)  # which is too small for a tolerance: it takes a comparison of bits
