"""A model goes into a file and comes back the same; a file that cannot be right is refused, quickly and plainly."""

import json
import math
from functools import cache

import numpy as np
import pytest
from benchmarks.faults.changes import of_tensors
from tests.trained import TEXT, fitted, fitted_on_bytes, small

from throughtime import TextGenerator, files, load
from throughtime.engine.plain import PlainEngine
from throughtime.errors import CellError, DataError, ModelFileError, ParameterError
from throughtime.optimizers import Rule, adam, momentum
from throughtime.optimizers.schedules import Plateau, Step


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


# ---------------------------------------------------------------------- there and back


@pytest.mark.parametrize("model", [fitted, fitted_on_bytes])
def test_a_loaded_model_says_the_same(model, path):
    model().save(path)
    again = load(path)
    text = TEXT[:60] if model is fitted else "déjà vu"
    assert np.array_equal(again.predict_proba(text), model().predict_proba(text))
    assert again.predict(text) == model().predict(text)
    assert again.evaluate(text) == model().evaluate(text)
    for prime in ("", text[:4]):
        assert again.generate(50, prime, random_state=1) == model().generate(50, prime, random_state=1)


def test_what_was_learned_comes_back(path):
    fitted().save(path)
    again = load(path)
    assert again.history_ == fitted().history_
    assert again.classes_ == fitted().classes_
    assert again.validation_loss_ == fitted().validation_loss_
    assert (again.hidden_size_, again.seed_, again.engine_) == (fitted().hidden_size_, fitted().seed_, "compiled")
    assert again.network_.parameters.keys() == fitted().network_.parameters.keys()


OPTIONS = [
    {},
    {"cell": "gru", "num_layers": 2, "residual": True, "embedding_size": 3, "dropout": 0.25},
    {"cell": "elman", "activation": "relu"},
    {"cell": "elman-sigmoid"},
    {"level": "byte", "dtype": "float64"},
    {"optimizer": "momentum", "schedule": "step"},
    {"optimizer": adam(beta1=0.5), "schedule": Step(parts=2)},
    {"optimizer": momentum(0.5), "schedule": Plateau(patience=1, gamma=0.1)},
    {"optimizer": "adamw", "weight_decay": 0.125, "clip_norm": None, "clip_value": 1.0, "validation": 0.25},
    {"early_stopping": True, "patience": 2, "batch_size": 3, "bptt_truncate": 2, "initializer": "orthogonal"},
]


@pytest.mark.parametrize("changes", OPTIONS, ids=str)
def test_parameters_come_back(changes, path):
    model = small(**{"max_steps": 3} | changes).fit(TEXT)
    model.save(path)
    again = load(path)
    found, expected = again.get_params(), model.get_params()
    for name in ("optimizer", "schedule"):
        if not isinstance(expected[name], str):
            assert found.pop(name).__dict__.get("settings") == expected.pop(name).__dict__.get("settings")
    assert found == expected | {"verbose": TextGenerator().verbose}
    assert again.predict_proba("to be").dtype == model.predict_proba("to be").dtype


@pytest.mark.parametrize("changes", OPTIONS, ids=str)
def test_a_loaded_model_learns_and_is_saved_as_the_one_it_came_from(changes, path):
    model = small(**{"max_steps": 3} | changes).fit(TEXT)
    model.save(path)
    before = path.read_bytes()
    again = load(path)
    again.save(path)
    assert path.read_bytes() == before
    assert again.set_params(verbose=0).fit(TEXT).history_ == model.history_


def test_what_is_of_the_moment_is_not_stored(path):
    fitted().save(path)
    again = load(path)
    assert again.callbacks == ()
    assert again.random_state == fitted().seed_
    assert not hasattr(again, "training_")


def test_a_rule_of_ones_own_comes_back_as_its_name(path):
    """The model writes; to train it again the rule has to be given."""
    own = Rule("mine", lambda w, g, slots, k: (w - k[0] * g, ()), lambda t, rate, decay: (rate,), learning_rate=0.1)
    model = small(optimizer=own, max_steps=2).fit(TEXT)
    model.save(path)
    again = load(path).set_params(verbose=0)
    assert np.array_equal(again.predict_proba("to be"), model.predict_proba("to be"))
    with pytest.raises(ParameterError, match=r"optimizer must be one of .*, got 'mine'"):
        again.fit(TEXT)
    assert again.set_params(optimizer=own).fit(TEXT).history_ == model.history_


def test_an_engine_may_be_chosen(path):
    fitted().save(path)
    assert load(path, engine="numpy").engine_ == "numpy"
    precise = load(path, engine=PlainEngine("float64"))
    assert precise.predict_proba("to").dtype == np.float64


def test_an_unknown_engine_is_no_damage_to_the_file(path):
    fitted().save(path)
    with pytest.raises(ParameterError, match="engine must be one of 'auto', 'compiled' and 'numpy', got 'cuda'"):
        load(path, engine="cuda")


def test_parameters_that_were_changed_after_fit_do_not_spoil_the_file(path):
    model = small(max_steps=2).fit(TEXT)
    expected = model.predict_proba("to be")
    model.set_params(cell="gru", num_layers=2, hidden_size=5, level="byte", dtype="float64")
    model.save(path)
    assert np.array_equal(load(path).predict_proba("to be"), expected)


# ---------------------------------------------------------------------- what is in it


def test_equal_trainings_give_equal_bytes(tmp_path):
    for name in ("one", "two"):
        small(dropout=0.2).fit(TEXT).save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_what_is_said_and_how_it_was_given_is_not_in_it(tmp_path, capsys):
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    fitted().save(tmp_path / "one")
    small(verbose=1, engine="compiled").fit(tmp_path / "text.txt").save(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_the_metadata_hold_no_time_path_or_speed(path):
    fitted().save(path)
    _, metadata = files.load(path)
    known = {"format", "needs", "kind", "parameters", "cell", "vocabulary", "fitted", "baseline", "training"}
    assert metadata.keys() == known
    plan = {"max_steps", "learning_rate", "seed", "bptt_truncate", "validate_every", "patience", "averaging"}
    assert metadata["training"].keys() == {"plan", "data", "engine", "now", "past", "stopped"}
    further = {"patient_from", "halved_from", "judged_from", "segments"}
    assert metadata["training"]["plan"].keys() == plan | further
    assert metadata["fitted"].keys() == {"hidden_size", "num_layers", "embedding_size", "dropout", "seed", "start"}
    assert metadata["cell"].keys() == {"name", "fingerprint"}
    unsaid = {"callbacks", "verbose", "engine", "random_state", "warm_start"}
    assert metadata["parameters"].keys() == fitted().get_params().keys() - unsaid
    assert str(path.parent) not in json.dumps(metadata)


def test_the_tensors_are_the_weights_and_the_history(path):
    fitted().save(path, slim=True)
    tensors, metadata = files.load(path)
    assert "training" not in metadata
    names = {name for name in tensors if not name.startswith("history.")}
    assert names == fitted().network_.parameters.keys()
    assert tensors.keys() - names == fitted().history_.to_arrays().keys()


# ---------------------------------------------------------------------- damaged files


@pytest.fixture
def damaged(path):
    """Writes a model file with its metadata and tensors changed."""

    def write(change, model=fitted):
        model().save(path)
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


def drop(*where):
    *keys, last = where

    def change(metadata, tensors):
        for key in keys:
            metadata = metadata[key]
        del metadata[last]

    return change


def tensor(name, change):
    """A change of one tensor; None removes it."""

    def changed(metadata, tensors):
        value = tensors.pop(name, None)
        if change is not None:
            tensors[name] = np.ascontiguousarray(change(value))

    return changed


def test_an_unchanged_file_is_no_damaged_one(damaged):
    assert load(damaged(lambda metadata, tensors: None)).generate(5, random_state=1)


def assert_damaged(path):
    with pytest.raises(ModelFileError, match=r"damaged|does not know") as caught:
        load(path)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("kind", [None, "Translator", 5, ["TextGenerator"], {}])
def test_it_holds_another_kind_of_model(kind, damaged):
    with pytest.raises(ModelFileError, match=r"holds a model of the kind .*, which this version does not know"):
        load(damaged(put("kind", kind)))


def test_a_text_generator_is_no_forecaster(damaged):
    assert_damaged(damaged(put("kind", "Forecaster")))


@pytest.mark.parametrize(
    "where",
    [
        ("kind",),
        ("parameters",),
        ("cell",),
        ("vocabulary",),
        ("fitted",),
        ("cell", "name"),
        ("cell", "fingerprint"),
        ("vocabulary", "codes"),
        ("vocabulary", "level"),
        ("fitted", "hidden_size"),
        ("fitted", "num_layers"),
        ("fitted", "embedding_size"),
        ("fitted", "dropout"),
        ("fitted", "seed"),
        ("fitted", "start"),
    ],
    ids=".".join,
)
def test_a_key_is_missing(where, damaged):
    assert_damaged(damaged(drop(*where)))


@pytest.mark.parametrize("name", ["parameters", "cell", "vocabulary", "fitted"])
@pytest.mark.parametrize("value", [None, 5, "text", [1, 2], {}])
def test_a_part_is_of_another_type(name, value, damaged):
    if (name, value) != ("parameters", {}):  # all of them have defaults
        assert_damaged(damaged(put(name, value)))


@pytest.mark.parametrize(
    "value", [0, -8, 9, 10**9, 10**30, 8.5, math.inf, math.nan, None, "8", [8], True], ids=lambda value: repr(value)[:9]
)
def test_the_hidden_size_is_wrong(value, damaged):
    """However large: nothing may be allocated for it."""
    assert_damaged(damaged(put("fitted", "hidden_size", value)))


@pytest.mark.parametrize("name", ["num_layers", "embedding_size"])
@pytest.mark.parametrize("value", [2, 10**9, 10**30, math.inf, "8"], ids=lambda value: repr(value)[:9])
def test_another_size_is_wrong(name, value, damaged):
    assert_damaged(damaged(put("parameters", name, value)))


@pytest.mark.parametrize(
    ("name", "value"),
    [("embedding_size", value) for value in (-1, 1, 1.5, None, 10**30, True)]
    + [("num_layers", value) for value in (0, 2, 1.5, None, 10**30, True)]
    + [("dropout", value) for value in (-0.1, 1.0, None, "a", math.nan)],
)
def test_a_size_that_was_chosen_is_wrong(name, value, damaged):
    assert_damaged(damaged(put("fitted", name, value)))


@pytest.mark.parametrize("value", [-1, 999, 1.5, None, "a", math.nan])
def test_the_first_symbol_is_none(value, damaged):
    assert_damaged(damaged(put("fitted", "start", value)))


@pytest.mark.parametrize("value", [-1, 1.5, None, "a", math.nan, 2**70])
def test_the_seed_is_none(value, damaged):
    assert_damaged(damaged(put("fitted", "seed", value)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cell", "gru"),
        ("cell", 5),
        ("activation", "relu"),
        ("level", "byte"),
        ("level", "word"),
        ("dropout", 2.0),
        ("dtype", "float16"),
        ("optimizer", 5),
        ("optimizer", {"name": "adam", "beta7": 0.5}),
        ("optimizer", {"name": "adam", "beta1": 1.0}),
        ("optimizer", {"name": "adam", "beta1": "much"}),
        ("optimizer", {"beta1": 0.5}),
        ("schedule", {"name": "step", "parts": 2, "more": 1}),
        ("epochs", -1),
        ("nonsense", 5),
        ("random_state", 5),
        ("engine", "numpy"),
        ("self", 5),
    ],
)
def test_a_parameter_makes_no_sense(name, value, damaged):
    assert_damaged(damaged(put("parameters", name, value)))


@pytest.mark.parametrize(
    "change",
    [
        tensor("recurrent.0.U", None),
        tensor("history.loss", None),
        tensor("output.more", lambda _: np.zeros(3, np.float32)),
        tensor("recurrent.0.U", lambda w: w.T),
        tensor("recurrent.0.U", lambda w: w[:, :-1]),
        tensor("recurrent.0.U", lambda w: w[None]),
        tensor("recurrent.0.U", lambda w: w * np.float32(np.nan)),
        tensor("recurrent.0.U", lambda w: w / np.float32(1e-40)),
        tensor("recurrent.0.U", lambda w: w.astype(np.float16)),
        tensor("recurrent.0.U", lambda w: w.astype(np.int32)),
        tensor("history.loss", lambda losses: losses.reshape(2, -1)),
        tensor("history.loss", lambda losses: losses[:-1]),
        tensor("history.validation_loss", lambda losses: losses[:-1]),
        tensor("history.validation_steps", lambda steps: steps[:-1]),
    ],
)
def test_a_tensor_is_missing_foreign_or_wrong(change, damaged):
    with np.errstate(all="ignore"):
        path = damaged(change)
    assert_damaged(path)


@cache
def documents():
    """A model of documents, which are in its file as fingerprints."""
    return small(max_steps=2).fit(["to be or not", "that is the question"] * 10)


BASELINES = [
    *[{"order": order, "loss": 1.5} for order in (0, -1, 9, 1.0, True, None, "2", 10**30)],
    *[{"order": 2, "loss": loss} for loss in (math.inf, -math.inf, math.nan, None, "1.5", [1.5])],
    *[{"order": 2, "loss": 1.5, "counted": counted} for counted in (0, -1, 2.0, True, "5")],
    *[{}, {"order": 2}, {"loss": 1.5}, {"order": 2, "loss": 1.5, "more": 1}, [2, 1.5], 5, "text", True],
]


@pytest.mark.parametrize("value", BASELINES, ids=lambda value: repr(value)[:40])
def test_the_baseline_is_none(value, damaged):
    assert_damaged(damaged(put("baseline", value)))


@pytest.mark.parametrize("change", [put("baseline", None), drop("baseline")])
def test_there_may_be_no_baseline(change, damaged):
    assert load(damaged(change)).baseline_ is None


@pytest.mark.parametrize(
    "change",
    [
        lambda prints: prints[None],
        lambda prints: prints.astype(np.int64),
        lambda prints: prints.astype(np.float64),
        lambda prints: prints.astype(np.uint32),
    ],
)
def test_the_documents_are_no_fingerprints(change, damaged):
    assert_damaged(damaged(tensor("documents", change), documents))


def test_a_model_without_ends_has_no_documents(damaged):
    assert_damaged(damaged(tensor("documents", lambda _: np.zeros(3, np.uint64))))
    assert_damaged(damaged(put("vocabulary", "ends", False), documents))


@pytest.mark.parametrize("value", [None, 1, "yes", []])
def test_whether_there_are_ends_is_not_said(value, damaged):
    assert_damaged(damaged(put("vocabulary", "ends", value), documents))


def test_the_documents_may_have_been_too_many_to_be_remembered(damaged):
    assert load(damaged(lambda metadata, tensors: None, documents)).copies(["to be or not", "to be"]) == [True, False]
    with pytest.raises(DataError, match="does not know which documents it learned from"):
        load(damaged(tensor("documents", None), documents)).copies(["to be or not"])


def test_a_vocabulary_of_another_size(damaged):
    assert_damaged(damaged(put("vocabulary", "codes", list(range(5)))))


@pytest.mark.parametrize("value", ["", "lstm2", None, 5, ["lstm"]])
def test_the_fingerprint_is_another(value, damaged):
    with pytest.raises((ModelFileError, CellError), match=r"another cell named 'lstm'|damaged"):
        load(damaged(put("cell", "fingerprint", value)))


def test_any_single_bit_of_the_header_may_be_wrong(path):
    """The model is refused, or opens: nothing else happens."""
    fitted().save(path)
    data = path.read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    rng = np.random.default_rng(0)
    refused = 0
    for place in rng.integers(header, size=200):
        spoilt = bytearray(data)
        spoilt[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(spoilt)
        try:
            load(path)
        except (ModelFileError, CellError):
            refused += 1
    assert refused > 100
