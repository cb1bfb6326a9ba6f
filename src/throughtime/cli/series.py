"""The command that forecasts."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from throughtime.cli.base import (
    Encoding,
    Json,
    Output,
    Quiet,
    Table,
    answer,
    cell_of,
    check_apart,
    check_model,
    command,
    data_of,
)
from throughtime.cli.options import check_count, number, with_options
from throughtime.cli.training import CheckpointEvery, Job, SaveError, learn, the_one
from throughtime.errors import DataError, OutputError, known
from throughtime.parameters import FORECASTER

if TYPE_CHECKING:
    from throughtime.series import Forecaster, Scores
    from throughtime.series.panel import Panel
    from throughtime.training import Resume

_OWN = ("target", "past", "future", "static", "quantiles")

Names = list[str] | None


def _several(meaning: str) -> Any:
    return typer.Option(metavar="COLUMN", help=f"{meaning}; may be given several times")


@command
@with_options({name: parameter for name, parameter in FORECASTER.items() if name not in _OWN})
def forecast(
    data: Table,
    output: Output,
    target: Annotated[
        Names, _several("column that is forecast; without it all columns of numbers that have no other role are")
    ] = None,
    past: Annotated[Names, _several("column that is known up to now")] = None,
    future: Annotated[Names, _several("column that is known ahead")] = None,
    static: Annotated[Names, _several("column that does not change within a series")] = None,
    quantile: Annotated[
        list[float] | None,
        typer.Option(
            help="level that is forecast; may be given several times", show_default="0.1 0.9", **number(float)
        ),
    ] = None,
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="where the forecast goes")] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="where a picture of the first series' forecast goes")
    ] = None,
    folds: Annotated[
        int, typer.Option(help="forecasts of the past that are judged, each by a network of its own", **number(int))
    ] = 0,
    encoding: Encoding = "utf-8",
    checkpoint_every: CheckpointEvery = "60s",
    save_error: SaveError = "go-on",
    as_json: Json = False,
    quiet: Quiet = False,
    **parameters: Any,
) -> None:
    """Forecast the next values of one or many series, beside forecasts that need no network."""
    from throughtime.cli.tables import check_table, write_table
    from throughtime.series import Forecaster

    check_apart([output, to, plot], [data])
    check_model(output)
    if to is not None:
        check_table(to)
    if plot is not None:
        _check_picture(plot)
    check_count("folds", folds, 0)
    parameters["cell"] = cell_of(parameters["cell"])
    columns = {"target": target, "past": past, "future": future, "static": static}
    parameters |= {name: found[0] if found and len(found) == 1 else found for name, found in columns.items()}
    if quantile:
        parameters["quantiles"] = tuple(quantile)
    model = Forecaster(**parameters, verbose=0 if quiet else 1)
    model.check()
    panel = _panel(model, data, encoding)
    with data_of(data):
        _check_room(model, panel, folds, ahead=to is not None or plot is not None)
    given = job(model, [str(data)], {"encoding": encoding}, panel)
    learn(model, output, given, every=checkpoint_every, on_error=save_error)
    if to is not None:
        write_table(to, model.predict())
    if plot is not None:
        _draw(model, plot)
    judged, words, report = _judged(model, folds)
    used = {name: found for name, found in asdict(panel.roles).items() if found}
    answer(
        {
            "model": str(output),
            "columns": used,
            "not_used": list(panel.unused),
            "series": len(model.fitted_.names),
            "coverage": model.coverage_,
            **report,
        },
        as_json,
        f"{_columns_in_words(used, panel.unused)}\n{output}: {judged}:\n{words}",
    )


def _columns_in_words(used: Mapping[str, Any], unused: Iterable[str]) -> str:
    """The first ten columns of each role, and of those without one."""
    named = {**used, "not used": list(unused)}
    roles = {role: [found] if isinstance(found, str) else found for role, found in named.items() if found}
    return "; ".join(f"{role} {known(found[:10])}" for role, found in roles.items())


def job(model: Forecaster, data: list[str], options: dict[str, Any], panel: Panel | None = None) -> Job:
    """Learns to forecast from a table, or the panel that was read from it; ``options`` are the encoding."""
    path = the_one(data)

    def fit(resume: Resume | None) -> None:
        read = _panel(model, path, options["encoding"]) if panel is None else panel
        with data_of(path):
            model.fit_panel(read, resume)

    return Job("forecast", data, options, fit)


def _panel(model: Forecaster, path: Path, encoding: str) -> Panel:
    from throughtime.cli.tables import bar
    from throughtime.tables import read_table

    with bar(path, shown=bool(model.verbose)) as tell:
        table = read_table(path, encoding, [model.series], tell)
    with data_of(path):
        return model.read(table)


def _judged(model: Forecaster, folds: int) -> tuple[str, str, dict[str, Any]]:
    """What is judged, and how well it was forecast: in words, and for other programs."""
    if folds:
        found = model.backtest(folds=folds)
        won = {"folds": folds, "folds_won": sum(fold.wins for fold in found.folds)}
        return f"{folds} forecasts of the past", str(found), {**score_report(found.scores), **won}
    held_out = model.validation_loss_ is not None and np.isfinite(model.validation_loss_)
    scores = model.evaluate()
    judged = f"the last steps of each series{', which were not learned' if held_out else ''}"
    return judged, str(scores), score_report(scores)


def _check_room(model: Forecaster, panel: Panel, folds: int, *, ahead: bool) -> None:
    """Raises :class:`DataError` where a forecast or a score that is asked for could not be made after the training.

    ``ahead`` says that a forecast is asked for, which needs what is known ahead.
    """
    from throughtime.series.lesson import prepare

    h = model.horizon
    judged = f"--folds {folds} with --horizon {h} judges"
    if ahead:
        model.check_ahead(panel)
    for series in panel:
        if len(series) <= folds * h:
            raise DataError(
                f"{series.called} has {len(series)} steps, and {judged} {folds * h}, with what is learned before them; "
                "give more of it, or fewer folds"
            )
    if model.context is not None:  # a score needs a season before it, even where the network reads less
        prepare(type(model)(**{**model.get_params(), "context": None}), panel, lambda _: None)
    for behind in range(h, (folds + 1) * h, h):
        try:
            prepare(model, panel.without_last(behind, h), lambda _: None)
        except DataError as error:
            raise DataError(f"{judged} the last {behind} steps, before which too little is left: {error}") from error


def _check_picture(path: Path) -> None:
    """Raises :class:`OutputError` unless matplotlib can write a picture of this ending there."""
    from matplotlib.figure import Figure

    from throughtime.disk import check_output

    check_output(path)
    figure, ending = Figure(), path.suffix.lower()
    figure.text(0, 0, "0")
    forms = [f".{form}" for form in sorted(figure.canvas.get_supported_filetypes())]
    if ending not in forms:
        raise OutputError(f"{path.name!r} ends in no form of a picture; choose one of {known(forms)}")
    try:
        figure.savefig(io.BytesIO(), format=ending[1:])
    except Exception as error:  # what a form needs besides matplotlib, such as LaTeX
        raise OutputError(
            f"{path.name!r} cannot be drawn here: {error}; choose another ending, such as .png"
        ) from error


def score_report(scores: Scores) -> dict[str, Any]:
    """Scores for other programs: of each method over all leads, None where one is not known."""
    return {
        "scores": {
            method: {name: None if value != value else value for name, value in scores.overall(method).items()}
            for method in scores.by_lead
        },
        "judged_by": scores.judged_by,
        "best_baseline": scores.best_baseline,
        "wins": scores.wins,
    }


def _draw(model: Any, path: Path) -> None:
    """A picture of each target of the first series."""
    from matplotlib.figure import Figure

    from throughtime.inspection.plots import write_picture

    targets = model.fitted_.roles.target
    figure = Figure(figsize=(8, 3.2 * len(targets)), layout="constrained")
    for ax, column in zip(figure.subplots(len(targets), squeeze=False)[:, 0], targets, strict=True):
        model.plot(column=column, ax=ax)
    write_picture(figure, path)
