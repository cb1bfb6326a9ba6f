"""A rule at work on the parameters of a network: clipping, decay, and the running values."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from throughtime.engine.protocol import Array, Engine
from throughtime.errors import ParameterError, ShapeError, known, short
from throughtime.optimizers.adagrad import adagrad
from throughtime.optimizers.adam import adam, adamw
from throughtime.optimizers.rmsprop import rmsprop
from throughtime.optimizers.rule import Rule
from throughtime.optimizers.sgd import momentum, sgd
from throughtime.parameters import PARAMETERS

RULES: dict[str, Callable[..., Rule]] = {
    "sgd": sgd,
    "momentum": momentum,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adam": adam,
    "adamw": adamw,
}


def get(optimizer: str | Rule) -> Rule:
    """The rule of this name; a :class:`Rule` is returned as it is.

    Raises
    ------
    ParameterError
        If the name is unknown.
    """
    if isinstance(optimizer, Rule):
        return optimizer
    if not isinstance(optimizer, str) or optimizer not in RULES:
        raise ParameterError(f"optimizer must be one of {known(RULES)}, got {short(optimizer)}")
    return RULES[optimizer]()


class Optimizer:
    """Moves parameters along their gradients.

    Parameters
    ----------
    rule : str or Rule
    clip_value : float or None
        Each element of the gradient is clipped to ``±clip_value``, before anything else.
    clip_norm : float or None
        If the norm of the whole gradient is larger, the gradient is scaled down to it (Pascanu, Mikolov and Bengio,
        2013, algorithm 1).
    weight_decay : float or None
        None: the rule's own. Only AdamW has any.

    Attributes
    ----------
    slots : dict of str to tuple of arrays
        The running values of each parameter.

    Raises
    ------
    ParameterError
        If the rule is unknown, or a weight decay is asked of a rule that has none.
    """

    def __init__(
        self,
        rule: str | Rule = "adam",
        *,
        clip_value: float | None = None,
        clip_norm: float | None = None,
        weight_decay: float | None = None,
    ) -> None:
        self.rule = get(rule)
        for name, value in (("clip_value", clip_value), ("clip_norm", clip_norm), ("weight_decay", weight_decay)):
            PARAMETERS[name].check(name, value)
        if weight_decay and self.rule.weight_decay is None:
            raise ParameterError(f"weight_decay is AdamW's; {self.rule.name!r} has none: use optimizer='adamw'")
        self.clip_value = clip_value
        self.clip_norm = clip_norm
        self.weight_decay = (self.rule.weight_decay or 0.0) if weight_decay is None else weight_decay
        self.slots: dict[str, tuple[Array, ...]] = {}

    def apply(
        self,
        engine: Engine,
        parameters: Mapping[str, Array],
        gradients: Mapping[str, Array],
        *,
        step: int,
        learning_rate: float,
        norm: float | None = None,
    ) -> None:
        """Changes the parameters in place; ``step`` counts from 0, ``norm`` is that of the gradients if it is known."""
        self.prepare(parameters)
        scale = 1.0
        if self.clip_norm is not None:
            if norm is None or self.clip_value is not None:
                norm = engine.global_norm(gradients, self.clip_value)
            if norm > self.clip_norm:
                scale = self.clip_norm / norm
        decayed, whole = self.coefficients(step, learning_rate)
        engine.update(
            self.rule,
            parameters,
            gradients,
            self.slots,
            {name: decayed if self.decays(w) else whole for name, w in parameters.items()},
            clip_value=self.clip_value,
            scale=scale,
        )

    def prepare(self, parameters: Mapping[str, Array]) -> None:
        """Makes room for the running values of parameters that have none yet.

        Raises
        ------
        ShapeError
            If there are running values of another shape or dtype.
        """
        for name, w in parameters.items():
            if name not in self.slots:
                self.slots[name] = tuple(np.zeros_like(w) for _ in self.rule.slots)
            if any(slot.shape != w.shape or slot.dtype != w.dtype for slot in self.slots[name]):
                raise ShapeError(f"the optimizer has running values for another {name!r}; a network needs its own one")

    def coefficients(self, step: int, learning_rate: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The rule's numbers for this step, for parameters that decay and for those that do not."""
        decayed, whole = (
            tuple(map(float, self.rule.coefficients(step + 1, learning_rate, decay)))  # plain numbers keep the dtype
            for decay in (self.weight_decay, 0.0)
        )
        return decayed, whole

    @staticmethod
    def decays(w: Array) -> bool:
        """Whether weight decay is for this parameter: biases and per-unit vectors do not decay."""
        return w.ndim > 1
