"""Opens many spoilt model files, and uses those that open: nothing but an error of ours may come of it.

Small models of each kind are made, saved and spoilt (see ``changes.py``), some of them in the midst of their training.
Each file is opened in a worker process that may take 200 MB more memory than it has at the beginning, and 1 second of
processor time for one file; what opens predicts, says what ``throughtime info`` would say, and where its training was
broken off, goes on with it for a few steps. A failure is: an exception outside the tree of
``ThroughtimeError``, a file that takes longer or more, a module that is imported because of it, a message that is
long or holds control characters, a worker that dies, or a file that opens although it has wrong bits or another length,
and no checksum that was made to fit.
Each is kept, with what it raised, as ``NUMBER.safetensors`` and ``NUMBER.txt`` in the folder.

    python benchmarks/faults/fuzz_models.py --files 100000 --processes 2 --seed 1 --to out/faults
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from changes import ACCIDENTS, spoilt

from throughtime import (
    Forecaster,
    SequenceClassifier,
    SequenceRegressor,
    SequenceTagger,
    TextGenerator,
    load,
)
from throughtime.cli.report import about, about_in_words
from throughtime.errors import ThroughtimeError
from throughtime.training import Callback, ModelCheckpoint, Training

MEGABYTES, SECONDS = 200, 1.0
LONGEST = 600
"""Characters of a message, beside the path of the file."""
STUCK = 30.0
"""Seconds of the clock after which a worker is ended."""

SMALL = {"hidden_size": 4, "max_steps": 2, "random_state": 1, "verbose": 0}
TEXT = "to be or not to be, that is the question. " * 10
DOCUMENTS = ["to be or not", "that is the question"] * 10
WAVE = np.sin(np.arange(60) / 3)
TABLE = {
    "shop": ["north"] * 42 + ["south"] * 42,
    "day": [str(day) for day in np.datetime64("2024-01-01") + np.arange(42)] * 2,
    "sales": [float(100 + 7 * (t % 7) + t) for t in range(42)] + [float(20 - t % 7) for t in range(42)],
    "visits": [float(t % 5) for t in range(84)],
    "kind": ["big"] * 42 + ["small"] * 42,
    "size": [3.0] * 42 + [1.0] * 42,
}
WORDS, LABELS = ["abba", "baab", "cdc", "ddcd"] * 4, ["low", "low", "high", "high"] * 4
NOTES = [np.arange(3.0 * T).reshape(T, 3) for T in (2, 3, 4, 5)]
SENTENCES, TAGS = [["Anna", "lives", "in", "Rome"]] * 4, [["PER", "O", "O", "LOC"]] * 4


UNFINISHED = {"hidden_size": 4, "max_steps": 80, "random_state": 1, "verbose": 0, "early_stopping": True}
DATA: dict[type, tuple[Any, ...]] = {
    TextGenerator: (TEXT,),
    Forecaster: (TABLE,),
    SequenceClassifier: (WORDS, LABELS),
    SequenceRegressor: (NOTES * 3, [1.0, 2.0, 3.0, 4.0] * 3),
    SequenceTagger: (SENTENCES, TAGS),
}
"""What an unfinished model of each kind learns from."""


class Hang(BaseException):
    """A file took too long."""


def models() -> dict[str, Any]:
    """A small model of each kind."""
    roles = {"target": "sales", "past": "visits", "static": ["kind", "size"], "time": "day", "series": "shop"}
    return {
        "characters": TextGenerator(**SMALL).fit(TEXT),
        "bytes": TextGenerator(level="byte", embedding_size=3, cell="gru", num_layers=2, **SMALL).fit(TEXT),
        "words": TextGenerator(level="word", embedding_size=3, cell="elman", **SMALL).fit(TEXT),
        "parts": TextGenerator(level="bpe", vocab_size=260, embedding_size=2, **SMALL).fit(TEXT),
        "documents": TextGenerator(embedding_size=3, **SMALL).fit(DOCUMENTS),
        "table": Forecaster(3, **roles, **SMALL).fit(TABLE),
        "wave": Forecaster(2, strategy="recursive", loss="squared", season=6, **SMALL).fit(WAVE),
        "classes": SequenceClassifier(embedding_size=3, **SMALL).fit(WORDS, LABELS),
        "classes of numbers": SequenceClassifier(pooling="mean", **SMALL).fit(NOTES, [1, 2, 1, 2]),
        "several": SequenceClassifier(**SMALL).fit(NOTES, [[0, 1], [1, 1], [0, 0], [1, 0]]),
        "values": SequenceRegressor(**SMALL).fit(NOTES, [1.0, 2.0, 3.0, 4.0]),
        "tags": SequenceTagger(embedding_size=3, **SMALL).fit(SENTENCES, TAGS),
        "tags by characters": SequenceTagger(characters=True, embedding_size=3, **SMALL).fit(SENTENCES, TAGS),
    }


def unfinished(path: Path) -> Iterator[bytes]:
    """Files of small models whose training was broken off behind its second snapshot, made at a path."""
    roles = {"target": "sales", "past": "visits", "static": ["kind", "size"], "time": "day", "series": "shop"}
    for model in (
        TextGenerator(embedding_size=3, averaging=0.4, patience=50, **UNFINISHED),
        TextGenerator(cell="gru", num_layers=2, seq_len=8, bptt_truncate=3, optimizer="rmsprop", **UNFINISHED),
        Forecaster(3, **roles, **UNFINISHED),
        SequenceClassifier(embedding_size=3, validation=0.2, patience=50, **UNFINISHED),
        SequenceRegressor(optimizer="sgd", validation=0.2, patience=50, **UNFINISHED),
        SequenceTagger(embedding_size=3, validation=0.2, patience=50, **UNFINISHED),
    ):
        model.set_params(callbacks=[ModelCheckpoint(path, every=1), Few(70)])
        with contextlib.suppress(Enough):
            model.fit(*DATA[type(model)])
        yield path.read_bytes()


class Enough(Exception):
    """A training has lasted long enough."""


class Few(Callback):
    """Breaks a training off after a few steps, those that it went back over among them."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def on_step(self, run: Training) -> None:
        self.left -= 1
        if self.left <= 0:
            run.interrupt(Enough())


def sound_files() -> list[bytes]:
    """The files of these models."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        found = []
        for model in models().values():
            model.save(path)
            found.append(path.read_bytes())
        return found + list(unfinished(path))


def use(path: Path) -> None:
    """Opens a model and does with it what people do."""
    model = load(path)
    repr(model), repr(model.history_), str(model.network_.summary())
    losses = [model.history_.train_loss if model.history_.loss else None, model.validation_loss_]
    json.dumps([about(model), *losses], allow_nan=False)
    about_in_words(model)
    uses: tuple[Callable[[], Any], ...]
    if isinstance(model, TextGenerator):
        uses = (
            lambda: model.generate(12, "to", unknown="skip", random_state=1),
            lambda: model.generate(12, top_k=3, top_p=0.9, repetition_penalty=1.5, random_state=1),
            lambda: model.beam_search(4, beams=2),
            lambda: model.predict_proba("to be", unknown="skip"),
            lambda: model.evaluate("to be or not", unknown="skip"),
        )
    elif isinstance(model, Forecaster):
        uses = (lambda: model.predict(TABLE), lambda: model.predict(WAVE), lambda: model.evaluate(TABLE))
    else:
        uses = tuple(lambda X=X: model.predict(X) for X in (WORDS, NOTES, SENTENCES))
        if not isinstance(model, SequenceRegressor):
            uses += tuple(lambda X=X: model.predict_proba(X) for X in (WORDS, NOTES, SENTENCES))
    if model.history_.loss and len(model.history_.loss) > SMALL["max_steps"]:
        uses += (lambda: model.set_params(callbacks=[Few(2)], verbose=0).fit(*DATA[type(model)], resume=path),)
    for one in uses:
        try:
            one()
        except Enough:
            pass
        except ThroughtimeError as error:
            check_error(error, path)


class Flood(Exception):
    """A message is too long, or would be obeyed by a terminal."""


def check_error(error: BaseException, path: Path) -> None:
    """Raises the :class:`MemoryError` that an error of ours came from, or :class:`Flood` for its message."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError):
            raise cause
        cause = cause.__cause__
    if len(str(error)) > len(str(path)) + LONGEST or not str(error).isprintable():
        raise Flood(f"{type(error).__name__}: {str(error)[:2000]!r}")


def judged(path: Path, *, accident: bool = False) -> tuple[str, str]:
    """What became of a file, in a word, and what was raised if that is a failure; one with an accident may not open."""
    before = set(sys.modules)
    outcome, said = "used", ""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        use(path)
    except ThroughtimeError as error:
        outcome = f"refused ({type(error).__name__})"
        try:
            check_error(error, path)
        except (MemoryError, Flood) as failure:
            outcome, said = f"FAILURE: {type(failure).__name__}", traceback.format_exc()
    except Hang:
        outcome, said = "FAILURE: time", traceback.format_exc()
    except BaseException as error:  # a panic of a library is no Exception
        outcome, said = f"FAILURE: {type(error).__name__}", traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    new = {name for name in set(sys.modules) - before if name.partition(".")[0] not in ALLOWED}
    if new:
        outcome, said = "FAILURE: import", ", ".join(sorted(new))
    if accident and not said and outcome != "refused (ModelFileError)":
        outcome, said = "FAILURE: overlooked", f"{outcome}, though it is damaged and not sealed"
    return outcome, said


ALLOWED = ("throughtime", "numpy", "tokenizers", "encodings")
"""Packages of which a part may be imported on use."""


def work(numbers: range, seed: int, sound: Sequence[bytes], folder: Path, place: Any, results: Any) -> None:
    """Judges files; ``place`` tells which one is under way."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGPROF, _hang)
    path = folder / f"{numbers.start}.part.safetensors"
    for data in sound:
        path.write_bytes(data)
        use(path)
    limit_memory()
    counts: Counter[str] = Counter()
    for number in numbers:
        place.value = number
        change, data = spoilt(number, seed, sound)
        path.write_bytes(data)
        outcome, said = judged(path, accident=change in ACCIDENTS)
        counts[f"{change}: {outcome}"] += 1
        if said:
            keep(folder, number, data, f"{change}: {outcome}\n\n{said}")
    path.unlink()
    results.put(counts)


def _hang(*_: Any) -> None:
    raise Hang


def limit_memory() -> None:
    """From now on this process may take so much more."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    now = 1024 * int(next(line for line in status.splitlines() if line.startswith("VmSize")).split()[1])
    resource.setrlimit(resource.RLIMIT_AS, (now + MEGABYTES * 2**20,) * 2)


def keep(folder: Path, number: int, data: bytes, said: str) -> None:
    (folder / f"{number}.safetensors").write_bytes(data)
    (folder / f"{number}.txt").write_text(said, encoding="utf-8", errors="backslashreplace")


def run(files: int, processes: int, seed: int, folder: Path) -> Counter[str]:
    """Judges so many files; a worker that dies or is stuck is replaced behind the file that it was at."""
    folder.mkdir(parents=True, exist_ok=True)
    sound = sound_files()
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    counts: Counter[str] = Counter()
    waiting = [range(files * part // processes, files * (part + 1) // processes) for part in range(processes)]
    running: list[tuple[Any, Any, range, list[float]]] = []
    while waiting or running:
        while waiting:
            numbers = waiting.pop()
            place = context.Value("q", numbers.start)
            process = context.Process(target=work, args=(numbers, seed, sound, folder, place, results))
            process.start()
            running.append((process, place, numbers, [-1, time.monotonic()]))
        time.sleep(0.2)
        while not results.empty():
            counts += results.get()
        for job in list(running):
            process, place, numbers, seen = job
            if place.value != seen[0]:
                seen[:] = [place.value, time.monotonic()]
            if time.monotonic() - seen[1] > STUCK:
                process.kill()
            process.join(0)
            if process.exitcode is None:
                continue
            running.remove(job)
            if process.exitcode != 0:
                number = place.value
                counts["FAILURE: a worker died"] += 1
                change, data = spoilt(number, seed, sound)
                keep(folder, number, data, f"{change}: the worker ended with {process.exitcode}")
                waiting.append(range(number + 1, numbers.stop))
    while not results.empty():
        counts += results.get()
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--to", type=Path, default=Path("out/faults"))
    options = parser.parse_args()
    began = time.monotonic()
    counts = run(options.files, options.processes, options.seed, options.to)
    seconds = time.monotonic() - began
    for name, count in sorted(counts.items()):
        print(f"{count:9,}  {name}")
    failures = sum(count for name, count in counts.items() if "FAILURE" in name)
    print(f"{sum(counts.values()):,} files, {sum(counts.values()) / seconds:,.0f} a second; {failures:,} failures")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
