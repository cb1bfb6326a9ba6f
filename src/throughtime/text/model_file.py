"""A text generator as a file: what is stored, and how it is put together again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from throughtime.cells import REGISTRY, Cell, match
from throughtime.engine import make as make_engine
from throughtime.engine.random import seed_of
from throughtime.errors import CellError, ModelFileError
from throughtime.estimator import parameters_from_json, resolve_cell
from throughtime.files import Tensors
from throughtime.network import Network
from throughtime.parameters import PARAMETERS
from throughtime.text.learning import network
from throughtime.text.sizing import Sizes
from throughtime.text.vocabulary import Vocabulary, from_json
from throughtime.training import History

if TYPE_CHECKING:
    from throughtime.text.generator import TextGenerator


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


def pack(model: TextGenerator) -> tuple[Tensors, dict[str, Any]]:
    """Tensors and metadata; nothing of the machine or the moment."""
    fitted = model.fitted_
    metadata = {
        "kind": "TextGenerator",
        "parameters": fitted.parameters,
        "cell": {"name": fitted.cell.name, "fingerprint": fitted.cell.fingerprint},
        "vocabulary": fitted.vocabulary.to_json(),
        "fitted": {**asdict(fitted.sizes), "seed": fitted.seed, "start": fitted.start},
    }
    return {**fitted.network.parameters, **fitted.history.to_arrays()}, metadata


def unpack(
    kind: type[TextGenerator], tensors: Tensors, metadata: Mapping[str, Any], cells: Sequence[Cell], engine: Any
) -> tuple[TextGenerator, Fitted]:
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
        cell = match(metadata["cell"]["name"], metadata["cell"]["fingerprint"], cells)
        parameters = parameters_from_json(metadata["parameters"])
        if cell != REGISTRY.get(cell.name):
            parameters["cell"] = cell
        stored = dict(metadata["fitted"])
        seed, start = stored.pop("seed"), stored.pop("start")
        sizes = Sizes(**stored)
        if not all(type(number) is int for name, number in metadata["fitted"].items() if name != "dropout"):
            raise TypeError("sizes, seed and start must be integers")
        if type(sizes.dropout) is not float:
            raise TypeError("dropout must be a number")
        for name, value in stored.items():
            PARAMETERS[name].check(name, value)
            if parameters.get(name) not in (None, value):
                raise ModelFileError(f"the model file is damaged: {name} is {value} and {parameters[name]}")
        seed_of(seed)
        model = kind(**parameters, engine=engine, random_state=seed)
        model.check_parameters()
        vocabulary = from_json(metadata["vocabulary"])
        weights = {name: tensor for name, tensor in tensors.items() if not name.startswith("history.")}
        if resolve_cell(model.cell, model.activation) != cell:
            raise ModelFileError(f"the model file is damaged: it names the cells {model.cell!r} and {cell.name!r}")
        fits = sizes.num_layers <= len(weights) and 0 <= start < len(vocabulary) and model.level == vocabulary.level
        if not fits:
            raise ModelFileError("the model file is damaged: its sizes do not fit together")
        net = network(model, cell, len(vocabulary), sizes, engine=engine, parameters=weights)
        history = History.from_arrays(len(vocabulary), tensors)
    except (CellError, ModelFileError):
        raise
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise ModelFileError(f"the model file is damaged: {type(error).__name__}: {error}") from error
    return model, Fitted(net, cell, metadata["parameters"], vocabulary, history, seed, sizes, start)
