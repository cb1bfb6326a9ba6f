"""Scores of tags, worked by hand, and names as the program of the CoNLL shared tasks counts them."""

import numpy as np
import pytest
from tests.sequences.material import SENTENCES, TAGS, X_NOTES, Y_NOTES, tagger, tagger_of_several

from throughtime import SequenceTagger, load
from throughtime.sequences.report import Score, report, report_of_several, spans


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O O", []),
        ("B-X", [(0, 1, "X")]),
        ("B-X I-X O", [(0, 2, "X")]),
        ("B-X B-X", [(0, 1, "X"), (1, 2, "X")]),
        ("B-X I-Y", [(0, 1, "X"), (1, 2, "Y")]),
        ("I-X I-X O I-X", [(0, 2, "X"), (3, 4, "X")]),
        ("O I-X B-X I-X", [(1, 2, "X"), (2, 4, "X")]),
        ("B-X O I-X", [(0, 1, "X"), (2, 3, "X")]),
        ("B-A-B I-A-B", [(0, 2, "A-B")]),
    ],
)
def test_names_in_a_row_of_tags(tags, expected):
    assert spans([tags.split()]) == [(0, *span) for span in expected]


def test_a_name_does_not_go_on_in_the_next_row():
    assert spans([["B-X"], ["I-X"]]) == [(0, 0, 1, "X"), (1, 0, 1, "X")]


def test_a_report_by_hand():
    """Three names are there; found are two, of which one is right (one has the wrong end)."""
    tags = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "B-PER", "I-PER"]]
    found = [["B-PER", "I-PER", "O", "O"], ["O", "B-PER", "O"]]
    guessed = ["B-PER", "O", "O", "B-LOC", "O", "O", "O"]
    seen = report(found, tags, guessed)
    assert seen.accuracy == pytest.approx(5 / 7)
    assert seen.baseline == pytest.approx(4 / 7)
    assert seen.tags == {
        "B-LOC": Score(0.0, 0.0, 1),
        "B-PER": Score(1.0, 1.0, 2),
        "I-PER": Score(1.0, 0.5, 2),
        "O": Score(0.5, 1.0, 2),
    }
    assert seen.tags["O"].f1 == pytest.approx(2 / 3)
    assert seen.names == Score(1 / 2, 1 / 3, 3)
    assert seen.names.f1 == pytest.approx(2 * (1 / 2) * (1 / 3) / (1 / 2 + 1 / 3))
    assert seen.types == {"LOC": Score(0.0, 0.0, 1), "PER": Score(0.5, 0.5, 2)}


def test_a_name_with_another_type_or_another_end_is_wrong():
    tags = [["B-A", "I-A", "O"]]
    for found in (["B-B", "I-B", "O"], ["B-A", "O", "O"], ["B-A", "I-A", "I-A"], ["B-A", "B-A", "O"]):
        assert report([found], tags, found).names.recall == 0
    assert report([["I-A", "I-A", "O"]], tags, ["O"] * 3).names.f1 == 1  # as that program counts


@pytest.mark.parametrize("tags", [["noun", "verb"], ["O", "O"], ["B-X", "U-X"], ["O", 1]])
def test_other_tags_have_no_names(tags):
    assert report([tags], [tags], tags).names is None


def test_tags_that_are_written_alike_have_a_row_each():
    lines = str(report([[1, 1, "1"]], [["1", 1, "1"]], [1, 1, 1])).splitlines()
    assert [line.split() for line in lines[1:3]] == [
        ["1", "0.500", "1.000", "0.667", "1"],
        ["1", "1.000", "0.500", "0.667", "2"],
    ]


def test_several_at_once_by_hand():
    found, tags = np.array([[1, 0], [1, 1], [0, 0]]), np.array([[1, 0], [0, 1], [0, 1]])
    seen = report_of_several(found, tags)
    assert seen.accuracy == pytest.approx(1 / 3)
    assert seen.tags == {0: Score(0.5, 1.0, 1), 1: Score(1.0, 0.5, 2)}
    assert seen.baseline is None


def test_the_report_of_a_tagger():
    """The most frequent tag of each word, counted by hand: "in" is O, "Bert" B-PER, "Rome" B-LOC."""
    model = SequenceTagger(hidden_size=8, max_steps=100, random_state=1).fit(SENTENCES, TAGS)
    seen = model.report(SENTENCES, TAGS)
    assert seen.accuracy == model.score(SENTENCES, TAGS) > 0.9
    assert seen.baseline == 1.0
    assert seen.tags["B-LOC"].support == 15
    other = model.report([["in", "Bert", "Rome"]], [["O", "O", "B-LOC"]])
    assert other.baseline == pytest.approx(2 / 3)
    text = str(seen)
    assert "precision  recall     F1  support" in text
    assert "all whole names" in text
    assert "the most frequent tag of each token: 1.000" in text


ONCE = [["a", "b", "c", "d"], ["e", "f", "g", "g"]], [["x", "y", "z", "x"], ["y", "z", "z", "x"]]


@pytest.mark.parametrize("options", [{}, {"vocab_size": 2}, {"characters": True}], ids=str)
def test_the_baseline_knows_each_token_as_it_was_given(options, tmp_path):
    """By hand: six tokens come once and are all right; "g" has two tags, x and z, of which one is right.

    The network knows few of them: every second of those that come once, or fewer. The tag that is most frequent, and
    first, is x: with three steps of eight, as z.
    """
    X, y = ONCE
    model = SequenceTagger(hidden_size=4, max_steps=2, random_state=0, **options).fit(X, y)
    model.save(tmp_path / "model")
    for either in (model, load(tmp_path / "model")):
        assert either.report(X, y).baseline == 7 / 8
        assert either.report([["b", "never"]], [["y", "x"]]).baseline == 1
        assert either.report([["b", "never"]], [["y", "z"]]).baseline == 1 / 2


def test_the_baseline_knows_no_token_that_is_held_out():
    """Each of ten sentences has a token of its own: the five that were learned are right, the others get the tag x."""
    X, y = [["the", "the", f"w{row}"] for row in range(10)], [["x", "x", "y"]] * 10
    model = SequenceTagger(hidden_size=4, max_steps=2, validation=0.5, random_state=0).fit(X, y)
    assert model.report(X, y).baseline == 25 / 30


def test_a_tag_that_was_never_seen_counts_as_missed():
    with pytest.warns(UserWarning, match="never seen in training"):
        seen = tagger().report([["in"]], [["strange"]])
    assert seen.accuracy == 0
    assert seen.tags["strange"] == Score(0.0, 0.0, 1)


def test_the_baseline_of_tags_of_numbers_is_the_most_frequent_tag():
    model = SequenceTagger(hidden_size=4, max_steps=5, random_state=0).fit([[1.0, 2.0, 3.0]] * 2, [["a", "b", "b"]] * 2)
    assert model.report([[1.0, 5.0]], [["b", "a"]]).baseline == 0.5


def test_the_report_of_a_tagger_of_several():
    model = tagger_of_several()
    seen = model.report(X_NOTES, Y_NOTES)
    assert seen.tags.keys() == {0, 1, 2}
    assert seen.tags[0].support == sum(y[:, 0].sum() for y in Y_NOTES)
    assert seen.accuracy == model.score(X_NOTES, Y_NOTES)
