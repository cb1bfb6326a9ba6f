"""The adding problem: a test of long memory (Hochreiter and Schmidhuber, 1997; Le, Jaitly and Hinton, 2015).

Each of 150 steps has a number between 0 and 1 and a mark; two steps are marked, and at the end the sum of their numbers
is asked. Who always answers 1 has a mean squared error of 1/6 = 0.167. A network of 100 tanh units learns no more than
that; an LSTM and the identity ReLU network (recurrent weights that begin as the identity) solve it.

Every batch is drawn afresh. A training ends when 2,000 other rows show an error under 0.005. The identity ReLU
network has input and output weights from N(0, 0.1): with the N(0, 0.001) of the paper, Adam did not solve it in 3,000
steps. Three seeds of each network take about 4 minutes.

    python examples/adding_problem.py [--steps 3000] [--seeds 3] [--length 150] [--to adding_problem.png]
"""

import argparse
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from throughtime import Batch, Network, cells
from throughtime.initializers import Initializer, get
from throughtime.layers import Dense, Pool, Recurrent
from throughtime.losses import SquaredError
from throughtime.optimizers import Optimizer
from throughtime.optimizers.schedules import Constant
from throughtime.training import Callback, Drawn, History, Plan, Training

arguments = argparse.ArgumentParser(description="the adding problem")
arguments.add_argument("--steps", type=int, default=3_000, help="at most")
arguments.add_argument("--seeds", type=int, default=3)
arguments.add_argument("--length", type=int, default=150, help="of a row")
arguments.add_argument("--to", type=Path, default=Path("adding_problem.png"))
options = arguments.parse_args()
T, H, N = options.length, 100, 32


def draw(rng, rows):
    """Numbers and marks [T, rows, 2], and the sum of the two that are marked."""
    x = np.zeros((T, rows, 2))
    x[:, :, 0] = rng.uniform(size=(T, rows))
    first, second = rng.permuted(np.tile(np.arange(T), (rows, 1)), axis=1)[:, :2].T
    x[first, np.arange(rows), 1] = x[second, np.arange(rows), 1] = 1
    return Batch(x, x.prod(axis=2).sum(axis=0)[None, :, None])


class StopWhenSolved(Callback):
    """Ends a training whose error on other rows is under 0.005."""

    every_step = False

    def on_validation(self, run):
        if run.history.validation_loss[-1] < 0.005:
            run.stop("solved")


def identity(rng, rows, columns, role):
    return np.eye(rows) if role == "hidden" else rng.normal(0, 0.1, (rows, columns))


NETWORKS = {  # the cell, the initial weights, and the learning rate
    "tanh": ("elman", get("glorot"), 0.001),
    "identity ReLU": (cells.elman("relu"), Initializer("identity", identity), 0.001),
    "LSTM": ("lstm", get("glorot"), 0.01),
}
others = draw(np.random.default_rng(0), 2_000)
print(f"T = {T}; the answer 1 has a mean squared error of {np.mean((others.targets - 1) ** 2):.3f}")

axes = Figure(figsize=(7, 4), layout="constrained").subplots()
for (name, (cell, initializer, rate)), colour in zip(NETWORKS.items(), ("0.6", "tab:orange", "tab:blue"), strict=True):
    for seed in range(1, options.seeds + 1):
        began = time.perf_counter()
        layers = [Recurrent(cell, 2, H), Pool("last"), Dense(H, 1)]
        network = Network(layers, SquaredError(), initializer=initializer, random_state=seed)
        plan = Plan(options.steps, rate, Constant(), seed, validate_every=min(100, options.steps))
        training = Training(
            network, Optimizer("adam", clip_norm=1.0), plan, History(None),
            validate=lambda network=network: network.loss(others)[0], callbacks=[StopWhenSolved()],
        )  # fmt: skip
        training.run(Drawn(N, lambda rng: draw(rng, N)))
        history, took = training.history, time.perf_counter() - began
        error = history.validation_loss[-1]
        print(f"{name:<14} seed {seed}: mean squared error {error:.4f} after {training.step:,} steps, {took:.0f} s")
        label = name if seed == 1 else None
        axes.plot(history.validation_steps, history.validation_loss, color=colour, label=label)
axes.axhline(1 / 6, color="black", linewidth=0.8, linestyle=":", label="the answer 1")
axes.set(xlabel="step", ylabel="mean squared error", title=f"The adding problem, T = {T}", ylim=(0, 0.25))
axes.legend()
axes.figure.savefig(options.to, dpi=150)
print(f"the curves are in {options.to}")
