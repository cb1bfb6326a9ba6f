"""A text is cut into documents, and nothing of it is lost on the way."""

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.errors import DataError, ParameterError
from throughtime.text.documents import documents, sentences
from throughtime.text.reading import read


def chars(source, **options):
    return read(source, level="char", **options)


@pytest.fixture
def file(tmp_path):
    def write(data, name="text.txt"):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


# ---------------------------------------------------------------------- lines


@pytest.mark.parametrize("text", ["one\ntwo", "one\ntwo\n", "one\r\ntwo\r\n", "one\rtwo", "\none\n\n \t\ntwo\n\n"])
def test_each_line_is_a_document(text):
    assert chars(text, split="lines").texts == ["one", "two"]


def test_a_line_keeps_its_spaces():
    assert chars(" one \n\ttwo\u2028three", split="lines").texts == [" one ", "\ttwo\u2028three"]


@pytest.mark.parametrize(("text", "empty"), [("a\nb\n", 0), ("a\n\nb", 1), ("\n \na\n\t\n", 3), ("a\n\n", 1)])
def test_lines_without_text_are_left_out_and_counted(text, empty):
    assert chars(text, split="lines").empty == empty


@pytest.mark.parametrize("options", [{"split": "lines"}, {"split": "sentences"}])
@pytest.mark.parametrize("text", ["", "\n", " \n\t\n"])
def test_nothing_but_empty_documents_is_refused(text, options):
    with pytest.raises(DataError, match="the text is empty or blank; expected something to read"):
        chars(text, **options)


def test_a_text_that_is_not_cut_may_be_space():
    assert chars([" ", "\n", ""]) == ([" ", "\n"], [], 1)


# ---------------------------------------------------------------------- sentences


@pytest.mark.parametrize(
    "expected",
    [
        ["One."],
        ["no end"],
        ["One.", "Two!", "Three?", "Four…", "Five"],
        ["What?!", "No...", "5 is a number."],
        ["He paid 3.5 m, e.g. this, at a.b.c today.", "Yes."],
        ['"Go!"', "“Yes.”", "«Non.»", "(So it was.)", "[It was.]", "'Twas.'"],
        ["Él vino.", "Ñu! était là?", "Ärger."],
        ["你好。", "再见！", "好？", "好"],
        ["one. two.", "Three"],
        ["¡Hola!", "¿Qué tal?", "Bien."],
        ["Yes.", "— No.", "😀 Well."],
    ],
)
@pytest.mark.parametrize("space", [" ", "  ", "\n", " \n\t"])
def test_a_sentence_ends_before_a_space_and_what_is_no_small_letter(expected, space):
    assert list(sentences(space.join(expected))) == expected


@pytest.mark.parametrize("blank", ["\n\n", "\n \t\n"])
@pytest.mark.parametrize(
    "expected", [["A title", "The text."], ["A title", "the text"], ["One.", "two."], ['"One!"', "two", "three"]]
)
def test_a_sentence_ends_at_a_blank_line(expected, blank):
    assert list(sentences(blank.join(expected))) == expected


def test_a_sentence_is_one_line():
    assert list(sentences("  One\n line   of it.\nTwo  ")) == ["One line of it.", "Two"]


@settings(max_examples=150)
@given(st.text(st.sampled_from("aB. \n!?…\"')(“«1,")) | st.text(st.characters()))
def test_of_sentences_only_space_is_lost(text):
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())
    assert all(sentence == " ".join(sentence.split()) for sentence in sentences(text))


# ---------------------------------------------------------------------- tables


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_the_cells_of_a_column_are_documents(delimiter, line_end):
    rows = [["name", "text"], ["a", "to be"], ["b", "or not"]]
    table = line_end.join(delimiter.join(row) for row in rows) + line_end
    assert chars(table, column="text").texts == ["to be", "or not"]
    assert chars(table, column="name").texts == ["a", "b"]


def test_a_table_may_have_one_column():
    assert chars("text\nto be\nor not", column="text").texts == ["to be", "or not"]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('"a, b; c\td"', "a, b; c\td"),
        ('"He said ""hi"""', 'He said "hi"'),
        ('"one\r\ntwo"', "one\r\ntwo"),
        (" a ", " a "),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_quotes_hold_a_cell_together(cell, text, delimiter):
    assert chars(f"n{delimiter}text\n1{delimiter}{cell}\n2{delimiter}b", column="text").texts == [text, "b"]


@given(st.lists(st.lists(st.text(st.sampled_from('ab ,;\t"\n'), min_size=1), min_size=3, max_size=3), min_size=1))
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_what_the_standard_library_writes_is_read(tmp_path_factory, delimiter, rows):
    path = tmp_path_factory.mktemp("table") / "table.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([["x", "y", "z"], *rows])
    for place, column in enumerate(["x", "y", "z"]):
        cells = list(documents([path.read_text(encoding="utf-8")], split=None, column=column, name="table"))
        assert cells == [row[place] for row in rows]


def test_cells_may_be_cut_further():
    table = 'text,n\n"one\ntwo",1\nThree. Four.,2\n'
    assert chars(table, column="text", split="lines").texts == ["one", "two", "Three. Four."]
    assert chars(table, column="text", split="sentences").texts == ["one two", "Three.", "Four."]


def test_cells_without_text_are_left_out_and_counted():
    assert chars('n,text\n1,a\n2,\n3," "\n4\n\n5,b,c\n', column="text") == (["a", "b"], [], 3)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name,year\na,1\n", r"^'the text' has no column 'title'; it has 'name' and 'year'$"),
        ("name\na\n", r"^'the text' has no column 'title'; it has 'name'$"),
        ("Title\na\n", r"^'the text' has no column 'title'; it has 'Title'$"),
    ],
)
def test_a_missing_column_lists_those_that_are_there(table, message):
    with pytest.raises(DataError, match=message):
        chars(table, column="title")


def test_the_table_that_lacks_a_column_is_named(file, tmp_path):
    file("title\na\n", "a.csv")
    path = file("name\na\n", "b.csv")
    with pytest.raises(DataError, match="has no column 'title'") as caught:
        chars(tmp_path, column="title")
    assert repr(str(path)) in str(caught.value)


@pytest.mark.parametrize("table", ['n,text\n1,"a', 'n,text\n"1"2,a\n', '"n,text\n1,a\n'])
def test_what_is_no_table_is_refused(table):
    with pytest.raises(DataError, match=r"^'the text' is not a table in CSV: "):
        chars(table, column="text")


@pytest.mark.parametrize("good", [True, False])
def test_a_cell_may_be_long_and_the_limit_of_others_stays(good):
    limit = csv.field_size_limit()
    cell = "a" * 300_000
    assert len(cell) > limit
    if good:
        assert chars(f"n,text\n1,{cell}\n", column="text").texts == [cell]
    else:
        with pytest.raises(DataError, match="is not a table in CSV"):
            chars(f'n,text\n1,"{cell}\n', column="text")
    assert csv.field_size_limit() == limit


# ---------------------------------------------------------------------- files, folders, bytes


@pytest.mark.parametrize("level", ["char", "byte", "word", "bpe"])
def test_files_folders_and_strings_are_all_cut(file, tmp_path, level):
    file("one\ntwo\n", "a.txt")
    file("three\r\n\r\nfour", "b.txt")
    reading = read([tmp_path, "five\n\nsix", tmp_path / "a.txt"], level=level, split="lines")
    assert reading == (["one", "two", "three", "four", "five", "six", "one", "two"], [], 2)


@pytest.mark.parametrize("level", ["char", "byte"])
def test_a_table_in_another_encoding(file, level):
    path = file("n;text\n1;été\n".encode("latin-1"))
    assert read(path, level=level, encoding="latin-1", column="text").texts == ["été"]


@pytest.mark.parametrize("level", ["char", "byte"])
def test_a_byte_order_mark_is_no_part_of_a_name(file, level):
    assert read(file(b"\xef\xbb\xbftext,n\na,1\n"), level=level, column="text").texts == ["a"]


def test_bytes_are_cut_as_text():
    assert read("é\nà\n".encode(), level="byte", split="lines").texts == ["é", "à"]


def test_bytes_that_are_no_text_cannot_be_cut(file):
    with pytest.raises(DataError, match="'the text' is not utf-8: byte 0xff at offset 2"):
        read(b"a\n\xff", level="byte", split="lines")
    with pytest.raises(DataError, match="is a binary file"):
        read(file(b"a\0b"), level="byte", split="lines")


@pytest.mark.parametrize("level", ["char", "byte"])
def test_pictures_in_a_folder_that_is_cut_are_left_out(file, tmp_path, level):
    file("one\ntwo", "a.txt")
    picture = file(b"\x89PNG\x00", "b.png")
    assert read(tmp_path, level=level, split="lines") == (["one", "two"], [picture], 0)


def test_empty_documents_of_all_files_are_counted_together(file):
    paths = [Path(file("a\n\nb", "a.txt")), Path(file("\n\nc", "b.txt"))]
    assert chars(paths, split="lines") == (["a", "b", "c"], [], 3)


@pytest.mark.parametrize("split", ["words", "Lines", "", True])
def test_an_unknown_way_to_cut_is_refused(split):
    with pytest.raises(ParameterError, match=f"split must be 'lines', 'sentences' or None, got {split!r}"):
        chars("text", split=split)
