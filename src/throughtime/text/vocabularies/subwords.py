"""Parts of words, found by byte-pair encoding.

R. Sennrich, B. Haddow and A. Birch, Neural machine translation of rare words with subword units, 2016, in the form over
bytes of A. Radford et al., Language models are unsupervised multitask learners, 2019: any text can be written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.errors import DataError, MissingPackage, ModelFileError, ParameterError
from throughtime.text.blocks import Text, Texts, parts_of
from throughtime.text.vocabularies.codes import utf8_after
from throughtime.text.vocabularies.vocabulary import Vocabulary, Writer

BYTES = 256
MOST_PARTS = 8_000
CHARACTERS_A_PART = 100
"""Where no size is said there is a part for so many characters of text."""
LONGEST_SAMPLE = 1 << 24
"""The parts are found in so many characters at the beginning."""


class Subwords(Vocabulary):
    """What the library ``tokenizers`` finds: all bytes, and the parts that are made of them.

    Parameters
    ----------
    letters : sequence of str
        The parts by id, each byte written as GPT-2's encoding writes it.
    merges : sequence of pairs
        Which two parts become one, the most frequent first.
    ends : bool, default False
    """

    level = "bpe"
    called = "part of a word"
    border = re.compile(r"\w(?= \w)|\w(?=\n\w)")

    def __init__(self, letters: Sequence[str], merges: Sequence[tuple[str, str]], ends: bool = False) -> None:
        self.letters, self.merges = list(letters), list(merges)
        bytes_of = _bytes_of_letters()
        self.parts = [bytes(bytes_of[letter] for letter in part) for part in letters]
        self.tokenizer = _tokenizer(self.letters, self.merges)
        super().__init__(len(self.parts), ends)

    @classmethod
    def of(cls, texts: Texts, *, vocab_size: int | None = None, ends: bool = False) -> Self:
        tokenizers = _library()
        sample = _sample(texts)
        length = sum(map(len, sample))
        chosen = max(2 * BYTES, min(MOST_PARTS, length // CHARACTERS_A_PART)) if vocab_size is None else vocab_size
        if chosen < BYTES + ends:
            raise ParameterError(f"vocab_size must have room for the {BYTES} bytes at level='bpe', got {vocab_size}")
        tokenizer = _tokenizer([], [])
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=chosen - ends,
            show_progress=False,
            initial_alphabet=sorted(_bytes_of_letters()),
        )
        tokenizer.train_from_iterator(map(_whole, sample), trainer)
        model = json.loads(tokenizer.to_str())["model"]
        letters = sorted(model["vocab"], key=model["vocab"].get)
        return cls(letters, [(left, right) for left, right in model["merges"]], ends)

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

    def extended(self, texts: Texts, ends: bool) -> tuple[Self, Array]:
        return type(self)(self.letters, self.merges, self.ends or ends), np.arange(len(self))

    def writer(self, after: Text = "") -> Writer:
        return _PartWriter(self, after)

    def to_json(self) -> dict[str, Any]:
        return {"parts": self.letters, "merges": [list(pair) for pair in self.merges]}

    @classmethod
    def from_json(cls, fields: dict[str, Any], ends: bool) -> Self:
        letters, merges = fields.get("parts"), fields.get("merges")
        if not isinstance(letters, list) or not isinstance(merges, list):
            raise ModelFileError("the model file is damaged: it has no vocabulary")
        strings = all(isinstance(part, str) and part for part in letters)
        if not strings or len(set(letters)) != len(letters) or not set(_bytes_of_letters()) <= set(letters):
            raise ModelFileError("the model file is damaged: its vocabulary lacks a byte, or has a part twice")
        if set("".join(letters)) - set(_bytes_of_letters()):
            raise ModelFileError("the model file is damaged: its vocabulary has a part that is not made of bytes")
        known = set(letters)
        for pair in merges:
            fits = isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)
            if not fits or not {*pair, "".join(pair)} <= known:
                raise ModelFileError("the model file is damaged: its vocabulary joins parts that it does not have")
        return cls(letters, [(left, right) for left, right in merges], ends)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "tokenizer"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, tokenizer=_tokenizer(state["letters"], state["merges"]))


class _PartWriter(Writer):
    def __init__(self, vocabulary: Subwords, after: Text) -> None:
        self.vocabulary = vocabulary
        self.decoder = utf8_after(after)

    def write(self, ids: Array) -> str:
        parts = self.vocabulary.parts
        return self.decoder.decode(b"".join(parts[i] for i in ids.tolist() if i < len(parts)))

    def finish(self) -> str:
        return self.decoder.decode(b"", final=True)


def _sample(texts: Texts) -> list[str]:
    sample, left = [], LONGEST_SAMPLE
    for text, _ in parts_of(texts, "vocabulary"):
        sample.append(_checked(text)[:left])
        left -= len(sample[-1])
        if not left:
            break
    return sample


def _tokenizer(letters: Sequence[str], merges: Sequence[tuple[str, str]]) -> Any:
    tokenizers = _library()
    places = {part: place for place, part in enumerate(letters)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=places, merges=list(merges)))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def _library() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise MissingPackage(
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
