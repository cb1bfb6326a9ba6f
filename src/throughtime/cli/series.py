"""The command that forecasts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from throughtime.cli.base import Encoding, Json, answer, cell_of, check_apart, command, complain
from throughtime.cli.options import with_options
from throughtime.errors import NonFiniteLoss
from throughtime.parameters import FORECASTER

if TYPE_CHECKING:
    from throughtime.series import Scores

_OWN = ("target", "past", "future", "static", "quantiles")

Names = list[str] | None


def _several(meaning: str) -> Any:
    return typer.Option(metavar="COLUMN", help=f"{meaning}; may be given several times")


@command
@with_options({name: parameter for name, parameter in FORECASTER.items() if name not in _OWN})
def forecast(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="a table in CSV, TSV, JSON lines or Parquet")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="MODEL", help="the model file to write")],
    target: Annotated[Names, _several("column that is forecast")] = None,
    past: Annotated[Names, _several("column that is known up to now")] = None,
    future: Annotated[Names, _several("column that is known ahead")] = None,
    static: Annotated[Names, _several("column that does not change within a series")] = None,
    quantile: Annotated[
        list[float] | None,
        typer.Option(help="level that is forecast; may be given several times", show_default="0.1 0.9"),
    ] = None,
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="where the forecast goes")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="where a picture of it goes")] = None,
    folds: Annotated[int, typer.Option(help="forecasts of the past that are judged, each by a network of its own")] = 0,
    encoding: Encoding = "utf-8",
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="show no progress")] = False,
    **parameters: Any,
) -> None:
    """Forecast the next values of one or many series, beside forecasts that need no network."""
    from throughtime.cli.tables import check_table, read_table, write_table
    from throughtime.files import check_output
    from throughtime.series import Forecaster

    for path in (output, *([plot] if plot else [])):
        check_output(path)
    if to is not None:
        check_table(to)
    check_apart([output, to, plot], [data])
    parameters["cell"] = cell_of(parameters["cell"])
    columns = {"target": target, "past": past, "future": future, "static": static}
    parameters |= {name: found[0] if found and len(found) == 1 else found for name, found in columns.items()}
    if quantile:
        parameters["quantiles"] = tuple(quantile)
    model = Forecaster(**parameters, verbose=0 if quiet else 1)
    table = read_table(data, encoding, as_text=[parameters["series"]])
    if to is not None or plot is not None:
        model.check_ahead(table)
    try:
        model.fit(table)
    except (NonFiniteLoss, KeyboardInterrupt):
        if hasattr(model, "training_"):
            model.save(output)
            complain(f"the last good weights are in {output}")
        raise
    model.save(output)
    if to is not None:
        write_table(to, model.predict())
    if plot is not None:
        _draw(model, plot)
    scores = model.backtest(folds=folds).scores if folds else model.evaluate()
    held_out = model.validation_loss_ is not None and np.isfinite(model.validation_loss_)
    last = f"the last steps of each series{', which were not learned' if held_out else ''}"
    judged = f"{folds} forecasts of the past" if folds else last
    answer(
        {"model": str(output), "series": len(model.fitted_.names), "coverage": model.coverage_, **score_report(scores)},
        as_json,
        f"{output}: {judged}:\n{scores}",
    )


def score_report(scores: Scores) -> dict[str, Any]:
    """Scores for other programs: of each method over all leads, None where one is not known."""
    return {
        "scores": {
            method: {name: None if value != value else value for name, value in scores.overall(method).items()}
            for method in scores.by_lead
        },
        "best_baseline": scores.best_baseline,
        "wins": scores.wins,
    }


def _draw(model: Any, path: Path) -> None:
    """A picture of each target of the first series."""
    from matplotlib.figure import Figure

    targets = model.fitted_.roles.target
    figure = Figure(figsize=(8, 3.2 * len(targets)), layout="constrained")
    for ax, column in zip(figure.subplots(len(targets), squeeze=False)[:, 0], targets, strict=True):
        model.plot(column=column, ax=ax)
    figure.savefig(path, dpi=150)
