"""``bptt_truncate`` against the tutorials' loop, written out: each output's gradient goes back k transitions."""

from __future__ import annotations

import numpy as np
import pytest
from tests.tolerances import ROWS, assert_close

from throughtime.errors import ParameterError
from throughtime.layers import Bidirectional, Dense, OneHot, Recurrent
from throughtime.losses import SoftmaxCrossEntropy
from throughtime.network import Batch, Network

T, N, K, H = 7, 3, 5, 4


def tutorial_loop(weights, x, y, h0, truncate):
    """Loss and gradients of one row: sums over its time steps, column vectors, one product at a time."""
    U, W, b, V, c = weights
    h, p = [h0], []
    for t in range(len(x)):
        h.append(np.tanh(U[x[t]] + h[-1] @ W + b))
        o = h[-1] @ V + c
        p.append(np.exp(o) / np.exp(o).sum())
    loss = -sum(np.log(p[t][y[t]]) for t in range(len(x)))
    dU, dW, db, dV, dc = (np.zeros_like(w) for w in weights)
    dh0 = np.zeros_like(h0)
    for t in range(len(x)):
        d_o = p[t].copy()
        d_o[y[t]] -= 1
        dV += np.outer(h[t + 1], d_o)
        dc += d_o
        d_a = (V @ d_o) * (1 - h[t + 1] ** 2)
        for step in range(t, max(-1, t - truncate - 1), -1):
            dU[x[step]] += d_a
            dW += np.outer(h[step], d_a)
            db += d_a
            d_h = W @ d_a
            if step == 0:
                dh0 += d_h
            d_a = d_h * (1 - h[step] ** 2)
    return loss, (dU, dW, db, dV, dc), dh0


@pytest.fixture
def network():
    layers = [OneHot(K), Recurrent("elman", K, H, name="r"), Dense(H, K, name="o")]
    return Network(layers, SoftmaxCrossEntropy(), dtype="float64", initializer="orthogonal", random_state=0)


def material():
    rng = np.random.default_rng(1)
    return Batch(rng.integers(K, size=(T, N)), rng.integers(K, size=(T, N))), rng.normal(size=(N, H))


NAMES = ("r.U", "r.W", "r.b", "o.V", "o.c")


@pytest.mark.parametrize("truncate", [0, 1, 2, 3, T - 1, T, T + 4])
def test_truncated_back_propagation_is_the_tutorials_loop(network, truncate):
    batch, h0 = material()
    found = network.loss_and_gradients(batch, {"r": (h0,)}, bptt_truncate=truncate)
    weights = [network.parameters[name] for name in NAMES]
    rows = [tutorial_loop(weights, batch.x[:, n], batch.targets[:, n], h0[n], truncate) for n in range(N)]
    assert found.loss == pytest.approx(sum(loss for loss, _, _ in rows) / (T * N), rel=ROWS["float64"])
    for place, name in enumerate(NAMES):
        expected = sum(gradients[place] for _, gradients, _ in rows) / (T * N)
        assert_close(found.parameters[name], expected, ROWS["float64"], name)
    assert_close(found.d_state["r"][0], np.stack([dh0 for _, _, dh0 in rows]) / (T * N), ROWS["float64"])


def test_the_loop_at_full_length_is_what_the_network_gives_without_truncation(network):
    batch, h0 = material()
    found = network.loss_and_gradients(batch, {"r": (h0,)})
    weights = [network.parameters[name] for name in NAMES]
    rows = [tutorial_loop(weights, batch.x[:, n], batch.targets[:, n], h0[n], T) for n in range(N)]
    for place, name in enumerate(NAMES):
        expected = sum(gradients[place] for _, gradients, _ in rows) / (T * N)
        assert_close(found.parameters[name], expected, ROWS["float64"], name)


def test_each_transition_more_changes_the_gradient(network):
    batch, h0 = material()
    found = [
        network.loss_and_gradients(batch, {"r": (h0,)}, bptt_truncate=truncate).parameters["r.W"].tobytes()
        for truncate in range(T)
    ]
    assert len(set(found)) == T


def test_a_padded_row_is_truncated_as_if_alone(network):
    batch, h0 = material()
    lengths = np.array([T, 4, 1])
    weights = 1.0 * (np.arange(T)[:, None] < lengths)
    found = network.loss_and_gradients(
        Batch(batch.x, batch.targets, weights, lengths), {"r": (h0,)}, bptt_truncate=2
    ).parameters
    total = dict.fromkeys(NAMES, 0.0)
    for n, length in enumerate(lengths):
        _, gradients, _ = tutorial_loop(
            [network.parameters[name] for name in NAMES], batch.x[:length, n], batch.targets[:length, n], h0[n], 2
        )
        total = {name: total[name] + d for name, d in zip(NAMES, gradients, strict=True)}
    for name in NAMES:
        assert_close(found[name], total[name] / lengths.sum(), ROWS["float64"], name)


def test_only_some_outputs_of_some_steps_reach_an_input():
    # one unit, tanh, W = 1: the input at step 0 is seen by the outputs 0 to k and by none after
    network = Network([Recurrent("elman", 1, 1, name="r"), Dense(1, 2)], SoftmaxCrossEntropy(), dtype="float64")
    batch = Batch(np.ones((5, 1, 1)), np.zeros((5, 1), int), np.array([[0.0], [0.0], [0.0], [1.0], [0.0]]))
    for truncate, reached in ((0, [3]), (1, [2, 3]), (2, [1, 2, 3]), (9, [0, 1, 2, 3])):
        found = network.loss_and_gradients(batch, bptt_truncate=truncate, needs_input=True)
        assert np.flatnonzero(found.d_x[:, 0, 0]).tolist() == reached


def test_what_cannot_be_truncated_is_refused(network):
    batch, _ = material()
    with pytest.raises(ParameterError, match="bptt_truncate must not be negative, got -1"):
        network.loss_and_gradients(batch, bptt_truncate=-1)
    both = Network([OneHot(K), Bidirectional("elman", K, H), Dense(2 * H, K)], SoftmaxCrossEntropy())
    with pytest.raises(ParameterError, match="bptt_truncate needs a network of one direction"):
        both.loss_and_gradients(batch, bptt_truncate=2)
