"""Whole rows in batches: each row once in a pass, little padding, the same for the same seed."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughtime.engine.random import generator, key
from throughtime.network import Batch
from throughtime.tables import pieces, spill
from throughtime.training import Batches
from throughtime.training.batches import steps_for


def batches_of(lengths, batch_size):
    """Each place holds the number of its row."""
    lengths = np.asarray(lengths)

    def make(rows, T):
        own = np.where(rows < 0, 0, lengths[rows])
        ids = np.tile(rows, (T, 1))
        return Batch(ids, ids, (np.arange(T)[:, None] < own) * 1.0, own)

    return Batches(lengths, batch_size, make)


def rows_of(chunks):
    return [int(row) for chunk in chunks for row in chunk.batch.x[0]]


LENGTHS = st.lists(st.integers(1, 100), min_size=1, max_size=60)


@given(LENGTHS, st.integers(1, 8))
def test_once_has_every_row_once_and_counts_every_step(lengths, batch_size):
    batches = batches_of(lengths, batch_size)
    chunks = list(batches.once())
    assert len(chunks) == batches.steps_per_epoch
    assert sorted(row for row in rows_of(chunks) if row >= 0) == list(range(len(lengths)))
    assert sum(chunk.counted for chunk in chunks) == sum(chunk.symbols for chunk in chunks) == sum(lengths)
    assert {chunk.batch.x.shape[1] for chunk in chunks} == {batches.rows}


@given(LENGTHS, st.integers(1, 8), st.integers(0, 5))
def test_so_many_passes_have_every_row_so_often(lengths, batch_size, seed):
    batches = batches_of(lengths, batch_size)
    whole = len(lengths) * batches.rows  # rows of as many passes as fill batches
    rows = rows_of(islice(batches.endless(seed), whole // batches.rows))
    assert np.bincount(rows, minlength=len(lengths)).tolist() == [batches.rows] * len(lengths)


def test_the_seed_is_the_order():
    batches = batches_of(np.full(40, 3), 4)
    first, again, other = (rows_of(islice(batches.endless(seed), 30)) for seed in (1, 1, 2))
    assert first == again != other
    assert first[:40] != first[40:80]


def test_rows_of_like_length_are_read_together():
    """Drawn at random, rows of 1 to 100 steps in batches of 8 would be padded by about three quarters."""
    lengths = np.random.default_rng(1).integers(1, 101, 128)
    chunks = list(islice(batches_of(lengths, 8).endless(1), 16))
    padded = sum(chunk.batch.x.size for chunk in chunks)
    assert padded < 1.25 * lengths.sum()


@pytest.mark.parametrize(("length", "steps"), [(1, 1), (8, 8), (9, 10), (10, 10), (33, 40), (100, 112), (1000, 1024)])
def test_steps_are_of_few_sizes(length, steps):
    assert steps_for(length) == steps


@given(st.integers(1, 10**6))
def test_at_most_a_quarter_is_padded(length):
    assert length <= steps_for(length) <= 1.25 * length


def test_rows_of_one_length_are_not_padded():
    assert {chunk.batch.x.shape[0] for chunk in islice(batches_of(np.full(9, 33), 4).endless(0), 10)} == {33}


def test_the_order_of_more_rows_than_there_is_room_for_is_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("THROUGHTIME_CACHE_DIR", str(tmp_path))
    batches = batches_of(np.arange(1, 30), 4)
    expected = rows_of(islice(batches.endless(3), 20))
    monkeypatch.setattr(spill, "MOST", 0)
    monkeypatch.setattr(pieces, "ROWS", 7)
    assert rows_of(islice(batches.endless(3), 20)) == expected


def test_a_pass_has_the_order_of_a_permutation():
    """Which it always had: a training goes on from a file of before."""
    draws = generator(key(5, "order", 0))
    order = draws.permutation(24)
    expected = draws.permutation(order.reshape(-1, 4))
    assert rows_of(islice(batches_of(np.full(24, 3), 4).endless(5), 6)) == expected.ravel().tolist()
