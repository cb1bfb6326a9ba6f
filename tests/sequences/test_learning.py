"""Tasks with a known answer are learned, and what must have no influence has none, to the last bit."""

import numpy as np
import pytest
from tests.sequences.material import MODELS, SMALL, X_RAGGED, Y_RAGGED, outputs, ragged

from throughtime import SequenceClassifier, SequenceRegressor, SequenceTagger
from throughtime.sequences.rows import Lesson, Rows

# ---------------------------------------------------------------------- known answers


def test_the_first_symbol_is_remembered_to_the_end():
    rng = np.random.default_rng(0)
    X = [rng.integers(0, 2, rng.integers(5, 15)) for _ in range(300)]
    y = [x[0] for x in X]
    model = SequenceClassifier(tokens=True, hidden_size=32, random_state=0).fit(X[:200], y[:200])
    assert model.score(X[200:], y[200:]) == 1.0


def test_the_parity_of_ones():
    rng = np.random.default_rng(0)
    X = [rng.integers(0, 2, rng.integers(1, 8)) for _ in range(400)]
    y = [int(x.sum()) % 2 for x in X]
    model = SequenceClassifier(hidden_size=16, max_steps=1500, dropout=0.0, random_state=0).fit(X, y)
    assert model.score(X, y) == 1.0


def test_which_of_two_symbols_comes_first_among_padding():
    """The words hold the same letters; only their order tells them apart."""
    rng = np.random.default_rng(0)
    X, y = [], []
    for row in range(200):
        word = ["."] * int(rng.integers(4, 20))
        places = sorted(rng.choice(len(word), 2, replace=False))
        for place, letter in zip(places, "ab" if row % 2 else "ba", strict=True):
            word[place] = letter
        X.append("".join(word))
        y.append("ab" if row % 2 else "ba")
    model = SequenceClassifier(random_state=0).fit(X[:150], y[:150])
    assert model.score(X[150:], y[150:]) == 1.0
    assert model.predict(["...b....a.", "a.b"]).tolist() == ["ba", "ab"]


@pytest.mark.parametrize("loss", ["squared", "absolute", "huber"])
def test_the_sum_of_a_sequence(loss):
    X = ragged(300, most=6)
    y = np.array([x.sum() for x in X])
    model = SequenceRegressor(loss=loss, dropout=0.0, max_steps=600, random_state=0).fit(X[:250], y[:250])
    assert model.score(X[250:], y[250:]) > 0.95


def test_several_numbers_of_a_sequence():
    X = ragged(300, most=6, D=2)
    y = np.array([[x[-1, 0], 1000 * x[0, 1] + 5000] for x in X])
    model = SequenceRegressor(dropout=0.0, max_steps=600, random_state=0).fit(X[:250], y[:250])
    assert model.predict(X[250:]).shape == (50, 2)
    assert model.score(X[250:], y[250:]) > 0.9


def test_which_notes_were_struck_so_far():
    rng = np.random.default_rng(0)
    X = [(rng.random((rng.integers(3, 9), 4)) < 0.2).astype(int) for _ in range(150)]
    y = [np.maximum.accumulate(x, axis=0) for x in X]
    model = SequenceTagger(hidden_size=32, bidirectional=False, random_state=0).fit(X[:120], y[:120])
    assert model.score(X[120:], y[120:]) > 0.98
    whole = SequenceClassifier(random_state=0).fit(X[:120], [row[-1] for row in y[:120]])
    assert whole.score(X[120:], [row[-1] for row in y[120:]]) > 0.9


def test_a_tag_that_depends_on_what_comes_later():
    """Each step is tagged with the last symbol: only a network that reads backward too can know it."""
    rng = np.random.default_rng(0)
    X = [rng.integers(0, 3, rng.integers(2, 10)) for _ in range(150)]
    y = [np.full(len(x), x[-1]) for x in X]
    both, one = (
        SequenceTagger(tokens=True, hidden_size=16, bidirectional=way, random_state=0).fit(X[:100], y[:100])
        for way in (True, False)
    )
    assert both.score(X[100:], y[100:]) == 1.0
    assert one.score(X[100:], y[100:]) < 0.8


def test_words_that_were_never_seen_are_told_by_how_they_are_written():
    rng = np.random.default_rng(0)

    def word(ending):
        return "".join(rng.choice(list("bcdfghklm"), 4)) + ending

    y = [[["verb", "noun"][rng.integers(2)] for _ in range(5)] for _ in range(120)]
    X = [[word("ing" if tag == "verb" else "ness") for tag in tags] for tags in y]
    seen, blind = (SequenceTagger(characters=way, random_state=0).fit(X[:100], y[:100]) for way in (True, False))
    assert seen.score(X[100:], y[100:]) == 1.0
    assert blind.score(X[100:], y[100:]) < 0.8


@pytest.mark.parametrize("characters", [False, True])
def test_the_vocabulary_is_that_of_the_part_that_is_learned(characters):
    """Each sentence is a word of its own, twice: half of the words are held out."""
    X = [[f"w{row}", f"w{row}"] for row in range(40)]
    model = SequenceTagger(**SMALL, validation=0.5, characters=characters).fit(X, [["a", "b"]] * 40)
    whole = {f"{'=' if characters else ''}w{row}" for row in range(40)}
    assert len(whole.intersection(model.fitted_.encoding.known)) == 20


def test_the_vocabulary_of_texts_is_that_of_the_part_that_is_learned():
    X = [f"w{row} w{row}" for row in range(40)]
    model = SequenceClassifier(**SMALL, validation=0.5, level="word").fit(X, ["a", "b"] * 20)
    assert len([symbol for symbol in model.fitted_.encoding.known if symbol.startswith("w")]) == 20


# ---------------------------------------------------------------------- batches and padding


@pytest.mark.parametrize("name", MODELS)
def test_a_row_alone_gives_what_it_gives_in_company(name):
    model, X, _ = MODELS[name]
    together = outputs(model(), X)
    for row in range(len(X)):
        assert np.array_equal(outputs(model(), X[row : row + 1])[0], together[row])


@pytest.mark.parametrize("name", MODELS)
def test_longer_company_changes_nothing(name):
    """The row of 40 steps pads all others."""
    model, X, _ = MODELS[name]
    long = X[0] * 40 if isinstance(X[0], (str, list)) else np.repeat(X[0], 40, axis=0)
    together = outputs(model(), [*X, long])
    assert all(np.array_equal(a, b) for a, b in zip(outputs(model(), X), together[: len(X)], strict=True))


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_no_way_of_pooling_sees_the_padding(pooling, bidirectional):
    model = SequenceClassifier(**SMALL, pooling=pooling, bidirectional=bidirectional).fit(X_RAGGED, Y_RAGGED)
    together = model.predict_proba(X_RAGGED)
    assert np.array_equal(model.predict_proba(X_RAGGED[:1])[0], together[0])
    assert np.array_equal(model.predict_proba(X_RAGGED[::-1])[::-1], together)


# ---------------------------------------------------------------------- weights


def same(first, second):
    a, b = first.network_.parameters, second.network_.parameters
    return all(np.array_equal(a[name], b[name]) for name in b)


@pytest.mark.parametrize("kind", [SequenceClassifier, SequenceRegressor])
def test_a_weight_is_a_number_of_copies_and_the_order_has_no_influence(kind):
    rng = np.random.default_rng(3)
    weights = rng.integers(0, 4, len(X_RAGGED))
    weights[:2] = 2
    weighted = kind(**SMALL).fit(X_RAGGED, Y_RAGGED, weights)
    copies = rng.permutation(np.repeat(np.arange(len(X_RAGGED)), weights))
    repeated = kind(**SMALL).fit([X_RAGGED[i] for i in copies], Y_RAGGED[copies])
    assert same(weighted, repeated)
    assert not same(weighted, kind(**SMALL).fit(X_RAGGED, Y_RAGGED))


def test_the_same_for_strings_and_with_a_validation_part():
    X, y = ["ab", "ba", "cd", "dc", "aab", "ccd"], [0, 0, 1, 1, 0, 1]
    options = SMALL | {"validation": 0.3}
    weighted = SequenceClassifier(**options).fit(X, y, [1, 2, 1, 1, 3, 0])
    repeated = SequenceClassifier(**options).fit(
        ["aab", "ab", "ba", "cd", "aab", "ba", "dc", "aab"], [0, 0, 0, 1, 0, 0, 1, 0]
    )
    assert same(weighted, repeated)
    assert weighted.validation_loss_ == repeated.validation_loss_


def test_a_row_that_counts_much_is_several():
    """By hand: the mean weight is 3, so that 8 is three rows of 8/3."""
    lesson = Lesson(Rows.of([np.array([i]) for i in range(4)]), np.arange(4), np.array([1.0, 1.0, 2.0, 8.0]))
    spread = lesson.spread()
    assert spread.answers.tolist() == [0, 1, 2, 3, 3, 3]
    assert spread.weights.tolist() == [1, 1, 2, 8 / 3, 8 / 3, 8 / 3]


def test_equal_weights_are_one_row_each():
    lesson = Lesson(Rows.of([np.array([i]) for i in range(7)]), np.arange(7), np.full(7, 0.1))
    assert len(lesson.spread()) == 7


def test_a_class_that_counts_more_is_found_more_often():
    rng = np.random.default_rng(0)
    y = np.arange(300) % 10 == 0
    X = rng.normal(size=(300, 3)) + y[:, None]  # they overlap
    plain, balanced, given = (
        SequenceClassifier(class_weight=weight, **SMALL).fit(X, y) for weight in (None, "balanced", {True: 100.0})
    )
    assert plain.predict(X).mean() < 0.1 < balanced.predict(X).mean() < given.predict(X).mean()


def test_balanced_is_what_it_says():
    """By hand: three of class 0 and one of class 1 count 4/(2*3) and 4/(2*1)."""
    X, y = ["a", "b", "c", "d"], [0, 0, 0, 1]
    balanced = SequenceClassifier(class_weight="balanced", **SMALL).fit(X, y)
    assert same(balanced, SequenceClassifier(**SMALL).fit(X, y, [4 / 6, 4 / 6, 4 / 6, 2.0]))


@pytest.mark.parametrize("class_weight", [None, "balanced", {"rare": 50.0}], ids=str)
@pytest.mark.parametrize("validation", [0.0, 0.5])
def test_the_majority_is_that_of_the_rows_however_classes_are_weighted(class_weight, validation):
    """Nine of ten are "usual", on both sides of the split; as ``score`` counts it, guessing so is right in 0.9."""
    X, y = np.arange(40.0).reshape(40, 1), ["usual" if row % 10 else "rare" for row in range(40)]
    model = SequenceClassifier(**SMALL, class_weight=class_weight, validation=validation).fit(X, y)
    assert model.baseline_.guess == "'usual'"
    assert model.baseline_.score == pytest.approx(0.9)


def test_the_majority_counts_rows_as_often_as_they_weigh():
    X, y, weights = [[1], [2], [3]], ["a", "a", "b"], [1, 1, 3]
    model = SequenceClassifier(**SMALL, class_weight="balanced").fit(X, y, weights)
    assert (model.baseline_.guess, model.baseline_.score) == ("'b'", pytest.approx(0.6))


# ---------------------------------------------------------------------- training


def test_early_stopping_keeps_the_best_weights():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), rng.integers(0, 2, 60)  # nothing to learn
    options = {"validation": 0.3, "patience": 2, "learning_rate": 0.05, "random_state": 0, "max_steps": 500}
    model = SequenceClassifier(**options, early_stopping=True).fit(X, y)
    history = model.history_.validation_loss
    assert model.training_.stopped == "the validation loss has not improved 2 times"
    assert model.validation_loss_ == min(history) < history[-1]
    assert len(history) < len(SequenceClassifier(**options).fit(X, y).history_.validation_loss)


def test_of_each_class_about_the_same_share_is_held_out():
    answers = np.repeat([0, 1], [80, 20])
    lesson = Lesson(Rows.of([np.array([i]) for i in range(100)]), answers, np.ones(100))
    learned, held_out = lesson.split(0.1, seed=0)
    assert (len(learned), np.bincount(held_out.answers).tolist()) == (90, [8, 2])


@pytest.mark.parametrize("name", MODELS)
def test_the_same_seed_gives_the_same_model(name):
    model, X, y = MODELS[name]
    again = type(model())(**model().get_params()).fit(X, y)
    assert same(again, model())
    assert again.history_ == model().history_
    other = type(model())(**model().get_params() | {"random_state": 2}).fit(X, y)
    assert not same(other, model())


def test_numbers_are_standardised_by_the_training_part():
    """An affine change of the inputs, or of the answers, is undone."""
    X, y = X_RAGGED, np.array([x.sum() for x in X_RAGGED])
    options = SMALL | {"dtype": "float64", "batch_size": 40, "dropout": 0.0}
    plain = SequenceRegressor(**options).fit(X, y)
    scaled = SequenceRegressor(**options).fit([100 * x + 7 for x in X], 1000 * y - 5)
    assert scaled.predict([100 * x + 7 for x in X]) == pytest.approx(1000 * plain.predict(X) - 5, rel=1e-6)


def test_a_constant_feature_does_no_harm():
    X = np.stack([np.arange(20.0).reshape(4, 5), np.full((4, 5), 3.0)], axis=2)
    assert np.isfinite(SequenceRegressor(**SMALL).fit(X, [1, 2, 3, 4]).predict(X)).all()
    assert SequenceRegressor(**SMALL).fit(X, [5, 5, 5, 5]).predict(X) == pytest.approx([5] * 4, abs=0.5)


OPTIONS = [
    {"cell": "gru"},
    {"cell": "elman", "activation": "relu"},
    {"num_layers": 2, "residual": True},
    {"dropout": 0.3, "variational_dropout": 0.2},
    {"bidirectional": False},
    {"pooling": "mean"},
    {"pooling": "max"},
    {"embedding_size": 0},
    {"embedding_size": 5},
    {"vocab_size": 2},
    {"level": "word"},
    {"max_length": 2},
    {"max_length": 2, "truncating": "post"},
    {"batch_size": 3},
    {"optimizer": "sgd", "schedule": "constant", "clip_norm": None},
    {"averaging": 0.5},
    {"validation": 0.2, "schedule": "plateau"},
    {"engine": "numpy"},
    {"dtype": "float64"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_option_trains_and_makes_a_difference(options):
    X = [" ".join(word) for word in ("aa", "abb", "babab", "ccd", "dcd", "cdcdcd", "bba", "ddc")] * 2
    y = [0, 0, 0, 1, 1, 1, 0, 1] * 2
    plain = SequenceClassifier(**SMALL).fit(X, y)
    model = SequenceClassifier(**SMALL | options).fit(X, y)
    assert np.isfinite(model.predict_proba(X)).all()
    assert model.history_.loss[-1] < model.history_.loss[0]
    assert not np.array_equal(model.predict_proba(X), plain.predict_proba(X))


def test_how_long_it_trains():
    X, y = ragged(64), np.arange(64) % 2
    assert len(SequenceClassifier(hidden_size=4, batch_size=16, epochs=3).fit(X, y).history_.loss) == 12
    model = SequenceClassifier(hidden_size=4, minutes=0.005, random_state=0).fit(X, y)
    assert model.training_.seconds < 2


def test_guessing_is_told_beside_it(capsys):
    """By hand: three of four are "a"; the shares with one more of each are 4/6 and 2/6."""
    model = SequenceClassifier(**SMALL, verbose=1).fit([[1], [2], [3], [4]], ["a", "a", "a", "b"])
    assert model.baseline_.score == 0.75
    assert model.baseline_.loss == pytest.approx(-(3 * np.log(4 / 6) + np.log(2 / 6)) / 4)
    assert "guessing 'a' scores 0.750, with a loss of 0.5" in capsys.readouterr().err
    numbers = SequenceRegressor(**SMALL).fit([[1], [2], [3], [4]], [1, 2, 3, 6])
    assert numbers.baseline_.score == pytest.approx(0)
    assert numbers.baseline_.loss == pytest.approx(1)  # of standardised numbers
    tags = SequenceTagger(**SMALL).fit([["a", "b"], ["a"]], [["x", "y"], ["x"]])
    assert tags.baseline_.score == pytest.approx(2 / 3)
    several = SequenceClassifier(**SMALL).fit([[1], [2], [3]], [[1, 0], [1, 0], [0, 0]])
    assert several.baseline_.score == pytest.approx(2 / 3)


def test_silence_is_the_default(capsys):
    SequenceClassifier(**SMALL).fit(X_RAGGED, Y_RAGGED)
    assert capsys.readouterr() == ("", "")
