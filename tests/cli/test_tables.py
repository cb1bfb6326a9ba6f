"""Tables in files: what is read is what was written, and what is no table is refused in one sentence."""

import json

import numpy as np
import pytest

from throughtime.cli.conll import read_conll
from throughtime.cli.tables import write_table
from throughtime.errors import DataError, OutputError
from throughtime.tables.reading import read_table

COLUMNS = {
    "name": ["a", "b, c", 'd"e'],
    "y": [1.5, np.nan, -2.0],
    "day": np.array(["2024-02-28", "2024-02-29", "2024-03-01"], "datetime64[s]"),
}
READ = {"name": ["a", "b, c", 'd"e'], "y": [1.5, None, -2.0], "day": ["2024-02-28", "2024-02-29", "2024-03-01"]}


def plain(columns):
    return {
        name: [None if value != value else value for value in np.asarray(column).tolist()]
        for name, column in columns.items()
    }


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_what_is_written_is_read_again(tmp_path, ending):
    path = tmp_path / f"table.{ending}"
    write_table(path, COLUMNS)
    assert plain(read_table(path)) == READ


@pytest.mark.parametrize(
    "text", ["a,b\n1,x\n2,y\n", "a;b\n1;x\n2;y\n", "a\tb\n1\tx\n2\ty\n", "\ufeffa,b\r\n1,x\r\n\r\n2,y"]
)
def test_the_delimiter_is_found_in_the_first_line(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8", newline="")
    assert plain(read_table(path)) == {"a": [1.0, 2.0], "b": ["x", "y"]}


def test_lines_of_json_may_lack_a_value(tmp_path):
    path = tmp_path / "table.jsonl"
    path.write_text('{"a": 1}\n\n{"a": 2, "b": "x"}\n', encoding="utf-8")
    assert plain(read_table(path)) == {"a": [1.0, 2.0], "b": [None, "x"]}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", "is empty; its first line should name the columns"),
        ("a.csv", "a,b\n", "has no rows below its first line"),
        ("a.csv", "a,b\n1,2\n3\n", "line 3: 1 cells, where the first line names 2 columns"),
        ("a.csv", "a,a\n1,2\n", "has two columns of one name"),
        ("a.jsonl", "[1]\n", "line 1: each line should be a JSON object"),
        ("a.jsonl", '{"a": 1}\n{"a"\n', "line 2: no JSON.*; expected JSON lines, an object on each line"),
        ("a.jsonl", "\n", "is empty; each line should be a JSON object"),
        ("a.parquet", "nothing", "is no Parquet file"),
    ],
)
def test_what_is_no_table(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_table(path)


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        read_table(tmp_path / "none.csv")
    path = tmp_path / "latin.csv"
    path.write_bytes("a\né\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"is no text in utf-8.*--encoding"):
        read_table(path)
    assert read_table(path, "latin-1") == {"a": ["é"]}


def test_numbers_that_are_names_stay_as_they_are(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b,c,d\n1_1,001,4006381333931,0.5\n11,1,4006381333932,-0\n", encoding="utf-8")
    assert plain(read_table(path)) == {
        "a": ["1_1", "11"],
        "b": ["001", "1"],
        "c": [4006381333931, 4006381333932],
        "d": [0.5, 0],
    }
    assert read_table(path, as_text=["c"])["c"] == ["4006381333931", "4006381333932"]
    write_table(path, {"c": np.array([4006381333931.0, 0.25])})
    assert path.read_text(encoding="utf-8") == "c\n4006381333931\n0.25\n"


@pytest.mark.parametrize("separator", ["\u2028", "\x85"])
def test_lines_end_where_the_file_says_so(tmp_path, separator):
    table, sentences = tmp_path / "table.jsonl", tmp_path / "s.conll"
    table.write_text(f'{{"a": "x{separator}y"}}\r\n{{"a": "z"}}\n', encoding="utf-8", newline="")
    assert read_table(table) == {"a": [f"x{separator}y", "z"]}
    sentences.write_text(f"a{separator}b\tO\r\n\r\nc\tO\r\n", encoding="utf-8", newline="")
    assert read_conll(sentences) == ([[f"a{separator}b"], ["c"]], [["O"], ["O"]])


def test_comments_stand_before_sentences_and_hash_signs_are_tokens(tmp_path):
    path = tmp_path / "s.conll"
    lines = ["-DOCSTART- O", "", "# sent_id = 1", "#\tO", "# O", "1 N", "", "# newpar", "b O", "# O", "", "", "#\tO"]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert read_conll(path) == ([["#", "#", "1"], ["b", "#"], ["#"]], [["O", "O", "N"], ["O", "O"], ["O"]])


@pytest.mark.parametrize("line", ["# O", "# a comment of four words"])
def test_a_line_that_could_be_a_comment_or_a_token_is_refused(tmp_path, line):
    path = tmp_path / "s.conll"
    path.write_text(f"a O\n\n{line}\nb O\n", encoding="utf-8")
    message = (
        rf"s.conll', line 3: '{line}' could be a comment or the token '#'; write comments as '# text = ...', and a"
    )
    for learned in (None, ["O"]):
        with pytest.raises(DataError, match=message):
            read_conll(path, learned=learned)


TOKENS = "expected a token and its tag, with as many words on each line"
UNTAGGED = "to be tagged, write a token on each line and an empty line behind each sentence"


@pytest.mark.parametrize(
    ("text", "learned", "message"),
    [
        ("a N O\n\nb O\n", None, f"line 3: 2 words, where line 1 has 3; {TOKENS}"),
        ("# id = 1\na O\nb\tx\tO\n", None, f"line 3: 3 words, where line 2 has 2; {TOKENS}"),
        ("a O\nb\n", None, "line 2: the token 'b' has no tag; expected a token and its tag"),
        (
            "Anna visits Tokyo .\n",
            ["O", "B-LOC"],
            f"has lines of several words whose last one is no tag that was learned, such as '.'; {UNTAGGED}",
        ),
        (
            "She ran .\n\nHe slept .\n",
            ["O"],
            f"has lines of several words whose last one is no tag that was learned, such as '.'; {UNTAGGED}",
        ),
        ("Anna visits Tokyo .\nBob sleeps .\n", ["."], f"line 2: 3 words, where line 1 has 4; {UNTAGGED}"),
        ("Anna\nvisits Tokyo\n", ["O"], f"line 2: 2 words, where line 1 has 1; {UNTAGGED}"),
        ("Anna O\nsleeps\n", ["O"], f"line 2: 1 word, where line 1 has 2; {UNTAGGED}"),
    ],
)
def test_lines_that_are_no_tokens_are_refused(tmp_path, text, learned, message):
    path = tmp_path / "s.conll"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=rf"s.conll'.*{message}"):
        read_conll(path, learned=learned)


def test_what_is_to_be_tagged_may_have_tags_as_in_training_or_none(tmp_path):
    path = tmp_path / "s.conll"
    for text in ("a\nb\n\nc\n", "a N O\nb N O\n\nc N new\n", "New York\tO\nb\tO\n\nc\tO\n"):
        path.write_text(text, encoding="utf-8")
        first = "New York" if "New" in text else "a"
        assert read_conll(path, learned=["O"])[0] == [[first, "b"], ["c"]]


def test_an_ending_that_is_not_known(tmp_path):
    (tmp_path / "table.dat").write_text("a\n1\n", encoding="utf-8")
    with pytest.raises(
        DataError,
        match=r"'table.dat' ends in no form of a table that is read here; choose one of '.csv', '.txt', '.tsv'",
    ):
        read_table(tmp_path / "table.dat")
    with pytest.raises(DataError, match=r"'t.XLSX' ends in .*; save it as CSV, or read it in Python, with pandas"):
        read_table(tmp_path / "t.XLSX")
    (tmp_path / "table.txt").write_text("a\n1\n", encoding="utf-8")
    assert plain(read_table(tmp_path / "table.txt")) == {"a": [1.0]}


def test_an_ending_that_is_no_table(tmp_path):
    with pytest.raises(
        OutputError, match=r"ends in no form of a table; choose '.csv', '.tsv', '.jsonl' and '.parquet'"
    ):
        write_table(tmp_path / "table.dat", COLUMNS)
    with pytest.raises(OutputError, match=r"choose .* and '.parquet', which spreadsheet programs open"):
        write_table(tmp_path / "table.xlsx", COLUMNS)
    with pytest.raises(
        OutputError, match=r"would be one JSON document; tables are written as JSON lines: choose .jsonl"
    ):
        write_table(tmp_path / "table.json", COLUMNS)
    with pytest.raises(OutputError, match="cells of several kinds, which Parquet cannot hold"):
        write_table(tmp_path / "table.parquet", {"a": [1, "x"]})
    assert not list(tmp_path.iterdir())


def test_numbers_in_json_are_numbers(tmp_path):
    path = tmp_path / "table.jsonl"
    write_table(path, {"n": np.arange(2), "y": np.array([0.1, np.nan])})
    assert [json.loads(line) for line in path.read_text().splitlines()] == [{"n": 0, "y": 0.1}, {"n": 1, "y": None}]
