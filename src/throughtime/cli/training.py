"""What the commands that train share: nothing is lost where they end before their time."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal, NamedTuple

import typer

from throughtime.cli import signals
from throughtime.cli.base import complain
from throughtime.errors import NonFiniteLoss, OutputError, ParameterError
from throughtime.training import Callback, ModelCheckpoint, Resume, Training
from throughtime.training.history import steps_in_words

CheckpointEvery = Annotated[
    str,
    typer.Option(
        metavar="N|SECONDSs", help="steps, or seconds as in 30s, between two savings while the training lasts"
    ),
]
SaveError = Annotated[
    Literal["go-on", "stop"], typer.Option(help="what is done where the model cannot be saved, as on a full disk")
]


class Job(NamedTuple):
    """A training that can be begun, and gone on with by ``resume``.

    Parameters
    ----------
    command : str
    data : sequence of str
        The files that are read.
    options : mapping
        How they are read, as JSON can tell it.
    fit : callable
        Reads them and trains, anew or from where a file's training stood.
    columns : sequence of str
        The names of those that a model of sequences learns from.
    """

    command: str
    data: Sequence[str]
    options: Mapping[str, Any]
    fit: Callable[[Resume | None], Any]
    columns: Sequence[str] = ()


class _Naming(Callback):
    """Tells a model the names of its columns."""

    every_step = False

    def __init__(self, model: Any, columns: Sequence[str]) -> None:
        self.model, self.columns = model, columns

    def on_start(self, run: Training) -> None:
        if self.columns:
            self.model.name_columns(self.columns)


def learn(
    model: Any, path: Path, job: Job, *, every: str = "60s", on_error: str = "go-on", resume: Resume | None = None
) -> None:
    """Does the job, and saves the model: before, while and after it is trained, and where the training is broken off.

    Raises
    ------
    OutputError
        If another process trains into the same file, or it cannot be written.
    NonFiniteLoss
        If the training blew up for good; the last good weights are saved.
    KeyboardInterrupt
        If it was interrupted; it is saved so that ``resume`` can go on with it.
    """
    notes = {"command": {"name": job.command, "options": dict(job.options)}}
    read = [name if name == "-" else str(Path(name).resolve()) for name in job.data]
    checkpoint = ModelCheckpoint(path, every, on_error=on_error, notes=notes, meanwhile={"data": read})
    before = model.callbacks
    model.set_params(callbacks=[_Naming(model, job.columns), checkpoint, *before])
    with interruptible(model, checkpoint), checkpoint.lock:
        try:
            job.fit(resume)
        except NonFiniteLoss:
            complain(_kept(model, path, notes))
            raise
        except OutputError:
            if checkpoint.saved is not None:
                complain(f"{_whole(checkpoint)}; {_way_on(path, job)}")
            raise
        except KeyboardInterrupt:
            run: Training | None = vars(model).get("training_")
            if run is not None and run.between_steps and not checkpoint.done:
                complain(_saved(checkpoint, run, _way_on(path, job)))
            raise
        finally:
            model.set_params(callbacks=before)


def _way_on(path: Path, job: Job) -> str:
    """How a training in a file is gone on with; data from standard input have to be given once more."""
    command = shlex.join(["throughtime", "resume", str(path)])
    return f"`{command}{' DATA' if '-' in job.data else ''}` goes on from there"


def _saved(checkpoint: ModelCheckpoint, run: Training, on: str) -> str:
    """Saves a training that was interrupted; returns what came of it, and how it goes on."""
    try:
        checkpoint.save(run)
    except OutputError as error:
        return f"{error}; {_whole(checkpoint)}{'' if checkpoint.saved is None else '; ' + on}"
    return f"saved after {steps_in_words(run.step)}; {on}"


def _whole(checkpoint: ModelCheckpoint) -> str:
    """Of what was saved before."""
    after = "before" if checkpoint.saved is None else f"after {steps_in_words(checkpoint.saved)}"
    return f"what was saved {after} is whole"


def _kept(model: Any, path: Path, notes: Mapping[str, Any]) -> str:
    """Saves the last good weights of a training that blew up; returns what came of it."""
    try:
        model.save(path, notes=notes)
    except OutputError as error:
        return f"{error}; what was saved before is whole"
    return f"the last good weights are in {path}"


def the_one(data: Sequence[str]) -> Path:
    """The path of the only file.

    Raises
    ------
    ParameterError
        If there are several.
    """
    if len(data) != 1:
        raise ParameterError(f"it learns from one file, got {len(data)}")
    return Path(data[0])


@contextlib.contextmanager
def interruptible(model: Any, checkpoint: ModelCheckpoint) -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP let a training of the model finish its step; a second one leaves at once."""

    def handle(number: int, frame: FrameType | None) -> None:
        signals.listen_once_more(leave)
        error = signals.exception(number)
        run: Training | None = vars(model).get("training_")
        if run is None or run.ended:
            raise error
        run.interrupt(error)

    def leave(number: int, frame: FrameType | None) -> None:
        try:
            checkpoint.lock.abandon()
        finally:  # whatever the disk says to it
            signals.leave(number)

    with signals.handled(handle):
        yield
