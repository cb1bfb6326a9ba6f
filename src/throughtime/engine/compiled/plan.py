"""What a network's job works on: its inputs, states, weights in the engine's order, and gradients.

A plan is made once for a size of batch and then run as often as there are batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from throughtime.engine.compiled import library, parts
from throughtime.engine.compiled.job import Job, room
from throughtime.engine.compiled.layout import padded
from throughtime.engine.compiled.rows import Rows
from throughtime.engine.compiled.target import host
from throughtime.engine.protocol import Array, Stage
from throughtime.errors import ShapeError

FLOATS_IN_TABLE = 1 << 22
"""How large a table of input parts may be that is kept between runs."""


@dataclass(frozen=True)
class Symbols:
    """Token ids ``[T * N]`` that stand for one-hot rows, or for rows of the embedding ``table``."""

    ids: Array
    count: int
    table: Array | None = None
    name: str = ""


Signal = Rows | Symbols


class Plan:
    """A network's job for batches of one size.

    Parameters
    ----------
    stages : the layers, as data
    parameters : the network's own arrays, which are read anew in every run
    T, N : steps and sequences of a batch
    lengths : whether sequences end early
    threads : for how many
    trains : whether weights change between runs, and dropout acts
    seed : of dropout

    Attributes
    ----------
    job : Job
        What is to be done: the layers add to it, and the owner may add more.
    packing : Job
        Puts the weights in the engine's order: to be run before, when they have changed. Part of ``job`` if it trains.
    inputs, ids : Array
        Where the inputs go: ids ``[T, N]`` or numbers ``[T, N, D]``; ``ids`` is None for numbers.
    input : Rows or Symbols
        The same as the first layer finds them.
    lengths, fresh : Array
        ``[N]`` each: how many steps each sequence has, and 1 where its state begins at 0.
    states : dict of str to list of arrays ``[N, padded H]``
        The states before a run and after it.
    gradients : dict of str to Array
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        parameters: Mapping[str, Array],
        T: int,
        N: int,
        *,
        lengths: bool,
        threads: int,
        trains: bool,
        seed: int = 0,
        job: Job | None = None,
        step: Array | None = None,
    ) -> None:
        self.T, self.N, self.threads, self.trains, self.seed = T, N, threads, trains, seed
        self.parameters = parameters
        self.job = job or Job()
        self.packing = self.job if trains else Job()
        self.step = np.zeros(1, np.int64) if step is None else step
        self.lengths = np.zeros(N, np.int64) if lengths else None
        self.fresh = np.zeros(N, np.int64)
        self.states: dict[str, list[Array]] = {}
        self.gradients: dict[str, Array] = {}
        self._packed: dict[Any, Array] = {}
        self._carried: list[tuple[Array, Array]] = []
        first = Stage("stacked", parts=tuple(stages))
        while first.kind == "stacked":
            first = next(part for part in first.parts if part.inputs is not None)  # dropout takes any size
        if first.kind in ("embedding", "one_hot"):
            self.ids: Array | None = room((T, N), np.int64, zero=True)
            self.x: Array | None = None
            self.input: Signal = Symbols(self.ids.reshape(-1), first.inputs or 0)
        else:
            self.ids = None
            self.x = room((T, N, first.inputs or 0), zero=True)
            self.input = Rows.plain(self.x, first.inputs or 0)
        self.inputs: Array = self.x if self.ids is None else self.ids  # type: ignore[assignment]

    def finish(self) -> None:
        """Adds what keeps the states after the last step, behind all layers."""
        for history, state in self._carried:
            self.job.add(
                library.common()["finish"],
                alone=True,
                T=self.T,
                N=self.N,
                row=history.shape[2],
                history=history,
                state=state,
                lengths=self.lengths,
            )

    @property
    def histories(self) -> list[Array]:
        """Of all states, ``[T + 1, N, padded H]``."""
        return [history for history, _ in self._carried]

    def folds(self, symbols: int, records: Rows) -> bool:
        """Whether the input parts of all symbols are computed once, instead of those of all places.

        In training they change in every run; else they are kept, if they do not take too much room.
        """
        if self.trains:
            return symbols < records.count
        return symbols * records.row <= FLOATS_IN_TABLE

    def gradient_of(self, name: str) -> Array:
        return self.gradients.setdefault(name, room(self.parameters[name].shape))

    def pack(self, name: str, size: int, gates: Sequence[int], *, back: bool = False) -> Array:
        """A parameter in the engine's order."""
        place = (name, tuple(gates), back)
        if place not in self._packed:
            how = parts.pack_back if back else parts.pack
            self._packed[place] = how(self.packing, self.parameters[name], size, gates, waits=False)
        return self._packed[place]

    def new_history(self, name: str, size: int) -> Array:
        """A state's history ``[T + 1, N, padded size]``, which begins with the state that is carried."""
        width = padded(size, host().lanes)
        history, state = room((self.T + 1, self.N, width), zero=True), room((self.N, width), zero=True)
        self.states.setdefault(name, []).append(state)
        self._carried.append((history, state))
        self.job.add(
            library.common()["begin"],
            alone=True,
            waits=False,
            N=self.N,
            row=width,
            history=history,
            state=state,
            fresh=self.fresh,
        )
        return history


def work_of(parameters: Mapping[str, Array], places: int) -> int:
    """About how many multiplications a pass forward takes."""
    return places * sum(w.size for name, w in parameters.items() if w.ndim > 1)


def check_parameters(network: Any) -> None:
    """Raises :class:`ShapeError` unless all parameters are what kernels take them for; they may have been replaced."""
    for name, spec in network.body.specs().items():
        w = network.parameters[name]
        if w.shape != spec.shape or w.dtype != np.float32 or not w.flags.c_contiguous:
            raise ShapeError(
                f"parameter {name!r} must be {list(spec.shape)} in float32 and in C order, got {list(w.shape)} in "
                f"{w.dtype}; set_parameters copies other numbers into it"
            )
