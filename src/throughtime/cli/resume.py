"""The command that goes on with a training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from throughtime.cli import demo, sequences, series, text
from throughtime.cli.base import Json, Model, OwnCells, Quiet, answer, check_model, command, load_model
from throughtime.cli.options import number
from throughtime.cli.report import in_words, outcome, outcome_in_words, training_report
from throughtime.cli.training import CheckpointEvery, Job, SaveError, learn
from throughtime.errors import ModelFileError, ParameterError
from throughtime.training import Resume
from throughtime.training.history import steps_in_words

JOBS: Mapping[str, tuple[Callable[..., Job], set[str]]] = {
    "train": (text.job, {"encoding", "split", "column"}),
    "forecast": (series.job, {"encoding"}),
    "classify": (sequences.job_of_classify, {"encoding", "label", "text"}),
    "tag": (sequences.job_of_tag, {"encoding"}),
    "demo": (demo.job, set()),
}
"""What each command that trains is about, made from the model, the files, and how they are read; and the words for how.
"""


@command
def resume(
    model: Model,
    data: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DATA]", help="the files that it learns from; left out: those that it began with"),
    ] = None,
    more_epochs: Annotated[
        float, typer.Option(help="passes over the data beyond those that were planned", **number(float))
    ] = 0.0,
    learning_rate: Annotated[float | None, typer.Option(help="instead of the one before", **number(float))] = None,
    new_data: Annotated[bool, typer.Option("--new-data", help="it may be other data than before")] = False,
    checkpoint_every: CheckpointEvery = "60s",
    save_error: SaveError = "go-on",
    own: OwnCells = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Go on with a training that was interrupted, as if it had not been; or with more passes, or other data.

    What --test, --folds, --to and --plot asked for besides the model is not made again.
    """
    check_model(model)
    asked = Resume(model, more_epochs, learning_rate, new_data)
    found = load_model(model, own)
    began = _command_of(model, found.notes_)
    if not (found.unfinished_ or more_epochs or data):
        steps = len(found.history_.loss)
        said = f"{model}: at its end, after {steps_in_words(steps)}; --more-epochs goes on"
        answer({"model": str(model), "steps": steps}, as_json, said)
        return
    files = data or began.get("data")
    if began["name"] != "demo" and (not files or ("-" in files and not data)):
        raise ParameterError(
            f"{str(model)!r} does not say where its data are; name them: `throughtime resume {model} DATA`"
        )
    found.set_params(verbose=0 if quiet else 1)
    job = JOBS[began["name"]][0](found, list(files or []), began["options"])
    learn(found, model, job, every=checkpoint_every, on_error=save_error, resume=asked)
    if began["name"] == "train":
        report = training_report(found, model)
        answer(report, as_json, f"{model}: {in_words(report)}")
    else:
        answer(outcome(found, model), as_json, f"{model}: {outcome_in_words(found)}")


def _command_of(path: Path, notes: Mapping[str, Any]) -> dict[str, Any]:
    """What the training began with, of the notes in a file."""
    began = notes.get("command")
    if not isinstance(began, dict) or not isinstance(began.get("name"), str) or began["name"] not in JOBS:
        raise ModelFileError(
            f"{str(path)!r} was not made by a command that trains; in Python fit(data, resume={str(path)!r}) goes on "
            "with it"
        )
    options, data = began.get("options"), notes.get("data", [])
    told = isinstance(options, dict) and options.keys() == JOBS[began["name"]][1] and isinstance(data, list)
    if not told or not all(isinstance(value, str | None) for value in dict(options or {}).values()):
        raise ModelFileError(f"{str(path)!r} is damaged: it does not tell how its data are read")
    if not all(isinstance(name, str) and len(name) < 4096 and "\0" not in name for name in data):
        raise ModelFileError(f"{str(path)!r} is damaged: it names no files of data")
    return {**began, "data": data}
