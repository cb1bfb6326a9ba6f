"""Long short-term memory (Hochreiter and Schmidhuber, 1997) with the forget gate of Gers et al. (2000).

LSTM-1   i  = sigmoid(a_i)                    input gate
LSTM-2   f  = sigmoid(a_f)                    forget gate
LSTM-3   g  = tanh(a_g)                       candidate
LSTM-4   o  = sigmoid(a_o)                    output gate
LSTM-5   c' = f * c + i * g                   memory
LSTM-6   h' = o * tanh(c')                    what the next layer sees

The forget bias starts at 1, so that a new network remembers (Jozefowicz et al., 2015, section 2.2).
"""

from __future__ import annotations

from throughtime.cells.cell import Cell, Values
from throughtime.cells.functions import sigmoid, tanh


def step(a: Values, u: Values, state: Values, p: Values) -> tuple[Values, Values]:
    a_i, a_f, a_g, a_o = a
    _, c = state
    i = sigmoid(a_i)  # LSTM-1
    f = sigmoid(a_f)  # LSTM-2
    g = tanh(a_g)  # LSTM-3
    o = sigmoid(a_o)  # LSTM-4
    c_new = f * c + i * g  # LSTM-5
    q = tanh(c_new)
    return (o * q, c_new), (i, f, g, o, q)  # LSTM-6: the new states, and what the way back needs


def step_back(d_state: Values, state: Values, saved: Values, p: Values) -> tuple[Values, Values, Values, Values]:
    d_h, d_c_new = d_state
    _, c = state
    i, f, g, o, q = saved
    d_o = d_h * q  # LSTM-6
    d_c_new = d_c_new + d_h * o * (1 - q * q)  # LSTM-6
    d_i = d_c_new * g  # LSTM-5
    d_g = d_c_new * i  # LSTM-5
    d_f = d_c_new * c  # LSTM-5
    d_c = d_c_new * f  # LSTM-5
    d_a_o = d_o * o * (1 - o)  # LSTM-4
    d_a_g = d_g * (1 - g * g)  # LSTM-3
    d_a_f = d_f * f * (1 - f)  # LSTM-2
    d_a_i = d_i * i * (1 - i)  # LSTM-1
    return (d_a_i, d_a_f, d_a_g, d_a_o), (), (0.0, d_c), ()


LSTM = Cell(
    "lstm",
    gates=("input", "forget", "candidate", "output"),
    states=("h", "c"),
    bias={"forget": 1.0},
    step=step,
    step_back=step_back,
)
