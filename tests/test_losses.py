"""Losses with numbers followed on paper, and what a weight of zero hides."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from tests.losses import ELEMENTWISE, name_of
from tests.tolerances import HAND, assert_close

from throughtime.cells.functions import exp
from throughtime.engine.plain import PlainEngine
from throughtime.errors import CellError, ParameterError, ShapeError
from throughtime.losses import (
    AbsoluteError,
    Bernoulli,
    Element,
    Elementwise,
    Huber,
    Pinball,
    SoftmaxCrossEntropy,
    SquaredError,
    softmax,
)

LOGS = [log(1), log(2), log(5)]  # their softmax is (1, 2, 5) / 8
LOSSES = [SoftmaxCrossEntropy(), *ELEMENTWISE]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=name_of)
every_elementwise_loss = pytest.mark.parametrize("loss", ELEMENTWISE, ids=name_of)
MEANS = [loss for loss in LOSSES if loss != SquaredError("half_sum")]


def call(loss, o, targets, weights=None, dtype=np.float64, **options):
    """The loss and the gradient of outputs, which are left as they are."""
    o = np.array(o, dtype)
    return loss(PlainEngine(dtype), o, np.array(targets), None if weights is None else np.array(weights), **options)


def test_softmax_of_logarithms_is_their_numbers_share():
    assert_close(softmax(np.array(LOGS)), np.array([0.125, 0.25, 0.625]), HAND)


def test_softmax_does_not_overflow_where_the_formula_does():
    o = np.array([1000.0, 1000.0 + log(3), -1000.0])
    with np.errstate(over="ignore", invalid="ignore"):
        naive = np.exp(o) / np.exp(o).sum()
    assert np.isnan(naive[:2]).all()
    assert_close(softmax(o), np.array([0.25, 0.75, 0.0]), 1e-10)  # 1000 + ln 3 itself is rounded


def test_cross_entropy_does_not_overflow_where_the_formula_does():
    o = [[[1000.0, 1000.0, -1000.0]]]
    with np.errstate(over="ignore", invalid="ignore"):
        p = np.exp(o[0][0]) / np.exp(o[0][0]).sum()
        assert np.isnan(-np.log(p[0]))
    loss, d_o = call(SoftmaxCrossEntropy(), o, [[0]])
    assert loss == pytest.approx(0.6931471805599453, abs=HAND)  # ln 2
    assert_close(d_o, np.array([[[-0.5, 0.5, 0.0]]]), HAND)
    assert call(SoftmaxCrossEntropy(), o, [[2]])[0] == pytest.approx(2000.6931471805599, abs=1e-9)


def test_cross_entropy_of_one_place():
    loss, d_o = call(SoftmaxCrossEntropy(), [[LOGS]], [[2]])
    assert loss == pytest.approx(0.4700036292457356, abs=HAND)  # -ln(5/8)
    assert_close(d_o, np.array([[[0.125, 0.25, -0.375]]]), HAND)  # (1, 2, 5) / 8 - (0, 0, 1)


def test_cross_entropy_is_the_mean_over_the_places():
    loss, d_o = call(SoftmaxCrossEntropy(), [[LOGS], [[0.0, 0.0, 0.0]]], [[2], [0]])
    assert loss == pytest.approx(0.7843079589569227, abs=HAND)  # (ln(8/5) + ln 3) / 2
    assert_close(d_o, np.array([[[0.0625, 0.125, -0.1875]], [[-1 / 3, 1 / 6, 1 / 6]]]), HAND)


def test_weights_say_how_much_a_place_counts():
    loss, d_o = call(SoftmaxCrossEntropy(), [[LOGS], [[0.0, 0.0, 0.0]]], [[2], [0]], [[3.0], [1.0]])
    assert loss == pytest.approx(0.6271557941013292, abs=HAND)  # (3 ln(8/5) + ln 3) / 4
    assert_close(d_o[0, 0], np.array([0.09375, 0.1875, -0.28125]), HAND)  # 3/4 of one place alone
    half = call(SoftmaxCrossEntropy(), [[LOGS], [[0.0, 0.0, 0.0]]], [[2], [0]], [[1.5], [0.5]])
    assert half[0] == pytest.approx(loss, abs=HAND)


def test_squared_error_worked_by_hand():
    o, targets = [[[1.0, 2.0, 6.0]]], [[[0.0, 4.0, 3.0]]]  # errors 1, -2, 3
    loss, d_o = call(SquaredError(), o, targets)
    assert loss == pytest.approx(14 / 3, abs=HAND)  # (1 + 4 + 9) / 3
    assert_close(d_o, np.array([[[2 / 3, -4 / 3, 2.0]]]), HAND)  # 2 error / 3
    loss, d_o = call(SquaredError("half_sum"), o, targets)
    assert loss == pytest.approx(7.0, abs=HAND)  # 14 / 2
    assert_close(d_o, np.array([[[1.0, -2.0, 3.0]]]), HAND)  # the error


def test_squared_error_with_weights():
    o, targets, weights = [[[1.0, 2.0]], [[5.0, 5.0]]], [[[0.0, 0.0]], [[4.0, 3.0]]], [[3.0], [1.0]]
    # squares 1 + 4 and 1 + 4, errors (1, 2) and (1, 2)
    loss, d_o = call(SquaredError(), o, targets, weights)
    assert loss == pytest.approx(2.5, abs=HAND)  # (3 * 5 + 1 * 5) / (4 * 2)
    assert_close(d_o[:, 0], np.array([[0.75, 1.5], [0.25, 0.5]]), HAND)  # 2 error * weight / 8
    loss, d_o = call(SquaredError("half_sum"), o, targets, weights)
    assert loss == pytest.approx(10.0, abs=HAND)  # (3 * 5 + 1 * 5) / 2
    assert_close(d_o[:, 0], np.array([[3.0, 6.0], [1.0, 2.0]]), HAND)  # error * weight


def test_absolute_error_worked_by_hand():
    o, targets = [[[1.0, 2.0, 6.0, 5.0]]], [[[0.0, 4.0, 3.0, 5.0]]]  # errors 1, -2, 3, 0
    loss, d_o = call(AbsoluteError(), o, targets)
    assert loss == pytest.approx(1.5, abs=HAND)  # (1 + 2 + 3 + 0) / 4
    assert_close(d_o, np.array([[[0.25, -0.25, 0.25, 0.0]]]), HAND)


def test_pinball_worked_by_hand():
    # two series with the quantiles 1/4 and 3/4: errors 2, -4 and -1, 0
    o, targets = [[[3.0, 1.0, 1.0, 2.0]]], [[[1.0, 5.0, 2.0, 2.0]]]
    loss, d_o = call(Pinball((0.25, 0.75)), o, targets)
    assert loss == pytest.approx(1.1875, abs=HAND)  # (3/4 * 2 + 3/4 * 4 + 1/4 * 1 + 0) / 4
    assert_close(d_o, np.array([[[3 / 16, -3 / 16, -1 / 16, 0.0]]]), HAND)


def test_pinball_of_one_half_is_half_the_absolute_error():
    rng = np.random.default_rng(0)
    o, targets = rng.normal(size=(2, 3, 2, 4))
    one, d_one = call(Pinball([0.5]), o, targets)
    other, d_other = call(AbsoluteError(), o, targets)
    assert 2 * one == pytest.approx(other, abs=HAND)
    assert_close(2 * d_one, d_other, HAND)


@pytest.mark.parametrize("tau", [0.1, 0.5, 0.8])
def test_pinball_is_least_at_the_quantile(tau):
    targets = np.arange(101.0).reshape(1, 101, 1)  # whose quantile tau is 100 tau
    losses = [call(Pinball([tau]), np.full((1, 101, 1), o), targets)[0] for o in targets.ravel()]
    assert int(np.argmin(losses)) == round(100 * tau)


def test_bernoulli_worked_by_hand():
    o, targets = [[[0.0, log(3), -log(3), log(3)]]], [[[1.0, 1.0, 1.0, 0.5]]]  # probabilities 1/2, 3/4, 1/4, 3/4
    loss, d_o = call(Bernoulli(), o, targets)
    # (ln 2 + ln(4/3) + ln 4 + (ln(4/3) + ln 4) / 2) / 4
    assert loss == pytest.approx((log(2) + 1.5 * log(16 / 3)) / 4, abs=HAND)
    assert_close(d_o, np.array([[[-1 / 8, -1 / 16, -3 / 16, 1 / 16]]]), HAND)


def test_bernoulli_does_not_overflow_where_the_formula_does():
    for o, target, expected, slope in ((1000.0, 1.0, 0.0, 0.0), (1000.0, 0.0, 1000.0, 1.0), (-1e4, 1.0, 1e4, -1.0)):
        loss, d_o = call(Bernoulli(), [[[o]]], [[[target]]])
        assert (loss, d_o.item()) == (expected, slope)


def test_huber_worked_by_hand():
    o, targets = [[[1.0, 2.0, 6.0, 2.5]]], [[[0.0, 4.0, 3.0, 2.0]]]  # errors 1, -2, 3, 1/2
    loss, d_o = call(Huber(2.0), o, targets)
    assert loss == pytest.approx(6.625 / 4, abs=HAND)  # (1/2 + 2 + 2 * (3 - 1) + 1/8) / 4
    assert_close(d_o, np.array([[[0.25, -0.5, 0.5, 0.125]]]), HAND)
    loss, _ = call(Huber(), o, targets)
    assert loss == pytest.approx(4.625 / 4, abs=HAND)  # (1/2 + 3/2 + 5/2 + 1/8) / 4


def test_a_loss_of_ones_own_with_constants():
    class Weighted(Elementwise):
        element = Element("weighted", lambda o, target, k: (k[0] * (o - target), k[0]), constants=["w"])

        def constants(self, K):
            return (np.arange(1.0, K + 1),)

    loss, d_o = call(Weighted(), [[[5.0, 7.0]]], [[[1.0, 1.0]]])
    assert loss == pytest.approx(8.0, abs=HAND)  # (1 * 4 + 2 * 6) / 2
    assert_close(d_o, np.array([[[0.5, 1.0]]]), HAND)


def test_each_element_may_have_its_weight():
    o, targets = [[[1.0, 2.0]], [[5.0, 5.0]]], [[[0.0, 0.0]], [[4.0, np.nan]]]
    weights = [[[3.0, 1.0]], [[4.0, 0.0]]]
    loss, d_o = call(SquaredError(), o, targets, weights)
    assert loss == pytest.approx(11 / 8, abs=HAND)  # (3 * 1 + 1 * 4 + 4 * 1) / (3 + 1 + 4)
    assert_close(d_o[:, 0], np.array([[0.75, 0.5], [1.0, 0.0]]), HAND)  # 2 error * weight / 8
    loss, d_o = call(SquaredError("half_sum"), o, targets, weights)
    assert loss == pytest.approx(5.5, abs=HAND)
    assert_close(d_o[:, 0], np.array([[3.0, 2.0], [4.0, 0.0]]), HAND)


@every_elementwise_loss
def test_a_weight_for_a_place_is_that_weight_for_its_elements(loss):
    rng = np.random.default_rng(0)
    o, targets, weights = rng.normal(size=(3, 2, 4)), rng.random((3, 2, 4)), rng.random((3, 2))
    one, d_one = call(loss, o, targets, weights)
    other, d_other = call(loss, o, targets, np.repeat(weights[..., None], 4, axis=2))
    assert one == pytest.approx(other, abs=HAND)
    assert_close(d_one, d_other, HAND)


@every_elementwise_loss
def test_a_missing_value_is_not_looked_at_and_has_no_gradient(loss):
    rng = np.random.default_rng(0)
    o, targets = rng.normal(size=(3, 2, 4)), rng.random((3, 2, 4))
    weights = rng.choice([0.0, 1.0, 2.0], (3, 2, 4))
    expected, d_expected = call(loss, o, targets, weights)
    for junk in (np.nan, np.inf, 1e300):
        missing = np.where(weights == 0, junk, targets)
        loss.check(o.shape, missing, weights)
        found, d_found = call(loss, np.where(weights == 0, junk, o), missing, weights)
        assert found == expected
        np.testing.assert_array_equal(d_found, d_expected)
        assert not d_found[weights == 0].any()


def masked(loss, o_there, target_there):
    """A loss of three places of which the last two do not count, with something else at their outputs and targets."""
    rng = np.random.default_rng(0)
    o = rng.normal(size=(3, 1, 4))
    o[1:] = o_there
    if isinstance(loss, SoftmaxCrossEntropy):
        targets = np.array([[2], [target_there], [target_there]])
    else:
        targets = np.array(rng.normal(size=(3, 1, 4)))
        targets[1:] = target_there
    return call(loss, o, targets, [[2.0], [0.0], [0.0]])


@every_loss
@pytest.mark.parametrize(
    ("o", "target"),
    [(7.0, 3), (np.nan, 3), (7.0, -100), (7.0, 10**9), (np.nan, -1)],
    ids=["numbers", "NaN in the outputs", "negative id", "id too large", "both"],
)
def test_nothing_is_looked_at_where_the_weight_is_zero(loss, o, target):
    expected, d_expected = masked(loss, 1.0, 0)
    found, d_found = masked(loss, o, target)
    assert found == expected
    np.testing.assert_array_equal(d_found, d_expected)
    assert d_found[0].any()
    assert not d_found[1:].any()


@every_elementwise_loss
def test_targets_of_padding_may_be_nan(loss):
    expected, d_expected = masked(loss, 1.0, 0.0)
    found, d_found = masked(loss, 1.0, np.nan)
    assert found == expected
    np.testing.assert_array_equal(d_found, d_expected)


@pytest.mark.parametrize("loss", MEANS, ids=name_of)
@pytest.mark.parametrize("weights", [[[0.0], [0.0]], [[1.0], [-1.0]], [[np.nan], [1.0]]], ids=["zero", "sum", "NaN"])
def test_weights_without_a_sum_are_refused(loss, weights):
    targets = [[0], [1]] if isinstance(loss, SoftmaxCrossEntropy) else np.zeros((2, 1, 3))
    with pytest.raises(ShapeError, match="the weights of a batch must have a sum above 0"):
        call(loss, np.zeros((2, 1, 3)), targets, weights)


@every_loss
@pytest.mark.parametrize("weights", [None, [[1.0], [2.0]]], ids=["unweighted", "weighted"])
def test_a_nan_that_counts_comes_out(loss, weights):
    o = np.zeros((2, 1, 3))
    o[1, 0, 1] = np.nan
    if isinstance(loss, Pinball):
        o = o[:, :, :2]
    targets = [[0], [0]] if isinstance(loss, SoftmaxCrossEntropy) else np.zeros(o.shape)
    value, d_o = call(loss, o, targets, weights)
    assert np.isnan(value)
    assert np.isnan(d_o[1, 0, 1])
    assert np.isfinite(d_o[0]).all()


@every_loss
def test_the_gradient_has_the_dtype_of_the_outputs_and_the_loss_is_summed_in_float64(loss):
    T, N, K = 3, 2, 4
    o = np.random.default_rng(0).normal(size=(T, N, K)).astype(np.float32)
    targets = np.zeros((T, N), int) if isinstance(loss, SoftmaxCrossEntropy) else np.zeros((T, N, K))
    for weights in (None, np.ones((T, N), np.float32), np.ones((T, N))):
        value, d_o = call(loss, o, targets, weights, np.float32)
        assert type(value) is float
        assert d_o.dtype == np.float32
        assert value == pytest.approx(call(loss, o, targets, weights)[0], rel=1e-6)


@every_loss
def test_a_gradient_that_nobody_needs_is_not_made(loss):
    targets = [[0]] if isinstance(loss, SoftmaxCrossEntropy) else [[[0.0, 0.0]]]
    value, d_o = call(loss, [[[1.0, 2.0]]], targets, needs_gradient=False)
    assert d_o is None
    assert value == call(loss, [[[1.0, 2.0]]], targets)[0]


def test_targets_that_do_not_fit_are_refused():
    shape = (3, 2, 4)
    SoftmaxCrossEntropy().check(shape, np.zeros((3, 2), int))
    SquaredError().check(shape, np.zeros(shape))
    with pytest.raises(ShapeError, match=r"targets must be ids \[3, 2\], got int64 \[2, 3\]"):
        SoftmaxCrossEntropy().check(shape, np.zeros((2, 3), np.int64))
    with pytest.raises(ShapeError, match=r"targets must be ids \[3, 2\], got float64 \[3, 2\]"):
        SoftmaxCrossEntropy().check(shape, np.zeros((3, 2)))
    with pytest.raises(ShapeError, match=r"targets must have the shape of the outputs, \[3, 2, 4\], got \[3, 2\]"):
        SquaredError().check(shape, np.zeros((3, 2)))
    Bernoulli().check(shape, np.full(shape, np.nan), np.zeros(shape))
    for wrong in (-0.5, 2.0):
        with pytest.raises(ShapeError, match=f"targets must be from 0 to 1, got {wrong} to {wrong}"):
            Bernoulli().check(shape, np.full(shape, wrong), np.ones((3, 2)))


def test_weights_that_do_not_fit_are_refused():
    shape = (3, 2, 4)
    with pytest.raises(ShapeError, match=r"weights must be \[3, 2\], got \[3, 2, 4\]"):
        SoftmaxCrossEntropy().check(shape, np.zeros((3, 2), int), np.ones(shape))
    for loss in (SquaredError(), Bernoulli()):
        for fitting in ((3, 2), (3, 2, 4)):
            loss.check(shape, np.zeros(shape), np.ones(fitting))
        with pytest.raises(ShapeError, match=r"weights must be \[3, 2\] or \[3, 2, 4\], got \[3, 2, 1\]"):
            loss.check(shape, np.zeros(shape), np.ones((3, 2, 1)))


def test_outputs_that_are_not_whole_series_of_quantiles_are_refused():
    Pinball((0.1, 0.9)).check((3, 2, 4), np.zeros((3, 2, 4)))
    with pytest.raises(ShapeError, match="outputs for 3 quantiles must be a multiple of that, got 4"):
        Pinball((0.1, 0.5, 0.9)).check((3, 2, 4), np.zeros((3, 2, 4)))


@pytest.mark.parametrize("quantiles", [(), (0.0,), (0.5, 1.0), (float("nan"),)], ids=str)
def test_quantiles_that_are_none_are_refused(quantiles):
    with pytest.raises(ParameterError, match="quantiles must be numbers between 0 and 1, at least one, got "):
        Pinball(quantiles)


@pytest.mark.parametrize("delta", [0.0, -1.0, float("inf"), float("nan")])
def test_a_delta_that_is_none_is_refused(delta):
    with pytest.raises(ParameterError, match=f"delta must be a number above 0, got {delta}"):
        Huber(delta)


def test_a_loss_that_branches_on_a_value_is_refused_at_its_line():
    def step(o, target, k):
        if o > target:
            return o, 1.0
        return target, 0.0

    with pytest.raises(CellError, match=r"test_losses\.py, line \d+: `if o > target:`: a branch on a value"):
        Element("mine", step)


def test_a_loss_without_its_derivative_is_refused():
    with pytest.raises(CellError, match="loss 'mine': step must return the loss and its derivative with respect to o"):
        Element("mine", lambda o, target, k: exp(o - target))


def test_a_loss_that_lacks_its_constants_is_refused():
    class Lacking(Elementwise):
        element = Element("lacking", lambda o, target, k: (k[0] * o, k[0]), constants=("w",))

    with pytest.raises(ShapeError, match=r"loss 'lacking' needs 1 constants \[4\], got shapes \[\]"):
        Lacking().check((3, 2, 4), np.zeros((3, 2, 4)))


def test_equal_losses_are_equal_and_can_be_keys():
    assert Pinball([0.1, 0.5]) == Pinball((0.1, 0.5)) != Pinball((0.1, 0.6))
    assert hash(Huber(2)) == hash(Huber(2.0))
    assert Huber.element == Element("Huber", Huber.element.step, ("delta",)) != SquaredError.element
    assert hash(Element("mine", Huber.element.step, ["delta"])) == hash(Element("mine", Huber.element.step, ("delta",)))


def test_an_unknown_reduction_is_refused():
    with pytest.raises(ParameterError, match="reduction must be 'mean' or 'half_sum', got 'sum'"):
        SquaredError("sum")
