"""How symbols are chosen, and generation symbol by symbol."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughtime.engine import random
from throughtime.engine.plain import PlainEngine
from throughtime.engine.protocol import RECENT, Sampling
from throughtime.layers import Dense, OneHot, Recurrent
from throughtime.network import Network

LAST = np.nextafter(1.0, 0.0)


def choose(p, u, **sampling):
    """The symbols that the numbers ``u`` choose from one row of probabilities."""
    u = np.atleast_1d(np.asarray(u, float))
    with np.errstate(divide="ignore"):
        o = np.log(np.array([p], dtype=np.float64)).repeat(len(u), axis=0)
    return PlainEngine(np.float64).choose(o, Sampling(**sampling), u).tolist()


GRID = (np.arange(1000) + 0.5) / 1000


def share(p, **sampling):
    """How often each symbol is chosen by numbers spread evenly over [0, 1)."""
    return (np.bincount(choose(p, GRID, **sampling), minlength=len(p)) / len(GRID)).tolist()


def test_the_first_sum_above_u_chooses():
    assert choose([0.25, 0.5, 0.25], [0.0, 0.2499, 0.2501, 0.7499, 0.7501, LAST]) == [0, 0, 1, 1, 2, 2]


def test_symbols_come_as_often_as_they_are_likely():
    assert share([0.125, 0.5, 0.25, 0.125]) == [0.125, 0.5, 0.25, 0.125]


def test_frequencies_of_drawn_numbers_pass_a_chi_square_test():
    p, n = np.array([0.1, 0.2, 0.3, 0.4]), 20_000
    u = random.uniforms(random.key(1, "generate"), time=0, rows=np.arange(n))
    counts = np.bincount(choose(p, u), minlength=4)
    assert np.sum((counts - n * p) ** 2 / (n * p)) < 16.27  # 999 of 1000 true samples, three degrees of freedom


def test_greedy_takes_the_likeliest_and_of_equals_the_first():
    assert choose([0.2, 0.4, 0.4], [0.0, 0.9], greedy=True) == [1, 1]


def test_temperature_divides_the_outputs():
    # p**(1/T), made to sum to 1: squares of 1 : 2 : 2 are 1 : 4 : 4, and T = 1/2
    assert share([0.2, 0.4, 0.4], temperature=0.5) == pytest.approx([1 / 9, 4 / 9, 4 / 9], abs=1e-3)
    assert share([0.1, 0.9], temperature=2.0) == pytest.approx([0.25, 0.75], abs=1e-3)  # roots 1 : 3
    assert share([0.1, 0.9], temperature=1e-3) == [0.0, 1.0]


def test_top_k_keeps_the_likeliest_in_their_proportion():
    assert share([0.1, 0.5, 0.15, 0.25], top_k=2) == pytest.approx([0, 2 / 3, 0, 1 / 3], abs=1e-3)
    assert share([0.1, 0.5, 0.15, 0.25], top_k=1) == [0, 1, 0, 0]
    assert share([0.125, 0.5, 0.125, 0.25], top_k=9) == [0.125, 0.5, 0.125, 0.25]


def test_of_equally_likely_symbols_top_k_keeps_the_first():
    assert share([0.25, 0.25, 0.25, 0.25], top_k=2) == [0.5, 0.5, 0, 0]
    assert share([0.125, 0.25, 0.5, 0.125], top_k=3) == pytest.approx([1 / 7, 2 / 7, 4 / 7, 0], abs=1e-3)


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [(0.3, {1}), (0.5, {1}), (0.51, {1, 3}), (0.75, {1, 3}), (0.76, {0, 1, 3}), (0.9, {0, 1, 2, 3}), (1.0, None)],
)
def test_top_p_keeps_the_smallest_set_that_has_it(top_p, kept):
    p = [0.125, 0.5, 0.125, 0.25]
    assert set(choose(p, GRID, top_p=top_p)) == (kept or {0, 1, 2, 3})


def test_top_p_counts_within_what_top_k_left():
    # top_k leaves 1/2 and 1/4: of these the first alone has 2/3
    assert share([0.125, 0.5, 0.125, 0.25], top_k=2, top_p=0.6) == [0, 1, 0, 0]
    assert share([0.125, 0.5, 0.125, 0.25], top_k=2, top_p=0.7) == pytest.approx([0, 2 / 3, 0, 1 / 3], abs=1e-3)


@pytest.mark.parametrize(
    ("min_p", "kept"),
    [(0.0, {0, 1, 2, 3}), (0.24, {0, 1, 2, 3}), (0.26, {1, 3}), (0.49, {1, 3}), (0.51, {1}), (1.0, {1})],
)
def test_min_p_keeps_what_has_that_share_of_the_likeliest(min_p, kept):
    # the shares are 1/4, 1, 1/4 and 1/2
    assert set(choose([0.125, 0.5, 0.125, 0.25], GRID, min_p=min_p)) == kept


def test_what_min_p_leaves_keeps_its_proportion():
    assert share([0.125, 0.5, 0.125, 0.25], min_p=0.3) == pytest.approx([0, 2 / 3, 0, 1 / 3], abs=1e-3)
    assert share([0.25, 0.5, 0.25], min_p=1.0) == [0, 1, 0]
    assert share([0.5, 0.5, 0.0], min_p=1.0) == [0.5, 0.5, 0]


def test_min_p_looks_at_probabilities_after_the_temperature():
    # T = 1/2 squares the shares: 1/16, 1, 1/16 and 1/4; T = 2 takes their roots: 1/2, 1, 1/2 and 0.7
    assert set(choose([0.125, 0.5, 0.125, 0.25], GRID, temperature=0.5, min_p=0.2)) == {1, 3}
    assert set(choose([0.125, 0.5, 0.125, 0.25], GRID, temperature=2.0, min_p=0.45)) == {0, 1, 2, 3}


def test_top_p_is_counted_before_min_p():
    # 1/2 and 1/4 have three quarters; of what min_p would leave, 1/2 alone had two thirds
    assert share([0.5, 0.25, 0.125, 0.125], top_p=0.6, min_p=0.4) == pytest.approx([2 / 3, 1 / 3, 0, 0], abs=1e-3)
    assert set(choose([0.4, 0.3, 0.2, 0.1], GRID, top_p=0.85, min_p=0.6)) == {0, 1}
    assert set(choose([0.4, 0.3, 0.2, 0.1], GRID, top_k=3, min_p=0.2)) == {0, 1, 2}


# ---------------------------------------------------------------------- penalty and bias


def adjusted(outputs, recent=(), **sampling):
    """One row of outputs, after these symbols."""
    recent = np.array(recent, dtype=np.int64)[:, None]
    return Sampling(**sampling).adjusted(np.array([outputs], np.float32), recent)[0].tolist()


def test_a_penalty_divides_what_is_above_nought_and_multiplies_what_is_below():
    assert adjusted([2.0, -3.0, 1.0, 0.5], [0, 1], repetition_penalty=2.0) == [1.0, -6.0, 1.0, 0.5]
    assert adjusted([2.0, -3.0, 0.0, 0.5], [0, 1, 2], repetition_penalty=0.5) == [4.0, -1.5, 0.0, 0.5]
    assert adjusted([2.0, -3.0], [], repetition_penalty=2.0) == [2.0, -3.0]


def test_a_symbol_that_came_several_times_is_penalised_once():
    assert adjusted([2.0, -3.0, 1.0], [0, 1, 0, 0, 1], repetition_penalty=2.0) == [1.0, -6.0, 1.0]


def test_a_bias_is_added_and_minus_infinity_bans():
    assert adjusted([2.0, -3.0, 1.0, 0.5], bias=((0, -1.0), (2, 1.5), (3, -np.inf))) == [1.0, -3.0, 2.5, -np.inf]


def test_the_penalty_comes_before_the_bias():
    # 2 / 2 - 1 is 0; (2 - 1) / 2 would be 1/2
    assert adjusted([2.0, 0.0], [0], repetition_penalty=2.0, bias=((0, -1.0),)) == [0.0, 0.0]
    assert adjusted([2.0, 0.0], [0], repetition_penalty=2.0, bias=((0, -np.inf),)) == [-np.inf, 0.0]


def test_each_row_is_penalised_for_its_own_past():
    o = np.array([[4.0, 2.0, -1.0], [4.0, 2.0, -1.0]], np.float32)
    found = Sampling(repetition_penalty=2.0).adjusted(o, np.array([[0, 2], [0, 1]]))
    assert found.tolist() == [[2.0, 2.0, -1.0], [4.0, 1.0, -2.0]]
    assert o.tolist() == [[4.0, 2.0, -1.0], [4.0, 2.0, -1.0]]


@pytest.mark.parametrize(
    ("sampling", "adjusts"),
    [
        ({}, False),
        ({"temperature": 0.5, "top_k": 3, "top_p": 0.5, "min_p": 0.1, "greedy": True}, False),
        ({"repetition_penalty": 1.1}, True),
        ({"repetition_penalty": 0.9}, True),
        ({"bias": ((0, 0.0),)}, True),
    ],
)
def test_whether_outputs_are_changed(sampling, adjusts):
    assert Sampling(**sampling).adjusts is adjusts


def share_after(p, bias, **sampling):
    """How often each symbol is chosen where a bias was added to its output."""
    made = Sampling(bias=tuple(bias.items()), **sampling)
    o = made.adjusted(np.log(np.array([p])), np.zeros((0, 1), np.int64)).repeat(len(GRID), axis=0)
    return (np.bincount(PlainEngine(np.float64).choose(o, made, GRID), minlength=len(p)) / len(GRID)).tolist()


def test_a_bias_multiplies_the_odds():
    assert share_after([0.5, 0.25, 0.25], {1: np.log(2)}) == pytest.approx([0.4, 0.4, 0.2], abs=2e-3)
    assert share_after([0.5, 0.25, 0.25], {0: -np.inf}) == [0, 0.5, 0.5]


def test_the_temperature_divides_the_bias_too():
    # 2 : 2 : 1, squared
    found = share_after([0.5, 0.25, 0.25], {1: np.log(2)}, temperature=0.5)
    assert found == pytest.approx([4 / 9, 4 / 9, 1 / 9], abs=2e-3)


def test_what_is_left_out_is_judged_after_the_bias():
    p = [0.125, 0.5, 0.125, 0.25]
    assert share_after(p, {1: -np.inf}, top_k=2) == pytest.approx([1 / 3, 0, 0, 2 / 3], abs=1e-3)
    assert share_after(p, {1: -np.inf}, top_p=0.49) == [0, 0, 0, 1]  # a quarter is one half of what is left
    assert share_after(p, {1: -np.inf}, min_p=0.6) == [0, 0, 0, 1]  # an eighth is one half of a quarter
    assert share_after(p, {0: 5.0}, greedy=True) == [1, 0, 0, 0]


@given(
    st.lists(st.sampled_from([0.0, 1e-300, 1e-9, 0.1, 0.3, 1.0, 7.0]), min_size=1, max_size=9).filter(any),
    st.sampled_from([0.0, 5e-324, 0.5, LAST]),
    st.sampled_from([None, 1, 2, 5]),
    st.sampled_from([None, 1e-12, 0.5, 1.0]),
    st.sampled_from([0.0, 1e-12, 0.5, 1.0]),
)
def test_a_symbol_of_probability_zero_is_never_chosen(p, u, top_k, top_p, min_p):
    (chosen,) = choose(p, u, top_k=top_k, top_p=top_p, min_p=min_p)
    assert p[chosen] > 0


@pytest.mark.parametrize("u", [0.0, 0.5, LAST])
def test_the_rows_choose_each_for_itself(u):
    with np.errstate(divide="ignore"):
        o = np.log([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert PlainEngine(np.float64).choose(o, Sampling(), np.full(3, u)).tolist() == [1, 0, 2]


def test_outputs_of_any_size_do_not_overflow():
    o = np.array([[1e30, 0.0], [-1e30, 0.0]], np.float32)
    assert PlainEngine().choose(o, Sampling(temperature=0.1), np.array([0.5, 0.5])).tolist() == [0, 1]


# ---------------------------------------------------------------------- generation


@pytest.fixture(scope="module")
def network():
    return Network([OneHot(6), Recurrent("gru", 6, 8), Dense(8, 6)], initializer="orthogonal", random_state=0)


def generate(network, outputs, state, length, sampling, seed=1):
    pieces = network.engine.generate(network, outputs, state, length, sampling, random.key(seed, "generate"))
    return np.concatenate(list(pieces))


def test_a_stream_is_the_same_whatever_other_streams_there_are(network):
    N, sampling = 5, Sampling(temperature=0.8)
    outputs, state = network.step(np.arange(N))
    together = generate(network, outputs, state, 40, sampling)
    assert together.shape == (40, N)
    for n in (0, 1, 3):
        alone = generate(network, outputs[: n + 1], {"recurrent": (state["recurrent"][0][: n + 1],)}, 40, sampling)
        np.testing.assert_array_equal(alone, together[:, : n + 1])
    assert len({tuple(stream) for stream in together.T}) == N


def test_each_symbol_is_fed_back_in(network):
    outputs, state = network.step(np.array([2]))
    symbols = generate(network, outputs, state, 12, Sampling(greedy=True))[:, 0]
    whole, _ = network.forward(np.array([[2, *symbols[:-1]]]).T)
    assert whole[:, 0].argmax(axis=1).tolist() == symbols.tolist()


def test_a_longer_generation_begins_as_a_shorter_one_and_another_seed_goes_another_way(network):
    outputs, state = network.step(np.array([2, 3]))
    long, short, other = (
        generate(network, outputs, state, length, Sampling(), seed) for length, seed in ((30, 1), (10, 1), (30, 2))
    )
    np.testing.assert_array_equal(long[:10], short)
    assert np.any(long != other)


def test_nothing_is_generated_for_length_zero(network):
    outputs, state = network.step(np.array([2]))
    assert list(network.engine.generate(network, outputs, state, 0, Sampling(), (0, 0))) == []


class Constant:
    """A network whose outputs are the same whatever it reads."""

    def __init__(self, *outputs):
        self.outputs = np.array(outputs, np.float32)

    def check_steps(self):
        pass

    def step(self, x, state=None):
        return np.tile(self.outputs, (len(x), 1)), {}


def written(network, length, sampling, read):
    """One stream after the symbols that were read."""
    pieces = PlainEngine().generate(
        network, network.step([0])[0], {}, length, sampling, random.key(1, "generate"), np.array(read)[:, None]
    )
    return np.concatenate(list(pieces))[:, 0].tolist()


FALLING = Constant(*(1 - np.arange(100) / 1000))
"""The first symbol is the likeliest, but one that is penalised is less likely than any other."""


def test_only_so_many_symbols_back_is_a_repetition_looked_for():
    found = written(FALLING, 3 * RECENT, Sampling(greedy=True, repetition_penalty=2.0), [99])
    assert found == [place % (RECENT + 1) for place in range(3 * RECENT)]


@pytest.mark.parametrize(
    ("read", "first"),
    [(range(RECENT), RECENT), (range(RECENT + 1), 0), ([0, *range(2, RECENT + 2)], 0), ([0] * 100, 1), ([5], 0)],
)
def test_what_was_read_is_penalised_too(read, first):
    assert written(FALLING, 1, Sampling(greedy=True, repetition_penalty=2.0), list(read)) == [first]


def test_a_banned_symbol_is_never_generated():
    sampling = Sampling(bias=((0, -np.inf), (1, -np.inf)))
    assert set(written(Constant(9.0, 8.0, 0.0, 0.0), 100, sampling, [0])) == {2, 3}
