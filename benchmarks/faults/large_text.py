"""How much memory a text of gigabytes takes, how fast it is encoded, and what a killed encoding leaves behind.

The text is written in blocks: words of seven letters drawn from 4,096 with equal chances, a space or line break after
each. So its entropy is ln(4096) / 8 = 1.04 nats per character; how often each character comes is counted on the way.
Then, each in a process of its own:

1. the text is encoded, and killed when half of the symbols are on disk;
2. it is encoded again, which is timed, and the symbols are counted;
3. a model is fitted for a minute.

Memory is what :class:`child.Child` tells.

    python benchmarks/faults/large_text.py --gigabytes 2 --seconds 60 --folder /tmp/large
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import numpy as np
from child import Child

from throughtime.disk import cache_directory

WORDS, LENGTH, AT_ONCE, A_LINE = 4096, 8, 1 << 18, 12

GIVEN = """
from pathlib import Path
from throughtime.text import reading
reading.LARGE = int(sys.argv[2])
path = Path(sys.argv[1])
"""

ENCODE = """
from throughtime.text.lesson import prepare, vocabulary_of
from throughtime.text.vocabularies import Characters
import numpy as np
began, worked = time.perf_counter(), time.process_time()
texts = reading.read(path, level="char").texts
vocabulary = vocabulary_of(Characters, texts, vocab_size=None, ends=False)
lesson = prepare(vocabulary, texts, validation=0.1, seq_len=64, seed=1)
seconds = [time.perf_counter() - began, time.process_time() - worked]
counts = sum(np.bincount(ids, minlength=len(vocabulary)) for part in (lesson.learned, lesson.held_out)
             for ids in part.blocks())
print(json.dumps([seconds, dict(zip(vocabulary.known, counts.tolist()))]), flush=True)
"""

FIT = """
from throughtime import TextGenerator
from throughtime.training import Callback
class Clock(Callback):
    every_step = False
    def on_start(self, run):
        print("started", flush=True)
    def on_step(self, run):
        if run.seconds > float(sys.argv[3]):
            run.stop("the time was up")
model = TextGenerator(hidden_size=int(sys.argv[4]), random_state=1, callbacks=[Clock()], max_steps=10**6).fit(path)
print(json.dumps([model.training_.step, model.validation_loss_, model.baseline_.in_words()]), flush=True)
"""


def write(path: Path, size: int) -> dict[str, int]:
    """A text of this size at least, and how often it has each character."""
    draws = np.random.Generator(np.random.Philox(key=1))
    words = draws.integers(ord("a"), ord("z") + 1, (WORDS, LENGTH)).astype(np.uint8)
    words[:, -1] = ord(" ")
    counts = np.zeros(256, np.int64)
    with path.open("wb") as file:
        while file.tell() < size:
            text = words[draws.integers(0, WORDS, min(AT_ONCE, -(-size // LENGTH)))]
            text[A_LINE - 1 :: A_LINE, -1] = ord("\n")
            counts += np.bincount(text.ravel(), minlength=256)
            file.write(text.data)
    return {chr(byte): int(count) for byte, count in enumerate(counts) if count}


def kill_half_way(path: Path, threshold: int, kept: Path) -> int:
    """Kills an encoding; how many bytes it leaves in its part."""
    child = Child(GIVEN + ENCODE, path, threshold)
    while child.process.poll() is None:
        sizes = [part.stat().st_size for part in kept.glob("texts/*.part")]
        if sizes and sizes[0] > path.stat().st_size // 2:
            child.process.send_signal(signal.SIGKILL)
            child.process.wait()
            return sizes[0]
        time.sleep(0.001)
    raise SystemExit("the encoding ended before it could be killed; take a larger text")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--gigabytes", type=float, default=2)
    arguments.add_argument("--seconds", type=float, default=60)
    arguments.add_argument("--hidden-size", type=int, default=512)
    arguments.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    arguments.add_argument("--threshold", type=int, default=64 << 20, help="bytes from which a text is large")
    given = arguments.parse_args()
    folder = Path(tempfile.mkdtemp(dir=given.folder))
    kept = folder / "cache"
    if cache_directory().is_dir():  # what is compiled already is not compiled again
        shutil.copytree(cache_directory(), kept, ignore=shutil.ignore_patterns("texts"))
    os.environ["THROUGHTIME_CACHE_DIR"] = str(kept)
    try:
        path = folder / "text.txt"
        counts = write(path, int(given.gigabytes * 1e9))
        size = path.stat().st_size
        print(f"{size:,} characters, {len(counts)} different")

        left = kill_half_way(path, given.threshold, kept)
        whole = list(kept.glob("texts/*.ids"))
        print(f"killed when {left:,} symbols were on disk; whole encodings found: {len(whole)}")

        child = Child(GIVEN + ENCODE, path, given.threshold)
        seconds, found = json.loads(child.watch())
        parts = list(kept.glob("texts/*.part"))
        wall, worked = (f"{took:.1f} s ({size / 1e6 / took:.0f} MB/s)" for took in seconds)
        print(f"encoded again in {wall}, {worked} of the processor's time, {child.peak:.0f} MB of memory")
        print(f"each character as often as written: {found == counts}; parts left: {len(parts)}")
        child.process.wait()

        child = Child(GIVEN + FIT, path, given.threshold, given.seconds, given.hidden_size)
        child.watch()
        print(f"before the first step {child.peak:.0f} MB of memory")
        said = child.watch()
        print(f"after {given.seconds:.0f} s of training and a score {child.peak:.0f} MB of memory")
        steps, loss, baseline = json.loads(said)
        print(f"{steps:,} steps, {loss:.3f} nats per symbol; {baseline}; the entropy is {np.log(WORDS) / LENGTH:.3f}")
        child.process.wait()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
