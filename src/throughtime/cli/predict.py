"""The command that applies a model of numbers or labels to new data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from throughtime.cli.base import Encoding, Json, Model, OwnCells, answer, command, load_model
from throughtime.errors import ParameterError


@command
def predict(
    model: Model,
    data: Annotated[Path, typer.Argument(metavar="NEW", help="new data, in the form of what the model learned from")],
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="where the answers go; else to standard output")
    ] = None,
    encoding: Encoding = "utf-8",
    own: OwnCells = None,
    as_json: Json = False,
) -> None:
    """Forecast, classify or tag new data with a model."""
    from throughtime.cli.tables import as_csv, check_table, rows_of, write_table

    found = load_model(model, own)
    kind = type(found).__name__
    if kind not in PREDICTORS:
        raise ParameterError(
            f"{str(model)!r} holds a {kind}, which writes text; use `throughtime sample` or `evaluate`"
        )
    if to is not None:
        check_table(to)
    columns = PREDICTORS[kind](found, data, encoding)
    rows = rows_of(columns)
    if to is not None:
        write_table(to, columns)
    text = as_csv(list(columns), rows).rstrip() if to is None else f"{to}: {len(rows):,} rows"
    answer({"rows": len(rows), "to": None if to is None else str(to)}, as_json, text)


def _forecast(model: Any, data: Path, encoding: str) -> Mapping[str, Any]:
    from throughtime.cli.tables import read_table

    found: Mapping[str, Any] = model.predict(read_table(data, encoding))
    return found


PREDICTORS: dict[str, Callable[[Any, Path, str], Mapping[str, Any]]] = {"Forecaster": _forecast}
"""What makes columns of answers from a file of new data, by the kind of model."""
