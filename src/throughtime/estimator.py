"""What all estimators share: scikit-learn's manners without importing it, and parameters in a model file."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from throughtime import cells, optimizers
from throughtime.cells import Cell
from throughtime.errors import ModelFileError, NotFittedError, ParameterError, known, short
from throughtime.initializers import Initializer
from throughtime.optimizers import Rule, schedules
from throughtime.optimizers.schedules import Schedule
from throughtime.parameters import PARAMETERS, Parameter

_OF_THE_MOMENT = ("callbacks", "verbose", "engine", "random_state", "warm_start")
"""Parameters that a model file does not hold."""
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


class Estimator:
    """The manners of scikit-learn: the constructor only stores, ``fit`` learns, what is learned ends in ``_``."""

    table: ClassVar[Mapping[str, Parameter]] = PARAMETERS
    """What its parameters may be."""
    learned: ClassVar[str] = "network_"
    """What it has after ``fit``."""

    @classmethod
    def parameter_names(cls) -> list[str]:
        """The constructor's parameters, in order."""
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name."""
        return {name: getattr(self, name) for name in self.parameter_names()}

    def set_params(self, **parameters: Any) -> Self:
        """Changes parameters.

        Raises
        ------
        ParameterError
            If one is unknown.
        """
        for name, value in parameters.items():
            if name not in self.parameter_names():
                kind = type(self).__name__
                raise ParameterError(f"{kind} has no parameter {name!r}; it has {known(self.parameter_names())}")
            setattr(self, name, value)
        return self

    def check_parameters(self) -> None:
        """Raises :class:`ParameterError` for the first parameter whose value makes no sense."""
        for name, value in self.get_params().items():
            self.table[name].check(name, value)

    def check_fitted(self) -> None:
        """Raises :class:`NotFittedError` before ``fit``."""
        if not hasattr(self, self.learned):
            raise _not_fitted(f"this {type(self).__name__} has not learned anything yet; call fit first")

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, self.learned)

    def __sklearn_tags__(self) -> Any:
        """For scikit-learn's tools, which ask for it; nothing else needs scikit-learn."""
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            input_tags=InputTags(two_d_array=False, string=True),
            non_deterministic="random_state" in self.get_params() and self.get_params()["random_state"] is None,
        )

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: not the run itself, which holds what listened to it."""
        return {name: value for name, value in vars(self).items() if name != "training_"}

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        changed = [f"{k}={v!r}" for k, v in self.get_params().items() if v != defaults[k].default]
        return f"{type(self).__name__}({', '.join(changed)})"


def scikit_learn(name: str) -> Any:
    """An exception or warning of scikit-learn's, which its tools look for; None where it is not loaded."""
    return getattr(sys.modules.get("sklearn.exceptions"), name, None)


def _not_fitted(message: str) -> NotFittedError:
    """Ours, and scikit-learn's too where it is loaded."""
    theirs = scikit_learn("NotFittedError")
    if theirs is None:
        return NotFittedError(message)
    both: type[NotFittedError] = type("NotFittedError", (NotFittedError, theirs), {"__reduce__": _as_ours})
    return both(message)


def _as_ours(error: NotFittedError) -> tuple[type[NotFittedError], tuple[Any, ...]]:
    """How it goes from process to process: a class made on the way has no name to be found by."""
    return NotFittedError, error.args


def resolve_cell(cell: str | Cell, activation: str) -> Cell:
    """The cell that ``cell`` and ``activation`` mean together.

    Raises
    ------
    ParameterError
        If the cell or activation is unknown, or an activation is given for a cell that has its own.
    """
    if activation not in cells.ACTIVATIONS:
        raise ParameterError(f"activation must be one of {known(cells.ACTIVATIONS)}, got {activation!r}")
    if cell == "elman":
        return cells.get(cells.elman(activation))
    found = cells.get(cell)
    if activation != "tanh":
        raise ParameterError(f"activation is the Elman cell's; {found.name!r} has its own: leave activation='tanh'")
    return found


def cell_to_json(cell: Cell) -> dict[str, str]:
    """A cell as it stands in a model file: its name and what it computes in short, never its code."""
    return {"name": cell.name, "fingerprint": cell.fingerprint}


def named_parameters(kind: type[Estimator], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Of a model file: all parameters of an estimator, as JSON; those that the file does not name have their defaults.

    Raises
    ------
    ModelFileError
        If one is of the machine or the moment, which files do not hold, or is too large to count with.
    KeyError, TypeError
        If the file holds anything else.
    """
    found = {**parameters_to_json(kind().get_params()), **metadata["parameters"]}
    for name, value in found.items():
        if name in _OF_THE_MOMENT or (isinstance(value, int) and abs(value) >= 2**63):
            raise ModelFileError(f"the model file is damaged: the parameter {short(name)} is {short(value)}")
    return found


def cell_and_parameters(
    stored: Mapping[str, Any], named: Mapping[str, Any], own: Sequence[Cell]
) -> tuple[Cell, dict[str, Any]]:
    """Of a model file: the cell ``stored``, built in or one of ``own``, and the parameters ``named`` with it.

    Raises
    ------
    CellError
        If the cell is not known, or is another one of the same name.
    ModelFileError
        If the parameters name another cell, or what names the cell is no name or fingerprint.
    KeyError, TypeError
        If the file holds anything else.
    """
    name, fingerprint = stored["name"], stored["fingerprint"]
    if not isinstance(name, str) or len(name) > 200 or not _FINGERPRINT.fullmatch(fingerprint):
        raise ModelFileError(f"the model file is damaged: it names the cell {short(name)}, {short(fingerprint)}")
    cell = cells.match(name, fingerprint, own)
    parameters = parameters_from_json(named)
    if cell != cells.REGISTRY.get(cell.name):
        parameters["cell"] = cell
    if resolve_cell(parameters["cell"], parameters["activation"]) != cell:
        raise ModelFileError(
            f"the model file is damaged: it names the cells {short(parameters['cell'])} and {cell.name!r}"
        )
    return cell, parameters


def weights_of(tensors: Mapping[str, Any], others: tuple[str, ...]) -> dict[str, Any]:
    """The weights among the tensors of a model file: all but those whose names begin as one of the ``others``.

    Raises
    ------
    ModelFileError
        If one is not of numbers that float32 can hold.
    """
    found = {name: tensor for name, tensor in tensors.items() if not name.startswith(others)}
    for name, tensor in found.items():
        if tensor.dtype.kind != "f" or np.abs(tensor).max(initial=0.0) > np.finfo(np.float32).max:
            raise ModelFileError(f"the model file is damaged: the weights {short(name)} are no numbers of float32")
    return found


def parameters_to_json(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as they stand in a model file; what is of the machine or the moment is left out."""
    data: dict[str, Any] = {}
    for name, value in parameters.items():
        if name in _OF_THE_MOMENT:
            continue
        if isinstance(value, (Cell, Initializer)):
            value = value.name
        elif isinstance(value, Rule):
            value = {"name": value.name, **value.settings}
        elif isinstance(value, Schedule):
            value = {"name": value.name, **vars(value)}
        elif isinstance(value, Mapping):
            value = [[_plain(key), _plain(weight)] for key, weight in value.items()]
        elif isinstance(value, (list, tuple)):
            value = [_plain(item) for item in value]
        data[name] = _plain(value)
    return data


def _plain(value: Any) -> Any:
    """A number of NumPy's, or an array of them, as Python's own; anything else as it is."""
    return value.tolist() if hasattr(value, "tolist") else value


def parameters_from_json(data: Mapping[str, Any]) -> dict[str, Any]:
    """What ``parameters_to_json`` gave; a rule or schedule of the user's own comes back as its name."""
    parameters = dict(data)
    for name, kinds in (("optimizer", optimizers.RULES), ("schedule", schedules.SCHEDULES)):
        value = parameters.get(name, "")
        if not isinstance(value, (str, Mapping)):
            raise TypeError(f"{name} {value!r}")
        if isinstance(value, Mapping):
            settings = {key: setting for key, setting in value.items() if key != "name"}
            if not all(type(setting) in (int, float) for setting in settings.values()):
                raise TypeError(f"{name} {value!r}")
            known_kind: Any = kinds.get(value["name"])
            parameters[name] = known_kind(**settings) if known_kind else value["name"]
    if isinstance(parameters.get("class_weight"), list):
        parameters["class_weight"] = dict(parameters["class_weight"])
    return parameters
