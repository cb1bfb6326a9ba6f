"""Timing in alternating rounds: everybody has a turn in each, so that a slow moment of the machine is nobody's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

Name = TypeVar("Name")


def alternate(turns: Mapping[Name, Callable[[], float]], rounds: int) -> dict[Name, list[float]]:
    """What each turn gives, a figure a round; one at a time, in every second round in reverse order."""
    figures: dict[Name, list[float]] = {name: [] for name in turns}
    for number in range(rounds):
        for name in list(turns)[:: -1 if number % 2 else 1]:
            figures[name].append(turns[name]())
    return figures
