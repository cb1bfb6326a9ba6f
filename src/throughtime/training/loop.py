"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import NoReturn

import numpy as np

from throughtime.engine.protocol import Array, NetworkState, StepResult
from throughtime.errors import NonFiniteLoss
from throughtime.layers import Noise
from throughtime.network import Network
from throughtime.optimizers import Optimizer
from throughtime.optimizers.schedules import Schedule
from throughtime.training.callbacks import Callback
from throughtime.training.history import History
from throughtime.training.streams import Chunk, Source, restart


@dataclass(frozen=True)
class Plan:
    """What is decided before the first step.

    ``validate_every`` and ``patience`` (how many validations without a better one end the training, the best weights
    being kept) may be None: never. ``guard`` is a number of seconds after which the clock ends the training.
    ``averaging`` is the share of the steps, the last ones, of whose weights the mean is kept (Polyak and Juditsky,
    1992; Izmailov et al., 2018).
    """

    max_steps: int
    learning_rate: float
    schedule: Schedule
    seed: int
    bptt_truncate: int | None = None
    validate_every: int | None = None
    patience: int | None = None
    guard: float | None = None
    averaging: float = 0.0

    @property
    def averaged_steps(self) -> int:
        """How many of the last steps are averaged over."""
        return math.ceil(self.averaging * self.max_steps)

    @property
    def average_every(self) -> int:
        """So many steps apart the weights are taken, the last ones among them."""
        return max(1, self.averaged_steps // MOST_AVERAGED)

    def averages(self, step: int) -> bool:
        """Whether the weights after a step are taken into the mean."""
        left = self.max_steps - step
        return left < self.averaged_steps and left % self.average_every == 0


MOST_AVERAGED = 100
"""About how many weights a mean is made of: more of them, closer together, add nothing."""


class Training:
    """One training of a network.

    Parameters
    ----------
    network, optimizer, plan
    history : History
        Filled as the training goes on.
    validate : callable
        Gives the validation loss; asked only if the plan has ``validate_every``.
    callbacks : sequence of Callback
    """

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        plan: Plan,
        history: History,
        *,
        validate: Callable[[], float] = lambda: math.nan,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        self.network = network
        self.optimizer = optimizer
        self.plan = plan
        self.history = history
        self.validate = validate
        self.callbacks = callbacks
        self.step = 0
        self.symbols = 0
        self.seconds = 0.0
        self.stopped: str | None = None
        self.before: Mapping[str, Array] | None = None
        """The weights before the last update: what is gone back to if that was no good."""
        self._total: dict[str, Array] = {}
        """The sum of the weights that are averaged over, and how many they are."""
        self._averaged = 0
        self._best: dict[str, Array] | None = None
        """The weights of the best validation, where there is a patience."""

    def stop(self, reason: str) -> None:
        """Ends the training after this step."""
        self.stopped = reason

    def run(self, chunks: Iterator[Chunk], rows: int) -> None:
        """Trains until the plan, a callback, or the patience ends it.

        Raises
        ------
        NonFiniteLoss
            If a loss or a gradient is not finite. The network then has the weights of the last finite loss.
        """
        began = time.perf_counter()
        try:
            self._tell(Callback.on_start)
            with self.network.engine.working():
                self._loop(chunks, rows, began)
        finally:
            self.network.engine.forget()
            self.before = None
            if self._best is not None:
                self.network.set_parameters(self._best)
            self.seconds = time.perf_counter() - began
            self._tell(Callback.on_end)

    def _loop(self, chunks: Iterator[Chunk], rows: int, began: float) -> None:
        engine, plan = self.network.engine, self.plan
        state = self.network.initial_state(rows)
        while self.step < plan.max_steps and not self.stopped:
            group = list(islice(chunks, self._group_size(engine.steps_per_call)))
            results, state = engine.train_steps(self, group, state, self.step)
            self._record(results, group)
            if not results[-1].sound:
                self._give_up(f"after step {self.step:,} the weights were not finite")
            self.seconds = time.perf_counter() - began
            if plan.guard is not None and self.seconds > plan.guard and self.step < plan.max_steps:
                self.stop(f"the time was up after {self.step:,} of {plan.max_steps:,} steps")
            if plan.averages(self.step):
                self._add_weights()
            self._average_at_the_end()
            self._tell(Callback.on_step)
            self._average_at_the_end()  # where a callback has ended it
            if self._validates():
                self._score()

    def train_step(self, batch: Chunk, state: NetworkState, step: int) -> tuple[StepResult, NetworkState]:
        """One step: the loss and its gradients, clipping, the update. Nothing is changed if they are not finite."""
        plan = self.plan
        found = self.network.loss_and_gradients(
            batch.batch, restart(state, batch.fresh), noise=Noise(plan.seed, step), bptt_truncate=plan.bptt_truncate
        )
        engine = self.network.engine
        norm = engine.global_norm(found.parameters)
        rate = self.learning_rate(step)
        if math.isfinite(found.loss) and math.isfinite(norm):
            self.optimizer.apply(
                engine, self.network.parameters, found.parameters, step=step, learning_rate=rate, norm=norm
            )
        sound = all(bool(np.isfinite(w).all()) for w in self.network.parameters.values())
        return StepResult(found.loss, norm, rate, sound), found.state

    @property
    def seed(self) -> int:
        """Of dropout."""
        return self.plan.seed

    @property
    def bptt_truncate(self) -> int | None:
        """How many transitions a gradient goes back."""
        return self.plan.bptt_truncate

    def learning_rate(self, step: int) -> float:
        """What the schedule gives for a step, judged by the validations so far."""
        plan = self.plan
        return plan.learning_rate * plan.schedule.factor(step, plan.max_steps, self.history.validation_loss)

    def _weights(self) -> dict[str, Array]:
        return {name: w.copy() for name, w in self.network.parameters.items()}

    def _group_size(self, most: int) -> int:
        """How many steps to do in one call: never past the end or the next validation, or past a callback."""
        if self.step == 0:  # what comes first is seen at once
            return 1
        if any(callback.every_step and type(callback).on_step is not Callback.on_step for callback in self.callbacks):
            return 1
        plan = self.plan
        left = plan.max_steps - self.step
        every = plan.validate_every
        most = min(most, left, every - self.step % every if every else left)
        return next((size for size in range(1, most) if plan.averages(self.step + size)), most)

    def _record(self, results: Sequence[StepResult], group: Sequence[Chunk]) -> None:
        for result, chunk in zip(results, group, strict=False):
            if not (math.isfinite(result.loss) and math.isfinite(result.gradient_norm)):
                figures = f"loss {result.loss:g}, gradient norm {result.gradient_norm:g}"
                self._give_up(f"step {self.step + 1:,} met numbers that are not finite ({figures})")
            self.step += 1
            self.symbols += chunk.symbols
            self.history.loss.append(result.loss)
            self.history.gradient_norm.append(result.gradient_norm)
            self.history.learning_rate.append(result.learning_rate)

    def _give_up(self, reason: str) -> NoReturn:
        if self.before is not None:
            self.network.set_parameters(self.before)
        self.stopped = reason
        raise NonFiniteLoss(f"{reason}; the last good weights are kept. Try a smaller learning_rate, or clip_norm.")

    def _add_weights(self) -> None:
        self._averaged += 1
        for name, w in self.network.parameters.items():
            self._total[name] = self._total.get(name, 0.0) + w.astype(np.float64)

    def _average_at_the_end(self) -> None:
        if self._averaged and (self.stopped is not None or self.step == self.plan.max_steps):
            self.network.set_parameters({name: total / self._averaged for name, total in self._total.items()})
            self._averaged = 0

    def _validates(self) -> bool:
        every = self.plan.validate_every
        if every is None:
            return False
        return self.step % every == 0 or self.step == self.plan.max_steps or self.stopped is not None

    def _score(self) -> None:
        loss = self.validate()
        if not math.isfinite(loss):
            self._give_up(f"the validation loss was {loss:g} after step {self.step:,}")
        best = min(self.history.validation_loss, default=math.inf)
        self.history.validation_steps.append(self.step)
        self.history.validation_loss.append(loss)
        if self.plan.patience is not None:
            if loss < best:
                self._best = self._weights()
            waited = len(self.history.validation_loss) - 1 - int(np.argmin(self.history.validation_loss))
            if waited >= self.plan.patience:
                self.stop(f"the validation loss has not improved {waited} times")
        self._tell(Callback.on_validation)

    def _tell(self, event: Callable[[Callback, Training], None]) -> None:
        for callback in self.callbacks:
            getattr(callback, event.__name__)(self)


def mean_loss(network: Network, streams: Source) -> float:
    """The mean loss of all that is counted, everything counted once, without dropout."""
    state = network.initial_state(streams.rows)
    total, counted = 0.0, 0.0
    with network.engine.working():
        for chunk in streams.once():
            state = restart(state, chunk.fresh)
            if chunk.counted:
                loss, state = network.loss(chunk.batch, state)
                total += loss * chunk.counted
                counted += chunk.counted
            else:
                _, state = network.forward(chunk.batch.x, state, lengths=chunk.batch.lengths)
    return total / counted


def seconds_per_step(network: Network, optimizer: Optimizer, plan: Plan, streams: Source) -> float:
    """How long a training step takes here: the median of a few, after which all is as it was."""
    trial_optimizer = Optimizer(
        optimizer.rule,
        clip_value=optimizer.clip_value,
        clip_norm=optimizer.clip_norm,
        weight_decay=optimizer.weight_decay,
    )
    trial = Training(network, trial_optimizer, plan, History(1))
    engine, state = network.engine, network.initial_state(streams.rows)
    weights = trial._weights()
    seconds: list[float] = []
    steps: list[int] = []
    chunks = streams.endless(plan.seed)
    with engine.working():
        while len(steps) < 4 or (len(steps) < 20 and sum(seconds[1:]) < 0.5):  # the first may have compiled something
            began = time.perf_counter()
            group = list(islice(chunks, engine.steps_per_call))
            results, state = engine.train_steps(trial, group, state, sum(steps))
            seconds.append(time.perf_counter() - began)
            steps.append(len(results))
    network.set_parameters(weights)
    engine.forget()
    return median([took / count for took, count in zip(seconds, steps, strict=True)])


def seconds_to_score(network: Network, streams: Source) -> float:
    """How long ``mean_loss`` takes here, judged by its first chunk."""
    with network.engine.working():
        began = time.perf_counter()
        network.loss(next(streams.once()).batch)
        return (time.perf_counter() - began) * streams.steps_per_epoch
