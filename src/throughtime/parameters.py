"""One table of parameters: name, default, meaning, and what is allowed.

Estimators check their values against it and the command line makes its options from it, so that both have the same
words. It imports nothing heavy.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from throughtime.errors import ParameterError, short


@dataclass(frozen=True)
class Parameter:
    """What a parameter may be.

    ``kind`` is ``int``, ``float``, ``bool``, ``str`` or ``object`` (checked by whoever uses it). ``optional`` allows
    None. Numbers are at least ``low`` (above it, if ``above``) and at most ``high`` (below it, if ``below``). ``hint``
    says what may be meant by a value that is refused.
    """

    default: Any
    meaning: str
    kind: type
    optional: bool = False
    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False
    hint: str = ""

    def check(self, name: str, value: Any) -> None:
        """Raises :class:`ParameterError` unless the value is allowed."""
        if self.kind is object or (value is None and self.optional):
            return
        plain = value.item() if getattr(value, "shape", None) == () else value  # a number of NumPy's
        fits = isinstance(plain, (int, float) if self.kind is float else self.kind)
        if self.kind in (int, float):
            fits = fits and not isinstance(plain, bool) and self._in_range(plain)
        if not fits:
            hint = f"; {self.hint}" if self.hint else ""
            raise ParameterError(f"{name} must be {self.expected()}, got {short(plain)}{hint}")

    def _in_range(self, value: float) -> bool:
        over = value > self.low if self.above else value >= self.low
        under = value < self.high if self.below else value <= self.high
        return over and under and abs(value) <= sys.float_info.max

    def expected(self) -> str:
        """What is allowed, in words."""
        words = {int: "an integer", float: "a number", bool: "True or False", str: "a string"}[self.kind]
        bounds = []
        if self.low > -math.inf:
            bounds.append(f"{'above' if self.above else 'of at least'} {self.low:g}")
        if self.high < math.inf:
            bounds.append(f"{'below' if self.below else 'at most'} {self.high:g}")
        return f"{words} {' and '.join(bounds)}".strip() + (" or None" if self.optional else "")


def _count(default: int | None, meaning: str, low: int = 1) -> Parameter:
    return Parameter(default, meaning, int, optional=default is None, low=low)


def _positive(default: float | None, meaning: str) -> Parameter:
    return Parameter(default, meaning, float, optional=True, low=0, above=True)


def _share(default: float | None, meaning: str) -> Parameter:
    return Parameter(default, meaning, float, optional=default is None, low=0, high=1, below=True)


def _switch(default: bool, meaning: str) -> Parameter:
    return Parameter(default, meaning, bool)


PARAMETERS: Mapping[str, Parameter] = {
    "level": Parameter("char", "what a symbol is: char, byte, word or bpe (parts of words)", str),
    "vocab_size": _count(
        None, "most different symbols of the levels word and bpe; None: 8,000, or as the text asks", 2
    ),
    "cell": Parameter(
        "lstm", "recurrent unit: one that `throughtime cells` lists, or a Cell of your own (MODULE:NAME)", object
    ),
    "activation": Parameter("tanh", "of the Elman cell: tanh, relu or sigmoid", str),
    "hidden_size": _count(None, "units of a layer, H; None: from the amount of data and the minutes"),
    "num_layers": _count(None, "recurrent layers one on another; None: 1, or 2 where minutes leave time for them"),
    "residual": _switch(False, "shortcuts around the layers above the first"),
    "embedding_size": _count(None, "numbers that stand for a symbol; 0: one-hot; None: 128", low=0),
    "initializer": Parameter("glorot", "initial weights: uniform, normal, identity, glorot or orthogonal", object),
    "dropout": _share(
        None, "share of each recurrent layer's outputs dropped in training; None: from the passes over the data"
    ),
    "variational_dropout": _share(0.0, "the same with one mask for all steps of a chunk"),
    "seq_len": _count(64, "steps of a chunk: the gradient goes back to its start, the state is carried on"),
    "bptt_truncate": _count(None, "each output's gradient goes back this many transitions; None: the chunk", low=0),
    "batch_size": _count(None, "rows read side by side, N; None: from the amount of data"),
    "epochs": _count(None, "passes over the data"),
    "max_steps": _count(None, "training steps"),
    "minutes": _positive(None, "time to train, turned into sizes and steps after timing the first"),
    "optimizer": Parameter("adam", "sgd, momentum, adagrad, rmsprop, adam or adamw", object),
    "learning_rate": _positive(None, "step size; None: the optimizer's own (less for wide layers with minutes)"),
    "schedule": Parameter("cosine", "of the learning rate: constant, cosine, step or plateau", object),
    "weight_decay": Parameter(
        None, "of weights, not biases (adamw only); None: the optimizer's own", float, True, low=0
    ),
    "clip_norm": _positive(5.0, "largest norm of the whole gradient; None: any"),
    "clip_value": _positive(None, "largest element of the gradient, clipped first; None: any"),
    "averaging": _share(0.0, "share of the steps, the last ones, of whose weights the mean is kept"),
    "validation": _share(
        0.1, "share of the data that is only scored: its end, or of 20 documents and more whole ones; 0: none"
    ),
    "early_stopping": _switch(False, "stop when validation gets no better, and keep the best weights"),
    "patience": _count(5, "validations without a better one before an early stop"),
    "warm_start": _switch(False, "go on with what was learned before, on the text given now"),
    "engine": Parameter("auto", "what computes: auto, compiled or numpy", object),
    "dtype": Parameter("float32", "float32 or float64", str),
    "random_state": Parameter(None, "seed; None: another one each time", object),
    "callbacks": Parameter((), "objects of throughtime.training.Callback that listen to the training", object),
    "verbose": _count(1, "0: silent, 1: says what it does", low=0),
}
"""Of :class:`~throughtime.TextGenerator`; the others take over what makes sense for them."""

_SHARED = (
    *("activation", "num_layers", "residual", "initializer", "variational_dropout", "batch_size", "max_steps"),
    *("optimizer", "schedule", "weight_decay", "clip_norm", "clip_value", "averaging", "early_stopping", "patience"),
    *("engine", "dtype", "random_state", "callbacks"),
)
"""What estimators of sequences take over as it is."""

_CUT: Mapping[str, Parameter] = {
    "max_length": _count(None, "steps of a sequence that are read; None: all"),
    "truncating": Parameter("pre", "which end of a longer sequence is left out: pre or post", str),
}

_SEQUENCES: Mapping[str, Parameter] = {
    "tokens": _switch(False, "integers are symbols, not numbers"),
    "vocab_size": _count(None, "most different symbols, the most frequent; None: 8,000", 2),
    "cell": PARAMETERS["cell"],
    "hidden_size": _count(None, "units of a layer in each direction, H; None: 64"),
    "bidirectional": _switch(True, "reads each sequence forward and backward"),
    "embedding_size": _count(None, "numbers that stand for a symbol; 0: one-hot; None: 64", low=0),
    "dropout": _share(0.2, "share of each recurrent layer's outputs dropped in training"),
    "epochs": _count(None, "passes over the sequences; None: from how many there are"),
    "minutes": _positive(None, "time to train, turned into steps after timing the first"),
    "learning_rate": _positive(None, "step size; None: the optimizer's own"),
    "validation": _share(0.0, "share of the sequences, drawn at random, that is only scored; 0: none"),
    "verbose": replace(PARAMETERS["verbose"], default=0),
    **{name: PARAMETERS[name] for name in _SHARED},
}

_POOLED: Mapping[str, Parameter] = {
    **_SEQUENCES,
    **_CUT,
    "level": Parameter("char", "what a symbol of a string is: char or word", str),
    "pooling": Parameter("last", "what is made of all steps: last, mean or max", str),
}

CLASSIFIER: Mapping[str, Parameter] = {
    **_POOLED,
    "class_weight": Parameter(None, "how much each class counts: None, balanced, or a dict of them", object),
}
"""Of :class:`~throughtime.SequenceClassifier`."""

REGRESSOR: Mapping[str, Parameter] = {**_POOLED, "loss": Parameter("squared", "squared, absolute or huber", str)}
"""Of :class:`~throughtime.SequenceRegressor`."""

TAGGER: Mapping[str, Parameter] = {
    **_SEQUENCES,
    "characters": _switch(False, "the beginning, end and shape of each word are seen too"),
}
"""Of :class:`~throughtime.SequenceTagger`."""

SAMPLING: Mapping[str, Parameter] = {
    "temperature": Parameter(
        1.0,
        "below 1 safer, above 1 wilder",
        float,
        low=0,
        above=True,
        hint="greedy (--greedy) always takes the likeliest symbol",
    ),
    "top_k": _count(None, "only the k likeliest symbols"),
    "top_p": Parameter(
        None, "only the likeliest symbols that have this probability together", float, True, 0, 1, above=True
    ),
    "min_p": Parameter(0.0, "only symbols with this share of the likeliest one's probability", float, low=0, high=1),
    "repetition_penalty": Parameter(
        1.0, "above 1: symbols among the last 64 are less likely; below 1: more", float, low=0, above=True
    ),
    "greedy": _switch(False, "always the likeliest symbol"),
}
"""How a symbol is chosen in generation."""

_FORECASTER_TAKES_OVER = (
    *("activation", "residual", "initializer", "variational_dropout", "max_steps", "minutes", "optimizer", "schedule"),
    *("weight_decay", "clip_norm", "clip_value", "averaging", "early_stopping", "patience", "engine", "dtype"),
    *("random_state", "callbacks", "verbose"),
)

FORECASTER: Mapping[str, Parameter] = {
    "horizon": _count(1, "steps ahead that are forecast"),
    "target": Parameter(None, "columns that are forecast; None: all others that are numbers", object),
    "past": Parameter(None, "columns that are known up to now", object),
    "future": Parameter(None, "columns that are known ahead", object),
    "static": Parameter(None, "columns that do not change within a series: numbers or categories", object),
    "time": Parameter(None, "column of dates, or of integers", str, optional=True),
    "series": Parameter(None, "column that tells series apart", str, optional=True),
    "frequency": Parameter(None, "of the times, such as D, 15min or M, where some are missing", str, optional=True),
    "season": _count(
        None, "steps of a season; None: from the frequency (Q 4, M 12, W 52, D 7; h, min, s: a day), else 1"
    ),
    "calendar": _switch(True, "tells the network the hour, weekday or month, where there are dates"),
    "context": _count(None, "steps that are read for a forecast; None: four seasons, three horizons or 48"),
    "reference": Parameter(
        "auto", "what the network's forecast departs from: mean, last, season, profile or recent; auto: the best", str
    ),
    "strategy": Parameter("direct", "direct: all steps at once; recursive: one after another", str),
    "loss": Parameter("pinball", "pinball (of quantiles), squared or absolute", str),
    "quantiles": Parameter((0.1, 0.5, 0.9), "levels that are forecast besides the middle", object),
    "cell": PARAMETERS["cell"],
    "hidden_size": _count(None, "units of a layer, H; None: 64"),
    "num_layers": _count(1, "recurrent layers one on another"),
    "dropout": _share(None, "share of each recurrent layer's outputs dropped in training; None: less for more data"),
    "batch_size": _count(None, "windows read side by side, N; None: 32, of many series 64"),
    "epochs": _count(None, "passes over the data; None: from their amount"),
    "learning_rate": _positive(None, "step size; None: 0.003 for adam, else the optimizer's own"),
    "validation": _share(
        0.2, "share of each series, its end, that scores the network and calibrates intervals; 0: none"
    ),
    **{name: PARAMETERS[name] for name in _FORECASTER_TAKES_OVER},
}
"""Of :class:`~throughtime.Forecaster`."""
