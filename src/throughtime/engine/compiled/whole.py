"""Whole networks in one call: training steps, passes forward, single steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from throughtime.engine.compiled import library, parts, threads
from throughtime.engine.compiled.job import Job, room
from throughtime.engine.compiled.plan import Plan
from throughtime.engine.protocol import Array, NetworkState, Sampling, StepResult
from throughtime.engine.random import Key
from throughtime.errors import ShapeError

SECONDS_A_CALL = 0.05
"""About how long a call with several steps should take: long beside Python's overhead, short for who presses Ctrl-C."""
MOST_STEPS = 256
SPEED = 5e10
"""Multiplications a second, for a first guess."""
SMALL_STEP = 300_000
"""The same for a single step of few rows, which is mostly the reading of weights."""
SMALL_WORK = 1_000_000
"""With fewer multiplications than this a second thread costs more than it gains."""


def work_of(parameters: Mapping[str, Array], places: int) -> int:
    """About how many multiplications a pass forward takes."""
    return places * sum(w.size for name, w in parameters.items() if w.ndim > 1)


def threads_for(work: int) -> int:
    """How many threads are worth their while."""
    return threads.get_num_threads() if work > SMALL_WORK else 1


class TrainingSteps:
    """The job of a training step: forward, back, the norm, clipping, the update; for batches of one size.

    Parameters
    ----------
    network, optimizer : what is trained
    T, N, lengths : the size of a batch, and whether its sequences end early
    seed : of dropout
    number : of threads
    before : the weights before the last update of another size of batch, if there was one
    """

    def __init__(
        self,
        network: Any,
        optimizer: Any,
        T: int,
        N: int,
        lengths: bool,
        seed: int,
        number: int,
        before: dict[str, Array] | None,
    ) -> None:
        parameters = network.parameters
        optimizer.prepare(parameters)
        self.network, self.optimizer, self.number = network, optimizer, number
        guess = 3 * work_of(parameters, T * N) / SPEED + 4 * sum(w.size for w in parameters.values()) / 1e9
        self.capacity = int(min(max(SECONDS_A_CALL / guess, 1), MOST_STEPS))
        self.index, self.step = np.zeros(1, np.int64), np.zeros(1, np.int64)
        self.go = np.ones(1, np.int64)
        self.job = Job(self.go)
        self.plan = Plan(
            network.stages,
            parameters,
            T,
            N,
            lengths=lengths,
            threads=number,
            trains=True,
            seed=seed,
            job=self.job,
            step=self.step,
        )
        self.results = np.zeros((self.capacity, 3))
        self.before = before or {name: w.copy() for name, w in parameters.items()}
        self._data: list[Array] = []
        plan = self.plan
        self.inputs = self._fetched(plan.inputs)
        self.fresh = self._fetched(plan.fresh)
        self.lengths = None if plan.lengths is None else self._fetched(plan.lengths)
        counts = len(optimizer.rule.program.inputs) - 2 - len(optimizer.rule.slots)
        coefficients = np.zeros((2, counts))
        self.coefficients = self._fetched(coefficients)
        self._add_loss(T, N)
        total, clipped, norm, scale = (np.zeros(1) for _ in range(4))
        sound = np.ones(1, np.int64)
        gradients = [plan.gradients[name] for name in parameters]
        parts.norm(self.job, gradients, None, total)
        if optimizer.clip_value is not None:
            parts.norm(self.job, gradients, optimizer.clip_value, clipped)
        clip_norm = np.inf if optimizer.clip_norm is None else optimizer.clip_norm
        common = library.common()
        self.job.add(
            common["clip"],
            alone=True,
            loss=self.loss,
            squares=total,
            clipped=total if optimizer.clip_value is None else clipped,
            clip_norm=clip_norm,
            norm=norm,
            scale=scale,
            go=self.go,
            sound=sound,
        )
        for name, w in parameters.items():
            k = coefficients[0 if optimizer.decays(w) else 1]
            slots = optimizer.slots[name]
            parts.update(
                self.job,
                optimizer.rule,
                w,
                plan.gradients[name],
                slots,
                k,
                optimizer.clip_value,
                scale,
                self.go,
                sound,
                self.before[name],
            )
        self.job.wait()
        self.job.add(
            common["report"],
            alone=True,
            loss=self.loss,
            norm=norm,
            results=self.results,
            index=self.index,
            step=self.step,
            go=self.go,
            sound=sound,
        )

    def _fetched(self, target: Array | None) -> Array:
        """Room for the data of all steps of a call, and the kernel that fetches those of one step."""
        assert target is not None
        if self.capacity == 1:
            return target[None]
        source = room((self.capacity, *target.shape), target.dtype)
        words = target.nbytes // 4
        self.job.add(
            library.common()["fetch"],
            waits=False,
            alone=words < 1 << 14,
            count=words,
            source=source,
            target=target,
            index=self.index,
        )
        return source

    def _add_loss(self, T: int, N: int) -> None:
        objective = self.network.objective
        K = self.network.body.output_size
        ids = objective.kernel == "softmax_cross_entropy"
        targets = room((T, N), np.int64, zero=True) if ids else room((T, N, K), zero=True)
        weights = np.zeros((T, N))
        self.targets, self.weights = self._fetched(targets), self._fetched(weights)
        self.job.wait()
        outputs = self.plan.forward()
        self.loss, losses = np.zeros(1), np.zeros(T * N)
        parts.loss(self.job, objective.kernel, outputs, targets, weights, losses, self.loss)
        self.plan.back(outputs)

    def run(self, batches: Sequence[Any], state: NetworkState, step: int, rates: Sequence[float]) -> list[StepResult]:
        """Trains on at most ``capacity`` batches; ``state`` is changed to that after the last."""
        count = len(batches)
        objective, outputs = self.network.objective, (self.plan.T, self.plan.N, self.network.body.output_size)
        for number, chunk in enumerate(batches):
            batch = chunk.batch
            _fill(self.inputs[number], batch.x, "inputs")
            _fill(self.targets[number], batch.targets, "targets")
            _fill(self.fresh[number], chunk.fresh, "fresh")
            _fill(self.weights[number], objective.place_weights(outputs, batch.weights), "weights")
            if self.lengths is not None:
                _fill(self.lengths[number], batch.lengths, "lengths")
                if self.plan.ids is None:  # so that padding may hold anything, a NaN too
                    self.inputs[number][np.arange(self.plan.T)[:, None] >= batch.lengths] = 0
            self.coefficients[number] = self.optimizer.coefficients(step + number, rates[number])
        self._check(count)
        sizes = self.network.body.states()
        put_state(self.plan, state, sizes)
        self.index[0], self.step[0], self.go[0] = 0, step, 1
        self.job.run(self.number, count)
        state.update(get_state(self.plan, sizes))
        done = int(self.index[0])
        return [
            StepResult(float(loss), float(norm), rate, bool(sound))
            for (loss, norm, sound), rate in zip(self.results[:done], rates[:done], strict=True)
        ]

    def _check(self, count: int) -> None:
        """Ids and lengths are within their bounds: nothing is read or written beside the arrays."""
        plan = self.plan
        if plan.ids is not None:
            check_ids(self.inputs[:count], self.network.body.input_size, "token ids")
        if self.targets.dtype == np.int64:
            counted = self.targets[:count]
            if not _within(counted, self.network.body.output_size):
                counted = counted[self.weights[:count] != 0]
                check_ids(counted, self.network.body.output_size, "targets")
        if self.lengths is not None and not _within(self.lengths[:count], plan.T + 1):
            raise ShapeError(f"lengths must be from 0 to {plan.T}")


def _fill(place: Array, values: Array, what: str) -> None:
    """Copies the values where a kernel will find them; neither a shape nor a number is changed on the way."""
    if values.shape != place.shape:
        raise ShapeError(f"{what} must be {list(place.shape)}, got shape {list(values.shape)}")
    if place.dtype == np.int64 and values.dtype.kind not in "iub":
        raise ShapeError(f"{what} must be integers, got {values.dtype}")
    place[...] = values


def _within(values: Array, stop: int) -> bool:
    return bool(values.size == 0 or (values.min() >= 0 and values.max() < stop))


def check_ids(ids: Array, count: int, what: str) -> None:
    """Raises :class:`ShapeError` unless all ids are from 0 to count - 1."""
    if not _within(ids, count):
        raise ShapeError(f"{what} must be from 0 to {count - 1}, got {ids.min()} to {ids.max()}")


def put_state(plan: Plan, state: NetworkState, sizes: Mapping[str, Sequence[int]]) -> None:
    """Copies a state to where the plan begins."""
    for name, places in plan.states.items():
        for place, size, value in zip(places, sizes[name], state.get(name, ()), strict=True):
            _fill(place[:, :size], np.asarray(value), f"state {name!r}")


def get_state(plan: Plan, sizes: Mapping[str, Sequence[int]]) -> NetworkState:
    """A copy of the state that the plan ended with."""
    return {
        name: tuple(place[:, :size].copy() for place, size in zip(places, sizes[name], strict=True))
        for name, places in plan.states.items()
    }


class Passes:
    """The job of a pass forward without a way back, for batches of one size.

    Parameters
    ----------
    network : Network
    T, N, lengths : the size of a batch, and whether its sequences end early
    number : of threads
    """

    def __init__(self, network: Any, T: int, N: int, lengths: bool, number: int) -> None:
        self.number = number
        self.plan = Plan(network.stages, network.parameters, T, N, lengths=lengths, threads=number, trains=False)
        self.outputs = self.plan.forward()
        self.size = network.body.output_size
        self.symbols = network.body.input_size if self.plan.ids is not None else None
        self.views = {
            name: [place[:, :size] for place, size in zip(places, network.body.states()[name], strict=True)]
            for name, places in self.plan.states.items()
        }
        self.result = self.outputs.array.reshape(T, N, -1)[..., : self.size]
        self.packed = False

    def pack(self) -> None:
        """Puts the weights in order, if they have changed."""
        if not self.packed:
            self.plan.packing.run(self.number)
            self.packed = True

    def run(self, x: Array, lengths: Array | None) -> Array:
        """Outputs ``[T, N, K]``, which the next run writes over; the state is in ``views`` before and after."""
        plan = self.plan
        plan.inputs[...] = x
        if plan.lengths is not None and lengths is not None:
            plan.lengths[...] = lengths
        self.pack()
        plan.job.run(self.number)
        return self.result

    def put(self, state: NetworkState) -> None:
        """Where the next run begins."""
        for name, places in self.views.items():
            for place, value in zip(places, state[name], strict=True):
                place[...] = value

    def get(self) -> NetworkState:
        """Where the last run ended."""
        return {name: tuple(place.copy() for place in places) for name, places in self.views.items()}


class SingleStep:
    """One time step of N rows, called from Python again and again: what does not change is looked up once.

    Attributes
    ----------
    arrays : list of int
        What the network's arrays were when it was made; others need another one.
    """

    def __init__(self, network: Any, N: int) -> None:
        work = work_of(network.parameters, N)
        self.passes = Passes(network, 1, N, False, threads.get_num_threads() if work > SMALL_STEP else 1)
        plan = self.passes.plan
        self.arrays = [*map(id, network.parameters.values())]
        self._kept = list(network.parameters.values())  # so that no other array gets one of these ids
        self.symbols = self.passes.symbols
        self._x = plan.inputs[0]
        self._y = self.passes.result[0]
        self._states = list(self.passes.views.items())

    def run(self, x: Array, state: NetworkState | None) -> tuple[Array, NetworkState] | None:
        """Outputs and state, or None where a shape does not fit or an id is not one of the symbols."""
        if x.shape != self._x.shape or (self.symbols is not None and not self._known(x)):
            return None
        self._x[...] = x
        for name, places in self._states:
            if state is None:
                for place in places:
                    place[...] = 0
                continue
            given = state.get(name, ())
            if len(given) != len(places):
                return None
            for place, value in zip(places, given, strict=True):
                if np.shape(value) != place.shape:
                    return None
                place[...] = value
        passes = self.passes
        if not passes.packed:
            passes.pack()
        passes.plan.job.run(passes.number)
        return self._y.copy(), {name: tuple([place.copy() for place in places]) for name, places in self._states}

    def _known(self, x: Array) -> bool:
        if x.dtype.kind not in "iu" or self.symbols is None:
            return False
        if len(x) == 1:
            return bool(0 <= x.item() < self.symbols)
        return _within(x, self.symbols)


class Generation:
    """Symbols chosen one after another, each fed back in, without coming back to Python between them.

    Parameters
    ----------
    passes : Passes
        Of one step.
    sampling, key : how symbols are chosen, and by which numbers
    most : how many may be chosen in one call
    """

    def __init__(self, passes: Passes, sampling: Sampling, key: Key, most: int) -> None:
        plan, K = passes.plan, passes.size
        N = plan.N
        self.passes = passes
        self.go, self.index, self.time = np.ones(1, np.int64), np.zeros(1, np.int64), np.zeros(1, np.int64)
        self.chosen = np.zeros((most, N), np.int64)
        self.job = Job(self.go)
        common = library.common()
        self.job.add(
            common["choose"],
            N=N,
            K=K,
            o=passes.outputs.array,
            o_row=passes.outputs.row,
            temperature=sampling.temperature,
            top_k=K if sampling.top_k is None else min(K, sampling.top_k),
            top_p=2.0 if sampling.top_p is None else sampling.top_p,
            greedy=sampling.greedy,
            key0=key[0],
            key1=key[1],
            time=self.time,
            p=np.zeros((N, K)),
            heap=np.zeros((N, K), np.int64),
            ids=plan.ids,
            chosen=self.chosen,
            index=self.index,
            go=self.go,
        )
        self.job.extend(plan.job)
        self.job.add(common["tick"], alone=True, index=self.index, time=self.time)

    def run(self, count: int) -> Array:
        """The next ``count`` symbols ``[count, N]``, or as many as there were before outputs were not finite."""
        self.index[0] = 0
        self.passes.pack()
        self.job.run(self.passes.number, count)
        done = count if self.go[0] else int(self.index[0]) - 1
        return self.chosen[:done].copy()
