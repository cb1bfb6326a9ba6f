"""How much memory tables of gigabytes take.

A table is written column by column to files of arrays, which are mapped into memory, and learned in a process of its
own for some seconds. Memory is what :class:`child.Child` tells.

panel   series of 1,000 days: ``y = level + 3 sin(2 pi t / 7 + phase) + 2 future + noise`` of standard deviation 1, so
        that no forecast has a smaller mean absolute error than sqrt(2 / pi) = 0.80. The names of the series are cells
        of text, with ``--text`` the days too.

    python benchmarks/faults/large_tables.py --kind panel --gigabytes 0.8 --seconds 10 --folder /tmp/large
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from child import Child

from throughtime.disk import cache_directory

A_ROW, STEPS, AHEAD, JUDGED, AT_ONCE = 40, 1000, 7, 100, 1 << 16

PANEL = """
from pathlib import Path
import numpy as np
from throughtime import Forecaster
from throughtime.tables import Cells, Spill
from throughtime.training import Callback
class Clock(Callback):
    every_step = False
    def on_start(self, run):
        print("started", flush=True)
    def on_step(self, run):
        if run.seconds > float(sys.argv[2]):
            run.stop("the time was up")
def cells(array, text):
    found = Cells(spill)
    for start in range(0, len(array), int(sys.argv[4])):
        found.add([text(value) for value in array[start : start + int(sys.argv[4])].tolist()])
    return found
table = {path.stem: np.load(path, mmap_mode="r") for path in sorted(Path(sys.argv[1]).glob("*.npy"))}
spill = Spill()
table["series"] = cells(table["series"], lambda number: f"number {number:06}")
if sys.argv[3] == "True":
    table["time"] = cells(table["time"], lambda moment: moment.isoformat())
print("read", flush=True)
model = Forecaster(int(sys.argv[5]), target="y", past="past", future="future", time="time", series="series",
                   random_state=1, callbacks=[Clock()], max_steps=10**6).fit(table)
print("fitted", flush=True)
model.predict()
print("forecast", flush=True)
some = {name: column[: int(sys.argv[6])] for name, column in table.items()}
print(json.dumps([model.training_.step, model.evaluate(some).overall()["mae"]]), flush=True)
"""


def panel(folder: Path, given: argparse.Namespace) -> None:
    """A panel of series is learned, forecast and judged."""
    number = max(1, int(given.gigabytes * 1e9) // A_ROW // STEPS)
    write_panel(folder, number)
    print(f"{number * STEPS:,} rows of {number:,} series")
    child = Child(PANEL, folder, given.seconds, given.text, AT_ONCE, AHEAD, min(number, JUDGED) * STEPS)
    done = {
        "read": "the table is there",
        "started": "before the first step",
        "fitted": f"after {given.seconds:g} s of training and the intervals",
        "forecast": "after a forecast of all series",
    }
    began = time.perf_counter()
    for said in done:
        found = child.watch()
        if found != said:
            raise SystemExit(f"the fit said {found!r} instead of {said!r}")
        print(f"{done[said]}: {child.peak:.0f} MB of memory, {time.perf_counter() - began:.0f} s", flush=True)
    steps, error = json.loads(child.watch())
    print(f"{steps:,} steps; mean absolute error {error:.3f}, of the noise alone {np.sqrt(2 / np.pi):.3f}")
    child.process.wait()


def write_panel(folder: Path, number: int) -> None:
    """The columns of so many series; the last days have no target, but what is known ahead."""
    draws = np.random.Generator(np.random.Philox(key=1))
    kinds = {"y": "f8", "past": "f8", "future": "f8", "time": "M8[s]", "series": "i8"}
    columns = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", kind, (number * STEPS,)).reshape(number, STEPS)
        for name, kind in kinds.items()
    }
    day = np.arange(STEPS)
    for series in range(number):
        future = draws.normal(size=STEPS)
        y = 20 * draws.random() + 3 * np.sin(2 * np.pi * day / 7 + 7 * draws.random()) + 2 * future
        y += draws.normal(size=STEPS)
        columns["past"][series] = y + draws.normal(size=STEPS)
        y[-AHEAD:] = np.nan
        columns["y"][series], columns["future"][series], columns["series"][series] = y, future, series
        columns["time"][series] = np.datetime64("2020-01-01") + day


KINDS: dict[str, Callable[[Path, argparse.Namespace], None]] = {"panel": panel}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--kind", choices=[*KINDS], default="panel")
    arguments.add_argument("--gigabytes", type=float, default=0.8, help="of numbers, 8 bytes each")
    arguments.add_argument("--seconds", type=float, default=10)
    arguments.add_argument("--text", action="store_true", help="whether days are text")
    arguments.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    given = arguments.parse_args()
    folder = Path(tempfile.mkdtemp(dir=given.folder))
    kept = folder / "cache"
    if cache_directory().is_dir():  # what is compiled already is not compiled again
        shutil.copytree(cache_directory(), kept, ignore=shutil.ignore_patterns("texts", "spilled"))
    os.environ["THROUGHTIME_CACHE_DIR"] = str(kept)
    try:
        KINDS[given.kind](folder, given)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
