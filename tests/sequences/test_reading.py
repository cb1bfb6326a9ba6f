"""What may be handed in, and what is made of it."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from tests.sequences.material import KINDS, SMALL, WORDS, classifier_of_strings

from throughtime import SequenceClassifier, SequenceTagger, load
from throughtime.errors import DataError
from throughtime.sequences.encoding import Alphabet, Features, Scale
from throughtime.sequences.inputs import Read, read
from throughtime.sequences.rows import Rows, Symbols


def rows_of(X, **options):
    content = read(X, **options).content
    return [content[i].tolist() for i in range(len(content))] if isinstance(content, Rows) else list(content)


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        (np.array([[1, 2], [3, 4]]), [[[1], [2]], [[3], [4]]]),
        (np.array([[1, 2], [3, 4]], object), [[[1], [2]], [[3], [4]]]),
        (np.array([[True, False]]), [[[1], [0]]]),
        (np.array([[[1, 2]], [[3, 4]]]), [[[1, 2]], [[3, 4]]]),
        ([[1], [2, 3]], [[[1]], [[2], [3]]]),
        (([1], (2, 3)), [[[1]], [[2], [3]]]),
        ([np.array([[1, 2], [3, 4]]), [[5, 6]]], [[[1, 2], [3, 4]], [[5, 6]]]),
        (np.array([np.array([1]), np.array([2, 3])], dtype=object), [[[1]], [[2], [3]]]),
        (pd.DataFrame({"a": [1, 3], "b": [2, 4]}), [[[1], [2]], [[3], [4]]]),
        (pd.Series([[1], [2, 3]]), [[[1]], [[2], [3]]]),
        ([pd.Series([1, 2], index=[7, 8])], [[[1], [2]]]),
    ],
)
def test_numbers(X, expected):
    assert rows_of(X) == expected


@pytest.mark.parametrize("X", [["ab", "c"], ("ab", "c"), np.array(["ab", "c"]), pd.Series(["ab", "c"], index=[5, 6])])
def test_strings(X):
    assert [list(row) for row in rows_of(X)] == [["a", "b"], ["c"]]


def test_words():
    assert rows_of(["It's one, two.", "so"], level="word") == [("It's", "one", ", ", "two", "."), ("so",)]


@pytest.mark.parametrize("X", [[[1, 2], [3]], [np.array([1.0, 2.0]), [3]], [["a", "b"], ["c", 1]]])
def test_tokens(X):
    assert [len(row) for row in rows_of(X, tokens=True)] == [2, len(X[1])]
    assert all(type(token) in (int, str) for row in rows_of(X, tokens=True) for token in row)


@pytest.mark.parametrize(("truncating", "expected"), [("pre", [[2, 3], [4]]), ("post", [[1, 2], [4]])])
def test_long_sequences_are_cut(truncating, expected):
    numbers = read([[1, 2, 3], [4]]).cut(2, truncating).content
    assert [numbers[i][:, 0].tolist() for i in range(2)] == expected
    tokens = read([[1, 2, 3], [4]], tokens=True).cut(2, truncating).content
    assert [list(row) for row in tokens] == expected


def test_rows_side_by_side():
    rows = Rows.of([np.array([1, 2, 3]), np.array([4]), np.array([5, 6])])
    assert rows.lengths.tolist() == [3, 1, 2]
    block = rows.block(np.array([2, 0]), 3)
    assert block[:2, 0].tolist() == [5, 6]
    assert block[:, 1].tolist() == [1, 2, 3]
    some = rows.those(np.array([2, 0, 2]))
    assert [some[i].tolist() for i in range(3)] == [[5, 6], [1, 2, 3], [5, 6]]


def test_the_scale_by_hand():
    """Of 1 once and 4 twice: the mean is 3, the variance (4 + 1 + 1) / 3."""
    scale = Scale.of(np.array([[1.0, 5.0], [4.0, 5.0]]), np.array([1.0, 2.0]))
    assert scale.mean == pytest.approx([3, 5])
    assert scale.spread == pytest.approx([2**0.5, 1])
    values = np.array([[7.0, 6.0]])
    assert scale.back(scale.forth(values)) == pytest.approx(values)


def test_symbols_by_frequency_and_every_second_of_those_that_occur_once():
    alphabet = Alphabet.of(Symbols.of([["b", "b", "a"], ["a", "a", "x", "y", "z", 7]]), None)
    assert alphabet.known == ["a", "b", 7, "y"]
    assert alphabet.ids(["a", "z", "never", 7]).tolist() == [0, 4, 4, 2]
    assert Alphabet.of(Symbols.of([["b", "b", "a"], ["a", "a", "x"]]), 2).known == ["a", "b"]


def test_the_features_of_a_word():
    encoding = Features.of(Symbols.of([["cat", "hat"], ["cat"]]), None)
    assert encoding.known == sorted(encoding.known, key=lambda name: (-{"at$": 3, "t$": 3, "#a": 3}.get(name, 2), name))
    assert {"=cat", "cat$", "^c", "^ca", "^cat", "at$", "t$", "#a"} == set(encoding.known)
    block = encoding.block(encoding.rows(Read(Symbols.of([["bat"]]))).values[:, None])
    assert {encoding.known[i] for i in np.flatnonzero(block[0, 0])} == {"at$", "t$", "#a"}


def test_an_unknown_symbol_is_no_error():
    model = classifier_of_strings()
    assert model.predict(["\u00e9\u00e9"]).shape == (1,)
    assert np.array_equal(model.predict_proba(["a\u00e9"]), model.predict_proba(["a\u00fc"]))


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (["b", "a"], ["a", "b"]),
        ([2, 1], [1, 2]),
        ([2.0, 1.0], [1.0, 2.0]),
        ([True, False], [False, True]),
        (np.array(["b", "a"], object), ["a", "b"]),
        ([1, "a"], [1, "a"]),
        (pd.Series(["b", "a"]), ["a", "b"]),
    ],
)
def test_classes_keep_their_type(y, classes):
    model = SequenceClassifier(**SMALL).fit(["ab", "cd"], y)
    assert model.classes_.tolist() == classes
    assert set(model.predict(["ab", "cd"]).tolist()) <= set(classes)


def test_a_column_of_classes_is_taken_with_a_warning():
    with pytest.warns(UserWarning, match="A column-vector y was passed when a 1d array was expected"):
        SequenceClassifier(**SMALL).fit(["ab", "cd"], [["x"], ["y"]])


def test_a_tagger_of_characters():
    model = SequenceTagger(**SMALL | {"max_steps": 100}).fit([list("abab"), list("ba")], [list("xyxy"), list("yx")])
    assert model.predict([list("aab")]) == [["x", "x", "y"]]


def test_a_tag_may_be_a_space():
    """Where capitals are put in, the tag of a character is the character itself."""
    model = SequenceTagger(**SMALL).fit([list("a b")], [list("A B")])
    assert model.classes_.tolist() == [" ", "A", "B"]


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_a_table_with_one_column_of_texts(frame):
    X = frame({"word": WORDS})
    model = SequenceClassifier(**SMALL).fit(X, KINDS)
    assert np.array_equal(model.predict_proba(X), classifier_of_strings().predict_proba(WORDS))
    assert np.array_equal(model.predict_proba(WORDS), model.predict_proba(X))
    assert model.feature_names_in_.tolist() == ["word"]
    with pytest.raises(DataError, match="expected the columns 'word', in this order"):
        model.predict(frame({"text": WORDS}))


def test_a_column_of_texts_goes_into_a_file_with_its_name(tmp_path):
    model = SequenceClassifier(**SMALL).fit(pd.DataFrame({"word": WORDS}), KINDS)
    model.save(tmp_path / "model")
    assert load(tmp_path / "model").feature_names_in_.tolist() == ["word"]


def test_a_tagger_of_arrays():
    X = np.random.default_rng(0).normal(size=(20, 4))
    model = SequenceTagger(**SMALL | {"max_steps": 200}).fit(X, X > 0)
    assert model.score(X, X > 0) > 0.9
    assert model.predict_proba(X)[0].shape == (4, 2)
