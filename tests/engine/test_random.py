"""Philox against the published answers, and what is built on it."""

from __future__ import annotations

import numpy as np
import pytest

from throughtime.engine import random
from throughtime.errors import ParameterError

ONES = 0xFFFFFFFF
KNOWN_ANSWERS = [  # kat_vectors of Random123, philox4x32-10: counter, key, words
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES,) * 4, (ONES, ONES), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN_ANSWERS, ids=["zeros", "ones", "pi"])
def test_philox_gives_the_published_words(counter, key, words):
    assert tuple(int(word) for word in random.philox(counter, key)) == words


def test_philox_of_arrays_is_philox_of_each_element():
    counters = np.array([counter for counter, _, _ in KNOWN_ANSWERS])
    found = np.stack(random.philox(tuple(counters.T), (7, 8)), axis=1)
    for counter, row in zip(counters, found, strict=True):
        assert row.tolist() == [int(word) for word in random.philox(tuple(counter), (7, 8))]
    assert found.dtype == np.uint32


def test_words_depend_on_place_alone():
    key = random.key(1, "dropout", "recurrent.0")
    whole = random.words(key, step=3, times=np.arange(5), rows=np.arange(4), units=9)
    assert whole.shape == (5, 4, 9)
    part = random.words(key, step=3, times=np.array([4, 1]), rows=np.array([2]), units=6)
    np.testing.assert_array_equal(part, whole[[4, 1]][:, [2], :6])
    assert len(np.unique(whole)) > 0.99 * whole.size


@pytest.mark.parametrize("units", [1, 3, 4, 5])
def test_words_of_four_neighbouring_units_share_a_counter(units):
    drawn = random.words((5, 6), step=2, times=np.array([1]), rows=np.array([3]), units=units)
    blocks = [[int(word) for word in random.philox((block, 1, 3, 2), (5, 6))] for block in (0, 1)]
    assert drawn[0, 0].tolist() == (blocks[0] + blocks[1])[:units]


def test_keys_differ_by_seed_purpose_and_order():
    keys = [
        random.key(1),
        random.key(2),
        random.key(1 + 2**32),
        random.key(1, "dropout"),
        random.key(1, "initial"),
        random.key(1, "dropout", "a", "b"),
        random.key(1, "dropout", "b", "a"),
        random.key(1, "dropout", 0),
        random.key(1, "dropout", 1),
    ]
    assert len(set(keys)) == len(keys)
    assert random.key(1, "dropout", 1) == random.key(1, "dropout", 1)


@pytest.fixture(scope="module")
def many():
    rows = np.arange(1000)
    return np.concatenate([random.uniforms((1, 2), time=time, rows=rows) for time in range(100)])


def test_uniforms_are_in_the_half_open_interval(many):
    assert many.dtype == np.float64
    assert many.min() >= 0
    assert many.max() < 1
    assert len(np.unique(many)) == many.size


def test_uniforms_are_uniform(many):
    n = many.size
    assert abs(many.mean() - 0.5) < 5 * np.sqrt(1 / 12 / n)
    distance = np.max(np.abs(np.sort(many) - (np.arange(n) + 0.5) / n))  # Kolmogorov-Smirnov
    assert distance < 1.95 / np.sqrt(n)  # passed by 999 of 1000 true uniforms


def test_the_largest_uniform_is_below_one(monkeypatch):
    ones = np.array([ONES], np.uint32)
    monkeypatch.setattr(random, "philox", lambda counter, key: (ones,) * 4)
    assert random.uniforms((0, 0), time=0, rows=np.arange(1)).tolist() == [1 - 2.0**-53]


def test_a_uniform_depends_on_key_time_and_row_alone():
    whole = random.uniforms((1, 2), time=7, rows=np.arange(10))
    assert random.uniforms((1, 2), time=7, rows=np.array([4]))[0] == whole[4]
    others = [((1, 2), 8), ((2, 2), 7), ((1, 2), 7 + 2**32)]
    for key, time in others:
        assert not np.any(random.uniforms(key, time=time, rows=np.arange(10)) == whole)


def test_generators_of_one_key_draw_the_same():
    first, second = random.generator((1, 2)), random.generator((1, 2))
    assert first.normal(size=3).tolist() == second.normal(size=3).tolist()
    assert first.normal() != random.generator((2, 2)).normal()


@pytest.mark.parametrize("seed", [0, 5, 2**64 - 1, np.int64(5), np.uint8(5)], ids=repr)
def test_an_integer_is_its_own_seed(seed):
    assert random.seed_of(seed) == seed
    assert type(random.seed_of(seed)) is int


def test_none_is_a_fresh_seed_each_time():
    assert random.seed_of(None) != random.seed_of(None)


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_a_generator_gives_the_next_of_its_own(make):
    first, second = make(3), make(3)
    seeds = [random.seed_of(first), random.seed_of(first)]
    assert seeds == [random.seed_of(second), random.seed_of(second)]
    assert seeds[0] != seeds[1]


@pytest.mark.parametrize("wrong", [-1, 2**64, 1.0, True, "1", [1]], ids=repr)
def test_any_other_random_state_is_refused(wrong):
    with pytest.raises(
        ParameterError, match=r"random_state must be None, an integer from 0 to 2\*\*64 - 1, or a NumPy"
    ):
        random.seed_of(wrong)
