"""Model files of every format that there was still say what they said when they were written."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.golden.make_models import DATA, FOLDER, SENTENCES, TAGS, answers
from tests.tolerances import COMPILED, assert_close

from throughtime import SequenceTagger, files, load
from throughtime.errors import ModelFileError
from throughtime.training import Resume

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


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*Tagger.safetensors")), ids=lambda path: path.stem)
def test_the_most_frequent_tags_of_an_old_file(path):
    model = load(path)
    assert model.classes_.tolist() == ["LOC", "O", "PER"]
    assert (model.fitted_.frequent.otherwise, model.fitted_.frequent.others) == (1, {"Anna": 2, "Rome": 0})


@pytest.mark.parametrize("characters", [False, True])
@pytest.mark.parametrize("X", [SENTENCES, np.arange(16.0).reshape(4, 4, 1)], ids=["words", "numbers"])
def test_most_frequent_tags_as_format_1_had_them(X, characters, tmp_path):
    """In a tensor, for each known symbol, and one more for all others."""
    model = SequenceTagger(hidden_size=4, max_steps=1, characters=characters and X is SENTENCES, verbose=0).fit(X, TAGS)
    model.save(tmp_path / "model")
    tensors, metadata = files.load(tmp_path / "model")
    known = metadata["encoding"].get("known", [])
    frequent = metadata.pop("frequent")
    others = dict(zip(frequent["tokens"], frequent["tags"], strict=True))
    tags = [others.get(symbol.removeprefix("="), frequent["otherwise"]) for symbol in known]
    tensors["frequent"] = np.array([*tags, frequent["otherwise"]], np.uint64)
    metadata["format"] = 1
    assert SequenceTagger.from_file(tensors, metadata).fitted_.frequent == model.fitted_.frequent
    tensors["frequent"] = tensors["frequent"][1:]
    with pytest.raises(ModelFileError, match="its most frequent tags make no sense"):
        SequenceTagger.from_file(tensors, metadata)


@pytest.mark.parametrize("path", [path for path in PATHS if "format1" not in path.stem], ids=lambda path: path.stem)
def test_the_training_of_an_old_file_goes_on(path):
    model = load(path).set_params(verbose=0)
    begun = model.history_.loss
    model.fit(*DATA[type(model)], resume=Resume(path, more_epochs=1))
    assert len(model.history_.loss) > len(begun) == 20
    assert model.history_.loss[:20] == begun
