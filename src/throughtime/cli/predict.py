"""The command that applies a model of numbers or labels to new data."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer

from throughtime.cli.base import (
    Encoding,
    Json,
    Model,
    OwnCells,
    Raw,
    answer,
    check_apart,
    command,
    complain,
    data_of,
    load_model,
)
from throughtime.errors import ParameterError
from throughtime.tables import Cells, Spill
from throughtime.tables.pieces import blocks

Columns = Mapping[str, Any]


class Found(NamedTuple):
    """The columns that were given, which answers stand beside, the answers, and what is to be said of them."""

    given: Columns
    answers: Columns
    said: str = ""


@command
def predict(
    model: Model,
    data: Annotated[Path, typer.Argument(metavar="NEW", help="new data, in the form of what the model learned from")],
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="where the answers go, of a table's rows beside its columns; else they alone to standard output",
        ),
    ] = None,
    encoding: Encoding = "utf-8",
    own: OwnCells = None,
    as_json: Json = False,
    raw: Raw = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="say nothing beside the answers")] = False,
) -> None:
    """Forecast, classify or tag new data with a model."""
    from throughtime.cli.tables import as_csv, check_table, rows_of, write_table
    from throughtime.tables.reading import holds_text, typed

    found = load_model(model, own)
    kind = type(found).__name__
    if kind not in PREDICTORS:
        raise ParameterError(
            f"{str(model)!r} holds a {kind}, which writes text; use `throughtime sample` or `evaluate`"
        )
    if to is not None:
        check_table(to)
        check_apart([to], [data, model])
    given, answers, said = PREDICTORS[kind](found, data, encoding, quiet)
    if said and not quiet:
        complain(said)
    rows = rows_of(answers)
    if to is not None:
        if holds_text(data) and not holds_text(to):
            given = typed(given)
        write_table(to, beside(given, answers))
        if as_json or not quiet:
            answer({"rows": len(rows), "to": str(to)}, as_json, f"{to}: {len(rows):,} rows")
        return
    columns = dict(zip(answers, map(list, zip(*rows, strict=True)), strict=True))
    answer({"rows": len(rows), "to": None, "columns": columns}, as_json, as_csv(list(answers), rows).rstrip(), raw=raw)


def beside(given: Columns, answers: Columns) -> Columns:
    """The columns that were given and those of the answers; one of these whose name is taken ends in ``_predicted``."""
    found = dict(given)
    for name, column in answers.items():
        while name in found:
            name = f"{name}_predicted"
        found[name] = column
    return found


def _forecast(model: Any, data: Path, encoding: str, quiet: bool) -> Found:
    from throughtime.cli.tables import bar
    from throughtime.tables import read_table

    fitted = model.fitted_
    as_text = [fact.name for fact in fitted.features.facts if fact.categories]
    if any(isinstance(name, str) for name in fitted.names):
        as_text.append(fitted.roles.series)
    with bar(data, shown=not quiet) as tell:
        table = read_table(data, encoding, as_text, tell)
    with data_of(data):
        return Found({}, model.predict(table))


def _classify(model: Any, data: Path, encoding: str, quiet: bool) -> Found:
    """The label and the probability of each, or the value; of several labels or values a column each.

    Rows with an empty text have empty answers.
    """
    from throughtime.cli.sequences import are_there, sequences_of
    from throughtime.cli.tables import bar
    from throughtime.tables.reading import read_cells, typed

    names = model.fitted_.names
    if names is None:
        raise ParameterError("the model was not made from a table; apply it in Python, with throughtime.load")
    text = model.fitted_.columns is None
    with bar(data, shown=not quiet) as tell:
        cells = read_cells(data, encoding, tell)
    with data_of(data):
        columns = typed(cells, names if text else ())
        there = are_there(columns, names[0]) if text else np.array([True])
        if there.all() or not there.any():
            return Found(cells, _answers(model, sequences_of(columns, list(names), text=text)))
        texts = {names[0]: _those(columns[names[0]], there)}
        answers = _answers(model, sequences_of(texts, list(names), text=True))
    empty = f"{np.count_nonzero(~there):,} of {len(there):,} rows"
    said = f"{str(data)!r}: {empty} have no text in column {names[0]!r}, and get no answer"
    return Found(cells, {name: _at(there, column) for name, column in answers.items()}, said)


def _answers(model: Any, sequences: Any) -> Columns:
    found = model.predict(sequences)
    if not hasattr(model, "predict_proba"):
        return _by_column("value", found)
    chances = model.predict_proba(sequences)
    of_classes = {f"p_{name}": chances[:, place] for place, name in enumerate(model.classes_.tolist())}
    return {**_by_column("label", found), **of_classes}


def _those(column: Any, there: Any) -> Cells:
    """The cells that are there."""
    found, these = Cells(Spill()), iter(there.tolist())
    for cells in blocks(column):
        found.add([*itertools.compress(cells, these)])
    return found


def _at(there: Any, column: Any) -> list[Any]:
    """Answers where there are some; None elsewhere."""
    found = iter(column.tolist())
    return [next(found) if some else None for some in there]


def _by_column(name: str, found: Any) -> dict[str, Any]:
    """Answers ``[N]`` as one column, ``[N, K]`` as K with their numbers behind the name."""
    if found.ndim == 1:
        return {name: found}
    return {f"{name}_{place}": found[:, place] for place in range(found.shape[1])}


def _tag(model: Any, data: Path, encoding: str, quiet: bool) -> Found:
    """A row for each token: its sentence, counted from 1, the token and its tag."""
    from throughtime.cli.conll import read_conll

    tokens, _ = read_conll(data, encoding, [str(tag) for tag in model.classes_.tolist()])
    tags = model.predict(tokens)
    answers = {
        "sentence": [number for number, some in enumerate(tokens, start=1) for _ in some],
        "token": [token for some in tokens for token in some],
        **_by_column("tag", np.concatenate(tags)),
    }
    return Found({}, answers)


PREDICTORS: dict[str, Callable[[Any, Path, str, bool], Found]] = {
    "Forecaster": _forecast,
    "SequenceClassifier": _classify,
    "SequenceRegressor": _classify,
    "SequenceTagger": _tag,
}
"""What finds the answers for a file of new data, by the kind of model."""
