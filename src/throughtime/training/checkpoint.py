"""A training in a file: what another one needs to go on from there, and end as this one would have."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from throughtime import files
from throughtime.engine.protocol import Array
from throughtime.errors import ModelFileError, OutputError, ParameterError
from throughtime.optimizers.schedules import Schedule
from throughtime.training.callbacks import Callback
from throughtime.training.loop import Plan, Training
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
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@dataclass(frozen=True)
class Checkpoint:
    """Where a training stands, with all that it needs to go on but the data.

    Attributes
    ----------
    plan : Plan
    data : str
        The fingerprint of the data.
    now : Snapshot
    snapshots : tuple of Snapshot
        Those to go back to after a blow-up.
    stopped : str or None
        Why the training ended before its plan did.
    """

    plan: Plan
    data: str
    now: Snapshot
    snapshots: tuple[Snapshot, ...]
    stopped: str | None = None

    @property
    def finished(self) -> bool:
        """Whether the training is over."""
        return self.stopped is not None or self.now.step >= self.plan.max_steps

    @classmethod
    def of(cls, training: Training, data: str) -> Checkpoint:
        """That of a training between two steps."""
        now = training.snapshot()
        found = cls(training.plan, data, now, tuple(training.snapshots), training.stopped)
        return replace(found, snapshots=()) if found.finished else found

    def put_into(self, training: Training) -> None:
        """Lets a training go on from here.

        Raises
        ------
        ModelFileError
            If this is the checkpoint of another network or optimizer.
        """
        if not all(part.fits(training.network, training.optimizer) for part in (self.now, *self.snapshots)):
            raise ModelFileError("the state of the training in the model file does not fit its network and optimizer")
        training.stopped = self.stopped
        training.resume(self.now, self.snapshots)

    def further(self, asked: Resume, steps_per_epoch: int) -> Checkpoint:
        """The same with a longer plan, or another learning rate."""
        plan = self.plan
        if asked.learning_rate is not None:
            plan = replace(plan, learning_rate=float(asked.learning_rate))
        if not asked.more_epochs:
            return replace(self, plan=plan)
        steps = plan.max_steps if not self.finished else self.now.step
        more = max(1, round(asked.more_epochs * steps_per_epoch))
        plan = replace(plan, max_steps=steps + more, patient_from=self.now.validations)
        return replace(self, plan=plan, stopped=None)

    def to_file(self) -> tuple[files.Tensors, dict[str, Any]]:
        """As tensors and metadata of a model file, which has the weights of now and the schedule already."""
        now = {name: array for name, array in self.now.to_arrays().items() if not name.startswith("weights.")}
        parts = [("now", now), *((f"past{place}", past.to_arrays()) for place, past in enumerate(self.snapshots))]
        tensors = {f"{PREFIX}{part}.{name}": array for part, arrays in parts for name, array in arrays.items()}
        plan = {name: value for name, value in vars(self.plan).items() if name not in ("schedule", "guard")}
        return tensors, {
            "plan": plan,
            "data": self.data,
            "now": self.now.counts,
            "past": [past.counts for past in self.snapshots],
            "stopped": self.stopped,
        }

    @classmethod
    def from_file(
        cls, tensors: Mapping[str, Array], metadata: Mapping[str, Any], weights: Mapping[str, Array], schedule: Schedule
    ) -> Checkpoint:
        """What ``to_file`` gave.

        Parameters
        ----------
        tensors : those of the training, with the prefix
        metadata : mapping
        weights : those of the model
        schedule : Schedule
            That of the model's parameters.

        Raises
        ------
        ModelFileError
            If it is anything else.
        """
        try:
            parts: dict[str, dict[str, Array]] = {}
            for full, tensor in tensors.items():
                part, _, name = full.removeprefix(PREFIX).partition(".")
                parts.setdefault(part, {})[name] = tensor
            now = parts.pop("now", {}) | {f"weights.{name}": w for name, w in weights.items()}
            past = [parts.pop(f"past{place}") for place in range(len(metadata["past"]))]
            if parts:
                raise ValueError("it has tensors of no snapshot")
            plan = Plan(**{**metadata["plan"], "schedule": schedule})
            _check_plan(plan)
            data, stopped = metadata["data"], metadata["stopped"]
            if (
                not isinstance(data, str)
                or not re.fullmatch("[0-9a-f]{32}", data)
                or not isinstance(stopped, str | None)
            ):
                raise ValueError("its data or its end is not told")
            snapshots = tuple(map(Snapshot.from_arrays, metadata["past"], past))
            return cls(plan, data, Snapshot.from_arrays(metadata["now"], now), snapshots, stopped)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelFileError(f"the model file is damaged: its training is not told: {error}") from error


def _check_plan(plan: Plan) -> None:
    whole = (plan.max_steps, plan.bptt_truncate, plan.segments, plan.validate_every, plan.patience)
    if not all(number is None or (type(number) is int and 0 < number < 2**63) for number in whole):
        raise ValueError("its plan has steps that are no numbers")
    if plan.max_steps is None or type(plan.seed) is not int or type(plan.patient_from) is not int:
        raise ValueError("its plan has no length, or no seed")
    if not (_is_number(plan.learning_rate) and plan.learning_rate > 0 and 0 <= plan.averaging <= 1):
        raise ValueError("its plan has no learning rate")


class ModelCheckpoint(Callback):
    """Saves the model into a file again and again, so that nothing is lost.

    It saves before the first step, then every so often, and when ``fit`` is done; ``fit(..., resume=path)`` goes on
    from there. While the training lasts, no other one may write to the same file.

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

    every_step = False

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
        self._lock = files.OutputLock(path)
        self._last_step, self._last_time = 0, 0.0

    def lock(self) -> None:
        """Keeps other processes from training into the file, which the training does by itself when it begins.

        Raises
        ------
        OutputError
            If one does so already.
        """
        self._lock.acquire()

    def unlock(self) -> None:
        """Ends what ``lock`` began."""
        self._lock.release()

    def save(self, run: Training) -> None:
        """Saves now.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        self._last_step, self._last_time = run.step, time.monotonic()
        run.save(self.path, notes={**(self.notes or {}), **self.meanwhile})

    def on_start(self, run: Training) -> None:
        self.lock()
        try:
            self.save(run)
        except OutputError:
            self.unlock()
            raise

    def on_step(self, run: Training) -> None:
        if self.steps is None:
            due = time.monotonic() - self._last_time >= self.seconds
        else:
            due = run.step - self._last_step >= self.steps or run.step < self._last_step
        if not due:
            return
        try:
            self.save(run)
        except OutputError as error:
            if self.on_error == "stop":
                raise
            say(f"{error}; the file that was there is whole, and the training goes on")

    def on_end(self, run: Training) -> None:
        if not run.completed:
            self.unlock()

    def on_fitted(self, model: Any) -> None:
        try:
            model.save(self.path, notes=self.notes)
        finally:
            self.unlock()


def interval(every: int | str) -> tuple[int | None, float]:
    """Steps, or None and seconds, of a number or a text such as ``"30s"``.

    Raises
    ------
    ParameterError
        If it is neither.
    """
    found = re.fullmatch(r"(\d{1,9})(s?)", str(every))
    if isinstance(every, bool) or found is None or int(found[1]) == 0:
        raise ParameterError(
            f"every must be a number of steps, such as 500, or of seconds, such as '30s', got {every!r}"
        )
    return (None, float(found[1])) if found[2] else (int(found[1]), 0.0)
