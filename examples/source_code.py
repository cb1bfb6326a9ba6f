"""Learns to write Python from the functions of the standard library, and counts how many of its own compile.

Each function is a document: the network learns where one ends. What it writes is compiled, never run.

    python examples/source_code.py [--functions 8000] [--minutes 3] [--count 100]
"""

import argparse
import ast
import sysconfig
import textwrap
import warnings
from pathlib import Path

from throughtime import TextGenerator

LONGEST = 400


def functions(folder):
    """The short functions of all modules, without the indentation of those in classes."""
    for path in sorted(folder.rglob("*.py")):
        if {"site-packages", "test", "tests", "idlelib", "lib2to3"} & set(path.parts):
            continue
        source = path.read_text(encoding="utf-8", errors="replace")
        lines = source.splitlines()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef) and not node.decorator_list:
                code = textwrap.dedent("\n".join(lines[node.lineno - 1 : node.end_lineno]))
                if code.isascii() and len(code) <= LONGEST:
                    yield code


def compiles(code):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(code, "written by a network", "exec")
    except (SyntaxError, ValueError):
        return False
    return code.startswith("def ")


arguments = argparse.ArgumentParser(description="learns to write Python")
arguments.add_argument("--folder", type=Path, default=Path(sysconfig.get_path("stdlib")), help="where to read")
arguments.add_argument("--functions", type=int, default=8_000)
arguments.add_argument("--minutes", type=float, default=3)
arguments.add_argument("--count", type=int, default=100)
arguments.add_argument("--temperature", type=float, default=0.5)
options = arguments.parse_args()

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # old escapes in old modules
    found = sorted(set(functions(options.folder)))
if not found:
    arguments.error(f"there are no functions to learn from in {options.folder}")
learned = found[:: max(1, len(found) // options.functions)][: options.functions]
print(f"{len(learned):,} of {len(found):,} functions, {sum(map(len, learned)):,} characters")

model = TextGenerator(minutes=options.minutes, random_state=1).fit(learned)
written = model.generate_many(options.count, LONGEST, temperature=options.temperature, random_state=1)
good = [code for code in written if compiles(code)]
copied = sum(model.copies(good))
print(
    f"{len(good)} of {len(written)} functions compile ({len(good) / len(written):.0%}), "
    f"of which {copied} are copies of what it read"
)
for code in sorted(good, key=len, reverse=True)[:3]:
    print("-" * 60, code, sep="\n")
