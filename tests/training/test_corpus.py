"""Symbols on disk are those in memory, and a long order needs no memory."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.training import Corpus, Streams, corpus, streams
from throughtime.training.corpus import Spliced
from throughtime.training.streams import Shuffled

LENGTHS = st.lists(st.integers(1, 30), min_size=2, max_size=30)


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory):
    """The same sequences, their symbols in a file."""
    folder = tmp_path_factory.mktemp("ids")

    def store(whole):
        path = folder / f"{len(list(folder.iterdir()))}"
        whole.ids.tofile(path)
        return Corpus(np.memmap(path, whole.ids.dtype, "r"), whole.bounds)

    return store


def drawn(lengths):
    return Corpus.of([np.random.default_rng(place).integers(0, 9, n) for place, n in enumerate(lengths)])


def same(one, other):
    assert np.array_equal(one.ids[:], other.ids[:])
    assert np.array_equal(one.bounds, other.bounds)


@settings(max_examples=30)
@given(LENGTHS, st.floats(0.1, 0.9), st.integers(0, 2**40))
def test_what_is_on_disk_is_cut_and_drawn_alike(on_disk, lengths, share, seed):
    memory = drawn(lengths)
    disk = on_disk(memory)
    for one, other in zip(memory.draw(share, seed), disk.draw(share, seed), strict=True):
        assert isinstance(other.ids, Spliced)
        same(one, other)
        same(one.sample(20, seed), other.sample(20, seed))
        same(one.first(20), other.first(20))
        same(one.last(20), other.last(20))
    for one, other in zip(memory.split(share), disk.split(share), strict=True):
        assert isinstance(other.ids, np.memmap) or not len(other.ids)
        same(one, other)


@given(LENGTHS, st.integers(0, 2**40))
def test_and_gives_the_same_chunks(on_disk, lengths, seed):
    memory = drawn(lengths)
    learned = [whole.draw(0.5, seed)[0] for whole in (memory, on_disk(memory))]
    if not learned[0].predictions:
        return
    chunks = [islice(Streams(part, 3, 4, restart_every=2).endless(seed), 20) for part in learned]
    for one, other in zip(*chunks, strict=True):
        assert np.array_equal(one.batch.x, other.batch.x)
        assert np.array_equal(one.batch.targets, other.batch.targets)


@given(LENGTHS, st.lists(st.integers(0, 8), max_size=4, unique=True))
def test_symbols_are_counted_in_blocks(lengths, symbols):
    whole = drawn(lengths)
    expected = sum(int(np.isin(ids[1:], symbols).sum()) for ids in np.split(whole.ids, whole.bounds[1:-1]))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(corpus, "BLOCK", 7)
        assert whole.predicted_among(symbols) == expected
        assert whole.different(5) == len(set(whole.ids.tolist()) & set(range(5)))
        assert np.array_equal(np.concatenate(list(whole.blocks())), whole.ids)


# ---------------------------------------------------------------------- a long order


@pytest.mark.parametrize("count", [2, 3, 4, 5, 64, 65, 1000, 4097])
def test_each_number_comes_once(count):
    order = Shuffled(count, (1, 2))
    numbers = np.concatenate([order[start : start + 50] for start in range(0, count, 50)])
    assert np.array_equal(np.sort(numbers), np.arange(count))
    assert len(order) == count


def test_the_order_is_drawn_by_the_key():
    orders = [Shuffled(1000, (1, number))[:1000] for number in range(20)]
    assert len({tuple(order.tolist()) for order in orders}) == 20
    assert np.array_equal(orders[3], Shuffled(1000, (1, 3))[:1000])


def test_every_number_is_anywhere_as_often():
    """Where 4,000 keys put each of 16 numbers: chi-squared with 15 * 15 degrees of freedom, sd 21."""
    orders = np.array([Shuffled(16, (5, number))[:16] for number in range(4000)])
    counts = np.array([np.bincount(place, minlength=16) for place in orders.T])
    assert ((counts - 250) ** 2 / 250).sum() < 225 + 5 * 21


@given(LENGTHS, st.integers(1, 5), st.integers(0, 100))
def test_a_pass_in_a_long_order_reads_everything_once(lengths, rows, seed):
    lengths = [n + 1 for n in lengths]
    bounds = np.cumsum([0, *lengths])
    whole = Corpus(np.arange(bounds[-1]), bounds)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(streams, "MOST_DRAWN", 0)
        of = Streams(whole, rows, 4, restart_every=1)
        read = np.zeros(len(whole.ids), int)
        for chunk in islice(of.endless(seed), 2 * of.steps_per_epoch):
            weights = np.ones(chunk.batch.x.shape, bool) if chunk.batch.weights is None else chunk.batch.weights
            np.add.at(read, chunk.batch.x[weights], 1)
    predicted = np.setdiff1d(np.arange(len(whole.ids)), bounds[1:] - 1)
    assert set(read[predicted].tolist()) <= {2, 3}  # the next pass fills up the last chunk
    assert not read[bounds[1:] - 1].any()
