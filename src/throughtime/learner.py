"""What estimators that train a network share: their parameters are checked, planned for, trained and told alike."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from throughtime import files
from throughtime.cells import REGISTRY, Cell
from throughtime.engine import ENGINES, random
from throughtime.engine import make as make_engine
from throughtime.errors import DataError, ModelFileError, ParameterError, short
from throughtime.estimator import Estimator, parameters_to_json, resolve_cell
from throughtime.initializers import get as get_initializer
from throughtime.layers import Layer
from throughtime.losses import Loss
from throughtime.network import Network
from throughtime.optimizers import Optimizer, schedules
from throughtime.training import (
    Callback,
    Checkpoint,
    History,
    Outline,
    Plan,
    Resume,
    Size,
    Source,
    Training,
    mean_loss,
    seconds_per_step,
    seconds_to_score,
)
from throughtime.training.checkpoint import PREFIX
from throughtime.training.duration import duration
from throughtime.training.history import steps_in_words
from throughtime.training.memory import in_words
from throughtime.training.progress import Progress, say

PLANNED = 0.96
"""The share of a budget in minutes that is planned: a machine that is warm, or busy elsewhere, is a little slower."""


SMALLER = ("hidden_size", "batch_size", "seq_len", "context", "max_length")
"""What needs less memory when it is smaller."""


class Learner(Estimator, ABC):
    """An estimator that trains a network step by step."""

    random_state: Any
    history_: History
    seed_: int
    network_: Network
    training_: Training
    notes_: dict[str, Any]
    """What the file that it was loaded from has beside the model."""
    _stored: tuple[Network, files.Tensors, dict[str, Any]]
    """The network in that file, and the state of its training."""
    _data: str
    """The fingerprint of the data that ``fit`` was given."""
    segments_: int | None
    """In how many segments of time a batch is learned, because memory is short; None: all of it at once."""
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

    def _make_room(
        self, layers: Sequence[Layer], loss: Loss, optimizer: Optimizer, source: Source, held_out: Source | None
    ) -> None:
        """Sees to it that a training fits into memory, before its network is made.

        Raises
        ------
        ParameterError
            If it does not.
        """
        given = self.get_params()
        outline = Outline(
            layers,
            loss,
            make_engine(self._engine(), given["dtype"]),
            Size(source.longest, source.rows),
            None if held_out is None else Size(held_out.longest, held_out.rows),
            slots=len(optimizer.rule.slots),
            keeps_best=bool(given["early_stopping"]),
            averages=bool(given["averaging"]),
            cuts=given.get("bptt_truncate") is None,
        )
        self.segments_ = outline.segments([name for name in SMALLER if name in given])
        if self.segments_ is not None:
            self._say(
                f"{outline.learned.steps:,} steps of {outline.learned.rows:,} rows do not fit into memory together "
                f"({in_words(outline.need().total)} in all): they are learned in {self.segments_} segments, which "
                "takes about twice as long"
            )

    def _go_on(self, resume: str | os.PathLike[str] | Resume | None, data: Callable[[], str]) -> GoingOn | None:
        """What the training of a model file left, where ``fit`` is to go on from there.

        Parameters
        ----------
        resume : as ``fit`` takes it
        data : callable
            Gives the fingerprint of the data.
        """
        self._data = data()
        if resume is None:
            return None
        found = going_on(self, Resume.of(resume))
        if self._data != found.checkpoint.data and not found.asked.new_data:
            raise DataError(
                f"these are not the data that {str(found.asked.path)!r} was trained on: their fingerprint is "
                f"{self._data}, and theirs was {found.checkpoint.data}; give the same data, or say that new ones are "
                "meant (new_data=True, --new-data)"
            )
        return found if self._data == found.checkpoint.data else replace(found, checkpoint=found.checkpoint.elsewhere())

    def _run(
        self,
        optimizer: Optimizer,
        plan: Plan,
        source: Source,
        held_out: Source | None,
        progress: Progress,
        before: GoingOn | None,
    ) -> None:
        """Trains as planned; ``progress`` shows it, unless nothing is to be said."""
        given, network = self.get_params(), self.network_
        if before is not None:
            assert network.objective is not None
            self._make_room(network.layers, network.objective, optimizer, source, held_out)
            self.segments_ = plan.segments or self.segments_  # as before, to the same bytes, where there is room
            plan = replace(plan, segments=self.segments_)
        self.training_ = Training(
            network,
            optimizer,
            plan,
            self.history_,
            validate=lambda: math.nan if held_out is None else mean_loss(network, held_out),
            callbacks=[*([progress] if given["verbose"] else []), *given["callbacks"]],
            save=self.save,
            data=self._data,
        )
        if before is not None:
            with files.naming(before.asked.path):
                before.checkpoint.put_into(self.training_, source.rows)
        self.training_.run(source)

    def _callbacks_told(self) -> contextlib.ExitStack:
        """Tells the callbacks, when it is left, that ``fit`` is left: each of them, whatever else is raised."""
        told = contextlib.ExitStack()
        for callback in self.get_params()["callbacks"]:
            told.callback(callback.on_left)
        return told

    def _tell_fitted(self) -> None:
        """Tells the callbacks that ``fit`` is done."""
        for callback in self.get_params()["callbacks"]:
            callback.on_fitted(self)

    # ------------------------------------------------------------------ files

    def save(self, path: str | os.PathLike[str], *, slim: bool = False, notes: Mapping[str, Any] | None = None) -> None:
        """Writes the model into one file; equal training gives equal bytes.

        Parameters
        ----------
        path : path of the file
        slim : bool, default False
            Leaves out what only ``fit(..., resume=path)`` needs, about two thirds of the file.
        notes : mapping or None, default None
            What else the file is to hold, as JSON can tell it: ``notes_`` of the model that is loaded. None: what
            ``notes_`` is.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        OutputError
            If the place cannot be written to, or something cannot be held by a file.
        """
        self.check_fitted()
        tensors, metadata = self._pack()
        kept = {} if notes is None and not hasattr(self, "notes_") else dict(self.notes_ if notes is None else notes)
        if kept:
            metadata["notes"] = kept
        if not slim and (training := self._state_of_training()) is not None:
            tensors, metadata = {**tensors, **training[0]}, {**metadata, "training": training[1]}
        files.save(path, tensors, metadata)

    @abstractmethod
    def _pack(self) -> tuple[files.Tensors, dict[str, Any]]:
        """What goes into a file, but for the state of the training."""

    def _state_of_training(self) -> tuple[files.Tensors, dict[str, Any]] | None:
        """As it goes into a file; None where there is none, or a step was broken off in its midst."""
        run: Training | None = vars(self).get("training_")
        if run is not None and run.network is self.network_:
            return Checkpoint.of(run).to_file() if run.between_steps else None
        network, *stored = vars(self).get("_stored", (None, {}, {}))
        return (stored[0], stored[1]) if network is self.network_ else None

    @property
    def planned_steps_(self) -> int | None:
        """How many steps a training that was broken off was to have; None where it ended, or nothing tells."""
        run: Training | None = vars(self).get("training_")
        if run is not None and run.network is self.network_:
            planned: Any = run.plan.max_steps
            stopped = run.stopped
        else:
            network, _, told = vars(self).get("_stored", (None, {}, {}))
            plan = told.get("plan") if network is self.network_ and isinstance(told, dict) else None
            planned = plan.get("max_steps") if isinstance(plan, dict) else None
            stopped = told.get("stopped") if isinstance(told, dict) else None
        if not isinstance(planned, int) or stopped is not None or len(self.history_.loss) >= planned:
            return None
        return planned

    @property
    def unfinished_(self) -> bool:
        """Whether the training was broken off, as far as is known, so that ``fit(..., resume=path)`` would go on."""
        return self.planned_steps_ is not None

    @classmethod
    def from_file(
        cls, tensors: files.Tensors, metadata: Mapping[str, Any], cells: Sequence[Cell] = (), engine: Any = "auto"
    ) -> Self:
        """The model that ``save`` wrote; :func:`throughtime.load` calls it.

        Raises
        ------
        ModelFileError
            If the contents do not fit together.
        CellError
            If the model's cell is not known, or is another one of the same name.
        """
        of_training = {name: tensor for name, tensor in tensors.items() if name.startswith(PREFIX)}
        of_model = {name: tensor for name, tensor in tensors.items() if name not in of_training}
        model, fitted = cls._unpack(of_model, metadata, cells, engine)
        model._keep(fitted)
        model.notes_ = metadata.get("notes", {})
        if not isinstance(model.notes_, dict):
            raise ModelFileError("the model file is damaged: its notes are no notes")
        if metadata.get("training") is not None:
            model._stored = model.network_, of_training, metadata["training"]
        return model

    @classmethod
    @abstractmethod
    def _unpack(
        cls, tensors: files.Tensors, metadata: Mapping[str, Any], cells: Sequence[Cell], engine: Any
    ) -> tuple[Self, Any]:
        """A model with the parameters of a file, and what it had learned."""

    @abstractmethod
    def _keep(self, fitted: Any) -> None:
        """Keeps what ``fit`` found."""

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


@dataclass(frozen=True)
class GoingOn:
    """What the training of a model file left."""

    asked: Resume
    fitted: Any
    checkpoint: Checkpoint

    def plan(self, steps_per_epoch: int) -> tuple[GoingOn, str]:
        """The same with the plan that is asked for, and how it is said."""
        checkpoint = self.checkpoint.further(self.asked, steps_per_epoch, len(self.fitted.history.rollback_steps))
        done, path = steps_in_words(checkpoint.now.step), str(self.asked.path)
        said = f"going on from {path}, after {done} of {checkpoint.plan.max_steps:,}"
        if checkpoint.finished:
            said = f"{path} is at its end, after {done}; more_epochs (--more-epochs) would go on"
        return replace(self, checkpoint=checkpoint), said


def going_on(model: Learner, asked: Resume) -> GoingOn:
    """What a model file left for this model to go on from.

    Raises
    ------
    ModelFileError
        If it cannot be read, or has no state of its training.
    ParameterError
        If it was made with other parameters.
    """
    given, path, kind = model.get_params(), str(asked.path), type(model)
    tensors, metadata = files.load(path)
    if metadata.get("kind") != kind.__name__:
        raise ParameterError(f"{path!r} holds a model of another kind than this {kind.__name__}")
    cell = resolve_cell(given["cell"], given["activation"])
    own = [] if cell == REGISTRY.get(cell.name) else [cell]
    with files.naming(path):
        saved = kind.from_file(tensors, metadata, own, _engine_for(model, metadata.get("training")))
    here, there = parameters_to_json(given), saved.fitted_.parameters
    if isinstance(model.random_state, (int, np.integer)):
        here, there = {**here, "random_state": int(model.random_state)}, {**there, "random_state": saved.seed_}
    for name, value in here.items():
        if _as_json(value) != _as_json(there.get(name)):
            raise ParameterError(
                f"{name} is {short(value)} here and {short(there.get(name))} in {path!r}; a training goes on with the "
                f"parameters that it had: throughtime.load({path!r}).fit(..., resume={path!r})"
            )
    stored = saved._state_of_training()
    if stored is None:
        raise ModelFileError(
            f"{path!r} does not hold where its training stood (slim=True leaves it out); learn anew, or go on with its "
            "weights, where there is warm_start"
        )
    with files.naming(path):
        checkpoint = Checkpoint.from_file(*stored, saved.network_.parameters, _decided(given, saved.seed_))
    return GoingOn(asked, saved.fitted_, checkpoint)


def _decided(given: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """What of a plan follows from the parameters and the seed."""
    return {
        "schedule": schedules.get(given["schedule"]),
        "seed": seed,
        "bptt_truncate": None if given.get("bptt_truncate") is None else int(given["bptt_truncate"]),
        "averaging": float(given["averaging"]),
        "patience": int(given["patience"]) if given["early_stopping"] else None,
    }


def _engine_for(model: Learner, training: Any) -> Any:
    """What goes on with a training of a file: the engine that it had, unless the model names one."""
    before = training.get("engine") if isinstance(training, dict) else None
    return before if model._engine() == "auto" and before in [*ENGINES] else model._engine()


def _as_json(value: Any) -> Any:
    """As a value looks that has been in a file."""
    return json.loads(json.dumps(value))


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
        segments=model.segments_,
        **_decided(given, seed),
    )
    minutes = given["minutes"]
    timed = minutes is not None or given["verbose"] > 0
    step_seconds = seconds_per_step(network, optimizer, plan, source) if timed else 0.0
    found = duration(
        steps=None if minutes else int(steps),
        seconds=PLANNED * 60 * minutes - spent() if minutes else None,
        symbols_per_step=source.symbols / source.steps_per_epoch,
        validation_symbols=0 if held_out is None else held_out.symbols,
        step_seconds=step_seconds,
        score_seconds=seconds_to_score(network, held_out) if timed and held_out is not None else 0.0,
    )
    guard = 60 * minutes - spent() if minutes else None  # should the steps take longer than they did
    plan = replace(plan, max_steps=found.max_steps, validate_every=found.validate_every, guard=guard)
    return plan, found.seconds
