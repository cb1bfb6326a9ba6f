"""Dropout: how much, and what a mask depends on."""

from __future__ import annotations

import numpy as np
import pytest
from tests.tolerances import ROWS, assert_close

from throughtime.engine import random
from throughtime.engine.plain import PlainEngine
from throughtime.layers import Backward, Dropout, Forward, Noise, VariationalDropout

KINDS = [Dropout, VariationalDropout]
every_kind = pytest.mark.parametrize("kind", KINDS)


def run(layer, x, noise):
    engine = PlainEngine(x.dtype)
    y, tape = layer.forward(x, Forward(engine, {}, {}, noise=noise))
    return y, layer.backward(tape, np.ones_like(x), Backward(engine, {}, {}))


def mask(layer, T=6, N=4, H=9, seed=1, step=2):
    """What ones become."""
    return run(layer, np.ones((T, N, H)), Noise(seed, step))[0]


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_a_part_of_the_expected_size_is_dropped(rate):
    n = 50 * 40 * 100
    dropped = np.sum(mask(Dropout(rate), 50, 40, 100) == 0)
    assert abs(dropped - n * rate) < 5 * np.sqrt(n * rate * (1 - rate))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
@every_kind
def test_what_stays_is_divided_by_what_remains(kind, rate):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(7, 5, 11))
    y, d_x = run(kind(rate), x, Noise(1, 2))
    kept = y != 0
    assert 0 < kept.sum() < kept.size
    assert_close(y[kept], x[kept] / (1 - rate), ROWS["float64"])
    assert_close(d_x, np.where(kept, 1 / (1 - rate), 0.0), ROWS["float64"])


def test_an_element_is_dropped_where_its_word_says_so():
    layer = Dropout(0.3, name="dropout.1")
    key = random.key(1, "dropout", "dropout.1")
    words = random.words(key, step=2, times=np.arange(6), rows=np.arange(4), units=9)
    np.testing.assert_array_equal(mask(layer) == 0, words < int(0.3 * 2**32))


@every_kind
def test_the_mask_of_a_row_does_not_depend_on_the_batch_or_on_the_length(kind):
    whole = mask(kind(0.5), T=6, N=4)
    for T, N in ((6, 1), (2, 4), (3, 3), (1, 1)):
        np.testing.assert_array_equal(mask(kind(0.5), T=T, N=N), whole[:T, :N])


@every_kind
def test_the_mask_of_a_unit_does_not_depend_on_how_many_there_are(kind):
    np.testing.assert_array_equal(mask(kind(0.5), H=3), mask(kind(0.5), H=9)[..., :3])


@every_kind
def test_the_mask_depends_on_seed_step_and_name(kind):
    masks = [
        mask(kind(0.5)),
        mask(kind(0.5), seed=2),
        mask(kind(0.5), seed=1 + 2**32),
        mask(kind(0.5), step=3),
        mask(kind(0.5, name="other")),
    ]
    assert len({m.tobytes() for m in masks}) == len(masks)
    np.testing.assert_array_equal(mask(kind(0.5)), masks[0])


def test_dropout_draws_afresh_at_every_time_and_variational_dropout_does_not():
    fresh, kept = (mask(kind(0.5, name="same"), H=40) for kind in KINDS)
    assert len({step.tobytes() for step in fresh}) == 6
    assert len({step.tobytes() for step in kept}) == 1
    np.testing.assert_array_equal(kept[0], fresh[0])
    assert len({row.tobytes() for row in kept[0]}) == 4


@every_kind
def test_it_is_off_without_noise_and_at_rate_zero(kind):
    x = np.random.default_rng(0).normal(size=(3, 2, 4))
    for layer, noise in ((kind(0.5), None), (kind(0.0), Noise(1, 2))):
        y, d_x = run(layer, x, noise)
        np.testing.assert_array_equal(y, x)
        np.testing.assert_array_equal(d_x, np.ones_like(x))


@every_kind
def test_it_keeps_the_dtype(kind):
    y, d_x = run(kind(0.5), np.ones((3, 2, 4), np.float32), Noise(1, 2))
    assert (y.dtype, d_x.dtype) == (np.float32, np.float32)


@every_kind
def test_a_nan_that_is_kept_comes_out_and_so_does_one_that_is_dropped(kind):
    y, _ = run(kind(0.5), np.full((3, 2, 8), np.nan), Noise(1, 2))
    assert np.isnan(y).all()
