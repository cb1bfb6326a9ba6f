"""Chooses sizes and duration from the amount of text, where the user leaves them open."""

from __future__ import annotations

import math
from dataclasses import dataclass


def hidden_size(predictions: int) -> int:
    """Units for a text of this many symbols."""
    return 256 if predictions < 600_000 else 512


def batch_size(predictions: int, steps: float, seq_len: int, minutes: float | None = None) -> int:
    """Rows that leave at least about fifty steps in a pass over the text, and enough steps in so many minutes.

    ``steps`` is how many a chunk has: of documents shorter than ``seq_len`` more are read side by side.
    """
    most = 32 if minutes and minutes >= 2 else 16
    return max(4, min(round(most * seq_len / steps), MOST_ROWS, int(predictions / (50 * steps))))


MOST_ROWS = 128


@dataclass(frozen=True)
class Sizes:
    """Of a network."""

    hidden_size: int
    num_layers: int
    embedding_size: int
    """0: one-hot."""
    dropout: float


EMBEDDING_SIZE = 128
SMALLEST, LARGEST = 64, 1024
SYMBOLS_PER_PARAMETER = 8.0
"""Twice as many parameters learn from half as many symbols in the same time."""
PARAMETERS_PER_SYMBOL = 2.0
"""A larger layer would learn the text by heart."""
MOST_PASSES = 14
"""What would read the text more often is better with two layers."""
TWO_LAYERS = 0.8
"""Their size beside that of one."""
COST_OF_TWO = 1.8
"""And how much longer they take."""
DROPOUT_PER_PASS, MOST_DROPOUT = 0.04, 0.6
PASSES, PASSES_OF_WORDS, MOST_STEPS = 15, 10, 20_000
"""How often a text is read where nobody said how long, and the most steps of a large one."""
MANY_SYMBOLS = 1_000
"""A vocabulary of so many is one of words, or of parts of words."""


def for_budget(
    *,
    seconds: float,
    predictions: int,
    hidden_size: int,
    parameters: int,
    symbols_per_second: float,
    may_stack: bool = True,
) -> tuple[int, int, float]:
    """The hidden size, the number of layers and the dropout that make the most of so many seconds.

    ``parameters`` and ``symbols_per_second`` are those of a network of ``hidden_size`` units on this machine; the first
    grow with the square of the hidden size, the second shrink with it. The constants were found on the first 81 % of
    tiny Shakespeare, scored on the next 9 %.
    """
    wanted = hidden_size * (seconds * symbols_per_second / parameters / SYMBOLS_PER_PARAMETER) ** 0.25
    allowed = hidden_size * (PARAMETERS_PER_SYMBOL * predictions / parameters) ** 0.5
    found = _rounded(min(wanted, allowed))
    passes = seconds * symbols_per_second * (hidden_size / found) ** 2 / predictions
    if passes > MOST_PASSES and may_stack:
        return _rounded(TWO_LAYERS * found), 2, dropout_for(passes / COST_OF_TWO)
    return found, 1, dropout_for(passes)


def _rounded(size: float) -> int:
    return min(max(SMALLEST, round(size / 64) * 64), LARGEST)


def dropout_for(passes: float) -> float:
    """More, the more often the same text is read."""
    return min(MOST_DROPOUT, round(DROPOUT_PER_PASS * passes, 2))


def share_of_learning_rate(hidden_size: int) -> float:
    """Larger layers take smaller steps."""
    return min(1.0, math.sqrt(128 / hidden_size))


def steps_of(epochs: int | None, max_steps: int | None, steps_per_epoch: int, symbols: int) -> int:
    """How many training steps passes or steps come to; where neither is said, some passes, of a large text fewer.

    ``symbols`` is the size of the vocabulary.
    """
    if max_steps is not None:
        return max_steps
    if epochs is not None:
        return epochs * steps_per_epoch
    return min((PASSES if symbols < MANY_SYMBOLS else PASSES_OF_WORDS) * steps_per_epoch, MOST_STEPS)
