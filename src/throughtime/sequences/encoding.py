"""From what was read to what a network takes: numbers are standardised, symbols become ids or features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.errors import DataError, DataTypeError, how_many, short
from throughtime.layers import Dense, Embedding, Layer, OneHot
from throughtime.sequences.inputs import Read
from throughtime.sequences.rows import Lesson, Rows, Symbols

MOST_SYMBOLS = 8_000
"""Where nothing is said."""


class Encoding(ABC):
    """How sequences are given to the network."""

    kind: ClassVar[str]

    @abstractmethod
    def rows(self, read: Read) -> Rows:
        """The sequences that were read, as numbers.

        Raises
        ------
        DataError
            If they are not of the kind that was learned from.
        """

    @abstractmethod
    def first_layers(self, embedding_size: int) -> tuple[list[Layer], int]:
        """What stands before the recurrent layers, and how many numbers it gives for each step."""

    def block(self, values: Array) -> Array:
        """What the network takes for a block ``[T, n, ...]`` of these numbers."""
        return values

    @property
    def width(self) -> int:
        """How many numbers the network takes at each step."""
        return 1

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """For a model file."""


@dataclass(frozen=True)
class Scale:
    """Numbers less their mean, divided by their spread.

    ``mean [D]`` and ``spread [D]``; a feature that never changes has the spread 1.
    """

    mean: Array
    spread: Array

    @classmethod
    def of(cls, values: Array, weights: Array) -> Scale:
        """That of values ``[S, D]`` that count as often as ``weights [S]`` say.

        Raises
        ------
        DataError
            If a square of them is beyond the largest number.
        """
        shares = weights / weights.sum()
        return cls.of_parts(lambda: [(values, shares)])

    @classmethod
    def of_parts(cls, parts: Callable[[], Iterable[tuple[Array, Array]]]) -> Scale:
        """The same, of values that come in parts ``[s, D]``, each with the shares ``[s]`` that its values have in all.

        Raises
        ------
        DataError
            If a square of them is beyond the largest number.
        """
        mean = np.asarray(sum((shares[:, None] * values).sum(axis=0) for values, shares in parts()))
        with np.errstate(over="ignore"):
            squares = sum((shares[:, None] * (values - mean) ** 2).sum(axis=0) for values, shares in parts())
            spread = np.sqrt(np.asarray(squares))
        if not np.isfinite(spread).all():
            largest = max(np.abs(values).max() for values, _ in parts())
            raise DataError(f"numbers as large as {largest:.0e} cannot be standardised; divide them first")
        constant = spread <= 1e-12 * np.abs(mean)
        return cls(mean, np.where(constant | (spread == 0), 1.0, spread))

    def forth(self, values: Array) -> Array:
        """Standardised."""
        return np.asarray((values - self.mean) / self.spread)

    def back(self, values: Array) -> Array:
        """As they were."""
        return np.asarray(values * self.spread + self.mean)


@dataclass(frozen=True)
class Numbers(Encoding):
    """Numbers ``[S, D]``, each feature standardised over all steps."""

    scale: Scale
    kind = "numbers"

    @classmethod
    def of(cls, lesson: Lesson) -> Numbers:
        """That of the rows that are learned."""
        rows = lesson.rows

        def weights(part: slice) -> Array:
            return np.repeat(lesson.weights[part], rows.lengths[part])

        total = sum(weights(part).sum() for part in rows.parts())
        return cls(Scale.of_parts(lambda: ((rows.values_of(part), weights(part) / total) for part in rows.parts())))

    def rows(self, read: Read) -> Rows:
        found = numbers_of(read)
        features = found.values.shape[1]
        if features != self.width:
            given = how_many(features, "feature")
            raise DataError(f"X has {given} at each step, but this model learned from {self.width}")
        return found

    def block(self, values: Array) -> Array:
        return self.scale.forth(values)

    @property
    def width(self) -> int:
        return len(self.scale.mean)

    def first_layers(self, embedding_size: int) -> tuple[list[Layer], int]:
        return [], self.width

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind}


@dataclass(frozen=True)
class Alphabet(Encoding):
    """Symbols by their places among the known ones; the id behind these stands for all others."""

    known: Sequence[Hashable]
    kind = "symbols"
    places: Mapping[Hashable, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "places", {symbol: place for place, symbol in enumerate(self.known)})

    @classmethod
    def of(cls, symbols: Symbols, vocab_size: int | None) -> Alphabet:
        """The most frequent symbols.

        Of those that occur once every second is left out, so that the network learns what to make of an unknown one.
        """
        return cls(_most_frequent(symbols.counts(), vocab_size, spare_once=True))

    @classmethod
    def every(cls, symbols: Symbols) -> Alphabet:
        """All symbols, integers before strings."""
        return cls(sorted(symbols.counts(), key=lambda symbol: (isinstance(symbol, str), symbol)))

    def rows(self, read: Read) -> Rows:
        symbols = symbols_of(read)
        return symbols.mapped(self.ids(symbols.known))

    def ids(self, symbols: Sequence[Hashable]) -> Array:
        """Those of symbols ``[T]``."""
        unknown = len(self.known)
        return np.array([self.places.get(symbol, unknown) for symbol in symbols], np.min_scalar_type(unknown))

    def block(self, values: Array) -> Array:
        return values.astype(np.int64)

    def first_layers(self, embedding_size: int) -> tuple[list[Layer], int]:
        size = len(self.known) + 1
        if embedding_size:
            return [Embedding(size, embedding_size)], embedding_size
        return [OneHot(size)], size

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "known": list(self.known)}


@dataclass(frozen=True)
class Features(Encoding):
    """What is known of each token: the token itself, its first and last characters, and its shape.

    Each known feature is one input that is 1 where a token has it; a token that was never seen still has an end and a
    shape. The numbers of a row are ``[T, M]``, those of its features, those that are not known being the last.
    """

    known: Sequence[str]
    kind = "features"
    places: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "places", {feature: place for place, feature in enumerate(self.known)})

    @classmethod
    def of(cls, symbols: Symbols, vocab_size: int | None) -> Features:
        """The most frequent features, each at least twice; all, where none is."""
        counts: Counter[str] = Counter()
        for token, count in symbols.counts().items():
            for feature in features(token):
                counts[feature] += count
        often = Counter({feature: count for feature, count in counts.items() if count > 1})
        return cls(_most_frequent(often or counts, vocab_size, spare_once=False))

    def rows(self, read: Read) -> Rows:
        symbols, unknown = symbols_of(read), len(self.known)
        found = [[self.places.get(feature, unknown) for feature in features(token)] for token in symbols.known]
        return symbols.mapped(np.array(found, np.min_scalar_type(unknown)))

    @property
    def width(self) -> int:
        return len(self.known)

    def first_layers(self, embedding_size: int) -> tuple[list[Layer], int]:
        if not embedding_size:
            return [], self.width
        return [Dense(self.width, embedding_size, name="features")], embedding_size

    def block(self, values: Array) -> Array:
        found = np.zeros((*values.shape[:2], len(self.known) + 1), np.float32)
        np.put_along_axis(found, values.astype(np.int64), 1.0, axis=2)
        return np.ascontiguousarray(found[..., :-1])

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "known": list(self.known)}


def features(token: Hashable) -> list[str]:
    """The features of a token, always as many.

    Examples
    --------
    >>> features("Paris")
    ['=Paris', '^p', '^pa', '^par', 's$', 'is$', 'ris$', '#Aa']
    """
    if not isinstance(token, str):
        raise DataTypeError(f"characters=True needs tokens that are strings, got {short(token)}")
    low = token.lower()
    return [f"={token}", *(f"^{low[:n]}" for n in (1, 2, 3)), *(f"{low[-n:]}$" for n in (1, 2, 3)), f"#{shape(token)}"]


def shape(token: str) -> str:
    """Runs of capitals, small letters and digits as one ``A``, ``a`` and ``0`` each; other characters as they are.

    Examples
    --------
    >>> shape("McDonald's-24")
    "AaAa'a-0"
    """
    kinds = ["A" if c.isupper() else "0" if c.isdigit() else "a" if c.isalpha() else c for c in token]
    return "".join(kind for place, kind in enumerate(kinds) if place == 0 or kinds[place - 1] != kind)


def numbers_of(read: Read) -> Rows:
    """The numbers of each sequence.

    Raises
    ------
    DataError
        If symbols were read.
    """
    if not isinstance(read.content, Rows):
        raise DataError("this model learned from numbers, but X holds symbols")
    return read.content


def symbols_of(read: Read) -> Symbols:
    """The symbols of each sequence.

    Raises
    ------
    DataError
        If numbers were read.
    """
    if isinstance(read.content, Rows):
        raise DataError("this model learned from symbols, but X holds numbers")
    return read.content


def _most_frequent(counts: Counter[Any], vocab_size: int | None, *, spare_once: bool) -> list[Any]:
    """The most frequent first, equally frequent ones in order, integers before strings."""
    order = sorted(counts, key=lambda symbol: (-counts[symbol], isinstance(symbol, str), symbol))
    often = [symbol for symbol in order if counts[symbol] > 1]
    once = order[len(often) :]
    most = MOST_SYMBOLS if vocab_size is None else vocab_size
    return [*often, *(once[::2] if spare_once else once)][:most]
