"""Highlights Python without a parser: a network reads bare characters and says what each of them belongs to.

What it learns from are the tokens of the standard library's modules, by ``tokenize``: keywords, names that are called,
defined, attributes or plain, strings, numbers, operators, comments. It must find out by itself where a string begins
and ends, and look ahead to the parenthesis that makes a name a call. The table, for files that it did not learn, must
be far above giving each character its most frequent tag. One of these files is written as HTML: colours, the name of a
tag where the pointer rests, and a wavy line under what is wrong.

    python examples/highlight.py [--folder DIR] [--file FILE] [--steps 1000] [--to highlight.html]
"""

import argparse
import html
import io
import itertools
import keyword
import sysconfig
import tokenize
from pathlib import Path

import numpy as np

from throughtime import SequenceTagger

LONGEST = 30_000  # characters of a file; others are left out
PIECE = 400  # about so many are learned at once, whole lines
COLOURS = {
    "keyword": "#a0208c", "called": "#1f4fbf", "defined": "#0b6e6e; font-weight: bold", "attribute": "#7a4a00",
    "name": "#1c1c1c", "string": "#1a6b1a", "number": "#b02a0c", "operator": "#5a5a5a", "comment": "#68707a",
    "space": "inherit",
}  # fmt: skip
PAGE = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body {{ background: #fff; color: #1c1c1c; font-family: sans-serif; margin: 2em }}
pre {{ line-height: 1.4 }} .wrong {{ text-decoration: underline wavy #d00000 }}
{styles}</style>
<h1>{title}</h1><p>{legend}</p>
<pre>{code}</pre></html>
"""


def kind(token, before, after):
    """The tag of a token, from its neighbours."""
    name = tokenize.tok_name[token.type]
    if name == "NAME":
        if keyword.iskeyword(token.string):
            return "keyword"
        if before in ("def", "class"):
            return "defined"
        return "called" if after == "(" else "attribute" if before == "." else "name"
    if name == "STRING" or name.startswith(("FSTRING", "TSTRING")):
        return "string"
    return {"NUMBER": "number", "OP": "operator", "COMMENT": "comment"}.get(name, "space")


def tags_of(code):
    """The tag of each character; "space" is what stands between tokens."""
    starts = [0, *itertools.accumulate(map(len, io.StringIO(code)))]
    tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    strings = ["", *(token.string for token in tokens), ""]
    tags = ["space"] * len(code)
    for place, token in enumerate(tokens):
        start, end = (starts[row - 1] + column for row, column in (token.start, token.end))
        tags[start:end] = [kind(token, strings[place], strings[place + 2])] * len(code[start:end])
    return tags


def pieces(code, tags):
    """Whole lines of about ``PIECE`` characters, and their tags: wherever they begin, inside a string too."""
    start = end = 0
    for line in io.StringIO(code):
        end += len(line)
        if end - start >= PIECE or end == len(code):
            yield list(code[start:end]), tags[start:end]
            start = end


def page(title, code, found, tags):
    """The file as HTML: characters side by side with one tag, found and true, are one span."""
    spans = []
    for (tag, true), run in itertools.groupby(zip(code, found, tags, strict=True), lambda each: each[1:]):
        text = html.escape("".join(character for character, _, _ in run))
        style, title = (tag, tag) if tag == true else (f"{tag} wrong", f"{tag}, but it is: {true}")
        spans.append(f'<span class="{style}" title="{title}">{text}</span>')
    styles = "\n".join(f".{tag} {{ color: {colour} }}" for tag, colour in COLOURS.items())
    legend = " · ".join(f'<span class="{tag}">{tag}</span>' for tag in COLOURS)
    return PAGE.format(title=html.escape(title), styles=styles, legend=legend, code="".join(spans))


arguments = argparse.ArgumentParser(description="highlights Python")
arguments.add_argument("--folder", type=Path, default=Path(sysconfig.get_path("stdlib")), help="its modules are read")
arguments.add_argument("--file", type=Path, help="what is highlighted; by default a file that is not learned")
arguments.add_argument("--steps", type=int, default=1_000)
arguments.add_argument("--to", type=Path, default=Path("highlight.html"))
options = arguments.parse_args()

files = {path: path.read_text(encoding="utf-8", errors="replace") for path in sorted(options.folder.glob("*.py"))}
tagged = {path: (list(code), tags_of(code)) for path, code in files.items() if len(code) <= LONGEST}
learned = [path for number, path in enumerate(tagged) if number % 5]
scored = [path for path in tagged if path not in learned]
X, y = zip(*(piece for path in learned for piece in pieces(files[path], tagged[path][1])), strict=True)
print(f"{len(X):,} pieces of {len(learned)} files, {sum(map(len, X)):,} characters, to learn from")

model = SequenceTagger(embedding_size=32, max_steps=options.steps, random_state=1).fit(X, y)
print(f"{model.training_.seconds:.0f} seconds; now {len(scored)} other files, each as a whole:")
print(model.report(*zip(*(tagged[path] for path in scored), strict=True)))

chosen = options.file or min(scored, key=lambda path: abs(len(files[path]) - 8_000))
code = chosen.read_text(encoding="utf-8")
tags, (found,) = tags_of(code), model.predict([list(code)])
options.to.write_text(page(chosen.name, code, found, tags), encoding="utf-8")
right = np.mean([a == b for a, b in zip(found, tags, strict=True)])
print(f"{chosen.name}: {right:.1%} of {len(code):,} characters are right; in {options.to}")
