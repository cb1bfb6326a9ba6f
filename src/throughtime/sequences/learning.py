"""Puts the network, the batches and the plan of a training together from what a model's parameters say."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime.cells import Cell
from throughtime.engine.protocol import Array
from throughtime.errors import DataError, how_many
from throughtime.layers import Dense, Layer, Pool, recurrent_stack
from throughtime.learner import make_plan
from throughtime.network import Batch, Network
from throughtime.optimizers import Optimizer
from throughtime.sequences.encoding import Encoding
from throughtime.sequences.rows import Lesson, Rows
from throughtime.sequences.targets import Answers
from throughtime.training import Batches, Plan
from throughtime.training.batches import steps_for
from throughtime.training.progress import clock

if TYPE_CHECKING:
    from throughtime.sequences.learner import SequenceLearner

HIDDEN_SIZE = EMBEDDING_SIZE = 64
PASSES, FEWEST_STEPS, MOST_STEPS = 40, 400, 20_000
"""How often the sequences are read where nobody said how long, and the fewest and the most steps."""

STEPS_OF_A_LONG_PASS = 44
"""Where a pass takes more steps, there are fewer passes: steps grow with the square root."""

LARGEST_BATCH = 32
STEPS_OF_A_PASS = 16
"""A pass over few sequences is cut into so many steps, as far as four rows and more make a step."""

SIDE_BY_SIDE, ROOM = 256, 1 << 24
"""The most rows that are predicted at once, and the most numbers that their inputs may have together."""


@dataclass(frozen=True)
class Sizes:
    """Of a network, and of its batches."""

    hidden_size: int
    embedding_size: int
    batch_size: int


def sizes_of(given: dict[str, Any], rows: int) -> Sizes:
    """What the parameters say, and what they leave open, for so many rows."""
    embedding_size, batch_size = given["embedding_size"], given["batch_size"]
    chosen = min(LARGEST_BATCH, max(4, rows // STEPS_OF_A_PASS))
    return Sizes(
        int(given["hidden_size"] or HIDDEN_SIZE),
        EMBEDDING_SIZE if embedding_size is None else int(embedding_size),
        int(batch_size or chosen),
    )


def network(
    given: dict[str, Any], cell: Cell, encoding: Encoding, answers: Answers, sizes: Sizes, **weights: Any
) -> Network:
    """What the parameters ask for; ``weights`` are where its weights come from."""
    return Network(layers(given, cell, encoding, answers, sizes), answers.loss, dtype=given["dtype"], **weights)


def layers(given: dict[str, Any], cell: Cell, encoding: Encoding, answers: Answers, sizes: Sizes) -> list[Layer]:
    """The layers of a network of these sizes."""
    first, inputs = encoding.first_layers(sizes.embedding_size)
    directions = 2 if given["bidirectional"] else 1
    recurrent = recurrent_stack(
        cell,
        inputs,
        sizes.hidden_size,
        num_layers=given["num_layers"] or 1,
        bidirectional=given["bidirectional"],
        residual=given["residual"],
        dropout=given["dropout"],
        variational_dropout=given["variational_dropout"],
    )
    return [*first, *recurrent, *_pool(given, sizes), Dense(directions * sizes.hidden_size, answers.size)]


def _pool(given: dict[str, Any], sizes: Sizes) -> list[Layer]:
    if "pooling" not in given:
        return []
    reversed_from = sizes.hidden_size if given["bidirectional"] and given["pooling"] == "last" else None
    return [Pool(given["pooling"], reversed_from)]


def batches(lesson: Lesson, encoding: Encoding, answers: Answers, batch_size: int) -> Batches:
    """The rows of a lesson, with their answers."""
    rows, given = lesson.rows, lesson.answers

    def make(chosen: Array, T: int) -> Batch:
        lengths = np.where(chosen < 0, 0, rows.lengths[chosen]).astype(np.int64)
        weights = np.where(chosen < 0, 0.0, lesson.weights[chosen])
        if isinstance(given, Rows):
            targets, weights = given.block(chosen, T), weights * (np.arange(T)[:, None] < lengths)
        else:
            targets, weights = given[chosen][None], weights[None]
        return Batch(encoding.block(rows.block(chosen, T)), answers.targets(targets), weights, lengths)

    return Batches(rows.lengths, batch_size, make)


def tell(net: Network, encoding: Encoding, rows: Rows, take: Callable[[Array, Array], None]) -> None:
    """Gives to ``take`` what the network says of each row, as if it were alone, some rows at a time.

    It takes their numbers ``[n]`` and outputs ``[T, n, K]``, which mean nothing behind the end of a row; behind a pool
    T is 1.

    Raises
    ------
    DataError
        If an output is no finite number, which comes of numbers far from those that were learned from.
    """
    lengths, longest, strange = rows.lengths, int(rows.lengths.max()), len(rows)
    order = np.argsort(lengths, kind="stable")
    with net.engine.working(), np.errstate(over="ignore", invalid="ignore"):
        while len(order):
            most = int(lengths[order[:SIDE_BY_SIDE]].max())
            chosen, order = np.split(order, [max(1, min(SIDE_BY_SIDE, ROOM // (most * encoding.width)))])
            some = lengths[chosen].astype(np.int64)
            T = min(steps_for(int(some.max())), longest)
            o, _ = net.forward(encoding.block(rows.block(chosen, T)), lengths=some)
            finite = np.isfinite(o).all(axis=2) | (np.arange(len(o))[:, None] >= some)
            strange = min([strange, *chosen[~finite.all(axis=0)].tolist()])
            if strange == len(rows):
                take(chosen, o)
    if strange < len(rows):
        raise DataError(f"row {strange} of X holds numbers too far from those that were learned from to say anything")


def plan_training(
    model: SequenceLearner,
    net: Network,
    optimizer: Optimizer,
    learned: Batches,
    held_out: Batches | None,
    spent: Callable[[], float],
    seed: int,
) -> tuple[Plan, str]:
    """What is decided before the first step, and how it is said; see :func:`throughtime.learner.make_plan`."""
    given = model.get_params()
    plan, seconds = make_plan(
        model,
        net,
        optimizer,
        learned,
        held_out,
        spent,
        steps=_steps(given["epochs"], given["max_steps"], learned.steps_per_epoch),
        seed=seed,
        learning_rate=optimizer.rule.learning_rate,
    )
    parameters = sum(w.size for w in net.parameters.values())
    scored = 0 if held_out is None else len(held_out.lengths)
    sequence = "different sequence" if model.merges else "sequence"
    said = (
        f"{net.body.describe()}: {parameters:,} parameters\n"
        f"{how_many(len(learned.lengths), sequence)} to learn from, {scored:,} for validation\n"
        f"{how_many(plan.max_steps, 'step')} of {how_many(learned.rows, 'sequence')} "
        f"({plan.max_steps / learned.steps_per_epoch:,.1f} "
        f"epochs), about {clock(seconds)} on the {net.engine.name} engine"
    )
    return plan, said


def _steps(epochs: int | None, max_steps: int | None, steps_per_epoch: int) -> int:
    if max_steps is not None:
        return max_steps
    if epochs is not None:
        return epochs * steps_per_epoch
    passes = PASSES * min(1.0, math.sqrt(STEPS_OF_A_LONG_PASS / steps_per_epoch))
    return min(max(FEWEST_STEPS, round(passes * steps_per_epoch)), MOST_STEPS)
