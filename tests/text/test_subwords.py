"""The level of parts of words: any text can be written, and equal training gives equal parts."""

import copy
import json
import pickle
import sys
import this
from functools import cache
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime import TextGenerator, load
from throughtime.errors import DataError, MissingPackage, ModelFileError, ParameterError
from throughtime.text.vocabularies import Subwords, from_json, subwords, to_json

SOURCE = Path(this.__file__).read_text(encoding="utf-8")
LONG = "".join(topics.values())
WRITABLE = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
"""All that UTF-8 can hold."""

thorough = settings(max_examples=100)


@cache
def learned(ends=False):
    """A vocabulary that is shared."""
    return Subwords.of([SOURCE, "déjà vu, l'été"], ends=ends)


# ---------------------------------------------------------------------- there and back


@thorough
@given(WRITABLE)
def test_any_text_can_be_written(text):
    vocabulary = learned()
    assert vocabulary.decode(vocabulary.encode(text)) == text


@given(WRITABLE)
def test_text_to_ids_and_back(text):
    vocabulary = Subwords.of([text])
    assert vocabulary.decode(vocabulary.encode(text)) == text


@pytest.mark.parametrize(
    "text", ["", " ", "  a  b\t\n\r\n", "\0", "\ufeffa", "😀👩‍🚀", "\u2028", "Ġ", "<end>", "[UNK]"]
)
def test_awkward_text_to_ids_and_back(text):
    vocabulary = learned(True)
    assert vocabulary.decode(vocabulary.document(text)) == text


@pytest.mark.parametrize(("text", "back"), [("a\ud800b", "a?b"), ("\udfff\ud800", "??")])
def test_what_utf8_cannot_hold_becomes_a_question_mark(text, back):
    vocabulary = Subwords.of([text])
    assert vocabulary.decode(vocabulary.encode(text)) == back


@thorough
@given(WRITABLE)
def test_the_parts_of_a_text_are_its_bytes_in_order(text):
    vocabulary = learned()
    assert b"".join(vocabulary.parts[i] for i in vocabulary.encode(text)) == text.encode()


def test_a_text_has_fewer_parts_than_bytes():
    assert len(learned().encode(SOURCE)) < len(SOURCE) / 2


def test_bytes_that_are_not_utf8_are_shown_as_such():
    vocabulary = learned()
    byte = vocabulary.parts.index
    assert vocabulary.decode(np.array([byte(b"a"), byte(b"\xc3"), byte(b"a")])) == "a\ufffda"
    assert vocabulary.symbols[byte(b"\xc3")] == "\\xc3"


# ---------------------------------------------------------------------- piece by piece

UTF8 = [learned(True).parts.index(bytes([byte])) for byte in "é😀".encode()]
"""What characters are cut into."""


@thorough
@given(st.lists(st.lists(st.integers(0, len(learned(True)) - 1) | st.sampled_from(UTF8), max_size=4)))
def test_whatever_is_written_is_the_same_in_pieces_and_at_once(pieces):
    vocabulary = learned(True)
    writer = vocabulary.writer()
    written = "".join([writer.write(np.array(piece, np.int64)) for piece in pieces]) + writer.finish()
    whole = b"".join(vocabulary.parts[i] for piece in pieces for i in piece if i != vocabulary.end)
    assert written == vocabulary.decode([i for piece in pieces for i in piece]) == whole.decode("utf-8", "replace")


def test_a_character_that_is_cut_waits_for_its_end():
    vocabulary = Subwords.of(["abc"], vocab_size=256)
    ids = vocabulary.encode("é€😀")
    writer = vocabulary.writer()
    assert [writer.write(ids[i : i + 1]) for i in range(len(ids))] == ["", "é", "", "", "€", "", "", "", "😀"]
    assert writer.finish() == ""


def test_a_character_that_never_ends_is_shown_as_such():
    vocabulary = Subwords.of(["abc"], vocab_size=256)
    writer = vocabulary.writer(after="é")
    assert writer.write(vocabulary.encode("é")[:1]) == ""
    assert writer.finish() == "\ufffd"


# ---------------------------------------------------------------------- training


def test_the_first_part_is_the_most_frequent_pair():
    """Of the pairs in ' xab', ' yab' and ' zab' only 'ab' comes more than once."""
    assert Subwords.of([" xab yab zab"], vocab_size=257).parts[256:] == [b"ab"]


def test_parts_do_not_reach_across_words():
    parts = Subwords.of(["to be or not to be " * 50], vocab_size=400).parts
    assert b" be" in parts
    assert not [part for part in parts if b" " in part[1:]]


def test_every_byte_is_a_part():
    parts = Subwords.of(["abc"]).parts
    assert {part for part in parts if len(part) == 1} == {bytes([byte]) for byte in range(256)}
    assert len(set(parts)) == len(parts)


@pytest.mark.parametrize("texts", [[SOURCE], ["ab ba ab ba", "cd dc cd dc"]])
def test_equal_training_gives_equal_parts(texts):
    assert len({json.dumps(to_json(Subwords.of(texts))) for _ in range(4)}) == 1


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("vocab_size", [257, 300, 600])
def test_the_size_counts_bytes_and_the_end(vocab_size, ends):
    vocabulary = Subwords.of([LONG[:20_000]], vocab_size=vocab_size, ends=ends)
    assert len(vocabulary) == len(vocabulary.symbols) == vocab_size


def test_a_size_of_all_bytes_is_enough_without_ends():
    assert len(Subwords.of(["abc abc"], vocab_size=256)) == 256


@pytest.mark.parametrize(("vocab_size", "ends"), [(255, False), (256, True), (2, False)])
def test_a_size_without_room_for_the_bytes_is_refused(vocab_size, ends):
    message = f"vocab_size must have room for the 256 bytes at level='bpe', got {vocab_size}"
    with pytest.raises(ParameterError, match=message):
        Subwords.of(["abc"], vocab_size=vocab_size, ends=ends)


@pytest.mark.parametrize(
    ("texts", "size"),
    [([LONG[:30_000]], 512), ([LONG[:70_000]], 700), ([LONG[:35_000], LONG[35_000:70_000]], 700)],
)
@pytest.mark.parametrize("ends", [False, True])
def test_where_no_size_is_said_there_is_one_for_each_hundred_characters(texts, size, ends):
    assert len(Subwords.of(texts, ends=ends)) == size


def test_but_no_more_than_the_most(monkeypatch):
    monkeypatch.setattr(subwords, "MOST_PARTS", 600)
    assert len(Subwords.of([LONG[:70_000]])) == 600


@pytest.mark.parametrize(("before", "asked"), [(False, False), (False, True), (True, False), (True, True)])
def test_it_stays_as_it_is_on_more_text_but_for_the_end(before, asked):
    vocabulary = learned(before)
    wider, places = vocabulary.extended(["new words"], asked)
    assert wider.symbols == vocabulary.known + ["<end>"] * (before or asked)
    assert [wider.symbols[place] for place in places] == vocabulary.symbols
    assert wider.encode(SOURCE).tolist() == vocabulary.encode(SOURCE).tolist()


@pytest.mark.parametrize("read", [Subwords.of, learned().encode])
def test_bytes_are_no_parts_of_words(read):
    with pytest.raises(DataError, match="bytes were given where text is expected; decode them, or use level='byte'"):
        read([b"abc"] if read == Subwords.of else b"abc")


# ---------------------------------------------------------------------- elsewhere


def through_json(vocabulary):
    return from_json(json.loads(json.dumps(to_json(vocabulary))))


def through_pickle(vocabulary):
    return pickle.loads(pickle.dumps(vocabulary))


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("through", [through_json, through_pickle, copy.copy, copy.deepcopy])
def test_a_copy_is_the_same(through, ends):
    vocabulary = learned(ends)
    back = through(vocabulary)
    assert back.symbols == vocabulary.symbols
    assert (back.end, back.dtype) == (vocabulary.end, vocabulary.dtype)
    assert back.document("Now is better").tolist() == vocabulary.document("Now is better").tolist()
    assert back.decode(back.encode("déjà vu 😀")) == "déjà vu 😀"
    assert to_json(back) == to_json(vocabulary)


STORED = to_json(learned())
PARTS, MERGES = STORED["parts"], STORED["merges"]


@pytest.mark.parametrize(
    "changes",
    [
        {"parts": None},
        {"parts": 5},
        {"parts": "".join(PARTS)},
        {"parts": []},
        {"parts": ["a", "b"]},
        {"parts": PARTS[1:]},
        {"parts": [*PARTS, PARTS[-1]]},
        {"parts": [*PARTS, "€"]},
        {"parts": [*PARTS, ""]},
        {"parts": [*PARTS, 5]},
        {"merges": None},
        {"merges": {}},
        {"merges": [["a", "zebra"]]},
        {"merges": [["a"]]},
        {"merges": [["a", 5]]},
        {"merges": ["ab"]},
        {"merges": [*MERGES, ["q", "z"]]},
    ],
)
def test_damaged_parts_are_refused(changes):
    with pytest.raises(ModelFileError, match=r"the model file is damaged: .* vocabulary"):
        from_json(STORED | changes)


@pytest.mark.parametrize(
    ("use", "given"),
    [
        (Subwords.of, ["abc"]),
        (from_json, STORED),
        (pickle.loads, pickle.dumps(learned())),
    ],
    ids=["to learn", "to load", "to unpickle"],
)
def test_without_the_library_the_message_says_how_to_get_it(monkeypatch, use, given):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingPackage, match=r"needs the package tokenizers; .* pip install 'throughtime\[bpe\]'"):
        use(given)


def test_a_model_file_is_not_called_damaged_where_the_library_is_missing(monkeypatch, tmp_path):
    path = tmp_path / "m.safetensors"
    TextGenerator(level="bpe", vocab_size=260, hidden_size=4, max_steps=1, verbose=0).fit("to be or not " * 9).save(
        path
    )
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingPackage, match=r"pip install 'throughtime\[bpe\]'"):
        load(path)
