"""From texts to a training: what is learned from, the layers, and the plan."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from throughtime.cells import Cell
from throughtime.errors import DataError
from throughtime.layers import Dense, Embedding, Layer, OneHot, recurrent_stack
from throughtime.network import Network
from throughtime.optimizers import Optimizer, schedules
from throughtime.text import sizing
from throughtime.text.vocabulary import Text, Vocabulary, level
from throughtime.training import RESTART_EVERY, WARM_UP, Corpus, Plan, Streams, seconds_per_step, seconds_to_score
from throughtime.training.progress import clock

if TYPE_CHECKING:
    from throughtime.text.generator import TextGenerator


@dataclass(frozen=True)
class Lesson:
    """A vocabulary, the part of the corpus that is learned, and the part that is only scored."""

    vocabulary: Vocabulary
    learned: Corpus
    held_out: Corpus


def prepare(texts: Sequence[Text], *, level_name: str, validation: float, seq_len: int) -> Lesson:
    """Encodes the texts and splits them.

    Raises
    ------
    DataError
        If there are fewer than two different symbols, or too few to learn from or to score.
    """
    vocabulary = level(level_name).of(texts)
    if len(vocabulary) < 2:
        raise DataError(f"the text has {len(vocabulary)} different symbol; at least two are needed to learn from it")
    corpus = Corpus.of([vocabulary.encode(text) for text in texts])
    learned, held_out = corpus.split(validation)
    if learned.predictions < seq_len:
        spared = ", or validation=0 (--validation 0)" if validation and corpus.predictions >= seq_len else ""
        raise DataError(
            f"the text is too short: {len(corpus.ids):,} symbols, of which {learned.predictions:,} can be learned; "
            f"a sequence needs {seq_len + 1} (seq_len + 1). Give more text, a smaller seq_len (--seq-len){spared}"
        )
    if validation and held_out.predictions < 1:
        raise DataError(
            f"the text is too short: its validation part, the last {len(held_out.ids)} of {len(corpus.ids):,} symbols, "
            "has nothing to predict. Give more text, a larger validation, or validation=0"
        )
    return Lesson(vocabulary, learned, held_out)


def layers(model: TextGenerator, cell: Cell, symbols: int, hidden_size: int) -> list[Layer]:
    """What the parameters of the model ask for."""
    first: Layer = Embedding(symbols, model.embedding_size) if model.embedding_size else OneHot(symbols)
    recurrent = recurrent_stack(
        cell,
        first.output_size or symbols,
        hidden_size,
        num_layers=model.num_layers,
        residual=model.residual,
        dropout=model.dropout,
        variational_dropout=model.variational_dropout,
    )
    return [first, *recurrent, Dense(hidden_size, symbols)]


def training_streams(model: TextGenerator, learned: Corpus) -> Streams:
    """The rows that are read side by side in training."""
    batch_size = model.batch_size or sizing.batch_size(learned.predictions, model.seq_len)
    return Streams(learned, batch_size, model.seq_len, restart_every=RESTART_EVERY)


def scoring_streams(corpus: Corpus) -> Streams:
    """Rows long enough that warming them up costs little."""
    rows = max(1, min(64, corpus.predictions // (8 * WARM_UP)))
    return Streams(corpus, rows, 128, warm_up=WARM_UP)


def make_plan(
    model: TextGenerator,
    network: Network,
    optimizer: Optimizer,
    streams: Streams,
    lesson: Lesson,
    seed: int,
    began: float,
) -> tuple[Plan, str]:
    """What is decided before the first step, and how it is said. A few steps are timed for it.

    ``began`` is when the work began: a budget in minutes covers all of it but a cold compile.
    """
    learned, held_out = lesson.learned, lesson.held_out
    plan = Plan(
        max_steps=1,
        learning_rate=float(model.learning_rate or optimizer.rule.learning_rate),
        schedule=schedules.get(model.schedule),
        seed=seed,
        bptt_truncate=model.bptt_truncate,
        patience=model.patience if model.early_stopping else None,
        guard=1.25 * 60 * model.minutes if model.minutes else None,
    )
    compiling = network.engine.compile_seconds
    step_seconds = seconds_per_step(network, optimizer, plan, streams)
    score_seconds = seconds_to_score(network, scoring_streams(held_out)) if model.validation else 0.0
    spent = time.perf_counter() - began - (network.engine.compile_seconds - compiling)
    duration = sizing.duration(
        epochs=model.epochs,
        max_steps=model.max_steps,
        seconds=60 * model.minutes - spent if model.minutes else None,
        steps_per_epoch=streams.steps_per_epoch,
        symbols_per_step=learned.predictions / streams.steps_per_epoch,
        validation_symbols=held_out.predictions if model.validation else 0,
        step_seconds=step_seconds,
        score_seconds=score_seconds,
    )
    plan = replace(plan, max_steps=duration.max_steps, validate_every=duration.validate_every)
    parameters = sum(w.size for w in network.parameters.values())
    said = (
        f"{network.body.describe()}: {parameters:,} parameters\n"
        f"{len(learned.ids):,} symbols to learn from, {len(held_out.ids):,} for validation, "
        f"{len(lesson.vocabulary)} different\n"
        f"{plan.max_steps:,} steps of {streams.rows} x {model.seq_len} symbols "
        f"({plan.max_steps / streams.steps_per_epoch:,.1f} epochs), about {clock(duration.seconds)} "
        f"with the engine {network.engine.name}"
    )
    return plan, said
