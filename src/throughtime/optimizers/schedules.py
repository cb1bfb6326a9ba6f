"""How the learning rate changes: a factor that depends on the step (and, for a plateau, on the validation so far)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from throughtime.errors import ParameterError, known, short


class Schedule(ABC):
    """A factor on the learning rate. ``step`` counts from 0, ``max_steps`` is the length of the training."""

    name: ClassVar[str]

    @abstractmethod
    def factor(self, step: int, max_steps: int, validations: Sequence[float] = ()) -> float:
        """The factor at this step, given the validation losses so far."""


@dataclass(frozen=True)
class Constant(Schedule):
    """The learning rate as it is."""

    name: ClassVar[str] = "constant"

    def factor(self, step: int, max_steps: int, validations: Sequence[float] = ()) -> float:
        return 1.0


@dataclass(frozen=True)
class Cosine(Schedule):
    """Rises in a line over the first ``warmup`` of the steps, then falls along a cosine to ``final``.

    Loshchilov and Hutter (2017), eq. 5, without restarts.
    """

    warmup: float = 0.02
    final: float = 0.01
    name: ClassVar[str] = "cosine"

    def factor(self, step: int, max_steps: int, validations: Sequence[float] = ()) -> float:
        warm = math.ceil(self.warmup * max_steps)
        if step < warm:
            return (step + 1) / (warm + 1)
        done = (step - warm) / max(1, max_steps - warm)
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


@dataclass(frozen=True)
class Step(Schedule):
    """Multiplied by ``gamma`` after each of ``parts`` equal parts of the training."""

    parts: int = 4
    gamma: float = 0.5

    def __post_init__(self) -> None:
        if self.parts < 1:
            raise ParameterError(f"parts must be at least 1, got {self.parts!r}")

    name: ClassVar[str] = "step"

    def factor(self, step: int, max_steps: int, validations: Sequence[float] = ()) -> float:
        return float(self.gamma ** min(self.parts - 1, step * self.parts // max(1, max_steps)))


@dataclass(frozen=True)
class Plateau(Schedule):
    """Multiplied by ``gamma`` each time the validation loss has not improved ``patience`` times in a row."""

    patience: int = 2
    gamma: float = 0.5
    name: ClassVar[str] = "plateau"

    def factor(self, step: int, max_steps: int, validations: Sequence[float] = ()) -> float:
        best, waited, drops = math.inf, 0, 0
        for loss in validations:
            if loss < best:
                best, waited = loss, 0
            else:
                waited += 1
            if waited == self.patience:
                waited, drops = 0, drops + 1
        return float(self.gamma**drops)


SCHEDULES: dict[str, type[Schedule]] = {kind.name: kind for kind in (Constant, Cosine, Step, Plateau)}


def get(schedule: str | Schedule) -> Schedule:
    """The schedule of this name; a :class:`Schedule` is returned as it is.

    Raises
    ------
    ParameterError
        If the name is unknown.
    """
    if isinstance(schedule, Schedule):
        return schedule
    if not isinstance(schedule, str) or schedule not in SCHEDULES:
        raise ParameterError(f"schedule must be one of {known(SCHEDULES)}, got {short(schedule)}")
    return SCHEDULES[schedule]()
