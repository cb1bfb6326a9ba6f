"""Ways to spoil a model file: its bytes, the JSON of its header and metadata, its tensors.

Most spoilt files are sealed: they get a checksum that fits, so that what stands behind it is tested too.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Rng = np.random.Generator

NUMBERS = (0, -1, 1, 2, 0.5, -0.0, 1e-320, 1e308, 2**31, 2**53, 2**63, 2**64, -(2**63), 10**30, 10**400)
RAW = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-0",
    "9" * 5000,
    "[" * 2000 + "]" * 2000,
    '"\\ud800"',
    "{}",
    "[]",
    "tru",
)
"""Written as they are, since Python would not write some of them."""
STRINGS = (
    "",
    "\0",
    "\x1b[2J",
    "../../etc/passwd",
    "os:system",
    "\u202e",
    "x" * 10_000,
    "é😀",
    "nan",
    "D",
    "char",
    "bpe",
)
OTHERS = (None, True, False, [], {}, [[]], [None], {"": 0}, [[["a"]]])
STRANGE = (np.nan, np.inf, 3e38, -3e38, 1e-45, 0.0, -1.0, 1e20, 1.7e308)
DTYPES = ("F32", "F64", "U64", "F16", "I64", "BOOL", "F8_E4M3", "f32", "", 5)
NUMPY = {"F32": "<f4", "F64": "<f8", "U64": "<u8"}
NO_CHECKSUM = "0" * 32
"""Stands in the place of the checksum until a file is sealed."""
_CHECKSUM = re.compile(rb'"checksum": ?"[^"\\]*"')


def parts_of(data: bytes) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """The descriptions of the tensors of a model file, its metadata, and the bytes of the tensors."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    return header, json.loads(header.pop("__metadata__")["throughtime"]), data[end:]


def joined(header: Any, metadata: Any, data: bytes, raw: dict[str, str] | None = None) -> bytes:
    """A sealed model file of these parts; text that is a key of ``raw`` is written as its value there, bare."""
    entry = metadata if isinstance(metadata, str) else json.dumps(metadata)
    for mark, value in (raw or {}).items():
        entry = entry.replace(f'"{mark}"', value)
    text = json.dumps({"__metadata__": {"checksum": NO_CHECKSUM, "throughtime": entry}, **header}).encode()
    return sealed(struct.pack("<Q", len(text)) + text + data)


def sealed(data: bytes) -> bytes:
    """The file with a checksum that fits its contents, if its header can be read and names one; else as it is."""
    end = 8 + int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8:end])
        entry = header.pop("__metadata__")["throughtime"]
        said = json.dumps([entry, header], sort_keys=True).encode()
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
        return data
    digest = hashlib.blake2b(said + data[end:], digest_size=16).hexdigest()
    text = _CHECKSUM.sub(f'"checksum":"{digest}"'.encode(), data[8:end], count=1)
    return struct.pack("<Q", len(text)) + text + data[end:]


def places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the values of a JSON document stand, as keys one after another; of long lists the first few."""
    items = value.items() if isinstance(value, dict) else enumerate(value[:6]) if isinstance(value, list) else ()
    return [place, *(inner for key, one in items for inner in places(one, (*place, key)))]


def at(value: Any, place: Sequence[Any]) -> Any:
    for key in place:
        value = value[key]
    return value


# ---------------------------------------------------------------------- bytes


def flip(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Some bits, most of them in the header."""
    spoilt = bytearray(data)
    most = len(data) if rng.random() < 0.3 else 8 + int.from_bytes(data[:8], "little")
    for place in rng.choice(most, size=rng.integers(1, 9), replace=False):
        spoilt[place] ^= 1 << int(rng.integers(8))
    return bytes(spoilt)


def flip_and_seal(rng: Rng, data: bytes, other: bytes) -> bytes:
    return sealed(flip(rng, data, other))


def truncate(rng: Rng, data: bytes, other: bytes) -> bytes:
    return data[: rng.integers(len(data))]


def lengthen(rng: Rng, data: bytes, other: bytes) -> bytes:
    return data + other[: rng.integers(1, 200)]


def splice(rng: Rng, data: bytes, other: bytes) -> bytes:
    """A piece of another file in the place of one of this, as long or not."""
    start, length = rng.integers(len(data)), rng.integers(1, 200)
    source = rng.integers(len(other))
    taken = length if rng.random() < 0.5 else rng.integers(200)
    return sealed(data[:start] + other[source : source + taken] + data[start + length :])


def length(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Another length of the header."""
    own = int.from_bytes(data[:8], "little")
    wrong = [0, 1, own - 1, own + 1, own + int(rng.integers(1000)), len(data) - 8, 2**31, 2**40, 2**63, 2**64 - 1]
    return sealed(struct.pack("<Q", wrong[rng.integers(len(wrong))]) + data[8:])


# ---------------------------------------------------------------------- JSON


def value_for(rng: Rng, old: Any, whole: Any, raw: dict[str, str]) -> Any:
    """Another value of the same type or of another one, one that stands elsewhere in the document, or bare text."""
    kind = rng.integers(7)
    if kind == 0:
        return NUMBERS[rng.integers(len(NUMBERS))]
    if kind == 1:
        return STRINGS[rng.integers(len(STRINGS))]
    if kind == 2:
        return copy.deepcopy(OTHERS[rng.integers(len(OTHERS))])
    if kind == 3:
        every = places(whole)
        return copy.deepcopy(at(whole, every[rng.integers(len(every))]))
    if kind == 4:
        raw["?"] = RAW[rng.integers(len(RAW))]
        return "?"
    if kind == 5:
        return {"a": old} if rng.random() < 0.5 else [old, old]
    return _near(rng, old)


def _near(rng: Rng, old: Any) -> Any:
    """A value that is nearly right."""
    if isinstance(old, bool) or old is None:
        return not old
    if isinstance(old, (int, float)):
        return old + (1, -1, 0.5, 100)[rng.integers(4)] if rng.random() < 0.7 else -old
    if isinstance(old, str):
        return old + "x" if rng.random() < 0.5 else old[:-1]
    if isinstance(old, list) and old:
        return (old[:-1], [*old, old[0]], old[::-1], [*old, None])[rng.integers(4)]
    return old


def metadata(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Some values of the metadata are others, or are not there."""
    header, found, tensors = parts_of(data)
    raw: dict[str, str] = {}
    for _ in range(rng.integers(1, 4)):
        every = places(found)[1:]
        *keys, last = every[rng.integers(len(every))]
        inner = at(found, keys)
        if rng.random() < 0.15:
            del inner[last]
        else:
            inner[last] = value_for(rng, inner[last], found, raw)
        if len(places(found)) < 2:
            break
    return joined(header, found, tensors, raw)


def other_part(rng: Rng, data: bytes, other: bytes) -> bytes:
    """A part of the metadata of another model."""
    header, found, tensors = parts_of(data)
    _, theirs, _ = parts_of(other)
    name = list(theirs)[rng.integers(len(theirs))]
    return joined(header, {**found, name: theirs[name]}, tensors)


def twice(rng: Rng, data: bytes, other: bytes) -> bytes:
    """A name comes twice, in the header or in the metadata."""
    header, found, tensors = parts_of(data)
    name = list(found)[rng.integers(len(found))]
    entry = json.dumps(found)[:-1] + f", {json.dumps(name)}: {json.dumps(found[name])}}}"
    text = json.dumps({"__metadata__": {"checksum": NO_CHECKSUM, "throughtime": entry}, **header})
    if rng.random() < 0.5:
        name = list(header)[rng.integers(len(header))]
        text = text[:-1] + f", {json.dumps(name)}: {json.dumps(header[name])}}}"
    return sealed(struct.pack("<Q", len(text)) + text.encode() + tensors)


def described(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Another dtype, shape, place or name of a tensor, whose bytes stay."""
    header, found, tensors = parts_of(data)
    every = places(header)[1:]
    *keys, last = every[rng.integers(len(every))]
    inner = at(header, keys)
    if last == "dtype":
        inner[last] = DTYPES[rng.integers(len(DTYPES))]
    elif isinstance(inner, dict) and rng.random() < 0.2:
        inner[f"{last}\x1b"] = inner.pop(last)
    else:
        inner[last] = value_for(rng, inner[last], header, {})
    return joined(header, found, tensors)


# ---------------------------------------------------------------------- tensors


def tensor(rng: Rng, data: bytes, other: bytes) -> bytes:
    """A tensor of other numbers, another shape or dtype, one that is missing or more: the file itself is sound."""
    header, found, raw = parts_of(data)
    values = {
        name: np.frombuffer(raw[slice(*of["data_offsets"])], NUMPY[of["dtype"]]).reshape(of["shape"]).copy()
        for name, of in header.items()
    }
    name = list(values)[rng.integers(len(values))]
    values[name] = _changed(rng, values[name])
    if rng.random() < 0.1:
        del values[name]
    elif rng.random() < 0.1:
        values[f"{name}.more"] = values[name]
    return of_tensors(values, found)


def _changed(rng: Rng, values: Any) -> Any:
    kind = rng.integers(8)
    if kind == 0:
        return values.astype(("<f4", "<f8", "<u8")[rng.integers(3)])
    if kind == 1:
        return values.T
    if kind == 2:
        return values[:-1] if values.ndim else values
    if kind == 3:
        return values.reshape(-1)
    if kind == 4:
        return np.zeros((0, *values.shape[1:]), values.dtype) if values.ndim else values[None]
    if values.size:
        strange = np.array(STRANGE[rng.integers(len(STRANGE))]).astype(values.dtype)
        if kind == 5:
            values[...] = strange
        elif kind == 6:
            values.flat[rng.integers(values.size)] = strange
        else:
            values *= values.dtype.type(10.0 ** rng.integers(0, 30) if values.dtype.kind == "f" else 3)
    return values


def of_tensors(values: dict[str, Any], found: Any) -> bytes:
    """A sound file of these tensors and this metadata."""
    codes = {dtype: code for code, dtype in NUMPY.items()}
    header, pieces, end = {}, [], 0
    for name, array in values.items():
        pieces.append(np.ascontiguousarray(array).tobytes())
        header[name] = {
            "dtype": codes.get(array.dtype.str, array.dtype.name),
            "shape": list(array.shape),
            "data_offsets": [end, end + len(pieces[-1])],
        }
        end += len(pieces[-1])
    return joined(header, found, b"".join(pieces))


CHANGES: Sequence[tuple[Callable[[Rng, bytes, bytes], bytes], float]] = (
    (flip, 0.04),
    (flip_and_seal, 0.13),
    (truncate, 0.01),
    (lengthen, 0.01),
    (splice, 0.06),
    (length, 0.02),
    (metadata, 0.4),
    (other_part, 0.05),
    (twice, 0.02),
    (described, 0.1),
    (tensor, 0.16),
)
"""And how often each is made."""
ACCIDENTS = {change.__name__ for change in (flip, truncate, lengthen)}
"""After which no file may open."""


def spoilt(number: int, seed: int, sound: Sequence[bytes]) -> tuple[str, bytes]:
    """The change that is made in this file of a run, and the file; the same for the same seed and number."""
    rng = np.random.default_rng([seed, number])
    data, other = (sound[rng.integers(len(sound))] for _ in range(2))
    change = CHANGES[rng.choice(len(CHANGES), p=[share for _, share in CHANGES])][0]
    with np.errstate(all="ignore"):
        return change.__name__, change(rng, data, other)
