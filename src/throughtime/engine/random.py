"""Counter-based random numbers: Philox 4x32-10 (Salmon, Moraes, Dror and Shaw, 2011, section 3.3).

A number depends on what it is for (seed, purpose, layer, ...) and on where it is used (step, row, time, unit), never on
what was drawn before. So dropout does not depend on batch or threads, stream 3 of many draws the same as alone, and a
checkpoint has counters to store, not the state of a generator.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from throughtime.errors import ParameterError

Words = npt.NDArray[np.uint32]
Key = tuple[int, int]

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


def philox(counter: tuple[Any, Any, Any, Any], key: Key) -> tuple[Words, Words, Words, Words]:
    """Four random words for each counter.

    Parameters
    ----------
    counter : four integers or integer arrays that broadcast together, below 2**32
    key : two integers below 2**32

    Returns
    -------
    tuple of four uint32 arrays
    """
    c0, c1, c2, c3 = (np.asarray(word, dtype=np.uint64) for word in counter)
    k0, k1 = key
    for _ in range(ROUNDS):
        p0, p1 = np.uint64(MULTIPLIERS[0]) * c0, np.uint64(MULTIPLIERS[1]) * c2
        c0, c1, c2, c3 = (
            (p1 >> _SHIFT) ^ c1 ^ np.uint64(k0),
            p1 & _LOW,
            (p0 >> _SHIFT) ^ c3 ^ np.uint64(k1),
            p0 & _LOW,
        )
        k0, k1 = (k0 + WEYL[0]) & 0xFFFFFFFF, (k1 + WEYL[1]) & 0xFFFFFFFF
    w0, w1, w2, w3 = np.broadcast_arrays(c0, c1, c2, c3)
    return w0.astype(np.uint32), w1.astype(np.uint32), w2.astype(np.uint32), w3.astype(np.uint32)


def key(seed: int, *purpose: str | int) -> Key:
    """The key of all numbers drawn for one purpose, such as ``key(seed, "dropout", "recurrent.0")``."""
    words = [zlib.crc32(part.encode()) if isinstance(part, str) else part & 0xFFFFFFFF for part in purpose]
    mixed: Key = (seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF)
    for place, word in enumerate(words):
        first, second, _, _ = philox((word, place, 0, 0), mixed)
        mixed = (int(first), int(second))
    return mixed


def words(key: Key, *, step: int, times: npt.NDArray[Any], rows: npt.NDArray[Any], units: int) -> Words:
    """Random words ``[len(times), len(rows), units]``; four neighbouring units share a counter."""
    blocks = np.arange(-(-units // 4))
    drawn = philox((blocks, times[:, None, None], rows[:, None], step), key)
    return np.stack(drawn, axis=-1).reshape(len(times), len(rows), -1)[..., :units]


def uniforms(key: Key, *, time: int, rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """One number in [0, 1) for each row, with 53 random bits."""
    high, low, _, _ = philox((0, time & 0xFFFFFFFF, rows, time >> 32), key)
    bits = (high.astype(np.uint64) << np.uint64(21)) ^ (low.astype(np.uint64) >> np.uint64(11))
    return bits * 2.0**-53


def generator(key: Key) -> np.random.Generator:
    """A NumPy generator for draws that happen once, such as initial weights."""
    return np.random.Generator(np.random.Philox(key=[key[0], key[1]]))


def seed_of(random_state: Any) -> int:
    """The seed that a ``random_state`` stands for: an integer is itself, None is a fresh one.

    Raises
    ------
    ParameterError
        If it is neither None, a non-negative integer, nor a NumPy generator.
    """
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, (int, np.integer)) and not isinstance(random_state, bool) and 0 <= random_state < 2**64:
        return int(random_state)
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31))
    raise ParameterError(
        f"random_state must be None, an integer from 0 to 2**64 - 1, or a NumPy generator, got {random_state!r}"
    )


def dropout_key(seed: int, layer: str) -> Key:
    """The key of a dropout layer's masks."""
    return key(seed, "dropout", layer)
