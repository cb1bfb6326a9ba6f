"""Clipping, worked by hand: plain gradient descent of rate 1 takes a weight from 0 to minus the gradient used."""

from __future__ import annotations

import numpy as np
import pytest
from tests.tolerances import HAND, assert_close

from throughtime.engine.plain import PlainEngine
from throughtime.optimizers import Optimizer


def used(gradients, norm=None, **options):
    """The gradients that the rule saw."""
    gradients = {name: np.array(g) for name, g in gradients.items()}
    parameters = {name: np.zeros_like(g) for name, g in gradients.items()}
    Optimizer("sgd", **options).apply(
        PlainEngine(np.float64), parameters, gradients, step=0, learning_rate=1.0, norm=norm
    )
    return {name: -w for name, w in parameters.items()}


def test_each_element_is_clipped_to_the_value():
    assert used({"w": [3.0, -4.0, 0.5, -0.5]}, clip_value=1.0)["w"].tolist() == [1.0, -1.0, 0.5, -0.5]


def test_the_norm_is_that_of_all_parameters_together():
    found = used({"w": [[3.0, 0.0]], "b": [-4.0]}, clip_norm=1.0)  # norm 5, scale 1/5
    assert_close(found["w"], np.array([[0.6, 0.0]]), HAND)
    assert_close(found["b"], np.array([-0.8]), HAND)


@pytest.mark.parametrize("clip_norm", [5.0, 6.0, None])
def test_a_gradient_within_the_norm_stays_as_it_is(clip_norm):
    assert used({"w": [3.0, 4.0]}, clip_norm=clip_norm)["w"].tolist() == [3.0, 4.0]


def test_the_value_is_clipped_before_the_norm_is_taken():
    # (3, 40) becomes (3, 4), whose norm is 5; the norm before, 40.1, is not used
    found = used({"w": [3.0, 40.0]}, clip_value=4.0, clip_norm=1.0, norm=np.sqrt(1609.0))
    assert_close(found["w"], np.array([0.6, 0.8]), HAND)


def test_a_norm_that_is_known_is_not_taken_again():
    found = used({"w": [3.0, 4.0]}, clip_norm=1.0, norm=10.0)
    assert_close(found["w"], np.array([0.3, 0.4]), HAND)


def test_global_norm_worked_by_hand():
    engine = PlainEngine(np.float64)
    gradients = {"w": np.array([[2.0, 4.0]]), "b": np.array([-5.0, 6.0])}
    assert engine.global_norm(gradients) == 9.0  # sqrt(4 + 16 + 25 + 36)
    assert engine.global_norm(gradients, clip_value=2.0) == 4.0  # sqrt(4 + 4 + 4 + 4)
    assert np.isnan(engine.global_norm({"w": np.array([1.0, np.nan])}, clip_value=1.0))


def test_the_norm_of_float32_gradients_is_summed_in_float64():
    assert PlainEngine().global_norm({"w": np.full(4, 1e30, np.float32)}) == pytest.approx(2e30, rel=1e-6)


def test_a_nan_is_not_clipped_away():
    assert np.isnan(used({"w": [np.nan, 1.0]}, clip_value=1.0)["w"][0])
    assert np.isnan(used({"w": [np.nan, 1.0]}, clip_norm=1.0)["w"][0])


def test_the_gradients_themselves_stay_as_they_were():
    gradient = np.array([3.0, 4.0])
    Optimizer("sgd", clip_value=1.0, clip_norm=0.5).apply(
        PlainEngine(np.float64), {"w": np.zeros(2)}, {"w": gradient}, step=0, learning_rate=1.0
    )
    assert gradient.tolist() == [3.0, 4.0]
