"""The compiled engine: whole networks in one call, for as long as every layer is of a kind that can be planned."""

from __future__ import annotations

import operator
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar
from weakref import WeakSet

import numpy as np

from throughtime.engine.compiled import cache
from throughtime.engine.compiled.layers import can_plan
from throughtime.engine.compiled.memory import steps_at_once
from throughtime.engine.compiled.operations import Operations, some_lengths
from throughtime.engine.compiled.passes import Generation, Passes, SingleStep
from throughtime.engine.compiled.plan import work_of
from throughtime.engine.compiled.threads import number_for
from throughtime.engine.compiled.training import SECONDS_A_CALL, TrainingSteps
from throughtime.engine.free_memory import free_memory
from throughtime.engine.protocol import (
    Array,
    NetworkState,
    Sampling,
    Steppable,
    StepResult,
    Trainable,
)
from throughtime.engine.random import Key
from throughtime.errors import NonFiniteLoss, ParameterError

Made = TypeVar("Made", TrainingSteps, Passes)

MOST_AT_ONCE = 512
SECONDS_A_PIECE = 0.02
"""Pieces of generated text grow until one takes so long, or has so many symbols."""
PLANS_KEPT = 8
"""Batches of so many sizes find their job again; each has memory of its own. Fewer, where memory is short."""


class CompiledEngine(Operations):
    """Machine code for this processor, in float32.

    Raises
    ------
    ParameterError
        If another dtype is asked for, or this system has no POSIX threads (Windows).
    """

    def __init__(self, dtype: Any = np.float32) -> None:
        if np.dtype(dtype) != np.float32:
            raise ParameterError(
                f"the engine 'compiled' computes in float32, got {np.dtype(dtype)}; use engine='numpy'"
            )
        if os.name != "posix":
            raise ParameterError("the engine 'compiled' needs POSIX threads, which Windows has not; use engine='numpy'")
        super().__init__()
        self._turn = threading.Lock()
        """A job has one set of arrays: threads of Python that share a network take turns."""
        _engines.add(self)
        self._training: dict[Any, tuple[TrainingSteps, list[Array]]] = {}
        self._single: dict[Any, SingleStep] = {}
        self._passes: dict[Any, tuple[Passes, list[Array]]] = {}

    def __reduce__(self) -> Any:
        """Jobs and packed weights stay behind: they are addresses."""
        return CompiledEngine, ()

    @property
    def compile_seconds(self) -> float:  # type: ignore[override]
        return cache.seconds

    def forget(self) -> None:
        with self._turn:
            for kept in (self._packed, self._training, self._passes, self._single):
                kept.clear()

    # ------------------------------------------------------------------ whole networks

    def forward(
        self, network: Any, x: Array, state: NetworkState, lengths: Array | None
    ) -> tuple[Array, NetworkState] | None:
        if not can_plan(network.stages):
            return None
        T, N = x.shape[:2]
        lengths = some_lengths(lengths, T)
        at_once = T if network.body.reads_ahead else min(T, steps_at_once(network.stages, N))
        outputs = np.empty((1 if network.body.pools else T, N, network.body.output_size), self.dtype)
        with self._turn:
            for start in range(0, T, at_once):
                part = slice(start, start + at_once)
                left = None if lengths is None else np.clip(lengths - start, 0, len(x[part]))
                passes = self._passes_for(network, len(x[part]), N, left is not None)
                passes.put(state)
                outputs[part] = passes.run(x[part], left, self._version)
                state = passes.get()
        return outputs, state

    def step(self, network: Any, x: Array, state: NetworkState | None) -> tuple[Array, NetworkState] | None:
        key = (id(network), x.shape)
        with self._turn:
            single = self._single.get(key)
            if single is None or single.arrays != [*map(id, network.parameters.values())]:
                if network.body.reads_ahead or not can_plan(network.stages) or not x.ndim or not len(x):
                    return None
                while len(self._single) >= PLANS_KEPT:
                    self._single.pop(next(iter(self._single)))
                single = self._single[key] = SingleStep(network, len(x))
            return single.run(x, state, self._version)

    def _passes_for(self, network: Any, T: int, N: int, lengths: bool) -> Passes:
        number = number_for(work_of(network.parameters, T * N))
        return _found_or_made(
            self._passes,
            (T, N, lengths, number, id(network)),
            list(network.parameters.values()),
            lambda: Passes(network, T, N, lengths, number),
            lambda: self.forward_bytes(network.stages, "softmax_cross_entropy", T, N),
        )

    def train_steps(
        self, run: Trainable, batches: Sequence[Any], state: NetworkState, step: int
    ) -> tuple[list[StepResult], NetworkState]:
        if run.bptt_truncate is not None or run.segments is not None or not can_plan(run.network.stages):
            return super().train_steps(run, batches, state, step)
        with self._turn:
            self.changed()
            try:
                return self._train_steps(run, batches, state, step)
            finally:
                self.changed()  # another thread may have packed what was half done

    def _train_steps(
        self, run: Trainable, batches: Sequence[Any], state: NetworkState, step: int
    ) -> tuple[list[StepResult], NetworkState]:
        results: list[StepResult] = []
        state = dict(state)
        while len(results) < len(batches):
            rest = batches[len(results) :]
            steps = self._steps_for(run, rest[0].batch)
            size = _size(rest[0].batch)
            same = []
            for chunk in rest[: steps.capacity]:
                if _size(chunk.batch) != size:
                    break
                same.append(chunk)
            first = step + len(results)
            rates = [run.learning_rate(number) for number in range(first, first + len(same))]
            began = time.perf_counter()
            done = steps.run(same, state, first, rates)
            seconds = (time.perf_counter() - began) / len(done)
            results += done
            self.steps_per_call = max(1, min(steps.capacity, int(SECONDS_A_CALL / seconds)))
            if not steps.go[0]:
                break
        return results, state

    def _steps_for(self, run: Trainable, batch: Any) -> TrainingSteps:
        """The job of a training step for batches of this size: one that was made before, if all is as it was."""
        network, optimizer = run.network, run.optimizer
        T, N, lengths, by_element = _size(batch)
        optimizer.prepare(network.parameters)
        number = number_for(work_of(network.parameters, T * N))
        arrays = [*network.parameters.values(), *(slot for slots in optimizer.slots.values() for slot in slots)]
        return _found_or_made(
            self._training,
            (T, N, lengths, by_element, number, run.seed, id(optimizer), optimizer.clip_norm, optimizer.clip_value),
            arrays,
            lambda: TrainingSteps(network, optimizer, T, N, lengths, by_element, run.seed, number),
            lambda: self._job_bytes(network, T, N),
        )

    def _job_bytes(self, network: Any, T: int, N: int) -> int:
        """About what the job of a training step takes, its gradients and copies of the weights included."""
        weights: int = sum(w.size for w in network.parameters.values())
        step = self.step_bytes(network.stages, network.objective.kernel, weights, T, N)
        return step + (1 + self.copies) * weights * self.dtype.itemsize

    def generate(
        self,
        network: Steppable,
        o: Array,
        state: NetworkState,
        length: int,
        sampling: Sampling,
        key: Key,
        read: Array | None = None,
    ) -> Iterator[Array]:
        if length == 0:
            return
        network.check_steps()
        if sampling.adjusts or not can_plan(network.stages):
            yield from super().generate(network, o, state, length, sampling, key, read)
            return
        number = min(len(o), number_for(work_of(network.parameters, len(o))))
        passes = Passes(network, 1, len(o), False, number)
        if passes.symbols is None or passes.symbols < passes.size:  # what is chosen cannot always be fed back in
            yield from super().generate(network, o, state, length, sampling, key, read)
            return
        passes.put(state)
        passes.result[0] = o
        generation = Generation(passes, sampling, key, MOST_AT_ONCE)
        count = 1
        while length > 0:
            began = time.perf_counter()
            count = min(count, length)
            piece = generation.run(count)
            if len(piece):
                yield piece
            if len(piece) < count:
                raise NonFiniteLoss("the network's outputs are not finite numbers; its weights are of no use")
            length -= count
            if time.perf_counter() - began < SECONDS_A_PIECE:
                count = min(2 * count, MOST_AT_ONCE)


def _found_or_made(
    kept: dict[Any, tuple[Made, list[Array]]],
    key: Any,
    arrays: list[Array],
    make: Callable[[], Made],
    size: Callable[[], int],
) -> Made:
    """What was made before under this key for these very arrays, or made now; the last few are kept.

    ``size`` tells about how many bytes it takes.
    """
    found = kept.pop(key, None)
    if found is None or len(found[1]) != len(arrays) or any(map(operator.is_not, found[1], arrays)):
        while kept and (len(kept) >= PLANS_KEPT or _is_short(size())):
            kept.pop(next(iter(kept)))
        found = (make(), arrays)
    kept[key] = found  # the last used stands last
    return found[0]


def _is_short(size: int) -> bool:
    """Whether the machine has not so many bytes left."""
    free = free_memory()
    return free is not None and free < size


def _size(batch: Any) -> tuple[int, int, bool, bool]:
    """T, N, whether rows end early, and whether each element of the outputs has its weight."""
    T, N = batch.x.shape[:2]
    ends_early = batch.lengths is not None and not np.all(batch.lengths == T)
    return T, N, ends_early, batch.weights is not None and batch.weights.ndim == 3


_engines: WeakSet[CompiledEngine] = WeakSet()


def _after_fork() -> None:
    """A thread that had its turn is not there in the child."""
    for engine in _engines:
        engine._turn = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
