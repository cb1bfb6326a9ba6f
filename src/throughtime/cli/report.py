"""What a training came to, for other programs and for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throughtime.errors import cut

if TYPE_CHECKING:
    from throughtime.text import Baseline, Evaluation, TextGenerator


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
        "symbols_per_second": round(run.symbols_per_second, 1),
        "train_loss": history.train_loss,
        "validation_loss": validation,
        "bits_per_symbol": loss / math.log(2),
        **baseline_report(model.baseline_),
    }


def baseline_report(counted: Baseline | None) -> dict[str, Any]:
    """What counting comes to, for other programs."""
    order, loss, part = counted or (None, None, None)
    return {"ngram_loss": loss, "ngram_order": order, "ngram_counted": part}


def in_words(report: dict[str, Any]) -> str:
    """The same in one line."""
    from throughtime.text import Baseline
    from throughtime.training.history import steps_in_words
    from throughtime.training.progress import clock

    validation = report["validation_loss"]
    loss = f"training {report['train_loss']:.3f}"
    if validation is not None:
        loss = f"validation {validation:.3f} nats per symbol ({report['bits_per_symbol']:.3f} bits), {loss}"
    if report["ngram_loss"] is not None:
        loss += f", {Baseline(report['ngram_order'], report['ngram_loss'], report['ngram_counted']).in_words()}"
    return f"{loss}; {steps_in_words(report['steps'])} in {clock(report['seconds'])}"


def evaluation_report(score: Evaluation, counted: Baseline | None) -> dict[str, Any]:
    """A score for other programs; what counting comes to is told only where it was asked for."""
    return {
        "loss": score.loss,
        "bits_per_symbol": score.bits_per_symbol,
        "bits_per_character": score.bits_per_character,
        "perplexity": score.perplexity if math.isfinite(score.perplexity) else None,
        "symbols": score.symbols,
        "unknown": score.unknown,
        **({} if counted is None else baseline_report(counted)),
    }


def evaluation_in_words(score: Evaluation, counted: Baseline | None) -> str:
    """The same in a line or two."""
    words = (
        f"{score.loss:.4f} nats per symbol, {score.bits_per_symbol:.4f} bits, perplexity {score.perplexity:.3f} "
        f"({score.symbols:,} symbols)"
    )
    if score.unknown:
        words += f"; {score.unknown / score.symbols:.1%} of them are unknown words"
    if counted is not None:
        part = f"{counted.counted:,} symbols of " if counted.counted else ""
        words += (
            f"\n{counted.loss:.4f} nats per symbol, "
            f"an n-gram model of order {counted.order} counted on {part}the baseline"
        )
    return words


def outcome(model: Any, output: Path) -> dict[str, Any]:
    """What any training came to, for other programs."""
    return {
        "model": str(output),
        "steps": model.training_.step,
        "seconds": round(model.training_.seconds, 3),
        "train_loss": model.history_.train_loss,
        "validation_loss": model.validation_loss_,
        "unit": model.history_.unit,
    }


def outcome_in_words(model: Any) -> str:
    """The same in one line."""
    from throughtime.training.history import steps_in_words

    loss = model.validation_loss_
    scored = "" if loss is None else f"validation {loss:.4g}, "
    steps = steps_in_words(model.training_.step)
    return f"{scored}training {model.history_.train_loss:.4g} ({model.history_.unit}) after {steps}"


def about(model: Any) -> dict[str, Any]:
    """What only a model of its kind has, for other programs."""
    if type(model).__name__ == "TextGenerator":
        return {"level": model.level, "symbols": len(model.vocabulary_), **baseline_report(model.baseline_)}
    if type(model).__name__ == "Forecaster":
        roles = {name: value for name, value in asdict(model.fitted_.roles).items() if value}
        known = {"horizon": model.horizon, "frequency": model.fitted_.frequency, "season": model.season_}
        return {**roles, **known, "series_learned": len(model.fitted_.names), "coverage": model.coverage_}
    return {"classes": [str(name) for name in getattr(model, "classes_", [])]}


def about_in_words(model: Any) -> str:
    """The same in a few words."""
    if type(model).__name__ == "TextGenerator":
        return f"{len(model.vocabulary_)} symbols ({model.level})"
    if type(model).__name__ != "Forecaster":
        classes = [str(name) for name in getattr(model, "classes_", [])]
        answers = f"{len(classes)} labels: {_first(classes)}" if classes else "values"
        return f"{answers}; {model.baseline_.in_words()}"
    found = model.fitted_
    return (
        f"{_first(found.roles.target)} {model.horizon} steps ahead, learned from {len(found.names):,} series; "
        f"season {model.season_}, reference {model.reference_}, the last {model.context_} steps are read"
    )


def _first(names: Sequence[str]) -> str:
    """The first ten names, long ones shortened."""
    return ", ".join(cut(name, 40) for name in names[:10])
