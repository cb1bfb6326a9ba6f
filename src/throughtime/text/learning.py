"""From a lesson to a training: the layers, their sizes, and the plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from throughtime.cells import Cell
from throughtime.layers import Dense, Embedding, Layer, OneHot, recurrent_stack
from throughtime.learner import make_plan
from throughtime.losses import SoftmaxCrossEntropy
from throughtime.network import Network
from throughtime.optimizers import Optimizer, schedules
from throughtime.text import sizing
from throughtime.text.lesson import Lesson
from throughtime.text.sizing import Sizes
from throughtime.training import RESTART_EVERY, WARM_UP, Corpus, Plan, Streams, seconds_per_step
from throughtime.training.history import steps_in_words
from throughtime.training.progress import clock

if TYPE_CHECKING:
    from throughtime.text.generator import TextGenerator

LOSS = SoftmaxCrossEntropy()


def network(model: TextGenerator, cell: Cell, symbols: int, sizes: Sizes, **weights: Any) -> Network:
    """What the parameters of the model ask for; ``weights`` are where its weights come from."""
    return Network(layers(model, cell, symbols, sizes), LOSS, dtype=model.dtype, **weights)


def layers(model: TextGenerator, cell: Cell, symbols: int, sizes: Sizes) -> list[Layer]:
    """The layers of a network of these sizes."""
    first: Layer = Embedding(symbols, sizes.embedding_size) if sizes.embedding_size else OneHot(symbols)
    recurrent = recurrent_stack(
        cell,
        first.output_size or symbols,
        sizes.hidden_size,
        num_layers=sizes.num_layers,
        residual=model.residual,
        dropout=sizes.dropout,
        variational_dropout=model.variational_dropout,
    )
    return [first, *recurrent, Dense(sizes.hidden_size, symbols)]


def make_room(model: TextGenerator, cell: Cell, optimizer: Optimizer, lesson: Lesson, sizes: Sizes) -> None:
    """Sees to it that a training with these sizes fits into memory.

    Raises
    ------
    ParameterError
        If it does not.
    """
    held_out = scoring_streams(lesson.scored) if model.validation else None
    streams = training_streams(model, lesson.learned)
    model._make_room(layers(model, cell, len(lesson.vocabulary), sizes), LOSS, optimizer, streams, held_out)


def choose_sizes(
    model: TextGenerator, cell: Cell, optimizer: Optimizer, lesson: Lesson, engine: Any, spent: Callable[[], float]
) -> Sizes:
    """The sizes that the model leaves open. With a budget in minutes, a few steps are timed for them."""
    predictions = lesson.learned.predictions
    streams = training_streams(model, lesson.learned)
    steps = sizing.steps_of(model.epochs, model.max_steps, streams.steps_per_epoch, len(lesson.vocabulary))
    passes = steps / streams.steps_per_epoch
    sizes = Sizes(
        int(model.hidden_size or sizing.hidden_size(predictions)),
        int(model.num_layers or 1),
        int(sizing.EMBEDDING_SIZE if model.embedding_size is None else model.embedding_size),
        float(sizing.dropout_for(passes) if model.dropout is None else model.dropout),
    )
    make_room(model, cell, optimizer, lesson, sizes)
    if model.minutes is None or (model.hidden_size and model.dropout is not None):
        return sizes
    probe = network(model, cell, len(lesson.vocabulary), sizes, engine=engine, random_state=0)
    trial = Plan(
        1, 1e-3, schedules.get("constant"), seed=0, bptt_truncate=model.bptt_truncate, segments=model.segments_
    )
    step_seconds = seconds_per_step(probe, optimizer, trial, streams)
    seconds = max(60 * model.minutes - spent(), step_seconds)
    symbols_per_second = predictions / streams.steps_per_epoch / step_seconds
    if model.hidden_size:
        return replace(sizes, dropout=sizing.dropout_for(seconds * symbols_per_second / predictions))
    hidden_size, num_layers, dropout = sizing.for_budget(
        seconds=seconds,
        predictions=predictions,
        hidden_size=sizes.hidden_size,
        parameters=sum(w.size for w in probe.parameters.values()),
        symbols_per_second=symbols_per_second,
        may_stack=model.num_layers is None,
    )
    sizes = replace(
        sizes,
        hidden_size=hidden_size,
        num_layers=sizes.num_layers if model.num_layers else num_layers,
        dropout=dropout if model.dropout is None else sizes.dropout,
    )
    make_room(model, cell, optimizer, lesson, sizes)
    return sizes


def training_streams(model: TextGenerator, learned: Corpus) -> Streams:
    """The rows that are read side by side in training."""
    documents = len(learned.bounds) - 1
    steps = min(model.seq_len, learned.predictions / documents)
    batch_size = model.batch_size or sizing.batch_size(learned.predictions, steps, model.seq_len, model.minutes)
    return Streams(learned, batch_size, model.seq_len, restart_every=RESTART_EVERY)


def scoring_streams(corpus: Corpus) -> Streams:
    """Rows long enough that warming them up costs little; documents need none."""
    documents = len(corpus.bounds) - 1
    rows = max(1, min(64, max(documents, corpus.predictions // (8 * WARM_UP))))
    return Streams(corpus, rows, 128, warm_up=WARM_UP)


def _learning_rate(model: TextGenerator, optimizer: Optimizer) -> float:
    """The optimizer's own; with a budget in minutes, Adam's for the size of the network."""
    own: float = optimizer.rule.learning_rate
    if model.minutes is None or optimizer.rule.name not in ("adam", "adamw"):
        return own
    return own * sizing.share_of_learning_rate(model.hidden_size_)


def plan_training(
    model: TextGenerator,
    network: Network,
    optimizer: Optimizer,
    streams: Streams,
    lesson: Lesson,
    seed: int,
    spent: Callable[[], float],
    *,
    share_of_rate: float = 1.0,
) -> tuple[Plan, str]:
    """What is decided before the first step, and how it is said; see :func:`throughtime.learner.make_plan`.

    A learning rate that was not given is ``share_of_rate`` of what it would be.
    """
    learned, held_out, scored = lesson.learned, lesson.held_out, lesson.scored
    plan, seconds = make_plan(
        model,
        network,
        optimizer,
        streams,
        scoring_streams(scored) if model.validation else None,
        spent,
        steps=sizing.steps_of(model.epochs, model.max_steps, streams.steps_per_epoch, len(lesson.vocabulary)),
        seed=seed,
        learning_rate=share_of_rate * _learning_rate(model, optimizer),
    )
    parameters = sum(w.size for w in network.parameters.values())
    part = f" ({len(scored.ids):,} of them scored)" if len(scored.ids) < len(held_out.ids) else ""
    said = (
        f"{network.body.describe()}: {parameters:,} parameters\n"
        f"{len(learned.ids):,} symbols to learn from, {len(held_out.ids):,} for validation{part}, "
        f"{len(lesson.vocabulary)} different\n"
        f"{steps_in_words(plan.max_steps)} of {streams.rows} x {model.seq_len} symbols "
        f"({plan.max_steps / streams.steps_per_epoch:,.1f} epochs), about {clock(seconds)} "
        f"on the {network.engine.name} engine"
    )
    return plan, said
