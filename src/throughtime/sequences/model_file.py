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
from throughtime.errors import CellError, ModelFileError, OutputError
from throughtime.estimator import cell_and_parameters, cell_to_json, resolve_cell
from throughtime.files import Tensors
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
    try:
        return _unpacked(kind, dict(tensors), metadata, cells, engine)
    except (CellError, ModelFileError):
        raise
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise ModelFileError(f"the model file is damaged: {type(error).__name__}: {error}") from error


def _unpacked(
    kind: type[Model], tensors: Tensors, metadata: Mapping[str, Any], cells: Sequence[Cell], engine: Any
) -> tuple[Model, Fitted]:
    cell, parameters = cell_and_parameters(metadata, cells)
    stored = dict(metadata["fitted"])
    seed, columns, names = stored.pop("seed"), stored.pop("columns"), stored.pop("names")
    sizes = _sizes(kind, stored, parameters)
    seed_of(seed)
    make: Any = kind  # whose parameters are those of the estimator
    model = make(**parameters, engine=engine, random_state=seed)
    model.check_parameters()
    if resolve_cell(model.cell, model.activation) != cell:
        raise ModelFileError(f"the model file is damaged: it names the cells {model.cell!r} and {cell.name!r}")
    given = model.get_params()
    encoding = _encoding(metadata["encoding"], tensors)
    answers = _answers(metadata["answers"], tensors, given)
    history = History.from_arrays(answers.guesses, tensors, unit=answers.unit)
    weights = {name: tensor for name, tensor in tensors.items() if not name.startswith("history.")}
    if (given["num_layers"] or 1) > len(weights):
        raise ModelFileError("the model file is damaged: its sizes do not fit together")
    net = network(given, cell, encoding, answers, sizes, engine=engine, parameters=weights)
    fitted = Fitted(
        net,
        cell,
        metadata["parameters"],
        encoding,
        answers,
        history,
        seed,
        sizes,
        _columns(columns),
        _names(names, 1 if columns is None and isinstance(encoding, Alphabet) else columns),
        _baseline(metadata["baseline"]),
        _frequent(metadata["frequent"], encoding, answers, wanted="pooling" not in given),
    )
    return model, fitted


def _sizes(kind: type[SequenceLearner], stored: dict[str, Any], parameters: Mapping[str, Any]) -> Sizes:
    for name, value in stored.items():
        if type(value) is not int:
            raise ModelFileError(f"the model file is damaged: {name} is {value!r}")
        kind.table[name].check(name, value)
        if parameters.get(name) not in (None, value):
            raise ModelFileError(f"the model file is damaged: {name} is {value} and {parameters[name]}")
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
        raise ModelFileError(f"the model file is damaged: its answers are {kind!r}")
    if kind == Values.kind:
        scale, flat = _scale_from_tensors("answers", tensors), stored["flat"]
        if not isinstance(flat, bool) or (flat and len(scale.mean) != 1) or given["loss"] not in LOSSES:
            raise ModelFileError("the model file is damaged: its answers make no sense")
        return Values(scale, given["loss"], flat)
    if kind == Several.kind:
        if type(stored["count"]) is not int or stored["count"] < 1:
            raise ModelFileError(f"the model file is damaged: it has {stored['count']!r} labels")
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
        return np.array(classes)
    dtype = np.dtype(called)
    if dtype.kind not in "biufO":
        raise ModelFileError(f"the model file is damaged: its labels are {called!r}")
    found = np.empty(len(classes), dtype)
    found[:] = classes
    if [(type(label), label) for label in found.tolist()] != [(type(label), label) for label in classes]:
        raise ModelFileError(f"the model file is damaged: its labels are no {called!r}")
    return found


_LABELS = (str, int, float, bool)


def _check_storable(fitted: Fitted) -> None:
    if isinstance(fitted.answers, Labels):
        for label in fitted.answers.classes.tolist():
            if type(label) not in _LABELS:
                raise OutputError(f"the model is not saved: the label {label!r} is no string or number")


def _frequent_to_json(frequent: FrequentTags) -> dict[str, Any]:
    others = frequent.others
    return {"otherwise": frequent.otherwise, "tokens": list(others), "tags": list(others.values())}


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
        raise ModelFileError(f"the model file is damaged: it has {stored!r} columns")
    return stored


def _names(stored: Any, columns: int | None) -> tuple[str, ...] | None:
    if stored is None:
        return None
    if not isinstance(stored, list) or len(stored) != columns or not all(isinstance(name, str) for name in stored):
        raise ModelFileError("the model file is damaged: its columns and their names differ")
    return tuple(stored)


def _baseline(stored: Any) -> Guess:
    found = Guess(**stored)
    if not isinstance(found.guess, str) or not (math.isfinite(found.score) and math.isfinite(found.loss)):
        raise ModelFileError("the model file is damaged: its baseline is no score and loss")
    return found
