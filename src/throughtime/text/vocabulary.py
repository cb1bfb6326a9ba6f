"""Symbols of a text and their numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar, Literal

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.errors import DataError, ModelFileError, ParameterError, UnknownSymbol, known

Unknown = Literal["error", "skip"]
Text = str | bytes


class Vocabulary(ABC):
    """The symbols that a model knows, in increasing order; their places are their ids.

    Parameters
    ----------
    codes : array of increasing integers
        Code points, or byte values.
    """

    level: ClassVar[str]
    limit: ClassVar[int]

    def __init__(self, codes: Array) -> None:
        self.codes = np.asarray(codes)
        self.dtype = np.min_scalar_type(len(self.codes) - 1)

    @classmethod
    def of(cls, texts: Sequence[Text]) -> Vocabulary:
        """All symbols of these texts."""
        seen = [np.unique(cls.split(text)) for text in texts]
        return cls(np.unique(np.concatenate(seen)))

    @staticmethod
    @abstractmethod
    def split(text: Text) -> Array:
        """The codes of a text, one for each symbol."""

    @abstractmethod
    def join(self, codes: Array) -> str:
        """The text of these codes."""

    @abstractmethod
    def show(self, code: int) -> str:
        """A symbol as it is written in a message."""

    @property
    @abstractmethod
    def symbols(self) -> list[Any]:
        """The symbols, by id."""

    def __len__(self) -> int:
        return len(self.codes)

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
        codes = self.split(text)
        ids = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        strange = self.codes[ids] != codes
        if strange.any():
            if unknown == "skip":
                ids = ids[~strange]
            else:
                position = int(np.argmax(strange))
                examples = ", ".join(self.show(code) for code in self.codes[:3].tolist())
                raise UnknownSymbol(
                    f"{what} contains {self.show(int(codes[position]))} (position {position}), which the model never "
                    f"saw in training. Known: {len(self)} symbols, such as {examples}. Train on text that has it, or "
                    "pass unknown='skip' (--unknown skip)."
                )
        return ids.astype(self.dtype)

    def decode(self, ids: Array) -> str:
        """The text of these ids."""
        return self.join(self.codes[np.asarray(ids, dtype=np.int64)])

    def to_json(self) -> dict[str, Any]:
        """For a model file."""
        return {"level": self.level, "codes": self.codes.tolist()}


class Characters(Vocabulary):
    """Unicode code points."""

    level = "char"
    limit = 0x110000

    @staticmethod
    def split(text: Text) -> Array:
        if isinstance(text, bytes):
            raise DataError("bytes were given where text is expected; decode them, or use level='byte'")
        return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")

    def join(self, codes: Array) -> str:
        return codes.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")

    def show(self, code: int) -> str:
        return repr(chr(code))

    @property
    def symbols(self) -> list[str]:
        return [chr(code) for code in self.codes.tolist()]


class Bytes(Vocabulary):
    """Bytes; text is read and written as UTF-8."""

    level = "byte"
    limit = 256

    @staticmethod
    def split(text: Text) -> Array:
        data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        return np.frombuffer(data, dtype=np.uint8)

    def join(self, codes: Array) -> str:
        data = codes.astype(np.uint8).tobytes()
        try:
            return data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:  # a model may write what is not UTF-8
            return data.decode("utf-8", "replace")

    def show(self, code: int) -> str:
        return f"the byte 0x{code:02x}"

    @property
    def symbols(self) -> list[int]:
        return list(map(int, self.codes))


LEVELS: dict[str, type[Vocabulary]] = {kind.level: kind for kind in (Characters, Bytes)}


def level(name: str) -> type[Vocabulary]:
    """The kind of vocabulary of this name.

    Raises
    ------
    ParameterError
        If it is unknown.
    """
    if name not in LEVELS:
        raise ParameterError(f"level must be one of {known(LEVELS)}, got {name!r}")
    return LEVELS[name]


def from_json(data: Any) -> Vocabulary:
    """What ``to_json`` gave.

    Raises
    ------
    ModelFileError
        If it is anything else.
    """
    fields: dict[str, Any] = data if isinstance(data, dict) else {}
    kind, codes = LEVELS.get(str(fields.get("level"))), fields.get("codes")
    if kind is None or not isinstance(codes, list) or not codes or not all(type(code) is int for code in codes):
        raise ModelFileError("the model file is damaged: it has no vocabulary")
    if codes[0] < 0 or codes[-1] >= kind.limit or any(a >= b for a, b in pairwise(codes)):
        raise ModelFileError("the model file is damaged: its vocabulary is not in order")
    return kind(np.array(codes))
