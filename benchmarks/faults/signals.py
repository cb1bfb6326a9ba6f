"""Every command of the command line, ended by Ctrl-C in a terminal and by SIGTERM, at many moments.

Each command runs in a terminal of its own until it listens, and gets the signal so many milliseconds later, from its
imports on to its last lines; some get it where they are known to wait, and some get two. Right is: the exit code is 130
or 143 (or 0 where the command had come to its end), the last line tells of it, there is no traceback, the cursor
can be seen, no process is left, and whatever lies in the folder is whole: models can be loaded, a training can be gone
on with, and an output file is that of a command without a break or is not there.

    python benchmarks/faults/signals.py   # adds a record to benchmarks/results/faults.jsonl; takes a quarter of an hour
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from terminal import PROGRAM, Process
from told import RESULTS, add

from throughtime import load
from throughtime.errors import ModelFileError

CODES = {"Ctrl-C": 130, "SIGTERM": 143}
WORDS = {"Ctrl-C": "interrupted", "SIGTERM": "terminated"}
MARK = "THROUGHTIME_FAULTS"
"""Is set for a command and what it starts, so that what is left of it is found."""
SLOW = 5.0
"""Seconds after which a command has not ended promptly."""
LARGE = (
    "-c",
    "import throughtime.text.reading as reading; reading.LARGE = 1000; from throughtime.cli import main; main()",
)
"""Texts of a thousand bytes are large ones."""

TEXT = "to be or not to be, that is the question: whether it is nobler in the mind to suffer. " * 100
NET = ("--hidden-size", "8", "--seed", "1", "--max-steps", "4000")
SHORT = (*NET[:-1], "60")
TRAINED = ("train", "text.txt", "-o", "m", *NET)


@dataclass(frozen=True)
class Case:
    """A command, and when it is ended.

    Parameters
    ----------
    name : str
    arguments : sequence of str
    seconds : float
        The last moment, after it listens.
    trains : bool, default False
        Whether it writes a model that a training can be gone on with.
    writes : str, default ""
        Another file that it writes.
    at : bytes, default b""
        What it has said when the moments begin.
    program : sequence of str
    waits : {"", "stdin", "lock", "cold"}, default ""
        What it waits for: data, the cache of large texts, or a compilation.
    """

    name: str
    arguments: Sequence[str]
    seconds: float = 2.0
    trains: bool = False
    writes: str = ""
    at: bytes = b""
    program: Sequence[str] = PROGRAM
    waits: str = ""


FORECAST = ("forecast", "series.csv", "-o", "m", "--horizon", "2", "--target", "visits")
CLASSIFY = ("classify", "labels.csv", "--label", "kind", "--text", "text", "-o", "m")
CASES = (
    Case("help", ["--help"], 0.8),
    Case("cells", ["cells"], 0.8),
    Case("info", ["info", "text.model"], 1.0),
    Case("train", TRAINED, 3.0, trains=True),
    Case("train, compiling", TRAINED, 4.0, trains=True, waits="cold"),
    Case("train, standard input", ["train", "-", "-o", "m", *NET], 1.5, waits="stdin"),
    Case("train, large text", ["train", "large.txt", "-o", "m", *NET], 4.0, trains=True, program=LARGE),
    Case("train, waiting for the cache", ["train", "text.txt", "-o", "m", *NET], 2.0, program=LARGE, waits="lock"),
    Case("train, to its end", ["train", "text.txt", "-o", "m", *SHORT], 2.5, trains=True),
    Case("forecast", [*FORECAST, *NET], 3.0, trains=True),
    Case("forecast, to its end", [*FORECAST, *SHORT, "--to", "to.csv", "--plot", "plot.png", "--folds", "1"],
         6.0, trains=True, writes="to.csv"),
    Case("classify", [*CLASSIFY, *NET], 3.0, trains=True),
    Case("classify, to its end", [*CLASSIFY, *SHORT], 2.5, trains=True),
    Case("tag", ["tag", "sentences.txt", "-o", "m", *NET], 3.0, trains=True),
    Case("resume", ["resume", "unfinished.model"], 3.0, trains=True),
    Case("sample", ["sample", "text.model", "--length", "3000000"], 2.0),
    Case("sample, in a talk", ["sample", "text.model", "--interactive"], 2.0, at=b"> "),
    Case("sample, many", ["sample", "text.model", "--count", "500", "--length", "3000"], 2.0),
    Case("evaluate", ["evaluate", "text.model", "large.txt"], 3.0),
    Case("evaluate, large text", ["evaluate", "text.model", "large.txt"], 3.0, program=LARGE),
    Case("evaluate, standard input", ["evaluate", "text.model", "-"], 1.5, waits="stdin"),
    Case("evaluate, counting", ["evaluate", "text.model", "text.txt", "--baseline", "large.txt"], 3.0),
    Case("predict, a forecast", ["predict", "series.model", "series.csv", "--to", "to.csv"], 1.5, writes="to.csv"),
    Case("predict, labels", ["predict", "labels.model", "new.csv", "--to", "to.csv"], 3.0, writes="to.csv"),
    Case("bench", ["bench", "--quick", "--to", "bench.jsonl"], 12.0),
    Case("demo", ["demo", "--minutes", "1", "--to", "shown"], 6.0),
    Case("demo, to its end", ["demo", "--minutes", "0.03", "--to", "shown"], 6.0),
)  # fmt: skip


@dataclass
class Row:
    """What came of the runs of one case with one signal."""

    case: str
    signal: str
    runs: int = 0
    ended: int = 0
    """Runs that had come to their end before the signal."""
    saved: int = 0
    """Trainings that say how they are gone on with."""
    slowest: float = 0.0
    """Seconds from the signal to the end of the process."""
    faults: list[str] = field(default_factory=list)


def prepare(folder: Path) -> None:
    """The data, the models and what a command without a break writes, once for all cases."""
    folder.mkdir()
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "large.txt").write_text(TEXT * 300, encoding="utf-8")
    rows = [f"{20 + step % 7 + 0.1 * (step * step % 11)}" for step in range(300)]
    (folder / "series.csv").write_text("\n".join(["visits", *rows]), encoding="utf-8")
    labels = "abba,low\ncdc,high\nddcd,high\n" * 40
    (folder / "labels.csv").write_text(f"text,kind\n{labels}", encoding="utf-8")
    (folder / "new.csv").write_text("text\n" + "abba\ncdc\nddcd\n" * 20_000, encoding="utf-8")
    (folder / "sentences.txt").write_text("Anna B-PER\nsleeps O\n\nrain O\nfalls O\n\n" * 40, encoding="utf-8")
    run(folder, "train", "text.txt", "-o", "text.model", *SHORT)
    run(folder, *(part if part != "m" else "series.model" for part in FORECAST), *SHORT)
    run(folder, *(part if part != "m" else "labels.model" for part in CLASSIFY), *SHORT)
    Process(folder, "train", "text.txt", "-o", "unfinished.model", *NET).until(rb"\b[1-9]\d*/4000").interrupt(
        "Ctrl-C"
    ).end()


def run(folder: Path, *arguments: str) -> None:
    """A command that must come to a good end."""
    done = subprocess.run([sys.executable, *PROGRAM, *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}: {done.stderr}")


@contextlib.contextmanager
def waiting(case: Case, cache: Path) -> Iterator[tuple[int | None, dict[str, str]]]:
    """What a command waits for: its standard input, or None, and its environment."""
    with contextlib.ExitStack() as left:
        environment = {MARK: f"{os.getpid()}"}
        stdin = None
        if case.waits == "stdin":
            stdin, writing = os.pipe()
            left.callback(os.close, stdin)
            left.callback(os.close, writing)
            os.write(writing, b"to be " * 1000)
        if case.waits == "cold" or "large" in case.name:  # nothing is compiled, or known of the text
            folder = Path(left.enter_context(tempfile.TemporaryDirectory()))
            if case.waits != "cold":
                shutil.copytree(cache, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("texts"))
            environment["THROUGHTIME_CACHE_DIR"] = str(folder)
        if case.waits == "lock":
            (cache / "texts").mkdir(exist_ok=True)
            lock = left.enter_context((cache / "texts" / "lock").open("a+b"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield stdin, environment


def once(case: Case, how: str, moment: float, folder: Path, cache: Path, row: Row, *, twice: bool = False) -> None:
    """Runs a command, ends it, and looks at what is left of it."""
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    with waiting(case, cache) as (stdin, environment):
        process = Process(folder, *case.arguments, program=case.program, stdin=stdin, environment=environment)
        process.until_it_listens()
        if case.at:
            process.until(case.at)
        read_for(process, moment)
        sent = time.monotonic()
        done = process.child.poll() is not None
        if not done:
            process.interrupt(how)
            if twice:
                time.sleep(0.02)
                if process.child.poll() is None:
                    process.interrupt(how)
        code, lines = process.end()
        seconds = time.monotonic() - sent
    row.runs += 1
    row.ended += code == 0
    row.saved += any("goes on from there" in line for line in lines)
    row.slowest = max(row.slowest, seconds) if code else row.slowest
    wrong = [*said_wrong(process.said, lines, code, how), *(["slow"] if code and seconds > SLOW else [])]
    wrong += left_wrong(case, folder, before, code, whole=twice)
    if wrong:
        row.faults.append(f"{moment:.2f} s, code {code}: {', '.join(wrong)}: {lines[-6:]}")


def read_for(process: Process, seconds: float) -> None:
    """Lets time pass and reads what is said meanwhile, so that the terminal does not fill up."""
    end = time.monotonic() + seconds
    os.set_blocking(process.terminal, False)
    while (left := end - time.monotonic()) > 0 and process.child.poll() is None:
        with contextlib.suppress(OSError):
            process.said += os.read(process.terminal, 65536)
        time.sleep(min(left, 0.005))
    os.set_blocking(process.terminal, True)


def said_wrong(said: bytes, lines: Sequence[str], code: int, how: str) -> list[str]:
    """What a command should have said and done as it ended."""
    wrong = []
    if code not in (0, CODES[how]):
        wrong.append("the exit code")
    if code and (len(lines) < 2 or not lines[-2].endswith(WORDS[how])):
        wrong.append("the last line")
    if any(word in said for word in (b"Traceback", b"Exception ignored", b"Aborted", b"unexpected")):
        wrong.append("a traceback")
    cursor = re.findall(rb"\x1b\[\?25[lh]", said)
    if cursor and cursor[-1] != b"\x1b[?25h":
        wrong.append("no cursor")
    return wrong


def left_wrong(case: Case, folder: Path, before: dict[str, int], code: int, *, whole: bool) -> list[str]:
    """What a command left behind that it should not have, after which all is as it was."""
    wrong = [f"process {number} is left" for number in left_processes()]
    changed = [path for path in folder.iterdir() if before.get(path.name) != path.stat().st_mtime_ns]
    for path in changed:
        if path.name in ("m", "unfinished.model"):
            wrong += [] if is_whole(path) else [f"{path.name} is damaged"]
        elif path.name == "shown":
            odd = {one.name for one in path.iterdir()} - {"model.safetensors", "learning_curve.png", "samples.txt"}
            wrong += [f"{name} is left" for name in odd]
            model = path / "model.safetensors"
            wrong += [] if not model.exists() or is_whole(model) else ["the model is damaged"]
            shutil.rmtree(path)
            continue
        elif path.name == "bench.jsonl":
            wrong += [] if code == 0 and json.loads(path.read_text(encoding="utf-8")) else ["a record"]
        elif path.name == case.writes:
            reference = folder.parent / f"{case.name}.reference"
            if not reference.exists():
                shutil.copy(path, reference)
            wrong += [] if path.read_bytes() == reference.read_bytes() else [f"{path.name} is not whole"]
        elif path.name != "plot.png" or not path.read_bytes().endswith(b"IEND\xaeB`\x82"):
            wrong.append(f"{path.name} is left")
        if path.name != "unfinished.model":
            path.unlink()
    return wrong


def left_processes() -> list[str]:
    """The numbers of those that a command has started and that still run, a moment after it has ended."""
    end = time.monotonic() + 2.0
    while True:
        found = [path.parent.name for path in Path("/proc").glob("[0-9]*/environ") if is_ours(path)]
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.02)


def is_ours(environ: Path) -> bool:
    with contextlib.suppress(OSError):
        return f"{MARK}={os.getpid()}".encode() in environ.read_bytes().split(b"\0")
    return False


def is_whole(path: Path) -> bool:
    """Whether a model can be loaded."""
    try:
        return load(path) is not None
    except ModelFileError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moments", type=int, default=5, help="of each command and signal")
    parser.add_argument("--cases", nargs="+", choices=[case.name for case in CASES], metavar="NAME")
    parser.add_argument("--to", type=Path, default=RESULTS, help="where the record goes")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, "data")
        cache = Path(parent, "cache")
        os.environ["THROUGHTIME_CACHE_DIR"] = str(cache)
        prepare(folder)
        print(f"{'command':<30}{'signal':<10}{'runs':>5}{'ended':>7}{'saved':>7}{'slowest':>9}{'faults':>8}")
        for case in CASES:
            if options.cases and case.name not in options.cases:
                continue
            for how in CODES:
                row = Row(case.name, how)
                for number in range(options.moments):
                    moment = case.seconds * number / max(1, options.moments - 1)
                    once(case, how, moment, folder, cache, row)
                    if case.trains and number % 3 == 2:
                        once(case, how, moment, folder, cache, row, twice=True)
                rows.append(row)
                figures = f"{row.runs:>5}{row.ended:>7}{row.saved:>7}{row.slowest:>8.2f}s{len(row.faults):>8}"
                print(f"{row.case:<30}{row.signal:<10}{figures}", flush=True)
                for fault in row.faults:
                    print(f"    {fault}", flush=True)
    add(options.to, "signals", {"moments": options.moments}, [asdict(row) for row in rows])
    if any(row.faults for row in rows):
        raise SystemExit("not all ended as they should")


if __name__ == "__main__":
    main()
