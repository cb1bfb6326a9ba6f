"""Files of text that are too large to be held in memory: they are read again for each use, block by block."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from throughtime.errors import DataError
from throughtime.text import store
from throughtime.text.blocks import Block, Fingerprint, LargeTexts, Text, as_bytes
from throughtime.text.decoding import BLOCK, Changed, File, decode
from throughtime.text.documents import Split, documents
from throughtime.text.vocabularies import LEVELS
from throughtime.training.progress import reading

VERSION = 1
"""Of what is kept; another one is found anew."""

Tell = Callable[[int], None]


@dataclass(frozen=True)
class Found:
    """A text or file, what it is called, and the folder that it was found in, where it may be no text."""

    text: Text | File
    name: str
    folder: Path | None = None


class FilesOfText(LargeTexts):
    """The documents of texts and files.

    Everything is read through once to find what is no text, what is empty and how many documents there are; it is kept
    on disk under the checksum of the files.

    Parameters
    ----------
    found : sequence of Found
    level, encoding, split, column : as for :func:`throughtime.text.reading.read`
    shown : bool
        Whether bars are shown.

    Raises
    ------
    DataError
        As for :func:`throughtime.text.reading.read`.
    OutputError
        If what is found cannot be kept.
    """

    def __init__(
        self, found: Sequence[Found], level: str, encoding: str, split: Split, column: str | None, shown: bool
    ) -> None:
        self.encoding, self.split, self.column, self.shown = encoding, split, column, shown
        self.cut = split is not None or column is not None
        self.as_bytes = level == "byte" and not self.cut  # bytes are cut as text
        self.border = None if self.as_bytes else LEVELS[level].border
        self.found = list(found)
        self.contents = self._checksum()
        seen = store.note(self.key("documents"), self._look_through)
        self.left_out = [Path(self.found[place].name) for place in seen["left_out"]]
        self.empty: int = seen["empty"]
        self._documents: int = seen["documents"]
        self._fingerprint: str = seen["fingerprint"]
        unread = {*seen["left_out"], *seen["blank"]}
        self.found = [one for place, one in enumerate(self.found) if place not in unread]

    def __len__(self) -> int:
        return self._documents

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    def key(self, *purpose: Any) -> str:
        made_from = [VERSION, self.contents, self.as_bytes, self.encoding, self.split, self.column, *purpose]
        return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:40]

    def blocks(self, what: str) -> Iterator[Block]:
        with self._bar(what) as tell:
            for one in self.found:
                if self.cut:
                    yield from _grouped(document for document in self._cut(one, tell) if document.strip())
                else:
                    yield from _parts(self._whole(one, tell), self.border)

    def _bar(self, what: str) -> Any:
        return reading(what, sum(one.text.size for one in self.found if isinstance(one.text, File)), self.shown)

    def _whole(self, one: Found, tell: Tell) -> Iterator[Text]:
        """The text of one of them, in blocks."""
        if not isinstance(one.text, File):
            return iter([one.text])
        return one.text.data(tell) if self.as_bytes else one.text.text(self.encoding, tell, cut=self.cut)

    def _cut(self, one: Found, tell: Tell) -> Iterator[str]:
        """The documents that one of them is cut into, the empty ones too."""
        if isinstance(one.text, bytes):
            blocks = iter([decode(one.text, one.name, self.encoding, cut=True)])
        elif isinstance(one.text, str):
            blocks = iter([one.text])
        else:
            blocks = one.text.text(self.encoding, tell, cut=True)
        return documents(blocks, split=self.split, column=self.column, name=one.name)

    def _checksum(self) -> str:
        whole = hashlib.sha256()
        with self._bar("files") as tell:
            for one in self.found:
                digest = hashlib.sha256()
                try:
                    for block in one.text.data(tell) if isinstance(one.text, File) else [as_bytes(one.text)]:
                        digest.update(block)
                except DataError as error:
                    if one.folder is None or isinstance(error, Changed):
                        raise
                whole.update(type(one.text).__name__.encode() + bytes([one.folder is None]) + digest.digest())
        return whole.hexdigest()

    def _look_through(self) -> dict[str, Any]:
        """What is to be left out, what holds nothing, how many documents there are, and their fingerprint."""
        left_out, blank, empty, count, sound = [], [], 0, 0, Fingerprint()
        with self._bar("documents") as tell:
            for place, one in enumerate(self.found):
                so_far = sound.copy()
                try:
                    full, none = self._add(one, so_far, tell)
                except DataError as error:
                    if one.folder is None or isinstance(error, Changed):
                        raise
                    left_out.append(place)  # a folder may hold pictures and the like
                    continue
                sound, count, empty = so_far, count + full, empty + none
                if not full:
                    blank.append(place)
        self._check_folders(left_out)
        return {
            "left_out": left_out,
            "blank": blank,
            "empty": empty,
            "documents": count,
            "fingerprint": sound.hexdigest(),
        }

    def _add(self, one: Found, fingerprint: Fingerprint, tell: Tell) -> tuple[int, int]:
        """Adds to a fingerprint; how many of the documents are full, and how many empty."""
        full = empty = 0
        if self.cut:
            for document in self._cut(one, tell):
                if document.strip():
                    fingerprint.add(as_bytes(document), ends=True)
                    full += 1
                else:
                    empty += 1
            return full, empty
        length = 0
        for text in self._whole(one, tell):
            length += len(text)
            fingerprint.add(as_bytes(text), ends=False)
        if length:
            fingerprint.add(b"", ends=True)
        return (1, 0) if length else (0, 1)

    def _check_folders(self, left_out: Sequence[int]) -> None:
        for folder in {one.folder for one in self.found if one.folder is not None}:
            there = [place for place, one in enumerate(self.found) if one.folder == folder]
            if set(there) <= set(left_out):
                raise DataError(f"the folder {str(folder)!r} holds no text files ({len(there)} files looked at)")


def _grouped(texts: Iterator[str]) -> Iterator[Block]:
    """Documents in blocks."""
    some: list[str] = []
    size = 0
    for text in texts:
        some.append(text)
        size += len(text)
        if size >= BLOCK:
            yield Block(some)
            some, size = [], 0
    if some:
        yield Block(some)


def _parts(texts: Iterator[Text], border: re.Pattern[str] | None) -> Iterator[Block]:
    """One document in blocks, cut at a border."""
    held, begins = [next(texts)], True
    for text in texts:
        place = _last(border, held[-1])
        if place:
            yield Block([_joined([*held[:-1], held[-1][:place]])], begins, False)
            held, begins = [held[-1][place:]], False
        held.append(text)
    yield Block([_joined(held)], begins, True)


def _joined(parts: Sequence[Any]) -> Text:
    whole: Text = parts[0][:0].join(parts)
    return whole


def _last(border: re.Pattern[str] | None, text: Text) -> int:
    """The end of the last border in a text, or 0."""
    if border is None or isinstance(text, bytes):
        return len(text)
    width = 256
    while True:
        start = max(0, len(text) - width)
        places = [start + found.end() for found in border.finditer(text[start:])]
        if places or not start:
            return places[-1] if places else 0
        width *= 16
