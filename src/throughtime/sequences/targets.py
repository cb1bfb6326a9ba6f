"""Answers: labels, several of them at once, or numbers; and how much each row counts."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from throughtime import losses
from throughtime.engine.protocol import Array
from throughtime.errors import DataError, OutputError, ParameterError, how_many, known, short
from throughtime.estimator import scikit_learn
from throughtime.losses import AbsoluteError, Bernoulli, Huber, Loss, SoftmaxCrossEntropy, SquaredError
from throughtime.sequences.encoding import Scale
from throughtime.sequences.inputs import as_list, numbers
from throughtime.sequences.rows import OBJECTS_AT_ONCE, slices
from throughtime.tables import Cells, Spill
from throughtime.tables.pieces import as_array, spans

LOSSES: Mapping[str, Loss] = {"squared": SquaredError(), "absolute": AbsoluteError(), "huber": Huber()}

NO_ANSWERS = "this estimator requires y to be passed, but the target y is None"


class Answers(ABC):
    """What is to be found: how it is given to the loss, and what outputs say."""

    kind: ClassVar[str]

    @property
    @abstractmethod
    def size(self) -> int:
        """Outputs of the network, K."""

    @property
    @abstractmethod
    def loss(self) -> Loss: ...

    def targets(self, answers: Array) -> Array:
        """What the loss compares with, for answers as a lesson keeps them: numbers of classes, 0s and 1s, values."""
        return answers

    @property
    def unit(self) -> str:
        """Of the loss."""
        return "nats per answer"

    @property
    def guesses(self) -> int | None:
        """How many answers there are to guess from; None for numbers."""
        return None

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """For a model file."""


@dataclass(frozen=True)
class Labels(Answers):
    """One of several labels; ``classes [K]`` holds them in order."""

    classes: Array
    kind = "labels"

    @property
    def size(self) -> int:
        return len(self.classes)

    @property
    def loss(self) -> Loss:
        return SoftmaxCrossEntropy()

    @property
    def guesses(self) -> int:
        return self.size

    def ids(self, labels: Array) -> Array:
        """The numbers of the classes of labels ``[N]``; K for a label that was never seen."""
        places = {label: place for place, label in enumerate(self.classes.tolist())}
        return np.fromiter((places.get(label, self.size) for label in each_of(labels)), np.int32, len(labels))

    def targets(self, answers: Array) -> Array:
        return answers.astype(np.int64)

    def probabilities(self, o: Array) -> Array:
        """``[..., K]``, in float64."""
        return losses.softmax(o.astype(np.float64))

    def decide(self, o: Array) -> Array:
        """The likeliest label for outputs ``[..., K]``."""
        return np.asarray(self.classes[o.argmax(axis=-1)])

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "classes": self.classes.tolist(),
            "type": "str" if self.classes.dtype.kind == "U" else self.classes.dtype.name,
        }


@dataclass(frozen=True)
class Several(Answers):
    """Any number of K labels at once: y is ``[..., K]``, 0 or 1."""

    count: int
    kind = "several"

    @property
    def size(self) -> int:
        return self.count

    @property
    def loss(self) -> Loss:
        return Bernoulli()

    @property
    def guesses(self) -> int:
        return 2

    @property
    def classes(self) -> Array:
        """Their numbers."""
        return np.arange(self.count)

    def ids(self, labels: Array) -> Array:
        """The 0s and 1s themselves."""
        return labels.astype(np.int8)

    def targets(self, answers: Array) -> Array:
        return answers.astype(np.int64)

    def probabilities(self, o: Array) -> Array:
        """``[..., K]``, in float64: of each label by itself."""
        o = o.astype(np.float64)
        e = np.exp(-np.abs(o))
        return np.asarray(np.where(o >= 0, 1.0, e) / (1.0 + e))

    def decide(self, o: Array) -> Array:
        """1 where a label is likelier than not."""
        return np.asarray(o > 0).astype(np.int64)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "count": self.count}


@dataclass(frozen=True)
class Values(Answers):
    """Numbers ``[N, K]``, standardised; ``flat`` where y was ``[N]``."""

    scale: Scale
    loss_name: str
    flat: bool
    kind = "values"

    @property
    def size(self) -> int:
        return len(self.scale.mean)

    @property
    def loss(self) -> Loss:
        return LOSSES[self.loss_name]

    @property
    def unit(self) -> str:
        return f"{self.loss_name} error of standardised numbers"

    def targets(self, answers: Array) -> Array:
        return self.scale.forth(answers)

    def decode(self, o: Array) -> Array:
        """The numbers that outputs ``[N, K]`` stand for."""
        values = self.scale.back(o.astype(np.float64))
        return values[:, 0] if self.flat else values

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "flat": self.flat}


def read_labels(y: Any, bounds: Array | None = None) -> Array:
    """Labels ``[N]``, or 0s and 1s ``[N, K]``.

    Where they are those of the steps of sequences, ``bounds`` tell for messages where each begins.

    Raises
    ------
    DataError
        If there is none, one is missing or empty, they are of no such shape, or numbers that are no labels.
    """
    if y is None:
        raise DataError(NO_ANSWERS)
    labels = _as_array(as_list(y, "y"))
    if labels.ndim == 2 and labels.shape[1] == 1:
        category = scikit_learn("DataConversionWarning") or UserWarning
        message = "A column-vector y was passed when a 1d array was expected; its one column is taken"
        warnings.warn(message, category, stacklevel=3)
        labels = labels[:, 0]
    if labels.ndim not in (1, 2) or 0 in labels.shape:
        raise DataError(f"y must be labels [N], or 0s and 1s [N, K], got the shape {list(labels.shape)}")
    _check_labels(labels, bounds)
    if labels.ndim == 2:
        return _zeros_and_ones(labels, bounds)
    return labels


def read_values(y: Any) -> Array:
    """Numbers ``[N]`` or ``[N, K]``, in float64.

    Raises
    ------
    DataError
        If there is none, or one is no finite number.
    """
    if y is None:
        raise DataError(NO_ANSWERS)
    try:
        array = as_array(as_list(y, "y"))
    except ValueError:
        raise DataError("y must be numbers [N] or [N, K], got lists of different lengths") from None
    values = numbers(array, "y")
    if values.ndim not in (1, 2) or 0 in values.shape:
        raise DataError(f"y must be numbers [N] or [N, K], got the shape {list(values.shape)}")
    return values


def answers_of(labels: Array, before: Any = None) -> Labels | Several:
    """What these labels ``[N]``, or 0s and 1s ``[N, K]``, are answers of; those learned ``before`` must know them.

    Raises
    ------
    DataError
        If there is one class only, or one that was not learned before.
    """
    found = Several(labels.shape[1]) if labels.ndim == 2 else Labels(classes_of(labels))
    if before is None:
        return found
    if not isinstance(before, type(found)) or (isinstance(found, Several) and found != before):
        raise DataError("y is of another kind than the labels that were learned before")
    if isinstance(before, Labels):
        new = sorted(map(repr, set(found.classes.tolist()) - set(before.classes.tolist())))
        if new:
            raise DataError(f"y has labels that were not learned before, such as {new[0]}; learn a new model")
    return before


def classes_of(labels: Array) -> Array:
    """The different labels in order; those of several types type by type.

    Raises
    ------
    DataError
        If there is one only.
    """
    different = set(each_of(labels))
    try:
        order = sorted(different)
    except TypeError:
        order = sorted(different, key=lambda label: (type(label).__name__, repr(label)))
    if len(order) < 2:
        raise DataError(f"y holds one class only, {short(order[0])}; at least two classes are needed")
    return _filled(order, labels.dtype)


def each_of(labels: Array) -> Iterator[Any]:
    """Labels ``[N]`` as objects of Python, of which there are few at once."""
    for rows in spans(len(labels), OBJECTS_AT_ONCE):
        yield from labels[rows].tolist()


def _as_array(y: Any) -> Array:
    """An array of labels; a list of labels of several types stays what it is."""
    if isinstance(y, np.ndarray):
        return y
    kinds = {bool if isinstance(v, (bool, np.bool_)) else str if isinstance(v, str) else type(v) for v in y}
    if len(kinds) > 1 and (str in kinds or bool in kinds):
        return _filled(y, np.dtype(object))
    room = Spill()
    blocks = y.blocks() if isinstance(y, Cells) and len(y) else [y]
    try:
        return room.joined([room.keep(np.asarray(some)) for some in blocks])
    except OutputError:
        raise
    except ValueError:
        raise DataError("y must be labels [N], or 0s and 1s [N, K], got lists of different lengths") from None


def _filled(values: Sequence[Any], dtype: Any) -> Array:
    found = np.empty(len(values), dtype)
    found[:] = values
    return found


def _check_labels(labels: Array, bounds: Array | None) -> None:
    kind = labels.dtype.kind
    if kind == "c":
        raise DataError(f"Complex data not supported: y is {labels.dtype}")
    missing = _first(labels, _are_none)
    if missing is not None:
        shown = short(labels[tuple(missing)])
        raise DataError(f"y contains {shown} ({_where(missing, bounds)}), which is no label")
    if kind == "f" and _first(labels, lambda some: some != np.round(some)) is not None:
        raise DataError("Unknown label type: continuous. y holds fractions; a regressor predicts those")


def _first(labels: Array, such: Callable[[Array], Array]) -> Array | None:
    """The place of the first label that is such."""
    for part in slices(labels):
        places = np.argwhere(such(labels[part]))
        if len(places):
            return np.asarray(places[0] + [part.start, *[0] * (labels.ndim - 1)])
    return None


def _are_none(labels: Array) -> Array:
    """Which are no labels: missing, empty, not finite, or nothing that could be looked up."""
    kind = labels.dtype.kind
    if kind == "f":
        return np.asarray(~np.isfinite(labels))
    if kind in "US":
        return np.asarray(np.char.str_len(labels) == 0)
    if kind in "mM":
        return np.asarray(np.isnat(labels))
    if kind == "O":
        return np.reshape([_is_none(label) for label in labels.flat], labels.shape)
    return np.zeros(labels.shape, bool)


def _is_none(label: Any) -> bool:
    if isinstance(label, (str, bytes)):
        return not label
    return not isinstance(label, Hashable) or str(label) in ("None", "nan", "<NA>", "NaT")


def _where(place: Array, bounds: Array | None) -> str:
    """The row of a label, the step where it is one of a sequence, and the column where there are several."""
    row, *column = place.tolist()
    words = f"row {row}"
    if bounds is not None:
        sequence = int(np.searchsorted(bounds, row, side="right")) - 1
        words = f"row {sequence}, step {row - bounds[sequence]}"
    return ", ".join([words, *(f"column {k}" for k in column)])


def _zeros_and_ones(labels: Array, bounds: Array | None) -> Array:
    numeric = labels.dtype.kind in "biufO"
    strange = _first(labels, lambda some: (some != 0) & (some != 1)) if numeric else np.zeros(2, np.int64)
    if strange is not None:
        raise DataError(
            f"Unknown label type: y of shape {list(labels.shape)} must be 0s and 1s, one column for each label; "
            f"{_where(strange, bounds)} is {short(labels[tuple(strange)])}"
        )
    found = Spill().empty(labels.shape, np.int64)
    found[...] = labels
    return found


def warn_of_unseen(labels: Array, classes: Array, what: str) -> None:
    """Warns of labels ``[N]``, each of a ``what`` (such as a row), that are none of the classes learned."""
    seen = set(classes.tolist())
    unseen = Counter(label for label in each_of(labels) if label not in seen)
    if unseen:
        shown = ", ".join([*map(short, list(unseen)[:5]), *(["..."] if len(unseen) > 5 else [])])
        where = how_many(unseen.total(), what)
        message = f"labels that were never seen in training ({shown}) are those of {where}; they count as wrong"
        warnings.warn(message, stacklevel=3)


def check_same_number(X: Any, y: Any) -> None:
    """Raises :class:`DataError` unless both have as many rows."""
    if len(X) != len(y):
        raise DataError(f"X has {how_many(len(X), 'row')} and y has {len(y)}; they must be as many")


def check_same_shape(found: Array, y: Array) -> None:
    """Raises :class:`DataError` unless ``y`` is of the form of what was predicted."""
    check_same_number(found, y)
    if found.shape != y.shape:
        raise DataError(f"y must be of the shape {list(found.shape)}, got {list(y.shape)}")


def read_weights(sample_weight: Any, rows: int) -> Array:
    """How much each row counts, ``[N]`` in float64; all alike where nothing is said.

    Raises
    ------
    DataError
        If they are not as many as rows, one is negative or no finite number, or all are 0.
    """
    if sample_weight is None:
        return np.broadcast_to(1.0, rows)
    weights = numbers(as_list(sample_weight, "sample_weight"), "sample_weight")
    if weights.shape != (rows,):
        raise DataError(f"sample_weight must be one number for each row, [{rows}], got {list(weights.shape)}")
    if (weights < 0).any():
        row = int(np.argmax(weights < 0))
        raise DataError(f"sample_weight must not be negative: row {row} has {weights[row]:g}")
    if not weights.any():
        raise DataError("sample_weight is zero for every row; nothing would be learned")
    return weights


def weights_of_classes(class_weight: Any, answers: Labels | Several, ids: Array, weights: Array) -> Array | None:
    """How much each class counts, ``[K]``, None where all count 1; see the parameter ``class_weight``.

    ``ids [N]`` are the numbers of the rows' classes, ``weights [N]`` how much rows count for themselves.

    Raises
    ------
    ParameterError
        If it is neither None, "balanced", nor a dict from classes to numbers above 0; or several classes may hold.
    """
    if class_weight is None:
        return None
    if isinstance(answers, Several):
        raise ParameterError("class_weight is for one class a row; where several may hold, use sample_weight")
    if isinstance(class_weight, str) and class_weight == "balanced":
        counted = np.bincount(ids, weights, answers.size)
        return np.asarray(counted.sum() / answers.size / counted)
    if not isinstance(class_weight, Mapping):
        raise ParameterError(f"class_weight must be None, 'balanced' or a dict, got {short(class_weight)}")
    labels = answers.classes.tolist()
    for label, weight in class_weight.items():
        if label not in labels:
            classes = known(labels[:10])
            raise ParameterError(f"class_weight names {short(label)}, which is no class of y; it has {classes}")
        if isinstance(weight, bool) or not isinstance(weight, (int, float, np.number)) or not 0 < weight < np.inf:
            raise ParameterError(f"class_weight must be numbers above 0, got {short(weight)} for {short(label)}")
    return np.array([float(class_weight.get(label, 1.0)) for label in labels])
