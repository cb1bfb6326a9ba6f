"""The state of a training in a file of a stranger: a model opens without a look at it, and no training goes on from it
unless it is whole."""

from __future__ import annotations

import numpy as np
import pytest
from tests.golden.make_models import TEXT

from throughtime import TextGenerator, files, load
from throughtime.errors import ModelFileError, OutputError, ParameterError
from throughtime.training import Callback, ModelCheckpoint

SMALL = {"hidden_size": 4, "embedding_size": 3, "max_steps": 80, "random_state": 1, "verbose": 0}


class Enough(Exception):
    """It has lasted long enough."""


class Until(Callback):
    def __init__(self, step):
        self.step = step

    def on_step(self, run):
        if run.step == self.step:
            run.interrupt(Enough())


def broken_off(path, step=70, **parameters):
    """The file of a training that was broken off after a step."""
    model = TextGenerator(**SMALL, **parameters, callbacks=[ModelCheckpoint(path, every=1), Until(step)])
    with pytest.raises(Enough):
        model.fit(TEXT)
    return path


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory):
    path = tmp_path_factory.mktemp("unfinished") / "model"
    return files.load(broken_off(path, early_stopping=True, patience=50, averaging=0.5))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def goes_on(path):
    return load(path).set_params(verbose=0).fit(TEXT, resume=path)


def refusal(path):
    with pytest.raises(ModelFileError) as caught:
        goes_on(path)
    said = str(caught.value)
    assert said.startswith(f"{str(path)!r}: ")
    assert said.endswith("; get another copy of it, or train the model anew")
    assert len(said) < len(str(path)) + 400
    assert said.isprintable()
    return said


def test_it_has_three_snapshots_and_goes_on(unfinished, path):
    files.save(path, *unfinished)
    assert {name.split(".")[1] for name in unfinished[0] if name.startswith("training.")} == {"now", "past0", "past1"}
    assert goes_on(path).training_.step == 80


NO_SENSE = "its training makes no sense"
NO_FIT = "the state of its training does not fit the network, the optimizer or the history of the model"
NO_PLAN = "it does not tell the plan of its training"
NO_COUNTS = "the counts of a training are no numbers"


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (["plan", "max_steps"], 0, NO_SENSE),
        (["plan", "max_steps"], None, NO_SENSE),
        (["plan", "max_steps"], 10**100, NO_SENSE),
        (["plan", "validate_every"], 1.5, NO_SENSE),
        (["plan", "validate_every"], 0, NO_SENSE),
        (["plan", "learning_rate"], -0.5, NO_SENSE),
        (["plan", "learning_rate"], 10**400, NO_SENSE),
        (["plan", "patient_from"], 10**6, NO_SENSE),
        (["plan", "seed"], 5, "seed is 5 in its training, and 1 in its parameters"),
        (["plan", "averaging"], "x" * 10**6, "averaging is 'xxx"),
        (["plan", "bptt_truncate"], 3, "bptt_truncate is 3 in its training, and None in its parameters"),
        (["plan", "guard"], 1.0, NO_PLAN),
        (["plan"], {}, NO_PLAN),
        (["plan"], [1], "AttributeError: "),
        (["data"], "../../etc/passwd", NO_SENSE),
        (["data"], 1, NO_SENSE),
        (["stopped"], "\x1b[2J", NO_SENSE),
        (["stopped"], "x" * 10**6, NO_SENSE),
        (["now", "step"], 69, NO_FIT),
        (["now", "validations"], 10**6, NO_FIT),
        (["now", "averaged"], 0, NO_FIT),
        (["now", "symbols"], -1, NO_COUNTS),
        (["now", "symbols"], 10**30, NO_COUNTS),
        (["now", "step"], True, NO_COUNTS),
        (["now"], {}, NO_COUNTS),
        (["past", 0, "step"], 65, NO_FIT),
        (["past"], [], "its training has parts called 'past0' and 'past1'"),
        (["past"], 7, "TypeError: "),
        (["engine"], {"numpy": 1}, NO_SENSE),
        (["engine"], ["numpy"], NO_SENSE),
        ([], [1], "TypeError: "),
    ],
    ids=str,
)
def test_what_it_tells_makes_no_sense(place, value, reason, unfinished, path):
    tensors, metadata = unfinished
    files.save(path, tensors, {**metadata, "training": changed(metadata["training"], place, value)})
    assert len(load(path).predict_proba("to be")) == 5
    assert reason in refusal(path)


def changed(value, place, new):
    """The same with another value at a place, where there need have been none."""
    if not place:
        return new
    key, *rest = place
    inner = changed(value.get(key) if isinstance(value, dict) else value[key], rest, new)
    if isinstance(value, dict):
        return {**value, key: inner}
    return [inner if number == key else one for number, one in enumerate(value)]


def without(tensors):
    del tensors["training.now.slots1.output.V"]


def of_another_part(tensors):
    tensors["training.then.weights.output.V"] = tensors["output.V"]


def of_another_kind(tensors):
    tensors["training.now.code.output.V"] = tensors["output.V"]


def without_a_kind(tensors):
    tensors["training.now.V"] = tensors["output.V"]


def of_no_weight(tensors):
    tensors["training.now.best.more"] = tensors["output.V"]


def numbered_otherwise(tensors):
    tensors["training.now.slots7.output.V"] = tensors.pop("training.now.slots1.output.V")


def of_another_shape(tensors):
    tensors["training.past0.weights.output.V"] = tensors["output.V"].T


def with_states_of_another_size(tensors):
    name = next(name for name in tensors if name.startswith("training.past1.state0"))
    tensors[name] = tensors[name][:, 1:]


def of_another_dtype(name):
    def change(tensors):
        (full,) = [full for full in tensors if full.startswith("training.now.") and name in full]
        tensors[full] = tensors[full].astype(np.float32 if tensors[full].dtype == np.float64 else np.float64)

    change.__name__ = f"of_another_dtype_{name}"
    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without, NO_FIT),
        (of_another_part, "its training has parts called 'then'"),
        (of_another_kind, "KeyError: "),
        (without_a_kind, "KeyError: "),
        (of_no_weight, NO_FIT),
        (numbered_otherwise, "the arrays of a training are not numbered one after another"),
        (of_another_shape, NO_FIT),
        (with_states_of_another_size, NO_FIT),
        *[(of_another_dtype(name), NO_FIT) for name in ("slots0.output.V", "best.output.V", "total.output.V")],
        (of_another_dtype("state0."), NO_FIT),
    ],
    ids=lambda change: getattr(change, "__name__", ""),
)
def test_its_tensors_are_others(change, reason, unfinished, path):
    tensors, metadata = dict(unfinished[0]), unfinished[1]
    change(tensors)
    files.save(path, tensors, metadata)
    assert len(load(path).predict_proba("to be")) == 5
    assert reason in refusal(path)


@pytest.mark.parametrize(
    ("name", "strange", "reason"),
    [
        ("loss", np.ones((70, 1)), "the history has lists that are no lists of float64 numbers"),
        ("loss", np.ones(70, np.uint64), "the history has lists that are no lists of float64 numbers"),
        ("loss", np.ones(69), "the lists of the history are of different lengths"),
        ("validation_loss", np.ones(69), "the lists of the history are of different lengths"),
        ("validation_steps", np.array([0.5]), "the history has steps that are no whole numbers"),
        ("rollback_to", np.array([-1.0]), "the history has steps that are no whole numbers"),
        ("rollback_steps", np.array([1e200]), "the history has steps that are no whole numbers"),
        ("rollback_to", np.array([1.0]), "the lists of blow-ups are of different lengths"),
    ],
    ids=str,
)
def test_its_history_is_none(name, strange, reason, unfinished, path):
    files.save(path, {**unfinished[0], f"history.{name}": strange}, unfinished[1])
    with pytest.raises(ModelFileError) as caught:
        load(path)
    assert f"ValueError: {reason}; get another copy of it" in str(caught.value)


def test_there_is_room_for_the_training_of_many_layers(path):
    deep = {"num_layers": 24, "averaging": 0.9, "early_stopping": True, "patience": 50}
    tensors, _ = files.load(broken_off(path, step=66, **deep))
    assert 900 < len(tensors) < files.MOST_TENSORS / 4


@pytest.mark.parametrize("name", ["optimizer", "schedule", "initializer"])
def test_names_in_messages_are_short(name, unfinished, path):
    """A rule or a schedule of the user's own is kept as its name, which may be any."""
    tensors, metadata = unfinished
    files.save(path, tensors, {**metadata, "parameters": {**metadata["parameters"], name: "x" * 10**6}})
    model = load(path)
    with pytest.raises(ParameterError, match=f"^{name} must be one of '[^.]*, got '{'x' * 36}[.]{{3}}$"):
        model.fit(TEXT, resume=path)


# ---------------------------------------------------------------------- notes


@pytest.mark.parametrize(
    ("notes", "reason"),
    [
        ({"a": float("nan")}, "it holds what JSON cannot tell: Out of range float values are not JSON compliant"),
        ({"a": object}, "it holds what JSON cannot tell: Object of type type is not JSON serializable"),
        ({"a": 1, 2: 3}, "it holds what JSON cannot tell: '<' not supported"),
        ({"a": eval("[" * 20 + "]" * 20)}, "it has more than 16 lists or objects within each other"),
        ({"a": "\ud800"}, "it has half a character"),
        ({"a": list(range(300_000))}, "it has more than 262,144 names and numbers"),
    ],
    ids=["no number", "no JSON", "mixed keys", "deep", "half a character", "many"],
)
def test_notes_that_a_file_cannot_hold(notes, reason, unfinished, path):
    files.save(path, *unfinished)
    model = load(path)
    with pytest.raises(OutputError) as caught:
        model.save(path, notes=notes)
    assert reason in str(caught.value)
    assert load(path).notes_ == {}


def test_notes_come_back(unfinished, path):
    files.save(path, *unfinished)
    load(path).save(path, notes={"a": [1, None, "\x1b"], "b": {"c": 0.5}})
    assert load(path).notes_ == {"a": [1, None, "\x1b"], "b": {"c": 0.5}}
    tensors, metadata = files.load(path)
    files.save(path, tensors, {**metadata, "notes": [1]})
    with pytest.raises(ModelFileError, match="the model file is damaged: its notes are no notes; get another copy"):
        load(path)


# ---------------------------------------------------------------------- parameters


def test_numbers_of_numpy_are_kept_as_pythons(path):
    """As a grid search gives them."""
    given = {
        "hidden_size": np.int64(4),
        "max_steps": np.int64(6),
        "patience": np.int64(3),
        "averaging": np.float64(0.5),
    }
    TextGenerator(**given, early_stopping=True, random_state=1, verbose=0).fit(TEXT).save(path)
    assert goes_on(path).training_.step == 6


def test_no_transition_to_go_back_is_a_plan_too(path):
    TextGenerator(hidden_size=4, bptt_truncate=0, max_steps=2, random_state=1, verbose=0).fit(TEXT).save(path)
    assert goes_on(path).training_.plan.bptt_truncate == 0
