"""The commands that classify whole sequences and tag their elements."""

from __future__ import annotations

import contextlib
import itertools
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
    complain,
    data_of,
)
from throughtime.cli.options import with_options
from throughtime.cli.tables import bar
from throughtime.cli.training import CheckpointEvery, Job, SaveError, learn, the_one
from throughtime.errors import DataError, ParameterError, known, short
from throughtime.parameters import CLASSIFIER, TAGGER
from throughtime.tables import Cells, Spill
from throughtime.tables.pieces import blocks, spans
from throughtime.tables.reading import read_table

if TYPE_CHECKING:
    from throughtime.sequences import SequenceClassifier, SequenceTagger
    from throughtime.training import Resume

Columns = Mapping[str, Any]

AT_ONCE = 1 << 14
"""Rows that are put together at once."""

_WHOLE = re.compile(r"0|-?[1-9]\d{0,17}")


@command
@with_options({name: parameter for name, parameter in CLASSIFIER.items() if name not in ("tokens", "class_weight")})
def classify(
    data: Table,
    label: Annotated[str, typer.Option(metavar="COLUMN", help="what is to be found")],
    output: Output,
    text: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="the texts; without it all other columns are steps of numbers")
    ] = None,
    test: Annotated[Path | None, typer.Option(metavar="FILE", help="a table to score, which is not learned")] = None,
    class_weight: Annotated[
        Literal["balanced"] | None, typer.Option(help="balanced: rare labels count as much as frequent ones")
    ] = None,
    encoding: Encoding = "utf-8",
    checkpoint_every: CheckpointEvery = "60s",
    save_error: SaveError = "go-on",
    as_json: Json = False,
    quiet: Quiet = False,
    **parameters: Any,
) -> None:
    """Learn which label a text, or a row of numbers, has."""
    from throughtime.sequences import SequenceClassifier
    from throughtime.sequences.report import scores_of, table_of
    from throughtime.sequences.targets import each_of

    check_apart([output], [data, test])
    check_model(output)
    parameters["cell"] = cell_of(parameters["cell"])
    model = SequenceClassifier(**parameters, class_weight=class_weight, verbose=0 if quiet else 1)
    model.check()
    lesson = names, _, labels = _lesson(data, encoding, label, text, shown=not quiet)
    scored = None if test is None else _lesson(test, encoding, label, text, names, labels, shown=not quiet)
    options = {"encoding": encoding, "label": label, "text": text}
    given = job_of_classify(model, [str(data)], options, lesson)
    learn(model, output, given, every=checkpoint_every, on_error=save_error)
    report: dict[str, Any] = {"model": str(output), "classes": [str(name) for name in model.classes_.tolist()]}
    report |= {"columns": names, "validation_loss": model.validation_loss_, "baseline_loss": model.baseline_.loss}
    what = f"texts {short(text)}" if text is not None else f"{len(names):,} steps: {_first(names)}"
    words = f"{output}: {len(labels):,} rows, {what}; {_labels_in_words(model)}"
    if test is not None and scored is not None:
        _, new, answers = scored
        with _warnings_of(test):
            found = model.score(new, answers)
        counts = Counter(each_of(labels))
        usual = min(counts, key=lambda name: (-counts[name], name))
        majority = float(np.mean(answers == usual))
        scores = scores_of(each_of(model.predict(new)), each_of(answers))
        report |= {"rows": len(answers), "accuracy": found, "baseline": majority}
        report |= {"scores": {str(name): {**asdict(score), "f1": score.f1} for name, score in scores.items()}}
        words += f"\n{test}: accuracy {found:.3f}, always {short(usual)} {majority:.3f} ({len(answers):,} rows)"
        if len(model.classes_) > 2:
            words += f"\n{table_of([(str(name), score) for name, score in scores.items()])}"
    answer(report, as_json, words)


@command
@with_options({name: parameter for name, parameter in TAGGER.items() if name != "tokens"})
def tag(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="SENTENCES", help="a token and its tag on each line, an empty line behind each sentence"
        ),
    ],
    output: Output,
    test: Annotated[Path | None, typer.Option(metavar="FILE", help="a file to score, which is not learned")] = None,
    encoding: Encoding = "utf-8",
    checkpoint_every: CheckpointEvery = "60s",
    save_error: SaveError = "go-on",
    as_json: Json = False,
    quiet: Quiet = False,
    **parameters: Any,
) -> None:
    """Learn a tag for each token of a sentence."""
    from throughtime.cli.conll import read_conll
    from throughtime.sequences import SequenceTagger

    check_apart([output], [data, test])
    check_model(output)
    parameters["cell"] = cell_of(parameters["cell"])
    model = SequenceTagger(**parameters, verbose=0 if quiet else 1)
    model.check()
    tokens, tags = read_conll(data, encoding)
    scored = None if test is None else read_conll(test, encoding)
    given = job_of_tag(model, [str(data)], {"encoding": encoding}, (tokens, tags))
    learn(model, output, given, every=checkpoint_every, on_error=save_error)
    report: dict[str, Any] = {"model": str(output), "tags": [str(name) for name in model.classes_.tolist()]}
    words = f"{output}: {len(tokens):,} sentences; {_labels_in_words(model)}"
    if test is not None and scored is not None:
        with _warnings_of(test):
            found = model.report(*scored)
        report |= {"accuracy": found.accuracy, "baseline": found.baseline}
        report |= {"f1": None if found.names is None else found.names.f1}
        words += f"\n{test}:\n{found}"
    answer(report, as_json, words)


def job_of_classify(model: SequenceClassifier, data: list[str], options: dict[str, Any], lesson: Any = None) -> Job:
    """Learns labels from a table, or the lesson that was read from it.

    ``options`` are the encoding, and the columns of the label and the text.
    """
    path = the_one(data)
    names, sequences, labels = lesson or _lesson(path, **options, shown=bool(model.verbose))

    def fit(resume: Resume | None) -> None:
        with data_of(path):
            model.fit(sequences, labels, resume=resume)

    return Job("classify", data, options, fit, names)


def job_of_tag(model: SequenceTagger, data: list[str], options: dict[str, Any], lesson: Any = None) -> Job:
    """Learns tags from a file, or the tokens and tags that were read from it; ``options`` are the encoding."""
    from throughtime.cli.conll import read_conll

    path = the_one(data)
    tokens, tags = lesson or read_conll(path, options["encoding"])

    def fit(resume: Resume | None) -> None:
        with data_of(path):
            check_several(itertools.chain(*tags), "the last word of the lines", "tag")
            model.fit(tokens, tags, resume=resume)

    return Job("tag", data, options, fit)


def _labels_in_words(model: SequenceClassifier | SequenceTagger) -> str:
    """Which labels were learned, and how well, beside a guess that does not look at the sequence."""
    loss, guess = model.validation_loss_, model.baseline_.in_words()
    if loss is not None:
        guess = f"on the part held out the loss is {loss:.4f}; there {guess}"
    return f"labels {_first(model.classes_.tolist())}; {guess}"


def _first(names: Sequence[Any]) -> str:
    """The first ten, and how many more there are."""
    more = [f"{len(names) - 10:,} more"] if len(names) > 10 else []
    return ", ".join([*map(short, names[:10]), *more])


@contextlib.contextmanager
def _warnings_of(path: Path) -> Iterator[None]:
    """Says warnings about the data of a file in a line each, with its name."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        complain(f"{str(path)!r}: {warning.message}")


def _lesson(
    path: Path,
    encoding: str,
    label: str,
    text: str | None,
    names: list[str] | None = None,
    learned: Any = None,
    *,
    shown: bool = True,
) -> tuple[list[str], Any, Any]:
    """The columns that are read, the sequences in them, and their labels.

    ``names`` and ``learned`` are the columns and labels of what was learned, where this is scored.
    """
    with bar(path, shown=shown) as tell:
        table = read_table(path, encoding, [label, text], tell)
    with data_of(path):
        labels = labels_of(table, label, learned)
        if names is None:
            names = [text] if text is not None else [name for name in table if name != label]
        return names, sequences_of(table, names, text=text is not None), labels


def labels_of(table: Columns, label: str, learned: Any = None) -> Any:
    """The column of labels: integers where all are whole numbers, else text; where some were ``learned``, as those.

    Raises
    ------
    DataError
        If one is missing, all to be learned are the same, or one is text where integers were learned.
    """
    values = texts_of(table, label, "label")
    if learned is None:
        check_several(values, f"column {label!r}", "label")
    other = next((row for row, value in enumerate(values) if not _WHOLE.fullmatch(value)), None)
    if learned is not None and learned.dtype.kind == "i" and other is not None:
        value = values[other]
        raise DataError(f"column {label!r}, row {other + 1}: {value!r} is no whole number, as all labels learned are")
    text = other is not None if learned is None else learned.dtype.kind != "i"
    room = Spill()
    arrays = map(np.array, values.blocks())
    return room.joined([room.keep(some if text else some.astype(np.int64)) for some in arrays])


def check_several(answers: Iterable[str], where: str, what: str) -> None:
    """Raises :class:`DataError` unless there are two different ones; ``where`` and ``what`` they are, for messages."""
    different = set(answers)
    if len(different) == 1:
        raise DataError(f"{where} holds one {what} only, {different.pop()!r}; at least two are needed")


def texts_of(table: Columns, name: str, what: str) -> Cells:
    """The cells of a column as text; ``what`` they are called in messages.

    Raises
    ------
    DataError
        If one is missing.
    """
    missing = np.flatnonzero(~are_there(table, name))
    if len(missing):
        raise DataError(
            f"column {name!r}, row {missing[0] + 1}: the {what} is missing{_of_all(missing)}; leave out rows "
            "without one"
        )
    found = Cells(Spill(), typed=True)
    for cells in blocks(column_of(table, name)):
        found.add([str(cell) for cell in cells])
    return found


def are_there(table: Columns, name: str) -> Any:
    """Which cells of a column hold any text, ``[N]``.

    Raises
    ------
    DataError
        If there is no such column.
    """
    cells = column_of(table, name)
    return np.fromiter((not (cell is None or cell != cell) and bool(str(cell).strip()) for cell in cells), bool)


def sequences_of(table: Columns, names: list[str], *, text: bool) -> Any:
    """The texts of one column, or the numbers of some: ``[N, T]``.

    Raises
    ------
    DataError
        If there is no such column, a cell is missing, or is no number.
    ParameterError
        If there is no column of numbers.
    """
    if text:
        return texts_of(table, names[0], "text")
    if not names:
        raise ParameterError("there is no column besides the label; name the one with the texts (--text)")
    room = Spill()
    columns = [_kept(table, name, room) for name in names]
    found = room.empty((len(columns[0]), len(columns)), np.float64)
    for rows in spans(len(found), AT_ONCE):
        for place, column in enumerate(columns):
            found[rows, place] = column[rows]
    return found


def _kept(table: Columns, name: str, room: Spill) -> Any:
    """The numbers of a column, where there is room for them."""
    found, given = numbers_of(table, name), column_of(table, name)
    return given if isinstance(given, np.ndarray) and given.dtype.kind in "biuf" else room.keep(found)


def numbers_of(table: Columns, name: str) -> Any:
    """The numbers of a column.

    Raises
    ------
    DataError
        If a cell is none, or one is missing.
    """
    from throughtime.series.tables import numbers

    found = numbers(column_of(table, name), name)
    missing = np.flatnonzero(np.isnan(found))
    if len(missing):
        raise DataError(
            f"column {name!r}, row {missing[0] + 1}: the number is missing{_of_all(missing)}; all rows have as many "
            "steps: fill it in or leave out the row; sequences of unequal lengths are for Python"
        )
    return found


def _of_all(missing: Any) -> str:
    """How many rows lack something, where it is not the one that was named alone."""
    return f" (so it is in {len(missing):,} rows)" if len(missing) > 1 else ""


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
