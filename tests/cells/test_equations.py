"""The equations in a docstring, read as code, give what the functions beside them give."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap

import numpy as np
import pytest
from tests.tolerances import HAND, assert_close

from throughtime import cells
from throughtime.cells import functions, gru
from throughtime.optimizers import RULES

EQUATION = re.compile(r"^\s*([A-Z]+)-\d+\s+(\w+'?)\s*=\s(.+?)(?:\s{2,}.*)?$", re.MULTILINE)


def solve(docstring, names, family=None):
    """The equations in their order, each result under its name: ``h'`` is the new ``h``, called ``h_new`` here."""
    names = {name: getattr(functions, name) for name in functions.__all__} | names
    for tag, left, right in EQUATION.findall(docstring):
        if family in (None, tag):
            names[left.replace("'", "_new")] = eval(re.sub(r"(\w)'", r"\1_new", right.strip()), {}, names)
    return names


def bound(function, argument):
    """The names that a function unpacks one of its arguments to: ``a_r, a_z, a_n = a``."""
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id == argument:
            return [name.id for name in node.targets[0].elts]
    return []


def cell_by_its_docstring(cell, docstring, *arguments):
    names = {"a": arguments[0][0]}
    for argument, values in zip(("a", "u", "state", "p"), arguments, strict=True):
        names |= dict(zip(bound(cell.step, argument), values, strict=False))
    activation = cell.name.removeprefix("elman").lstrip("-") or "tanh"
    names["activation"] = getattr(functions, activation, None)
    solved = solve(docstring, names)
    return [solved[f"{name}_new"] for name in cell.states]


def material(cell):
    rng = np.random.default_rng(6)
    return [tuple(rng.normal(size=5) for _ in names) for names in (cell.gates, cell.apart, cell.states, cell.vectors)]


@pytest.mark.parametrize("name", cells.names())
def test_a_cell_computes_the_equations_of_its_docstring(name):
    cell = cells.get(name)
    arguments = material(cell)
    new, _ = cell.step(*arguments)
    solved = cell_by_its_docstring(cell, inspect.getmodule(cell.step).__doc__, *arguments)
    for found, expected in zip(solved, new, strict=True):
        assert_close(found, expected, HAND)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_computes_the_equations_of_its_docstring(name):
    rule = RULES[name]()
    w, g, *slots = np.random.default_rng(7).uniform(0.5, 1.0, (2 + len(rule.slots), 5))
    t, rate, decay = 3, 0.1, 0.0 if rule.weight_decay is None else 0.2
    new_w, new_slots = rule.step(w, g, tuple(slots), rule.coefficients(t, rate, decay))
    slot_names = bound(rule.step, "slots")
    names = {"w": w, "g": g, "t": t, "rate": rate, "decay": decay, **dict(zip(slot_names, slots, strict=True))}
    docstring = sys.modules[rule.step.__module__].__doc__
    families = {tag for tag, _, _ in EQUATION.findall(docstring)}
    family = name.upper() if name.upper() in families else None
    solved = solve(docstring, names | rule.settings, family)
    assert_close(solved["w_new"], new_w, HAND)
    for slot, new in zip(slot_names, new_slots, strict=True):
        assert_close(solved[f"{slot}_new"], new, HAND)


@pytest.mark.parametrize(
    ("old", "new"),
    [("n + z * (h - n)", "h + z * (n - h)"), ("a_n + r * u_n", "a_n + z * u_n"), ("sigmoid(a_z)", "sigmoid(a_r)")],
)
def test_a_false_equation_in_a_docstring_is_found(old, new):
    assert gru.__doc__.count(old) == 1
    (true,), (false,) = (
        cell_by_its_docstring(cells.GRU, docstring, *material(cells.GRU))
        for docstring in (gru.__doc__, gru.__doc__.replace(old, new))
    )
    assert np.all(np.abs(true - false) > 1e-3)
