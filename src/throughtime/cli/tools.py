"""The commands around models: what is in a file, which cells there are, the bench and the demonstration."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from throughtime.cli.base import Json, Model, OwnCells, answer, cell_of, command, load_model
from throughtime.cli.options import number
from throughtime.cli.report import about, about_in_words
from throughtime.errors import ParameterError


@command
def info(model: Model, own: OwnCells = None, as_json: Json = False) -> None:
    """Say what is in a model file."""
    from throughtime.training.history import steps_in_words

    found = load_model(model, own)
    history, kind = found.history_, type(found).__name__
    seq_len = getattr(found, "seq_len", None) or getattr(found, "context_", 64)
    summary = found.network_.summary(seq_len=seq_len, batch_size=found.batch_size or 16)
    result = {
        "kind": kind,
        "parameters": summary.parameters,
        "layers": [row.layer for row in summary.layers],
        "steps": len(history.loss),
        "planned_steps": found.planned_steps_,
        "train_loss": history.train_loss if history.loss else None,
        "validation_loss": found.validation_loss_,
        **about(found),
    }
    steps = steps_in_words(len(history.loss))
    if found.unfinished_:
        steps += f" of {found.planned_steps_:,}, broken off (throughtime resume goes on)"
    losses = f"trained {steps}" + (f", training loss {history.train_loss:.3f} {history.unit}" if history.loss else "")
    if found.validation_loss_ is not None:
        losses += f", validation {found.validation_loss_:.3f}"
    if result.get("ngram_loss") is not None:
        losses += f"; {found.baseline_.in_words()}"
    answer(result, as_json, f"{kind}, {about_in_words(found)}\n{summary}\n{losses}")


@command
def cells(name: Annotated[str | None, typer.Argument(help="show this cell's equations")] = None) -> None:
    """List the recurrent units, or show the equations of one."""
    from throughtime import cells as registry

    if name is not None:
        cell = registry.get(cell_of(name))
        typer.echo((sys.modules[cell.step.__module__].__doc__ or "").strip())
        return
    for known in registry.names():
        cell = registry.get(known)
        typer.echo(f"{known:<16}gates {', '.join(cell.gates):<40} states {', '.join(cell.states)}")


@command
def bench(
    quick: Annotated[bool, typer.Option("--quick", help="a few small rows, in less than a minute")] = False,
    everything: Annotated[bool, typer.Option("--all", help="every row, which takes a quarter of an hour")] = False,
    only: Annotated[str, typer.Option(metavar="TEXT", help="rows whose name contains it")] = "",
    of_cells: Annotated[
        list[str] | None, typer.Option("--cell", metavar="NAME", help="rows of this cell; may be given several times")
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(help="how often each has its turn; 3, 5 or 7 where it is not said", **number(int))
    ] = None,
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="a file to which the record is added")] = None,
    shown: Annotated[
        Path | None, typer.Option("--show", metavar="FILE", help="show the last record of a file, and measure nothing")
    ] = None,
    as_json: Json = False,
) -> None:
    """Time this library here, beside PyTorch, ONNX Runtime and a classic script, where they are installed."""
    from throughtime.cli.bench import run, show_last

    if quick and everything:
        raise ParameterError("--quick and --all exclude each other")
    if shown is not None:
        show_last(shown, as_json)
    else:
        run("quick" if quick else "all" if everything else "medium", only, of_cells or [], rounds, to, as_json)


@command
def demo(
    to: Annotated[Path, typer.Option(help="the folder to write into")] = Path("throughtime-demo"),
    minutes: Annotated[float, typer.Option(help="time to train", **number(float))] = 1.0,
    seed: Annotated[
        int, typer.Option("--seed", "--random-state", help="the same seed, the same beginning", **number(int))
    ] = 1,
    as_json: Json = False,
) -> None:
    """Watch a network learn to write from the Python language reference."""
    from throughtime.cli.demo import run

    run(to, minutes, seed, as_json)
