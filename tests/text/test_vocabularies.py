"""Symbols and their numbers: nothing of a text is lost, whatever is in it."""

import json
import this
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.errors import DataError, ModelFileError, ParameterError, UnknownSymbol
from throughtime.text.vocabularies import END, LEVELS, Bytes, Characters, from_json, level, to_json

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


# ---------------------------------------------------------------------- the end of a document


@pytest.mark.parametrize("name", LEVELS)
def test_the_end_of_a_document_is_the_last_symbol(name):
    vocabulary = level(name).of([SOURCE], ends=True)
    assert vocabulary.end == len(vocabulary) - 1 == len(vocabulary.known)
    assert vocabulary.symbols == [*vocabulary.known, END]
    assert vocabulary.ids_of("<end>") == [vocabulary.end]


@pytest.mark.parametrize("name", LEVELS)
def test_where_a_text_is_one_it_has_no_end(name):
    vocabulary = level(name).of([SOURCE])
    assert vocabulary.end is None
    assert vocabulary.symbols == vocabulary.known
    assert vocabulary.document(SOURCE).tolist() == vocabulary.encode(SOURCE).tolist()
    with pytest.raises(UnknownSymbol, match="'<end>' is no symbol that the model knows; expected one "):
        vocabulary.ids_of("<end>")


@pytest.mark.parametrize("text", [SOURCE, ""])
@pytest.mark.parametrize("name", LEVELS)
def test_a_document_stands_between_two_ends_which_are_not_written(name, text):
    vocabulary = level(name).of([SOURCE], ends=True)
    ids = vocabulary.encode(text)
    assert vocabulary.document(text).tolist() == [vocabulary.end, *ids.tolist(), vocabulary.end]
    assert vocabulary.document(text).dtype == vocabulary.dtype
    assert vocabulary.decode(vocabulary.document(text)) == vocabulary.decode(ids)


@pytest.mark.parametrize("name", LEVELS)
def test_ends_are_not_written_piece_by_piece(name):
    vocabulary = level(name).of([SOURCE], ends=True)
    writer = vocabulary.writer()
    pieces = [writer.write(np.array([i])) for i in vocabulary.document(SOURCE)]
    assert "".join(pieces) + writer.finish() == vocabulary.decode(vocabulary.encode(SOURCE))
    assert (pieces[0], pieces[-1]) == ("", "")


@pytest.mark.parametrize("name", LEVELS)
def test_a_text_that_says_end_has_none(name):
    vocabulary = level(name).of(["<end>"], ends=True)
    assert vocabulary.end not in vocabulary.encode("<end>")
    assert vocabulary.decode(vocabulary.document("<end>")) == "<end>"


def test_the_end_may_need_larger_ids():
    vocabulary = Bytes.of([bytes(range(256))], ends=True)
    assert vocabulary.document(b"\xff").tolist() == [256, 255, 256]


def test_unknown_symbols_of_a_document_may_be_left_out():
    assert Characters.of(["ab"], ends=True).document("b?a", unknown="skip").tolist() == [2, 1, 0, 2]


# ---------------------------------------------------------------------- more text


@settings(max_examples=60)
@given(st.lists(ANY_TEXT, min_size=1, max_size=3), st.lists(ANY_TEXT, min_size=1, max_size=3), st.data())
@pytest.mark.parametrize("kind", [Characters, Bytes])
def test_old_symbols_are_found_again_among_new_ones(kind, old, new, data):
    before, asked = data.draw(st.booleans()), data.draw(st.booleans())
    vocabulary = kind.of(old, ends=before)
    wider, places = vocabulary.extended(new, asked)
    assert wider.symbols == kind.of(old + new, ends=before or asked).symbols
    assert len(places) == len(vocabulary)
    assert [wider.symbols[place] for place in places] == vocabulary.symbols
    for text in old:
        assert places[vocabulary.document(text)].tolist() == [
            i for i in wider.document(text).tolist() if before or i != wider.end
        ]


def test_more_text_on_paper():
    wider, places = Characters.of(["bd"], ends=True).extended(["abc"], False)
    assert wider.symbols == ["a", "b", "c", "d", "<end>"]
    assert places.tolist() == [1, 3, 4]


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


@pytest.mark.parametrize("ends", [None, 0, 1, "yes", [True]])
@pytest.mark.parametrize("name", LEVELS)
def test_damaged_ends_are_refused(name, ends):
    with pytest.raises(ModelFileError, match="the model file is damaged: it has no vocabulary"):
        from_json(to_json(level(name).of([SOURCE])) | {"ends": ends})


@pytest.mark.parametrize("name", LEVELS)
def test_a_file_that_does_not_speak_of_ends_has_none(name):
    data = to_json(level(name).of([SOURCE]))
    del data["ends"]
    assert from_json(data).end is None


@pytest.mark.parametrize("name", LEVELS)
def test_a_file_of_another_level_is_refused(name):
    for other in set(LEVELS) - {name, "char", "byte"}:
        with pytest.raises(ModelFileError, match="the model file is damaged: it has no vocabulary"):
            from_json(to_json(level(name).of([SOURCE])) | {"level": other})
