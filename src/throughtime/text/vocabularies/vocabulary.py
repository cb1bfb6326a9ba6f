"""What every vocabulary offers: symbols of a text, and their numbers."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.errors import DataError, ParameterError, UnknownSymbol, short
from throughtime.text.blocks import Text, Texts

Unknown = Literal["error", "skip"]

END = "<end>"
"""How the end of a document is shown; it is a symbol of its own, the last one."""


class Writer(ABC):
    """Turns ids into text, piece by piece as they come."""

    @abstractmethod
    def write(self, ids: Array) -> str:
        """The text of the next ids, as far as it is certain."""

    def finish(self) -> str:
        """What is left at the end."""
        return ""


class Vocabulary(ABC):
    """The symbols that a model knows; their places are their ids.

    Parameters
    ----------
    size : int
        How many there are, without the end of a document.
    ends : bool
        Whether the end of a document is one more symbol, with the last id.
    """

    level: ClassVar[str]
    called: ClassVar[str]
    """What a symbol is called in a message."""
    border: ClassVar[re.Pattern[str] | None] = None
    """A large text may be cut where this ends, and what is found before and after is the same; None: anywhere."""

    def __init__(self, size: int, ends: bool) -> None:
        self.size = size
        self.ends = ends
        self.dtype = np.min_scalar_type(len(self) - 1)

    @classmethod
    @abstractmethod
    def of(cls, texts: Texts, *, vocab_size: int | None = None, ends: bool = False) -> Self:
        """That of these texts."""

    def __len__(self) -> int:
        return self.size + self.ends

    @property
    def end(self) -> int | None:
        """The id of the end of a document."""
        return self.size if self.ends else None

    @property
    @abstractmethod
    def known(self) -> list[Any]:
        """The symbols by id, without the end of a document."""

    @property
    def symbols(self) -> list[Any]:
        """The symbols by id."""
        return [*self.known, *([END] if self.ends else [])]

    @property
    def unwritten(self) -> tuple[int, ...]:
        """Ids that stand for no text, and are not chosen in generation."""
        return ()

    @abstractmethod
    def show(self, code: int) -> str:
        """A symbol as it is written in a message."""

    @abstractmethod
    def find(self, text: Text) -> tuple[Array, Array, Sequence[int]]:
        """The ids of a text, which of them are strange (their ids mean nothing), and the codes that ``show`` takes."""

    @abstractmethod
    def writer(self, after: Text = "") -> Writer:
        """For text that goes on after another."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """For a model file."""

    @classmethod
    @abstractmethod
    def from_json(cls, fields: dict[str, Any], ends: bool) -> Self:
        """What ``to_json`` gave.

        Raises
        ------
        ModelFileError
            If it is anything else.
        """

    def encode(self, text: Text, *, what: str = "the text", unknown: Unknown = "error", before: int = 0) -> Array:
        """The ids of a text.

        Parameters
        ----------
        what : what the text is called in a message
        unknown : {"error", "skip"}
            What is done with symbols that the model never saw.
        before : how many of its symbols have come already, where the text is a part of one

        Raises
        ------
        UnknownSymbol
            Naming the first one and its position.
        """
        if unknown not in ("error", "skip"):
            raise ParameterError(f"unknown must be 'error' or 'skip', got {unknown!r}")
        if not isinstance(text, (str, bytes)):
            raise DataError(f"expected text for {what}, got {type(text).__name__}")
        ids, strange, codes = self.find(text)
        if strange.any():
            if unknown == "error":
                raise UnknownSymbol(
                    f"{self._first_strange(what, strange, codes, before)}, or pass unknown='skip' (--unknown skip)."
                )
            ids = ids[~strange]
        return ids.astype(self.dtype)

    def _first_strange(self, what: str, strange: Array, codes: Sequence[int], before: int = 0) -> str:
        position = int(np.argmax(strange))
        examples = ", ".join(map(self.show, self.examples()))
        return (
            f"{what} contains {self.show(int(codes[position]))} (position {before + position}), which the model never "
            f"saw in training. Known: {self.size} symbols, such as {examples}. Train on text that has it"
        )

    def examples(self) -> Iterable[int]:
        """Codes of a few symbols, for a message."""
        return ()

    def document(
        self, text: Text, *, unknown: Unknown | None = "error", begins: bool = True, ends: bool = True, before: int = 0
    ) -> Array:
        """The ids of a whole document, or of a part of one: between two ends, where there are ends.

        With ``unknown=None`` it is as with ``"skip"``, but that unknown words are ``<unk>``.
        """
        if unknown is None:
            ids, strange, _ = self.find(text)
            ids = ids[~strange].astype(self.dtype)
        else:
            ids = self.encode(text, unknown=unknown, before=before)
        first, last = ([self.size] if self.ends and there else [] for there in (begins, ends))
        return np.concatenate([first, ids, last]).astype(self.dtype) if first or last else ids

    def normal(self, parts: Iterable[Text]) -> Iterator[Text]:
        """The parts of a text as they would be written by a model that knows all its symbols."""
        return iter(parts)

    def decode(self, ids: Array) -> str:
        """The text of these ids; the end of a document is nothing."""
        writer = self.writer()
        return writer.write(np.asarray(ids, dtype=np.int64)) + writer.finish()

    def ids_of(self, symbol: Any) -> list[int]:
        """The ids of what a user calls a symbol; ``<end>`` is the end of a document.

        Raises
        ------
        UnknownSymbol
            If there is none.
        """
        if symbol == END and self.ends:
            return [self.size]
        found = self.places_of(symbol)
        if not found:
            raise UnknownSymbol(
                f"{symbol!r} is no symbol that the model knows; expected one {self.called}, such as "
                f"{', '.join(map(short, self.known[:3]))}; classes_ has them all"
            )
        return found

    @abstractmethod
    def places_of(self, symbol: Any) -> list[int]:
        """The ids of a symbol, none if it is not known."""

    def check_known(self, text: Text, what: str) -> None:
        """Raises :class:`UnknownSymbol` if the text has a symbol that is never written."""
        _, strange, codes = self.find(text)
        if strange.any():
            raise UnknownSymbol(f"{self._first_strange(what, strange, codes)}.")

    @abstractmethod
    def extended(self, texts: Texts, ends: bool) -> tuple[Self, Array]:
        """A vocabulary for these texts too, with ends if it has or needs them, and the new id of each old symbol.

        One that can write anything already stays as it is.
        """
