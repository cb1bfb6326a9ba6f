"""Parts of words, found by byte-pair encoding.

R. Sennrich, B. Haddow and A. Birch, Neural machine translation of rare words with subword units, 2016, in the form over
bytes of A. Radford et al., Language models are unsupervised multitask learners, 2019: any text can be written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.errors import DataError, ModelFileError, ParameterError
from throughtime.text.vocabularies.codes import utf8_after
from throughtime.text.vocabularies.vocabulary import Text, Vocabulary, Writer

BYTES = 256
MOST_PARTS = 8_000
CHARACTERS_A_PART = 100
"""Where no size is said there is a part for so many characters of text."""


class Subwords(Vocabulary):
    """What the library ``tokenizers`` finds: all bytes, and the parts that are made of them.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
    ends : bool, default False
    """

    level = "bpe"
    called = "part of a word"

    def __init__(self, tokenizer: Any, ends: bool = False) -> None:
        self.tokenizer = tokenizer
        letters = _bytes_of_letters()
        size = tokenizer.get_vocab_size()
        self.parts = [bytes(letters[letter] for letter in tokenizer.id_to_token(place)) for place in range(size)]
        super().__init__(size, ends)

    @classmethod
    def of(cls, texts: Sequence[Text], *, vocab_size: int | None = None, ends: bool = False) -> Self:
        tokenizers = _library()
        length = sum(len(_checked(text)) for text in texts)
        chosen = max(2 * BYTES, min(MOST_PARTS, length // CHARACTERS_A_PART)) if vocab_size is None else vocab_size
        if chosen < BYTES + ends:
            raise ParameterError(f"vocab_size must have room for the {BYTES} bytes at level='bpe', got {vocab_size}")
        tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=chosen - ends,
            show_progress=False,
            initial_alphabet=sorted(_bytes_of_letters()),
        )
        tokenizer.train_from_iterator((_whole(text) for text in texts), trainer)
        return cls(tokenizer, ends)

    @property
    def known(self) -> list[str]:
        return [part.decode("utf-8", "backslashreplace") for part in self.parts]

    def show(self, code: int) -> str:
        return repr(self.known[code])

    def find(self, text: Text) -> tuple[Array, Array, Sequence[int]]:
        ids = np.array(self.tokenizer.encode(_whole(text)).ids, dtype=np.int64)
        return ids, np.zeros(len(ids), bool), ids.tolist()

    def places_of(self, symbol: Any) -> list[int]:
        return [place for place, part in enumerate(self.known) if part == symbol]

    def extended(self, texts: Sequence[Text], ends: bool) -> tuple[Self, Array]:
        return type(self)(self.tokenizer, self.ends or ends), np.arange(len(self))

    def writer(self, after: Text = "") -> Writer:
        return _PartWriter(self, after)

    def to_json(self) -> dict[str, Any]:
        return {"tokenizer": self.tokenizer.to_str()}

    @classmethod
    def from_json(cls, fields: dict[str, Any], ends: bool) -> Self:
        stored = fields.get("tokenizer")
        if not isinstance(stored, str):
            raise ModelFileError("the model file is damaged: it has no vocabulary")
        tokenizers = _library()
        try:
            return cls(tokenizers.Tokenizer.from_str(stored), ends)
        except Exception as error:  # the library raises nothing more definite
            raise ModelFileError(f"the model file is damaged: its vocabulary cannot be read: {error}") from error

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "tokenizer": self.tokenizer.to_str()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, tokenizer=_library().Tokenizer.from_str(state["tokenizer"]))


class _PartWriter(Writer):
    def __init__(self, vocabulary: Subwords, after: Text) -> None:
        self.vocabulary = vocabulary
        self.decoder = utf8_after(after)

    def write(self, ids: Array) -> str:
        parts = self.vocabulary.parts
        return self.decoder.decode(b"".join(parts[i] for i in ids.tolist() if i < len(parts)))

    def finish(self) -> str:
        return self.decoder.decode(b"", final=True)


def _library() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise ParameterError(
            "level='bpe' needs the package tokenizers; install it with pip install 'throughtime[bpe]'"
        ) from None
    return tokenizers


def _bytes_of_letters() -> dict[str, int]:
    """The letter by which GPT-2's encoding writes each byte: itself where it can be seen, else one from 256 on."""
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(BYTES) if byte not in seen]
    return {chr(byte): byte for byte in seen} | {chr(BYTES + place): byte for place, byte in enumerate(hidden)}


def _whole(text: Text) -> str:
    """The text with what UTF-8 cannot hold replaced."""
    return _checked(text).encode("utf-8", "replace").decode("utf-8")


def _checked(text: Text) -> str:
    if isinstance(text, bytes):
        raise DataError("bytes were given where text is expected; decode them, or use level='byte'")
    return text
