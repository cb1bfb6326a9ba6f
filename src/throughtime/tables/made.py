"""Sequences whose elements are made as they are asked for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, overload

One = TypeVar("One", covariant=True)


class Made(Sequence[One]):
    """A sequence whose elements are made anew whenever they are asked for, so that none of them takes room.

    Copies and pickles of it are lists.
    """

    @abstractmethod
    def made(self, number: int) -> One:
        """The element of a number, from 0 on."""

    @overload
    def __getitem__(self, place: int) -> One: ...

    @overload
    def __getitem__(self, place: slice) -> list[One]: ...

    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return [self.made(number) for number in range(*place.indices(len(self)))]
        length = len(self)
        number = int(place) + (length if place < 0 else 0)
        if not 0 <= number < length:
            raise IndexError(f"element {place} of {length}")
        return self.made(number)

    def __iter__(self) -> Iterator[One]:
        return map(self.made, range(len(self)))

    def __reduce__(self) -> Any:
        return list, ([*self],)
