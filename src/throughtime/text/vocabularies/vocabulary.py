"""What every vocabulary offers: symbols of a text, and their numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.errors import DataError, ParameterError, UnknownSymbol, short

Unknown = Literal["error", "skip"]
Text = str | bytes

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

    def __init__(self, size: int, ends: bool) -> None:
        self.size = size
        self.ends = ends
        self.dtype = np.min_scalar_type(len(self) - 1)

    @classmethod
    @abstractmethod
    def of(cls, texts: Sequence[Text], *, vocab_size: int | None = None, ends: bool = False) -> Self:
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

    def encode(self, text: Text, *, what: str = "the text", unknown: Unknown = "error") -> Array:
        """The ids of a text.

        Parameters
        ----------
        what : what the text is called in a message
        unknown : {"error", "skip"}
            What is done with symbols that the model never saw.

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
                    f"{self._first_strange(what, strange, codes)}, or pass unknown='skip' (--unknown skip)."
                )
            ids = ids[~strange]
        return ids.astype(self.dtype)

    def _first_strange(self, what: str, strange: Array, codes: Sequence[int]) -> str:
        position = int(np.argmax(strange))
        examples = ", ".join(map(self.show, self.examples()))
        return (
            f"{what} contains {self.show(int(codes[position]))} (position {position}), which the model never saw in "
            f"training. Known: {self.size} symbols, such as {examples}. Train on text that has it"
        )

    def examples(self) -> Iterable[int]:
        """Codes of a few symbols, for a message."""
        return ()

    def document(self, text: Text, *, unknown: Unknown = "error") -> Array:
        """The ids of a whole document: between two ends, where there are ends."""
        return self._between_ends(self.encode(text, unknown=unknown))

    def counted(self, text: Text) -> Array:
        """The ids of a whole document without the symbols that the model never saw; unknown words are ``<unk>``."""
        ids, strange, _ = self.find(text)
        return self._between_ends(ids[~strange])

    def _between_ends(self, ids: Array) -> Array:
        whole = np.concatenate([[self.size], ids, [self.size]]) if self.ends else ids
        return whole.astype(self.dtype)

    def normal(self, text: Text) -> Text:
        """The text as it would be written by a model that knows all its symbols."""
        return text

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
    def extended(self, texts: Sequence[Text], ends: bool) -> tuple[Self, Array]:
        """A vocabulary for these texts too, with ends if it has or needs them, and the new id of each old symbol.

        One that can write anything already stays as it is.
        """
