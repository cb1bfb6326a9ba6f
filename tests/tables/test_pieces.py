import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughtime.tables import Spill, pieces
from throughtime.tables.pieces import Pieces, spans


@pytest.fixture(autouse=True)
def _place(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("THROUGHTIME_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "pieces"))


def kept(arrays, most):
    found = Pieces(Spill(most))
    for array in arrays:
        found.add(array)
    return found


@given(st.lists(st.integers(0, 900), max_size=30), st.sampled_from([(), (0,), (3,)]), st.sampled_from([0, 1 << 20]))
def test_pieces_are_as_they_were(lengths, width, most):
    draws = np.random.default_rng(1)
    arrays = [draws.normal(size=(length, *width)) for length in lengths]
    found = kept(arrays, most)
    assert len(found) == len(arrays)
    for one, other in zip(arrays, found, strict=True):
        np.testing.assert_array_equal(one, other)
        assert other.flags.c_contiguous


def test_pieces_are_copies_and_none_moves_another():
    array = np.arange(3)
    found = kept([array, array], 1 << 20)
    array[:] = 0
    found[0][:] = 7
    assert [piece.tolist() for piece in found] == [[7, 7, 7], [0, 1, 2]]


def test_pieces_share_arrays_that_grow(monkeypatch):
    monkeypatch.setattr(pieces, "SMALLEST", 80)
    monkeypatch.setattr(pieces, "LARGEST", 320)
    sizes = []
    spill = Spill(1 << 20)
    empty = spill.empty
    monkeypatch.setattr(spill, "empty", lambda shape, dtype: sizes.append(shape[0]) or empty(shape, dtype))
    found = Pieces(spill)
    for length in (4, 6, 1, 100, 1, 1):
        found.add(np.full(length, float(length)))
    assert sizes == [10, 20, 100, 40]  # of 8 bytes each
    assert [len(piece) for piece in found] == [4, 6, 1, 100, 1, 1]


def test_they_are_indexed_as_lists_and_copied_to_lists():
    found = kept([np.array([1]), np.array([2, 3]), np.zeros(0, np.int64)], 0)
    assert [piece.tolist() for piece in found[1:]] == [[2, 3], []]
    assert found[-2].tolist() == found[np.int64(1)].tolist() == [2, 3]
    with pytest.raises(IndexError, match="element 3 of 3"):
        found[3]
    with pytest.raises(IndexError, match="element -4 of 3"):
        found[-4]
    for again in (copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert [piece.tolist() for piece in again] == [[1], [2, 3], []]


def test_spans(monkeypatch):
    assert [(rows.start, rows.stop) for rows in spans(7, 3)] == [(0, 3), (3, 6), (6, 7)]
    assert list(spans(0, 3)) == []
    monkeypatch.setattr(pieces, "ROWS", 5)
    assert [(rows.start, rows.stop) for rows in spans(7)] == [(0, 5), (5, 7)]
