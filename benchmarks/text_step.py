"""Times a full training step of a character model: this library's NumPy engine beside PyTorch and the classic script.

The step: token ids, one recurrent layer over an embedding of size H, an output layer over 65 symbols, cross-entropy,
clipping by global norm, Adam, in float32. The classic script's job: Elman 100, one-hot, 25 characters, one row,
Adagrad.

Correctness comes first: losses and gradients of all peers are compared before anything is timed. Peers are timed side
by side in alternating rounds, each at its best of 1 and 2 threads. PyTorch takes part if it is installed.

    python benchmarks/text_step.py [--rounds 7]        # appends a record to benchmarks/results/text_step.jsonl
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from throughtime import Batch, Network
from throughtime.layers import Dense, Embedding, OneHot, recurrent_stack
from throughtime.losses import SoftmaxCrossEntropy
from throughtime.optimizers import Optimizer

SYMBOLS = 65
SIZES = ((96, 1, 25), (128, 16, 50), (128, 64, 64), (256, 32, 64), (512, 32, 64))
CELLS = ("elman", "gru", "lstm")
RESULTS = Path(__file__).parent / "results" / "text_step.jsonl"

Step = Callable[[], float]


def our_step(network: Network, optimizer: Optimizer, batch: Batch, count: list[int]) -> float:
    engine = network.engine
    with engine.working():  # as in a training: one BLAS thread, however many are set
        found = network.loss_and_gradients(batch)
        norm = engine.global_norm(found.parameters)
        optimizer.apply(engine, network.parameters, found.parameters, step=count[0], learning_rate=1e-3, norm=norm)
    count[0] += 1
    return found.loss


def torch_step(cell: str, network: Network, batch: Batch) -> Step:
    """The same model in PyTorch, with the same weights; checked against ours before it is returned."""
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    weights = {name: torch.from_numpy(w.copy()) for name, w in network.parameters.items()}
    size = weights["output.V"].shape[0]
    embedding = torch.nn.Embedding(SYMBOLS, size)
    layer = {"elman": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[cell](size, size)
    output = torch.nn.Linear(size, SYMBOLS)
    with torch.no_grad():
        embedding.weight.copy_(weights["embedding.table"])
        layer.weight_ih_l0.copy_(weights["recurrent.0.U"].T)
        layer.weight_hh_l0.copy_(weights["recurrent.0.W"].T)
        layer.bias_ih_l0.copy_(weights["recurrent.0.b"])
        layer.bias_hh_l0.zero_()
        output.weight.copy_(weights["output.V"].T)
        output.bias.copy_(weights["output.c"])
    parameters = [*embedding.parameters(), *layer.parameters(), *output.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    x = torch.from_numpy(batch.x.astype(np.int64))
    targets = torch.from_numpy(batch.targets.astype(np.int64)).reshape(-1)

    def forward_and_back() -> float:
        optimizer.zero_grad()
        outputs = output(layer(embedding(x))[0])
        loss = torch.nn.functional.cross_entropy(outputs.reshape(-1, SYMBOLS), targets)
        loss.backward()
        return loss.item()

    loss, ours = forward_and_back(), network.loss_and_gradients(batch)
    np.testing.assert_allclose(loss, ours.loss, rtol=1e-5)
    np.testing.assert_allclose(layer.weight_hh_l0.grad.T, ours.parameters["recurrent.0.W"], rtol=1e-2, atol=1e-6)

    def step() -> float:
        loss = forward_and_back()
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
        return loss

    return step


class ClassicScript:
    """What the well-known scripts do: a Python loop over 25 characters with matrix-vector products, Adagrad, ±5."""

    def __init__(self, weights: dict[str, np.ndarray], ids: np.ndarray, targets: np.ndarray) -> None:
        self.U = weights["recurrent.0.U"].T.astype(np.float64)
        self.W = weights["recurrent.0.W"].T.astype(np.float64)
        self.V = weights["output.V"].T.astype(np.float64)
        self.b = weights["recurrent.0.b"].astype(np.float64)[:, None]
        self.c = weights["output.c"].astype(np.float64)[:, None]
        self.memory = [np.zeros_like(w) for w in (self.U, self.W, self.V, self.b, self.c)]
        self.ids, self.targets = ids, targets

    def gradients(self) -> tuple[float, list[np.ndarray]]:
        xs, hs, ps, loss = {}, {-1: np.zeros((len(self.W), 1))}, {}, 0.0
        for t, symbol in enumerate(self.ids):
            xs[t] = np.zeros((self.U.shape[1], 1))
            xs[t][symbol] = 1
            hs[t] = np.tanh(self.U @ xs[t] + self.W @ hs[t - 1] + self.b)
            o = self.V @ hs[t] + self.c
            ps[t] = np.exp(o) / np.sum(np.exp(o))
            loss += -np.log(ps[t][self.targets[t], 0])
        dU, dW, dV, db, dc = (np.zeros_like(w) for w in (self.U, self.W, self.V, self.b, self.c))
        dh_next = np.zeros_like(hs[0])
        for t in reversed(range(len(self.ids))):
            do = np.copy(ps[t])
            do[self.targets[t]] -= 1
            dV += do @ hs[t].T
            dc += do
            da = (1 - hs[t] * hs[t]) * (self.V.T @ do + dh_next)
            db += da
            dU += da @ xs[t].T
            dW += da @ hs[t - 1].T
            dh_next = self.W.T @ da
        return loss, [dU, dW, dV, db, dc]

    def step(self) -> float:
        loss, gradients = self.gradients()
        weights = (self.U, self.W, self.V, self.b, self.c)
        for w, g, m in zip(weights, gradients, self.memory, strict=True):
            np.clip(g, -5, 5, out=g)
            m += g * g
            w -= 0.1 * g / np.sqrt(m + 1e-8)
        return loss


def classic_job(rng: np.random.Generator) -> dict[str, Step]:
    """The classic script's own job, ours beside it."""
    layers = [OneHot(SYMBOLS), *recurrent_stack("elman", SYMBOLS, 100), Dense(100, SYMBOLS)]
    network = Network(layers, SoftmaxCrossEntropy(), initializer="normal", random_state=0)
    batch = Batch(rng.integers(SYMBOLS, size=(25, 1)), rng.integers(SYMBOLS, size=(25, 1)))
    script = ClassicScript(network.parameters, batch.x[:, 0], batch.targets[:, 0])
    loss, gradients = script.gradients()
    ours = network.loss_and_gradients(batch)
    np.testing.assert_allclose(loss / 25, ours.loss, rtol=1e-5)  # the script adds up, we take the mean
    np.testing.assert_allclose(gradients[1].T / 25, ours.parameters["recurrent.0.W"], rtol=1e-2, atol=1e-6)
    optimizer, count = Optimizer("adagrad", clip_value=5), [0]
    return {"throughtime": lambda: our_step(network, optimizer, batch, count), "classic script": script.step}


def text_job(cell: str, size: tuple[int, int, int], rng: np.random.Generator) -> dict[str, Step]:
    H, N, T = size
    layers = [Embedding(SYMBOLS, H), *recurrent_stack(cell, H, H), Dense(H, SYMBOLS)]
    network = Network(layers, SoftmaxCrossEntropy(), random_state=0)
    batch = Batch(rng.integers(SYMBOLS, size=(T, N)), rng.integers(SYMBOLS, size=(T, N)))
    optimizer, count = Optimizer("adam", clip_norm=5.0), [0]
    peers: dict[str, Step] = {"throughtime": lambda: our_step(network, optimizer, batch, count)}
    if importlib.util.find_spec("torch"):
        peers["PyTorch"] = torch_step(cell, network, batch)
    return peers


def time_side_by_side(peers: dict[str, Step], rounds: int) -> dict[str, list[float]]:
    """Seconds a step, one figure a round, the peers in turn."""
    repeats = {}
    for name, step in peers.items():
        step()
        began = time.perf_counter()
        step()
        repeats[name] = max(1, int(0.1 / (time.perf_counter() - began)))
    seconds: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(rounds):
        for name, step in peers.items():
            began = time.perf_counter()
            for _ in range(repeats[name]):
                step()
            seconds[name].append((time.perf_counter() - began) / repeats[name])
    return seconds


def measure(rounds: int) -> dict[str, dict[str, list[float]]]:
    """All jobs in this process, whose number of threads its parent has set."""
    rng = np.random.default_rng(0)
    jobs = {"classic job: elman 100, 1, 25": classic_job(rng)}
    jobs |= {f"{cell} {', '.join(map(str, size))}": text_job(cell, size, rng) for size in SIZES for cell in CELLS}
    return {job: time_side_by_side(peers, rounds) for job, peers in jobs.items()}


def with_threads(threads: int, rounds: int) -> dict[str, dict[str, list[float]]]:
    environment = {key: value for key, value in os.environ.items() if key != "OPENBLAS_CORETYPE"}
    environment |= {"OPENBLAS_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, __file__, "--measure", "--rounds", str(rounds)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.rounds)))
        return
    runs = {threads: with_threads(threads, options.rounds) for threads in (1, 2)}
    rows = []
    print(f"{'H, N, T':<32}{'peer':<16}{'ms a step':>12}{'spread':>18}{'threads':>9}{'ratio':>8}")
    for job in runs[1]:
        best = {}
        for peer in runs[1][job]:
            threads = min(runs, key=lambda n: statistics.median(runs[n][job][peer]))
            best[peer] = (threads, [1e3 * s for s in runs[threads][job][peer]])
        ours = statistics.median(best["throughtime"][1])
        for peer, (threads, ms) in best.items():
            ratio = statistics.median(ms) / ours
            spread = f"{min(ms):.2f} to {max(ms):.2f}"
            print(f"{job:<32}{peer:<16}{statistics.median(ms):>12.2f}{spread:>18}{threads:>9}{ratio:>7.2f}x")
            rows.append({"job": job, "peer": peer, "threads": threads, "milliseconds": [round(m, 4) for m in ms]})
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    installed = [name for name in ("throughtime", "numpy", "torch") if importlib.util.find_spec(name)]
    record = {
        "date": datetime.date.today().isoformat(),
        "commit": commit,
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in installed},
        "rows": rows,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
    print(f"ratio: how many times as long as throughtime, medians. Recorded in {RESULTS}")


if __name__ == "__main__":
    main()
