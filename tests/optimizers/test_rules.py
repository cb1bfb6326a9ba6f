"""Every rule with two steps followed on paper."""

from __future__ import annotations

import numpy as np
import pytest
from tests.tolerances import HAND, assert_close

from throughtime import optimizers
from throughtime.engine.plain import PlainEngine
from throughtime.errors import CellError, ParameterError
from throughtime.optimizers import RULES, Optimizer, Rule

TWO_STEPS = {  # rule: (gradients, weights after each step); the weight starts at 1, the rate is 0.1
    # 1 - 0.1 * 2;  0.8 + 0.1 * 1
    "sgd": (optimizers.sgd(), (2.0, -1.0), (0.8, 0.9)),
    # v = 2, 1 - 0.1 * 2;  v = 0.9 * 2 - 1 = 0.8, 0.8 - 0.1 * 0.8
    "momentum": (optimizers.momentum(0.9), (2.0, -1.0), (0.8, 0.72)),
    # s = 9, 1 - 0.1 * 3 / sqrt(9 + 7);  s = 9 + 9, 0.925 + 0.1 * 3 / sqrt(18 + 7)
    "adagrad": (optimizers.adagrad(epsilon=7.0), (3.0, -3.0), (0.925, 0.985)),
    # s = 0.64 * 25 = 16, 1 - 0.1 * 5 / (4 + 1)
    # s = 0.36 * 16 + 0.64 * 2.25**2 = 5.76 + 3.24 = 9, 0.9 - 0.1 * 2.25 / (3 + 1)
    "rmsprop": (optimizers.rmsprop(decay=0.36, epsilon=1.0), (5.0, 2.25), (0.9, 0.84375)),
    # m = 1, m / (1 - 1/2) = 2;  v = 1, v / (1 - 3/4) = 4;  1 - 0.1 * 2 / (2 + 1) = 1 - 1/15
    # m = 1/2 - 5/2 = -2, m / (1 - 1/4) = -8/3;  v = 3/4 + 25/4 = 7, v / (1 - 9/16) = 16;  + 0.1 * 8/3 / (4 + 1) = 4/75
    "adam": (optimizers.adam(beta1=0.5, beta2=0.75, epsilon=1.0), (2.0, -5.0), (14 / 15, 74 / 75)),
}


def steps(rule, gradients, *, shape=(1, 1), rate=0.1, **options):
    """The weight after each step, from 1."""
    optimizer, parameters = Optimizer(rule, **options), {"w": np.ones(shape)}
    seen = []
    for number, g in enumerate(gradients):
        optimizer.apply(PlainEngine(np.float64), parameters, {"w": np.full(shape, g)}, step=number, learning_rate=rate)
        seen.append(parameters["w"].copy())
    return seen


@pytest.mark.parametrize("shape", [(1, 1), (2,)], ids=["matrix", "vector"])
@pytest.mark.parametrize("name", TWO_STEPS)
def test_two_steps(name, shape):
    rule, gradients, weights = TWO_STEPS[name]
    for found, expected in zip(steps(rule, gradients, shape=shape), weights, strict=True):
        assert_close(found, np.full(shape, expected), HAND)


def test_two_steps_of_adamw_shrink_a_matrix_first():
    # as Adam, each step less 0.1 * 0.5 = 1/20 of the weight before it:
    # 1 - 1/20 - 1/15 = 53/60;  53/60 * 19/20 + 4/75 = 357/400
    rule = optimizers.adamw(beta1=0.5, beta2=0.75, epsilon=1.0)
    for found, expected in zip(steps(rule, (2.0, -5.0), weight_decay=0.5), (53 / 60, 357 / 400), strict=True):
        assert_close(found, np.full((1, 1), expected), HAND)


@pytest.mark.parametrize("weight_decay", [None, 0.5])
def test_adamw_does_not_decay_biases(weight_decay):
    decayed = steps("adamw", (2.0, -5.0, 1.0), shape=(3,), weight_decay=weight_decay)
    plain = steps("adam", (2.0, -5.0, 1.0), shape=(3,))
    for found, expected in zip(decayed, plain, strict=True):
        np.testing.assert_array_equal(found, expected)
    matrix = steps("adamw", (2.0, -5.0, 1.0), shape=(3, 1), weight_decay=weight_decay)
    assert np.all(matrix[-1] < decayed[-1][:, None])


def test_adamw_with_decay_zero_is_adam_and_its_own_is_a_hundredth():
    np.testing.assert_array_equal(steps("adamw", (1.0, 2.0), weight_decay=0.0), steps("adam", (1.0, 2.0)))
    np.testing.assert_array_equal(steps("adamw", (1.0, 2.0)), steps("adamw", (1.0, 2.0), weight_decay=0.01))
    (one,) = steps("adamw", (0.0,))
    assert_close(one, np.array([[0.999]]), HAND)  # 1 - 0.1 * 0.01


@pytest.mark.parametrize("name", RULES)
def test_the_first_step_of_every_rule_goes_against_the_gradient(name):
    (w,) = steps(name, (3.0,), rate=0.01, shape=(2,))
    assert np.all(w < 1)
    (w,) = steps(name, (-3.0,), rate=0.01, shape=(2,))
    assert np.all(w > 1)


@pytest.mark.parametrize("name", RULES)
def test_every_rule_keeps_the_dtype_and_lets_a_nan_through(name):
    optimizer = Optimizer(name, clip_value=1.0, clip_norm=0.5)
    parameters = {"w": np.ones((2, 2), np.float32)}
    gradient = np.ones((2, 2), np.float32)
    engine = PlainEngine()
    kept = parameters["w"]
    optimizer.apply(engine, parameters, {"w": gradient}, step=0, learning_rate=0.1)
    assert parameters["w"] is kept  # changed in place
    assert kept.dtype == np.float32
    assert all(slot.dtype == np.float32 for slot in optimizer.slots["w"])
    gradient[0, 1] = np.nan
    optimizer.apply(engine, parameters, {"w": gradient}, step=1, learning_rate=0.1)
    assert np.isnan(kept).tolist() == [[False, True], [False, False]]


@pytest.mark.parametrize("name", RULES)
def test_a_rule_says_what_it_keeps_and_how_it_was_made(name):
    rule = RULES[name]()
    assert rule.name == name
    optimizer = Optimizer(rule)
    w = np.ones((3, 2), np.float32)
    optimizer.apply(PlainEngine(), {"w": w}, {"w": w.copy()}, step=0, learning_rate=0.1)
    assert len(optimizer.slots["w"]) == len(rule.slots)
    assert rule.settings == RULES[name](**rule.settings).settings


def test_what_a_rule_was_made_with_changes_its_steps():
    for make, changes in (
        (optimizers.momentum, {"momentum": 0.5}),
        (optimizers.adagrad, {"epsilon": 1.0}),
        (optimizers.rmsprop, {"decay": 0.5}),
        (optimizers.adam, {"beta1": 0.5}),
        (optimizers.adamw, {"beta2": 0.5}),
    ):
        assert steps(make(**changes), (1.0, 3.0))[-1] != steps(make(), (1.0, 3.0))[-1]


def test_an_unknown_rule_is_refused_with_the_known_ones():
    with pytest.raises(ParameterError) as caught:
        Optimizer("adadelta")
    known = "'sgd', 'momentum', 'adagrad', 'rmsprop', 'adam' and 'adamw'"
    assert str(caught.value) == f"optimizer must be one of {known}, got 'adadelta'"


def test_a_rule_comes_through_and_a_name_makes_one():
    rule = optimizers.adam(beta1=0.8)
    assert optimizers.get(rule) is rule
    assert optimizers.get("adam").settings == {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}


@pytest.mark.parametrize("name", [name for name in RULES if name != "adamw"])
def test_weight_decay_is_adamws_alone(name):
    with pytest.raises(ParameterError, match=rf"weight_decay is AdamW's; '{name}' has none: use optimizer='adamw'"):
        Optimizer(name, weight_decay=0.1)
    assert Optimizer(name, weight_decay=0.0).weight_decay == 0.0


def test_a_rule_that_loses_a_slot_is_refused():
    with pytest.raises(CellError, match=r"optimizer 'mine': step must return the new w and a tuple of 1 slots"):
        Rule("mine", lambda w, g, slots, k: (w - k[0] * g, ()), lambda t, rate, _: (rate,), 0.1, slots=("v",))


@pytest.mark.parametrize("name", ["clip_norm", "clip_value", "weight_decay"])
def test_an_optimizer_takes_no_negative_numbers(name):
    with pytest.raises(ParameterError, match=f"^{name} must be"):
        Optimizer("adamw", **{name: -1.0})


def test_a_rule_can_be_a_key():
    assert hash(optimizers.adam()) == hash(optimizers.adam())
    assert hash(optimizers.adam()) != hash(optimizers.adam(beta1=0.5))


def test_what_would_divide_by_zero_is_refused():
    with pytest.raises(ParameterError, match="beta1 and beta2 must be"):
        optimizers.adam(beta1=1.0)
    with pytest.raises(ParameterError, match="parts must be at least 1"):
        optimizers.schedules.Step(parts=0)
