"""What is learned and what is only scored: nothing is lost, and nothing is in both."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.errors import DataError
from throughtime.text.lesson import WHOLE_DOCUMENTS, fingerprints, prepare
from throughtime.text.vocabularies import LEVELS, Bytes, Characters, Subwords, Words, level

thorough = settings(max_examples=60)
LENGTHS = st.lists(st.integers(1, 30), min_size=WHOLE_DOCUMENTS, max_size=50)


def told_apart(lengths):
    """Texts of these lengths, each of a character of its own, and their vocabulary with ends."""
    texts = [chr(256 + place) * length for place, length in enumerate(lengths)]
    return Characters.of(["ab", *texts], ends=True), texts


def documents_of(corpus):
    return [tuple(document) for document in np.split(corpus.ids, corpus.bounds[1:-1])] if len(corpus.ids) else []


# ---------------------------------------------------------------------- whole documents


@thorough
@given(LENGTHS, st.floats(0.1, 0.9), st.integers(0, 2**40))
def test_whole_documents_are_held_out_and_none_is_lost(lengths, share, seed):
    vocabulary, texts = told_apart(lengths)
    lesson = prepare(vocabulary, texts, validation=share, seq_len=1, seed=seed)
    learned, held_out = documents_of(lesson.learned), documents_of(lesson.held_out)
    everything = [tuple(vocabulary.document(text)) for text in texts]
    assert sorted(learned + held_out) == sorted(everything)
    for part in (learned, held_out):
        assert part == sorted(part, key=everything.index)


@thorough
@given(LENGTHS, st.floats(0.1, 0.9), st.integers(0, 2**40))
def test_what_is_held_out_is_nearer_to_the_share_than_with_a_document_more_or_less(lengths, share, seed):
    vocabulary, texts = told_apart(lengths)
    lesson = prepare(vocabulary, texts, validation=share, seq_len=1, seed=seed)
    assert lesson.symbols == sum(map(len, texts)) + 2 * len(texts)
    off = abs(len(lesson.held_out.ids) - share * lesson.symbols)
    assert off <= (max(lengths) + 2) / 2 or 1 in (len(documents_of(lesson.learned)), len(documents_of(lesson.held_out)))


def held_out(seed):
    vocabulary, texts = told_apart([5] * 100)
    return set(documents_of(prepare(vocabulary, texts, validation=0.2, seq_len=8, seed=seed).held_out))


def test_which_they_are_depends_on_the_seed_alone():
    assert held_out(1) == held_out(1)
    assert held_out(1) != held_out(2)


def test_every_document_may_be_held_out():
    """Of 100 documents 20 are: that one of them never is, in 100 draws, happens once in 50 million times."""
    assert len(set.union(*map(held_out, range(100)))) == 100


# ---------------------------------------------------------------------- the end of the text


@pytest.mark.parametrize(
    ("documents", "ends"), [(1, False), (1, True), (WHOLE_DOCUMENTS - 1, True), (WHOLE_DOCUMENTS, False)]
)
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_else_the_end_is_held_out(documents, ends, share):
    vocabulary = Characters.of(["abc"], ends=ends)
    texts = ["abc" * (9 + place) for place in range(documents)]
    lesson = prepare(vocabulary, texts, validation=share, seq_len=4, seed=1)
    everything = np.concatenate([vocabulary.document(text) for text in texts])
    assert np.array_equal(np.concatenate([lesson.learned.ids, lesson.held_out.ids]), everything)
    assert len(lesson.held_out.ids) == int(share * len(everything))
    assert lesson.vocabulary is vocabulary


@pytest.mark.parametrize("documents", [1, WHOLE_DOCUMENTS])
def test_without_validation_all_is_learned(documents):
    vocabulary = Characters.of(["abc"], ends=True)
    lesson = prepare(vocabulary, ["abc"] * documents, validation=0.0, seq_len=1, seed=1)
    assert documents_of(lesson.learned) == [(3, 0, 1, 2, 3)] * documents
    assert len(lesson.held_out.ids) == lesson.held_out.predictions == 0


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("kind", "texts", "message"),
    [
        (Characters, ["aaaa"], "the text has 1 different character; at least two are needed to learn from it"),
        (Characters, ["a"] * 30, "the text has 1 different character; at least two"),
        (Bytes, ["aaaa"], "the text has 1 different byte; at least two"),
        (Words, ["to to to"], "the text has 1 different word; at least two"),
        (Words, [" ", "\n"], "the text has 0 different word"),
    ],
)
@pytest.mark.parametrize("ends", [False, True])
def test_a_text_of_one_symbol_teaches_nothing(kind, texts, message, ends):
    with pytest.raises(DataError, match=message):
        prepare(kind.of(texts, ends=ends), texts, validation=0.1, seq_len=2, seed=1)


@pytest.mark.parametrize(
    ("length", "validation", "message"),
    [
        (
            8,
            0.0,
            r"too short: 8 symbols, of which 7 can be learned; a sequence needs 9 \(seq_len \+ 1\)\. Give more text or "
            r"seq_len=7 \(--seq-len 7\)$",
        ),
        (8, 0.5, r"of which 3 can be learned; .* Give more text or seq_len=3 \(--seq-len 3\)$"),
        (2, 0.5, r"of which 0 can be learned; .* Give more text$"),
        (10, 0.2, r"of which 7 can be learned; .* or seq_len=7 \(--seq-len 7\) or validation=0 \(--validation 0\)$"),
        (
            20,
            0.05,
            r"too short: its validation part, 1 of 20 symbols, has nothing to predict\. Give more text, a larger",
        ),
        (20, 0.01, r"its validation part, 0 of 20 symbols, has nothing to predict"),
    ],
)
def test_a_text_that_is_too_short_says_what_to_do(length, validation, message):
    text = ("ab" * 10)[:length]
    with pytest.raises(DataError, match=message):
        prepare(Characters.of([text]), [text], validation=validation, seq_len=8, seed=1)


@pytest.mark.parametrize(("length", "validation"), [(9, 0.0), (11, 0.2), (20, 0.1)])
def test_a_text_may_be_as_short_as_that(length, validation):
    text = ("ab" * 10)[:length]
    lesson = prepare(Characters.of([text]), [text], validation=validation, seq_len=8, seed=1)
    assert lesson.learned.predictions >= 8


def test_of_documents_that_are_longer_than_the_validation_one_is_held_out():
    vocabulary, texts = told_apart([20] * WHOLE_DOCUMENTS)
    lesson = prepare(vocabulary, texts, validation=0.02, seq_len=8, seed=1)
    assert len(documents_of(lesson.held_out)) == 1


def test_without_a_validation_no_document_is_held_out():
    vocabulary, texts = told_apart([20] * WHOLE_DOCUMENTS)
    assert not len(prepare(vocabulary, texts, validation=0.0, seq_len=8, seed=1).held_out.ids)


# ---------------------------------------------------------------------- fingerprints


@given(st.lists(st.text("ab, \n", max_size=6), min_size=1, max_size=30))
@pytest.mark.parametrize("name", ["char", "byte", "bpe"])
def test_equal_texts_and_no_others_have_equal_fingerprints(name, texts):
    kept = fingerprints(level(name).of(["ab, \n"], ends=True), texts)
    assert kept.dtype == np.uint64
    for i, one in enumerate(texts):
        assert [text == one for text in texts] == (kept == kept[i]).tolist()


@pytest.mark.parametrize("name", LEVELS)
def test_fingerprints_are_the_same_wherever_they_are_made(name):
    vocabulary = level(name).of(["to be or not to be"], ends=True)
    again = type(vocabulary).from_json(vocabulary.to_json(), True)
    texts = ["to be", "or not"]
    assert fingerprints(vocabulary, texts).tolist() == fingerprints(again, texts[::-1])[::-1].tolist()


@pytest.mark.parametrize("name", LEVELS)
def test_a_document_is_known_again_when_the_vocabulary_has_grown(name):
    vocabulary = level(name).of(["mxy"], ends=True)
    wider, _ = vocabulary.extended(["abc mnz"], True)
    assert fingerprints(wider, ["mxy", "yxm"]).tolist() == fingerprints(vocabulary, ["mxy", "yxm"]).tolist()


@pytest.mark.parametrize("kind", [Characters, Bytes, Words, Subwords])
def test_a_text_with_symbols_that_are_unknown_is_another(kind):
    kept = fingerprints(kind.of(["to be"], ends=True), ["to be", "to zebra be", "to be!", "?to be"])
    assert len(set(kept.tolist())) == 4
