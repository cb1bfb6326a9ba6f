"""A training in a file: what another one needs to go on from there, and end as this one would have."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from numbers import Real
from pathlib import Path
from typing import Any

from throughtime import disk, files
from throughtime.engine.protocol import Array
from throughtime.errors import ModelFileError, OutputError, ParameterError, known, short
from throughtime.training.callbacks import Callback
from throughtime.training.loop import SNAPSHOT_EVERY, Plan, Training
from throughtime.training.progress import say
from throughtime.training.snapshot import Snapshot

PREFIX = "training."
"""Of the names of its tensors in a model file."""


@dataclass(frozen=True)
class Resume:
    """How a training goes on from a model file.

    Parameters
    ----------
    path : path of a model file
    more_epochs : int or float, default 0
        Passes over the data beyond those that were planned.
    learning_rate : float or None, default None
        Instead of the one before, whose schedule goes on.
    new_data : bool, default False
        Whether it may be other data than before.

    Raises
    ------
    ParameterError
        If a value makes no sense.
    """

    path: str | os.PathLike[str]
    more_epochs: float = 0
    learning_rate: float | None = None
    new_data: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.path, (str, os.PathLike)):
            raise ParameterError(f"resume must be the path of a model file, got {self.path!r}")
        if not _is_number(self.more_epochs) or not 0 <= self.more_epochs < float("inf"):
            raise ParameterError(f"more_epochs must be a number of at least 0, got {self.more_epochs!r}")
        rate = self.learning_rate
        if rate is not None and not (_is_number(rate) and 0 < rate < float("inf")):
            raise ParameterError(f"learning_rate must be a number above 0, got {rate!r}")

    @classmethod
    def of(cls, given: str | os.PathLike[str] | Resume) -> Resume:
        """One from the path alone, or as it is."""
        return given if isinstance(given, Resume) else cls(given)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


@dataclass(frozen=True)
class Checkpoint:
    """Where a training stands, with all that it needs to go on but the data.

    Attributes
    ----------
    plan : Plan
    data : str
        The fingerprint of the data.
    engine : str
        What computes.
    now : Snapshot
    snapshots : tuple of Snapshot
        Those to go back to after a blow-up.
    stopped : str or None
        Why the training ended before its plan did.
    """

    plan: Plan
    data: str
    engine: str
    now: Snapshot
    snapshots: tuple[Snapshot, ...]
    stopped: str | None = None

    @property
    def finished(self) -> bool:
        """Whether the training is over."""
        return self.stopped is not None or self.now.step >= self.plan.max_steps

    @classmethod
    def of(cls, training: Training) -> Checkpoint:
        """That of a training between two steps."""
        now = training.snapshot()
        engine = training.network.engine.name
        found = cls(training.plan, training.data, engine, now, tuple(training.snapshots), training.stopped)
        return replace(found, snapshots=()) if found.finished and training.ended else found

    def put_into(self, training: Training, rows: int) -> None:
        """Lets a training go on from here, with batches of so many rows.

        Raises
        ------
        ModelFileError
            If this is the checkpoint of another network, optimizer or history.
        """
        history, parts = training.history, (*self.snapshots, self.now)
        done = [(part.step, part.validations) for part in parts]
        rising = all(steps <= then and scored <= by for (steps, scored), (then, by) in pairwise(done))
        told = len(history.loss) == self.now.step and len(history.validation_loss) >= self.now.validations
        counted = len(history.rollback_steps) >= self.plan.halved_from
        fits = all(part.fits(training.network, training.optimizer, rows) for part in parts)
        if not (rising and told and counted and fits):
            raise ModelFileError(
                "the state of its training does not fit the network, the optimizer or the history of the model"
            )
        training.stopped = self.stopped
        training.resume(self.now, self.snapshots)

    def elsewhere(self) -> Checkpoint:
        """The same for other data: without what the rows carry on, and without scores to compare new ones with."""
        now = replace(self.now, state={}, validations=0, best={})
        return replace(self, plan=replace(self.plan, patient_from=0, judged_from=now.step), now=now, snapshots=())

    def further(self, asked: Resume, steps_per_epoch: int, rollbacks: int) -> Checkpoint:
        """The same with a longer plan, or another learning rate, where there were so many blow-ups.

        With a longer plan the patience begins anew, and so does the mean of the last weights.
        """
        plan = self.plan
        if asked.learning_rate is not None:
            plan = replace(plan, learning_rate=float(asked.learning_rate), halved_from=rollbacks)
        if not asked.more_epochs:
            return replace(self, plan=plan)
        now, steps = replace(self.now, total={}, averaged=0), plan.max_steps
        if self.finished:
            steps = now.step
            if plan.patience is not None and now.validations:
                now = replace(now, best=now.weights)
        more = max(1, round(asked.more_epochs * steps_per_epoch))
        plan = replace(plan, max_steps=steps + more, patient_from=now.validations)
        return replace(self, plan=plan, now=now, snapshots=(), stopped=None)

    def to_file(self) -> tuple[files.Tensors, dict[str, Any]]:
        """As tensors and metadata of a model file, which has the weights of now and the schedule already."""
        now = {name: array for name, array in self.now.to_arrays().items() if not name.startswith("weights.")}
        parts = [("now", now), *((f"past{place}", past.to_arrays()) for place, past in enumerate(self.snapshots))]
        tensors = {f"{PREFIX}{part}.{name}": array for part, arrays in parts for name, array in arrays.items()}
        return tensors, {
            "plan": {name: getattr(self.plan, name) for name in PLANNED},
            "data": self.data,
            "engine": self.engine,
            "now": self.now.counts,
            "past": [past.counts for past in self.snapshots],
            "stopped": self.stopped,
        }

    @classmethod
    def from_file(
        cls,
        tensors: Mapping[str, Array],
        metadata: Mapping[str, Any],
        weights: Mapping[str, Array],
        decided: Mapping[str, Any],
    ) -> Checkpoint:
        """What ``to_file`` gave.

        Parameters
        ----------
        tensors : those of the training, with the prefix
        metadata : mapping
        weights : those of the model
        decided : mapping
            What of the plan follows from the parameters of the model, by name.

        Raises
        ------
        ModelFileError
            If it is anything else.
        """
        with files.opening():
            parts: dict[str, dict[str, Array]] = {}
            for full, tensor in tensors.items():
                part, _, name = full.removeprefix(PREFIX).partition(".")
                parts.setdefault(part, {})[name] = tensor
            now = parts.pop("now", {}) | {f"weights.{name}": w.copy() for name, w in weights.items()}
            past = [parts.pop(f"past{place}") for place in range(len(metadata["past"]))]
            if parts:
                raise ModelFileError(
                    f"the model file is damaged: its training has parts called {known(sorted(parts)[:5])}"
                )
            snapshots = tuple(map(Snapshot.from_arrays, metadata["past"], past))
            found = cls(
                plan=_plan(metadata["plan"], decided),
                data=metadata["data"],
                engine=metadata["engine"],
                now=Snapshot.from_arrays(metadata["now"], now),
                snapshots=snapshots,
                stopped=metadata["stopped"],
            )
            found._check()
            return found

    def _check(self) -> None:
        """Raises :class:`ModelFileError` where the values of a file make no sense."""
        plan, stopped = self.plan, self.stopped
        counts = (plan.patient_from, plan.halved_from, plan.judged_from)
        whole = [plan.max_steps, *(number for number in (plan.validate_every, plan.segments) if number is not None)]
        sound = (
            all(type(number) is int and 0 < number < 2**63 for number in whole)
            and type(plan.learning_rate) is float
            and 0 < plan.learning_rate < float("inf")
            and all(type(count) is int and 0 <= count < 2**63 for count in counts)
            and plan.patient_from <= min(part.validations for part in (*self.snapshots, self.now))
            and plan.judged_from <= self.now.step
            and isinstance(self.engine, str)
            and isinstance(self.data, str)
            and re.fullmatch("[0-9a-f]{32}", self.data)
            and (stopped is None or (isinstance(stopped, str) and len(stopped) < 300 and stopped.isprintable()))
        )
        if not sound:
            raise ModelFileError("the model file is damaged: its training makes no sense")


PLANNED = tuple(field.name for field in fields(Plan) if field.name not in ("schedule", "guard"))
"""What a file has of a plan: not the schedule, which is among the parameters, nor the clock."""


def _plan(stored: Mapping[str, Any], decided: Mapping[str, Any]) -> Plan:
    """The plan that a file tells, where it is that of its parameters."""
    if stored.keys() != set(PLANNED):
        raise ModelFileError("the model file is damaged: it does not tell the plan of its training")
    for name in decided.keys() & stored.keys():
        if stored[name] != decided[name]:
            raise ModelFileError(
                f"the model file is damaged: {name} is {short(stored[name])} in its training, and "
                f"{short(decided[name])} in its parameters"
            )
    return Plan(**{**stored, **decided})


class ModelCheckpoint(Callback):
    """Saves the model into a file again and again, so that nothing is lost.

    It saves before the first step, unless there is a file of an earlier training, then every so often, and when ``fit``
    is done; ``fit(..., resume=path)`` goes on from there. While the training lasts, no other one may write to the same
    file.

    Parameters
    ----------
    path : path of the model file
    every : int or str, default "60s"
        Steps, or seconds as in ``"30s"``, between two savings.
    on_error : {"go-on", "stop"}, default "go-on"
        What is done where the file cannot be written, such as on a full disk. The one that was there stays whole: the
        training goes on, and says so, or it ends.
    notes : mapping or None, default None
        What else the file is to hold; see ``model.save``.
    meanwhile : mapping or None, default None
        Further notes, as long as the training lasts.

    Raises
    ------
    ParameterError
        If ``every`` or ``on_error`` makes no sense.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        every: int | str = "60s",
        *,
        on_error: str = "go-on",
        notes: Mapping[str, Any] | None = None,
        meanwhile: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = path
        self.every = every
        self.steps, self.seconds = interval(every)
        if on_error not in ("go-on", "stop"):
            raise ParameterError(f"on_error must be 'go-on' or 'stop', got {on_error!r}")
        self.on_error = on_error
        self.notes = notes
        self.meanwhile = meanwhile or {}
        self.every_step = self.steps is not None and self.steps < SNAPSHOT_EVERY
        self.lock = disk.OutputLock(path)
        """Held until ``fit`` is left, so that no other process trains into the file."""
        self._holds = False
        self.saved: int | None = None
        """The steps after which this training was last saved in the file."""
        self.done = False
        """Whether the file has what ``fit`` came to."""
        self._last_step, self._last_time = 0, 0.0

    def save(self, run: Training) -> None:
        """Saves now.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        self._last_step, self._last_time = run.step, time.monotonic()
        run.save(self.path, notes={**(self.notes or {}), **self.meanwhile})
        self.saved = run.step

    def on_start(self, run: Training) -> None:
        self.saved, self.done = None, False
        if not (self._holds and self.lock.held):
            self.lock.acquire()
            self._holds = True
        if run.step == 0 and Path(self.path).exists():  # an earlier model stays until there is something to lose
            self._last_step, self._last_time = 0, time.monotonic()
        elif run.step == 0:
            self.save(run)
        else:
            self._save_or_go_on(run)

    def on_step(self, run: Training) -> None:
        if self.steps is None:
            due = time.monotonic() - self._last_time >= self.seconds
        else:
            due = run.step - self._last_step >= self.steps or run.step < self._last_step
        if due:
            self._save_or_go_on(run)

    def _save_or_go_on(self, run: Training) -> None:
        try:
            self.save(run)
        except OutputError as error:
            if self.on_error == "stop":
                raise
            say(f"{error}; the file that was there is whole, and the training goes on")

    def on_fitted(self, model: Any) -> None:
        model.save(self.path, notes=self.notes)
        self.saved, self.done = len(model.history_.loss), True

    def on_left(self) -> None:
        if self._holds:
            self._holds = False
            self.lock.release()


def interval(every: int | str) -> tuple[int | None, float]:
    """Steps, or None and seconds, of a number or a text such as ``"30s"``.

    Raises
    ------
    ParameterError
        If it is neither.
    """
    found = re.fullmatch(r"([0-9]{1,9})(s?)", str(every))
    if isinstance(every, bool) or found is None or int(found[1]) == 0:
        raise ParameterError(
            f"every must be a number of steps, such as 500, or of seconds, such as '30s', got {every!r}"
        )
    return (None, float(found[1])) if found[2] else (int(found[1]), 0.0)
