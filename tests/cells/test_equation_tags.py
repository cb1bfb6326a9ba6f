"""The equations in a docstring, in ``step`` and in ``step_back`` are the same ones: their tags are compared."""

from __future__ import annotations

import ast
import inspect
import io
import re
import tokenize
from pathlib import Path

import pytest

from throughtime import cells
from throughtime.cells import gru
from throughtime.optimizers import RULES

TAG = re.compile(r"\b[A-Z]+-\d+\b")


def stated(source):
    """The tags that open a line of the docstring, in order: each is one equation."""
    return re.findall(r"^\s*([A-Z]+-\d+)\b", ast.get_docstring(ast.parse(source)), re.MULTILINE)


def used(source, *functions):
    """The tags in the comments of all functions of these names, wherever they stand in the file."""
    spans = [
        range(node.lineno, node.end_lineno + 1)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.name in functions
    ]
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        tag
        for token in tokens
        if token.type == tokenize.COMMENT and any(token.start[0] in span for span in spans)
        for tag in TAG.findall(token.string)
    }


def faults(source, *functions):
    """What is wrong with the tags of a file: a line for each function."""
    wanted = set(stated(source))
    found = {name: used(source, name) for name in functions}
    return [f"{name}: {sorted(tags ^ wanted)}" for name, tags in found.items() if tags != wanted]


def file_of(function):
    return inspect.getsourcefile(inspect.unwrap(function))


CELL_FILES = sorted({file_of(cells.get(name).step) for name in cells.names()})
RULE_FILES = sorted({file_of(make().step) for make in RULES.values()})


def name_of(file):
    return Path(file).stem


@pytest.mark.parametrize("file", CELL_FILES, ids=name_of)
def test_a_cell_and_its_way_back_carry_the_tags_of_its_docstring(file):
    assert not faults(Path(file).read_text(encoding="utf-8"), "step", "step_back")


@pytest.mark.parametrize("file", RULE_FILES, ids=name_of)
def test_a_rule_carries_the_tags_of_its_docstring(file):
    source = Path(file).read_text(encoding="utf-8")
    assert used(source, "step", "_step") == set(stated(source))


@pytest.mark.parametrize("file", CELL_FILES + RULE_FILES, ids=name_of)
def test_tags_are_numbered_from_one_and_stated_once(file):
    tags = stated(Path(file).read_text(encoding="utf-8"))
    assert tags
    for name in {tag.partition("-")[0] for tag in tags}:
        numbers = [int(tag.partition("-")[2]) for tag in tags if tag.startswith(f"{name}-")]
        assert numbers == list(range(1, len(numbers) + 1))


GRU = inspect.getsource(gru)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("d_z * z * (1 - z)  # GRU-2", "d_z * z * (1 - z)", "step_back: ['GRU-2']"),
        ("z = sigmoid(a_z)  # GRU-2", "z = sigmoid(a_z)", "step: ['GRU-2']"),
        ("# GRU-1\n    z", "# GRU-5\n    z", "step: ['GRU-1', 'GRU-5']"),
    ],
    ids=["missing on the way back", "missing in the step", "unknown in the step"],
)
def test_a_planted_fault_in_the_tags_is_found(old, new, fault):
    assert GRU.count(old) == 1
    assert faults(GRU.replace(old, new), "step", "step_back") == [fault]


def test_a_tag_that_only_the_docstring_has_is_found():
    source = GRU.replace("GRU-4   h'", "GRU-5   y  = 2 * h'\nGRU-4   h'")
    assert faults(source, "step", "step_back") == ["step: ['GRU-5']", "step_back: ['GRU-5']"]
