"""What all layers have in common, and what goes along with a pass through them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from throughtime.engine.protocol import Array, Engine, NetworkState, Signal, Stage, States
from throughtime.initializers import ParameterSpec


@dataclass(frozen=True)
class Noise:
    """Switches dropout on: the seed of its masks and the training step that they belong to."""

    seed: int
    step: int


@dataclass
class Forward:
    """One pass forward: what every layer needs to know on the way, and the final states that it leaves.

    ``start`` is the time of the first step, where it is a part of a longer batch.
    """

    engine: Engine
    parameters: Mapping[str, Array]
    state: NetworkState
    lengths: Array | None = None
    noise: Noise | None = None
    keep: bool = True
    start: int = 0
    final: NetworkState = field(default_factory=dict)


@dataclass
class Backward:
    """One pass back. Gradients of parameters are added up in ``gradients``, those of initial states in ``d_initial``.

    ``window`` restricts it to some time steps; ``d_final`` holds gradients of final states, where there are any.
    """

    engine: Engine
    parameters: Mapping[str, Array]
    gradients: dict[str, Array]
    window: slice | None = None
    d_final: NetworkState = field(default_factory=dict)
    d_initial: dict[str, States] = field(default_factory=dict)

    def add(self, name: str, gradient: Array) -> None:
        if name in self.gradients:
            self.gradients[name] += gradient
        else:
            self.gradients[name] = gradient


class Layer(ABC):
    """A part of a network: parameters by full name, forward and backward side by side.

    Layers are values: they hold sizes and names, never weights, states or anything of a batch.
    """

    @property
    @abstractmethod
    def input_size(self) -> int | None:
        """D, the number of symbols for ids, or None where any size will do."""

    @property
    @abstractmethod
    def output_size(self) -> int | None:
        """Size of the output, or None where it is that of the input."""

    @property
    def takes_ids(self) -> bool:
        """Whether the input is token ids ``[T, N]`` instead of ``[T, N, D]``."""
        return False

    @property
    def reads_ahead(self) -> bool:
        """Whether an output depends on later inputs, as in a bidirectional layer or a pool."""
        return False

    @property
    def pools(self) -> bool:
        """Whether it gives one time step for all those of a row."""
        return False

    @property
    def takes_one_hot(self) -> bool:
        """Whether it can take one-hot rows, by looking its weights up."""
        return False

    @property
    def gives_one_hot(self) -> bool:
        """Whether its output is one-hot rows."""
        return False

    def specs(self) -> dict[str, ParameterSpec]:
        """The layer's parameters by name."""
        return {}

    def states(self) -> dict[str, tuple[int, ...]]:
        """The sizes of the states that it carries, by name."""
        return {}

    def names(self) -> set[str]:
        """What it is called: the names that its parameters, states and random numbers go by."""
        return {name.rpartition(".")[0] for name in self.specs()} | self.states().keys()

    @abstractmethod
    def forward(self, x: Signal, run: Forward) -> tuple[Any, Any]:
        """``[T, N, D]`` to ``[T, N, K]``, or ``[1, N, K]`` if it pools, and a tape for the way back."""

    @abstractmethod
    def backward(self, tape: Any, d_y: Any, run: Backward, needs_input: bool = True) -> Any:
        """The gradient of the input; None if it is not needed or the input was ids."""

    @abstractmethod
    def stage(self) -> Stage:
        """The layer as data."""

    @abstractmethod
    def describe(self) -> str:
        """What it is, in a few words, for a summary."""
