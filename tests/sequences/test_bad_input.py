"""What cannot be learned from or predicted is refused with one sentence that says where it is."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_matrix
from tests.sequences.material import (
    KINDS,
    SMALL,
    WORDS,
    X_NOTES,
    X_RAGGED,
    Y_RAGGED,
    classifier,
    classifier_of_several,
    classifier_of_strings,
    classifier_of_tokens,
    tagger,
)

from throughtime import SequenceClassifier, SequenceRegressor, SequenceTagger
from throughtime.errors import DataError, DataTypeError, OutputError, ParameterError

TABLE = pd.DataFrame({"age": [1.0, 2.0, 3.0], "name": [1, "Anna", 2]})
GOOD = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
LABELS = ["a", "b", "a"]


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (TABLE, "X must hold numbers: row 1, column 'name' has the text 'Anna'"),
        (np.array([["1", "2"]] * 3), "X must hold numbers: row 0, column 0 has the text"),
        ([[1, 2], [3, "x"], [5, 6]], "row 1 of X must hold numbers: step 1 has the text 'x'; a model with tokens=True"),
        ([[1, 2], [3, {}], [5, 6]], "row 1 of X must hold numbers: step 1 has {}"),
        (np.array([[1, np.nan]] * 3), r"X contains NaN \(row 0, column 1\); every value must be a finite number"),
        ([[1, 2], [3], [np.inf]], r"row 2 of X contains infinity \(step 0\)"),
        (pd.DataFrame({"a": [1, 2, np.nan]}), r"X contains NaN \(row 2, column 'a'\)"),
        (np.array([[1j, 2]] * 3), "Complex data not supported: X is complex128"),
        (csr_matrix(np.eye(3)), "X is a sparse matrix, and sparse input is not supported; use X.toarray()"),
        ([[1, 2], [], [3]], "row 1 of X is empty; a sequence needs at least one step"),
        ([], r"X has 0 sample\(s\)"),
        (np.zeros((3, 0)), r"Found array with 0 feature\(s\) \(shape=\(3, 0\)\) while a minimum of 1 is required"),
        (np.zeros((3, 0, 2)), r"Found array with 0 step\(s\)"),
        (np.zeros((3, 1, 1, 1)), r"X must be an array \[N, T\] or \[N, T, D\], got the shape \[3, 1, 1, 1\]"),
        (np.zeros(3), "Expected 2D array, got a 1D array of numbers instead. Reshape your data"),
        ([1, 2, 3], "X must hold sequences, but row 0 is 1. Reshape your data"),
        ([[[1, 2]], [[1, 2]], [[1, 2, 3]]], "row 0 of X has 2 features at each step, row 2 has 3; they must agree"),
        ([[[1, 2], [1]], [[1, 2]], [[1, 2]]], "the steps of row 0 of X have different numbers of features"),
        ([np.zeros((1, 1, 1))] * 3, r"row 0 of X must be \[T\] or \[T, D\], got the shape \[1, 1, 1\]"),
        ("abc", "X is a single string; give a list of them"),
        (["ab", "", "c"], "the string in row 1 of X is empty; a sequence needs at least one char"),
        (["ab", 5, "c"], "X begins with a string, but row 1 is 5; give strings only"),
        (None, "X is None; expected N sequences"),
        (5, "X is of the type int; expected an array, or a list of sequences"),
        (np.array(["2020-01-01"] * 3, "M8[D]")[:, None], r"X must hold numbers, got datetime64\[D\]"),
        (
            [[1, 2], [np.str_("x"), 4], [5, 6]],
            "row 1 of X must hold numbers: step 0 has the text 'x'; a model with tokens=True",
        ),
        (list(np.arange(3)), "X must hold sequences, but row 0 is 0. Reshape your data"),
        ([[1, 2], [3, 10**400], [5, 6]], "row 1 of X must hold numbers: step 1 has 10*\\.\\.\\. .int too large"),
        ([None, "ab", "c"], "X must hold sequences, but row 0 is None$"),
        ([[[1]], [[1]], [[1, 2]]], "row 0 of X has 1 feature at each step, row 2 has 2; they must agree"),
        (
            pd.DataFrame({"review": ["good", None, "bad"]}),
            "X begins with a string, but row 1 is (None|nan); give strings",
        ),
        (pd.DataFrame({"review": ["a", "b", "c"], "stars": [1, 2, 3]}), r"give it alone, X\['review'\]$"),
        (pd.DataFrame({"steps": [[1, 2], [3], [4]]}), r"row 0, column 'steps' has \[1, 2\] .* alone, X\['steps'\]$"),
        (pl.LazyFrame({"a": [1, 2, 3]}), r"X is a LazyFrame, which holds no rows yet; use X.collect\(\)"),
        (
            {"a": [1, 2], "b": [3, 4], "c": [5, 6]},
            "X is a dict, which has no rows; give a table, or a list of sequences",
        ),
    ],
)
def test_sequences_that_cannot_be_read(X, message):
    with pytest.raises(DataError, match=message) as caught:
        SequenceClassifier(**SMALL).fit(X, LABELS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([[1, 2.5]], "tokens must be integers or strings: row 0 of X has 2.5"),
        ([[1], [None]], "tokens must be integers or strings: row 1 of X has None"),
        ([[1], []], "row 1 of X is empty; a sequence needs at least one token"),
        (np.zeros((2, 2, 2), int), r"tokens must be sequences \[T\] or an array \[N, T\], got the shape \[2, 2, 2\]"),
        ([1, 2], "row 0 of X is of the type int"),
        (
            ["a b", "c d"],
            r"row 0 of X is the string 'a b', but a sequence of tokens is a list .* give text.split\(\) for",
        ),
        ([["a", "b"], "c d"], "row 1 of X is the string 'c d', but a sequence of tokens is a list of them"),
    ],
)
def test_tokens_that_are_none(X, message):
    with pytest.raises(DataError, match=message):
        SequenceClassifier(tokens=True, **SMALL).fit(X, [0, 1])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a", "b"], "X has 3 rows and y has 2; they must be as many"),
        (None, "requires y to be passed, but the target y is None"),
        (["a", "a", "a"], "y holds one class only, 'a'; at least two classes are needed"),
        ([0.5, 1.5, 2.0], "Unknown label type: continuous. y holds fractions; a regressor predicts those"),
        ([1.0, np.nan, 2.0], r"y contains nan \(row 1\), which is no label"),
        (["a", None, "b"], r"y contains None \(row 1\), which is no label"),
        (["a", np.nan, "b"], r"y contains nan \(row 1\), which is no label"),
        (["a", "b", ""], r"y contains '' \(row 2\), which is no label"),
        (np.zeros((3, 0)), r"y must be labels \[N\], or 0s and 1s \[N, K\], got the shape \[3, 0\]"),
        (np.array(["a", "", "b"]), r"y contains '' \(row 1\), which is no label"),
        (pd.Series(["a", "", "b"]), r"y contains '' \(row 1\), which is no label"),
        (pd.Series(["a", pd.NA, "b"], dtype="string"), r"y contains <NA> \(row 1\), which is no label"),
        (pl.Series(["a", "b", None]), r"y contains None \(row 2\), which is no label"),
        (np.array(["2020-01-01", "NaT", "2020-01-02"], "M8[D]"), r"\(row 1\), which is no label"),
        ([[0, 1], [None, 1], [0, 0]], r"y contains None \(row 1, column 0\), which is no label"),
        (np.array(["a"] * 3), "y holds one class only, 'a'; at least two classes are needed"),
        (np.array([[0, 1], [0, 2], [0, 0]]), "row 1, column 1 is 2$"),
        (pl.LazyFrame({"a": [1, 2, 3]}), r"y is a LazyFrame, which holds no rows yet; use y.collect\(\)"),
        ({"a": 1, "b": 2, "c": 3}, "y is a dict, which has no rows"),
        ([[0, 1], [2, 1], [0, 0]], "must be 0s and 1s, one column for each label; row 1, column 0 is .*2"),
        ([["a", "b"]] * 3, "must be 0s and 1s, one column for each label"),
        ([[0, 1], [1], [0, 0]], "got lists of different lengths"),
        (np.zeros((3, 2, 2)), r"y must be labels \[N\], or 0s and 1s \[N, K\], got the shape \[3, 2, 2\]"),
        ("abc", "y is a single string"),
    ],
)
def test_classes_that_cannot_be_learned(y, message):
    with pytest.raises(DataError, match=message):
        SequenceClassifier(**SMALL).fit(GOOD, y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1, 2], "X has 3 rows and y has 2"),
        (None, "requires y to be passed"),
        ([1, "b", 2], "y must hold numbers: row 1 has the text 'b'"),
        ([1, np.inf, 2], r"y contains infinity \(row 1\)"),
        ([[1, 2], [3], [4, 5]], "got lists of different lengths"),
        (np.zeros((3, 1, 1)), r"y must be numbers \[N\] or \[N, K\], got the shape \[3, 1, 1\]"),
    ],
)
def test_numbers_that_cannot_be_learned(y, message):
    with pytest.raises(DataError, match=message):
        SequenceRegressor(**SMALL).fit(GOOD, y)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 2], r"sample_weight must be one number for each row, \[3\], got \[2\]"),
        ([[1, 2, 3]], r"sample_weight must be one number for each row, \[3\], got \[1, 3\]"),
        ([1, -2, 3], "sample_weight must not be negative: row 1 has -2"),
        ([1, np.nan, 3], r"sample_weight contains NaN \(row 1\)"),
        ([0, 0, 0], "sample_weight is zero for every row; nothing would be learned"),
        ([1, 0, 1], "y holds one class only, 'a'"),
    ],
)
def test_weights_that_make_no_sense(weights, message):
    with pytest.raises(DataError, match=message):
        SequenceClassifier(**SMALL).fit(GOOD, LABELS, weights)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ({"c": 1.0}, "class_weight names 'c', which is no class of y; it has 'a' and 'b'"),
        ({"a": 0}, "class_weight must be numbers above 0, got 0 for 'a'"),
        ({np.str_("a"): np.float64(-1)}, "class_weight must be numbers above 0, got -1.0 for 'a'"),
        ({"a": "much"}, "class_weight must be numbers above 0, got 'much' for 'a'"),
        ("equal", "class_weight must be None, 'balanced' or a dict, got 'equal'"),
    ],
)
def test_class_weights_that_make_no_sense(weight, message):
    with pytest.raises(ParameterError, match=message):
        SequenceClassifier(**SMALL, class_weight=weight).fit(GOOD, LABELS)


def test_class_weights_are_for_one_class_a_row():
    with pytest.raises(ParameterError, match="class_weight is for one class a row"):
        SequenceClassifier(**SMALL, class_weight="balanced").fit(GOOD, [[0, 1], [1, 1], [0, 0]])


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ([["a", "b"], ["c"]], [["x"], ["y"]], "row 0 has 2 steps and 1 tag; each step needs one"),
        ([["a"]], [["x", "y"]], "row 0 has 1 step and 2 tags; each step needs one"),
        ([["a"], ["b", "c"]], [["x"], ["y", ""]], r"y contains '' \(row 1, step 1\), which is no label"),
        ([["a"], ["b", "c"]], [["x"], ["y", None]], r"y contains None \(row 1, step 1\), which is no label"),
        ([["a"], ["b", "c"]], [[1.0], [2.0, np.nan]], r"y contains nan \(row 1, step 1\), which is no label"),
        ([[1], [2, 3]], [[[0, 1]], [[0, 1], [0, 2]]], "row 1, step 1, column 1 is 2$"),
        (["ab", "cd"], [["x", "y"]] * 2, "row 0 of X is the string 'ab', but a sequence of tokens is a list of them"),
        ([["a"], ["b", "c"]], [["x"], ["y", "x", "x"]], "row 1 has 2 steps and 3 tags"),
        ([["a"], ["b"]], [["x"]], "X has 2 rows and y has 1"),
        ([["a"], []], [["x"], []], "row 1 of X is empty; a sequence needs at least one token"),
        ([["a"], ["b"]], [["x"], ["x"]], "y holds one class only, 'x'"),
        ([["a"], ["b"]], ["x", "y"], "row 0 of y is a single string"),
        ([["a"], [1.5]], [["x"], ["y"]], "tokens must be integers or strings: row 1 of X has 1.5"),
        ([[1, 2]], [[[0, 1], [0, 2]]], "must be 0s and 1s"),
        ([[1], [2]], [[[0, 1]], [[0, 1, 1]]], "y must have as many columns in every row, one for each label"),
        ([["a"]], None, "requires y to be passed"),
        ([], [], r"X has 0 sample\(s\)"),
    ],
)
def test_tags_that_cannot_be_learned(X, y, message):
    with pytest.raises(DataError, match=message):
        SequenceTagger(**SMALL).fit(X, y)


def test_characters_are_those_of_strings():
    with pytest.raises(ParameterError, match="characters=True is for tokens, but X holds numbers"):
        SequenceTagger(characters=True, **SMALL).fit([[1.0, 2.0]], [["a", "b"]])
    with pytest.raises(DataTypeError, match="characters=True needs tokens that are strings, got 5"):
        SequenceTagger(characters=True, tokens=True, **SMALL).fit([["a", 5]], [["a", "b"]])


@pytest.mark.parametrize(
    ("model", "X", "message"),
    [
        (classifier, ["abc"], "this model learned from numbers, but X holds symbols"),
        (classifier, X_NOTES, "X has 3 features at each step, but this model learned from 1"),
        (classifier_of_strings, X_RAGGED, "this model learned from symbols, but X holds numbers"),
        (tagger, X_RAGGED, "this model learned from symbols, but X holds numbers"),
        (classifier, [[np.nan]], "row 0 of X contains NaN"),
        (classifier_of_several, [[[1]]], "X has 1 feature at each step, but this model learned from 3"),
        (
            classifier_of_several,
            [X_NOTES[0], [[1e39, -1e39, 1e39]]],
            "row 1 of X holds numbers too far from those that",
        ),
        (tagger, ["Anna sleeps"], "row 0 of X is the string 'Anna sleeps', but a sequence of tokens is a list of them"),
        (tagger, ["Anna", "sleeps"], "row 0 of X is the string 'Anna', but a sequence of tokens is a list of them"),
        (
            classifier_of_tokens,
            ["Anna sleeps"],
            "row 0 of X is the string 'Anna sleeps', but a sequence of tokens is a",
        ),
    ],
)
def test_sequences_of_another_kind(model, X, message):
    with pytest.raises(DataError, match=message):
        model().predict(X)


def test_arrays_of_another_length_and_tables_of_other_columns():
    table = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 7.0]})
    model = SequenceClassifier(**SMALL).fit(table, LABELS)
    assert (model.n_features_in_, model.feature_names_in_.tolist()) == (2, ["a", "b"])
    with pytest.raises(DataError, match="X has 3 features, but SequenceClassifier is expecting 2 features as input"):
        model.predict(np.zeros((1, 3)))
    with pytest.raises(DataError, match="expected the columns 'a' and 'b', in this order"):
        model.predict(table[["b", "a"]])
    assert np.array_equal(model.predict(table), model.predict(table.to_numpy()))
    assert len(model.predict([[1.0, 2.0, 3.0], [1.0]])) == 2  # of lists the length is free


@pytest.mark.parametrize(
    ("model", "y", "message"),
    [
        (classifier, [0], "X has 40 rows and y has 1"),
        (classifier, np.zeros((40, 2), int), r"y must be of the shape \[40\], got \[40, 2\]"),
    ],
)
def test_answers_that_cannot_be_compared(model, y, message):
    with pytest.raises(DataError, match=message):
        model().score(X_RAGGED, y)


def test_answers_that_are_the_sequences_themselves():
    texts, X = ["ab", "ba", "cd"], np.eye(3)
    given = [
        (SequenceClassifier(**SMALL), texts, texts),
        (SequenceClassifier(**SMALL), texts, np.array(texts)),
        (SequenceClassifier(level="word", **SMALL), pd.DataFrame({"text": texts}), pd.Series(texts)),
        (SequenceRegressor(**SMALL), X, X),
        (SequenceTagger(**SMALL), [["a", "b"]], None),
    ]
    for model, sequences, answers in given:
        with pytest.raises(DataError, match="y is the same as X; give as y what is to be told of each sequence"):
            model.fit(sequences, sequences if answers is None else answers)


@pytest.mark.parametrize("engine", ["compiled", "numpy"])
def test_numbers_that_no_number_can_be_told_of(engine):
    """In float32 they are infinite, and infinity less infinity is no number."""
    rng = np.random.default_rng(0)
    model = SequenceRegressor(engine=engine, **SMALL).fit(rng.normal(size=(20, 4, 3)), np.arange(20))
    with pytest.raises(DataError, match="row 0 of X holds numbers too far from those that were learned from"):
        model.predict(np.full((1, 4, 3), 1e39) * [1, -1, 1])


@pytest.mark.parametrize(("X", "y"), [([[1e200], [2e200]], [1, 2]), ([[1], [2]], [1e200, 3e200])])
def test_numbers_whose_squares_are_none(X, y):
    with pytest.raises(DataError, match=r"numbers as large as [23]e\+200 cannot be standardised; divide them first"):
        SequenceRegressor(**SMALL).fit(X, y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (
            ["low", "new", "high", "new", "odd", "low"] * 4,
            r"\('new', 'odd'\) are those of 12 rows; they count as wrong",
        ),
        (["new", *KINDS[1:]], r"labels that were never seen in training \('new'\) are those of 1 row; they count"),
        ([*"abcdefg", *KINDS[7:]], r"\('a', 'b', 'c', 'd', 'e', \.\.\.\) are those of 7 rows"),
        ([1] * len(KINDS), r"\(1\) are those of 24 rows"),
    ],
)
def test_labels_that_were_never_seen_are_counted_and_named(y, message):
    model = classifier_of_strings()
    right = np.mean([a == b for a, b in zip(model.predict(WORDS).tolist(), y, strict=True)])
    with pytest.warns(UserWarning, match=message):
        assert model.score(WORDS, y) == pytest.approx(right)


def test_tags_that_were_never_seen_are_counted_and_named():
    message = r"\('new'\) are those of 2 steps; they count as wrong"
    with pytest.warns(UserWarning, match=message):
        assert tagger().score([["in", "in"]], [["new", "new"]]) == 0
    with pytest.warns(UserWarning, match=message):
        tagger().report([["in", "in"]], [["new", "new"]])


def test_too_little_for_a_validation_part():
    with pytest.raises(DataError, match="a validation part needs at least two different rows"):
        SequenceRegressor(validation=0.1, **SMALL).fit([[1.0], [1.0]], [1, 1])


def test_a_failed_fit_leaves_what_was_learned_before():
    model = SequenceClassifier(**SMALL).fit(X_RAGGED, Y_RAGGED)
    before = model.predict_proba(X_RAGGED)
    with pytest.raises(DataError):
        model.fit([[1.0], [np.nan]], [0, 1])
    assert np.array_equal(model.predict_proba(X_RAGGED), before)


def test_a_label_that_no_file_can_hold(tmp_path):
    model = SequenceClassifier(**SMALL).fit(["a", "b"], [frozenset("a"), "b"])
    with pytest.raises(OutputError, match=r"the label frozenset\(\{'a'\}\) is no string or number"):
        model.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
