"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import Any, NoReturn

import numpy as np

from throughtime.engine.protocol import NetworkState, StepResult
from throughtime.errors import NonFiniteLoss, OutputError
from throughtime.layers import Noise
from throughtime.network import Network
from throughtime.optimizers import Optimizer
from throughtime.optimizers.schedules import Schedule
from throughtime.training import blow_up
from throughtime.training.callbacks import Callback
from throughtime.training.history import History
from throughtime.training.snapshot import Snapshot, Weights
from throughtime.training.streams import Chunk, Endless, Source, restart


@dataclass(frozen=True)
class Plan:
    """What is decided before the first step.

    ``segments`` is how many parts of a batch's time are kept in memory one after another; None: all of it at once.
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
    segments: int | None = None
    validate_every: int | None = None
    patience: int | None = None
    guard: float | None = None
    averaging: float = 0.0
    patient_from: int = 0
    """How many validations there were when the patience began."""
    judged_from: int = 0
    """How many steps there were when the data were others."""
    halved_from: int = 0
    """How many blow-ups there were when the learning rate was given, which those after it halve."""

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

SNAPSHOT_EVERY = 64
"""So many steps apart the training is remembered as it is, to go back to if it blows up."""


def nowhere(path: Any, **options: Any) -> NoReturn:
    """Raises :class:`OutputError`: a training by itself has no file."""
    raise OutputError(f"a training without a model cannot be saved to {str(path)!r}; train with an estimator's fit")


class Training:
    """One training of a network.

    A loss, gradient, weight or running value that is not finite, or losses far above those that it began with (see
    :mod:`throughtime.training.blow_up`), are a blow-up: the training goes back to where it was one or two snapshots
    ago, and on from there with half the learning rate.

    Parameters
    ----------
    network, optimizer, plan
    history : History
        Filled as the training goes on.
    validate : callable
        Gives the validation loss; asked only if the plan has ``validate_every``.
    callbacks : sequence of Callback
    save : callable, optional
        The model's ``save``.
    data : str, default ""
        The fingerprint of the data.
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
        save: Callable[..., None] = nowhere,
        data: str = "",
    ) -> None:
        self.network = network
        self.optimizer = optimizer
        self.plan = plan
        self.history = history
        self.validate = validate
        self.callbacks = callbacks
        self.save = save
        self.data = data
        self.step = 0
        self.symbols = 0
        self.first_step, self.first_symbols = 0, 0
        """Where it began, which is not at 0 where it goes on with another training."""
        self.seconds = 0.0
        self.stopped: str | None = None
        self.trouble = ""
        """What was wrong when it last blew up."""
        self.snapshots: list[Snapshot] = []
        """The last two: the older one is known to be good, as no blow-up followed it for :data:`SNAPSHOT_EVERY`
        steps."""
        self.between_steps = True
        """Whether all figures are those of one moment, so that another training can go on from there."""
        self.ended = False
        self.completed = False
        """Whether it came to its end without an error."""
        self._state: NetworkState = {}
        self._interruption: BaseException | None = None
        self._total: Weights = {}
        """The sum of the weights that are averaged over, and how many they are."""
        self._averaged = 0
        self._best: Weights = {}
        """The weights of the best validation, where there is a patience."""

    @property
    def symbols_per_second(self) -> float:
        """How fast it goes; 0 before the first step."""
        return (self.symbols - self.first_symbols) / self.seconds if self.seconds else 0.0

    def stop(self, reason: str) -> None:
        """Ends the training after this step."""
        self.stopped = reason

    def interrupt(self, error: BaseException) -> None:
        """Leaves the training after this step by raising ``error``: nothing is done that would not come there anyway.

        From where it was left another training may go on, and end as this one would have.
        """
        self._interruption = error

    def resume(self, now: Snapshot, snapshots: Sequence[Snapshot] = ()) -> None:
        """Goes on from where another training was, before ``run``; the history is that training's."""
        self.snapshots = list(snapshots) or [now]
        self._go_to(now)
        self.first_step, self.first_symbols = self.step, self.symbols

    def run(self, source: Endless) -> None:
        """Trains until the plan, a callback, or the patience ends it.

        Raises
        ------
        NonFiniteLoss
            If the training blew up :data:`~throughtime.training.blow_up.MOST_OFTEN` times and once more. The network
            then has the weights of the last good snapshot.
        """
        began = time.perf_counter()
        try:
            self._tell(Callback.on_start)
            with self.network.engine.working():
                self._loop(source, began)
            self._keep_the_best()
            self.completed = True
        except NonFiniteLoss:
            self._keep_the_best()
            raise
        finally:
            self.network.engine.forget()
            self.seconds = time.perf_counter() - began
            self.ended = True
            self._tell(Callback.on_end)

    def _loop(self, source: Endless, began: float) -> None:
        engine, plan = self.network.engine, self.plan
        chunks = self._chunks(source)
        if self.step == plan.judged_from and (self.history.chance is None or self.step):
            self._probe(source)
        trouble = self._score_if_due()  # a checkpoint may be from just before
        while True:
            if trouble is not None:
                self._go_back(trouble)
                chunks = self._chunks(source)
            if self._interruption is not None:
                raise self._interruption
            if self.step >= plan.max_steps or self.stopped:
                trouble = self._judge_the_end(source)
                if trouble is not None:
                    continue
                return
            if self.step % SNAPSHOT_EVERY == 0 and not (self.snapshots and self.snapshots[-1].step == self.step):
                trouble = self._take_snapshot()
                if trouble is not None:
                    continue
            group = list(islice(chunks, self._group_size(engine.steps_per_call)))
            self.between_steps = False
            results, self._state = engine.train_steps(self, group, self._state, self.step)
            trouble = self._record(results, group)
            self.seconds = time.perf_counter() - began
            if trouble is None:
                self._end_of_step()
                trouble = self._score_if_due()

    def _chunks(self, source: Endless) -> Iterator[Chunk]:
        """The batches from this step on; where no rows were read so far, their state is empty."""
        if not self._state:
            self._state = self.network.initial_state(source.rows)
        return source.endless(self.plan.seed, self.step)

    def _probe(self, source: Endless) -> None:
        """Notes what the weights cost that it begins with."""
        # where one is not finite, the first step tells
        self.history.beginning[:] = filter(math.isfinite, self._costs(source))

    def _costs(self, source: Endless) -> Iterator[float]:
        """What batches cost with the weights as they are, without dropout."""
        for chunk in islice(source.endless(self.plan.seed, self.step), blow_up.PROBED):
            loss, _ = self.network.loss(chunk.batch, restart(self._state, np.ones(source.rows, bool)))
            yield loss

    def _judge_the_end(self, source: Endless) -> str | None:
        """Returns what is wrong where the last steps blew up, which may be too few for their losses to tell.

        Where the last one was far too bad, batches tell whether it is the fault of the weights.
        """
        loss, far, known = self.history.loss, blow_up.FAR * self.history.worst, self.snapshots
        if self.stopped or self._best or not known or known[0].step == self.step or loss[-1] <= far:
            return None
        return None if any(cost <= far for cost in self._costs(source)) else self._rise()

    def _take_snapshot(self) -> str | None:
        """Remembers the training as it is; returns what is wrong where a running value is no number."""
        found = self.snapshot()
        if not all(np.isfinite(slot).all() for slots in found.slots.values() for slot in slots):
            return f"after step {self.step:,} the running values of the optimizer were not finite"
        self.snapshots = [*self.snapshots[-1:], found]
        return None

    def _end_of_step(self) -> None:
        plan = self.plan
        if plan.guard is not None and self.seconds > plan.guard and self.step < plan.max_steps:
            self.stop(f"the time was up after {self.step:,} of {plan.max_steps:,} steps")
        self._add_weights()
        self._average_at_the_end()
        self.between_steps = True
        self._tell(Callback.on_step)
        self._average_at_the_end()  # where a callback has ended it

    def snapshot(self) -> Snapshot:
        """All that the steps to come depend on, copied."""
        return Snapshot(
            step=self.step,
            symbols=self.symbols,
            validations=len(self.history.validation_loss),
            weights={name: w.copy() for name, w in self.network.parameters.items()},
            slots={name: tuple(slot.copy() for slot in slots) for name, slots in self.optimizer.slots.items()},
            state=dict(self._state),  # a step makes new ones
            total=dict(self._total),
            averaged=self._averaged,
            best=self._best,
        )

    def _go_to(self, snapshot: Snapshot) -> None:
        self.step, self.symbols = snapshot.step, snapshot.symbols
        self.history.cut(snapshot.step, snapshot.validations)
        self.network.set_parameters(snapshot.weights)
        self.optimizer.prepare(self.network.parameters)
        for name, slots in self.optimizer.slots.items():
            for place, slot in enumerate(slots):
                slot[...] = snapshot.slots[name][place] if name in snapshot.slots else 0
        self._state = dict(snapshot.state)
        self._total, self._averaged, self._best = dict(snapshot.total), snapshot.averaged, snapshot.best
        self.between_steps = True

    def _go_back(self, reason: str) -> None:
        """To the last state that is known to be good, and on with half the learning rate, unless that is no help."""
        step, good, times = self.step, self.snapshots[0], self.halvings
        self._go_to(good)
        self.snapshots = [good]
        self.trouble = reason
        if step == good.step or times >= blow_up.MOST_OFTEN:  # the first: it is not the learning rate's fault
            self.stopped = reason
            slower = f", with the learning rate halved {times} times, to {self.peak_rate:.3g}" if times else ""
            raise NonFiniteLoss(
                f"{reason}{slower}; the weights after step {good.step:,} are kept. Try a smaller learning_rate, or "
                "clip_norm, and look for data that are far too large."
            )
        self.stopped = None
        self.history.rollback_steps.append(step)
        self.history.rollback_to.append(good.step)
        self._tell(Callback.on_rollback)

    def train_step(self, batch: Chunk, state: NetworkState, step: int) -> tuple[StepResult, NetworkState]:
        """One step: the loss and its gradients, clipping, the update. Nothing is changed if they are not finite."""
        plan = self.plan
        found = self.network.loss_and_gradients(
            batch.batch,
            restart(state, batch.fresh),
            noise=Noise(plan.seed, step),
            bptt_truncate=plan.bptt_truncate,
            segments=plan.segments,
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

    @property
    def segments(self) -> int | None:
        """In how many segments of time a step is done."""
        return self.plan.segments

    def learning_rate(self, step: int) -> float:
        """What the schedule gives for a step, judged by the validations so far; half of it after each blow-up."""
        return self.peak_rate * self.plan.schedule.factor(step, self.plan.max_steps, self.history.validation_loss)

    @property
    def peak_rate(self) -> float:
        """What the schedule makes its rates of: half of it after each blow-up."""
        return self.plan.learning_rate * blow_up.SLOWER**self.halvings

    @property
    def halvings(self) -> int:
        """How often a blow-up halved the learning rate."""
        return len(self.history.rollback_steps) - self.plan.halved_from

    def _group_size(self, most: int) -> int:
        """How many steps to do in one call: never past the end, the next validation or snapshot, or a callback."""
        if self.step == self.first_step:  # what comes first is seen at once
            return 1
        if any(callback.every_step and type(callback).on_step is not Callback.on_step for callback in self.callbacks):
            return 1
        plan = self.plan
        left = min(plan.max_steps - self.step, SNAPSHOT_EVERY - self.step % SNAPSHOT_EVERY)
        every = plan.validate_every
        most = min(most, left, every - self.step % every if every else left)
        return next((size for size in range(1, most) if plan.averages(self.step + size)), most)

    def _record(self, results: Sequence[StepResult], group: Sequence[Chunk]) -> str | None:
        """Notes what the steps came to; returns what is wrong with the first one that blew up."""
        history = self.history
        for result, chunk in zip(results, group, strict=False):
            if not (math.isfinite(result.loss) and math.isfinite(result.gradient_norm)):
                figures = f"loss {result.loss:g}, gradient norm {result.gradient_norm:g}"
                return f"step {self.step + 1:,} met numbers that are not finite ({figures})"
            self.step += 1
            self.symbols += chunk.symbols
            history.loss.append(result.loss)
            history.gradient_norm.append(result.gradient_norm)
            history.learning_rate.append(result.learning_rate)
            if not result.sound:
                return f"after step {self.step:,} the weights were not finite"
            if blow_up.is_far_off(history.loss, history.worst, self.plan.judged_from):
                return self._rise()
        return None

    def _rise(self) -> str:
        history = self.history
        return f"the loss rose to {history.loss[-1]:.3g} by step {self.step:,}, far above {history.worst:.3g} at first"

    def _add_weights(self) -> None:
        if not self.plan.averages(self.step):
            return
        self._averaged += 1
        for name, w in self.network.parameters.items():
            self._total[name] = self._total.get(name, 0.0) + w.astype(np.float64)

    def _average_at_the_end(self) -> None:
        if self._averaged and (self.stopped is not None or self.step == self.plan.max_steps):
            self.network.set_parameters({name: total / self._averaged for name, total in self._total.items()})
            self._total, self._averaged = {}, 0

    def _keep_the_best(self) -> None:
        if self._best:
            self.network.set_parameters(self._best)
            self._best = {}

    def _score_if_due(self) -> str | None:
        """Scores the validation part where that is due; returns what is wrong where the score is no number."""
        every, history = self.plan.validate_every, self.history
        if every is None or self.step == 0 or self.step in history.validation_steps[-1:]:
            return None
        if self.step % every and self.step != self.plan.max_steps and self.stopped is None:
            return None
        loss = self.validate()
        if not math.isfinite(loss):
            return f"the validation loss was {loss:g} after step {self.step:,}"
        best = min(history.validation_loss, default=math.inf)
        history.validation_steps.append(self.step)
        history.validation_loss.append(loss)
        if self.plan.patience is not None:
            if loss < best:
                self._best = {name: w.copy() for name, w in self.network.parameters.items()}
            since = max(self.plan.patient_from, 1 + int(np.argmin(history.validation_loss)))
            waited = len(history.validation_loss) - since
            if waited >= self.plan.patience:
                self.stop(f"the validation loss has not improved {waited} times")
        self._tell(Callback.on_validation)
        return None

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
    weights = {name: w.copy() for name, w in network.parameters.items()}
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
