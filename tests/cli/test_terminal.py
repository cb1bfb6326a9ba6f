"""A terminal is never sent the control sequences of a model, unless that is asked for; files and pipes are."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from io import StringIO

import pytest
from tests.trained import small

from throughtime import SequenceClassifier
from throughtime.cli.base import answer, complain
from throughtime.cli.terminal import shown

WRITTEN = "\x1b[2J\x9b31mred\x07\r\u202e\tab\n"
SEEN = "\ufffd[2J\ufffd31mred\ufffd\ufffd\ufffd\tab\n"


class Terminal(StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_no_control_characters():
    assert shown(WRITTEN, Terminal()) == SEEN


def test_a_terminal_gets_them_where_that_is_asked_for():
    assert shown(WRITTEN, Terminal(), raw=True) == WRITTEN


def test_a_file_gets_the_text_as_it_is():
    assert shown(WRITTEN, StringIO()) == WRITTEN


@pytest.mark.parametrize("stream", [Terminal(), StringIO()])
def test_half_a_character_can_be_written(stream):
    assert shown("a\ud800b", stream).encode() in (b"a?b", "a\ufffdb".encode())


def test_messages_and_answers_are_shown_so(monkeypatch):
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    complain("a\x1bb")
    answer({}, False, "c\x1bd")
    answer({}, False, "e\x1bf", raw=True)
    answer({"text": "g\x1bh"}, True, "")
    assert err.getvalue() == "a\ufffdb\n"
    assert out.getvalue() == 'c\ufffdd\ne\x1bf\n{"text": "g\\u001bh"}\n'


# ---------------------------------------------------------------------- commands in a terminal


@cache
def writer():
    """A model that writes little but control sequences."""
    return small(max_steps=40).fit("\x1b[2J\x9b" * 200)


@cache
def classifier():
    return SequenceClassifier(hidden_size=4, max_steps=20, random_state=1).fit(["ab", "cd"] * 4, ["\x1b[2Ja", "b"] * 4)


def in_terminal(folder, *arguments):
    """What a command sends to a terminal."""
    ours, theirs = os.openpty()
    subprocess.run([sys.executable, "-m", "throughtime", *arguments], cwd=folder, stdout=theirs, check=True)
    found = os.read(ours, 4096).decode()
    os.close(ours)
    os.close(theirs)
    return found


@pytest.fixture
def folder(tmp_path):
    writer().save(tmp_path / "writer")
    model = classifier()
    model.name_columns(["text"])
    model.save(tmp_path / "classifier")
    (tmp_path / "new.csv").write_text("text\nab\ncd\n", encoding="utf-8")
    return tmp_path


def test_sample_in_a_terminal(folder):
    given = ("sample", "writer", "--length", "40", "--seed", "1")
    text = writer().generate(40, random_state=1)
    assert {"\x1b", "\x9b"} <= set(text)
    safe = in_terminal(folder, *given)
    assert safe.rstrip() == text.replace("\x1b", "\ufffd").replace("\x9b", "\ufffd")
    assert in_terminal(folder, *given, "--raw").rstrip() == text


def test_predict_in_a_terminal(folder):
    given = ("predict", "classifier", "new.csv")
    safe = in_terminal(folder, *given)
    assert "\x1b" not in safe
    assert "\ufffd[2Ja" in safe
    assert "\x1b[2Ja" in in_terminal(folder, *given, "--raw")


def test_commands_into_a_pipe(folder, cli):
    text = writer().generate(40, random_state=1)
    assert cli("sample", "writer", "--length", 40, "--seed", 1).stdout == text + "\n"
    assert "\x1b[2Ja" in cli("predict", "classifier", "new.csv").stdout
