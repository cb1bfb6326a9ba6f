"""The commands that classify whole sequences and tag their elements."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from throughtime.cli.base import Encoding, Json, answer, cell_of, check_apart, command
from throughtime.cli.options import with_options
from throughtime.errors import DataError, ParameterError, known, short
from throughtime.parameters import CLASSIFIER, TAGGER

Output = Annotated[Path, typer.Option("-o", "--output", metavar="MODEL", help="the model file to write")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="show no progress")]
Columns = Mapping[str, Any]

_WHOLE = re.compile(r"0|-?[1-9]\d{0,17}")


@command
@with_options({name: parameter for name, parameter in CLASSIFIER.items() if name not in ("tokens", "class_weight")})
def classify(
    data: Annotated[Path, typer.Argument(metavar="TRAIN", help="a table in CSV, TSV, JSON lines or Parquet")],
    label: Annotated[str, typer.Option(metavar="COLUMN", help="what is to be found")],
    output: Output,
    text: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="the texts; without it all other columns are steps of numbers")
    ] = None,
    test: Annotated[Path | None, typer.Option(metavar="FILE", help="a table to score, which is not learned")] = None,
    balanced: Annotated[bool, typer.Option("--balanced", help="rare labels count as much as frequent ones")] = False,
    encoding: Encoding = "utf-8",
    as_json: Json = False,
    quiet: Quiet = False,
    **parameters: Any,
) -> None:
    """Learn which label a text, or a row of numbers, has."""
    from throughtime.cli.tables import read_table
    from throughtime.files import check_output
    from throughtime.sequences import SequenceClassifier

    check_output(output)
    check_apart([output], [data, test])
    table = read_table(data, encoding, as_text=[label, text])
    names = [text] if text is not None else [name for name in table if name != label]
    labels = labels_of(table, label)
    parameters["cell"] = cell_of(parameters["cell"])
    class_weight = "balanced" if balanced else None
    model = SequenceClassifier(**parameters, class_weight=class_weight, verbose=0 if quiet else 1)
    model.fit(sequences_of(table, names, text=text is not None), labels)
    model.name_columns(names)
    model.save(output)
    report: dict[str, Any] = {"model": str(output), "classes": [str(name) for name in model.classes_.tolist()]}
    words = f"{output}: {len(labels):,} rows, labels {known(report['classes'][:10])}; {model.baseline_.in_words()}"
    if test is not None:
        new = read_table(test, encoding, as_text=[label, text])
        answers = labels_of(new, label, labels)
        found = model.score(sequences_of(new, names, text=text is not None), answers)
        values, counts = np.unique(labels, return_counts=True)
        usual = values[counts.argmax()]
        majority = float(np.mean(answers == usual))
        report |= {"rows": len(answers), "accuracy": found, "baseline": majority}
        words += f"\n{test}: accuracy {found:.3f}, always {str(usual)!r} {majority:.3f} ({len(answers):,} rows)"
    answer(report, as_json, words)


@command
@with_options({name: parameter for name, parameter in TAGGER.items() if name != "tokens"})
def tag(
    data: Annotated[
        Path,
        typer.Argument(metavar="TRAIN", help="a token and its tag on each line, an empty line behind each sentence"),
    ],
    output: Output,
    test: Annotated[Path | None, typer.Option(metavar="FILE", help="a file to score, which is not learned")] = None,
    encoding: Encoding = "utf-8",
    as_json: Json = False,
    quiet: Quiet = False,
    **parameters: Any,
) -> None:
    """Learn a tag for each token of a sentence."""
    from throughtime.cli.conll import read_conll
    from throughtime.files import check_output
    from throughtime.sequences import SequenceTagger

    check_output(output)
    check_apart([output], [data, test])
    tokens, tags = read_conll(data, encoding)
    parameters["cell"] = cell_of(parameters["cell"])
    model = SequenceTagger(**parameters, verbose=0 if quiet else 1).fit(tokens, tags)
    model.save(output)
    report: dict[str, Any] = {"model": str(output), "tags": [str(name) for name in model.classes_.tolist()]}
    words = f"{output}: {len(tokens):,} sentences, tags {known(report['tags'][:10])}; {model.baseline_.in_words()}"
    if test is not None:
        found = model.report(*read_conll(test, encoding))
        report |= {"accuracy": found.accuracy, "baseline": found.baseline}
        report |= {"f1": None if found.names is None else found.names.f1}
        words += f"\n{test}:\n{found}"
    answer(report, as_json, words)


def labels_of(table: Columns, label: str, learned: Any = None) -> Any:
    """The column of labels: integers where all are whole numbers, else text; where some were ``learned``, as those.

    Raises
    ------
    DataError
        If one is missing, or is text where integers were learned.
    """
    values = texts_of(table, label, "label")
    other = [row for row, value in enumerate(values, start=1) if not _WHOLE.fullmatch(value)]
    if learned is not None and learned.dtype.kind == "i" and other:
        value = values[other[0] - 1]
        raise DataError(f"column {label!r}, row {other[0]}: {value!r} is no whole number, as all labels learned are")
    text = bool(other) if learned is None else learned.dtype.kind != "i"
    return np.array(values) if text else np.array(values).astype(np.int64)


def texts_of(table: Columns, name: str, what: str) -> list[str]:
    """The cells of a column as text; ``what`` they are called in messages.

    Raises
    ------
    DataError
        If one is missing.
    """
    found = list(column_of(table, name))
    for row, cell in enumerate(found, start=1):
        if cell is None or cell != cell or not str(cell).strip():
            raise DataError(f"column {name!r}, row {row}: the {what} is missing")
    return [str(cell) for cell in found]


def sequences_of(table: Columns, names: list[str], *, text: bool) -> Any:
    """The texts of one column, or the numbers of some: ``[N, T]``."""
    from throughtime.series.tables import numbers

    if text:
        return texts_of(table, names[0], "text")
    if not names:
        raise ParameterError("there is no column besides the label; name the one with the texts (--text)")
    return np.stack([numbers(column_of(table, name), name) for name in names], axis=1)


def column_of(table: Columns, name: str) -> Any:
    """A column.

    Raises
    ------
    DataError
        If there is none of this name.
    """
    if name not in table:
        raise DataError(f"there is no column {short(name)}; the columns are {known(table)}")
    return table[name]
