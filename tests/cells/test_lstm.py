"""Long short-term memory with numbers followed on paper: sigmoid(ln 3) = 3/4, sigmoid(ln 4) = 4/5, tanh(ln 2) = 3/5."""

from __future__ import annotations

from math import log

import numpy as np
from tests.helpers import make_engine
from tests.tolerances import HAND, assert_close

from throughtime import cells
from throughtime.engine.protocol import ScanWeights

# a_i = ln 3   i = 0.75
# a_f = 0      f = 0.5
# a_g = ln 2   g = 0.6
# a_o = ln 4   o = 0.8
# c' = 0.5 c + 0.75 * 0.6 = ln 2 where c = 2 ln 2 - 0.9 = 0.4862943611198906
# h' = 0.8 tanh(ln 2) = 0.48
#
# and back, with d_h' = 1 and d_c' = 0.2:
# d_o = 0.6                            d_a_o = 0.6 * 0.8 * 0.2 = 0.096
# d_c' = 0.2 + 0.8 (1 - 0.36) = 0.712
# d_i = 0.712 * 0.6 = 0.4272           d_a_i = 0.4272 * 0.75 * 0.25 = 0.0801
# d_g = 0.712 * 0.75 = 0.534           d_a_g = 0.534 * 0.64 = 0.34176
# d_f = 0.712 c = 0.3462415851173621   d_a_f = d_f * 0.5 * 0.5 = 0.0865603962793405
# d_c = 0.712 * 0.5 = 0.356
C = 2 * log(2) - 0.9
D_A = [0.0801, 0.0865603962793405, 0.34176, 0.096]


def test_one_step_and_back():
    a = tuple(np.array([value]) for value in (log(3), 0.0, log(2), log(4)))
    state = (np.array([9.0]), np.array([C]))
    (h, c), saved = cells.LSTM.step(a, (), state, ())
    assert_close(h, np.array([0.48]), HAND)
    assert_close(c, np.array([0.6931471805599453]), HAND)
    d_a, no_u, (d_h, d_c), no_p = cells.LSTM.step_back((np.array([1.0]), np.array([0.2])), state, saved, ())
    assert_close(np.concatenate(d_a), np.array(D_A), HAND)
    assert d_h == 0.0  # h comes back through W alone, which is the engine's
    assert_close(d_c, np.array([0.356]), HAND)
    assert (no_u, no_p) == ((), ())


def test_the_engine_brings_each_gate_to_its_block():
    # one unit, x = 2, h = -0.5: a = 2 U + h W + b
    U, W = [0.5, -1.0, 0.25, 1.5], [2.0, -4.0, 6.0, 8.0]
    b = [log(3) - 1.0 + 1.0, 2.0 - 2.0, log(2) - 0.5 + 3.0, log(4) - 3.0 + 4.0]
    weights = ScanWeights(np.array([U]), np.array([W]), np.array(b), None, ())
    engine = make_engine()
    state = (np.array([[-0.5]]), np.array([[C]]))
    outputs, (h, c), tape = engine.scan(cells.LSTM, weights, np.full((1, 1, 1), 2.0), state)
    assert_close(outputs, np.full((1, 1, 1), 0.48), HAND)
    assert_close(h, np.array([[0.48]]), HAND)
    assert_close(c, np.array([[0.6931471805599453]]), HAND)
    back = engine.scan_back(tape, np.full((1, 1, 1), 0.75), (np.array([[0.25]]), np.array([[0.2]])))  # 1 in all
    d_x, d_weights, (d_h, d_c) = back
    assert_close(d_weights.b, np.array(D_A), HAND)
    assert_close(d_weights.U, 2 * np.array([D_A]), HAND)
    assert_close(d_weights.W, -0.5 * np.array([D_A]), HAND)
    # 0.0801 * 0.5 - 0.0865603962793405 + 0.34176 * 0.25 + 0.096 * 1.5
    assert_close(d_x, np.full((1, 1, 1), 0.1829296037206595), HAND)
    # 0.0801 * 2 - 0.0865603962793405 * 4 + 0.34176 * 6 + 0.096 * 8
    assert_close(d_h, np.array([[2.632518414882638]]), HAND)
    assert_close(d_c, np.array([[0.356]]), HAND)


def test_an_open_forget_gate_and_a_closed_input_gate_keep_the_memory_forever():
    a = tuple(np.array([value]) for value in (-800.0, 800.0, 5.0, 0.0))
    state = (np.array([0.0]), np.array([0.3]))
    for _ in range(1000):
        state, _ = cells.LSTM.step(a, (), state, ())
    assert state[1] == 0.3


def test_the_forget_gate_starts_open():
    assert cells.LSTM.bias == {"forget": 1.0}
