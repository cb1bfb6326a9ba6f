"""The demonstration: a network learns to write from text that ships with every Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from throughtime.cli.base import print_json
from throughtime.cli.report import training_report
from throughtime.cli.training import Job, learn
from throughtime.disk import check_output, write_atomically
from throughtime.errors import OutputError
from throughtime.inspection.plots import save_history
from throughtime.text import TextGenerator
from throughtime.training.history import steps_in_words


def language_reference() -> str:
    """The Python language reference, as ``help()`` shows it: about half a million characters of English."""
    from pydoc_data.topics import topics

    return "\n\n".join(text for _, text in sorted(topics.items()))


def job(model: TextGenerator, data: list[str], options: dict[str, Any]) -> Job:
    """Learns from the language reference, whatever is named."""
    return Job("demo", [], {}, lambda resume: model.fit(language_reference(), resume=resume))


def run(folder: Path, minutes: float, seed: int, as_json: bool) -> None:
    """Trains, shows samples as they get better, and leaves model, picture and samples in the folder."""
    model = TextGenerator(minutes=minutes, random_state=seed)
    model.check()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder {str(folder)!r} cannot be made: {error.strerror}") from None
    paths = [folder / name for name in ("model.safetensors", "learning_curve.png", "samples.txt")]
    for path in paths:
        check_output(path)
    model_file, picture, samples = paths
    typer.echo(f"A network learns to write from the Python language reference, for {minutes:g} min.", err=True)
    learn(model, model_file, job(model, [], {}))
    save_history(model.history_, picture)
    shown = [f"--- after {steps_in_words(step)} ---\n{text}\n" for step, text in model.samples_]
    write_atomically(samples, "\n".join(shown).encode())
    if as_json:
        report = training_report(model, model_file)
        print_json(report | {"picture": str(picture), "samples": str(samples)})
        return
    validation = model.validation_loss_ or model.history_.train_loss
    typer.echo(
        f"It began at {model.history_.loss[0]:.2f} nats per character and expects unseen text with {validation:.2f}."
    )
    for path, what in zip(paths, ("the model", "the learning curve", "samples along the way"), strict=True):
        typer.echo(f"  {path}  {what}")
    typer.echo(f'Go on with: throughtime sample {model_file} --prime "The "')
