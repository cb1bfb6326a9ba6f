"""The table of parameters: what is allowed, in numbers and in words."""

import math

import numpy as np
import pytest

from throughtime.errors import ParameterError
from throughtime.parameters import CLASSIFIER, FORECASTER, PARAMETERS, REGRESSOR, SAMPLING, TAGGER, Parameter
from throughtime.text import lesson, sizing

TABLES = {
    "text": PARAMETERS,
    "sampling": SAMPLING,
    "forecaster": FORECASTER,
    "classifier": CLASSIFIER,
    "regressor": REGRESSOR,
    "tagger": TAGGER,
}
TABLE = {f"{name} of {table}": found for table, content in TABLES.items() for name, found in content.items()}


@pytest.mark.parametrize("name", TABLE)
def test_every_default_is_allowed(name):
    TABLE[name].check(name, TABLE[name].default)


@pytest.mark.parametrize("name", TABLE)
def test_every_parameter_is_explained_in_one_line(name):
    assert 5 < len(TABLE[name].meaning) < 100
    assert not TABLE[name].meaning.endswith(".")


@pytest.mark.parametrize(
    ("parameter", "allowed", "refused", "words"),
    [
        (
            Parameter(1, "", int, low=1),
            [1, 5, np.int64(2), np.uint8(3)],
            [0, 1.0, True, "1", None],
            "an integer of at least 1",
        ),
        (Parameter(None, "", int, optional=True, low=0), [None, 0], [-1, 0.5], "an integer of at least 0 or None"),
        (
            Parameter(1.0, "", float, low=0, above=True),
            [0.1, 3, np.float32(2)],
            [0, -1, False, "1"],
            "a number above 0",
        ),
        (
            Parameter(0.0, "", float, low=0, high=1, below=True),
            [0, 0.5, 0.999],
            [1, 1.0, -0.1, math.nan],
            "a number of at least 0 and below 1",
        ),
        (
            Parameter(None, "", float, True, 0, 1, above=True),
            [None, 1, 1e-9],
            [0, 1.1],
            "a number above 0 and at most 1 or None",
        ),
        (Parameter(0.0, "", float), [-5, 0.0, 1e300], [math.inf, -math.inf, math.nan, [1]], "a number"),
        (Parameter(False, "", bool), [True, False, np.True_], [0, 1, None, "yes"], "True or False"),
        (Parameter("a", "", str), ["", "b"], [None, 5, b"a"], "a string"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_allowed_and_how_it_is_said(parameter, allowed, refused, words):
    assert parameter.expected() == words
    for value in allowed:
        parameter.check("it", value)
    for value in refused:
        with pytest.raises(ParameterError) as caught:
            parameter.check("it", value)
        assert str(caught.value) == f"it must be {words}, got {value!r}"


@pytest.mark.parametrize("value", [None, 5, "anything", object()])
def test_objects_are_checked_by_whoever_uses_them(value):
    Parameter(None, "", object).check("it", value)


@pytest.mark.parametrize("value", [np.array([1, 2]), np.array([])])
def test_arrays_are_no_numbers(value):
    with pytest.raises(ParameterError, match="it must be an integer"):
        Parameter(1, "", int).check("it", value)


@pytest.mark.parametrize("kind", [int, float])
def test_a_number_too_large_for_a_float_is_refused(kind):
    with pytest.raises(ParameterError, match="it must be"):
        Parameter(1, "", kind).check("it", 10**400)


def test_the_meanings_name_the_sizes_that_are_chosen():
    assert PARAMETERS["embedding_size"].meaning.endswith(f"None: {sizing.EMBEDDING_SIZE}")
    assert f"of {lesson.WHOLE_DOCUMENTS} documents" in PARAMETERS["validation"].meaning


def test_the_tables_of_one_command_share_no_name():
    assert not PARAMETERS.keys() & SAMPLING.keys()


@pytest.mark.parametrize("table", [FORECASTER, CLASSIFIER, REGRESSOR, TAGGER])
def test_a_parameter_of_several_estimators_is_the_same(table):
    """What is allowed is; the default may differ."""
    for name in table.keys() & PARAMETERS.keys():
        ours, shared = table[name], PARAMETERS[name]
        assert (ours.kind, ours.low, ours.high) == (shared.kind, shared.low, shared.high)
