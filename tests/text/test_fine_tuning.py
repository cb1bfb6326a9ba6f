"""To go on with a model that has learned something: the weights stay, the vocabulary grows."""

import copy
import re
from functools import cache

import numpy as np
import pytest
from sklearn.base import clone
from tests.trained import FRENCH, TEXT, fitted, fitted_on_bytes, learned, small

from throughtime import Cell, TextGenerator, files, load
from throughtime.errors import DataError, ParameterError
from throughtime.text import generator, learning
from throughtime.text.vocabularies import END

MORE = "two beans or three, that is the quantity? " * 20
"""Other text, which has symbols that the first one has not, and lacks some that it has."""

NAMES = ["anna banana", "hanna", "nana", "ann", "hannah"] * 8
FROZEN = {"learning_rate": 1e-30, "max_steps": 1}
"""One step that is too small to change a weight."""


@pytest.fixture(autouse=True)
def untimed(monkeypatch):
    """The first steps are not timed, which takes a third of a second and changes nothing but what is said."""
    monkeypatch.setattr(learning, "seconds_per_step", lambda *arguments: 1e-3)


def going_on(model, **changes):
    """A copy of a model that will go on."""
    return copy.deepcopy(model).set_params(warm_start=True, **changes)


@cache
def embedded():
    """A model with an embedding, two layers and documents."""
    return small(embedding_size=4, num_layers=2).fit(NAMES)


def assert_same_weights(found, expected):
    assert found.network_.parameters.keys() == expected.network_.parameters.keys()
    for name, w in expected.network_.parameters.items():
        assert np.array_equal(found.network_.parameters[name], w), name


# ---------------------------------------------------------------------- what stays


def test_it_goes_on_where_it_was():
    fresh = small(validation=0.0).fit(TEXT)
    again = going_on(learned(), validation=0.0).fit(TEXT)
    assert again.history_.loss[0] == pytest.approx(learned().evaluate(TEXT).loss, abs=0.1)
    assert again.history_.loss[0] < 0.2 < 2 < fresh.history_.loss[0]


def test_it_learns_the_new_text():
    before = fitted().evaluate(MORE, unknown="skip").loss
    model = going_on(fitted(), max_steps=200).fit(MORE)
    assert model.evaluate(MORE).loss < before / 2
    assert model.predict("two beans or three")[4:-1] in MORE


@pytest.mark.parametrize("model", [fitted, fitted_on_bytes, embedded])
def test_a_step_too_small_to_change_anything_changes_nothing(model):
    text = {fitted: TEXT, fitted_on_bytes: FRENCH, embedded: NAMES}[model]
    again = going_on(model(), **FROZEN).fit(text)
    assert again.classes_ == model().classes_
    assert_same_weights(again, model())
    assert again.generate(40, random_state=1) == model().generate(40, random_state=1)


def places_of(model, again):
    """Where the old symbols are now."""
    places = [again.classes_.index(symbol) for symbol in model.classes_]
    return places, sorted(set(range(len(again.classes_))) - set(places))


@pytest.mark.parametrize(
    ("model", "text", "added"),
    [
        (fitted, TEXT + "XYZ", ["X", "Y", "Z"]),
        (fitted, ["to be?", *[TEXT[:80]] * 3], ["?", END]),
        (fitted_on_bytes, FRENCH + "XYZ\x00", [0, ord("X"), ord("Y"), ord("Z")]),
        (embedded, [*NAMES, "Zoe"], ["Z", "e", "o"]),
        (embedded, "anna banana? " * 40, ["?"]),
    ],
)
def test_old_symbols_keep_their_weights_and_a_new_one_begins_as_their_mean(model, text, added):
    """Its output has the least bias there is, so that it is not written before it is learned."""
    again = going_on(model(), validation=0.0, **FROZEN).fit(text)
    places, new = places_of(model(), again)
    assert [again.classes_[place] for place in new] == added
    changed = set()
    for name, old in model().network_.parameters.items():
        found = again.network_.parameters[name]
        if found.shape == old.shape:
            assert np.array_equal(found, old), name
        elif old.ndim == 1:
            changed.add("bias")
            assert np.array_equal(found[places], old)
            assert np.array_equal(found[new], np.full(len(new), old.min()))
        else:
            axis = [a == b for a, b in zip(found.shape, old.shape, strict=True)].index(False)
            changed.add("from symbols" if axis == 0 else "to symbols")
            rows, of = (found, old) if axis == 0 else (found.T, old.T)
            assert np.array_equal(rows[places], of), name
            np.testing.assert_allclose(rows[new], np.tile(of.mean(axis=0), (len(new), 1)), atol=1e-6, err_msg=name)
    assert changed == {"bias", "from symbols", "to symbols"}


def test_symbols_that_the_new_text_does_not_have_stay_known():
    again = going_on(fitted(), max_steps=2).fit(MORE)
    assert set(again.classes_) == set(TEXT) | set(MORE)
    assert set(TEXT) - set(MORE)


def test_a_vocabulary_that_can_read_anything_stays_as_it_is():
    for level, text in (
        ("word", "the answer is not to be, or is that the question? " * 20),
        ("bpe", "日本 to be " * 40),
    ):
        model = small(level=level, max_steps=2).fit(TEXT)
        assert going_on(model).fit(text).classes_ == model.classes_


def test_words_that_are_new_count_as_unknown():
    model = small(level="word", max_steps=2).fit(TEXT)
    again = going_on(model).fit("the answer is not to be, or is that the question. " * 20)
    assert "answer" not in again.classes_
    assert again.evaluate("the answer is not").unknown == 1


@pytest.mark.parametrize("model", [fitted, fitted_on_bytes, embedded])
def test_the_model_that_it_came_from_is_left_alone(model):
    before = model().generate(40, random_state=1)
    going_on(model()).fit([*NAMES, "à?"])
    assert model().generate(40, random_state=1) == before


# ---------------------------------------------------------------------- how it learns


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_learning_rate_is_a_fifth_of_the_optimizers_own(optimizer):
    options = {"learning_rate": None, "optimizer": optimizer}
    fresh, model = small(**options).fit(TEXT), going_on(fitted(), **options).fit(TEXT)
    np.testing.assert_allclose(model.history_.learning_rate, np.array(fresh.history_.learning_rate) / 5, rtol=1e-12)


def test_a_learning_rate_that_is_given_is_taken():
    assert going_on(fitted()).fit(TEXT).history_.learning_rate == fitted().history_.learning_rate


def test_it_is_deterministic():
    first, second = going_on(fitted()).fit(MORE), going_on(fitted()).fit(MORE)
    assert first.history_ == second.history_
    assert_same_weights(first, second)


def test_it_may_go_on_again_and_again():
    model = going_on(fitted()).fit(MORE)
    loss = model.validation_loss_
    assert model.fit(MORE).fit(MORE).validation_loss_ < loss
    assert len(model.history_.loss) == 20


def test_another_dropout_length_and_type_may_be_asked_for():
    model = going_on(fitted(), dropout=0.5, seq_len=8, dtype="float64", max_steps=3).fit(TEXT)
    assert (model.dropout_, len(model.history_.loss)) == (0.5, 3)
    assert model.predict_proba("to").dtype == np.float64
    assert going_on(model, dropout=None).fit(TEXT).dropout_ == 0.5


def test_without_warm_start_it_learns_anew():
    model = going_on(fitted()).fit(MORE).set_params(warm_start=False).fit(TEXT)
    assert model.history_ == fitted().history_
    assert model.classes_ == fitted().classes_
    assert_same_weights(model, fitted())


def test_the_first_time_there_is_nothing_to_go_on_with():
    assert_same_weights(small(warm_start=True).fit(TEXT), fitted())


def test_a_clone_has_learned_nothing():
    model = clone(going_on(fitted()))
    assert model.warm_start is True
    assert not hasattr(model, "network_")
    assert_same_weights(model.fit(TEXT), fitted())


def test_it_is_told_which_symbols_are_new(capsys):
    going_on(fitted(), verbose=1, max_steps=2).fit(MORE)
    new = sorted(set(MORE) - set(TEXT))
    told = f"the vocabulary grows by {len(new)} symbols that the model did not know: {', '.join(map(repr, new))}"
    assert told in capsys.readouterr().err.splitlines()


def test_of_many_new_symbols_some_are_told(capsys):
    going_on(fitted(), verbose=1, max_steps=2).fit(TEXT + "ABCDEFG")
    told = "the vocabulary grows by 7 symbols that the model did not know: 'A', 'B', 'C', 'D', 'E', ..."
    assert told in capsys.readouterr().err.splitlines()


def test_nothing_is_told_of_a_vocabulary_that_stays(capsys):
    going_on(fitted(), verbose=1, max_steps=2).fit(TEXT)
    assert "the vocabulary grows" not in capsys.readouterr().err


# ---------------------------------------------------------------------- documents


def test_a_model_of_one_text_learns_ends_from_documents():
    model = going_on(fitted(), max_steps=200).fit(["to be", "or not"] * 20 + ["that is the question"])
    assert model.classes_[-1] == END
    assert [model.generate(50, prime, greedy=True) for prime in ("to", "or")] == [" be", " not"]
    assert model.copies(["to be", "to bee"]) == [True, False]


def test_a_model_of_documents_still_knows_ends_after_one_text():
    model = going_on(embedded(), max_steps=2).fit("hannah bann anna hanna " * 20)
    assert model.classes_ == embedded().classes_
    assert model.generate(80, random_state=1, bias={END: 50.0}) == ""


def test_documents_that_were_learned_before_are_remembered():
    model = going_on(embedded(), max_steps=2).fit(["ann hannah", "hanna ban"] * 20)
    assert model.copies(["anna banana", "hannah", "ann hannah", "hanna ban", "ban"]) == [True, True, True, True, False]


def test_documents_that_were_learned_before_are_remembered_where_the_vocabulary_grows():
    model = going_on(embedded(), max_steps=2).fit(["ABBA hannah", "hanna ban"] * 20)
    assert model.copies(["anna banana", "hannah", "ABBA hannah", "ban"]) == [True, True, True, False]


def test_a_model_that_has_forgotten_its_documents_claims_no_knowledge(monkeypatch):
    monkeypatch.setattr(generator, "MOST_REMEMBERED", 30)
    model = going_on(small(max_steps=2).fit(NAMES), max_steps=2).fit(["ann hannah", "hanna ban"] * 10)
    with pytest.raises(DataError, match="the model does not know which documents it learned from"):
        model.copies(["ann hannah"])


# ---------------------------------------------------------------------- files


def test_a_loaded_model_goes_on_like_the_one_it_came_from(tmp_path):
    fitted().save(tmp_path / "model")
    loaded = load(tmp_path / "model").set_params(warm_start=True, verbose=0).fit(MORE)
    expected = going_on(fitted()).fit(MORE)
    assert loaded.history_ == expected.history_
    assert loaded.classes_ == expected.classes_
    assert_same_weights(loaded, expected)


def test_a_model_that_went_on_goes_into_a_file(tmp_path):
    model = going_on(fitted()).fit([MORE, TEXT])
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.generate(50, random_state=1) == model.generate(50, random_state=1)
    assert again.history_ == model.history_
    assert again.warm_start is False
    again.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("text", "share"),
    [("Ψυχή καὶ λόγος " * 20, "80%"), ("ABCD" * 20 + "to be" * 8, "67%"), (["ΑΒΓ", "to"] * 20, "60%")],
)
def test_text_in_another_script_is_refused(text, share):
    model = going_on(fitted())
    with pytest.raises(DataError, match=rf"^the model knows few symbols of this text: {share} of \d+ are new to it"):
        model.fit(text)
    assert model.classes_ == fitted().classes_
    assert_same_weights(model, fitted())


def test_text_of_which_half_is_known_is_learned():
    assert "Z" in going_on(fitted(), max_steps=2).fit("toZZ" * 20).classes_


def test_text_of_unknown_words_is_refused():
    model = small(level="word", max_steps=2).fit(TEXT)
    with pytest.raises(DataError, match=r"^the model knows few symbols of this text: 80% of 100 are new to it"):
        going_on(model).fit("five other words here be " * 20)


@pytest.mark.parametrize(("name", "value"), [("hidden_size", 9), ("num_layers", 2), ("embedding_size", 3)])
def test_another_size_is_refused_by_its_name(name, value):
    there = getattr(fitted(), f"{name}_")
    message = f"warm_start goes on with the network that there is, whose {name} is {there}, got {name}={value}; "
    with pytest.raises(ParameterError, match=f"^{re.escape(message)}"):
        going_on(fitted(), **{name: value}).fit(TEXT)


@pytest.mark.parametrize("value", [None, 8, np.int64(8)])
def test_the_same_size_may_be_named_or_left_open(value):
    assert going_on(fitted(), hidden_size=value, max_steps=2).fit(TEXT).hidden_size_ == 8


@pytest.mark.parametrize(
    ("name", "value", "there"),
    [
        ("cell", "gru", "'lstm'"),
        ("cell", "elman-relu", "'lstm'"),
        ("level", "byte", "'char'"),
        ("level", "word", "'char'"),
        ("residual", True, "False"),
        ("vocab_size", 500, "None"),
    ],
)
def test_another_kind_is_refused_by_its_name(name, value, there):
    message = f"warm_start goes on with the model that there is, whose {name} is {there}, got {value!r}"
    with pytest.raises(ParameterError, match=f"^{re.escape(message)}$"):
        going_on(fitted(), **{name: value}).fit(TEXT)


def test_another_activation_is_refused_by_its_name():
    model = small(cell="elman", activation="relu", max_steps=2).fit(TEXT)
    with pytest.raises(ParameterError, match=r"whose activation is 'relu', got 'tanh'$"):
        going_on(model, activation="tanh").fit(TEXT)


def test_another_cell_of_the_same_name_is_refused():
    def minimal(scale):
        return Cell(
            "minimal",
            gates=("hidden",),
            states=("h",),
            step=lambda a, u, state, p: ((scale * a[0],), ()),
            step_back=lambda d_state, state, saved, p: ((scale * d_state[0],), (), (0.0,), ()),
        )

    model = small(cell=minimal(0.5), max_steps=2).fit(TEXT)
    with pytest.raises(ParameterError, match=r"the cell that there is, got another one of the same name, 'minimal'; "):
        going_on(model, cell=minimal(0.25)).fit(TEXT)
    assert going_on(model, cell=minimal(0.5)).fit(TEXT).fitted_.cell == model.fitted_.cell


@pytest.mark.parametrize("name", ["vocab_size", "early_stopping", "averaging"])
def test_a_file_that_lacks_a_parameter_means_its_default(tmp_path, name):
    fitted().save(tmp_path / "model")
    tensors, metadata = files.load(tmp_path / "model")
    del metadata["parameters"][name]
    files.save(tmp_path / "before", tensors, metadata)
    model = load(tmp_path / "before")
    assert model.validation_loss_ == fitted().validation_loss_
    assert going_on(model, verbose=0).fit(MORE).history_ == going_on(fitted()).fit(MORE).history_


def test_a_model_that_was_refused_can_go_on_all_the_same():
    model = going_on(fitted(), hidden_size=9)
    with pytest.raises(ParameterError):
        model.fit(TEXT)
    assert model.set_params(hidden_size=8).fit(TEXT).history_ == going_on(fitted()).fit(TEXT).history_


def test_sizes_that_were_chosen_are_kept():
    model = TextGenerator(max_steps=1, random_state=1, verbose=0, seq_len=16, hidden_size=8).fit(TEXT)
    again = going_on(model).fit(MORE)
    assert (again.hidden_size_, again.embedding_size_, again.dropout_) == (8, model.embedding_size_, model.dropout_)
