"""What the tests of the compiled engine share: cells, networks, batches, and the ways to compare."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from tests.helpers import draw_scan
from tests.text.test_own_cell import INDRNN, PEEPHOLE

from throughtime import Cell, Network, cells
from throughtime import engine as engines
from throughtime.cells.functions import exp, log, maximum, minimum, sigmoid, sqrt, tanh, where
from throughtime.engine.compiled import threads
from throughtime.engine.compiled.engine import CompiledEngine
from throughtime.layers import Bidirectional, Dense, Dropout, Embedding, OneHot, Pool, Recurrent, Residual, Stacked
from throughtime.layers.dropout import VariationalDropout
from throughtime.losses import Bernoulli, Huber, SoftmaxCrossEntropy, SquaredError
from throughtime.network import Batch
from throughtime.optimizers import Optimizer
from throughtime.optimizers.schedules import Constant
from throughtime.training.history import History
from throughtime.training.loop import Plan, Training
from throughtime.training.streams import Chunk

ROOT = Path(__file__).parents[3]


def odd_step(a, u, state, p):
    a_1, a_2, a_3 = a
    u_2, u_3 = u
    s, h, m = state
    v, w = p
    x = tanh(a_1 + v * s)
    y = sigmoid(a_2 + u_2 * w)
    z = sqrt(abs(a_3) + 1.0) + log(exp(minimum(maximum(u_3, -2.0), 2.0)) + 1.0)
    new = where((v > w) & ~(v == 0.0), x * 0.5, y - 0.25 * h) / z  # parameters are exact: no engine sees another branch
    return (new, h * 0.5 + y, 0.75), (x, y, z, s * m, u_3, new, v)


def odd_step_back(d_state, state, saved, p):
    d_s, d_h, _ = d_state
    s, _, _ = state
    x, y, z, q, u_3, new, _ = saved
    v, w = p
    d = (d_s + 0.125 * d_h) / z
    return (
        (d * (1 - x * x), d * y, d * new),
        (d_h * y, where(v > w, d, -d)),
        (d * v, 0.5 * d_h, 0.0),
        (d * s, d * q * u_3),
    )


ODD = Cell(  # two parts kept apart, three states of which one is a constant, more saved than the gradients take
    "odd",
    gates=("first", "second", "third"),
    states=("s", "h", "m"),
    apart=("second", "third"),
    vectors={"v": 0.5, "w": (-0.5, 0.5)},
    step=odd_step,
    step_back=odd_step_back,
)

CELLS = [*map(cells.get, cells.names()), PEEPHOLE, INDRNN, ODD]
every_cell = pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
KINKED = ("elman-relu", "indrnn")


def make():
    return engines.make("compiled")


class LayerByLayer(CompiledEngine):
    """The compiled engine without its passes over whole networks."""

    def forward(self, network, x, state, lengths):
        return None

    def step(self, network, x, state):
        return None


@contextmanager
def using(number):
    """All work, however small, is done by this many threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "SMALL_WORK", -1)
        threads.set_num_threads(number)
        yield
        threads.set_num_threads(None)


def assert_same(found, expected):
    """Bit for bit."""
    assert found.keys() == expected.keys()
    for name, value in found.items():
        other = np.asarray(expected[name])
        assert value.shape == other.shape, name
        assert value.dtype == other.dtype, name
        np.testing.assert_array_equal(value, other, err_msg=name)


def assert_near(found, expected, tolerance):
    """The error is below the tolerance times the largest number of each array, or times 1 if all are smaller."""
    assert found.keys() == expected.keys()
    for name, value in found.items():
        other = np.asarray(expected[name])
        assert value.shape == other.shape, name
        assert np.isfinite(other).all(), name
        error = np.abs(value - other).max(initial=0.0) / max(1.0, np.abs(other).max(initial=0.0))
        assert error <= tolerance, f"{name}: {error:.3g}"


def scan_of(cell, T, N, D, H, *, lengths=None, reverse=False, seed=0):
    """A scan in float32 whose pre-activations are about one, whatever the sizes."""
    scan = draw_scan(cell, T, N, D, H, lengths=lengths, reverse=reverse, dtype="float32", seed=seed)
    U = (scan.weights.U / np.sqrt(D)).astype(np.float32)
    W = None if scan.weights.W is None else (scan.weights.W / np.sqrt(H)).astype(np.float32)
    return scan.part(weights=scan.weights._replace(U=U, W=W))


def in_float64(scan):
    """The same numbers for the engine that is compared with."""

    def wide(value):
        return None if value is None else value.astype(np.float64)

    U, W, b, e, p = scan.weights
    return replace(
        scan,
        weights=scan.weights._replace(U=wide(U), W=wide(W), b=wide(b), e=wide(e), p=tuple(map(wide, p))),
        x=wide(scan.x),
        state=tuple(map(wide, scan.state)),
        d_outputs=wide(scan.d_outputs),
        d_final=tuple(map(wide, scan.d_final)),
    )


def body(kind, cell, D, H, K):
    """Layers from D symbols or numbers to K outputs."""
    first = {"one-hot": [OneHot(D)], "embedding": [Embedding(D, 7)], "numbers": []}[kind.partition(" ")[0]]
    inputs = 7 if kind.startswith("embedding") else D
    if kind.endswith("stack"):
        middle = [
            Recurrent(cell, inputs, H, name="r0"),
            Dropout(0.25),
            Residual(Stacked([Recurrent(cell, H, H, name="r1"), VariationalDropout(0.5)])),
        ]
    elif kind.endswith("both"):
        middle = [
            Bidirectional(cell, inputs, H, name="r0"),
            VariationalDropout(0.25),
            Residual(Bidirectional(cell, 2 * H, H, name="r1")),
        ]
    elif kind.endswith("back"):
        middle = [Recurrent(cell, inputs, H, reverse=True, name="r0"), Recurrent(cell, H, H, name="r1")]
    elif kind.endswith("last"):
        middle = [Bidirectional(cell, inputs, H, name="r0"), Pool("last", reversed_from=H), Dropout(0.25)]
    elif kind.endswith("mean"):
        middle = [Recurrent(cell, inputs, H, name="r0"), Dropout(0.25), Pool("mean")]
    elif kind.endswith("max"):
        middle = [Recurrent(cell, inputs, H), Pool("max"), VariationalDropout(0.25), Residual(Dense(H, H, name="d"))]
    elif kind.endswith("bare"):
        return [*first, Recurrent(cell, inputs, K)]
    else:
        middle = [Recurrent(cell, inputs, H)]
    return [*first, *middle, Dense(2 * H if kind.endswith(("both", "last")) else H, K)]


KINDS = [
    f"{first}{rest}"
    for first in ("one-hot", "embedding", "numbers")
    for rest in ("", " bare", " stack", " both", " back")
]
POOLED = ["numbers last", "embedding last", "embedding mean", "one-hot mean", "numbers max"]
KINDS += POOLED
AHEAD = ("both", "back", "last", "mean", "max")
"""How the kinds end that have no next step."""

SMOOTH_LOSSES = [SquaredError(), SquaredError("half_sum"), Bernoulli(), Huber(0.5)]
"""Of each output by itself, and with a derivative that does not jump."""


def network_of(kind, cell="gru", D=5, H=6, K=5, *, loss=None, engine=None, seed=0):
    """A network whose parameters are all different from zero."""
    loss = loss or SoftmaxCrossEntropy()
    network = Network(body(kind, cell, D, H, K), loss, engine=engine or make(), random_state=seed)
    rng = np.random.default_rng(seed)
    for w in network.parameters.values():
        w += rng.uniform(-0.1, 0.1, w.shape).astype(np.float32)
    network.changed()
    return network


def batch_for(network, T, N, *, lengths=None, seed=0):
    """Inputs and targets for a network; what lies beyond a row's length does not count."""
    rng = np.random.default_rng(seed)
    D, K = network.body.input_size, network.body.output_size
    x = rng.integers(D, size=(T, N)) if network.body.takes_ids else rng.normal(size=(T, N, D)).astype(np.float32)
    steps = 1 if network.body.pools else T
    if isinstance(network.objective, SoftmaxCrossEntropy):
        targets = rng.integers(K, size=(steps, N))
    else:
        draw = rng.random if isinstance(network.objective, Bernoulli) else rng.normal
        targets = draw(size=(steps, N, K)).astype(np.float32)
    weights = rng.choice([0.5, 1.0, 2.0], (steps, N))
    if lengths is not None:
        lengths = np.array(lengths)
        weights = weights * (np.arange(steps)[:, None] < lengths)
    return Batch(x, targets, weights, lengths)


def state_for(network, N, seed=0):
    """A state that is not zero."""
    rng = np.random.default_rng(seed)
    return {
        name: tuple(rng.uniform(-1, 1, (N, size)).astype(np.float32) for size in sizes)
        for name, sizes in network.body.states().items()
    }


def flat(state):
    """A state as named arrays."""
    return {f"{name} {place}": value for name, values in state.items() for place, value in enumerate(values)}


def training_of(network, optimizer=None, *, rate=0.01, seed=3, steps=100):
    plan = Plan(steps, rate, Constant(), seed)
    return Training(network, optimizer or Optimizer("sgd"), plan, History(network.body.output_size))


class Listed:
    """These chunks, one after the other."""

    def __init__(self, chunks):
        self.chunks, self.rows = chunks, chunks[0].batch.x.shape[1]

    def endless(self, seed, done=0):
        return iter(self.chunks[done:])


def chunks_for(network, T, N, count, *, lengths=None, seed=0):
    """Chunks of which some rows begin anew."""
    rng = np.random.default_rng(seed)
    return [
        Chunk(batch_for(network, T, N, lengths=lengths, seed=seed + number), rng.random(N) < 0.3, T * N)
        for number in range(count)
    ]


def trained(network, chunks, optimizer=None, *, at_once=None, **options):
    """Everything that training steps leave behind, by name."""
    run = training_of(network, optimizer, **options)
    state = state_for(network, chunks[0].batch.x.shape[1])
    results = []
    size = at_once or len(chunks)
    for start in range(0, len(chunks), size):
        found, state = network.engine.train_steps(run, chunks[start : start + size], state, len(results))
        results += found
    left = {name: w.copy() for name, w in network.parameters.items()} | flat(state)
    for name, slots in run.optimizer.slots.items():
        left |= {f"{name} slot {place}": slot for place, slot in enumerate(slots)}
    return left | {"losses": np.array([r.loss for r in results]), "norms": np.array([r.gradient_norm for r in results])}


seeds = st.integers(0, 999)


@st.composite
def lengths_of(draw, T, N):
    """None, or a length for each row, of which some may be zero."""
    if draw(st.booleans()):
        return None
    return draw(st.lists(st.integers(0, T), min_size=N, max_size=N))


def run_python(text, *, timeout=60, check=True, **environment):
    """Runs a script in a process of its own, with the tests' modules at hand."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    path = os.pathsep.join(filter(None, [variables.get("PYTHONPATH"), str(ROOT)]))
    variables |= {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": path, **environment}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", text],
        env=variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if check:
        assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done
