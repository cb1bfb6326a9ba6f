"""One model, one file: safetensors with one JSON entry of metadata and a checksum. Nothing in a file is ever executed.

A file may come from a stranger. Before anything is read but its header, the header is checked: how long it is, how
many names, numbers and lists it has, that no name comes twice, and which kinds and shapes of numbers are promised. What
``save`` writes passes these checks. The checksum finds what happened to a file by accident.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from throughtime.disk import write_atomically
from throughtime.errors import CellError, MissingPackage, ModelFileError, OutputError, cut, short, told

FORMAT = 2
"""2: the state of the training, for those that go on with it, and a checksum."""
NEEDS = "0.1.0"
"""The first version of throughtime that reads this format."""

MOST_HEADER = 1 << 23
"""Bytes of a header, in which the names, the shapes and the metadata stand."""
MOST_VALUES, MOST_LISTS, MOST_TENSORS, DEEPEST = 1 << 18, 1 << 17, 1 << 12, 16
"""Values in it, lists and objects in it, tensors, and how many lists or objects lie within each other."""

ANOTHER = "get another copy of it, or train the model anew"
"""What to do about a damaged file."""

_ENTRY, _CHECKSUM = "throughtime", "checksum"
_DTYPES = {"F32": "<f4", "F64": "<f8", "U64": "<u8"}
_NAMES_OF_DTYPES = {dtype: name for name, dtype in _DTYPES.items()}
_HALF_A_CHARACTER = re.compile(r"\\u[dD]")
_VERSION = re.compile(r"\d{1,4}(\.\d{1,4}){1,3}([a-z]{1,4}\d{1,4})?")

Tensors = dict[str, npt.NDArray[Any]]


def save(path: str | os.PathLike[str], tensors: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, Any]) -> None:
    """Writes tensors and metadata; equal contents give equal bytes.

    Raises
    ------
    OutputError
        If the place cannot be written to, a number is not finite, JSON cannot tell the metadata, or ``load`` would
        refuse the file.
    """
    try:
        described = json.dumps({"format": FORMAT, "needs": NEEDS, **metadata}, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise OutputError(f"the model is not saved: it holds what JSON cannot tell: {told(error)}") from error
    for name, tensor in tensors.items():
        if not _is_finite(tensor):
            raise OutputError(f"the model is not saved: {name!r} holds values that are not finite")
    widest_first = sorted(tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))
    arrays = {name: np.ascontiguousarray(tensor, tensor.dtype.newbyteorder("<")) for name, tensor in widest_first}
    header = _header_of(described, arrays)
    try:
        _read_header(io.BytesIO(header), len(header) + sum(array.nbytes for array in arrays.values()))
    except (ValueError, RecursionError) as error:
        raise OutputError(f"the model is not saved, since it could not be opened again: {error}") from error
    write_atomically(path, b"".join([header, *(array.data for array in arrays.values())]))


def load(path: str | os.PathLike[str]) -> tuple[Tensors, dict[str, Any]]:
    """The tensors and the metadata of a file.

    Raises
    ------
    ModelFileError
        If there is no such file, it is a folder, damaged, not one of ours, written by a newer version, larger than the
        memory, or holds numbers that are not finite.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    name = repr(str(path))
    if path.is_dir():
        raise ModelFileError(f"{name} is a folder; name a model file in it")
    if not path.is_file():
        raise ModelFileError(f"there is no model file {name}; name one that `throughtime train -o` or save(path) wrote")
    try:
        with path.open("rb") as file:
            header = _read_header(file, path.stat().st_size)
            with safe_open(path, framework="numpy"):
                pass  # it checks that the tensors fill the file, each its own place
            tensors = _read_tensors(file, header)
    except ModelFileError as error:
        raise ModelFileError(f"{name} {error}") from error.__cause__
    except (SafetensorError, RecursionError, ValueError) as error:
        raise ModelFileError(f"{name} is damaged or incomplete: {told(error)}; {ANOTHER}") from error
    except MemoryError as error:
        raise ModelFileError(f"{name} needs more memory than there is; open it on a larger machine") from error
    except OSError as error:
        raise ModelFileError(f"{name} cannot be read: {error.strerror}; check that you may read it") from error
    for tensor, values in tensors.items():
        if not _is_finite(values):
            raise ModelFileError(f"{name} is damaged: {tensor!r} holds values that are no finite numbers; {ANOTHER}")
    return tensors, header.metadata


@contextlib.contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Says of which file, and what to do, where what is in it cannot be used.

    Raises
    ------
    ModelFileError
        In the place of one that does not say so.
    """
    try:
        yield
    except ModelFileError as error:
        raise ModelFileError(f"{str(path)!r}: {error}; {ANOTHER}") from error


@contextlib.contextmanager
def opening() -> Iterator[None]:
    """Tells of whatever goes wrong inside as damage of the model file, in a few words.

    Raises
    ------
    ModelFileError
        For any exception but :class:`CellError` and :class:`MissingPackage`, which say what to do.
    """
    try:
        yield
    except (CellError, MissingPackage):
        raise
    except ModelFileError as error:
        raise ModelFileError(told(error)) from error
    except Exception as error:  # the values are anything at all, and so is what libraries raise because of them
        raise ModelFileError(f"the model file is damaged: {type(error).__name__}: {told(error)}") from error


@dataclass(frozen=True)
class _Header:
    """What a file says before its tensors: how they are described, the metadata, and the checksum, if it has one."""

    tensors: dict[str, Any]
    entry: str
    metadata: dict[str, Any]
    checksum: str | None


def _header_of(entry: str, arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """The beginning of a file, in front of the bytes of these arrays, one after another."""
    described: dict[str, Any] = {}
    end = 0
    for name, array in arrays.items():
        begin, end = end, end + array.nbytes
        dtype = _NAMES_OF_DTYPES.get(array.dtype.str, array.dtype.name)
        described[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [begin, end]}
    digest = _begun_checksum(entry, described)
    for array in arrays.values():
        digest.update(array.reshape(-1).data)
    entries = {_CHECKSUM: digest.hexdigest(), _ENTRY: entry}
    text = json.dumps({"__metadata__": entries, **described}, separators=(",", ":"))
    text += " " * (-len(text) % 8)  # so that the numbers lie where processors like them to
    return len(text).to_bytes(8, "little") + text.encode()


def _begun_checksum(entry: str, described: Mapping[str, Any]) -> hashlib.blake2b:
    """BLAKE2b over all that the header says, to go on with the bytes of the tensors in their order."""
    return hashlib.blake2b(json.dumps([entry, described], sort_keys=True).encode(), digest_size=16)


def _read_header(file: BinaryIO, size: int) -> _Header:
    """What a file of ``size`` bytes says before its tensors, which come next in it.

    Raises
    ------
    ModelFileError
        If it is no model file, or of a newer format; the message goes on from the name of the file.
    ValueError
        If it is anything else that ``save`` does not write.
    """
    beginning = file.read(9)
    if beginning[8:] != b"{":
        raise ModelFileError("is no model file; expected one that `throughtime train -o` or save(path) wrote")
    length, there = int.from_bytes(beginning[:8], "little"), size - 8
    if length > MOST_HEADER:
        raise ValueError(f"its header has {length:,} bytes, and {MOST_HEADER:,} are the most")
    if length > there:
        raise ValueError(f"it is cut off: its header should have {length:,} bytes, and {there:,} are there")
    try:
        text = (beginning[8:] + file.read(length - 1)).decode()
    except UnicodeDecodeError:
        raise ValueError("its header is no text") from None
    described = _parsed(text)
    entries = described.pop("__metadata__", {})
    if not isinstance(entries, dict) or not all(isinstance(entry, str) for entry in entries.values()):
        raise ValueError("its metadata are no text")
    metadata: Any = _parsed(entries[_ENTRY]) if _ENTRY in entries else None
    _check_format(metadata)
    _check_tensors(described)
    _check_size(size, 8 + length + max((of["data_offsets"][1] for of in described.values()), default=0))
    header = _Header(described, entries[_ENTRY], metadata, entries.get(_CHECKSUM))
    if header.checksum is None and metadata["format"] > 1:
        raise ModelFileError(f"is damaged: it has no checksum; {ANOTHER}")
    return header


def _parsed(text: str) -> Any:
    """The value of JSON such as ``save`` writes.

    Raises
    ------
    ValueError, RecursionError
        If it is none; has too many values or too deep ones, a name twice in one object, a number that is not finite or
        half a character.
    """
    if text.count(",") > MOST_VALUES or text.count("[") + text.count("{") > MOST_LISTS:
        raise ValueError(f"it has more than {MOST_VALUES:,} names and numbers, or {MOST_LISTS:,} lists, in its header")
    try:
        found = json.loads(text, object_pairs_hook=_object, parse_float=_finite, parse_constant=_finite)
    except json.JSONDecodeError as error:
        raise ValueError(f"its header makes no sense from character {error.pos + 1:,} on") from None
    inner = [found]
    for _ in range(DEEPEST):
        inner = [one for outer in inner for one in _values(outer) if isinstance(one, (dict, list))]
    if inner:
        raise ValueError(f"it has more than {DEEPEST} lists or objects within each other")
    if _HALF_A_CHARACTER.search(text):
        try:
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("it has half a character (a lone surrogate) in its text") from None
    return found


def _values(parent: Any) -> Any:
    return parent.values() if isinstance(parent, dict) else parent if isinstance(parent, list) else ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name comes twice in one JSON object")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"it has the number {cut(text, 40)}")
    return number


def _is_finite(values: npt.NDArray[Any]) -> bool:
    """Whether all are, and their mean will be."""
    if not np.isfinite(values).all():
        return False
    return values.dtype != np.float64 or bool(np.abs(values).max(initial=0.0) < 1e300)


def _read_tensors(file: BinaryIO, header: _Header) -> Tensors:
    """The tensors, which come next in a file; safetensors' own reader ends in a panic without memory.

    Raises
    ------
    ModelFileError
        If the checksum is another; the message goes on from the name of the file.
    """
    tensors = {}
    digest = _begun_checksum(header.entry, header.tensors)
    for name, of in sorted(header.tensors.items(), key=lambda item: item[1]["data_offsets"]):
        flat = np.fromfile(file, _DTYPES[of["dtype"]], math.prod(of["shape"]))
        digest.update(flat.data)
        tensors[name] = flat.reshape(of["shape"])
    if header.checksum is not None and header.checksum != digest.hexdigest():
        raise ModelFileError(f"is damaged: its checksum does not fit its contents; {ANOTHER}")
    return tensors


def _check_format(metadata: Any) -> None:
    if metadata is None:
        raise ModelFileError("is a safetensors file, but not a model of throughtime; name one that it wrote")
    version = metadata.get("format") if isinstance(metadata, dict) else None
    if type(version) is not int or version < 1:
        raise ModelFileError(f"is damaged: it names no format; {ANOTHER}")
    if version > FORMAT:
        needed = metadata.get("needs")
        known = isinstance(needed, str) and _VERSION.fullmatch(needed)
        raise ModelFileError(
            f"has format {short(version)}, this version of throughtime reads up to {FORMAT}; upgrade throughtime"
            + (f" to {needed} or newer" if known else "")
        )


def _check_tensors(described: Mapping[str, Any]) -> None:
    """Checks what is said of each tensor; that there is neither gap nor overlap is checked by safetensors."""
    if len(described) > MOST_TENSORS:
        raise ValueError(f"it has {len(described):,} tensors, and {MOST_TENSORS:,} are the most")
    for name, tensor in described.items():
        if len(name) > 200 or not name.isprintable():
            raise ValueError(f"{short(name)} is no name of a tensor")
        if not isinstance(tensor, dict) or tensor.keys() != {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"{short(name)} is not described as a tensor")
        if not isinstance(tensor["dtype"], str) or tensor["dtype"] not in _DTYPES:
            raise ModelFileError(
                f"is damaged: {short(name)} holds values that are no float32, float64 or uint64 numbers; {ANOTHER}"
            )
        shape = tensor["shape"]
        if not isinstance(shape, list) or len(shape) > 4 or not all(type(n) is int and 0 <= n < 2**40 for n in shape):
            raise ValueError(f"{short(name)} has the shape {short(shape)}")
        place = tensor["data_offsets"]
        if not isinstance(place, list) or len(place) != 2 or not all(type(n) is int and 0 <= n < 2**63 for n in place):
            raise ValueError(f"{short(name)} has the place {short(place)}")
        if place[1] - place[0] != math.prod(shape) * np.dtype(_DTYPES[tensor["dtype"]]).itemsize:
            raise ValueError(f"{short(name)} has the shape {short(shape)}, which does not fit its place {short(place)}")


def _check_size(size: int, expected: int) -> None:
    """Checks how many bytes a file has."""
    if size < expected:
        raise ValueError(f"it is cut off: it has {size:,} bytes, and should have {expected:,}")
    if size > expected:
        raise ValueError(f"it is longer than it should be: it has {size:,} bytes, and should have {expected:,}")
