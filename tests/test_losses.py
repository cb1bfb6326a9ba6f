"""Losses with numbers followed on paper, and what a weight of zero hides."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from tests.tolerances import HAND, assert_close

from throughtime.engine.plain import PlainEngine
from throughtime.errors import ParameterError, ShapeError
from throughtime.losses import SoftmaxCrossEntropy, SquaredError, softmax

LOGS = [log(1), log(2), log(5)]  # their softmax is (1, 2, 5) / 8
LOSSES = [SoftmaxCrossEntropy(), SquaredError(), SquaredError("half_sum")]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=["cross-entropy", "mean", "half sum"])


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


@pytest.mark.parametrize("loss", LOSSES[1:], ids=["mean", "half sum"])
def test_targets_of_padding_may_be_nan(loss):
    expected, d_expected = masked(loss, 1.0, 0.0)
    found, d_found = masked(loss, 1.0, np.nan)
    assert found == expected
    np.testing.assert_array_equal(d_found, d_expected)


@pytest.mark.parametrize("loss", LOSSES[:2], ids=["cross-entropy", "mean"])
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
    targets = [[0], [0]] if isinstance(loss, SoftmaxCrossEntropy) else np.zeros((2, 1, 3))
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


def test_an_unknown_reduction_is_refused():
    with pytest.raises(ParameterError, match="reduction must be 'mean' or 'half_sum', got 'sum'"):
        SquaredError("sum")
