"""Symbols and their numbers: nothing of a text is lost, whatever is in it."""

import json
import this
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.errors import DataError, ModelFileError, ParameterError, UnknownSymbol
from throughtime.text.vocabularies import LEVELS, Bytes, Characters, from_json, level, to_json

ANY_TEXT = st.text(alphabet=st.characters(), min_size=1)
"""All of Unicode, lone surrogates too."""

SOURCE = Path(this.__file__).read_text(encoding="utf-8")


@settings(max_examples=200)
@given(ANY_TEXT)
@pytest.mark.parametrize("kind", [Characters, Bytes])
def test_text_to_ids_and_back(kind, text):
    vocabulary = kind.of([text])
    assert vocabulary.decode(vocabulary.encode(text)) == text


@pytest.mark.parametrize("text", ["\ud800", "\udfff\ud800", "a\ud83d\ude00", "😀", "\0", "\ufeff\r\n", "\U0010ffff"])
@pytest.mark.parametrize("kind", [Characters, Bytes])
def test_awkward_text_to_ids_and_back(kind, text):
    vocabulary = kind.of([text])
    assert vocabulary.decode(vocabulary.encode(text)) == text


@given(st.binary(min_size=1))
def test_any_bytes_have_ids(data):
    vocabulary = Bytes.of([data])
    assert bytes(vocabulary.codes[vocabulary.encode(data)]) == data


@pytest.mark.parametrize("kind", [Characters, Bytes])
def test_symbols_stand_in_order_and_once(kind):
    vocabulary = kind.of([SOURCE, "zebra"])
    assert vocabulary.symbols == sorted(set(SOURCE + "z" if kind is Characters else (SOURCE + "z").encode()))
    assert len(vocabulary) == len(vocabulary.symbols)
    assert vocabulary.encode("a").tolist() == [vocabulary.symbols.index("a" if kind is Characters else ord("a"))]


def test_documents_share_one_vocabulary():
    assert Characters.of(["ab", "", "bc"]).symbols == ["a", "b", "c"]


def test_a_character_is_one_symbol_and_several_bytes():
    assert len(Characters.of(["é"]).encode("é")) == 1
    assert len(Bytes.of(["é"]).encode("é")) == 2


@pytest.mark.parametrize(
    ("symbols", "dtype"), [(1, np.uint8), (256, np.uint8), (257, np.uint16), (65_536, np.uint16), (65_537, np.uint32)]
)
def test_ids_are_as_small_as_they_can_be(symbols, dtype):
    vocabulary = Characters(np.arange(symbols))
    assert vocabulary.encode(chr(symbols - 1)).dtype == dtype
    assert vocabulary.encode(chr(symbols - 1)).tolist() == [symbols - 1]
    assert vocabulary.encode("").dtype == dtype


def test_an_unknown_character_is_named_with_its_place_and_what_to_do():
    with pytest.raises(UnknownSymbol) as caught:
        Characters.of(["abcd"]).encode("bad dé", what="the prime")
    assert str(caught.value) == (
        "the prime contains ' ' (position 3), which the model never saw in training. Known: 4 symbols, such as 'a', "
        "'b', 'c'. Train on text that has it, or pass unknown='skip' (--unknown skip)."
    )


def test_an_unknown_byte_is_named():
    with pytest.raises(UnknownSymbol, match=r"^the text contains the byte 0xc3 \(position 1\).*such as the byte 0x61"):
        Bytes.of(["abc"]).encode("aé")


@pytest.mark.parametrize("strange", ["`", "\0", "z", "\U0010ffff"])
def test_what_lies_before_between_or_after_the_known_symbols_is_unknown(strange):
    with pytest.raises(UnknownSymbol, match=r"position 0"):
        Characters.of(["ay"]).encode(strange + "a")


def test_unknown_symbols_may_be_left_out():
    vocabulary = Characters.of(["abc"])
    assert vocabulary.decode(vocabulary.encode("xaxbx", unknown="skip")) == "ab"
    assert vocabulary.encode("xyz", unknown="skip").tolist() == []


def test_nothing_else_can_be_done_with_them():
    with pytest.raises(ParameterError, match="unknown must be 'error' or 'skip', got 'ignore'"):
        Characters.of(["abc"]).encode("abc", unknown="ignore")


def test_bytes_are_no_characters():
    with pytest.raises(DataError, match="bytes were given where text is expected; decode them, or use level='byte'"):
        Characters.of([b"abc"])


def test_bytes_that_are_not_utf8_are_shown_as_such():
    assert Bytes(np.array([0x61, 0xC3])).decode(np.array([0, 1, 0])) == "a\ufffda"


@pytest.mark.parametrize("name", ["words", "Char", ""])
def test_an_unknown_level_lists_the_known(name):
    with pytest.raises(ParameterError, match=f"level must be one of 'char', 'byte', 'word' and 'bpe', got '{name}'"):
        level(name)


# ---------------------------------------------------------------------- in a model file


@given(ANY_TEXT)
@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("name", LEVELS)
def test_through_a_model_file(name, ends, text):
    text += " and one more"
    vocabulary = level(name).of([text], ends=ends)
    back = from_json(json.loads(json.dumps(to_json(vocabulary))))
    assert type(back) is type(vocabulary)
    assert (len(back), back.end) == (len(vocabulary), vocabulary.end)
    assert back.symbols == vocabulary.symbols
    assert np.array_equal(back.encode(text), vocabulary.encode(text))
    assert back.encode(text).dtype == vocabulary.encode(text).dtype


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "char",
        {},
        {"level": "char"},
        {"level": "char", "codes": None},
        {"level": "char", "codes": []},
        {"level": "char", "codes": "abc"},
        {"level": "char", "codes": ["a", "b"]},
        {"level": "char", "codes": [97.0, 98.0]},
        {"level": "char", "codes": [False, True]},
        {"level": "char", "codes": [98, 97]},
        {"level": "char", "codes": [97, 97]},
        {"level": "char", "codes": [-1, 97]},
        {"level": "char", "codes": [97, 0x110000]},
        {"level": "char", "codes": [10**30]},
        {"level": "byte", "codes": [97, 256]},
        {"level": "word", "codes": [97, 98]},
        {"level": ["char"], "codes": [97, 98]},
    ],
)
def test_damaged_contents_are_refused(data):
    with pytest.raises(ModelFileError, match=r"the model file is damaged: .* vocabulary"):
        from_json(data)
