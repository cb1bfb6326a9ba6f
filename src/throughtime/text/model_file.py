"""A text generator as a file: what is stored, and how it is put together again."""

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
from throughtime.errors import ModelFileError, short
from throughtime.estimator import cell_and_parameters, cell_to_json, named_parameters, weights_of
from throughtime.files import Tensors, opening
from throughtime.network import Network
from throughtime.parameters import PARAMETERS
from throughtime.text.learning import network
from throughtime.text.sizing import Sizes
from throughtime.text.vocabularies import Vocabulary, from_json, to_json
from throughtime.text.witten_bell import MOST_ORDER, Baseline
from throughtime.training import History

if TYPE_CHECKING:
    from throughtime.text.generator import TextGenerator

Model = TypeVar("Model", bound="TextGenerator")


DOCUMENTS = "documents"
"""What the fingerprints of the documents are called in a file."""


class Fitted(NamedTuple):
    """What ``fit`` finds, as far as it is kept."""

    network: Network
    cell: Cell
    parameters: dict[str, Any]
    """As they were at ``fit``, for a model file."""
    vocabulary: Vocabulary
    history: History
    seed: int
    sizes: Sizes
    start: int
    """The symbol that generation begins after, where no prime is given."""
    baseline: Baseline | None
    """How well counting expects the validation part; None if there is none."""
    documents: Array | None
    """Fingerprints of the documents, in order, where the text was documents."""


def pack(model: TextGenerator) -> tuple[Tensors, dict[str, Any]]:
    """Tensors and metadata; nothing of the machine or the moment."""
    fitted = model.fitted_
    metadata = {
        "kind": "TextGenerator",
        "parameters": fitted.parameters,
        "cell": cell_to_json(fitted.cell),
        "vocabulary": to_json(fitted.vocabulary),
        "fitted": {**asdict(fitted.sizes), "seed": fitted.seed, "start": fitted.start},
        "baseline": fitted.baseline and fitted.baseline._asdict(),
    }
    documents = {} if fitted.documents is None else {DOCUMENTS: fitted.documents}
    return {**fitted.network.parameters, **fitted.history.to_arrays(), **documents}, metadata


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
        return _unpacked(kind, tensors, metadata, cells, engine)


def _unpacked(
    kind: type[Model], tensors: Tensors, metadata: Mapping[str, Any], cells: Sequence[Cell], engine: Any
) -> tuple[Model, Fitted]:
    named = named_parameters(kind, metadata)
    cell, parameters = cell_and_parameters(metadata["cell"], named, cells)
    stored = dict(metadata["fitted"])
    seed, start = stored.pop("seed"), stored.pop("start")
    sizes = Sizes(**stored)
    if not all(type(number) is int for name, number in metadata["fitted"].items() if name != "dropout"):
        raise TypeError("sizes, seed and start must be integers")
    if type(sizes.dropout) is not float:
        raise TypeError("dropout must be a number")
    for name, value in stored.items():
        PARAMETERS[name].check(name, value)
        if parameters[name] not in (None, value):
            raise ModelFileError(f"the model file is damaged: {name} is {value} and {short(parameters[name])}")
    seed_of(seed)
    model = kind(**parameters, engine=engine, random_state=seed)
    model.check_parameters()
    vocabulary = from_json(metadata["vocabulary"])
    documents = tensors.get(DOCUMENTS)
    if documents is not None and (documents.ndim != 1 or documents.dtype != np.uint64 or not vocabulary.ends):
        raise ModelFileError("the model file is damaged: it has no list of documents")
    weights = weights_of(tensors, ("history.", DOCUMENTS))
    fits = sizes.num_layers <= len(weights) and 0 <= start < len(vocabulary) and model.level == vocabulary.level
    if not fits:
        raise ModelFileError("the model file is damaged: its sizes do not fit together")
    net = network(model, cell, len(vocabulary), sizes, engine=engine, parameters=weights)
    history = History.from_arrays(len(vocabulary), tensors)
    baseline = _baseline(metadata.get("baseline"))
    fitted = Fitted(net, cell, named, vocabulary, history, seed, sizes, start, baseline, documents)
    return model, fitted


def _baseline(stored: Any) -> Baseline | None:
    if stored is None:
        return None
    found = Baseline(**stored)
    counted = found.counted is None or (type(found.counted) is int and found.counted > 0)
    if type(found.order) is not int or not 1 <= found.order <= MOST_ORDER or not math.isfinite(found.loss):
        raise ModelFileError("the model file is damaged: its baseline is no order and loss")
    if not counted:
        raise ModelFileError("the model file is damaged: its baseline is counted on no number of symbols")
    return found
