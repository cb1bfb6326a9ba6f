"""How well tags are found: each tag by itself, and names of several tokens as a whole."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from throughtime.engine.protocol import Array

Span = tuple[int, int, int, str]
"""A name: its sequence, its first step, the one behind its last, and its type."""


@dataclass(frozen=True)
class Score:
    """Of what was found: how much of it is right, and how much of what is there was found.

    Parameters
    ----------
    precision, recall : float
        0 where nothing was found, or nothing is there.
    support : int
        How many there are.
    """

    precision: float
    recall: float
    support: int

    @classmethod
    def of(cls, right: int, found: int, there: int) -> Score:
        """From how many were found rightly, were found, and are there."""
        return cls(right / found if found else 0.0, right / there if there else 0.0, there)

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


@dataclass(frozen=True)
class Report:
    """How well tags are found; ``print`` it.

    Parameters
    ----------
    tags : mapping of tag to Score
    accuracy : float
        The share of steps that are right; where several tags may hold, right in all.
    baseline : float or None
        The accuracy of giving each token the tag that it had most often in training, and to one that was not seen there
        the most frequent of all; None where several may hold.
    names : Score or None
        Of names that were found whole, with the right type; None where tags are not those of names, such as ``B-PER``.
    types : mapping of type to Score
        The same for each type of name.
    """

    tags: Mapping[Any, Score]
    accuracy: float
    baseline: float | None = None
    names: Score | None = None
    types: Mapping[str, Score] | None = None

    def __str__(self) -> str:
        rows = [(str(tag), score) for tag, score in self.tags.items()]
        if self.names is not None:
            rows += [(f"whole {kind}", score) for kind, score in (self.types or {}).items()]
            rows.append(("all whole names", self.names))
        lines = [table_of(rows), f"accuracy {self.accuracy:.3f}"]
        if self.baseline is not None:
            lines.append(f"the most frequent tag of each token: {self.baseline:.3f}")
        return "\n".join(lines)


def table_of(rows: Sequence[tuple[str, Score]]) -> str:
    """Named scores, a line each below the names of the columns."""
    width = max(len(name) for name, _ in rows)
    lines = [f"{'':<{width}}  precision  recall     F1  support"]
    lines += [
        f"{name:<{width}}  {score.precision:9.3f}  {score.recall:6.3f}  {score.f1:5.3f}  {score.support:7,}"
        for name, score in rows
    ]
    return "\n".join(lines)


def report(found: Sequence[Sequence[Hashable]], tags: Sequence[Sequence[Hashable]], guessed: Sequence[Any]) -> Report:
    """Compares tags, sequence by sequence.

    Parameters
    ----------
    found, tags : the tags that were found and those that are there, of each sequence
    guessed : those of the baseline, of all steps
    """
    flat_found = [tag for row in found for tag in row]
    flat = [tag for row in tags for tag in row]
    scores = scores_of(flat_found, flat)
    accuracy = float(np.mean([a == b for a, b in zip(flat_found, flat, strict=True)]))
    baseline = float(np.mean([a == b for a, b in zip(guessed, flat, strict=True)]))
    if not _are_names(flat):
        return Report(scores, accuracy, baseline)
    of_found, of_tags = set(spans(found)), set(spans(tags))
    types = {kind: _of_spans(of_found, of_tags, kind) for kind in sorted({span[3] for span in of_found | of_tags})}
    return Report(scores, accuracy, baseline, _of_spans(of_found, of_tags), types)


def scores_of(found: Iterable[Any], there: Iterable[Any]) -> dict[Any, Score]:
    """How well each label is found, in order; ``found`` and ``there`` have one for each row or step."""
    right: Counter[Any] = Counter()
    counts: Counter[Any] = Counter()
    expected: Counter[Any] = Counter()
    for (a, b), count in Counter(zip(found, there, strict=True)).items():
        counts[a] += count
        expected[b] += count
        right[a] += count if a == b else 0
    order = sorted(counts | expected, key=lambda label: (type(label).__name__, label))
    return {label: Score.of(right[label], counts[label], expected[label]) for label in order}


def report_of_several(found: Array, tags: Array) -> Report:
    """Compares 0s and 1s ``[S, K]``, label by label."""
    right = ((found == 1) & (tags == 1)).sum(axis=0)
    counts = zip(right.tolist(), found.sum(axis=0).tolist(), tags.sum(axis=0).tolist(), strict=True)
    scores = {label: Score.of(*count) for label, count in enumerate(counts)}
    return Report(scores, float((found == tags).all(axis=1).mean()))


def spans(rows: Sequence[Sequence[Any]]) -> list[Span]:
    """The names in rows of tags: ``B-`` begins one, ``I-`` of the same type goes on.

    An ``I-`` that follows no name of its type begins one, as the program of the CoNLL shared tasks counts.

    Examples
    --------
    >>> spans([["B-PER", "I-PER", "O", "B-LOC", "B-LOC"]])
    [(0, 0, 2, 'PER'), (0, 3, 4, 'LOC'), (0, 4, 5, 'LOC')]
    """
    found: list[Span] = []
    for row, tags in enumerate(rows):
        open_type, start = "", 0
        for step, tag in enumerate([*tags, "O"]):
            begins, _, kind = str(tag).partition("-")
            goes_on = begins == "I" and kind == open_type
            if open_type and not goes_on:
                found.append((row, start, step, open_type))
            if not goes_on:
                open_type, start = kind, step
    return found


def _are_names(tags: Sequence[Any]) -> bool:
    whole = all(isinstance(tag, str) and re.fullmatch(r"O|[BI]-.+", tag) for tag in set(tags))
    return whole and any(tag != "O" for tag in tags)


def _of_spans(found: set[Span], there: set[Span], kind: str | None = None) -> Score:
    found, there = ({span for span in some if kind in (None, span[3])} for some in (found, there))
    return Score.of(len(found & there), len(found), len(there))
