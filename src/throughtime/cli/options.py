"""Command-line options made from the tables of parameters, so that both have the same words."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from throughtime.parameters import Parameter

PYTHON_ONLY = ("callbacks", "verbose", "warm_start")
"""Parameters that make sense in Python only."""

Command = Callable[..., Any]


def with_options(table: Mapping[str, Parameter]) -> Callable[[Command], Command]:
    """Gives a command that takes ``**parameters`` the options of a table, where typer will see them."""

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def wrapped(**arguments: Any) -> Any:
            return command(**arguments)

        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        both = [*own, *(_option(name, p) for name, p in table.items() if name not in PYTHON_ONLY)]
        wrapped.__signature__ = inspect.Signature(both)  # type: ignore[attr-defined]
        wrapped.__annotations__ = {parameter.name: parameter.annotation for parameter in both}
        return wrapped

    return decorate


def number(kind: type, *, optional: bool = False) -> dict[str, Any]:
    """How an option reads a number: what is none stays text, which the library refuses in its own words."""

    def read(text: Any) -> Any:
        if optional and str(text).lower() == "none":
            return None
        try:
            return kind(text)
        except ValueError:
            return text

    metavar = kind.__name__.upper()
    return {"parser": read, "metavar": f"{metavar}|none" if optional else metavar}


def check_count(name: str, value: Any, low: int) -> None:
    """Raises :class:`ParameterError` unless an option is an integer of at least ``low``."""
    Parameter(None, "", int, low=low).check(name, value)


def _option(name: str, parameter: Parameter) -> inspect.Parameter:
    """``--random-state`` is ``--seed`` too; a switch is off until it is named; ``none`` is said for None."""
    flag = "--" + name.replace("_", "-")
    kind: Any = str if parameter.kind is object else parameter.kind
    names = [flag]
    if name == "random_state":
        kind, names = int, ["--seed", flag]
    may_be_none = parameter.default is None
    more = number(kind, optional=parameter.optional or may_be_none) if kind in (int, float) else {}
    meaning = parameter.meaning.replace("None:", "left out:" if may_be_none else "none:")
    option = typer.Option(*names, help=meaning, show_default=not may_be_none, **more)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=parameter.default,
        annotation=Annotated[kind | None if may_be_none else kind, option],
    )
