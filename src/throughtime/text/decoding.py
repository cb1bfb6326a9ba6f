"""From the bytes of a file to text, at once or block by block, and plain words about what is no text."""

from __future__ import annotations

import codecs
import io
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from throughtime.errors import DataError

BLOCK = 1 << 16
"""A large file is read in blocks of so many bytes: what is made of one then stays in the processor's cache."""

BEGINNING = 8192
"""A zero byte among so many tells a binary file."""


def decode(data: bytes, name: str, encoding: str = "utf-8", *, cut: bool = False) -> str:
    """The text of a file, its line ends made the same; what is to be ``cut`` into documents cannot stay bytes.

    Raises
    ------
    DataError
        If it is binary, or in another encoding; the message names the offset.
    """
    check_encoding(encoding)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _undecodable(name, data[:BEGINNING], encoding, error.start, data[error.start], cut) from None
    if "\0" in text:
        raise _binary(name, data.index(0), cut)
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def check_encoding(encoding: str) -> None:
    """Raises :class:`DataError` unless there is such an encoding."""
    try:
        "".encode(encoding)
    except (LookupError, UnicodeError):
        raise DataError(
            f"there is no encoding {encoding!r}; known ones are utf-8, latin-1, cp1252, utf-16, ..."
        ) from None


class Changed(DataError):
    """A file is another one than when it was first looked at."""


@dataclass(frozen=True)
class File:
    """A file as it was found; it is read in blocks, and must not change meanwhile."""

    path: Path
    size: int
    state: tuple[int, int, int]

    @classmethod
    def at(cls, path: Path) -> Self:
        """The one of this name.

        Raises
        ------
        DataError
            If there is none.
        """
        try:
            found = path.stat()
        except FileNotFoundError:
            raise DataError(f"there is no file {str(path)!r}") from None
        except OSError as error:
            raise DataError(f"{str(path)!r} cannot be read: {error.strerror}") from None
        return cls(path, found.st_size, _state(found))

    def data(self, tell: Callable[[int], None] = lambda _: None) -> Iterator[bytes]:
        """What it holds; ``tell`` is told how many bytes were read.

        Raises
        ------
        DataError
            If it cannot be read, is empty or has changed.
        """
        if not self.size:
            raise DataError(f"{str(self.path)!r} is empty; expected text")
        try:
            with self.path.open("rb", buffering=0) as file:
                while block := file.read(BLOCK):
                    yield block
                    tell(len(block))
                now = os.fstat(file.fileno())
        except FileNotFoundError:
            raise DataError(f"there is no file {str(self.path)!r}") from None
        except OSError as error:
            raise DataError(f"{str(self.path)!r} cannot be read: {error.strerror}") from None
        if _state(now) != self.state:
            raise Changed(f"{str(self.path)!r} changed while it was read; try again when nothing writes to it")

    def text(self, encoding: str, tell: Callable[[int], None] = lambda _: None, *, cut: bool = False) -> Iterator[str]:
        """What :func:`decode` makes of it, in blocks.

        Raises
        ------
        DataError
            What ``data`` and ``decode`` raise.
        """
        name = str(self.path)
        blocks = self.data(tell)
        first = next(blocks, b"")
        decoder = io.IncrementalNewlineDecoder(_decoder(encoding, first), translate=True)
        read, begun, zero = 0, False, False
        for block in itertools.chain([first], blocks, [b""]):
            read += len(block)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                place = read - len(error.object) + error.start
                raise _undecodable(name, first[:BEGINNING], encoding, place, error.object[error.start], cut) from None
            zero = zero or "\0" in text
            if text and not begun:
                text, begun = text.removeprefix("\ufeff"), True
            if text:
                yield text
        if zero:  # told last, as an encoding that does not fit comes first
            raise _binary(name, self._first_zero(), cut)

    def _first_zero(self) -> int:
        before = 0
        for block in self.data():
            if 0 in block:
                return before + block.index(0)
            before += len(block)
        return before


def _decoder(encoding: str, first: bytes) -> codecs.IncrementalDecoder:
    """One for blocks; without a byte order mark UTF-16 and UTF-32 are those of this machine, as for a whole text."""
    name = codecs.lookup(encoding).name
    if name in ("utf-16", "utf-32") and not first.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")):
        name += "-le" if sys.byteorder == "little" else "-be"
    return codecs.getincrementaldecoder(name)()


def _state(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ino


def _undecodable(name: str, beginning: bytes, encoding: str, place: int, byte: int, cut: bool) -> DataError:
    if beginning.startswith((b"\xff\xfe", b"\xfe\xff")) and 0 in beginning:
        return DataError(f"{name!r} is UTF-16; pass encoding='utf-16' (--encoding utf-16)")
    if 0 in beginning:
        return _binary(name, beginning.index(0), cut)
    return DataError(
        f"{name!r} is not {encoding}: byte 0x{byte:02x} at offset {place}; pass the encoding it has "
        f"(encoding='latin-1', --encoding latin-1){_as_it_is(cut)}"
    )


def _binary(name: str, place: int, cut: bool) -> DataError:
    return DataError(f"{name!r} is a binary file (a zero byte at offset {place}); expected text{_as_it_is(cut)}")


def _as_it_is(cut: bool) -> str:
    return "" if cut else ", or use level='byte'"
