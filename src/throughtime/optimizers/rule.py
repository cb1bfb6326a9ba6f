"""The record of an optimizer: an elementwise rule, written once and traced like a cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from throughtime.cells.trace import Program, Tracer
from throughtime.errors import CellError

Values = tuple[Any, ...]


@dataclass(frozen=True)
class Rule:
    """How a parameter follows its gradient.

    Parameters
    ----------
    name : str
    step : callable
        ``step(w, g, slots, k) -> (new w, new slots)``, elementwise and straight-line, for a parameter, its gradient,
        its running values and the coefficients of this step.
    coefficients : callable
        ``coefficients(t, learning_rate, decay) -> k``: the numbers that step ``t`` (from 1) needs. ``decay`` is the
        weight decay of this parameter, 0 for biases and per-unit vectors.
    learning_rate : float
        What is used where none is given.
    slots : sequence of str
        Names of the running values kept for each parameter, zero at first.
    weight_decay : float or None
        The default decay; None where the rule has none.
    settings : mapping
        What the rule was made with, to be stored beside a model.
    program : Program
        The traced rule.
    """

    name: str
    step: Callable[[Any, Any, Values, Values], tuple[Any, Values]] = field(repr=False, compare=False)
    coefficients: Callable[[int, float, float], tuple[float, ...]] = field(repr=False, compare=False)
    learning_rate: float
    slots: Sequence[str] = ()
    weight_decay: float | None = None
    settings: Mapping[str, float] = field(default_factory=dict)
    program: Program = field(init=False, repr=False)

    def __post_init__(self) -> None:
        count = len(self.coefficients(1, self.learning_rate, 0.0))
        tracer = Tracer(["w", "g", *self.slots, *(f"k{number}" for number in range(count))])
        w, g, *rest = tracer.symbols()
        result = self.step(w, g, tuple(rest[: len(self.slots)]), tuple(rest[len(self.slots) :]))
        if not isinstance(result, tuple) or len(result) != 2 or len(result[1]) != len(self.slots):
            raise CellError(
                f"optimizer {self.name!r}: step must return the new w and a tuple of {len(self.slots)} slots"
            )
        new_w, new_slots = result
        object.__setattr__(self, "program", tracer.program([new_w, *new_slots]))

    def __hash__(self) -> int:
        return hash((self.name, tuple(self.settings.items()), self.program))

    def __reduce__(self) -> Any:
        """A rule of ours travels by name and settings (its functions are closures), a user's own by its parts."""
        from throughtime.optimizers import RULES

        if self.name in RULES and RULES[self.name](**self.settings) == self:
            return _remake, (self.name, dict(self.settings))
        parts = (self.name, self.step, self.coefficients, self.learning_rate, self.slots)
        return Rule, (*parts, self.weight_decay, self.settings)


def _remake(name: str, settings: Mapping[str, float]) -> Rule:
    from throughtime.optimizers import RULES

    return RULES[name](**settings)
