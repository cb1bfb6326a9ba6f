"""The options of the command line are the parameters of the table, by the same words."""

import inspect

import pytest
import typer
from typer.main import get_command

from throughtime import TextGenerator
from throughtime.cli.app import app
from throughtime.cli.options import PYTHON_ONLY, with_options
from throughtime.parameters import PARAMETERS, SAMPLING, Parameter


def options(command):
    return {option.name: option for option in get_command(app).commands[command].params}


@pytest.mark.parametrize(("command", "table"), [("train", PARAMETERS), ("sample", SAMPLING)])
def test_every_parameter_is_an_option_with_its_default_and_its_meaning(command, table):
    found = options(command)
    for name, parameter in table.items():
        if name in PYTHON_ONLY:
            assert name not in found
        elif name == "temperature":  # which may be given several times
            assert (found[name].opts, found[name].multiple, found[name].default) == (["--temperature"], True, None)
            assert found[name].help.startswith(parameter.meaning)
        else:
            assert f"--{name.replace('_', '-')}" in found[name].opts
            assert found[name].default == parameter.default
            assert found[name].help == parameter.meaning


def test_train_has_every_parameter_of_the_estimator():
    assert set(TextGenerator.parameter_names()) - set(PYTHON_ONLY) <= set(options("train"))


@pytest.mark.parametrize("command", ["train", "sample", "demo"])
def test_seed_and_random_state_are_one(command):
    (option,) = (option for option in options(command).values() if "--seed" in option.opts)
    assert set(option.opts) == {"--seed", "--random-state"}


def test_a_switch_is_off_until_it_is_named():
    assert options("train")["residual"].opts == ["--residual"]
    assert options("train")["residual"].default is False


TABLE = {"size": Parameter(3, "how many", int), "bound": Parameter(5.0, "at most", float, optional=True)}


@pytest.fixture
def heard(cli, monkeypatch):
    """What a command with the options of a table is called with."""
    small, calls = typer.Typer(), []

    @small.command()
    @with_options(TABLE)
    def command(name: str, **parameters):
        calls.append({"name": name, **parameters})

    def run(*arguments):
        from typer.testing import CliRunner

        result = CliRunner().invoke(small, list(arguments))
        return calls[-1] if result.exit_code == 0 else result

    return run


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], {"size": 3, "bound": 5.0}),
        (["--size", "4", "--bound", "0.5"], {"size": 4, "bound": 0.5}),
        (["--bound", "none"], {"size": 3, "bound": None}),
        (["--bound", "None"], {"size": 3, "bound": None}),
    ],
)
def test_values_arrive_as_they_are_meant(heard, given, expected):
    assert heard("x", *given) == {"name": "x", **expected}


def test_what_is_no_number_is_refused(heard):
    assert heard("x", "--bound", "much").exit_code == 2


def test_a_command_keeps_its_own_parameters():
    @with_options(TABLE)
    def command(name: str, **parameters):
        """Does something."""

    assert list(inspect.signature(command).parameters) == ["name", "size", "bound"]
    assert command.__doc__ == "Does something."
