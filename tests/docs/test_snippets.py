"""The code in README, CONTRIBUTING and docs is run: Python and console blocks, in order, file by file.

All Python blocks of a file share one namespace, and all its blocks one empty folder. In a console block a line that
begins with ``$`` is a command; the others are its output, and are not compared.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics

import pytest

from throughtime import cells

ROOT = Path(__file__).parents[2]
MUST_HAVE_PYTHON = ("README.md", "CONTRIBUTING.md", "docs/quickstart.md")
MINUTES = "0.02"
"""What is put in place of any ``--minutes``, and given to a demo."""

SHOWN_ONLY = ("cd", "git", "pip", "python", "python3", "source")
"""Commands that set up an environment: not run here."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its lines, and the number of the first one."""

    language: str
    lines: tuple[str, ...]
    line: int


def blocks(text):
    """The fenced blocks of a Markdown text."""
    found, fence, language, start = [], None, "", 0
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        opening = re.match(r"(`{3,}|~{3,})(.*)", line)
        if fence is None and opening:
            fence, language, start = opening[1], opening[2].strip(), number
        elif fence is not None and line.rstrip() == fence:
            found.append(Block(language, tuple(lines[start : number - 1]), start + 1))
            fence = None
    assert fence is None, f"the block of line {start} is not closed"
    return found


def commands(lines):
    """The commands of a console block; a backslash at the end of a line goes on with the next."""
    joined = "\n".join(lines).replace("\\\n", " ")
    return [shlex.split(line[1:], comments=True) for line in joined.splitlines() if line.startswith("$")]


def shortened(words):
    """The command with a training that takes a second, or a benchmark that takes a few."""
    words = list(words)
    if "--minutes" in words:
        words[words.index("--minutes") + 1] = MINUTES
    elif words[:1] == ["train"] and not {"--epochs", "--max-steps"} & set(words):
        words += ["--epochs", "2"]
    elif words[:1] and words[0] in ("forecast", "classify", "tag"):
        words += ["--max-steps", "30"]
    elif words[:1] == ["demo"]:
        words += ["--minutes", MINUTES]
    elif words[:1] == ["bench"]:
        words += ["--rounds", "1", "--only", "step lstm 32"]
    return words


def targets(makefile):
    return set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))


def run_python(block, name, namespace):
    padding = "\n" * (block.line - 1)  # so that a traceback names the line of the document
    exec(compile(padding + "\n".join(block.lines), name, "exec", dont_inherit=True), namespace)


def run_console(block, name):
    for words in commands(block.lines):
        shown = f"{name}, line {block.line}: $ {shlex.join(words)}"
        assert words, f"{shown}: no command"
        assert not {"|", ">", "<", "&&", ";"} & set(words), f"{shown}: one plain command a line, please"
        if words[0] == "make":
            assert set(words[1:]) <= targets((ROOT / "Makefile").read_text(encoding="utf-8")), shown
        elif words[0] == "throughtime":
            command = [sys.executable, "-m", "throughtime", *shortened(words[1:])]
            done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
            assert done.returncode == 0, f"{shown}\n{done.stdout}{done.stderr}"
        else:
            assert words[0] in SHOWN_ONLY, f"{shown}: neither run nor known as one that is only shown"


def documents():
    paths = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return {path.relative_to(ROOT).as_posix(): blocks(path.read_text(encoding="utf-8")) for path in paths}


DOCUMENTS = documents()
RUN = {name: found for name, found in DOCUMENTS.items() if {"python", "console"} & {b.language for b in found}}


@pytest.mark.parametrize("name", RUN)
def test_the_code_of_a_document_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written = "\n\n".join(topics.values())  # texts of the reader's own, the other one in the letters of the first
    Path("mybook.txt").write_text(written[:20_000], encoding="utf-8")
    Path("another.txt").write_text(
        "".join(letter for letter in written[20_000:30_000] if letter in written[:15_000]), encoding="utf-8"
    )
    Path("names.txt").write_text("\n".join(sorted(topics)), encoding="utf-8")
    months = [f"{2010 + month // 12}-{1 + month % 12:02d}-01,{100 + month % 12 + month % 5}" for month in range(120)]
    Path("sales.csv").write_text("\n".join(["month,sales", *months]), encoding="utf-8")
    Path("reviews.csv").write_text("review,sentiment\n" + "a great film,good\na dull film,bad\n" * 20, encoding="utf-8")
    Path("sentences.conll").write_text("Anna B-PER\nsleeps O\n\nrain O\nfalls O\n\n" * 10, encoding="utf-8")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setattr(cells, "REGISTRY", dict(cells.REGISTRY))
    namespace = {"__name__": "__main__"}
    for block in RUN[name]:
        if block.language == "python":
            run_python(block, name, namespace)
        elif block.language == "console":
            run_console(block, name)


@pytest.mark.parametrize("name", MUST_HAVE_PYTHON)
def test_a_document_that_must_have_python_has_some(name):
    assert any(block.language == "python" for block in DOCUMENTS[name])


# ---------------------------------------------------------------------- the checks themselves


EXAMPLE = """\
```python
x = 1
```
Text, and a block in another language.
````text
```python
x = 3
```
````
```console
$ make test
all is well
$ throughtime train a.txt \\
    --minutes 5  # long
```
"""


def test_blocks_are_found_with_their_lines():
    first, second, third = blocks(EXAMPLE)
    assert first == Block("python", ("x = 1",), 2)
    assert (second.language, len(second.lines)) == ("text", 3)
    assert (third.language, third.line) == ("console", 11)


def test_commands_are_told_from_output():
    assert commands(blocks(EXAMPLE)[2].lines) == [["make", "test"], ["throughtime", "train", "a.txt", "--minutes", "5"]]


def test_a_block_that_is_not_closed_is_found():
    with pytest.raises(AssertionError, match="the block of line 2 is not closed"):
        blocks("text\n```python\nx = 1\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["demo"], ["demo", "--minutes", MINUTES]),
        (["bench", "--quick"], ["bench", "--quick", "--rounds", "1", "--only", "step lstm 32"]),
        (["train", "a", "--minutes", "5", "-q"], ["train", "a", "--minutes", MINUTES, "-q"]),
        (["train", "a", "--epochs", "1"], ["train", "a", "--epochs", "1"]),
        (["train", "a"], ["train", "a", "--epochs", "2"]),
    ],
    ids=lambda words: " ".join(words),
)
def test_long_trainings_are_shortened(words, expected):
    assert shortened(words) == expected


def test_an_error_in_python_names_the_line_of_the_document():
    with pytest.raises(ZeroDivisionError) as caught:
        run_python(Block("python", ("x = 1", "x / 0"), 10), "page.md", {})
    assert caught.traceback[-1].lineno + 1 == 11


@pytest.mark.parametrize(
    "line", ["$ throughtime nonsense", "$ make nonsense", "$ nonsense", "$ throughtime cells | head", "$"], ids=str
)
def test_a_false_command_is_found(line):
    with pytest.raises(AssertionError, match=r"page.md, line 1: \$"):
        run_console(Block("console", (line,), 1), "page.md")
