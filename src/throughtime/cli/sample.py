"""Text that a model writes: one stream, several samples, candidates in order, or a conversation."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from throughtime.cli.base import complain, print_json
from throughtime.cli.terminal import shown
from throughtime.errors import ParameterError, short

if TYPE_CHECKING:
    from throughtime.text import Candidate, TextGenerator

NEXT_SHOWN = 5
"""Symbols whose probability is shown in a conversation."""


def unescaped(text: str) -> str:
    r"""What a shell cannot easily say: ``\n`` is a line break, ``\t`` a tab, ``\\`` a backslash."""
    parts = text.split("\\\\")
    return "\\".join(part.replace("\\n", "\n").replace("\\t", "\t") for part in parts)


def choices_of(
    model: TextGenerator, ban: Sequence[str], bias: Sequence[str], choices: Mapping[str, Any]
) -> dict[str, Any]:
    """Ways to choose as the library takes them.

    Raises
    ------
    ParameterError
        If a bias is not of the form SYMBOL=NUMBER, or a ban names nothing.
    """
    from throughtime.text.vocabularies import END

    def named(symbol: str) -> Any:
        """A byte of the command line need be no text."""
        return os.fsencode(symbol) if model.level == "byte" and symbol != END else symbol

    found: dict[str, float] = {}
    for pair in bias:
        symbol, _, number = pair.rpartition("=")
        try:
            found[unescaped(symbol)] = float(number)
        except ValueError:
            symbol = ""
        if not symbol:
            raise ParameterError(f"--bias takes SYMBOL=NUMBER, such as e=-2, got {pair!r}")
    if "" in ban:
        raise ParameterError("--ban takes a symbol, such as e, got ''")
    banned: list[Any] = [unescaped(symbol) for symbol in ban]
    if model.level in ("char", "byte"):  # each of several symbols may be named
        banned = [one for symbol in banned for one in ([END] if symbol == END else named(symbol))]
    return {**choices, "ban": banned, "bias": {named(symbol): value for symbol, value in found.items()}}


def stream(model: TextGenerator, length: int, prime: Any, options: Mapping[str, Any], before: str, raw: bool) -> None:
    """Prints a text as it is written."""
    pieces = model.stream(length, prime, **options)
    sys.stdout.write(shown(before, raw=raw))
    for piece in pieces:
        sys.stdout.write(shown(piece, raw=raw))
        sys.stdout.flush()
    sys.stdout.write("\n")


def stream_as_json(model: TextGenerator, length: int, prime: Any, options: Mapping[str, Any], before: str) -> None:
    """Prints one text as an object."""
    began = time.perf_counter()
    text = model.generate(length, prime, **options)
    seconds = time.perf_counter() - began
    written = len(model.vocabulary_.encode(text, unknown="skip"))
    print_json({"text": before + text, "seconds": round(seconds, 4), "symbols_per_second": round(written / seconds, 1)})


def samples(
    model: TextGenerator,
    count: int,
    length: int,
    prime: Any,
    temperatures: Sequence[float],
    options: Mapping[str, Any],
    *,
    before: str,
    as_json: bool,
    raw: bool,
) -> None:
    """Prints ``count`` texts for each temperature, and how many of them are copies of what was learned."""
    found = [
        (temperature, before + text)
        for temperature in dict.fromkeys(temperatures)
        for text in model.generate_many(count, length, prime, temperature=temperature, **options)
    ]
    copies = _copies(model, [text for _, text in found])
    if as_json:
        rows = [
            {"text": text, "temperature": temperature, "copy": copy}
            for (temperature, text), copy in zip(found, copies, strict=True)
        ]
        _print_rows("samples", rows)
        return
    for temperature in dict.fromkeys(temperatures):
        if len(temperatures) > 1:
            typer.echo(f"--- temperature {temperature:g}")
        _print_texts([text for of, text in found if of == temperature], raw)
    _tell_copies(copies)


def _copies(model: TextGenerator, texts: Sequence[str]) -> Sequence[bool | None]:
    """Which texts are copies of documents that the model was given, None of each where it does not know."""
    return [None] * len(texts) if model.fitted_.documents is None else model.copies(texts)


def _tell_copies(copies: Sequence[bool | None]) -> None:
    known = [copy for copy in copies if copy is not None]
    if known:
        of_them = f"{sum(known)} of {len(known)}"
        complain(f"{of_them} are copies of documents that the model was given ({sum(known) / len(known):.0%})")


def _print_rows(name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """The texts as an object, and how many are copies."""
    known = [row["copy"] for row in rows if row["copy"] is not None]
    print_json({name: rows, "copies": sum(known) if known else None})


def _print_texts(texts: Sequence[str], raw: bool) -> None:
    """One a line; texts of several lines stand apart."""
    between = "\n\n" if any("\n" in text for text in texts) else "\n"
    typer.echo(between.join(shown(text, raw=raw) for text in texts), color=True)


def ranked(model: TextGenerator, candidates: Sequence[Candidate], before: str, as_json: bool, raw: bool) -> None:
    """Prints texts with their likelihood, the likeliest first, and how many are copies of what was learned."""
    copies = _copies(model, [before + found.text for found in candidates])
    if as_json:
        rows = [
            {"text": before + found.text, "log_likelihood": found.log_likelihood, "loss": found.loss, "copy": copy}
            for found, copy in zip(candidates, copies, strict=True)
        ]
        _print_rows("candidates", rows)
        return
    for found in candidates:
        text = shown(before + found.text, raw=raw)
        typer.echo(f"{found.loss:7.3f} nats per symbol{chr(10) if chr(10) in text else '  '}{text}", color=True)
    _tell_copies(copies)


def converse(model: TextGenerator, length: int, options: Mapping[str, Any], raw: bool) -> None:
    """Reads beginnings, line by line, and shows how each goes on, and how likely the first symbols were."""
    from throughtime.errors import InputError

    typer.echo("Type a beginning; an empty line starts from nothing, the end of input (Ctrl-D) ends.", err=True)
    while True:
        typer.echo("> ", nl=False, err=True)
        line = sys.stdin.readline()
        if not line:
            typer.echo("", err=True)
            return
        prime = line.rstrip("\n")
        try:
            if options["unknown"] == "error":
                model.vocabulary_.check_known(prime, "the beginning")
            typer.echo(shown(prime + model.generate(length, prime, **options), raw=raw), color=True)
            if prime.strip():
                p = model.predict_proba(prime, unknown=options["unknown"])[-1]
                best = p.argsort()[::-1][:NEXT_SHOWN]
                likely = ", ".join(f"{short(model.classes_[i])} {p[i]:.0%}" for i in best)
                typer.echo(f"  next: {likely}", err=True)
        except InputError as error:  # another beginning may do
            complain(f"{type(error).__name__}: {error}")
