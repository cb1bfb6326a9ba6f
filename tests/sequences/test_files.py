"""A model goes into a file and comes back the same; a file that cannot be right is refused."""

import numpy as np
import pytest
from benchmarks.faults.changes import of_tensors
from tests.sequences.material import MODELS, SMALL, outputs

from throughtime import SequenceClassifier, SequenceRegressor, files, load
from throughtime.errors import ModelFileError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_says_the_same_and_is_saved_as_the_same_bytes(name, path):
    model, X, y = MODELS[name]
    model().save(path)
    before = path.read_bytes()
    again = load(path)
    assert type(again) is type(model())
    assert all(np.array_equal(a, b) for a, b in zip(outputs(again, X), outputs(model(), X), strict=True))
    assert again.score(X, y) == model().score(X, y)
    assert again.get_params() == model().get_params()
    assert again.history_ == model().history_
    assert again.baseline_ == model().baseline_
    assert again.fitted_.frequent == model().fitted_.frequent
    again.save(path)
    assert path.read_bytes() == before
    again.fit(X, y).save(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "options",
    [
        {"class_weight": {"x": 2.0, "y": np.float64(1)}},
        {"class_weight": "balanced", "level": "word", "max_length": 3, "truncating": "post"},
        {"cell": "gru", "num_layers": 2, "residual": True, "bidirectional": False, "pooling": "max"},
        {"validation": 0.5, "early_stopping": True, "dtype": "float64", "embedding_size": 0},
    ],
    ids=str,
)
def test_parameters_come_back(options, path):
    model = SequenceClassifier(**SMALL, **options).fit(["a b", "b a", "c d", "d c"], ["x", "x", "y", "y"])
    model.save(path)
    again = load(path)
    assert again.get_params() == model.get_params()
    assert again.validation_loss_ == model.validation_loss_
    assert np.array_equal(again.predict_proba(["a d"]), model.predict_proba(["a d"]))


@pytest.mark.parametrize("y", [[1, 2], [True, False], [1.0, 2.0], ["a", 1], np.array([3, 4], np.uint8)], ids=str)
def test_labels_keep_their_type(y, path):
    model = SequenceClassifier(**SMALL).fit(["ab", "cd"], y)
    model.save(path)
    assert load(path).classes_.tolist() == model.classes_.tolist()
    assert load(path).classes_.dtype == model.classes_.dtype


def test_the_columns_come_back(path):
    model = SequenceRegressor(**SMALL).fit(np.eye(3), [1, 2, 3])
    model.save(path)
    assert load(path).n_features_in_ == 3


@pytest.fixture
def damaged(path):
    """Writes the file of a model with its metadata and tensors changed."""

    def write(name, change):
        MODELS[name][0]().save(path)
        tensors, metadata = files.load(path)
        change(metadata, tensors)
        path.write_bytes(of_tensors(tensors, metadata))
        return path

    return write


def put(*where):
    """A change of the metadata: the value at the end goes to the place that the keys before it name."""
    *keys, last, value = where

    def change(metadata, tensors):
        for key in keys:
            metadata = metadata[key]
        metadata[last] = value

    return change


def tensor(name, value):
    """A change of one tensor; None removes it."""

    def change(metadata, tensors):
        found = tensors.pop(name)
        if value is not None:
            tensors[name] = np.ascontiguousarray(value(found))

    return change


def test_an_unchanged_file_is_no_damaged_one(damaged):
    for name in MODELS:
        assert load(damaged(name, lambda metadata, tensors: None))


PARTS = ["parameters", "cell", "encoding", "answers", "fitted", "baseline"]


@pytest.mark.parametrize("name", ["classifier", "regressor", "tagger"])
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("value", [None, 5, "text", [1, 2]], ids=str)
def test_a_part_is_of_another_type(name, part, value, damaged):
    with pytest.raises(ModelFileError, match="damaged"):
        load(damaged(name, put(part, value)))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("classifier", put("fitted", "hidden_size", 10**9)),
        ("classifier", put("fitted", "hidden_size", 8.0)),
        ("classifier", put("fitted", "batch_size", 0)),
        ("classifier", put("fitted", "columns", -1)),
        ("classifier", put("fitted", "names", ["a"])),
        ("classifier", put("fitted", "seed", -1)),
        ("classifier", put("fitted", "more", 1)),
        ("classifier", put("parameters", "num_layers", 10**9)),
        ("classifier", put("parameters", "pooling", "sum")),
        ("classifier", put("parameters", "loss", "squared")),
        ("classifier", put("parameters", "cell", "gru")),
        ("classifier", put("parameters", "class_weight", [5])),
        ("classifier", put("answers", "kind", "values")),
        ("classifier", put("answers", "kind", "nonsense")),
        ("classifier", put("answers", "classes", [0])),
        ("classifier", put("answers", "classes", [0, 0])),
        ("classifier", put("answers", "classes", [0, 1, 2])),
        ("classifier", put("answers", "classes", [0, None])),
        ("classifier", put("answers", "type", "str")),
        ("classifier", put("answers", "type", "uint8x")),
        ("classifier", put("answers", "type", "bool")),
        ("classifier", put("encoding", "kind", "symbols")),
        ("classifier", put("baseline", "score", "much")),
        ("classifier", put("baseline", "guess", 5)),
        ("classifier", tensor("scale.inputs.mean", None)),
        ("classifier", tensor("scale.inputs.mean", lambda mean: mean.astype(np.float32))),
        ("classifier", tensor("scale.inputs.spread", lambda spread: -spread)),
        ("classifier", tensor("scale.inputs.spread", lambda spread: np.append(spread, spread))),
        ("classifier", tensor("output.V", lambda V: V.T)),
        ("classifier of several", put("answers", "count", 10**9)),
        ("classifier of several", put("answers", "count", 0)),
        ("classifier of strings", put("encoding", "known", [])),
        ("classifier of strings", put("encoding", "known", ["a", "a", "b", "c"])),
        ("classifier of strings", put("encoding", "known", ["a", None, "b", "c"])),
        ("classifier of strings", put("encoding", "kind", "numbers")),
        ("regressor", put("answers", "flat", "yes")),
        ("regressor", put("parameters", "loss", "nonsense")),
        ("regressor", put("answers", "kind", "labels")),
        ("regressor", tensor("scale.answers.mean", lambda mean: np.append(mean, mean))),
        ("tagger", put("frequent", None)),
        ("tagger", put("frequent", "otherwise", 99)),
        ("tagger", put("frequent", "otherwise", 1.0)),
        ("tagger", put("frequent", "tags", [0])),
        ("tagger", put("frequent", "tokens", ["Anna", "Anna"])),
        ("tagger", put("frequent", "tokens", "Anna")),
        ("tagger of several", put("frequent", {"otherwise": 0, "tokens": [], "tags": []})),
        ("classifier", put("frequent", {"otherwise": 0, "tokens": [], "tags": []})),
        ("tagger with characters", put("encoding", "known", [1, 2])),
    ],
)
def test_what_does_not_fit_together(name, change, damaged):
    with pytest.raises(ModelFileError, match="damaged") as caught:
        load(damaged(name, change))
    assert len(str(caught.value)) < 500
