"""The commands. Each is a thin view: it reads its arguments, calls the library, and prints."""

from __future__ import annotations

import functools
import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from throughtime.cli.options import with_options
from throughtime.cli.report import baseline_report, in_words, training_report
from throughtime.errors import ModelFileError, NonFiniteLoss, OutputError, ParameterError, ThroughtimeError
from throughtime.parameters import PARAMETERS, SAMPLING

if TYPE_CHECKING:
    from throughtime.cells import Cell
    from throughtime.text import Baseline, TextGenerator
    from throughtime.text.documents import Split

app = typer.Typer(
    name="throughtime",
    help="Recurrent neural networks, from the equations up.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

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
OwnCells = Annotated[
    list[str] | None,
    typer.Option("--cell", metavar="MODULE:NAME", help="a cell of your own that the model was made with"),
]

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


def _command(function: Callable[..., Any]) -> Callable[..., Any]:
    """Turns errors into one line on standard error and an exit code."""

    @functools.wraps(function)
    def wrapped(**arguments: Any) -> None:
        try:
            function(**arguments)
        except typer.Exit:
            raise
        except KeyboardInterrupt:
            _complain("interrupted")
            raise typer.Exit(130) from None
        except BrokenPipeError:  # the reader of our output, such as head, has seen enough
            sys.stderr.close()
            raise typer.Exit(0) from None
        except Exception as error:
            if _state["debug"]:
                raise
            if isinstance(error, ThroughtimeError):
                _complain(f"{type(error).__name__}: {error}")
                raise typer.Exit(error.exit_code) from None
            _complain(
                f"unexpected {type(error).__name__}: {error}; `throughtime --debug ...` shows where, please report it"
            )
            raise typer.Exit(1) from None

    return app.command()(wrapped)


def _complain(message: str) -> None:
    typer.echo(message, err=True)


def _answer(result: dict[str, Any], as_json: bool, text: str) -> None:
    """The result, as JSON or for people."""
    typer.echo(json.dumps(result, allow_nan=False) if as_json else text)


def _sources(texts: list[str], encoding: str, level: str) -> list[Any]:
    from throughtime.text.reading import decode

    def source(name: str) -> Any:
        if name != "-":
            return Path(name)
        data = sys.stdin.buffer.read()
        return data if level == "byte" else decode(data, "standard input", encoding)

    return [source(name) for name in texts]


def _cell(name: str) -> str | Cell:
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


def _split(lines: bool, sentences: bool) -> Split:
    if lines and sentences:
        raise ParameterError("--lines and --sentences exclude each other")
    return "lines" if lines else "sentences" if sentences else None


def _load(model: Path, own: list[str] | None, given: Sequence[Cell] = ()) -> TextGenerator:
    from throughtime import load
    from throughtime.text import TextGenerator

    found: list[str | Cell] = [*given, *(_cell(name) for name in own or [])]
    for cell in found:
        if isinstance(cell, str):
            raise ParameterError(f"--cell takes MODULE:NAME, such as mycells:MINE, got {cell!r}")
    opened = load(model, cells=[cell for cell in found if not isinstance(cell, str)])
    if not isinstance(opened, TextGenerator):
        kind = type(opened).__name__
        raise ModelFileError(f"{str(model)!r} holds a {kind}; here a TextGenerator is needed: use throughtime.load")
    return opened


@_command
@with_options(PARAMETERS)
def train(
    texts: Texts,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="MODEL", help="the model file to write")],
    encoding: Encoding = "utf-8",
    lines: Lines = False,
    sentences: Sentences = False,
    column: Column = None,
    start: Annotated[
        Path | None,
        typer.Option("--from", metavar="MODEL", help="go on with what this model has learned (fine-tuning)"),
    ] = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="show no progress")] = False,
    *,
    context: typer.Context,
    **parameters: Any,
) -> None:
    """Learn to write from text. Several files, and the files of a folder, are separate documents."""
    from throughtime.files import check_output

    check_output(output)
    target = output.resolve()
    sources = [Path(name).resolve() for name in texts if name != "-"]
    if target in sources or (target.exists() and any(target.is_relative_to(s) for s in sources)):
        raise OutputError(f"{str(output)!r} is one of the texts, which the model would overwrite; choose another name")
    split = _split(lines, sentences)
    parameters["cell"] = _cell(parameters["cell"])
    model = _learner(start, parameters, _named(context, parameters), verbose=0 if quiet else 1)
    try:
        model.fit(_sources(texts, encoding, model.level), encoding=encoding, split=split, column=column)
    except (NonFiniteLoss, KeyboardInterrupt):
        if hasattr(model, "training_"):
            model.save(output)
            _complain(f"the last good weights are in {output}")
        raise
    model.save(output)
    report = training_report(model, output)
    _answer(report, as_json, f"{output}: {in_words(report)}")


def _named(context: typer.Context, options: dict[str, Any]) -> dict[str, Any]:
    """Those of the options that stand on the command line."""
    return {
        name: value
        for name, value in options.items()
        if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
    }


def _learner(start: Path | None, parameters: dict[str, Any], given: dict[str, Any], verbose: int) -> TextGenerator:
    """A new model, or an old one that is to go on with what was named on the command line and its own for the rest."""
    from throughtime.text import TextGenerator

    if start is None:
        return TextGenerator(**parameters, verbose=verbose)
    cell = given.get("cell")
    model = _load(start, None, [] if cell is None or isinstance(cell, str) else [cell])
    durations = ("epochs", "max_steps", "minutes")
    if any(name in given for name in durations):
        given = {**dict.fromkeys(durations), **given}
    return model.set_params(**given, warm_start=True, verbose=verbose)


@_command
@with_options({name: parameter for name, parameter in SAMPLING.items() if name != "temperature"})
def sample(
    model: Model,
    length: Annotated[int, typer.Option(help="how many new symbols; of documents, the most")] = 500,
    prime: Annotated[str, typer.Option(help="what the text begins with")] = "",
    count: Annotated[int, typer.Option(help="how many texts")] = 1,
    temperature: Annotated[
        list[float] | None,
        typer.Option(help=f"{SAMPLING['temperature'].meaning}; several: texts for each", show_default="1.0"),
    ] = None,
    stop: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help=r"end before this text, such as '\n'; may be given several times"),
    ] = None,
    ban: Annotated[
        list[str] | None, typer.Option(metavar="SYMBOL", help="never write it; may be given several times")
    ] = None,
    bias: Annotated[
        list[str] | None, typer.Option(metavar="SYMBOL=NUMBER", help="nats that make it likelier or, below 0, less so")
    ] = None,
    rank: Annotated[bool, typer.Option("--rank", help="the texts with their likelihood, the likeliest first")] = False,
    beams: Annotated[
        int | None, typer.Option(help="beam search: the likeliest texts that this many beginnings lead to")
    ] = None,
    interactive: Annotated[
        bool, typer.Option("--interactive", "-i", help="type beginnings, see how they go on and what was likely")
    ] = False,
    seed: Annotated[int | None, typer.Option("--seed", "--random-state", help="the same seed, the same text")] = None,
    unknown: Unknown = "error",
    own: OwnCells = None,
    as_json: Json = False,
    *,
    context: typer.Context,
    **choices: Any,
) -> None:
    """Write text with a model."""
    from throughtime.cli import sample as view

    if sum([rank, beams is not None, interactive]) > 1:
        raise ParameterError("--rank, --beams and --interactive exclude each other")
    if (interactive and (as_json or count != 1)) or (beams is not None and count != 1):
        raise ParameterError("--count is not for --beams, and neither --count nor --json is for --interactive")
    temperatures = temperature or [1.0]
    if len(temperatures) > 1 and (rank or beams is not None or interactive):
        raise ParameterError("several temperatures are for samples; with --rank, --beams and --interactive give one")
    generator = _load(model, own)
    start = os.fsencode(prime) if generator.level == "byte" else prime
    stops = [view.unescaped(text) for text in stop or []]
    fixed: dict[str, Any] = {"stop": stops, "unknown": unknown}
    if beams is not None:
        ways = _named(context, choices) | ({"temperature": temperatures[0]} if temperature else {})
        ways = view.choices_of(generator, ban or [], bias or [], ways)
        view.ranked(generator.beam_search(length, start, beams=beams, **fixed, **ways), prime, as_json)
        return
    options = {**fixed, "random_state": seed, **view.choices_of(generator, ban or [], bias or [], choices)}
    one = options | {"temperature": temperatures[0]}
    if interactive:
        view.converse(generator, length, one)
    elif rank:
        view.ranked(generator.candidates(count, length, start, **one), prime, as_json)
    elif count != 1 or len(temperatures) > 1:
        view.samples(generator, count, length, start, temperatures, options, shown=prime, as_json=as_json)
    elif as_json:
        view.stream_as_json(generator, length, start, one, prime)
    else:
        view.stream(generator, length, start, one, prime)


@_command
def evaluate(
    model: Model,
    texts: Texts,
    encoding: Encoding = "utf-8",
    lines: Lines = False,
    sentences: Sentences = False,
    column: Column = None,
    baseline: Annotated[
        list[Path] | None,
        typer.Option(metavar="TEXT", help="the text that the model learned from: what counting in it comes to"),
    ] = None,
    unknown: Unknown = "error",
    own: OwnCells = None,
    as_json: Json = False,
) -> None:
    """Score how well a model expects a text."""
    from throughtime.cli.report import evaluation_in_words, evaluation_report

    generator = _load(model, own)
    cut: dict[str, Any] = {"encoding": encoding, "split": _split(lines, sentences), "column": column}
    sources = _sources(texts, encoding, generator.level)
    score = generator.evaluate(sources, unknown=unknown, **cut)
    counted = _counted(generator, baseline, sources, unknown, cut) if baseline else None
    _answer(evaluation_report(score, counted), as_json, evaluation_in_words(score, counted))


def _counted(
    model: TextGenerator, texts: list[Path], sources: list[Any], unknown: Any, cut: dict[str, Any]
) -> Baseline:
    """The n-gram model of these texts that expects the scored ones best."""
    from throughtime.text import Baseline, NGram
    from throughtime.text.witten_bell import MOST_ORDER

    ngram = NGram(MOST_ORDER, level=model.level).fit(texts, vocabulary=model.vocabulary_, **cut)
    losses = ngram.losses(sources, unknown=unknown, **cut)
    return Baseline(1 + losses.index(min(losses)), min(losses))


@_command
def info(model: Model, own: OwnCells = None, as_json: Json = False) -> None:
    """Say what is in a model file."""
    generator = _load(model, own)
    summary = generator.network_.summary(seq_len=generator.seq_len, batch_size=generator.batch_size or 16)
    history = generator.history_
    result = {
        "kind": type(generator).__name__,
        "level": generator.level,
        "symbols": len(generator.vocabulary_),
        "parameters": summary.parameters,
        "layers": [row.layer for row in summary.layers],
        "steps": len(history.loss),
        "train_loss": history.train_loss if history.loss else None,
        "validation_loss": generator.validation_loss_,
        **baseline_report(generator.baseline_),
    }
    losses = f"trained {len(history.loss):,} steps, training loss {history.train_loss:.3f} nats per symbol"
    if generator.validation_loss_ is not None:
        losses += f", validation {generator.validation_loss_:.3f}"
    if generator.baseline_ is not None:
        losses += f"; {generator.baseline_.in_words()}"
    title = f"{result['kind']}, {result['symbols']} symbols ({generator.level})"
    _answer(result, as_json, f"{title}\n{summary}\n{losses}")


@_command
def cells(name: Annotated[str | None, typer.Argument(help="show this cell's equations")] = None) -> None:
    """List the recurrent units, or show the equations of one."""
    from throughtime import cells as registry

    if name is not None:
        cell = registry.get(_cell(name))
        typer.echo((sys.modules[cell.step.__module__].__doc__ or "").strip())
        return
    for known in registry.names():
        cell = registry.get(known)
        typer.echo(f"{known:<16}gates {', '.join(cell.gates):<40} states {', '.join(cell.states)}")


@_command
def bench(
    quick: Annotated[bool, typer.Option("--quick", help="a few small rows, in less than a minute")] = False,
    everything: Annotated[bool, typer.Option("--all", help="every row, which takes a quarter of an hour")] = False,
    only: Annotated[str, typer.Option(metavar="TEXT", help="rows whose name contains it")] = "",
    of_cells: Annotated[
        list[str] | None, typer.Option("--cell", metavar="NAME", help="rows of this cell; may be given several times")
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(help="how often each has its turn; 3, 5 or 7 where it is not said")
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


@_command
def demo(
    to: Annotated[Path, typer.Option(help="the folder to write into")] = Path("throughtime-demo"),
    minutes: Annotated[float, typer.Option(help="time to train")] = 1.0,
    seed: Annotated[int, typer.Option("--seed", "--random-state")] = 1,
    as_json: Json = False,
) -> None:
    """Watch a network learn to write from the Python language reference."""
    from throughtime.cli.demo import run

    run(to, minutes, seed, as_json)
