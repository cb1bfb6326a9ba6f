"""Our own side: the compiled engine."""

from __future__ import annotations

import numpy as np

from throughtime.benchmark.jobs import LEARNING_RATE, Job
from throughtime.benchmark.peers.entry import Entry, Findings
from throughtime.engine.protocol import Sampling, StepResult
from throughtime.engine.random import key
from throughtime.network import Network
from throughtime.optimizers import Optimizer
from throughtime.optimizers.schedules import Constant
from throughtime.training import Chunk, History, Plan, Training

NEEDS = ()
CHECKED = 5
"""How many single steps are checked."""
SYMBOLS = 2000
"""How many symbols are generated in one call."""
STEPS = 100
"""How many single steps make a run."""
LARGE_RATE = 2.0**30
"""With so large a learning rate of plain gradient descent, nothing but the gradient is left of a weight."""


def takes(job: Job) -> bool:
    """Any job."""
    return True


def entries(job: Job, threads: int) -> dict[str, Entry]:
    """There is one way; the number of threads comes from the environment."""
    kind = {"generation": _Generation, "step": _Steps}.get(job.kind, _Training)
    return {"": kind(job)}


class _Training(Entry):
    """Training steps as :class:`throughtime.training.Training` runs them: several in one call of the engine."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.chunk = Chunk(job.batch(), np.zeros(job.N, bool), job.T * job.N)
        self.training = _training(job, job.network(), job.optimizer(), LEARNING_RATE)
        self.state = self.training.network.initial_state(job.N)

    def check(self) -> Findings:
        network = self.job.network()
        before = {name: w.astype(np.float64) for name, w in network.parameters.items()}
        plain = _training(self.job, network, Optimizer("sgd"), LARGE_RATE)
        (result,), _ = network.engine.train_steps(plain, [self.chunk], network.initial_state(self.job.N), 0)
        found = {f"gradient {name}": (before[name] - w) / LARGE_RATE for name, w in network.parameters.items()}
        found |= {"loss": np.array(result.loss), "norm": np.array(result.gradient_norm)}
        self._steps(1)
        return found | {f"weights {name}": w.copy() for name, w in self.training.network.parameters.items()}

    def run(self) -> int:
        """As many as the engine asks for: one, then what it thinks best."""
        return len(self._steps(self.training.network.engine.steps_per_call))

    def _steps(self, count: int) -> list[StepResult]:
        engine = self.training.network.engine
        with engine.working():
            results, self.state = engine.train_steps(
                self.training, [self.chunk] * count, self.state, self.training.step
            )
        self.training.step += count
        return results


def _training(job: Job, network: Network, optimizer: Optimizer, learning_rate: float) -> Training:
    return Training(network, optimizer, Plan(1, learning_rate, Constant(), seed=0), History(job.K))


class _Generation(Entry):
    """One stream of symbols, each chosen at the temperature 1 and fed back in."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.network = job.network()
        self.outputs, self.state = self.network.step(job.inputs(1)[0])
        self.number = 0

    def check(self) -> Findings:
        outputs, _ = self.network.forward(self.job.inputs(CHECKED))
        self.run()
        return {"outputs": outputs}

    def run(self) -> int:
        self.number += 1
        draws = key(self.number, "generation")
        pieces = self.network.engine.generate(self.network, self.outputs, self.state, SYMBOLS, Sampling(), draws)
        return sum(map(len, pieces))


class _Steps(Entry):
    """``network.step`` from Python, one row, with the state handed in and out."""

    def __init__(self, job: Job) -> None:
        self.network = job.network()
        self.x = job.inputs(CHECKED)
        self.state = self.network.initial_state(1)

    def check(self) -> Findings:
        outputs, state = [], self.state
        for x in self.x:
            found, state = self.network.step(x, state)
            outputs.append(found)
        return {"outputs": np.stack(outputs)}

    def run(self) -> int:
        step, state, x = self.network.step, self.state, self.x[0]
        for _ in range(STEPS):
            _, state = step(x, state)
        self.state = state
        return STEPS
