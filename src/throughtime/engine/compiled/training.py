"""Training steps in one call: forward, back, clipping, the update, for as many batches as there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from throughtime.engine.compiled import library, parts
from throughtime.engine.compiled.job import Job, room
from throughtime.engine.compiled.layers import plan_network
from throughtime.engine.compiled.plan import Plan, check_parameters, work_of
from throughtime.engine.protocol import Array, NetworkState, StepResult
from throughtime.errors import ShapeError

SECONDS_A_CALL = 0.05
"""About how long a call with several steps should take: long beside Python's overhead, short for who presses Ctrl-C."""
MOST_STEPS = 256
SPEED = 5e10
"""Multiplications a second, for a guess of how many steps need room; how many are done in a call is for the clock."""


def capacity_for(matrices: int, parameters: int, places: int) -> int:
    """How many steps of so many places have room for their data, by the sizes of the matrices and of all weights."""
    guess = 3 * matrices * places / SPEED + 4 * parameters / 1e9
    return int(min(max(SECONDS_A_CALL / guess, 1), MOST_STEPS))


class TrainingSteps:
    """The job of a training step: forward, back, the norm, clipping, the update; for batches of one size.

    Parameters
    ----------
    network, optimizer : what is trained
    T, N, lengths : the size of a batch, and whether its sequences end early
    by_element : whether each element of the outputs has a weight, not each place
    seed : of dropout
    number : of threads
    """

    def __init__(
        self,
        network: Any,
        optimizer: Any,
        T: int,
        N: int,
        lengths: bool,
        by_element: bool,
        seed: int,
        number: int,
    ) -> None:
        check_parameters(network)
        parameters = network.parameters
        optimizer.prepare(parameters)
        self.network, self.optimizer, self.number = network, optimizer, number
        matrices = work_of(parameters, 1)
        self.capacity = capacity_for(matrices, sum(w.size for w in parameters.values()), T * N)
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
        plan = self.plan
        self.inputs = self._fetched(plan.inputs)
        self.fresh = self._fetched(plan.fresh)
        self.lengths = None if plan.lengths is None else self._fetched(plan.lengths)
        counts = len(optimizer.rule.program.inputs) - 2 - len(optimizer.rule.slots)
        self._coefficients = np.zeros((2, counts))
        self.coefficients = self._fetched(self._coefficients)
        self.shape = (1 if network.body.pools else T, N, network.body.output_size)
        self._add_loss(by_element)
        self._add_update()

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
            source=source.reshape(-1).view(np.float32),
            target=target.reshape(-1).view(np.float32),
            index=self.index,
        )
        return source

    def _add_loss(self, by_element: bool) -> None:
        objective, places = self.network.objective, self.shape[:2]
        self.targets_are_ids = objective.kernel == "softmax_cross_entropy"
        targets = room(places, np.int64, zero=True) if self.targets_are_ids else room(self.shape, zero=True)
        weights = np.zeros(self.shape if by_element and not self.targets_are_ids else places)
        self.targets, self.weights = self._fetched(targets), self._fetched(weights)
        self.job.wait()
        outputs, back = plan_network(self.plan, self.network.stages)
        self.loss = np.zeros(1)
        if self.targets_are_ids:
            parts.softmax_cross_entropy(self.job, outputs, targets, weights, self.loss)
        else:
            parts.elementwise_loss(self.job, objective, outputs, targets, weights, self.loss)
        back(outputs)

    def _add_update(self) -> None:
        """The norm, clipping, the optimizer's rule on all parameters, and what is reported of the step."""
        job, optimizer, gradients, common = self.job, self.optimizer, self.plan.gradients, library.common()
        squares, clipped, norm, scale = (np.zeros(1) for _ in range(4))
        sound = np.ones(1, np.int64)
        in_order = [gradients[name] for name in self.network.parameters]
        parts.norm(job, in_order, None, squares)
        if optimizer.clip_value is not None:
            parts.norm(job, in_order, optimizer.clip_value, clipped)
        job.add(
            common["clip"],
            alone=True,
            loss=self.loss,
            squares=squares,
            clipped=squares if optimizer.clip_value is None else clipped,
            clip_norm=np.inf if optimizer.clip_norm is None else optimizer.clip_norm,
            norm=norm,
            scale=scale,
            go=self.go,
            sound=sound,
        )
        for name, w in self.network.parameters.items():
            parts.update(
                job,
                optimizer.rule,
                w,
                gradients[name],
                optimizer.slots[name],
                self._coefficients[0 if optimizer.decays(w) else 1],
                optimizer.clip_value,
                scale,
                self.go,
                sound,
            )
        job.wait()
        job.add(
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

    def run(self, batches: Sequence[Any], state: NetworkState, step: int, rates: Sequence[float]) -> list[StepResult]:
        """Trains on at most ``capacity`` batches; ``state`` is changed to that after the last."""
        count = len(batches)
        objective = self.network.objective
        for number, chunk in enumerate(batches):
            batch = chunk.batch
            _fill(self.inputs[number], batch.x, "inputs")
            if not self.targets_are_ids:
                objective.check(self.shape, batch.targets, batch.weights)
            _fill(self.targets[number], batch.targets, "targets")
            _fill(self.fresh[number], chunk.fresh, "fresh")
            _fill(self.weights[number], objective.place_weights(self.shape, batch.weights), "weights")
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
        if self.targets_are_ids:
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
