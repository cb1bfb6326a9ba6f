"""What happened in a training, step by step."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

SMOOTHING = 0.999
"""The character-RNN scripts' ``smooth_loss = smooth_loss * 0.999 + loss * 0.001``."""

_SINCE_2 = ("rollback_steps", "rollback_to", "beginning")
"""What files of format 1 do not have."""


def steps_in_words(steps: int) -> str:
    """``1 step``, ``3,750 steps``."""
    return f"{steps:,} step{'' if steps == 1 else 's'}"


@dataclass
class History:
    """Figures of a training.

    Parameters
    ----------
    symbols : int or None
        How many answers there are to guess from, such as the size of the vocabulary; None where numbers are predicted.
    loss, learning_rate, gradient_norm : list of float
        One for each step; the norm is that before clipping.
    validation_steps, validation_loss : list
        After how many steps the validation part was scored, and the result.
    rollback_steps, rollback_to : list of int
        After how many steps the training blew up, and to which it went back; it went on with half the learning rate.
        The other lists hold what was kept.
    beginning : list of float
        What the first batches cost with the weights that the training began with, where numbers are predicted or the
        data are others than before.
    unit : str, default "nats per symbol"
        Of the losses.
    """

    symbols: int | None
    loss: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    gradient_norm: list[float] = field(default_factory=list)
    validation_steps: list[int] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    rollback_steps: list[int] = field(default_factory=list)
    rollback_to: list[int] = field(default_factory=list)
    beginning: list[float] = field(default_factory=list)
    unit: str = "nats per symbol"

    def __repr__(self) -> str:
        figures = [steps_in_words(len(self.loss))]
        if self.loss:
            figures.append(f"last loss {self.loss[-1]:.4g}")
        if self.validation_loss:
            figures.append(f"best validation {min(self.validation_loss):.4g}")
        return f"History({', '.join(figures)}; {self.unit})"

    @property
    def chance(self) -> float | None:
        """What guessing at random costs, log K; None where numbers are predicted."""
        return math.log(self.symbols) if self.symbols else None

    @property
    def worst(self) -> float:
        """What a network costs that has learned nothing of these data."""
        known = [*self.beginning, *([] if self.chance is None else [self.chance])]
        return max(known, default=math.inf)

    def cut(self, steps: int, validations: int) -> None:
        """Forgets what came after so many steps and validations."""
        del self.loss[steps:], self.learning_rate[steps:], self.gradient_norm[steps:]
        del self.validation_steps[validations:], self.validation_loss[validations:]

    @property
    def steps(self) -> list[int]:
        """1, 2, ... for each step."""
        return list(range(1, len(self.loss) + 1))

    @property
    def smooth_loss(self) -> list[float]:
        """The tutorials' smoothed loss, starting at log K, what guessing at random costs; of numbers at the first."""
        smooth = next(iter(self.loss), math.nan) if self.chance is None else self.chance
        curve = []
        for loss in self.loss:
            smooth = SMOOTHING * smooth + (1 - SMOOTHING) * loss
            curve.append(smooth)
        return curve

    @property
    def train_loss(self) -> float:
        """The mean loss of the last hundred steps (NaN before the first)."""
        return float(np.mean(self.loss[-100:])) if self.loss else math.nan

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All lists as arrays, for a model file."""
        return {
            f"history.{name}": np.array(value, np.float64)
            for name, value in vars(self).items()
            if isinstance(value, list)
        }

    @classmethod
    def from_arrays(
        cls, symbols: int | None, arrays: dict[str, npt.NDArray[Any]], unit: str = "nats per symbol"
    ) -> History:
        """What ``to_arrays`` gave.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is anything else.
        """
        arrays = {f"history.{name}": np.zeros(0) for name in _SINCE_2} | arrays
        names = [name for name, value in vars(cls(symbols)).items() if isinstance(value, list)]
        lists: dict[str, list[Any]] = {name: _numbers(arrays[f"history.{name}"]) for name in names}
        for name in ("validation_steps", "rollback_steps", "rollback_to"):
            if not all(step.is_integer() and 0 <= step < 2**53 for step in lists[name]):
                raise ValueError("the history has steps that are no whole numbers")
            lists[name] = [int(step) for step in lists[name]]
        history = cls(symbols, **lists, unit=unit)
        of_steps = {len(history.loss), len(history.learning_rate), len(history.gradient_norm)}
        of_validations = {len(history.validation_steps), len(history.validation_loss)}
        if len(history.rollback_steps) != len(history.rollback_to):
            raise ValueError("the lists of blow-ups are of different lengths")
        if len(of_steps) > 1 or len(of_validations) > 1:
            raise ValueError("the lists of the history are of different lengths")
        return history


def _numbers(array: npt.NDArray[Any]) -> list[float]:
    """A list of the history; raises :class:`ValueError` if the array is none."""
    if array.ndim != 1 or array.dtype != np.float64:
        raise ValueError("the history has lists that are no lists of float64 numbers")
    numbers: list[float] = array.tolist()
    return numbers
