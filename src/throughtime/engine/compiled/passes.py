"""Passes forward in one call: whole batches, single steps, and text that is written symbol by symbol."""

from __future__ import annotations

from typing import Any

import numpy as np

from throughtime.engine.compiled import library, threads
from throughtime.engine.compiled.job import Job
from throughtime.engine.compiled.layers import plan_network
from throughtime.engine.compiled.plan import Plan, check_parameters, work_of
from throughtime.engine.protocol import Array, NetworkState, Sampling
from throughtime.engine.random import Key

SMALL_STEP = 300_000
"""With fewer multiplications than this a single step of few rows, which is mostly the reading of weights, is for one
thread."""


class Passes:
    """The job of a pass forward without a way back, for batches of one size.

    Parameters
    ----------
    network : Network
    T, N, lengths : the size of a batch, and whether its sequences end early
    number : of threads
    """

    def __init__(self, network: Any, T: int, N: int, lengths: bool, number: int) -> None:
        check_parameters(network)
        self.number = number
        self.plan = Plan(network.stages, network.parameters, T, N, lengths=lengths, threads=number, trains=False)
        self.outputs, _ = plan_network(self.plan, network.stages)
        self.size = network.body.output_size
        self.symbols = network.body.input_size if self.plan.ids is not None else None
        self.views = {
            name: [place[:, :size] for place, size in zip(places, network.body.states()[name], strict=True)]
            for name, places in self.plan.states.items()
        }
        steps = self.outputs.count // N  # one behind a pool
        self.result = self.outputs.array.reshape(steps, N, -1)[..., : self.size]
        self.packed: int | None = None
        """Which version of the weights."""

    def pack(self, version: int) -> None:
        """Puts the weights in order, if they have changed."""
        if self.packed != version:
            self.plan.packing.run(self.number)
            self.packed = version

    def run(self, x: Array, lengths: Array | None, version: int) -> Array:
        """The outputs, which the next run writes over; the state is in ``views`` before and after."""
        plan = self.plan
        plan.inputs[...] = x
        if plan.lengths is not None and lengths is not None:
            plan.lengths[...] = lengths
        self.pack(version)
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

    def run(self, x: Array, state: NetworkState | None, version: int) -> tuple[Array, NetworkState] | None:
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
        passes.pack(version)
        passes.plan.job.run(passes.number)
        return self._y.copy(), {name: tuple([place.copy() for place in places]) for name, places in self._states}

    def _known(self, x: Array) -> bool:
        if x.dtype.kind not in "iu" or self.symbols is None:
            return False
        if len(x) == 1:
            return bool(0 <= x.item() < self.symbols)
        return bool(x.min() >= 0 and x.max() < self.symbols)


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
        self.go, fine = np.ones(1, np.int64), np.ones(1, np.int64)
        self.index, self.time = np.zeros(1, np.int64), np.zeros(1, np.int64)
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
            min_p=sampling.min_p,
            greedy=sampling.greedy,
            key0=key[0],
            key1=key[1],
            time=self.time,
            p=np.zeros((N, K)),
            heap=np.zeros((N, K), np.int64),
            ids=plan.ids,
            chosen=self.chosen,
            index=self.index,
            fine=fine,
        )
        self.job.extend(plan.job)
        self.job.add(common["tick"], alone=True, index=self.index, time=self.time, fine=fine, go=self.go)

    def run(self, count: int) -> Array:
        """The next ``count`` symbols ``[count, N]``, or as many as there were before outputs were not finite."""
        self.index[0] = 0
        self.passes.pack(0)  # once: a text is written with the weights that it begins with
        self.job.run(self.passes.number, count)
        done = count if self.go[0] else int(self.index[0]) - 1
        return self.chosen[:done].copy()
