"""Streams of batches, the training loop, its history, and what listens to it."""

from __future__ import annotations

from throughtime.training.batches import Batches
from throughtime.training.callbacks import Callback
from throughtime.training.checkpoint import Checkpoint, ModelCheckpoint, Resume
from throughtime.training.corpus import Corpus
from throughtime.training.history import History
from throughtime.training.loop import Plan, Training, mean_loss, seconds_per_step, seconds_to_score
from throughtime.training.memory import Need, Outline, Size
from throughtime.training.streams import RESTART_EVERY, WARM_UP, Chunk, Drawn, Source, Streams, restart

__all__ = [
    "RESTART_EVERY",
    "WARM_UP",
    "Batches",
    "Callback",
    "Checkpoint",
    "Chunk",
    "Corpus",
    "Drawn",
    "History",
    "ModelCheckpoint",
    "Need",
    "Outline",
    "Plan",
    "Resume",
    "Size",
    "Source",
    "Streams",
    "Training",
    "mean_loss",
    "restart",
    "seconds_per_step",
    "seconds_to_score",
]
