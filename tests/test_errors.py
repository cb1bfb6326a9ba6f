"""The tree of errors that its file draws is the one that the classes make."""

import re

import pytest

from throughtime import errors
from throughtime.errors import ThroughtimeError, cut, known, short, told

CLASSES = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, ThroughtimeError)
}


def drawn():
    """The names of the docstring's tree, each with its parents."""
    (tree,) = (part for part in errors.__doc__.split("\n\n") if "──" in part)
    path, parents = [], {}
    for line in tree.splitlines():
        branches, name, extra = re.match(r"([\s│├└─]*)(\w+)(?: \(([\w, ]+)\))?", line).groups()
        depth = (len(branches) - 4) // 4
        path[depth:] = [name]
        parents[name] = [*path[-2:-1], *(extra.split(", ") if extra else [])]
    return parents


def test_the_tree_is_that_of_the_classes():
    expected = {name: [base.__name__ for base in kind.__bases__] for name, kind in CLASSES.items()}
    assert drawn() == expected | {"ThroughtimeError": []}


@pytest.mark.parametrize("name", CLASSES)
def test_the_exit_code_tells_bad_input_from_a_failure(name):
    assert CLASSES[name].exit_code == (2 if issubclass(CLASSES[name], errors.InputError) else 1)


@pytest.mark.parametrize("name", CLASSES)
def test_each_says_what_it_means(name):
    assert CLASSES[name].__doc__


@pytest.mark.parametrize(
    ("names", "expected"), [([], ""), (["a"], "'a'"), (["a", "b"], "'a' and 'b'"), ("abc", "'a', 'b' and 'c'")]
)
def test_known(names, expected):
    assert known(names) == expected


def test_long_names_are_cut():
    assert known(["a" * 100, "b"]) == "'" + "a" * 36 + "... and 'b'"
    assert short("\x1b" * 100) == "'" + "\\x1b" * 9 + "..."
    assert cut("c" * 300) == "c" * 300
    assert cut("c" * 301) == "c" * 297 + "..."


def test_what_others_say_is_cut_and_harmless():
    assert told(TypeError("no parameter 'a\x7fb\x1b'\n")) == r"no parameter 'a\x7fb\x1b'\n"
    assert told(ValueError("é" * 400)) == "é" * 297 + "..."
