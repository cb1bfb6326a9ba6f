"""What estimators that train a network share: their parameters are checked, planned for, trained and told alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from throughtime.engine import make as make_engine
from throughtime.engine import random
from throughtime.errors import ParameterError
from throughtime.estimator import Estimator, resolve_cell
from throughtime.initializers import get as get_initializer
from throughtime.network import Network
from throughtime.optimizers import Optimizer, schedules
from throughtime.training import (
    Callback,
    History,
    Plan,
    Source,
    Training,
    mean_loss,
    seconds_per_step,
    seconds_to_score,
)
from throughtime.training.duration import duration
from throughtime.training.progress import Progress, say

PLANNED = 0.96
"""The share of a budget in minutes that is planned: a machine that is warm, or busy elsewhere, is a little slower."""


class Learner(Estimator):
    """An estimator that trains a network step by step."""

    random_state: Any
    history_: History
    network_: Network
    training_: Training
    fitted_: Any
    """What is kept of a fit; its ``parameters`` are those it was made with."""

    def check(self) -> Optimizer:
        """Checks all parameters, which ``fit`` does before it reads or builds anything; returns the optimizer.

        Raises
        ------
        ParameterError
            For the first parameter whose value makes no sense.
        """
        self.check_parameters()
        given = self.get_params()
        resolve_cell(given["cell"], given["activation"])
        get_initializer(given["initializer"])
        schedule = schedules.get(given["schedule"])
        engine = make_engine(self._engine(), given["dtype"])
        if given.get("bptt_truncate") is not None and not engine.truncates:
            raise ParameterError(
                f"bptt_truncate runs on the engine 'numpy', not on {engine.name!r}; leave engine='auto'"
            )
        if sum(given[name] is not None for name in ("epochs", "max_steps", "minutes")) > 1:
            raise ParameterError("epochs, max_steps and minutes each say how long to train; give one of them")
        for name, wanted in (("early_stopping", given["early_stopping"]), ("schedule", schedule.name == "plateau")):
            if wanted and not given["validation"]:
                value = "" if name == "early_stopping" else "='plateau'"
                raise ParameterError(f"{name}{value} needs a validation part; give validation, such as 0.1")
        callbacks = given["callbacks"]
        if not isinstance(callbacks, Sequence) or not all(isinstance(c, Callback) for c in callbacks):
            raise ParameterError(f"callbacks must be a list of throughtime.training.Callback, got {callbacks!r}")
        if not isinstance(self.random_state, (np.random.Generator, np.random.RandomState)):  # drawing would advance it
            random.seed_of(self.random_state)
        return Optimizer(
            given["optimizer"],
            clip_value=given["clip_value"],
            clip_norm=given["clip_norm"],
            weight_decay=given["weight_decay"],
        )

    def _engine(self) -> Any:
        """What ``auto`` is for these parameters."""
        given = self.get_params()
        return "numpy" if given["engine"] == "auto" and given.get("bptt_truncate") is not None else given["engine"]

    def _run(
        self, optimizer: Optimizer, plan: Plan, source: Source, held_out: Source | None, progress: Progress
    ) -> None:
        """Trains as planned; ``progress`` shows it, unless nothing is to be said."""
        given, network = self.get_params(), self.network_
        self.training_ = Training(
            network,
            optimizer,
            plan,
            self.history_,
            validate=lambda: math.nan if held_out is None else mean_loss(network, held_out),
            callbacks=[*([progress] if given["verbose"] else []), *given["callbacks"]],
        )
        self.training_.run(source.endless(plan.seed), source.rows)

    def _clock(self) -> Callable[[], float]:
        """Starts a clock: seconds from now on, without those of a cold compile, which no budget covers."""
        meter = make_engine(self._engine(), self.get_params()["dtype"])
        began, compiled_before = time.perf_counter(), meter.compile_seconds
        return lambda: time.perf_counter() - began - (meter.compile_seconds - compiled_before)

    @property
    def validation_loss_(self) -> float | None:
        """Of the weights that were kept: the best with early stopping, else the last; None if they were not scored."""
        history = self.history_
        if not history.validation_loss:
            return None
        if self.fitted_.parameters["early_stopping"]:
            return min(history.validation_loss)
        return history.validation_loss[-1] if history.validation_steps[-1] == len(history.loss) else None

    def plot_history(self, ax: Any = None) -> Any:
        """Draws the loss over the steps; returns matplotlib's axes."""
        from throughtime.inspection.plots import plot_history

        self.check_fitted()
        return plot_history(self.history_, ax)

    def _say(self, message: str) -> None:
        if self.get_params()["verbose"]:
            say(message)


def make_plan(
    model: Learner,
    network: Network,
    optimizer: Optimizer,
    source: Source,
    held_out: Source | None,
    spent: Callable[[], float],
    *,
    steps: int,
    seed: int,
    learning_rate: float,
) -> tuple[Plan, float]:
    """What is decided before the first step, and about how many seconds it takes.

    A few steps are timed for it, unless there is no budget in minutes and nothing is said (then 0 seconds are told).
    ``steps`` is how many there are without a budget in minutes, ``learning_rate`` the one where none was given.
    ``spent`` tells the seconds since the work began: a budget in minutes covers all of it but a cold compile.
    """
    given = model.get_params()
    plan = Plan(
        max_steps=1,
        learning_rate=float(given["learning_rate"] or learning_rate),
        schedule=schedules.get(given["schedule"]),
        seed=seed,
        bptt_truncate=given.get("bptt_truncate"),
        averaging=float(given["averaging"]),
        patience=given["patience"] if given["early_stopping"] else None,
    )
    minutes = given["minutes"]
    timed = minutes is not None or given["verbose"] > 0
    step_seconds = seconds_per_step(network, optimizer, plan, source) if timed else 0.0
    found = duration(
        steps=None if minutes else steps,
        seconds=PLANNED * 60 * minutes - spent() if minutes else None,
        symbols_per_step=source.symbols / source.steps_per_epoch,
        validation_symbols=0 if held_out is None else held_out.symbols,
        step_seconds=step_seconds,
        score_seconds=seconds_to_score(network, held_out) if timed and held_out is not None else 0.0,
    )
    guard = 60 * minutes - spent() if minutes else None  # should the steps take longer than they did
    plan = replace(plan, max_steps=found.max_steps, validate_every=found.validate_every, guard=guard)
    return plan, found.seconds
