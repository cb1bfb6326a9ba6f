"""What all commands share: the program, errors in one line, and options that come back again and again."""

from __future__ import annotations

import contextlib
import errno
import functools
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from throughtime.cli.signals import break_off, handled, number_of
from throughtime.cli.signals import told as told_of
from throughtime.cli.terminal import shown
from throughtime.errors import DataError, OutputError, ParameterError, ThroughtimeError

if TYPE_CHECKING:
    from throughtime.cells import Cell

app = typer.Typer(
    name="throughtime",
    help="Recurrent neural networks, from the equations up.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Raw = Annotated[
    bool,
    typer.Option("--raw", help="send control characters to the terminal too, which obeys them; files get them always"),
]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object as the last line")]
Unknown = Annotated[Literal["error", "skip"], typer.Option(help="what is done with symbols that the model never saw")]
Encoding = Annotated[str, typer.Option(help="of text files")]
Texts = Annotated[list[str], typer.Argument(metavar="TEXT", help="files and folders of text; - is standard input")]
Lines = Annotated[bool, typer.Option("--lines", help="each line is a document: names, titles, messages")]
Sentences = Annotated[bool, typer.Option("--sentences", help="each sentence is a document")]
Column = Annotated[
    str | None, typer.Option(metavar="NAME", help="the texts are tables in CSV; each cell of this column is a document")
]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="a model file")]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="MODEL", help="the model file to write")]
Table = Annotated[Path, typer.Argument(metavar="TABLE", help="a table in CSV, TSV, JSON lines or Parquet")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="show no progress")]
OwnCells = Annotated[
    list[str] | None,
    typer.Option("--cell", metavar="MODULE:NAME", help="a cell of your own that the model was made with"),
]

FOREIGN = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".h5", ".keras", ".onnx", ".npz")
"""Endings of what a model file is not."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What an error is called where there is no room."""

_state = {"debug": False}


@app.callback(invoke_without_command=True)
def _common(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="show tracebacks")] = False,
    version: Annotated[bool, typer.Option("--version", help="say which version this is")] = False,
) -> None:
    _state["debug"] = debug
    if version:
        from throughtime import __version__

        typer.echo(f"throughtime {__version__}")
        raise typer.Exit


def command(function: Callable[..., Any]) -> Callable[..., Any]:
    """Turns errors into one line on standard error and an exit code."""

    @functools.wraps(function)
    def wrapped(**arguments: Any) -> None:
        _carry_out(function, arguments)

    return app.command()(wrapped)


def _carry_out(function: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    try:
        with handled(break_off):
            function(**arguments)
            sys.stdout.flush()
    except typer.Exit:
        raise
    except KeyboardInterrupt as error:
        number = number_of(error)
        typer.echo(told_of(number), err=True, color=True)
        raise typer.Exit(128 + number) from None
    except BrokenPipeError:  # the reader of our output, such as head, has seen enough
        sys.stderr.close()
        raise typer.Exit(0) from None
    except Exception as error:
        if _state["debug"]:
            raise
        if isinstance(error, OSError) and error.errno in FULL:  # of standard output; all else is told as OutputError
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 (it takes its place to the end)
            error = OutputError(f"the answer could not be written: {error.strerror}; make room for it")
        if isinstance(error, ThroughtimeError):
            complain(f"{type(error).__name__}: {error}")
            raise typer.Exit(error.exit_code) from None
        complain(f"unexpected {type(error).__name__}: {error}; `throughtime --debug ...` shows where, please report it")
        raise typer.Exit(1) from None


def check_apart(written: Sequence[Path | None], read: Sequence[Path | None]) -> None:
    """Raises :class:`OutputError` where a file would be written over one that is read, or over another result."""
    places = [path.resolve() for path in (*read, *written) if path is not None]
    twice = [path for path in written if path is not None and places.count(path.resolve()) > 1]
    if twice:
        raise OutputError(f"{str(twice[0])!r} is named twice, and would be written over; choose another name")


def check_model(path: Path) -> None:
    """Raises :class:`OutputError` unless a model can be written there; to be asked before a training.

    Any name will do, but for the endings of tables and of other libraries' models, as whom nobody could read it.
    """
    from throughtime.disk import check_output
    from throughtime.tables.reading import TABLES

    if path.suffix.lower() in (*FOREIGN, *TABLES):
        name = path.with_suffix(".safetensors").name
        raise OutputError(
            f"{path.name!r} would hold a model, which is written as safetensors; choose a name as {name!r}"
        )
    check_output(path)


@contextlib.contextmanager
def data_of(path: Path) -> Iterator[None]:
    """Names the file in the message where its data cannot be used."""
    try:
        yield
    except DataError as error:
        raise type(error)(f"{str(path)!r}: {error}") from error


def complain(message: str) -> None:
    """A line on standard error."""
    typer.echo(shown(message, sys.stderr), err=True, color=True)


def answer(result: dict[str, Any], as_json: bool, text: str, *, raw: bool = False) -> None:
    """The result, as JSON or for people."""
    if as_json:
        print_json(result)
    else:
        typer.echo(shown(text, raw=raw), color=True)


def print_json(result: Mapping[str, Any]) -> None:
    """The result as one line of JSON."""
    typer.echo(json.dumps(result, allow_nan=False))


def cell_of(name: str) -> str | Cell:
    """A cell by its name, or by ``module:NAME`` from the working folder or an installed package."""
    if ":" not in name:
        return name
    from throughtime.cells import Cell

    module, _, attribute = name.partition(":")
    sys.path.insert(0, "")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # whatever the user's module raises
        raise ParameterError(f"the cell {name!r} cannot be imported: {type(error).__name__}: {error}") from error
    if not isinstance(found, Cell):
        raise ParameterError(f"{name!r} must be a throughtime.Cell, got {type(found).__name__}")
    return found


def load_model(model: Path, own: list[str] | None, given: Sequence[Cell] = (), *, kind: str | None = None) -> Any:
    """The model in a file, of this kind where one is named; ``own`` and ``given`` are cells that it may need."""
    from throughtime import load

    found: list[str | Cell] = [*given, *(cell_of(name) for name in own or [])]
    for cell in found:
        if isinstance(cell, str):
            raise ParameterError(f"--cell takes MODULE:NAME, such as mycells:MINE, got {cell!r}")
    loaded = load(model, cells=[cell for cell in found if not isinstance(cell, str)])
    if kind is not None and type(loaded).__name__ != kind:
        raise ParameterError(
            f"{str(model)!r} holds a {type(loaded).__name__}, and this command is for a {kind}; "
            "`throughtime predict` is for yours"
        )
    return loaded


def named_options(context: typer.Context, options: dict[str, Any]) -> dict[str, Any]:
    """Those of the options that stand on the command line."""
    return {
        name: value
        for name, value in options.items()
        if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
    }
