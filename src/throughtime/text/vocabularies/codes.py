"""Symbols that are numbers already: code points, and bytes."""

from __future__ import annotations

import codecs
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.errors import DataError, ModelFileError, ParameterError
from throughtime.text.blocks import Text, Texts, as_bytes, parts_of
from throughtime.text.vocabularies.vocabulary import Vocabulary, Writer


class Codes(Vocabulary):
    """Symbols in increasing order of their codes.

    Parameters
    ----------
    codes : array of increasing integers
        Code points, or byte values.
    ends : bool, default False
    """

    limit: ClassVar[int]

    def __init__(self, codes: Array, ends: bool = False) -> None:
        self.codes = np.asarray(codes)
        super().__init__(len(self.codes), ends)

    @classmethod
    def of(cls, texts: Texts, *, vocab_size: int | None = None, ends: bool = False) -> Self:
        if vocab_size is not None:
            raise ParameterError(
                f"vocab_size is for the levels 'word' and 'bpe'; level={cls.level!r} takes all symbols"
            )
        seen = np.zeros(cls.limit, bool)
        for text, _ in parts_of(texts, "vocabulary"):
            codes = cls.split(text)
            if not seen.take(codes).all():  # as it soon is, and asking is faster than writing
                seen[codes] = True
        return cls(np.flatnonzero(seen).astype(np.min_scalar_type(cls.limit - 1)), ends)

    @staticmethod
    @abstractmethod
    def split(text: Text) -> Array:
        """The codes of a text, one for each symbol."""

    def find(self, text: Text) -> tuple[Array, Array, Sequence[int]]:
        codes = self.split(text)
        largest = int(self.codes[-1])
        if 8 * len(codes) > largest:  # then looking up is faster than searching
            places = np.full(largest + 2, -1, np.int32)
            places[self.codes] = np.arange(len(self.codes))
            ids = places.take(codes, mode="clip")
            return ids, ids < 0, codes  # type: ignore[return-value]
        ids = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        return ids, self.codes[ids] != codes, codes  # type: ignore[return-value]

    def examples(self) -> Iterable[int]:
        return self.codes[:3].tolist()  # type: ignore[no-any-return]

    def codes_of(self, ids: Array) -> Array:
        """The codes of these ids, without ends."""
        return self.codes[ids[ids < self.size]]

    def places_of(self, symbol: Any) -> list[int]:
        return [place for place, known in enumerate(self.known) if known == symbol]

    def extended(self, texts: Texts, ends: bool) -> tuple[Self, Array]:
        wider = type(self)(np.union1d(self.codes, type(self).of(texts).codes), self.ends or ends)
        places = np.searchsorted(wider.codes, self.codes)
        return wider, np.append(places, wider.size) if self.ends else places

    def to_json(self) -> dict[str, Any]:
        return {"codes": self.codes.tolist()}

    @classmethod
    def from_json(cls, fields: dict[str, Any], ends: bool) -> Self:
        codes = fields.get("codes")
        if not isinstance(codes, list) or not codes or not all(type(code) is int for code in codes):
            raise ModelFileError("the model file is damaged: it has no vocabulary")
        if codes[0] < 0 or codes[-1] >= cls.limit or any(a >= b for a, b in pairwise(codes)):
            raise ModelFileError("the model file is damaged: its vocabulary is not in order")
        return cls(np.array(codes), ends)


class Characters(Codes):
    """Unicode code points."""

    level = "char"
    called = "character"
    limit = 0x110000

    @staticmethod
    def split(text: Text) -> Array:
        if isinstance(text, bytes):
            raise DataError("bytes were given where text is expected; decode them, or use level='byte'")
        return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")

    def writer(self, after: Text = "") -> Writer:
        return _CharacterWriter(self)

    def show(self, code: int) -> str:
        return repr(chr(code))

    @property
    def known(self) -> list[str]:
        return [chr(code) for code in self.codes.tolist()]


class _CharacterWriter(Writer):
    def __init__(self, vocabulary: Characters) -> None:
        self.vocabulary = vocabulary

    def write(self, ids: Array) -> str:
        return self.vocabulary.codes_of(ids).astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")


class Bytes(Codes):
    """Bytes; text is read and written as UTF-8."""

    level = "byte"
    called = "byte"
    limit = 256

    @staticmethod
    def split(text: Text) -> Array:
        return np.frombuffer(as_bytes(text), dtype=np.uint8)

    def writer(self, after: Text = "") -> Writer:
        return _ByteWriter(self, after)

    def decode(self, ids: Array) -> str:
        data = self.codes_of(np.asarray(ids, dtype=np.int64)).astype(np.uint8).tobytes()
        try:
            return data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:  # a model may write what is not UTF-8
            return data.decode("utf-8", "replace")

    def show(self, code: int) -> str:
        return f"the byte 0x{code:02x}"

    @property
    def known(self) -> list[int]:
        return list(map(int, self.codes))

    def places_of(self, symbol: Any) -> list[int]:
        """A byte is meant by its number, or by text or bytes of this one byte."""
        data = as_bytes(symbol) if isinstance(symbol, (str, bytes)) else b""
        return super().places_of(data[0] if len(data) == 1 else symbol)


class _ByteWriter(Writer):
    def __init__(self, vocabulary: Bytes, after: Text) -> None:
        self.vocabulary = vocabulary
        self.decoder = utf8_after(after)

    def write(self, ids: Array) -> str:
        return self.decoder.decode(self.vocabulary.codes_of(ids).astype(np.uint8).tobytes())

    def finish(self) -> str:
        return self.decoder.decode(b"", final=True)


def utf8_after(text: Text) -> codecs.IncrementalDecoder:
    """A decoder that has read a text, which may end inside a character."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(as_bytes(text))
    return decoder
