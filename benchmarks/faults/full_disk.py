"""Disks that are full in the midst of a command: what was there stays whole, and nothing is half written.

The disk is full in two ways: no file of a process may be larger than some bytes (RLIMIT_FSIZE), and a small tmpfs that
is filled up, where this process may mount one in a namespace of its own (`unshare -rm`). A training goes on, or ends
and says how it is gone on with; with room again it comes to the bytes of one without a break.

    python benchmarks/faults/full_disk.py   # adds a record to benchmarks/results/faults.jsonl; takes two minutes
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from signals import LARGE
from terminal import PROGRAM
from told import RESULTS, add

from throughtime import load

TEXT = "to be or not to be, that is the question: whether it is nobler in the mind to suffer. " * 40
SERIES = "\n".join(["visits", *(f"{20 + step % 7 + 0.1 * (step * step % 11)}" for step in range(300))])
LABELS = "text,kind\n" + "abba,low\ncdc,high\nddcd,high\n" * 40
NET = ("--hidden-size", "16", "--seed", "1", "-q")
ROWS = ("--batch-size", "4", "--seq-len", "16")
FEW = 1000
"""Bytes that there is room for on a disk that is full."""
DISK = 4 << 20
"""Bytes of the tmpfs."""
WHY = r"(File too large|No space left on device)"
COULD_NOT = r"'.*/{}' could not be written \([\d,]+ bytes\): " + WHY
NO_ROOM = f"OutputError: {COULD_NOT}"
ON = "`throughtime resume disk/m` goes on from there"
KEPT = rf"what was saved after [\d,]+ steps? is whole; {ON}"


@dataclass
class Row:
    """What came of a case."""

    case: str
    disk: str
    runs: int = 0
    code: int = 0
    said: list[str] = field(default_factory=list)
    """The last lines."""
    faults: list[str] = field(default_factory=list)

    def look(self, fault: str, right: bool) -> None:
        if not right:
            self.faults.append(fault)


class Disk:
    """The folder ``disk`` in a folder with the data; it can be full for a process, and have room again.

    Parameters
    ----------
    folder : path
    mounted : bool
        Whether it is a small disk of its own.
    steps : int
        Of a training.
    """

    def __init__(self, folder: Path, mounted: bool, steps: int) -> None:
        self.steps = steps
        self.folder, self.place, self.mounted = folder, folder / "disk", mounted
        self.place.mkdir()
        if mounted:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", self.place], check=True)

    def start(self, *arguments: str, full: bool = False, program: Sequence[str] = PROGRAM, **more: str) -> Command:
        """A command; ``more`` is added to its environment."""
        if full and self.mounted:
            self._fill_up()
        return Command(self, arguments, program, more, full=full and not self.mounted)

    def train(self, *options: str, full: bool = False) -> Command:
        """The training that is to come to the bytes of the one without a break."""
        command = ("train", "text.txt", "-o", "disk/m", *NET, "--max-steps", str(self.steps), *ROWS, *options)
        return self.start(*command, full=full)

    def fill(self, command: Command) -> None:
        """From now on there is no room."""
        if self.mounted:
            self._fill_up()
        else:
            resource.prlimit(command.child.pid, resource.RLIMIT_FSIZE, (FEW, resource.RLIM_INFINITY))

    def _fill_up(self) -> None:
        with (self.place / "ballast").open("wb", buffering=0) as file:
            for size in (1 << 16, 1 << 8):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue

    def make_room(self, command: Command | None = None) -> None:
        (self.place / "ballast").unlink(missing_ok=True)
        if command is not None and not self.mounted:
            resource.prlimit(command.child.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)

    def names(self) -> list[str]:
        """What lies on it, but for what fills it up."""
        return sorted(path.name for path in self.place.iterdir() if path.name != "ballast")

    def clear(self) -> None:
        for path in self.place.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


class Command:
    """A process of the command line."""

    def __init__(
        self, disk: Disk, arguments: Sequence[str], program: Sequence[str], more: dict[str, str], full: bool
    ) -> None:
        few = (FEW, resource.RLIM_INFINITY)
        self.output = (disk.folder / "said").open("w+b")
        self.child = subprocess.Popen(
            [sys.executable, *program, *arguments],
            cwd=disk.folder,
            stdout=self.output,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | more,
            preexec_fn=(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, few)) if full else None,
        )
        self.lines: list[str] = []

    def until(self, pattern: str) -> str:
        """Reads lines until one matches, which is given."""
        for line in self.child.stderr:
            self.lines.append(line.rstrip("\n"))
            if re.search(pattern, line):
                return self.lines[-1]
        raise SystemExit(f"it ended and said {self.lines}")

    def end(self) -> int:
        self.lines += self.child.stderr.read().splitlines()
        self.child.stderr.close()
        self.output.close()
        return self.child.wait()


def there(path: Path) -> None:
    """Waits until a file is there."""
    while not path.exists():
        time.sleep(0.002)


def goes_on(disk: Disk, row: Row) -> None:
    """No room for two savings; then there is some, and the training comes to its end."""
    command = disk.train("--checkpoint-every", "50")
    there(disk.place / "m")
    disk.fill(command)
    for _ in range(2):
        line = command.until("could not be written")
        told = rf"{COULD_NOT.format('m')}; the file that was there is whole, and the training goes on"
        row.look("the message", re.fullmatch(told, line) is not None)
        row.look("the old file", load(disk.place / "m").unfinished_)
    disk.make_room(command)
    finish(disk, row, command, 0)
    row.look("other bytes", same(disk))


def stops(disk: Disk, row: Row) -> None:
    """``--save-error stop``."""
    ends(disk, row, "--checkpoint-every", "50", "--save-error", "stop")


def at_the_end(disk: Disk, row: Row) -> None:
    """The finished model does not fit."""
    ends(disk, row, "--checkpoint-every", "100000")


def ends(disk: Disk, row: Row, *options: str) -> None:
    """A training ends because it cannot be saved, and is gone on with."""
    command = disk.train(*options)
    there(disk.place / "m")
    disk.fill(command)
    finish(disk, row, command, 2, KEPT, NO_ROOM.format("m"))
    resumed(disk, row)


def interrupted(disk: Disk, row: Row) -> None:
    """SIGTERM comes while there is no room."""
    command = disk.train("--checkpoint-every", "50")
    there(disk.place / "m")
    disk.fill(command)
    command.until("could not be written")
    command.child.send_signal(signal.SIGTERM)
    finish(disk, row, command, 143, rf"{COULD_NOT.format('m')}; {KEPT}")
    resumed(disk, row)


def at_the_beginning(disk: Disk, row: Row) -> None:
    """It is told before there is anything to lose."""
    command = disk.train(full=True)
    finish(disk, row, command, 2, NO_ROOM.format("m"))
    row.look("left", disk.names() == [])


def cache(disk: Disk, row: Row) -> None:
    """The symbols of a large text are kept on it."""
    (disk.place / "texts").mkdir()
    command = disk.start(
        "train", "large.txt", "-o", "large.model", *NET, "--max-steps", "2",
        full=True, program=LARGE, THROUGHTIME_CACHE_DIR="disk",
    )  # fmt: skip
    told = rf"OutputError: the text is large, and its symbols cannot be kept in 'disk/texts': {WHY}; let THROUGHTIME_C"
    finish(disk, row, command, 2, told)
    row.look("left", [path.name for path in (disk.place / "texts").iterdir() if path.suffix != ".json"] == ["lock"])
    disk.make_room()
    command = disk.start("train", "large.txt", "-o", "large.model", *NET, "--max-steps", "2", program=LARGE)
    row.look("not encoded", command.end() == 0)


def predict(disk: Disk, row: Row) -> None:
    """An earlier file of answers stays."""
    label = ("--label", "kind", "--text", "text")
    run(disk.folder, "classify", "labels.csv", *label, "-o", "labels.model", *NET, "--max-steps", "2")
    (disk.place / "to.csv").write_text("old", encoding="utf-8")
    command = disk.start("predict", "labels.model", "labels.csv", "--to", "disk/to.csv", full=True)
    finish(disk, row, command, 2, NO_ROOM.format("to.csv"))
    row.look("the old file", (disk.place / "to.csv").read_bytes() == b"old" and disk.names() == ["to.csv"])


def forecast(disk: Disk, row: Row) -> None:
    """The model, which is elsewhere, is whole."""
    command = disk.start(
        "forecast", "series.csv", "-o", "m", "--horizon", "200", *NET, "--max-steps", "5", "--context", "14",
        "--validation", "0", "--plot", "disk/plot.png",
    )  # fmt: skip
    there(disk.folder / "m")
    while load(disk.folder / "m").unfinished_:
        time.sleep(0.002)
    disk.fill(command)
    finish(disk, row, command, 2, NO_ROOM.format("plot.png"))
    row.look("left", disk.names() == [])
    row.look("the model", not load(disk.folder / "m").unfinished_)
    (disk.folder / "m").unlink()


def standard_output(disk: Disk, row: Row) -> None:
    """A text that is written to a file by the shell."""
    run(disk.folder, "train", "text.txt", "-o", "text.model", *NET, "--max-steps", "2")
    program = (
        "-c",
        "import os, sys; os.dup2(os.open('/dev/full', os.O_WRONLY), 1); from throughtime.cli import main; main()",
    )
    command = disk.start("sample", "text.model", "--length", "5000", program=program)
    told = r"OutputError: the answer could not be written: No space left on device; make room for it"
    finish(disk, row, command, 2, told)


def standard_error(disk: Disk, row: Row) -> None:
    """What a training says is written to a file by the shell; nobody can be told, and nothing is lost."""
    program = (
        "-c",
        "import os; os.dup2(os.open('/dev/full', os.O_WRONLY), 2); from throughtime.cli import main; main()",
    )
    steps = ("--max-steps", str(disk.steps))
    command = disk.start("train", "text.txt", "-o", "disk/m", *NET[:-1], *steps, *ROWS, program=program)
    finish(disk, row, command, 0)
    row.look("other bytes", same(disk))
    command = disk.start("info", "disk/missing", program=program)
    finish(disk, row, command, 2)


def finish(disk: Disk, row: Row, command: Command, code: int, *lines: str) -> None:
    """Compares the end of a command with what is right, and makes room."""
    row.code = command.end()
    row.said = command.lines[-3:]
    row.look("the exit code", row.code == code)
    words = ["terminated"] if code == 143 else []
    last = command.lines[-len(lines) - len(words) :] if lines else []
    matched = len(last) == len(lines) + len(words) and all(
        re.match(line, found) for line, found in zip([*lines, *words], last, strict=True)
    )
    row.look("the message", matched or not lines)
    row.look("a traceback", not any("Traceback" in line or "unexpected" in line for line in command.lines))
    row.look("left", not any(name.endswith((".part", ".lock")) for name in disk.names()))
    disk.make_room()


def resumed(disk: Disk, row: Row) -> None:
    """Whether the file that was left loads, and is gone on with to the same bytes."""
    row.look("the old file", load(disk.place / "m").unfinished_)
    command = disk.start("resume", "disk/m", "-q")
    row.look("not gone on with", command.end() == 0)
    row.look("other bytes", same(disk))


def same(disk: Disk) -> bool:
    return (disk.place / "m").read_bytes() == (disk.folder / "whole").read_bytes()


CASES: dict[str, Callable[[Disk, Row], None]] = {
    "training, goes on": goes_on,
    "training, --save-error stop": stops,
    "training, the last saving": at_the_end,
    "training, interrupted": interrupted,
    "training, the first saving": at_the_beginning,
    "large text, its symbols": cache,
    "predict --to": predict,
    "forecast --plot": forecast,
    "sample, standard output": standard_output,
    "training, standard error": standard_error,
}


def prepare(folder: Path, steps: int) -> None:
    """The data, and the training without a break."""
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "large.txt").write_text(TEXT * 100, encoding="utf-8")
    (folder / "series.csv").write_text(SERIES, encoding="utf-8")
    (folder / "labels.csv").write_text(LABELS, encoding="utf-8")
    run(folder, "train", "text.txt", "-o", "whole", *NET, "--max-steps", str(steps), *ROWS)


def run(folder: Path, *arguments: str) -> None:
    """A command that has room."""
    subprocess.run([sys.executable, *PROGRAM, *arguments], cwd=folder, check=True, capture_output=True)


def rows_of(folder: Path, mounted: bool, cases: Sequence[str], runs: int, steps: int) -> list[Row]:
    """What comes of the cases on a disk in this folder."""
    disk, rows = Disk(folder, mounted, steps), []
    for name in cases:
        row = Row(name, "tmpfs" if mounted else "limit")
        for _ in range(runs):
            disk.clear()
            CASES[name](disk, row)
            row.runs += 1
        rows.append(row)
    disk.clear()
    return rows


def on_a_small_disk(folder: Path, cases: Sequence[str], runs: int, steps: int) -> list[Row] | None:
    """The same on a tmpfs; None where none may be mounted."""
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        return None
    given = ["--inside", folder, "--runs", str(runs), "--steps", str(steps), "--cases", *cases]
    command = ["unshare", "-rm", sys.executable, __file__, *given]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [Row(**row) for row in json.loads(done.stdout)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="of each case and disk")
    parser.add_argument("--steps", type=int, default=6000, help="of a training")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), metavar="NAME")
    parser.add_argument("--disks", nargs="+", choices=["limit", "tmpfs"], default=["limit", "tmpfs"])
    parser.add_argument("--to", type=Path, default=RESULTS, help="where the record goes")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        rows = rows_of(options.inside, True, options.cases, options.runs, options.steps)
        print(json.dumps([asdict(row) for row in rows]))
        return
    rows, left_out = [], []
    with tempfile.TemporaryDirectory() as parent:
        for number, kind in enumerate(options.disks):
            folder = Path(parent, kind)
            shutil.copytree(Path(parent, options.disks[0]), folder) if number else folder.mkdir()
            shutil.rmtree(folder / "disk", ignore_errors=True)
            if not number:
                prepare(folder, options.steps)
            given = (options.cases, options.runs, options.steps)
            found = rows_of(folder, False, *given) if kind == "limit" else on_a_small_disk(folder, *given)
            if found is None:
                left_out.append(kind)
                print("no tmpfs may be mounted here")
            for row in found or []:
                rows.append(row)
                print(f"{row.case:<30}{row.disk:<8}{row.runs:>3} runs, code {row.code}, {len(row.faults)} faults")
                for fault in row.faults:
                    print(f"    {fault}: {row.said}")
    add(options.to, "full_disk", {"steps": options.steps, "left_out": left_out}, [asdict(row) for row in rows])
    if any(row.faults for row in rows):
        raise SystemExit("something was lost or not told")


if __name__ == "__main__":
    main()
