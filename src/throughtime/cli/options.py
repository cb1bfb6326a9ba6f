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


def _option(name: str, parameter: Parameter) -> inspect.Parameter:
    """``--random-state`` is ``--seed`` too; a switch is off until it is named; ``none`` is said for None."""
    flag = "--" + name.replace("_", "-")
    kind: Any = str if parameter.kind is object else parameter.kind
    names = [flag]
    more: dict[str, Any] = {}
    if name == "random_state":
        kind, names = int, ["--seed", flag]
    elif parameter.optional and parameter.default is not None:
        more = {"parser": functools.partial(_or_none, kind), "metavar": f"{kind.__name__.upper()}|none"}
    may_be_none = parameter.default is None
    option = typer.Option(*names, help=parameter.meaning, show_default=not may_be_none, **more)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=parameter.default,
        annotation=Annotated[kind | None if may_be_none else kind, option],
    )


def _or_none(kind: type, value: Any) -> Any:
    return None if str(value).lower() == "none" else kind(value)
