"""The options of the command line are the parameters of the table, by the same words."""

import inspect

import pytest
import typer
from typer.main import get_command

from throughtime import TextGenerator
from throughtime.cli.app import app
from throughtime.cli.options import PYTHON_ONLY, with_options
from throughtime.errors import ParameterError
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
            assert (found[name].opts, found[name].multiple, found[name].default) == (["--temperature"], True, (1.0,))
            assert found[name].help.startswith(parameter.meaning)
        else:
            assert f"--{name.replace('_', '-')}" in found[name].opts
            assert found[name].default == parameter.default
            left_out = "left out:" if parameter.default is None else "none:"
            assert found[name].help == parameter.meaning.replace("None:", left_out)


def test_train_has_every_parameter_of_the_estimator():
    assert set(TextGenerator.parameter_names()) - set(PYTHON_ONLY) <= set(options("train"))


@pytest.mark.parametrize("command", ["train", "sample", "demo"])
def test_seed_and_random_state_are_one(command):
    (option,) = (option for option in options(command).values() if "--seed" in option.opts)
    assert set(option.opts) == {"--seed", "--random-state"}


def test_a_switch_is_off_until_it_is_named():
    assert options("train")["residual"].opts == ["--residual"]
    assert options("train")["residual"].default is False


TABLE = {
    "size": Parameter(3, "how many", int),
    "bound": Parameter(5.0, "at most", float, optional=True),
    "least": Parameter(None, "at least", int, optional=True),
}


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
        ([], {}),
        (["--size", "4", "--bound", "0.5", "--least", "2"], {"size": 4, "bound": 0.5, "least": 2}),
        (["--bound", "none", "--least", "none"], {"bound": None}),
        (["--bound", "None"], {"bound": None}),
    ],
)
def test_values_arrive_as_they_are_meant(heard, given, expected):
    assert heard("x", *given) == {"name": "x", "size": 3, "bound": 5.0, "least": None, **expected}


@pytest.mark.parametrize(("option", "text"), [("bound", "much"), ("size", "none"), ("least", "1.5")])
def test_what_is_no_number_is_left_to_the_table_to_refuse(heard, option, text):
    value = heard("x", f"--{option}", text)[option]
    assert value == text
    with pytest.raises(ParameterError, match=f"{option} must be a.* got '{text}'"):
        TABLE[option].check(option, value)


def test_a_command_keeps_its_own_parameters():
    @with_options(TABLE)
    def command(name: str, **parameters):
        """Does something."""

    assert list(inspect.signature(command).parameters) == ["name", "size", "bound", "least"]
    assert command.__doc__ == "Does something."
