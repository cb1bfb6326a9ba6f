"""An estimator of sequences as a file: what is stored, and how it is put together again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from throughtime.cells import Cell
from throughtime.engine import make as make_engine
from throughtime.engine.protocol import Array
from throughtime.engine.random import seed_of
from throughtime.errors import ModelFileError, OutputError, short
from throughtime.estimator import cell_and_parameters, cell_to_json, named_parameters, weights_of
from throughtime.files import Tensors, opening
from throughtime.network import Network
from throughtime.sequences.baselines import FrequentTags, Guess
from throughtime.sequences.encoding import Alphabet, Encoding, Features, Numbers, Scale
from throughtime.sequences.learning import Sizes, network
from throughtime.sequences.targets import LOSSES, Answers, Labels, Several, Values
from throughtime.training import History

if TYPE_CHECKING:
    from throughtime.sequences.learner import SequenceLearner

Model = TypeVar("Model", bound="SequenceLearner")


class Fitted(NamedTuple):
    """What ``fit`` finds, as far as it is kept."""

    network: Network
    cell: Cell
    parameters: dict[str, Any]
    """As they were at ``fit``, for a model file."""
    encoding: Encoding
    answers: Answers
    history: History
    seed: int
    sizes: Sizes
    columns: int | None
    """The length of the rows of a 2-D array; None where it may be any."""
    names: tuple[str, ...] | None
    """Of the columns of a table; of texts, the one that they stood in."""
    baseline: Guess
    frequent: FrequentTags | None
    """Of a tagger, where one tag holds at each step."""


def pack(kind: str, fitted: Fitted) -> tuple[Tensors, dict[str, Any]]:
    """Tensors and metadata; nothing of the machine or the moment.

    Raises
    ------
    OutputError
        If a label is of a type that a file cannot hold.
    """
    _check_storable(fitted)
    metadata = {
        "kind": kind,
        "parameters": fitted.parameters,
        "cell": cell_to_json(fitted.cell),
        "encoding": fitted.encoding.to_json(),
        "answers": fitted.answers.to_json(),
        "fitted": {**asdict(fitted.sizes), "seed": fitted.seed, "columns": fitted.columns, "names": fitted.names},
        "baseline": asdict(fitted.baseline),
        "frequent": None if fitted.frequent is None else _frequent_to_json(fitted.frequent),
    }
    tensors = {**fitted.network.parameters, **fitted.history.to_arrays()}
    if isinstance(fitted.encoding, Numbers):
        tensors |= _scale_to_tensors("inputs", fitted.encoding.scale)
    if isinstance(fitted.answers, Values):
        tensors |= _scale_to_tensors("answers", fitted.answers.scale)
    return tensors, metadata


def unpack(
    kind: type[Model], tensors: Tensors, metadata: Mapping[str, Any], cells: Sequence[Cell], engine: Any
) -> tuple[Model, Fitted]:
    """The model with its parameters, and what it had learned.

    Raises
    ------
    ModelFileError
        If the contents do not fit together.
    CellError
        If the model's cell is not known, or is another one of the same name.
    """
    make_engine(engine)
    with opening():
        return _unpacked(kind, dict(tensors), metadata, cells, engine)


def _unpacked(
    kind: type[Model], tensors: Tensors, metadata: Mapping[str, Any], cells: Sequence[Cell], engine: Any
) -> tuple[Model, Fitted]:
    named = named_parameters(kind, metadata)
    cell, parameters = cell_and_parameters(metadata["cell"], named, cells)
    stored = dict(metadata["fitted"])
    seed, columns, names = stored.pop("seed"), stored.pop("columns"), stored.pop("names")
    sizes = _sizes(kind, stored, parameters)
    if type(seed) is not int:
        raise ModelFileError(f"the model file is damaged: its seed is {short(seed)}")
    seed_of(seed)
    make: Any = kind  # whose parameters are those of the estimator
    model = make(**parameters, engine=engine, random_state=seed)
    model.check_parameters()
    model.check_reading()
    given = model.get_params()
    encoding = _encoding(metadata["encoding"], tensors)
    answers = _answers(metadata["answers"], tensors, given)
    history = History.from_arrays(answers.guesses, tensors, unit=answers.unit)
    tags = _frequent_of_format_1(tensors, encoding) if metadata["format"] == 1 else metadata["frequent"]
    frequent = _frequent(tags, encoding, answers, wanted="pooling" not in given)
    weights = weights_of(tensors, ("history.",))
    if (given["num_layers"] or 1) > len(weights):
        raise ModelFileError("the model file is damaged: its sizes do not fit together")
    net = network(given, cell, encoding, answers, sizes, engine=engine, parameters=weights)
    fitted = Fitted(
        net,
        cell,
        named,
        encoding,
        answers,
        history,
        seed,
        sizes,
        _columns(columns),
        _names(names, 1 if columns is None and isinstance(encoding, Alphabet) else columns),
        _baseline(metadata["baseline"]),
        frequent,
    )
    return model, fitted


def _sizes(kind: type[SequenceLearner], stored: dict[str, Any], parameters: Mapping[str, Any]) -> Sizes:
    for name, value in stored.items():
        if type(value) is not int:
            raise ModelFileError(f"the model file is damaged: {short(name)} is {short(value)}")
        kind.table[name].check(name, value)
        if parameters[name] not in (None, value):
            raise ModelFileError(f"the model file is damaged: {name} is {value} and {short(parameters[name])}")
    return Sizes(**stored)


def _scale_to_tensors(name: str, scale: Scale) -> Tensors:
    return {f"scale.{name}.mean": scale.mean, f"scale.{name}.spread": scale.spread}


def _scale_from_tensors(name: str, tensors: Tensors) -> Scale:
    mean, spread = tensors.pop(f"scale.{name}.mean"), tensors.pop(f"scale.{name}.spread")
    shapes = mean.ndim == 1 and mean.shape == spread.shape and len(mean) > 0
    if not shapes or mean.dtype != np.float64 or spread.dtype != np.float64 or not (spread > 0).all():
        raise ModelFileError(f"the model file is damaged: the scale of its {name} makes no sense")
    return Scale(mean, spread)


def _encoding(stored: Mapping[str, Any], tensors: Tensors) -> Encoding:
    kind = stored["kind"]
    if kind == Numbers.kind:
        return Numbers(_scale_from_tensors("inputs", tensors))
    known = stored["known"]
    allowed = (str,) if kind == Features.kind else (str, int)
    if kind not in (Alphabet.kind, Features.kind) or not _are_symbols(known, allowed) or not known:
        raise ModelFileError("the model file is damaged: it has no list of symbols")
    return Alphabet(known) if kind == Alphabet.kind else Features(known)


def _answers(stored: Mapping[str, Any], tensors: Tensors, given: Mapping[str, Any]) -> Answers:
    kind = stored["kind"]
    if (kind == Values.kind) != ("loss" in given):
        raise ModelFileError(f"the model file is damaged: its answers are {short(kind)}")
    if kind == Values.kind:
        scale, flat = _scale_from_tensors("answers", tensors), stored["flat"]
        if not isinstance(flat, bool) or (flat and len(scale.mean) != 1) or given["loss"] not in LOSSES:
            raise ModelFileError("the model file is damaged: its answers make no sense")
        return Values(scale, given["loss"], flat)
    if kind == Several.kind:
        if type(stored["count"]) is not int or stored["count"] < 1:
            raise ModelFileError(f"the model file is damaged: it has {short(stored['count'])} labels")
        return Several(stored["count"])
    classes, called = stored["classes"], stored["type"]
    if kind != Labels.kind or not isinstance(classes, list) or not all(type(label) in _LABELS for label in classes):
        raise ModelFileError("the model file is damaged: it has no labels")
    if len(set(classes)) != len(classes) or len(classes) < 2:
        raise ModelFileError("the model file is damaged: it has a label twice, or one only")
    return Labels(_labels(classes, called))


def _labels(classes: list[Any], called: Any) -> Array:
    """An array of the type that is called so."""
    if called == "str" and all(isinstance(label, str) for label in classes):
        if _too_wide(classes):
            raise ModelFileError("the model file is damaged: its labels are too long")
        return np.array(classes)
    if called not in _LABEL_TYPES:
        raise ModelFileError(f"the model file is damaged: its labels are {short(called)}")
    found = np.empty(len(classes), called)
    found[:] = classes
    if [(type(label), label) for label in found.tolist()] != [(type(label), label) for label in classes]:
        raise ModelFileError(f"the model file is damaged: its labels are no {called!r}")
    return found


def _too_wide(classes: list[str]) -> bool:
    """Whether an array of strings, which is as wide as the longest one, would be too large."""
    return max(map(len, classes)) * len(classes) > MOST_CHARACTERS


_LABELS = (str, int, float, bool)
_LABEL_TYPES = ("object", "bool", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)))
_LABEL_TYPES += ("float16", "float32", "float64")
MOST_CHARACTERS = 1 << 23
"""Of all labels together, each taken for as long as the longest one."""


def _check_storable(fitted: Fitted) -> None:
    if isinstance(fitted.answers, Labels):
        for label in fitted.answers.classes.tolist():
            if type(label) not in _LABELS:
                raise OutputError(f"the model is not saved: the label {short(label)} is no string or number")
        if fitted.answers.classes.dtype.kind == "U" and _too_wide(fitted.answers.classes.tolist()):
            raise OutputError("the model is not saved: its labels are too long; give shorter ones")


def _frequent_to_json(frequent: FrequentTags) -> dict[str, Any]:
    others = frequent.others
    return {"otherwise": frequent.otherwise, "tokens": list(others), "tags": list(others.values())}


def _frequent_of_format_1(tensors: Tensors, encoding: Encoding) -> dict[str, Any] | None:
    """As later formats have them. There each known symbol had its tag in a tensor, and the last was that of others."""
    stored = tensors.pop("frequent", None)
    if stored is None:
        return None
    known: Sequence[Any] = encoding.known if isinstance(encoding, (Alphabet, Features)) else ()
    if stored.shape != (len(known) + 1,) or stored.dtype != np.uint64:
        raise ModelFileError("the model file is damaged: its most frequent tags make no sense")
    *tags, otherwise = stored.tolist()
    found = dict(zip(known, tags, strict=True))
    if isinstance(encoding, Features):  # of which the tokens themselves are some
        found = {feature[1:]: tag for feature, tag in found.items() if feature.startswith("=")}
    return _frequent_to_json(FrequentTags(otherwise, {token: tag for token, tag in found.items() if tag != otherwise}))


def _frequent(stored: Any, encoding: Encoding, answers: Answers, wanted: bool) -> FrequentTags | None:
    if (stored is not None) != (wanted and isinstance(answers, Labels)):
        raise ModelFileError("the model file is damaged: it has no most frequent tags, or should have none")
    if stored is None:
        return None
    otherwise, tokens, tags = stored["otherwise"], stored["tokens"], stored["tags"]
    allowed = () if isinstance(encoding, Numbers) else (str, int)
    whole = _are_symbols(tokens, allowed) and isinstance(tags, list) and len(tags) == len(tokens)
    if not whole or any(type(tag) is not int or not 0 <= tag < answers.size for tag in (otherwise, *tags)):
        raise ModelFileError("the model file is damaged: its most frequent tags make no sense")
    return FrequentTags(otherwise, dict(zip(tokens, tags, strict=True)))


def _are_symbols(stored: Any, allowed: tuple[type, ...]) -> bool:
    """Whether it is a list of different symbols of these types."""
    whole = isinstance(stored, list) and all(type(symbol) in allowed for symbol in stored)
    return whole and len(set(stored)) == len(stored)


def _columns(stored: Any) -> int | None:
    if stored is not None and (type(stored) is not int or stored < 1):
        raise ModelFileError(f"the model file is damaged: it has {short(stored)} columns")
    return stored


def _names(stored: Any, columns: int | None) -> tuple[str, ...] | None:
    if stored is None:
        return None
    if not isinstance(stored, list) or len(stored) != columns or not all(isinstance(name, str) for name in stored):
        raise ModelFileError("the model file is damaged: its columns and their names differ")
    return tuple(stored)


def _baseline(stored: Any) -> Guess:
    found = Guess(**stored)
    if (
        not isinstance(found.guess, str)
        or len(found.guess) > 100
        or not (math.isfinite(found.score) and math.isfinite(found.loss))
    ):
        raise ModelFileError("the model file is damaged: its baseline is no score and loss")
    return found
