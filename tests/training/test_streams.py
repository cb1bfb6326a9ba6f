"""Every prediction of a corpus is read once, in order, and no document knows of another."""

import time
from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.training import Corpus, Streams, restart
from throughtime.training.streams import SIZES as ROUNDED

LENGTHS = st.lists(st.integers(0, 40), min_size=1, max_size=6).filter(lambda lengths: max(lengths) > 1)
thorough = settings(max_examples=60)
SIZES = {
    "batch_size": st.integers(1, 5),
    "seq_len": st.integers(1, 9),
    "warm_up": st.integers(0, 12),
    "restart_every": st.none() | st.integers(1, 3),
}


def numbered(lengths):
    """Documents whose symbols are their own places in the corpus."""
    bounds = np.cumsum([0, *lengths])
    return Corpus.of([np.arange(start, end) for start, end in pairwise(bounds)])


def documents(corpus):
    return [range(start, end) for start, end in pairwise(corpus.bounds.tolist())]


def predicted(corpus):
    """The places that have a next one in their document."""
    return [place for document in documents(corpus) for place in document[:-1]]


def weights_of(chunk):
    x = chunk.batch.x
    return np.ones(x.shape, bool) if chunk.batch.weights is None else chunk.batch.weights.astype(bool)


def lengths_of(chunk):
    T, N = chunk.batch.x.shape
    return np.full(N, T) if chunk.batch.lengths is None else chunk.batch.lengths


def pieces_read(chunks):
    """What was read from each fresh start to the next: ``(place, next place, counted)`` for every step."""
    pieces, current = [], {}
    for chunk in chunks:
        x, targets, weights = chunk.batch.x, chunk.batch.targets, weights_of(chunk)
        for row, length in enumerate(lengths_of(chunk)):
            if chunk.fresh[row] and length:
                current[row] = []
                pieces.append(current[row])
            if length:
                current[row] += [(x[t, row], targets[t, row], weights[t, row]) for t in range(length)]
    return pieces


def counted(chunks):
    return [place for chunk in chunks for place in chunk.batch.x[weights_of(chunk)].tolist()]


@thorough
@given(LENGTHS, st.fixed_dictionaries(SIZES))
def test_every_prediction_is_counted_exactly_once(lengths, sizes):
    corpus = numbered(lengths)
    chunks = list(Streams(corpus, **sizes).once())
    assert sorted(counted(chunks)) == predicted(corpus)
    assert sum(chunk.symbols for chunk in chunks) == corpus.predictions


@thorough
@given(LENGTHS, st.fixed_dictionaries(SIZES))
def test_targets_are_the_next_symbols(lengths, sizes):
    for chunk in Streams(numbered(lengths), **sizes).once():
        weights = weights_of(chunk)
        assert np.array_equal(chunk.batch.targets[weights], chunk.batch.x[weights] + 1)


@thorough
@given(LENGTHS, st.fixed_dictionaries(SIZES))
def test_a_piece_is_read_without_a_gap_and_in_one_document(lengths, sizes):
    corpus = numbered(lengths)
    for piece in pieces_read(Streams(corpus, **sizes).once()):
        first, last = piece[0][0], piece[-1][1]
        assert [place for place, _, _ in piece] == list(range(first, last))
        assert any(first in document and last in document for document in documents(corpus))


@thorough
@given(LENGTHS, st.fixed_dictionaries(SIZES))
def test_the_warm_up_stands_before_a_piece_uncounted_and_ends_at_the_start_of_its_document(lengths, sizes):
    corpus = numbered(lengths)
    for piece in pieces_read(Streams(corpus, **sizes).once()):
        flags = [is_counted for _, _, is_counted in piece]
        warm = flags.index(True)
        start = next(document[0] for document in documents(corpus) if piece[warm][0] in document)
        assert warm == min(sizes["warm_up"], piece[warm][0] - start)
        assert all(flags[warm:])


@thorough
@given(LENGTHS, st.fixed_dictionaries(SIZES))
def test_shapes_lengths_and_weights_agree(lengths, sizes):
    streams = Streams(numbered(lengths), **sizes)
    assert streams.rows <= sizes["batch_size"]
    for chunk in streams.once():
        T, N = chunk.batch.x.shape
        assert sizes["seq_len"] >= T
        assert streams.rows == N
        assert T - ROUNDED < lengths_of(chunk).max() <= T
        assert not weights_of(chunk)[np.arange(T)[:, None] >= lengths_of(chunk)].any()
        assert chunk.symbols == weights_of(chunk).sum()
        assert chunk.batch.weights is None or not chunk.batch.weights.all()
        assert (chunk.batch.lengths is None) == bool((lengths_of(chunk) == T).all())


@thorough
@given(LENGTHS, st.fixed_dictionaries(SIZES))
def test_the_pieces_of_a_document_are_equally_long_to_within_one(lengths, sizes):
    corpus = numbered(lengths)
    _, starts, ends = Streams(corpus, **sizes).pieces.T
    for document in documents(corpus):
        mine = (ends - starts)[(starts >= document.start) & (starts < document.stop)]
        assert mine.size == 0 or mine.max() - mine.min() <= 1


@thorough
@given(LENGTHS, st.fixed_dictionaries(SIZES))
def test_the_chunks_of_a_piece_are_equally_long_to_within_one(lengths, sizes):
    chunks = {}
    for chunk in Streams(numbered(lengths), **sizes).once():
        for row, length in enumerate(lengths_of(chunk)):
            if chunk.fresh[row]:
                chunks[row] = set()
            chunks[row].add(length)
            assert max(chunks[row]) - min(chunks[row]) <= 1


@thorough
@given(LENGTHS, st.fixed_dictionaries(SIZES | {"warm_up": st.just(0), "restart_every": st.integers(1, 3)}))
def test_no_piece_has_more_chunks_than_allowed(lengths, sizes):
    streams = Streams(numbered(lengths), **sizes)
    assert max(map(len, pieces_read(streams.once()))) <= sizes["restart_every"] * sizes["seq_len"]


@thorough
@given(LENGTHS, st.fixed_dictionaries(SIZES | {"warm_up": st.just(0)}), st.integers(0, 5))
def test_an_endless_reading_takes_every_piece_in_each_pass(lengths, sizes, seed):
    streams = Streams(numbered(lengths), **sizes)
    places = streams.pieces[:, 0].tolist()
    chunks = islice(streams.endless(seed), 3 * streams.steps_per_epoch + 20)
    starts = [int(place) for chunk in chunks for place in chunk.batch.x[0][chunk.fresh]]
    assert len(starts) >= 2 * len(places)
    for begin in range(0, len(starts) - len(places) + 1, len(places)):
        assert sorted(starts[begin : begin + len(places)]) == places


MANY = st.lists(st.integers(0, 30), min_size=20, max_size=120).filter(lambda lengths: max(lengths) > 1)
"""Documents that are one chunk each."""


@thorough
@given(MANY, st.integers(1, 5), st.integers(0, 5))
def test_so_does_one_that_looks_for_pieces_of_like_length(lengths, batch_size, seed):
    streams = Streams(numbered(lengths), batch_size, 30)
    places = streams.pieces[:, 0].tolist()
    chunks = islice(streams.endless(seed), 3 * streams.steps_per_epoch + 20)
    starts = [int(place) for chunk in chunks for place in chunk.batch.x[0][chunk.fresh]]
    passes = [starts[begin : begin + len(places)] for begin in range(0, 3 * len(places), len(places))]
    assert list(map(sorted, passes)) == [places] * 3


def of_any_length(documents):
    """Documents of 1 to 64 predictions, all lengths equally frequent."""
    return numbered(np.random.default_rng(documents).integers(2, 66, documents))


@pytest.mark.parametrize("documents", [1008, 1003, 500, 333])
def test_pieces_of_like_length_are_read_together_in_every_pass(documents):
    """Read side by side at random, a third and more would be padding: that is the mean to the longest of 16."""
    streams = Streams(of_any_length(documents), 16, 64)
    chunks = list(islice(streams.endless(3), 5 * streams.steps_per_epoch))
    for begin in range(0, len(chunks), streams.steps_per_epoch):
        one = chunks[begin : begin + streams.steps_per_epoch]
        assert sum(chunk.symbols for chunk in one) > 0.8 * sum(chunk.batch.x.size for chunk in one)


def test_short_pieces_are_not_all_read_first():
    streams = Streams(of_any_length(256), 16, 64)
    sizes = [len(chunk.batch.x) for chunk in islice(streams.endless(3), streams.steps_per_epoch)]
    assert len(set(sizes)) > 4
    assert abs(np.corrcoef(sizes, np.arange(len(sizes)))[0, 1]) < 0.5


@thorough
@given(LENGTHS | MANY, st.integers(1, 5), st.integers(1, 40))
def test_chunks_whose_rows_end_early_come_in_few_sizes(lengths, batch_size, seq_len):
    streams = Streams(numbered(lengths), batch_size, seq_len)
    for chunk in [*streams.once(), *islice(streams.endless(0), 40)]:
        if chunk.batch.lengths is not None:
            assert len(chunk.batch.x) in {*range(ROUNDED, seq_len, ROUNDED), seq_len}


def first_symbols(streams, seed, count=40):
    return [chunk.batch.x.tolist() for chunk in islice(streams.endless(seed), count)]


def test_an_endless_reading_depends_on_its_seed_alone():
    streams = Streams(numbered([90, 80, 3]), 2, 4, restart_every=2)
    assert first_symbols(streams, 1) == first_symbols(streams, 1)
    assert first_symbols(streams, 1) != first_symbols(streams, 2)


def test_each_pass_has_an_order_of_its_own():
    streams = Streams(numbered([200]), 1, 4, restart_every=1)
    starts = [int(chunk.batch.x[0, 0]) for chunk in islice(streams.endless(7), 100)]
    assert sorted(starts[:50]) == sorted(starts[50:])
    assert starts[:50] != starts[50:]


def test_rows_that_have_one_piece_each_read_it_again_and_again_in_order():
    streams = Streams(numbered([21]), 2, 5)
    assert streams.pieces.tolist() == [[0, 0, 10], [10, 10, 20]]
    starts = [chunk.batch.x[0].tolist() for chunk in islice(streams.endless(0), 4)]
    assert starts == [[0, 10], [5, 15], [0, 10], [5, 15]]


@pytest.mark.parametrize(
    ("lengths", "batch_size", "seq_len", "rows", "steps"),
    [
        ([101], 2, 10, 2, 5),  # two pieces of 50 predictions, five chunks each
        ([102], 2, 10, 2, 6),  # 51 and 50 predictions: six and five chunks
        ([5], 8, 10, 1, 1),  # too short to be cut
        ([11, 11, 11], 2, 10, 2, 2),  # three documents, one chunk each, in two rows
        ([11, 1, 0, 11], 1, 10, 1, 2),  # what has no next symbol is not read
    ],
)
def test_rows_and_steps_of_a_pass(lengths, batch_size, seq_len, rows, steps):
    streams = Streams(numbered(lengths), batch_size, seq_len)
    assert (streams.rows, streams.steps_per_epoch) == (rows, steps)
    assert len(list(streams.once())) == steps


def test_padding_on_paper():
    """Documents 'abc' and 'defgh' side by side: the first has two predictions, the second four."""
    (chunk,) = Streams(numbered([3, 5]), 2, 4).once()
    assert chunk.batch.lengths.tolist() == [2, 4]
    assert chunk.batch.weights.T.tolist() == [[True, True, False, False], [True, True, True, True]]
    assert chunk.batch.x.T[0, :2].tolist() == [0, 1]
    assert chunk.batch.x.T[1].tolist() == [3, 4, 5, 6]
    assert chunk.fresh.tolist() == [True, True]
    assert chunk.symbols == 6


@thorough
@given(LENGTHS, st.floats(0, 0.99))
def test_a_split_keeps_every_symbol_in_order(lengths, share):
    corpus = numbered(lengths)
    first, second = corpus.split(share)
    assert np.array_equal(np.concatenate([first.ids, second.ids]), corpus.ids)
    assert len(second.ids) == int(len(corpus.ids) * share)
    cut = len(first.ids)
    for part in (first, second):
        assert part.bounds[0] == 0
        assert part.bounds[-1] == len(part.ids)
    kept = {*first.bounds.tolist(), *(second.bounds + cut).tolist()}
    assert kept == {*corpus.bounds.tolist(), cut}


@thorough
@given(LENGTHS, st.floats(0, 0.99))
def test_a_split_loses_at_most_the_prediction_across_it(lengths, share):
    corpus = numbered(lengths)
    first, second = corpus.split(share)
    assert corpus.predictions - 1 <= first.predictions + second.predictions <= corpus.predictions


def full(corpus):
    """The documents that have a symbol."""
    return [document.tolist() for document in np.split(corpus.ids, corpus.bounds[1:-1]) if len(document)]


def within(lengths, kept):
    """The same of all places in ``kept``."""
    cut = [[place for place in document if place in kept] for document in documents(numbered(lengths))]
    return [document for document in cut if document]


@thorough
@given(LENGTHS, st.integers(0, 250))
def test_the_first_and_the_last_symbols_stay_in_their_documents(lengths, symbols):
    corpus = numbered(lengths)
    size = len(corpus.ids)
    first, last = corpus.first(symbols), corpus.last(symbols)
    assert full(first) == within(lengths, range(symbols))
    assert full(last) == within(lengths, range(max(0, size - symbols), size))
    for part in (first, last):
        assert part.bounds[0] == 0
        assert part.bounds[-1] == len(part.ids) == min(size, symbols)
        assert part.predictions == sum(len(document) - 1 for document in full(part))


@thorough
@given(LENGTHS)
def test_all_of_a_corpus_is_the_corpus(lengths):
    corpus = numbered(lengths)
    for part in (corpus.first(len(corpus.ids)), corpus.last(len(corpus.ids)), corpus.split(0.0)[0]):
        assert full(part) == full(corpus)


def test_a_part_on_paper():
    corpus = Corpus.of([np.array([1, 2, 3]), np.array([4, 5])])
    assert (corpus.first(4).ids.tolist(), corpus.first(4).bounds.tolist()) == ([1, 2, 3, 4], [0, 3, 4])
    assert (corpus.first(3).ids.tolist(), corpus.first(3).bounds.tolist()) == ([1, 2, 3], [0, 3])
    assert (corpus.last(4).ids.tolist(), corpus.last(4).bounds.tolist()) == ([2, 3, 4, 5], [0, 2, 4])
    assert (corpus.last(2).ids.tolist(), corpus.last(2).bounds.tolist()) == ([4, 5], [0, 2])


@thorough
@given(LENGTHS, st.floats(0, 0.99), st.integers(0, 2**40))
def test_whole_documents_are_drawn_and_the_others_stay_in_order(lengths, share, seed):
    corpus = numbered(lengths)
    rest, drawn = corpus.draw(share, seed)
    assert sorted(full(rest) + full(drawn)) == full(corpus)
    for part in (rest, drawn):
        assert full(part) == sorted(full(part))
        assert part.bounds[0] == 0
        assert part.bounds[-1] == len(part.ids)
    assert len(rest.bounds) + len(drawn.bounds) == len(corpus.bounds) + 1
    if share and len(lengths) > 1:
        assert 1 < len(rest.bounds) < len(corpus.bounds)


def test_what_is_held_out_is_as_long_as_what_is_not():
    """Whoever passed over what does not fit any more would hold out the short ones."""
    lengths = np.random.default_rng(1).lognormal(4, 1.2, 200).astype(int) + 1
    drawn = [numbered(lengths).draw(0.1, seed)[1] for seed in range(100)]
    held_out = np.concatenate([np.diff(part.bounds) for part in drawn])
    assert abs(held_out.mean() / lengths.mean() - 1) < 0.1
    assert abs(np.mean([len(part.ids) for part in drawn]) / lengths.sum() - 0.1) < 0.01


@pytest.mark.parametrize(("share", "drawn"), [(0.0, 0), (1e-9, 1), (0.14, 1), (0.16, 2), (0.5, 5), (0.99, 9)])
def test_the_share_is_met_as_nearly_as_documents_allow(share, drawn):
    rest, held_out = numbered([7] * 10).draw(share, 3)
    assert (len(rest.bounds), len(held_out.bounds)) == (11 - drawn, 1 + drawn)


@thorough
@given(LENGTHS, st.integers(1, 250), st.integers(0, 2**40))
def test_a_sample_is_whole_documents_but_for_the_last_one_or_all(lengths, symbols, seed):
    corpus = numbered(lengths)
    sample = corpus.sample(symbols, seed)
    assert len(sample.ids) == min(symbols, len(corpus.ids))
    *whole, last = full(sample)
    assert all(document in full(corpus) for document in whole)
    (of,) = (document for document in full(corpus) if document[0] == last[0])
    assert of[: len(last)] == last
    if symbols >= len(corpus.ids):
        assert sample is corpus


def test_a_sample_comes_from_everywhere():
    sample = numbered([10] * 1000).sample(2000, 1)
    assert abs(sample.ids.mean() - 5000) < 500


def test_many_documents_are_cut_at_once():
    """To cut 100,000 takes a hundredth of a second; once it was done one by one, and again for each batch."""
    streams = Streams(numbered([9] * 100_000), 64, 64)
    began = time.process_time()
    first = next(iter(streams.endless(1)))
    assert first.symbols == 64 * 8
    assert time.process_time() - began < 1


def test_a_draw_depends_on_its_seed_alone():
    corpus = numbered([3] * 100)
    draws = [corpus.draw(0.1, seed)[1].ids.tolist() for seed in (1, 1, 2, 2**32 + 1)]
    assert draws[0] == draws[1]
    assert len(set(map(tuple, draws))) == 3
    assert [len(draw) for draw in draws] == [30] * 4


def test_predictions_are_the_symbols_with_one_before_them():
    assert Corpus.of([np.arange(n) for n in (5, 1, 0, 2)]).predictions == 4 + 0 + 0 + 1


def test_restart_zeroes_exactly_the_fresh_rows():
    state = {"one": (np.full((3, 2), 5, np.float32), np.full((3, 2), 7, np.float32)), "two": (np.ones((3, 4)),)}
    after = restart(state, np.array([False, True, False]))
    for name, values in state.items():
        for old, new in zip(values, after[name], strict=True):
            assert new.dtype == old.dtype
            assert not new[1].any()
            assert np.array_equal(new[[0, 2]], old[[0, 2]])
            assert old.all()


def test_a_state_without_fresh_rows_is_passed_on():
    state = {"one": (np.ones((2, 2)),)}
    assert restart(state, np.array([False, False])) is state
