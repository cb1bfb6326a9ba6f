"""Tells sounds apart: sines, square waves, chirps up, chirps down, and noise, from wave files of unequal lengths.

Each file holds one sound of a random pitch, loudness and length, in hiss. It is read back and cut into frames of 32
milliseconds; what the network sees of a frame is the logarithm of the energy in each of a few bands. All frames of a
chirp up are those of a chirp down as well: only their order tells which. In the table of confusions nearly all should
stand on the diagonal; the majority finds a fifth.

    python examples/audio.py [--files 1000] [--steps 800] [--folder DIR]
"""

import argparse
import tempfile
import wave
from pathlib import Path

import numpy as np

from throughtime import SequenceClassifier

RATE = 8_000  # samples a second
FRAME, HOP, BANDS = 256, 128, 20
KINDS = ("sine", "square", "chirp up", "chirp down", "noise")


def sound(kind, rng):
    """Samples from -1 to 1: a quarter of a second to one second of a sound, in hiss."""
    count = rng.integers(RATE // 4, RATE)
    low, high = np.sort(np.exp(rng.uniform(np.log(150), np.log(1_500), 2)))
    start, end = {"chirp up": (low, 1.5 * high), "chirp down": (1.5 * high, low)}.get(kind, (low, low))
    phase = 2 * np.pi * np.cumsum(np.linspace(start, end, count)) / RATE
    if kind == "noise":
        clean = rng.normal(0, 0.5, count)
    elif kind == "square":
        clean = np.sign(np.sin(phase))
    else:
        clean = np.sin(phase)
    loudness, hiss = np.exp(rng.uniform(np.log(0.05), np.log(0.5))), rng.uniform(0.05, 0.5)
    return np.clip(loudness * (clean + hiss * rng.normal(0, 1, count)), -1, 1)


def write(path, samples):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((32_767 * samples).astype("<i2").tobytes())


def read(path):
    """The frames of a file as log energies, ``[T, BANDS]``."""
    with wave.open(str(path), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32_768
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP]
    energies = np.abs(np.fft.rfft(frames * np.hanning(FRAME))) ** 2
    edges = np.geomspace(3, FRAME // 2 + 1, BANDS + 1).astype(int)
    return np.log(np.add.reduceat(energies, edges[:-1], axis=1) + 1e-6)


def make(folder, count, rng):
    """Writes so many files, then reads them back: frames and labels."""
    X, y = [], [KINDS[i % len(KINDS)] for i in range(count)]
    for i, kind in enumerate(y):
        path = folder / f"{i:04} {kind}.wav"
        write(path, sound(kind, rng))
        X.append(read(path))
    return X, np.array(y)


arguments = argparse.ArgumentParser(description="tells sounds apart")
arguments.add_argument("--files", type=int, default=1_000, help="how many are learned; as many are scored")
arguments.add_argument("--steps", type=int, default=800)
arguments.add_argument("--folder", type=Path, help="keeps the wave files there, to be listened to")
options = arguments.parse_args()

rng = np.random.default_rng(1)
with tempfile.TemporaryDirectory() as temporary:
    folder = options.folder or Path(temporary)
    for part in ("learned", "scored"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    X, y = make(folder / "learned", options.files, rng)
    X_scored, y_scored = make(folder / "scored", options.files, rng)
print(f"{len(X):,} files of {min(map(len, X))} to {max(map(len, X))} frames, {BANDS} bands")

model = SequenceClassifier(cell="gru", max_steps=options.steps, random_state=1).fit(X, y)
found = model.predict(X_scored)
majority = np.unique(y_scored, return_counts=True)[1].max() / len(y_scored)
print(f"accuracy {np.mean(found == y_scored):.3f}, the majority {majority:.3f}, {model.training_.seconds:.0f} seconds")
print(f"{'is, heard as:':<13}" + "".join(f"{kind:>11}" for kind in KINDS))
for kind in KINDS:
    heard = [np.sum(found[y_scored == kind] == other) for other in KINDS]
    print(f"{kind:<13}" + "".join(f"{count:>11}" for count in heard))
