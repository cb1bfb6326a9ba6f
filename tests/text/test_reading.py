"""Text from strings, files and folders, and plain words about what cannot be used."""

from pathlib import Path

import pytest

from throughtime.errors import DataError
from throughtime.text.decoding import decode
from throughtime.text.reading import read


def chars(source, **options):
    return read(source, level="char", **options)


@pytest.fixture
def file(tmp_path):
    def write(data, name="text.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


# ---------------------------------------------------------------------- strings


def test_a_string_is_the_text_itself():
    assert chars("to be\r\nor not").texts == ["to be\r\nor not"]


def test_a_list_is_documents_in_their_order(file):
    assert chars(["one", file("two"), ""]) == (["one", "two"], [], 1)
    assert chars(("one", "two")).texts == ["one", "two"]


def test_a_short_string_that_names_a_file_raises_with_a_hint(file):
    name = str(file("text"))
    with pytest.raises(DataError, match=r"was given as text, but is the name of a file; .*pathlib\.Path\(") as caught:
        chars(name)
    assert repr(name) in str(caught.value)


def test_so_does_one_in_a_list(file):
    with pytest.raises(DataError, match="is the name of a file"):
        chars(["text", str(file("text"))])


@pytest.mark.parametrize("text", ["no such file.txt", "a\0b", "\ud800", "x" * 5000, "two\nlines"])
def test_other_strings_are_text(text):
    assert chars(text).texts == [text]


@pytest.mark.parametrize("source", ["", [""], ["", ""]])
def test_an_empty_text_is_refused(source):
    with pytest.raises(DataError, match="the text is empty"):
        chars(source)


def test_an_empty_list_is_refused():
    with pytest.raises(DataError, match="an empty list was given; expected at least one text"):
        chars([])


@pytest.mark.parametrize("source", [[1, 2], ["text", None], {"text": 1}.items(), None, 5])
def test_anything_else_is_refused(source):
    with pytest.raises(DataError, match=r"expected text, a pathlib\.Path or a list of them, got"):
        chars(source)


# ---------------------------------------------------------------------- files


def test_a_path_is_a_file(file):
    assert chars(file("déjà\nvu")).texts == ["déjà\nvu"]


@pytest.mark.parametrize("data", [b"a\r\nb\rc\n", b"\xef\xbb\xbfa\nb\nc\n"])
def test_line_ends_become_one_and_a_byte_order_mark_goes(file, data):
    assert chars(file(data)).texts == ["a\nb\nc\n"]


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-8", "utf8", "UTF_8"])
def test_the_byte_order_mark_goes_however_the_encoding_is_spelt(file, encoding):
    assert chars(file(b"\xef\xbb\xbfa"), encoding=encoding).texts == ["a"]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-32"])
def test_other_encodings(file, encoding):
    assert chars(file("l'été\n".encode(encoding)), encoding=encoding).texts == ["l'été\n"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty; expected text"),
        (b"abc\x00def", r"is a binary file \(a zero byte at offset 3\); expected text, or use level='byte'"),
        (b"\xff\x00abc", r"is a binary file \(a zero byte at offset 1\)"),
        (b"caf\xe9 au lait", r"is not utf-8: byte 0xe9 at offset 3; .*--encoding latin-1.*level='byte'"),
        (b"\xef\xbb\xbfcaf\xe9", r"is not utf-8: byte 0xe9 at offset 6"),
    ],
)
def test_what_cannot_be_read_as_text_is_named_with_its_place(file, data, message):
    path = file(data)
    with pytest.raises(DataError, match=message) as caught:
        chars(path)
    assert repr(str(path)) in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"there is no file '.*missing\.txt'"):
        chars(tmp_path / "missing.txt")


def test_a_path_through_a_file_cannot_be_read(file):
    with pytest.raises(DataError, match="cannot be read: Not a directory"):
        chars(file("text") / "more.txt")


@pytest.mark.parametrize("encoding", ["klingon", "", "base64", "undefined"])
def test_an_unknown_encoding_names_some_that_are(file, encoding):
    with pytest.raises(DataError, match=f"there is no encoding '{encoding}'; known ones are utf-8, latin-1"):
        chars(file("text"), encoding=encoding)


def test_bytes_are_read_as_they_are(file):
    data = b"\xef\xbb\xbf\x00\xff\r\n"
    assert read(file(data), level="byte").texts == [data]
    assert read(data, level="byte").texts == [data]


def test_decode_names_what_it_was_given():
    with pytest.raises(DataError, match="'standard input' is not utf-8: byte 0xff at offset 0"):
        decode(b"\xff", "standard input")


# ---------------------------------------------------------------------- folders


def test_a_folder_is_a_document_for_each_file_that_holds_text(file, tmp_path):
    file("bee", "b.txt")
    file("ay", "a.txt")
    file("sea", "deeper/c.md")
    picture, empty = file(b"\x89PNG\x00", "d.png"), file(b"", "e.txt")
    reading = chars(tmp_path)
    assert reading.texts == ["ay", "bee", "sea"]
    assert reading.left_out == [picture, empty]


def test_hidden_files_and_folders_are_left_out_unseen(file, tmp_path):
    file("seen", "a.txt")
    file("hidden", ".b.txt")
    file("hidden", ".git/c.txt")
    assert chars(tmp_path) == (["seen"], [], 0)


def test_a_folder_may_itself_lie_in_a_hidden_one(file, tmp_path):
    file("seen", ".hidden/texts/a.txt")
    assert chars(tmp_path / ".hidden" / "texts").texts == ["seen"]


def test_a_folder_without_text_is_refused(file, tmp_path):
    file(b"\0", "a.bin")
    with pytest.raises(DataError, match=r"the folder '.*' holds no text files \(1 files looked at\)"):
        chars(tmp_path)


def test_an_unknown_encoding_is_not_taken_for_a_folder_without_text(file, tmp_path):
    file("text", "a.txt")
    with pytest.raises(DataError, match="there is no encoding 'klingon'"):
        chars(tmp_path, encoding="klingon")


def test_a_folder_of_bytes(file, tmp_path):
    file(b"\x00\x01", "a.bin")
    assert read(tmp_path, level="byte").texts == [b"\x00\x01"]


def test_a_file_of_a_list_must_hold_text_where_one_of_a_folder_need_not(file):
    with pytest.raises(DataError, match="is a binary file"):
        chars([Path(file(b"\0"))])


@pytest.mark.parametrize("data", [b"caf\xe9 au lait", b"abc\x00def"])
@pytest.mark.parametrize("cut", [{"split": "lines"}, {"column": "name"}])
@pytest.mark.parametrize("as_file", [True, False])
def test_what_is_cut_is_not_told_to_stay_bytes(tmp_path, data, cut, as_file):
    (tmp_path / "text").write_bytes(data)
    with pytest.raises(DataError, match=r"is not utf-8|is a binary file") as caught:
        read(tmp_path / "text" if as_file else data, level="byte", **cut)
    assert "level" not in str(caught.value)
