"""The estimator: scikit-learn's manners, the table of parameters, what fit refuses, and that every option trains."""

import copy
import inspect
import math
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils import get_tags
from tests.trained import FRENCH, SMALL, TEXT, fitted, learned, small

from throughtime import TextGenerator, cells
from throughtime.engine.plain import PlainEngine
from throughtime.errors import DataError, NonFiniteLoss, NotFittedError, ParameterError, known
from throughtime.initializers import get as get_initializer
from throughtime.optimizers import Rule, adam
from throughtime.optimizers.schedules import Step
from throughtime.parameters import PARAMETERS
from throughtime.text.vocabularies import END
from throughtime.training import Callback

HELD_OUT = TEXT[len(TEXT) - int(len(TEXT) * 0.1) :]


def assert_same_weights(found, expected):
    for name, w in expected.network_.parameters.items():
        assert np.array_equal(found.network_.parameters[name], w), name


# ---------------------------------------------------------------------- scikit-learn's manners


def test_the_constructor_has_the_parameters_of_the_table_and_their_defaults():
    found = {name: p.default for name, p in inspect.signature(TextGenerator).parameters.items()}
    assert found == {name: PARAMETERS[name].default for name in PARAMETERS}


def test_the_constructor_only_stores():
    values = {name: object() for name in PARAMETERS}
    model = TextGenerator(**values)
    assert vars(model) == values
    assert all(getattr(model, name) is value for name, value in values.items())


def test_parameters_can_be_had_and_set():
    model = TextGenerator(cell="gru", dropout=0.5)
    again = TextGenerator().set_params(**model.get_params())
    assert again.get_params() == model.get_params()
    assert again.get_params()["cell"] == "gru"
    assert model.set_params(dropout=0.25) is model
    assert model.dropout == 0.25


def test_an_unknown_parameter_is_refused():
    with pytest.raises(
        ParameterError, match=r"TextGenerator has no parameter 'units'; it has 'level', .* and 'verbose'"
    ):
        TextGenerator().set_params(units=5)


def test_it_can_be_cloned():
    model = clone(fitted())
    assert model.get_params() == fitted().get_params()
    assert not hasattr(model, "network_")


@pytest.mark.parametrize("value", [{"cell": cells.GRU}, {"optimizer": adam(beta1=0.5)}, {"callbacks": [Callback()]}])
def test_it_can_be_cloned_with_objects(value):
    (name,) = value
    assert type(getattr(clone(TextGenerator(**value)), name)) is type(value[name])


def test_scikit_learn_can_ask_for_its_tags():
    assert not get_tags(fitted()).target_tags.required
    assert not get_tags(TextGenerator(random_state=1)).non_deterministic
    assert get_tags(TextGenerator(random_state=None)).non_deterministic


def test_its_repr_names_what_is_not_the_default():
    assert repr(TextGenerator()) == "TextGenerator()"
    assert repr(TextGenerator(cell="gru", clip_norm=5.0, epochs=3)) == "TextGenerator(cell='gru', epochs=3)"


def test_fit_returns_itself_and_ignores_y():
    model = small(max_steps=1)
    assert model.fit(TEXT, [1, 2, 3]) is model


def test_parameters_stay_as_they_were_given():
    assert fitted().get_params() == small().get_params()


@pytest.mark.parametrize("again", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@pytest.mark.parametrize("changes", [{}, {"optimizer": "momentum", "cell": "elman", "level": "byte"}, {"verbose": 1}])
def test_copies_and_pickles_write_the_same(again, changes, capsys):
    model = small(**changes).fit(TEXT)
    twin = again(model)
    assert twin.generate(50, random_state=1) == model.generate(50, random_state=1)
    assert twin.history_ == model.history_
    assert twin.get_params() == model.get_params()


@pytest.mark.parametrize("again", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_can_learn_on_its_own(again):
    twin = again(fitted())
    before = fitted().generate(50, random_state=1)
    twin.set_params(random_state=2).fit(TEXT)
    assert fitted().generate(50, random_state=1) == before


@pytest.mark.parametrize(
    "use",
    [
        lambda model: model.generate(5),
        lambda model: model.stream(5),
        lambda model: model.predict("to"),
        lambda model: model.predict_proba("to"),
        lambda model: model.evaluate("to be"),
        lambda model: model.save("model.safetensors"),
        lambda model: model.plot_history(),
    ],
)
def test_nothing_works_before_fit(use, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFittedError, match="this TextGenerator has not learned anything yet; call fit first"):
        use(TextGenerator())
    assert list(tmp_path.iterdir()) == []


def test_whether_it_is_fitted():
    assert fitted().__sklearn_is_fitted__()
    assert not TextGenerator().__sklearn_is_fitted__()


# ---------------------------------------------------------------------- parameters that make no sense

BAD = [
    *[("hidden_size", value) for value in (0, -1, 1.5, "8", True, math.nan, [8], np.array([8, 8]))],
    *[("num_layers", value) for value in (0, 2.0)],
    *[("embedding_size", value) for value in (-1, 1.5)],
    *[("residual", value) for value in (1, None, "yes")],
    *[("dropout", value) for value in (-0.1, 1.0, math.nan, True)],
    *[("variational_dropout", value) for value in (1, -1, "half")],
    *[("seq_len", value) for value in (0, None, 10.0)],
    *[("bptt_truncate", value) for value in (-1, 0.5)],
    *[("batch_size", value) for value in (0, 2.5)],
    *[("epochs", value) for value in (0, 0.5)],
    *[("max_steps", value) for value in (0, -5, 10.0)],
    *[("minutes", value) for value in (0, -1, math.inf, math.nan, "5")],
    *[("learning_rate", value) for value in (0, -0.1, math.nan, "0.1")],
    *[("weight_decay", value) for value in (-0.1, math.inf)],
    *[("clip_norm", value) for value in (0, -1.0, math.inf)],
    *[("clip_value", value) for value in (0.0, "1")],
    *[("averaging", value) for value in (1.0, -0.1, None)],
    *[("validation", value) for value in (1.0, -0.1, None)],
    *[("early_stopping", value) for value in (1, None)],
    *[("patience", value) for value in (0, 1.5)],
    *[("verbose", value) for value in (-1, True, "no")],
    *[("level", value) for value in ("words", None, 5)],
    *[("vocab_size", value) for value in (1, 2.5, "many")],
    *[("warm_start", value) for value in (1, None)],
    *[("cell", value) for value in ("rnn", None, 5, ["lstm"])],
    *[("activation", value) for value in ("softplus", None)],
    *[("initializer", value) for value in ("zeros", None, 5)],
    *[("optimizer", value) for value in ("sdg", None, 5)],
    *[("schedule", value) for value in ("linear", None, 5)],
    *[("engine", value) for value in ("cuda", None, 5, [])],
    *[("dtype", value) for value in ("float16", None, 5)],
    *[("random_state", value) for value in (-1, 1.5, "seed", 2**64)],
    *[("callbacks", value) for value in (None, 5, [print])],
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_refused_by_the_name_of_its_parameter(name, value):
    """Before anything is read: the text here would be refused too."""
    model = TextGenerator(**{"verbose": 0, name: value})
    with pytest.raises(ParameterError, match=rf"^{name} must be .*, got ") as caught:
        model.fit("")
    assert "\n" not in str(caught.value)


def test_every_parameter_has_a_bad_value_above():
    assert {name for name, _ in BAD} == set(PARAMETERS)


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("level", "'char', 'byte', 'word' and 'bpe'"),
        ("cell", known(cells.names()) + " or a throughtime.Cell"),
        ("activation", "'tanh', 'relu' and 'sigmoid'"),
        ("optimizer", "'sgd', 'momentum', 'adagrad', 'rmsprop', 'adam' and 'adamw'"),
        ("schedule", "'constant', 'cosine', 'step' and 'plateau'"),
        ("initializer", "'uniform', 'normal', 'identity', 'glorot' and 'orthogonal'"),
    ],
)
def test_an_unknown_name_lists_the_known(name, listed):
    with pytest.raises(ParameterError) as caught:
        TextGenerator(**{name: "nonsense"}).fit(TEXT)
    assert str(caught.value) == f"{name} must be one of {listed}, got 'nonsense'"


ONE_DURATION = "epochs, max_steps and minutes each say how long to train; give one of them"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 1}, ONE_DURATION),
        ({"minutes": 1.0}, ONE_DURATION),
        (
            {"minutes": 1.0, "max_steps": None, "epochs": 1},
            ONE_DURATION,
        ),
        ({"activation": "relu"}, "activation is the Elman cell's; 'lstm' has its own"),
        ({"weight_decay": 0.1}, "weight_decay is AdamW's; 'adam' has none: use optimizer='adamw'"),
        ({"early_stopping": True, "validation": 0.0}, "early_stopping needs a validation part"),
    ],
)
def test_what_does_not_go_together_is_refused(changes, message):
    with pytest.raises(ParameterError, match=message):
        small(**changes).fit("")


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_size": np.int64(8)},
        {"num_layers": np.int64(2)},
        {"embedding_size": np.int64(3)},
        {"dropout": np.float32(0.25)},
        {"learning_rate": np.float32(0.02)},
        {"residual": np.True_},
        {"learning_rate": 1},
        {"random_state": np.uint8(1)},
    ],
)
def test_numbers_of_numpy_are_numbers(changes, tmp_path):
    model = small(**changes, max_steps=2).fit(TEXT)
    model.save(tmp_path / "model.safetensors")
    assert (tmp_path / "model.safetensors").stat().st_size > 0


# ---------------------------------------------------------------------- texts that cannot be learned from


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the text is empty"),
        ([], "an empty list was given"),
        ("aaaaaaaaaaaaaaaaaaaaaaaa" * 10, "the text has 1 different character; at least two are needed"),
        ("to be", r"the text is too short: 5 symbols, of which 4 can be learned; a sequence needs 17 \(seq_len \+ 1\)"),
        (["to", "be"] * 2, r"the text is too short: 16 symbols, of which 11 can be learned"),
        (b"to be or not to be" * 10, "bytes were given where text is expected"),
    ],
)
def test_what_is_too_little(text, message):
    with pytest.raises(DataError, match=message):
        small().fit(text)


def test_the_shortest_text():
    """17 symbols are one sequence of 16; with one less it is too short."""
    assert small(validation=0.0, max_steps=2).fit("abcdefghijklmnopq").symbols_ == 17
    with pytest.raises(DataError, match="too short: 16 symbols"):
        small(validation=0.0, max_steps=2).fit("abcdefghijklmnop")


# ---------------------------------------------------------------------- learning


def test_a_repeated_text_is_learned_by_heart():
    model = learned()
    assert model.history_.loss[0] == pytest.approx(math.log(len(model.vocabulary_)), rel=0.1)
    assert model.history_.loss[-1] < 0.05
    assert model.validation_loss_ < 0.1
    assert model.generate(84, "to be or", greedy=True) == " not to be, that is the question. to be or" * 2


def test_the_same_seed_gives_the_same_weights():
    options = {"dropout": 0.3, "variational_dropout": 0.2, "num_layers": 2}
    first, second = small(**options).fit(TEXT), small(**options).fit(TEXT)
    assert first.history_ == second.history_
    assert_same_weights(first, second)


def test_another_seed_gives_others():
    assert small(random_state=2).fit(TEXT).history_.loss != fitted().history_.loss


def test_a_generator_of_numpy_is_a_seed_that_moves_on():
    first, again = np.random.default_rng(5), np.random.default_rng(5)
    assert small(random_state=first).fit(TEXT).seed_ == small(random_state=again).fit(TEXT).seed_
    assert small(random_state=first, max_steps=1).fit(TEXT).seed_ != fitted().seed_


def test_a_seed_that_nobody_chose_is_told():
    model = small(random_state=None).fit(TEXT)
    assert small(random_state=model.seed_).fit(TEXT).history_ == model.history_


def test_to_fit_again_is_to_start_afresh():
    model = small().fit(FRENCH).fit(TEXT)
    assert model.history_ == fitted().history_
    assert_same_weights(model, fitted())


@pytest.mark.parametrize(
    "changes",
    [
        *[{"cell": name} for name in cells.names()],
        *[{"cell": "elman", "activation": name} for name in cells.ACTIVATIONS],
        *[{"optimizer": name} for name in ("sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw")],
        *[{"schedule": name} for name in ("constant", "cosine", "step", "plateau")],
        *[{"initializer": name} for name in ("uniform", "normal", "identity", "glorot", "orthogonal")],
        {"cell": cells.GRU},
        {"optimizer": adam(beta1=0.5)},
        {"optimizer": "adamw", "weight_decay": 0.1},
        {"schedule": Step(parts=2)},
        {"initializer": get_initializer("orthogonal")},
        {"embedding_size": 4},
        {"num_layers": 2},
        {"num_layers": 3, "residual": True},
        {"dropout": 0.4},
        {"variational_dropout": 0.4},
        {"bptt_truncate": 2},
        {"bptt_truncate": 0},
        {"clip_norm": None, "clip_value": 0.1},
        {"batch_size": 1},
        {"batch_size": 100},
        {"seq_len": 1},
        {"validation": 0.0},
        {"early_stopping": True, "patience": 1},
        {"level": "byte"},
        {"dtype": "float64"},
        {"engine": "numpy"},
        {"engine": PlainEngine("float64")},
    ],
    ids=str,
)
def test_every_option_trains(changes):
    model = small(**{"max_steps": 8} | changes).fit(TEXT)
    assert len(model.history_.loss) == model.training_.step
    assert all(map(math.isfinite, model.history_.loss))
    assert model.history_.loss[-1] < model.history_.loss[0]
    assert model.predict_proba("to").dtype == model.network_.engine.dtype


SHORT = {"max_steps": 5}


@pytest.mark.parametrize(
    ("without", "option"),
    [
        ({}, {"initializer": "orthogonal"}),
        ({}, {"optimizer": "rmsprop"}),
        ({}, {"learning_rate": 0.01}),
        ({}, {"schedule": "constant"}),
        ({}, {"dropout": 0.4}),
        ({}, {"variational_dropout": 0.4}),
        ({"dropout": 0.4}, {"dropout": 0.0, "variational_dropout": 0.4}),
        ({}, {"bptt_truncate": 2}),
        ({}, {"clip_norm": 0.1}),
        ({}, {"clip_value": 0.01}),
        ({}, {"batch_size": 3}),
        ({}, {"seq_len": 8}),
        ({}, {"validation": 0.2}),
        ({}, {"embedding_size": 5}),
        ({}, {"num_layers": 2}),
        ({"num_layers": 2}, {"residual": True}),
        ({"optimizer": "adamw"}, {"weight_decay": 0.5}),
        ({"cell": "elman"}, {"activation": "relu"}),
    ],
    ids=str,
)
def test_every_option_makes_a_difference(without, option):
    assert small(**without | option | SHORT).fit(TEXT).history_ != small(**without | SHORT).fit(TEXT).history_


def test_what_was_chosen_is_told():
    model = TextGenerator(max_steps=1, random_state=3, verbose=0).fit(TEXT)
    assert (model.hidden_size_, model.batch_size_, model.seed_) == (256, 4, 3)
    assert (model.num_layers_, model.embedding_size_, model.dropout_) == (1, 128, 0.01)  # a third of a pass
    assert (model.engine_, model.symbols_, model.classes_) == ("compiled", len(TEXT), sorted(set(TEXT)))


def test_epochs_are_passes_over_the_text():
    model = small(epochs=2, max_steps=None, validation=0.0).fit(TEXT)
    assert 2 * (len(TEXT) - 1) <= model.training_.symbols < 2.5 * len(TEXT)


def test_a_budget_in_minutes():
    model = small(minutes=0.02, max_steps=None).fit(TEXT)
    assert 0 < model.training_.seconds < 2.5  # 1.2 seconds, which the clock ends
    assert model.training_.step == len(model.history_.loss) <= model.training_.plan.max_steps


def test_minutes_choose_what_is_left_open():
    open_sizes = {"hidden_size": None, "embedding_size": None, "dropout": None}
    model = small(minutes=0.02, max_steps=None, **open_sizes).fit(TEXT)
    assert model.embedding_size_ == 128
    assert model.hidden_size_ % 64 == 0
    assert 0 < model.dropout_ <= 0.6
    assert model.num_layers_ in (1, 2)
    given = small(minutes=0.01, max_steps=None, hidden_size=9, dropout=0.0, embedding_size=0).fit(TEXT)
    assert (given.hidden_size_, given.dropout_, given.embedding_size_) == (9, 0.0, 0)
    assert small(minutes=0.01, max_steps=None, dropout=None).fit(TEXT).dropout_ > 0


def test_without_validation_there_is_no_such_loss():
    model = small(validation=0.0).fit(TEXT)
    assert model.validation_loss_ is None
    assert model.history_.validation_loss == []


def test_the_validation_loss_is_that_of_the_kept_weights():
    assert fitted().validation_loss_ == pytest.approx(fitted().evaluate(HELD_OUT).loss, rel=1e-6)


def test_early_stopping_keeps_the_best_weights():
    """Far too large a learning rate: the validation gets worse soon."""
    model = small(early_stopping=True, patience=2, max_steps=300, learning_rate=3.0, schedule="constant").fit(TEXT)
    losses = model.history_.validation_loss
    assert model.training_.step < 300
    assert losses.index(min(losses)) == len(losses) - 3
    assert model.evaluate(HELD_OUT).loss == pytest.approx(min(losses), rel=1e-5)
    assert model.validation_loss_ == min(losses)


def test_without_early_stopping_a_worse_validation_stops_nothing():
    model = small(patience=1, max_steps=150, learning_rate=3.0, schedule="constant", engine="numpy").fit(TEXT)
    losses = model.history_.validation_loss
    assert model.training_.step == 150
    assert losses[-1] > min(losses)
    assert model.validation_loss_ == losses[-1] == pytest.approx(model.evaluate(HELD_OUT).loss, rel=1e-5)


def test_documents_start_afresh():
    """A document stands between two ends, of which the second is predicted; the vocabulary comes from all of them."""
    documents = ["to be or not to be. ", "", "x", "that is the question. "] * 10
    model = small().fit(documents)
    assert model.symbols_ == sum(len(document) + 2 for document in documents if document)
    assert {"x", END} <= set(model.classes_)
    assert model.evaluate(documents).symbols == 10 * (21 + 2 + 23)


def test_a_file_and_a_folder_are_fitted_like_their_text(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    for source in (tmp_path / "a.txt", tmp_path):
        assert small().fit(source).history_ == fitted().history_


def test_another_encoding(tmp_path):
    (tmp_path / "a.txt").write_text(FRENCH, encoding="latin-1")
    assert small(max_steps=1).fit(tmp_path / "a.txt", encoding="latin-1").classes_ == sorted(set(FRENCH))


def test_files_that_were_left_out_are_told(tmp_path, capsys):
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "b.png").write_bytes(b"\x89PNG\0")
    small(verbose=1).fit(tmp_path)
    assert (
        f"files left out: 1 that are empty or no utf-8 text, such as '{tmp_path / 'b.png'}'" in capsys.readouterr().err
    )


def test_callbacks_hear_of_the_training():
    class Stop(Callback):
        def on_step(self, run):
            if run.step == 3:
                run.stop("enough")

    model = small(callbacks=[Stop()]).fit(TEXT)
    assert len(model.history_.loss) == 3
    assert model.training_.stopped == "enough"


def test_an_engine_that_does_several_steps_at_once_gives_the_same_model():
    class ThreeAtOnce(PlainEngine):
        steps_per_call = 3

    model, one_by_one = small(engine=ThreeAtOnce()).fit(TEXT), small(engine="numpy").fit(TEXT)
    assert model.history_ == one_by_one.history_
    assert_same_weights(model, one_by_one)


def test_a_model_is_usable_after_a_training_that_blew_up():
    def coefficients(t, rate, decay):
        return rate, math.nan if t == 6 else 0.0  # whatever the rate

    spoiling = Rule("spoiling", lambda w, g, slots, k: (w - k[0] * g + k[1], ()), coefficients, learning_rate=0.1)
    model = small(optimizer=spoiling)
    with pytest.raises(NonFiniteLoss, match=r"^after step 6 the weights were not finite"):
        model.fit(TEXT)
    assert model.history_.rollback_steps == [6] * 10
    assert len(model.generate(20, random_state=1)) == 20
    assert math.isfinite(model.evaluate(TEXT).loss)


def test_too_large_a_learning_rate_is_halved_until_it_is_of_use():
    model = small(cell="elman-relu", optimizer="sgd", learning_rate=100.0, clip_norm=None, max_steps=40).fit(TEXT)
    assert 1 <= len(model.history_.rollback_steps) <= 10
    assert model.validation_loss_ < 2 * math.log(len(model.vocabulary_))


def test_far_too_large_a_learning_rate_is_one_clear_error():
    model = small(cell="elman-relu", optimizer="sgd", learning_rate=1e20, clip_norm=None)
    with pytest.raises(NonFiniteLoss, match=r"^step \d+ met .* Try a smaller learning_rate, or clip_norm, and look"):
        model.fit(TEXT)
    assert math.isfinite(model.evaluate(TEXT).loss)


def test_the_defaults_of_these_tests_are_parameters():
    assert SMALL.keys() <= PARAMETERS.keys()


def test_the_first_steps_are_timed_without_a_trace():
    """Whatever the trial steps did, the first recorded loss is that of the initial weights."""
    model = small(max_steps=1, validation=0).fit(TEXT)
    fresh = small(max_steps=1, validation=0, optimizer="sgd", learning_rate=1e-12).fit(TEXT)
    assert model.history_.loss == fresh.history_.loss


def test_a_validation_part_with_nothing_to_predict_is_named():
    with pytest.raises(DataError, match="its validation part, 1 of 20 symbols, has nothing to predict"):
        small(validation=0.05).fit("ab" * 10)


def test_the_score_is_minus_the_loss():
    model = small(max_steps=2).fit(TEXT)
    assert model.score("to be") == -model.evaluate("to be").loss


def test_the_last_update_is_checked_too():
    model = small(max_steps=1, validation=0, optimizer="sgd", learning_rate=1e39, clip_norm=None)
    model.fit(TEXT)
    assert model.history_.rollback_steps == [1]
    assert all(np.isfinite(w).all() for w in model.network_.parameters.values())


def test_a_generator_is_drawn_from_once():
    model = small(max_steps=1, random_state=np.random.default_rng(5)).fit(TEXT)
    assert model.seed_ == int(np.random.default_rng(5).integers(2**31))


def test_a_learning_rate_of_numpys_gives_the_same_bits():
    ours = small(max_steps=3, learning_rate=0.02).fit(TEXT)
    numpys = small(max_steps=3, learning_rate=np.float64(0.02)).fit(TEXT)
    assert_same_weights(ours, numpys)


def test_a_plateau_needs_a_validation():
    with pytest.raises(ParameterError, match="schedule='plateau' needs a validation part"):
        small(schedule="plateau", validation=0).fit(TEXT)
