"""Model files of every format that there was still say what they said when they were written."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.golden.make_models import FOLDER, answers
from tests.tolerances import COMPILED, assert_close

from throughtime import files, load

PATHS = sorted(FOLDER.glob("*.safetensors"))
KINDS = {"TextGenerator", "Forecaster", "SequenceClassifier", "SequenceTagger"}


def flat(numbers):
    """The numbers of nested lists."""
    return np.array([x for part in numbers for x in flat(part)] if isinstance(numbers, list) else [numbers])


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
@pytest.mark.parametrize("engine", ["compiled", "numpy"])
def test_an_old_file_says_what_it_said(path, engine):
    recorded = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    found = answers(load(path, engine=engine))
    assert_close(flat(found), flat(recorded), COMPILED["scan"], path.stem)


def test_there_is_a_file_of_each_kind_for_each_format():
    named = [path.stem.removeprefix("format").split("-") for path in PATHS]
    for version in range(1, files.FORMAT + 1):
        assert {kind for number, kind in named if number == str(version)} >= KINDS
    for path in PATHS:
        assert path.stat().st_size < 12_000


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_file_is_of_the_format_and_the_kind_that_its_name_tells(path):
    _, metadata = files.load(path)
    assert path.stem == f"format{metadata['format']}-{metadata['kind']}"
