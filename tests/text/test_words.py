"""The level of words: what is put together again reads as it did."""

import json
import re
import this
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.errors import DataError, ModelFileError, ParameterError, UnknownSymbol
from throughtime.text.vocabularies import Words, from_json, to_json

SOURCE = Path(this.__file__).read_text(encoding="utf-8")
PROSE = ["Hello, world!\n\n  (It's 5 o'clock.)\nA <tag> and \"a well-known word\" - so: <unk>, or\nnot?"]
TEXT = st.text(st.sampled_from("aB7_é,.-'’(<>\"\n\r\t \u00a0\u3000")) | st.text(st.characters())
"""What words, marks and breaks are made of, and all of Unicode."""

thorough = settings(max_examples=150)


def again(text):
    """The text read as words and put together again."""
    vocabulary = Words.of([text], vocab_size=10**6)
    return vocabulary.decode(vocabulary.encode(text))


def plain(text):
    """The text without what may be lost: runs of spaces, those at the ends of lines, and all blank lines but one."""
    first, *more = text.lstrip().split("\n")
    lines = [" ".join(first.split())]
    for line in more:
        body = line.lstrip()
        lines.append(line[: len(line) - len(body)] + " ".join(body.split()) if body else "")
    return re.sub("\n\n\n+", "\n\n", "\n".join(lines))


# ---------------------------------------------------------------------- there and back


@thorough
@given(TEXT)
def test_only_spaces_and_blank_lines_are_lost(text):
    assert plain(again(text)) == plain(text)


@thorough
@given(TEXT)
def test_a_plain_text_comes_back_as_it_is(text):
    assert again(plain(text)) == plain(text)


@pytest.mark.parametrize("text", [SOURCE, *topics.values()], ids=["this", *topics])
def test_real_text_comes_back_as_it_is(text):
    assert again(text).rstrip() == plain(text).rstrip()


@pytest.mark.parametrize(
    "text",
    [
        "It's one, two (or so).",
        'He said: "No!" -- and left...',
        "rock'n'roll, l’été, well-known, a - b, a-, -b",
        "def f(x_1):\n    return x_1[0] + 3.14\n",
        "One.\n\nTwo.\n",
        "¿Qué? ¡Sí! 你好，世界。",
        "cafe\u0301 😀 x̂y",
        "<unk> <end>",
        "50% of 3,000 at a@b.org; see http://a.b/c?d=e&f#g",
    ],
)
def test_well_set_text_comes_back_to_the_letter(text):
    assert again(text) == text


@pytest.mark.parametrize(
    ("text", "back"),
    [
        ("  \n a", "a"),
        ("a  b\t\tc", "a b c"),
        ("a  ,  b", "a , b"),
        ("a \t\nb", "a\nb"),
        ("a\r\nb", "a\nb"),
        ("a\n\n\n\nb", "a\n\nb"),
        ("a\n \n\n  b", "a\n\n  b"),
        ("", ""),
    ],
)
def test_what_is_lost(text, back):
    assert again(text) == back


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("It's well-known", ["It's", "well-known"]),
        ("one, two", ["one", ", ", "two"]),
        ("one (two) three", ["one", " (", "two", ") ", "three"]),
        ("a...b --c", ["a", "...", "b", " --", "c"]),
        ("?!", ["?", "!"]),
        ("'a' b'", ["'", "a", "' ", "b", "'"]),
        ("a,\n  b\n\n\nc", ["a", ",", "\n  ", "b", "\n\n", "c"]),
        ("x_1 = 3.5", ["x_1", " = ", "3", ".", "5"]),
    ],
)
def test_what_a_symbol_is(text, symbols):
    vocabulary = Words.of([text])
    assert [vocabulary.symbols[i] for i in vocabulary.encode(text)] == symbols


# ---------------------------------------------------------------------- piece by piece


FEW = Words(["one", "unk", "<", ">", ", ", " (", "\n", "\n  "], ends=True)
PIECES = st.lists(st.lists(st.integers(0, len(FEW) - 1), max_size=4))


def written(vocabulary, pieces, after=""):
    writer = vocabulary.writer(after)
    return "".join([writer.write(np.array(piece, np.int64)) for piece in pieces]) + writer.finish()


@thorough
@given(PIECES)
def test_whatever_is_written_is_the_same_in_pieces_and_at_once(pieces):
    assert written(FEW, pieces) == FEW.decode([i for piece in pieces for i in piece])


@pytest.mark.parametrize("text", [*PROSE, SOURCE, "one\ntwo\nthree", "one, two", "a<unk>b", "a, <unk>b", "(<unk>) b"])
def test_a_text_is_the_same_in_pieces_of_any_size(text):
    vocabulary = Words.of([text])
    ids = vocabulary.encode(text)
    for size in range(1, 6):
        pieces = [ids[start : start + size] for start in range(0, len(ids), size)]
        assert written(vocabulary, pieces) == vocabulary.decode(ids)


@pytest.mark.parametrize("text", [*PROSE, SOURCE, "one\ntwo\nthree"])
def test_what_goes_on_after_a_prime_is_the_rest_of_the_text(text):
    vocabulary = Words.of([text])
    ids = vocabulary.encode(text)
    for place in range(len(ids)):
        prime = vocabulary.decode(ids[:place])
        assert prime + written(vocabulary, [ids[place:]], after=prime) == vocabulary.decode(ids)


@pytest.mark.parametrize(
    ("prime", "symbol", "expected"),
    [
        ("", "or", "or"),
        ("to be", "or", " or"),
        ("to be ", "or", "or"),
        ("to be, ", "or", "or"),
        ("to be", " (", " ("),
        ("to be ", " (", "("),
        ("to be\t", " (", "("),
        ("to be\n", " (", "("),
        ("to be\n", "or", "or"),
        ("to be:\n", "or", "or"),
        ("to be\n    ", "or", "or"),
        ("to be (", "or", "or"),
        ("to be ", "\n", "\n"),
        ("to be", "<unk>", " <unk>"),
        ("to be ", "<unk>", "<unk>"),
    ],
)
def test_the_space_after_a_prime_is_neither_missing_nor_doubled(prime, symbol, expected):
    vocabulary = Words(["or", " (", "\n"])
    assert written(vocabulary, [[vocabulary.symbols.index(symbol)]], after=prime) == expected


# ---------------------------------------------------------------------- the vocabulary


def test_the_most_frequent_stand_first_and_equals_in_order():
    assert Words.of(["b a, b", "a c B"]).symbols == ["a", "b", ", ", "B", "c", "<unk>"]


@pytest.mark.parametrize(
    ("vocab_size", "ends", "symbols"),
    [
        (2, False, ["a", "<unk>"]),
        (3, False, ["a", "b", "<unk>"]),
        (3, True, ["a", "<unk>", "<end>"]),
        (9, True, ["a", "b", "c", "<unk>", "<end>"]),
    ],
)
def test_the_size_counts_unknown_words_and_the_end(vocab_size, ends, symbols):
    assert Words.of(["a a a b b c"], vocab_size=vocab_size, ends=ends).symbols == symbols


@pytest.mark.parametrize("ends", [False, True])
def test_where_no_size_is_said_there_are_8000(ends):
    assert len(Words.of([" ".join(map(str, range(9000)))], ends=ends)) == 8000


@pytest.mark.parametrize(("vocab_size", "ends"), [(0, False), (1, False), (2, True)])
def test_a_size_without_room_for_words_is_refused(vocab_size, ends):
    message = f"vocab_size must leave room for words beside <unk> and <end>, got {vocab_size}"
    with pytest.raises(ParameterError, match=message):
        Words.of(["a b"], vocab_size=vocab_size, ends=ends)


def test_documents_share_one_vocabulary():
    assert Words.of(["a b", "", "b c"]).symbols == ["b", "a", "c", "<unk>"]


def test_unknown_words_become_one_symbol_of_their_own():
    vocabulary = Words.of(["to be or not"])
    ids = vocabulary.encode("to zebra, or")
    assert [vocabulary.symbols[i] for i in ids] == ["to", "<unk>", "<unk>", "or"]
    assert vocabulary.decode(ids) == "to <unk> <unk> or"
    assert vocabulary.unwritten == (vocabulary.symbols.index("<unk>"),)


def test_unknown_words_may_be_left_out():
    vocabulary = Words.of(["to be or not"], ends=True)
    assert vocabulary.decode(vocabulary.encode("to zebra, or", unknown="skip")) == "to or"
    assert vocabulary.encode("zebra", unknown="skip").tolist() == []


def test_nothing_else_can_be_done_with_them():
    with pytest.raises(ParameterError, match="unknown must be 'error' or 'skip', got 'ignore'"):
        Words.of(["a b"]).encode("a", unknown="ignore")


@pytest.mark.parametrize("text", ["<unk>", "<end>", "a <unk> <end>"])
def test_a_text_that_says_so_is_neither_unknown_nor_an_end(text):
    vocabulary = Words.of([text], ends=True)
    assert not {vocabulary.end, *vocabulary.unwritten} & set(vocabulary.encode(text).tolist())
    assert vocabulary.decode(vocabulary.document(text)) == text


@pytest.mark.parametrize(
    ("symbol", "meant"),
    [
        (",", [",", ", ", " , "]),
        (", ", [", "]),
        (" (", [" ("]),
        ("(", [" ("]),
        ("word", ["word"]),
        ("\n", ["\n"]),
        ("<unk>", ["<unk>"]),
        ("<end>", ["<end>"]),
    ],
)
def test_a_mark_is_meant_with_any_space_around_it(symbol, meant):
    vocabulary = Words([",", ", ", " , ", " (", "word", "\n"], ends=True)
    assert [vocabulary.symbols[i] for i in vocabulary.ids_of(symbol)] == meant


@pytest.mark.parametrize("symbol", ["zebra", " ,", ";", "", 5, None])
def test_what_is_no_symbol_is_refused(symbol):
    with pytest.raises(UnknownSymbol, match=r"expected one word, such as 'word', '.*; classes_ has them all"):
        Words(["word", ","]).ids_of(symbol)


@pytest.mark.parametrize(("before", "asked"), [(False, False), (False, True), (True, False), (True, True)])
def test_it_stays_as_it_is_on_more_text_but_for_the_end(before, asked):
    vocabulary = Words.of(["a b"], ends=before)
    wider, places = vocabulary.extended(["new words"], asked)
    assert wider.symbols == ["a", "b", "<unk>"] + ["<end>"] * (before or asked)
    assert [wider.symbols[place] for place in places] == vocabulary.symbols


@pytest.mark.parametrize("read", [Words.of, Words(["a"]).encode])
def test_bytes_are_no_words(read):
    with pytest.raises(DataError, match="bytes were given where text is expected; decode them, or use level='byte'"):
        read([b"abc"] if read == Words.of else b"abc")


# ---------------------------------------------------------------------- in a model file


@pytest.mark.parametrize("ends", [False, True])
def test_through_a_model_file(ends):
    vocabulary = Words.of(PROSE, vocab_size=9, ends=ends)
    back = from_json(json.loads(json.dumps(to_json(vocabulary))))
    assert back.symbols == vocabulary.symbols
    assert back.encode(SOURCE).tolist() == vocabulary.encode(SOURCE).tolist()


@pytest.mark.parametrize(
    "words",
    [None, "ab", {}, [], [""], ["a", 1], ["a", None], [["a"]], ["a", "a"], ["a", "<unk>"], ["<end>", "a"]],
)
def test_damaged_words_are_refused(words):
    with pytest.raises(ModelFileError, match=r"the model file is damaged: its? .*(vocabulary|word)"):
        from_json({"level": "word", "words": words})
