"""Texts that are too large to be held come in blocks; what learns from text takes both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

Text = str | bytes


class Block(NamedTuple):
    """Documents, or parts of them, one after another."""

    texts: Sequence[Text]
    begins: bool = True
    """Whether the first one begins here; else it goes on from the block before."""
    ends: bool = True
    """Whether the last one ends here; else it goes on in the next block."""


class LargeTexts(ABC):
    """Documents that lie on disk."""

    @abstractmethod
    def __len__(self) -> int:
        """How many documents there are."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """In hexadecimal digits, the same for the same documents."""

    @abstractmethod
    def blocks(self, what: str) -> Iterator[Block]:
        """All of them; ``what`` is what they are read for, as it is shown."""

    @abstractmethod
    def key(self, *purpose: Any) -> str:
        """What is made of them for this purpose is kept under this name: it is that of their contents."""

    def __iter__(self) -> Iterator[Text]:
        """Each document as a whole."""
        parts: list[Any] = []
        for text, ends in parts_of(self, "documents"):
            parts.append(text)
            if ends:
                yield text[:0].join(parts)
                parts = []


Texts = Sequence[Text] | LargeTexts


def blocks_of(texts: Texts, what: str) -> Iterator[Block]:
    """The documents in blocks; those in memory are one."""
    return texts.blocks(what) if isinstance(texts, LargeTexts) else iter([Block(texts)])


def parts_of(texts: Texts, what: str) -> Iterator[tuple[Text, bool]]:
    """The documents in parts, and of each part whether its document ends there."""
    for block in blocks_of(texts, what):
        for place, text in enumerate(block.texts, start=1):
            yield text, block.ends or place < len(block.texts)


class Fingerprint:
    """Of documents, the same however they are cut into parts: BLAKE2 of the bytes and the length of each."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=16)
        self._length = 0

    def add(self, data: bytes, ends: bool) -> None:
        """One more part."""
        self._hash.update(data)
        self._length += len(data)
        if ends:
            self._hash.update(self._length.to_bytes(8, "little"))
            self._length = 0

    def copy(self) -> Fingerprint:
        """As it is so far."""
        other = Fingerprint()
        other._hash, other._length = self._hash.copy(), self._length
        return other

    def hexdigest(self) -> str:
        """In hexadecimal digits."""
        return self._hash.hexdigest()


def as_bytes(text: Text) -> bytes:
    """A text in UTF-8; bytes as they are."""
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
