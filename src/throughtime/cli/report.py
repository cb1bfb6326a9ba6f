"""What a training came to, for other programs and for people."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from throughtime.text import TextGenerator


def training_report(model: TextGenerator, output: Path) -> dict[str, Any]:
    """What a training came to. Losses are in nats per symbol."""
    run, history = model.training_, model.history_
    validation = model.validation_loss_
    loss = history.train_loss if validation is None else validation
    return {
        "model": str(output),
        "engine": model.engine_,
        "parameters": sum(w.size for w in model.network_.parameters.values()),
        "symbols": model.symbols_,
        "steps": run.step,
        "seconds": round(run.seconds, 3),
        "symbols_per_second": round(run.symbols / run.seconds, 1),
        "train_loss": history.train_loss,
        "validation_loss": validation,
        "bits_per_symbol": loss / math.log(2),
    }


def in_words(report: dict[str, Any]) -> str:
    """The same in one line."""
    from throughtime.training.progress import clock

    validation = report["validation_loss"]
    loss = f"training {report['train_loss']:.3f}"
    if validation is not None:
        loss = f"validation {validation:.3f} nats per symbol ({report['bits_per_symbol']:.3f} bits), {loss}"
    return f"{loss}; {report['steps']:,} steps in {clock(report['seconds'])}"
