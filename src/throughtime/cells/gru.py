"""Gated recurrent unit (Cho et al., 2014), the reset-after form of cuDNN, PyTorch and Keras.

GRU-1   r  = sigmoid(a_r)                     reset gate
GRU-2   z  = sigmoid(a_z)                     update gate
GRU-3   n  = tanh(a_n + r * u_n)              candidate; its hidden part u_n = h W_n + e_n is kept apart
GRU-4   h' = n + z * (h - n)                  new state
"""

from __future__ import annotations

from throughtime.cells.cell import Cell, Values
from throughtime.cells.functions import sigmoid, tanh


def step(a: Values, u: Values, state: Values, p: Values) -> tuple[Values, Values]:
    a_r, a_z, a_n = a
    (u_n,) = u
    (h,) = state
    r = sigmoid(a_r)  # GRU-1
    z = sigmoid(a_z)  # GRU-2
    n = tanh(a_n + r * u_n)  # GRU-3
    return (n + z * (h - n),), (r, z, n, u_n)  # GRU-4: the new state, and what the way back needs


def step_back(d_state: Values, state: Values, saved: Values, p: Values) -> tuple[Values, Values, Values, Values]:
    (d_h_new,) = d_state
    (h,) = state
    r, z, n, u_n = saved
    d_n = d_h_new * (1 - z)  # GRU-4
    d_z = d_h_new * (h - n)  # GRU-4
    d_h = d_h_new * z  # GRU-4
    d_a_n = d_n * (1 - n * n)  # GRU-3
    d_r = d_a_n * u_n  # GRU-3
    d_u_n = d_a_n * r  # GRU-3
    d_a_z = d_z * z * (1 - z)  # GRU-2
    d_a_r = d_r * r * (1 - r)  # GRU-1
    return (d_a_r, d_a_z, d_a_n), (d_u_n,), (d_h,), ()


GRU = Cell(
    "gru",
    gates=("reset", "update", "candidate"),
    apart=("candidate",),
    states=("h",),
    step=step,
    step_back=step_back,
)
