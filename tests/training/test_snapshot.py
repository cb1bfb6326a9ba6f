"""A training between two steps: as arrays and back, what does not fit, and batches from the middle on."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughtime import Network
from throughtime.layers import Dense, OneHot, recurrent_stack
from throughtime.losses import SoftmaxCrossEntropy
from throughtime.network import Batch
from throughtime.optimizers import Optimizer
from throughtime.training import Batches, Corpus, Drawn, Streams
from throughtime.training.snapshot import Snapshot

K, H, N = 3, 4, 2


def network(cell="lstm"):
    layers = [OneHot(K), *recurrent_stack(cell, K, H), Dense(H, K)]
    return Network(layers, SoftmaxCrossEntropy(), engine="numpy", dtype="float64", random_state=0)


NETWORK, ADAM = network(), Optimizer("adam")
ADAM.prepare(NETWORK.parameters)


def like(parameters, seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=w.shape).astype(dtype) for name, w in parameters.items()}


def snapshot(**changes):
    """One of the network with Adam, every part of it filled."""
    parts = like(NETWORK.parameters, 1), like(NETWORK.parameters, 2)
    rng = np.random.default_rng(3)
    given = {
        "step": 70,
        "symbols": 5000,
        "validations": 2,
        "weights": like(NETWORK.parameters, 0),
        "slots": {name: tuple(part[name] for part in parts) for name in NETWORK.parameters},
        "state": {"recurrent.0": (rng.normal(size=(N, H)), rng.normal(size=(N, H)))},
        "total": like(NETWORK.parameters, 4),
        "averaged": 3,
        "best": like(NETWORK.parameters, 5),
    }
    return Snapshot(**given | changes)


def flat(part):
    return {name: value.tolist() for name, value in part.to_arrays().items()}


# ---------------------------------------------------------------------- as arrays


@pytest.mark.parametrize(
    "part", [snapshot(), snapshot(total={}, averaged=0), snapshot(best={}), snapshot(slots={}, state={})]
)
def test_to_arrays_and_back(part):
    again = Snapshot.from_arrays(part.counts, part.to_arrays())
    assert again.counts == part.counts == {"step": 70, "symbols": 5000, "validations": 2, "averaged": part.averaged}
    assert flat(again) == flat(part)
    for kind in ("weights", "slots", "state", "total", "best"):
        assert getattr(again, kind).keys() == getattr(part, kind).keys()


def test_the_parts_of_a_name_keep_their_order():
    arrays = dict(reversed(snapshot().to_arrays().items()))
    again = Snapshot.from_arrays(snapshot().counts, arrays)
    assert np.array_equal(again.slots["output.V"][0], snapshot().slots["output.V"][0])
    assert np.array_equal(again.state["recurrent.0"][1], snapshot().state["recurrent.0"][1])


@pytest.mark.parametrize(
    "change",
    [{"step": -1}, {"step": 1.0}, {"symbols": None}, {"validations": "2"}, {"averaged": True}, {"more": 1}],
)
def test_counts_that_are_none(change):
    with pytest.raises(ValueError, match=r"^the counts of a training are no numbers$"):
        Snapshot.from_arrays(snapshot().counts | change, snapshot().to_arrays())


def test_a_count_that_is_missing():
    with pytest.raises(ValueError, match=r"^the counts of a training are no numbers$"):
        Snapshot.from_arrays({"step": 1}, snapshot().to_arrays())


def test_an_array_of_no_part():
    with pytest.raises(KeyError, match="other"):
        Snapshot.from_arrays(snapshot().counts, {"other.dense.V": np.zeros(3)})


# ---------------------------------------------------------------------- what fits


def without(parts):
    return dict(list(parts.items())[1:])


def cut(parts):
    return {name: w[..., :-1] for name, w in parts.items()}


def cut_pairs(pairs):
    return {name: tuple(part[..., :-1] for part in parts) for name, parts in pairs.items()}


def narrow(parts):
    return {name: w.astype(np.float32) for name, w in parts.items()}


def narrow_pairs(pairs):
    return {name: tuple(part.astype(np.float32) for part in parts) for name, parts in pairs.items()}


@pytest.mark.parametrize(
    "part",
    [
        snapshot(),
        snapshot(total={}, averaged=0, best={}),
        snapshot(state={}),
        snapshot(slots={}),
        snapshot(slots=without(snapshot().slots)),
    ],
)
def test_what_fits(part):
    assert part.fits(NETWORK, ADAM, N)


FULL = snapshot()


@pytest.mark.parametrize(
    "part",
    [
        replace(FULL, weights=without(FULL.weights)),
        replace(FULL, weights=cut(FULL.weights)),
        replace(FULL, weights=narrow(FULL.weights)),
        replace(FULL, weights=FULL.weights | {"more": np.zeros(3)}),
        replace(FULL, slots=cut_pairs(FULL.slots)),
        replace(FULL, slots=narrow_pairs(FULL.slots)),
        replace(FULL, slots={name: parts[:1] for name, parts in FULL.slots.items()}),
        replace(FULL, slots=FULL.slots | {"more": (np.zeros(3), np.zeros(3))}),
        replace(FULL, state=cut_pairs(FULL.state)),
        replace(FULL, state=narrow_pairs(FULL.state)),
        replace(FULL, state={"recurrent.0": FULL.state["recurrent.0"][:1]}),
        replace(FULL, state={"other": FULL.state["recurrent.0"]}),
        replace(FULL, state={"recurrent.0": tuple(part[:1] for part in FULL.state["recurrent.0"])}),
        replace(FULL, state={"recurrent.0": tuple(part[0] for part in FULL.state["recurrent.0"])}),
        replace(FULL, total=cut(FULL.total)),
        replace(FULL, total=narrow(FULL.total)),
        replace(FULL, total={}),
        replace(FULL, averaged=0),
        replace(FULL, best=without(FULL.best)),
        replace(FULL, best=narrow(FULL.best)),
    ],
)
def test_what_does_not_fit(part):
    assert not part.fits(NETWORK, ADAM, N)


def test_it_fits_neither_another_network_nor_another_rule():
    assert not FULL.fits(network("gru"), ADAM, N)
    assert not FULL.fits(NETWORK, Optimizer("sgd"), N)
    assert not FULL.fits(NETWORK, ADAM, N + 1)


# ---------------------------------------------------------------------- batches from the middle on


def same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one.fresh, other.fresh)
        assert one.symbols == other.symbols
        for name in ("x", "targets", "weights", "lengths"):
            mine, theirs = getattr(one.batch, name), getattr(other.batch, name)
            assert (mine is None) == (theirs is None), name
            assert mine is None or np.array_equal(mine, theirs), name


def taken_up(source, done, seed):
    """The six batches from ``done`` on, and what dropping the first ``done`` leaves."""
    return list(islice(source.endless(seed, done), 6)), list(islice(source.endless(seed), done, done + 6))


@given(
    lengths=st.lists(st.integers(0, 40), min_size=1, max_size=12),
    batch_size=st.integers(1, 5),
    seq_len=st.integers(1, 12),
    restart_every=st.none() | st.integers(1, 3),
    done=st.integers(0, 60),
    seed=st.integers(0, 9),
)
def test_streams_are_taken_up_where_they_were_left(lengths, batch_size, seq_len, restart_every, done, seed):
    lengths = [2, *lengths]  # one prediction at least
    corpus = Corpus.of([np.arange(length) for length in lengths])
    same(*taken_up(Streams(corpus, batch_size, seq_len, restart_every=restart_every), done, seed))


@given(
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=40),
    batch_size=st.integers(1, 6),
    done=st.integers(0, 60),
    seed=st.integers(0, 9),
)
def test_batches_are_taken_up_where_they_were_left(lengths, batch_size, done, seed):
    def make(rows, steps):
        return Batch(x=np.tile(rows, (steps, 1)), targets=np.tile(rows, (steps, 1)))

    same(*taken_up(Batches(np.array(lengths), batch_size, make), done, seed))


@given(done=st.integers(0, 60), seed=st.integers(0, 9), rows=st.integers(1, 5))
def test_drawn_batches_are_taken_up_where_they_were_left(done, seed, rows):
    def make(rng):
        drawn = rng.integers(0, 9, (4, rows))
        return Batch(x=drawn, targets=drawn)

    same(*taken_up(Drawn(rows, make), done, seed))
