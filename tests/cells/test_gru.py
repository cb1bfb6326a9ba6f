"""The gated recurrent unit with numbers followed on paper: sigmoid(ln 3) = 3/4, tanh(ln 2) = 3/5."""

from __future__ import annotations

from math import log

import numpy as np
from tests.helpers import make_engine
from tests.tolerances import HAND, assert_close

from throughtime import cells
from throughtime.engine.protocol import ScanWeights

# a_r = ln 3           r  = 0.75
# a_z = -ln 3          z  = 0.25
# a_n + r u_n = ln 2   n  = 0.6        u_n = 0.4, so r u_n = 0.3
# h = -0.2             h' = 0.6 + 0.25 (-0.2 - 0.6) = 0.4
#
# and back, with d_h' = 1:
# d_n   = 1 - z = 0.75             d_z   = h - n = -0.8             d_h = z = 0.25
# d_a_n = 0.75 (1 - 0.36) = 0.48   d_r   = 0.48 * 0.4 = 0.192       d_u_n = 0.48 * 0.75 = 0.36
# d_a_z = -0.8 * 0.25 * 0.75 = -0.15
# d_a_r = 0.192 * 0.75 * 0.25 = 0.036
D_A = [0.036, -0.15, 0.48]
D_U_N = 0.36


def test_one_step_and_back():
    a = tuple(np.array([value]) for value in (log(3), -log(3), log(2) - 0.3))
    state = (np.array([-0.2]),)
    (h,), saved = cells.GRU.step(a, (np.array([0.4]),), state, ())
    assert_close(h, np.array([0.4]), HAND)
    d_a, (d_u_n,), (d_h,), d_p = cells.GRU.step_back((np.array([1.0]),), state, saved, ())
    assert_close(np.concatenate(d_a), np.array(D_A), HAND)
    assert_close(d_u_n, np.array([D_U_N]), HAND)
    assert_close(d_h, np.array([0.25]), HAND)
    assert d_p == ()


def test_the_engine_keeps_the_hidden_part_of_the_candidate_apart():
    # one unit, x = 2, h = -0.2: a_r = 2 U_r + h W_r + b_r and so on, but u_n = h W_n + e_n = -0.2 * 3 + 1 = 0.4
    x, h = 2.0, -0.2
    U, W, e = [0.5, -1.0, 0.1], [5.0, -4.0, 3.0], 1.0
    b = [log(3) - 1.0 + 1.0, -log(3) + 2.0 - 0.8, log(2) - 0.3 - 0.2]
    weights = ScanWeights(np.array([U]), np.array([W]), np.array(b), np.array([e]), ())
    engine = make_engine()
    outputs, _, tape = engine.scan(cells.GRU, weights, np.full((1, 1, 1), x), (np.array([[h]]),))
    assert_close(outputs, np.full((1, 1, 1), 0.4), HAND)
    d_x, d_weights, (d_h,) = engine.scan_back(tape, np.ones((1, 1, 1)))
    assert_close(d_weights.U, np.array([[0.072, -0.3, 0.96]]), HAND)  # x times d_a
    assert_close(d_weights.b, np.array(D_A), HAND)
    assert_close(d_weights.W, np.array([[-0.0072, 0.03, -0.072]]), HAND)  # h times (d_a_r, d_a_z, d_u_n)
    assert_close(d_weights.e, np.array([D_U_N]), HAND)
    assert_close(d_x, np.full((1, 1, 1), 0.216), HAND)  # 0.036 * 0.5 + 0.15 * 1 + 0.48 * 0.1
    assert_close(d_h, np.array([[2.11]]), HAND)  # 0.25 + 0.036 * 5 + 0.15 * 4 + 0.36 * 3


def test_an_update_gate_at_one_keeps_the_state_and_at_zero_forgets_it():
    for a_z, kept in ((800.0, 1.0), (-800.0, 0.0)):
        a = (np.array([0.0]), np.array([a_z]), np.array([0.0]))
        (h,), _ = cells.GRU.step(a, (np.array([0.0]),), (np.array([0.7]),), ())
        assert h == 0.7 * kept
