"""Symbols chosen in compiled code against the choice in NumPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.compiled.material import make, network_of, run_python, seeds, state_for, using

from throughtime import Network
from throughtime.engine import random
from throughtime.engine.choice import choose
from throughtime.engine.protocol import Engine, Sampling
from throughtime.errors import NonFiniteLoss, ShapeError
from throughtime.layers import Dense, OneHot, Recurrent

samplings = st.builds(
    Sampling,
    temperature=st.sampled_from([1e-3, 0.3, 1.0, 3.0]),
    top_k=st.sampled_from([None, 1, 2, 5, 40, 1000]),
    top_p=st.sampled_from([None, 1e-9, 0.3, 0.5, 0.9, 1.0]),
    greedy=st.sampled_from([False, False, False, True]),
    min_p=st.sampled_from([0.0, 0.0, 0.05, 0.5, 1.0]),
)
biases = st.dictionaries(st.integers(0, 29), st.sampled_from([-np.inf, -1.5, 0.0, 2.0]), max_size=5)


def first_symbols(o, sampling, key):
    """What generation chooses first."""
    K = o.shape[1]
    network = network_of("one-hot", "elman", K, 1, K)
    (piece,) = make().generate(network, o, state_for(network, len(o)), 1, sampling, key)
    return piece[0]


@settings(max_examples=150)
@given(st.integers(2, 300), st.integers(1, 30), samplings, st.sampled_from([0.0, 1.0, 4.0]), seeds)
def test_choices_are_those_of_numpy(K, N, sampling, size, seed):
    rng, key = np.random.default_rng(seed), random.key(seed, "generate")
    o = (rng.normal(size=(N, K)) * size).astype(np.float32)
    if seed % 2:
        o = np.round(o)  # many of equal size
    expected = choose(o, sampling, random.uniforms(key, time=0, rows=np.arange(N)))
    np.testing.assert_array_equal(first_symbols(o, sampling, key), expected)
    np.testing.assert_array_equal(make().choose(o, sampling, np.full(N, 0.5)), choose(o, sampling, np.full(N, 0.5)))


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(top_k=3), Sampling(top_p=0.5), Sampling(top_k=4, top_p=0.6)])
def test_of_equal_symbols_the_first_are_kept(sampling):
    key = random.key(1, "generate")
    for o in (np.zeros((200, 8)), np.tile([0.0, 1.0, 1.0, 1.0, 0.0, 1.0, -np.inf, 2.0], (200, 1))):
        o = np.where(np.isinf(o), -1e30, o).astype(np.float32)
        expected = choose(o, sampling, random.uniforms(key, time=0, rows=np.arange(200)))
        np.testing.assert_array_equal(first_symbols(o, sampling, key), expected)


@given(samplings, seeds, st.integers(1, 6))
def test_a_text_is_that_of_the_protocol_symbol_by_symbol(sampling, seed, N):
    network = network_of("one-hot", "gru", 30, 9, 30, seed=seed)
    o, state, key = (
        np.random.default_rng(seed).normal(size=(N, 30)).astype(np.float32),
        state_for(network, N),
        random.key(seed, "generate"),
    )
    whole = np.concatenate(list(make().generate(network, o, state, 40, sampling, key)))
    expected = np.concatenate(list(Engine.generate(make(), network, o, state, 40, sampling, key)))
    np.testing.assert_array_equal(whole, expected)


@given(samplings, biases, st.sampled_from([0.7, 1.0, 1.5]), seeds, st.integers(1, 4))
def test_a_text_with_bias_and_penalty_is_that_of_the_protocol(sampling, bias, penalty, seed, N):
    sampling = replace(sampling, bias=tuple(sorted(bias.items())), repetition_penalty=penalty)
    network, rng, key = network_of("one-hot", "gru", 30, 9, 30, seed=seed), np.random.default_rng(seed), (seed, 1)
    o, state, read = rng.normal(size=(N, 30)).astype(np.float32), state_for(network, N), rng.integers(30, size=(70, N))
    whole = np.concatenate(list(make().generate(network, o, state, 40, sampling, key, read)))
    expected = np.concatenate(list(Engine.generate(make(), network, o, state, 40, sampling, key, read)))
    np.testing.assert_array_equal(whole, expected)
    assert not {symbol for symbol, value in bias.items() if value == -np.inf} & set(whole.ravel().tolist())


@given(samplings, seeds, st.integers(1, 4))
def test_a_bias_of_nought_changes_nothing(sampling, seed, N):
    """Though the outputs pass through another code then."""
    network, key = network_of("one-hot", "gru", 30, 9, 30, seed=seed), random.key(seed, "generate")
    o, state = np.random.default_rng(seed).normal(size=(N, 30)).astype(np.float32), state_for(network, N)
    whole = np.concatenate(list(make().generate(network, o, state, 40, sampling, key)))
    biased = replace(sampling, bias=((3, 0.0),))
    np.testing.assert_array_equal(np.concatenate(list(make().generate(network, o, state, 40, biased, key))), whole)


@pytest.mark.parametrize(
    ("outputs", "min_p", "kept"),
    [([0.0, 1.0, 2.0], 0.3, {1, 2}), ([0.0, 1.0, 2.0], 0.1, {0, 1, 2}), ([2.0, 1.0, 2.0], 1.0, {0, 2})],
)
def test_min_p_keeps_what_has_that_share_of_the_likeliest(outputs, min_p, kept):
    """The shares are 1, 1/e = 0.37 and 1/e**2 = 0.14."""
    o = np.tile(np.array(outputs, np.float32), (300, 1))
    assert set(first_symbols(o, Sampling(min_p=min_p), random.key(1, "generate")).tolist()) == kept


def test_pieces_of_any_size_make_up_the_text():
    network = network_of("one-hot", "gru", 30, 9, 30)
    o, state, key = np.zeros((2, 30), np.float32), state_for(network, 2), random.key(1, "generate")
    pieces = list(make().generate(network, o, state, 2000, Sampling(), key))
    assert len(pieces) > 2
    assert sum(map(len, pieces)) == 2000
    assert list(make().generate(network, o, state, 0, Sampling(), key)) == []
    for length in (1, 2, 3, 700):
        shorter = np.concatenate(list(make().generate(network, o, state, length, Sampling(), key)))
        np.testing.assert_array_equal(shorter, np.concatenate(pieces)[:length])


def exploding(size, N):
    """A network whose outputs grow until they are infinite, in the last row alone."""
    network = Network([OneHot(2), Recurrent("elman-relu", 2, 1), Dense(1, 2)], engine="compiled", random_state=0)
    for name, value in (("recurrent.U", 0.0), ("recurrent.W", size), ("output.V", 1.0)):
        network.parameters[name][...] = value
    network.changed()
    state = np.zeros((N, 1), np.float32)
    state[-1] = 1.0
    return network, {"recurrent": (state,)}


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("greedy", [True, False])
@pytest.mark.parametrize(("size", "good"), [(1e20, 2), (1e10, 4), (10.0, 39)])
def test_outputs_that_are_not_finite_end_a_text_behind_what_was_good(size, good, greedy, number):
    for N in (1, 5):
        network, state = exploding(size, N)
        o, sampling, seen = np.zeros((N, 2), np.float32), Sampling(greedy=greedy), []
        pieces = make().generate(network, o, state, 100, sampling, random.key(0, "generate"))
        with using(number), pytest.raises(NonFiniteLoss, match="not finite"):
            seen.extend(pieces)
        assert sum(map(len, seen)) == good
        assert all(piece.shape[1] == N for piece in seen)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 16, 29])
def test_first_outputs_that_are_not_finite_give_nothing(value, place):
    network = network_of("one-hot", "gru", 30, 9, 30)
    o = np.zeros((3, 30), np.float32)
    o[1, place] = value
    with pytest.raises(NonFiniteLoss):
        next(make().generate(network, o, state_for(network, 3), 5, Sampling(), random.key(0, "generate")))


def test_many_threads_leave_a_text_together_when_outputs_are_not_finite():
    text = """
import numpy as np
from tests.engine.compiled.material import make, using
from tests.engine.compiled.test_choice import exploding
from throughtime.engine import random
from throughtime.engine.protocol import Sampling
from throughtime.errors import NonFiniteLoss
ended = 0
for number in (2, 3):
    for attempt in range(50):
        network, state = exploding(1e4, 6)
        state = {"recurrent": (state["recurrent"][0][::-1].copy(),)}
        with using(number):
            try:
                list(make().generate(network, np.zeros((6, 2), np.float32), state, 100, Sampling(), random.key(0, "g")))
            except NonFiniteLoss:
                ended += 1
print(ended)
"""
    assert run_python(text, timeout=15).stdout.strip() == "100"


def test_a_network_with_more_outputs_than_symbols_cannot_be_fed_its_own():
    network = network_of("one-hot", "gru", 3, 4, 90)
    o = np.zeros((2, 90), np.float32)
    o[:, 80] = 9
    with pytest.raises(ShapeError, match="token ids must be from 0 to 2"):
        list(make().generate(network, o, state_for(network, 2), 5, Sampling(greedy=True), random.key(0, "generate")))


def test_a_network_of_numbers_cannot_be_fed_symbols():
    done = run_python(
        """
import numpy as np
from tests.engine.compiled.material import make, network_of, state_for
from throughtime.engine import random
from throughtime.engine.protocol import Sampling
from throughtime.errors import ThroughtimeError
network = network_of("numbers", "gru", 3, 4, 3)
try:
    o, state, key = np.zeros((2, 3), np.float32), state_for(network, 2), random.key(0, "g")
    list(make().generate(network, o, state, 5, Sampling(), key))
except ThroughtimeError:
    print("refused")
""",
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "refused")
