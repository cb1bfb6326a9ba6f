"""A forecaster as a file: what is stored, and how it is put together again."""

from __future__ import annotations

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
from throughtime.layers import Dense, Layer, recurrent_stack
from throughtime.losses import AbsoluteError, Loss, Pinball, SquaredError
from throughtime.network import Network
from throughtime.series.features import OF_UNIT, REFERENCES, Fact, Features, Scale, Standard
from throughtime.series.frequency import Frequency
from throughtime.series.panel import Roles
from throughtime.training import History

if TYPE_CHECKING:
    from throughtime.series.forecaster import Forecaster

Model = TypeVar("Model", bound="Forecaster")

LOSSES = ("pinball", "squared", "absolute")
MOST_SECONDS = 1 << 62
"""Of a step of a series; or months, or what is counted instead of time."""


class Sizes(NamedTuple):
    """Of a network."""

    hidden_size: int
    dropout: float
    outputs: int
    """How many numbers it gives for each value that is forecast."""


class Fitted(NamedTuple):
    """What ``fit`` finds, as far as it is kept."""

    network: Network
    cell: Cell
    parameters: dict[str, Any]
    """As they were at ``fit``, for a model file."""
    roles: Roles
    frequency: str | None
    features: Features
    context: int
    sizes: Sizes
    levels: tuple[float, ...]
    shifts: Array
    """``[h, C, Q]``: how far each quantile is moved, in units of a series' scale."""
    coverage: float | None
    names: list[Any]
    scales: list[Scale]
    """Of the series that were learned, in the order of ``names``."""
    history: History
    seed: int


def make_network(
    model: Forecaster, cell: Cell, sizes: Sizes, features: Features, roles: Roles, **weights: Any
) -> Network:
    """What the parameters of the model ask for; ``weights`` are where its weights come from."""
    return Network(layers(model, cell, sizes, features, roles), loss_of(model), dtype=model.dtype, **weights)


def layers(model: Forecaster, cell: Cell, sizes: Sizes, features: Features, roles: Roles) -> list[Layer]:
    """The layers of a network of these sizes."""
    stack = recurrent_stack(
        cell,
        features.width(roles),
        sizes.hidden_size,
        num_layers=model.num_layers,
        residual=model.residual,
        dropout=sizes.dropout,
        variational_dropout=model.variational_dropout,
    )
    outputs = features.leads * len(roles.target) * sizes.outputs
    return [*stack, Dense(sizes.hidden_size, outputs)]


def levels_of(model: Forecaster) -> tuple[float, ...]:
    """The quantiles that are forecast, the middle among them."""
    return tuple(sorted({*map(float, np.atleast_1d(model.quantiles)), 0.5}))


def loss_of(model: Forecaster) -> Loss:
    """What is made small."""
    if model.loss == "pinball":
        return Pinball(levels_of(model))
    return SquaredError() if model.loss == "squared" else AbsoluteError()


def pack(fitted: Fitted) -> tuple[Tensors, dict[str, Any]]:
    """Tensors and metadata; nothing of the machine or the moment."""
    features = asdict(fitted.features)
    for name in ("past", "future"):
        features[name] = {key: value.tolist() for key, value in features[name].items()}
    metadata = {
        "kind": "Forecaster",
        "parameters": fitted.parameters,
        "cell": cell_to_json(fitted.cell),
        "roles": asdict(fitted.roles),
        "features": features,
        "fitted": {
            **fitted.sizes._asdict(),
            "frequency": fitted.frequency,
            "context": fitted.context,
            "coverage": fitted.coverage,
            "names": fitted.names,
            "seed": fitted.seed,
        },
    }
    scales = {
        "scale.mean": np.stack([scale.mean for scale in fitted.scales]),
        "scale.size": np.stack([scale.size for scale in fitted.scales]),
    }
    return {**fitted.network.parameters, **fitted.history.to_arrays(), **scales, "shifts": fitted.shifts}, metadata


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
    stored = metadata["fitted"]
    if type(stored["seed"]) is not int:
        raise ModelFileError(f"the model file is damaged: its seed is {short(stored['seed'])}")
    model = kind(**parameters, engine=engine, random_state=seed_of(stored["seed"]))
    model.check()
    roles = _roles(metadata["roles"])
    features = _features(metadata["features"])
    sizes = Sizes(*(stored[name] for name in Sizes._fields))
    frequency = _frequency(stored["frequency"])
    if model.frequency is not None:
        _frequency(model.frequency)
    _check(model, stored, sizes, features, roles, tensors)
    if features.calendar not in ((), OF_UNIT.get(frequency.unit, ()) if frequency else ()):
        raise ModelFileError(f"the model file is damaged: it reads the calendar at {frequency and frequency.code}")
    weights = weights_of(tensors, ("history.", "scale.", "shifts"))
    network = make_network(model, cell, sizes, features, roles, engine=engine, parameters=weights)
    fitted = Fitted(
        network=network,
        cell=cell,
        parameters=named,
        roles=roles,
        frequency=frequency.code if frequency else None,
        features=features,
        context=stored["context"],
        sizes=sizes,
        levels=levels_of(model),
        shifts=tensors["shifts"],
        coverage=stored["coverage"],
        names=stored["names"],
        scales=[Scale(*pair) for pair in zip(tensors["scale.mean"], tensors["scale.size"], strict=True)],
        history=History.from_arrays(None, tensors, unit_of(model)),
        seed=stored["seed"],
    )
    return model, fitted


def unit_of(model: Forecaster) -> str:
    """Of the loss."""
    return f"{model.loss}, in units of each series' scale"


def _roles(data: Mapping[str, Any]) -> Roles:
    columns = {name: _strings(data[name]) for name in ("target", "past", "future", "static")}
    return Roles(**columns, time=data["time"], series=data["series"])


def _strings(stored: Any) -> tuple[str, ...]:
    if not isinstance(stored, list) or not all(isinstance(one, str) for one in stored):
        raise ModelFileError(f"the model file is damaged: {short(stored)} is no list of names")
    return tuple(stored)


def _frequency(code: Any) -> Frequency | None:
    """The frequency of this code, if its steps can be counted with."""
    found = None if code is None else Frequency.parse(code)
    if found is not None and found.size >= MOST_SECONDS:
        raise ModelFileError(f"the model file is damaged: its frequency is {short(code)}")
    return found


def _features(data: Mapping[str, Any]) -> Features:
    standards = {
        name: Standard(*(np.array(data[name][key], np.float64) for key in ("mean", "spread")))
        for name in ("past", "future")
    }
    facts = tuple(
        Fact(fact["name"], fact["mean"], fact["spread"], _strings(fact["categories"])) for fact in data["facts"]
    )
    return Features(**{**data, **standards, "facts": facts, "calendar": _strings(data["calendar"])})


def _check(
    model: Forecaster, stored: Mapping[str, Any], sizes: Sizes, features: Features, roles: Roles, tensors: Tensors
) -> None:
    """Raises :class:`ModelFileError` where what is stored does not fit together."""
    C, series = len(roles.target), len(stored["names"])
    named = (*roles.numbers, *roles.static, *(name for name in (roles.time, roles.series) if name is not None))
    counts = (sizes.hidden_size, sizes.outputs, stored["context"], features.leads, features.season)
    fits = (
        all(type(count) is int and 0 < count < 2**31 for count in counts)
        and model.num_layers <= len(tensors)  # before they are made
        and type(sizes.dropout) is float
        and (stored["coverage"] is None or (type(stored["coverage"]) is float and 0 <= stored["coverage"] <= 1))
        and C > 0
        and all(isinstance(name, str) for name in named)
        and len(set(named)) == len(named)
        and (roles.time is None) == (stored["frequency"] is None)
        and isinstance(stored["names"], list)
        and all(name is None or isinstance(name, (str, int, float)) for name in stored["names"])
        and type(features.flags) is bool
        and features.leads == (model.horizon if model.strategy == "direct" else 1)
        and features.reference in REFERENCES
        and (features.season > 1 or features.reference in ("mean", "last"))
        and [fact.name for fact in features.facts] == list(roles.static)
        and all(_is_sound(fact) for fact in features.facts)
        and sizes.outputs == (len(levels_of(model)) if model.loss == "pinball" else 1)
        and tensors["shifts"].shape == (model.horizon, C, len(levels_of(model)))
        and all(tensors[f"scale.{name}"].shape == (series, C) for name in ("mean", "size"))
        and all(tensors[name].dtype == np.float64 for name in ("shifts", "scale.mean", "scale.size"))
        and bool((tensors["scale.size"] > 0).all())
        and all(
            standard.mean.shape == standard.spread.shape == (len(names),)
            and bool(np.isfinite(standard.mean).all() and np.isfinite(standard.spread).all())
            and bool((standard.spread > 0).all())
            for standard, names in ((features.past, roles.past), (features.future, roles.future))
        )
    )
    if not fits:
        raise ModelFileError("the model file is damaged: its parts do not fit together")


def _is_sound(fact: Fact) -> bool:
    """Whether a static column that was stored can be told."""
    numbers = (fact.mean, fact.spread)
    return (
        all(type(number) is float and np.isfinite(number) for number in numbers)
        and fact.spread > 0
        and all(isinstance(category, str) for category in fact.categories)
    )
