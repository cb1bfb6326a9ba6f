import sys

import pytest
from tests.trained import TEXT, fitted
from typer import rich_utils
from typer.testing import CliRunner

from throughtime import cells
from throughtime.cli.app import app
from throughtime.engine.compiled import library
from throughtime.optimizers import RULES

SMALL = [
    *("--hidden-size", "8", "--embedding-size", "0", "--dropout", "0", "--seq-len", "16", "--max-steps", "20"),
    *("--learning-rate", "0.02", "--seed", "1"),
]
"""The options of tests.trained.small."""


@pytest.fixture
def cli(tmp_path, monkeypatch):
    """Runs a command in an empty folder; an unexpected error is raised."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(rich_utils, "FORCE_TERMINAL", None)  # a build server may ask for colours
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments, stdin=None):
        return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)

    return run


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "trained.safetensors"
    fitted().save(path)
    return path


@pytest.fixture(scope="session", autouse=True)
def compiled():
    """What is compiled is said on standard error: let it be said before these tests look there."""
    library.common()
    for name in cells.names():
        library.of_cell(cells.get(name))
    for rule in RULES.values():
        library.of_rule(rule())
