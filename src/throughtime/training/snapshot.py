"""A training between two steps: all that the steps to come depend on, apart from the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from throughtime.engine.protocol import Array, NetworkState
from throughtime.network import Network
from throughtime.optimizers import Optimizer

Weights = dict[str, Array]


@dataclass(frozen=True)
class Snapshot:
    """Copies of all that a step changes.

    Which data come next, and the masks of dropout, follow from ``step`` and the seed. Of the history, which only
    grows, it needs the first ``step`` losses and the first ``validations`` scores.

    Attributes
    ----------
    step, symbols, validations : int
        How many steps were done, how many symbols they read, and how often the validation part was scored.
    weights : dict of str to array
    slots : dict of str to tuple of arrays
        The optimizer's running values of each parameter.
    state : dict of str to tuple of arrays
        What the rows carry on to their next chunk, ``[N, H]`` each; empty before the first one.
    total : dict of str to array, averaged : int
        The sum of the weights that are averaged over, and how many they are.
    best : dict of str to array
        The weights of the best validation, where there is a patience; else empty.
    """

    step: int
    symbols: int
    validations: int
    weights: Weights
    slots: dict[str, tuple[Array, ...]]
    state: NetworkState
    total: Weights = field(default_factory=dict)
    averaged: int = 0
    best: Weights = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """The numbers among it."""
        return {name: getattr(self, name) for name in COUNTS}

    def to_arrays(self) -> dict[str, Array]:
        """The arrays among it, under one name each."""
        found: dict[str, Array] = {}
        for kind in ("weights", "total", "best"):
            found |= {f"{kind}.{name}": w for name, w in getattr(self, kind).items()}
        for kind in ("slots", "state"):
            for name, parts in getattr(self, kind).items():
                found |= {f"{kind}{place}.{name}": part for place, part in enumerate(parts)}
        return found

    @classmethod
    def from_arrays(cls, counts: Mapping[str, int], arrays: Mapping[str, Array]) -> Snapshot:
        """What ``counts`` and ``to_arrays`` gave.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is anything else.
        """
        whole = all(type(count) is int and 0 <= count < 2**63 for count in counts.values())
        if counts.keys() != set(COUNTS) or not whole:
            raise ValueError("the counts of a training are no numbers")
        flat: dict[str, Any] = {"weights": {}, "total": {}, "best": {}}
        nested: dict[str, Any] = {"slots": {}, "state": {}}
        for full in sorted(arrays, key=lambda full: (len(full.partition(".")[0]), full)):  # slots2 before slots10
            kind, _, name = full.partition(".")
            array = arrays[full]
            if kind in flat:
                flat[kind][name] = array
            else:
                parts = nested[kind.rstrip("0123456789")]
                parts[name] = (*parts.get(name, ()), array)
        found = cls(**{**counts, **flat, **nested})
        if found.to_arrays().keys() != arrays.keys():
            raise ValueError("the arrays of a training are not numbered one after another")
        return found

    def fits(self, network: Network, optimizer: Optimizer, rows: int) -> bool:
        """Whether it is one of a training of this network with this optimizer and batches of so many rows."""
        shapes = {name: w.shape for name, w in network.parameters.items()}
        states = {name: list(sizes) for name, sizes in network.body.states().items()}
        kept = [self.weights, *(part for part in (self.total, self.best) if part)]
        arrays = self.to_arrays().items()
        return (
            all(w.dtype == (np.float64 if name.startswith("total.") else network.engine.dtype) for name, w in arrays)
            and all({name: w.shape for name, w in part.items()} == shapes for part in kept)
            and self.slots.keys() <= shapes.keys()
            and all(len(parts) == len(optimizer.rule.slots) for parts in self.slots.values())
            and all(part.shape == shapes[name] for name, parts in self.slots.items() for part in parts)
            and all(part.ndim == 2 for parts in self.state.values() for part in parts)
            and {name: [part.shape[1] for part in parts] for name, parts in self.state.items()} in ({}, states)
            and all(len(part) == rows for parts in self.state.values() for part in parts)
            and bool(self.averaged) == bool(self.total)
        )


COUNTS = ("step", "symbols", "validations", "averaged")
