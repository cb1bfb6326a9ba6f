"""The Elman cell with numbers followed on paper: tanh(ln 2) = 3/5, tanh(ln 3) = 4/5, sigmoid(ln 3) = 3/4."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from tests.helpers import make_engine
from tests.tolerances import HAND, assert_close

from throughtime import cells
from throughtime.engine.protocol import ScanWeights
from throughtime.errors import ParameterError

ONE_STEP = {  # activation: (a, h', d_a for d_h' = 2)
    "tanh": (log(2), 0.6, 1.28),  # 2 (1 - 0.36)
    "relu": (1.5, 1.5, 2.0),
    "sigmoid": (log(3), 0.75, 0.375),  # 2 * 0.75 * 0.25
}


@pytest.mark.parametrize("activation", ONE_STEP)
def test_one_step_and_back(activation):
    a, h, d_a = ONE_STEP[activation]
    cell = cells.elman(activation)
    (new,), saved = cell.step((np.array([a]),), (), (np.array([9.0]),), ())
    assert_close(new, np.array([h]), HAND)
    (found,), no_u, (d_h,), no_p = cell.step_back((np.array([2.0]),), (np.array([9.0]),), saved, ())
    assert_close(found, np.array([d_a]), HAND)
    assert (no_u, d_h, no_p) == ((), 0.0, ())


@pytest.mark.parametrize("a", [-1.5, -0.0, 0.0])
def test_relu_is_off_at_zero_and_below(a):
    cell = cells.get("elman-relu")
    (new,), saved = cell.step((np.array([a]),), (), (np.array([9.0]),), ())
    (d_a,), *_ = cell.step_back((np.array([2.0]),), (np.array([9.0]),), saved, ())
    assert (new, d_a) == (0.0, 0.0)


def scan(activation, x, U, W, b, h, d_outputs):
    """One unit, one row; the gradients by name."""
    engine = make_engine()
    weights = ScanWeights(np.array([[U]]), np.array([[W]]), np.array([b]), None, ())
    inputs = np.array(x)[:, None, None]
    outputs, (final,), tape = engine.scan(cells.elman(activation), weights, inputs, (np.array([[h]]),))
    back = engine.scan_back(tape, np.array(d_outputs)[:, None, None])
    return (
        outputs[:, 0, 0],
        final[0, 0],
        back.d_x[:, 0, 0],
        [
            *(float(np.squeeze(d)) for d in back.d_weights[:3]),
            float(np.squeeze(back.d_state[0])),
        ],
    )


def test_two_steps_of_tanh_through_time():
    # U = 1, W = 1/2, b = 0, h0 = 0; the loss is the second output
    # a1 = ln 2               h1 = 3/5
    # a2 = x2 + 0.3 = ln 3    h2 = 4/5
    outputs, final, d_x, (d_U, d_W, d_b, d_h0) = scan(
        "tanh", x=[log(2), log(3) - 0.3], U=1.0, W=0.5, b=0.0, h=0.0, d_outputs=[0.0, 1.0]
    )
    assert_close(outputs, np.array([0.6, 0.8]), HAND)
    assert final == outputs[1]
    # d_a2 = 1 - 0.64 = 0.36;  d_h1 = 0.36 * 0.5 = 0.18;  d_a1 = 0.18 * 0.64 = 0.1152
    assert_close(d_x, np.array([0.1152, 0.36]), HAND)
    assert d_U == pytest.approx(0.3673509791210252, abs=HAND)  # 0.1152 ln 2 + 0.36 (ln 3 - 0.3)
    assert d_W == pytest.approx(0.216, abs=HAND)  # 0.36 * h1; h0 = 0 adds nothing
    assert d_b == pytest.approx(0.4752, abs=HAND)  # 0.1152 + 0.36
    assert d_h0 == pytest.approx(0.0576, abs=HAND)  # 0.1152 * 0.5


def test_two_steps_of_relu_through_time_add_what_each_output_is_asked():
    # a1 = 2 * 1 + 3 * 0.5 + 1 = 4.5          h1 = 4.5
    # a2 = 2 * (-8) + 3 * 4.5 + 1 = -1.5      h2 = 0: nothing comes back through it
    outputs, final, d_x, gradients = scan("relu", x=[1.0, -8.0], U=2.0, W=3.0, b=1.0, h=0.5, d_outputs=[10.0, 100.0])
    assert outputs.tolist() == [4.5, 0.0]
    assert final == 0.0
    assert d_x.tolist() == [20.0, 0.0]  # 10 * U
    assert gradients == [10.0, 5.0, 10.0, 30.0]  # 10 * x1, 10 * h0, 10, 10 * W


def test_two_steps_of_the_sigmoid_through_time():
    # U = 1, W = 4, b = 0, h0 = 0: a1 = ln 3, h1 = 3/4;  a2 = x2 + 3 = -ln 3, h2 = 1/4
    outputs, _, d_x, (d_U, d_W, d_b, d_h0) = scan(
        "sigmoid", x=[log(3), -log(3) - 3.0], U=1.0, W=4.0, b=0.0, h=0.0, d_outputs=[1.0, 1.0]
    )
    assert_close(outputs, np.array([0.75, 0.25]), HAND)
    # d_a2 = 3/16;  d_h1 = 1 + 4 * 3/16 = 7/4;  d_a1 = 7/4 * 3/16 = 21/64
    assert_close(d_x, np.array([0.328125, 0.1875]), HAND)
    assert d_U == pytest.approx(-0.4080076469060471, abs=HAND)  # 21/64 ln 3 - 3/16 (ln 3 + 3)
    assert d_W == pytest.approx(0.140625, abs=HAND)  # 3/16 * 3/4
    assert d_b == pytest.approx(0.515625, abs=HAND)  # 21/64 + 12/64
    assert d_h0 == pytest.approx(1.3125, abs=HAND)  # 4 * 21/64


def test_an_unknown_activation_is_refused_with_the_known_ones():
    with pytest.raises(ParameterError, match=r"activation must be one of 'tanh', 'relu' and 'sigmoid', got 'gelu'"):
        cells.elman("gelu")
