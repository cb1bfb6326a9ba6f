"""The commands of text: learn to write, write, score."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from throughtime.cli.base import (
    Column,
    Encoding,
    Json,
    Lines,
    Model,
    Output,
    OwnCells,
    Quiet,
    Raw,
    Sentences,
    Texts,
    Unknown,
    answer,
    cell_of,
    check_model,
    command,
    complain,
    load_model,
    named_options,
)
from throughtime.cli.options import number, with_options
from throughtime.cli.report import in_words, training_report
from throughtime.cli.training import CheckpointEvery, Job, SaveError, learn
from throughtime.errors import OutputError, ParameterError
from throughtime.parameters import PARAMETERS, SAMPLING

if TYPE_CHECKING:
    from throughtime.text import Baseline, TextGenerator
    from throughtime.text.documents import Split
    from throughtime.training import Resume


def _sources(texts: list[str], encoding: str, level: str, cut: bool) -> list[Any]:
    from throughtime.text.decoding import decode

    def source(name: str) -> Any:
        if name != "-":
            return Path(name)
        data = sys.stdin.buffer.read()
        return data if level == "byte" else decode(data, "standard input", encoding, cut=cut)

    return [source(name) for name in texts]


def _split(lines: bool, sentences: bool) -> Split:
    if lines and sentences:
        raise ParameterError("--lines and --sentences exclude each other")
    return "lines" if lines else "sentences" if sentences else None


@command
@with_options(PARAMETERS)
def train(
    texts: Texts,
    output: Output,
    encoding: Encoding = "utf-8",
    lines: Lines = False,
    sentences: Sentences = False,
    column: Column = None,
    start: Annotated[
        Path | None,
        typer.Option("--from", metavar="MODEL", help="go on with what this model has learned (fine-tuning)"),
    ] = None,
    checkpoint_every: CheckpointEvery = "60s",
    save_error: SaveError = "go-on",
    as_json: Json = False,
    quiet: Quiet = False,
    *,
    context: typer.Context,
    **parameters: Any,
) -> None:
    """Learn to write from text. Several files, and the files of a folder, are separate documents."""
    check_model(output)
    target = output.resolve()
    sources = [Path(name).resolve() for name in texts if name != "-"]
    if target in sources or (target.exists() and any(target.is_relative_to(s) for s in sources)):
        raise OutputError(f"{str(output)!r} is one of the texts, which the model would overwrite; choose another name")
    split = _split(lines, sentences)
    parameters["cell"] = cell_of(parameters["cell"])
    model = _learner(start, parameters, named_options(context, parameters), verbose=0 if quiet else 1)
    given = job(model, texts, {"encoding": encoding, "split": split, "column": column})
    learn(model, output, given, every=checkpoint_every, on_error=save_error)
    report = training_report(model, output)
    answer(report, as_json, f"{output}: {in_words(report)}")


def job(model: TextGenerator, texts: list[str], options: dict[str, Any]) -> Job:
    """Learns to write; ``options`` are the encoding, how the text is split, and the column of tables."""
    cut = options["split"] is not None or options["column"] is not None

    def fit(resume: Resume | None) -> None:
        model.fit(_sources(texts, options["encoding"], model.level, cut), **options, resume=resume)

    return Job("train", texts, options, fit)


def _learner(start: Path | None, parameters: dict[str, Any], given: dict[str, Any], verbose: int) -> Any:
    """A new model, or an old one that is to go on with what was named on the command line and its own for the rest.

    Its learning rate is not kept: one that goes on takes smaller steps.
    """
    from throughtime.text import TextGenerator

    if start is None:
        return TextGenerator(**parameters, verbose=verbose)
    cell = given.get("cell")
    model = load_model(start, None, [] if cell is None or isinstance(cell, str) else [cell], kind="TextGenerator")
    durations = ("epochs", "max_steps", "minutes")
    if any(name in given for name in durations):
        given = {**dict.fromkeys(durations), **given}
    return model.set_params(**{"learning_rate": None, **given}, warm_start=True, verbose=verbose)


@command
@with_options({name: parameter for name, parameter in SAMPLING.items() if name != "temperature"})
def sample(
    model: Model,
    length: Annotated[int, typer.Option(help="how many new symbols; of documents, the most", **number(int))] = 500,
    prime: Annotated[str, typer.Option(help="what the text begins with")] = "",
    count: Annotated[int, typer.Option(help="how many texts", **number(int))] = 1,
    temperature: Annotated[
        list[float],
        typer.Option(help=f"{SAMPLING['temperature'].meaning}; several: texts for each", **number(float)),
    ] = (1.0,),  # type: ignore[assignment]
    stop: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help=r"end before this text, such as '\n'; may be given several times"),
    ] = None,
    ban: Annotated[
        list[str] | None,
        typer.Option(metavar="SYMBOL", help="never write it; may be given several times, characters as one string"),
    ] = None,
    bias: Annotated[
        list[str] | None, typer.Option(metavar="SYMBOL=NUMBER", help="nats that make it likelier or, below 0, less so")
    ] = None,
    rank: Annotated[bool, typer.Option("--rank", help="the texts with their likelihood, the likeliest first")] = False,
    beams: Annotated[
        int | None,
        typer.Option(help="beam search: the likeliest texts that this many beginnings lead to", **number(int)),
    ] = None,
    interactive: Annotated[
        bool, typer.Option("--interactive", "-i", help="type beginnings, see how they go on and what was likely")
    ] = False,
    seed: Annotated[
        int | None, typer.Option("--seed", "--random-state", help="the same seed, the same text", **number(int))
    ] = None,
    unknown: Unknown = "error",
    own: OwnCells = None,
    as_json: Json = False,
    raw: Raw = False,
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
    if interactive and prime:
        raise ParameterError("--interactive asks for beginnings, so that --prime has no meaning; leave it out")
    given = named_options(context, {"temperature": list(temperature), **choices})
    if choices["greedy"] and beams is None:
        _check_greedy([*(["count"] if count != 1 else []), *given])
    if len(temperature) > 1 and (rank or beams is not None or interactive):
        raise ParameterError("several temperatures are for samples; with --rank, --beams and --interactive give one")
    generator = load_model(model, own, kind="TextGenerator")
    start = os.fsencode(prime) if generator.level == "byte" else prime
    stops = [view.unescaped(text) for text in stop or []]
    fixed: dict[str, Any] = {"stop": stops, "unknown": unknown}
    if beams is not None:
        ways = given if seed is None else {**given, "random_state": seed}
        ways = view.choices_of(generator, ban or [], bias or [], ways)
        view.ranked(generator, generator.beam_search(length, start, beams=beams, **fixed, **ways), prime, as_json, raw)
        return
    options = {**fixed, "random_state": seed, **view.choices_of(generator, ban or [], bias or [], choices)}
    one = options | {"temperature": temperature[0]}
    if interactive:
        view.converse(generator, length, one, raw)
    elif rank:
        view.ranked(generator, generator.candidates(count, length, start, **one), prime, as_json, raw)
    elif count != 1 or len(temperature) > 1:
        view.samples(generator, count, length, start, temperature, options, before=prime, as_json=as_json, raw=raw)
    elif as_json:
        view.stream_as_json(generator, length, start, one, prime)
    else:
        view.stream(generator, length, start, one, prime, raw)


def _check_greedy(given: Iterable[str]) -> None:
    """Raises :class:`ParameterError` where an option is given that draws among symbols."""
    for name in given:
        if name not in ("greedy", "repetition_penalty"):
            flag = "--" + name.replace("_", "-")
            raise ParameterError(
                f"--greedy always takes the likeliest symbol, so that {flag} has no meaning; leave it out"
            )


@command
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

    generator = load_model(model, own, kind="TextGenerator")
    split = _split(lines, sentences)
    cut: dict[str, Any] = {"encoding": encoding, "split": split, "column": column}
    sources = _sources(texts, encoding, generator.level, cut=split is not None or column is not None)
    score = generator.evaluate(sources, unknown=unknown, **cut)
    counted = _counted(generator, baseline, sources, unknown, cut) if baseline else None
    scored = {Path(name).resolve() for name in texts if name != "-"}
    for path in baseline or []:
        if path.resolve() in scored:
            complain(f"{path} is both counted and scored, so that the n-gram model expects it too well")
    answer(evaluation_report(score, counted), as_json, evaluation_in_words(score, counted))


def _counted(
    model: TextGenerator, texts: list[Path], sources: list[Any], unknown: Any, cut: dict[str, Any]
) -> Baseline:
    """The n-gram model of these texts that expects the scored ones best."""
    from throughtime.text import Baseline, NGram
    from throughtime.text.witten_bell import MOST_ORDER

    ngram = NGram(MOST_ORDER, level=model.level).fit(texts, vocabulary=model.vocabulary_, **cut)
    losses = ngram.losses(sources, unknown=unknown, **cut)
    return Baseline(1 + losses.index(min(losses)), min(losses), ngram.counted_)
