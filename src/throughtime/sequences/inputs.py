"""Reads what is handed in: arrays, tables, lists of unequal sequences, strings. What cannot be read is refused here.

Sequences are numbers, ``[T]`` or ``[T, D]`` each, or symbols: the characters or words of a string, or tokens, which
are integers or strings.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.errors import DataError, DataTypeError, ParameterError, how_many, known, short
from throughtime.sequences.rows import Rows, Symbols, slices
from throughtime.tables import Cells, Spill
from throughtime.tables.pieces import as_array
from throughtime.text.vocabularies.words import split

LEVELS = ("char", "word")


@dataclass(frozen=True)
class Read:
    """What was handed in.

    ``content`` is :class:`Rows` of numbers ``[S, D]``, or :class:`Symbols`. ``columns`` is the length of the rows of a
    2-D array, or of a list that could be one, else None; in an array it is ``fixed``. ``names`` are those of a table's
    columns.
    """

    content: Rows | Symbols
    columns: int | None = None
    fixed: bool = False
    names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.content)

    @property
    def rows(self) -> Rows:
        """The numbers, or those of the symbols."""
        return self.content if isinstance(self.content, Rows) else self.content.rows

    @property
    def lengths(self) -> Array:
        """How many steps each sequence has, ``[N]``."""
        return self.rows.lengths

    @property
    def parts(self) -> Iterator[Array | str]:
        """All of it, for a fingerprint."""
        rows = self.rows
        if isinstance(self.content, Rows):
            rows = rows.together()
            yield from (rows.values, rows.bounds)
        else:
            shown = [*map(repr, self.content.known)]
            yield from (" ".join(map(shown.__getitem__, rows[row].tolist())) for row in range(len(rows)))

    def those(self, rows: Array) -> Read:
        """These sequences, in this order."""
        return self._of(self.rows.those(rows))

    def cut(self, max_length: int | None, truncating: str) -> Read:
        """At most ``max_length`` steps of each sequence: the last ones, or the first with ``truncating="post"``."""
        if max_length is None or (self.lengths <= max_length).all():
            return self
        return self._of(self.rows.cut(max_length, first=truncating == "post"))

    def _of(self, rows: Rows) -> Read:
        content = self.content
        return replace(self, content=rows if isinstance(content, Rows) else replace(content, rows=rows))


def read(X: Any, *, tokens: bool = False, level: str = "char") -> Read:
    """The sequences of ``X``.

    Parameters
    ----------
    X : array ``[N, T]`` or ``[N, T, D]``, table, list of N sequences, or list (or one column) of N strings
    tokens : bool, default False
        Integers are symbols, and so are strings in a sequence; a string by itself is no sequence then.
    level : {"char", "word"}, default "char"
        What a symbol of a string is.

    Raises
    ------
    DataError
        If there is no sequence, one is empty, or it holds anything that is no finite number (or no symbol).
    """
    X, names = _plain(X)
    if tokens:
        return _read_tokens(X, names)
    X = _one_column(X)
    if _are_strings(X):
        return Read(Symbols.of(_symbols_of(text, row, level) for row, text in enumerate(X)), names=names)
    if isinstance(X, np.ndarray) and not _is_list(X):
        return _read_array(X, names)
    return Read(_join(_sequence(row, number) for number, row in enumerate(X)), _common_length(X))


def check_level(level: str) -> None:
    """Raises :class:`ParameterError` unless the level is known."""
    if level not in LEVELS:
        raise ParameterError(f"level must be one of {known(LEVELS)}, got {short(level)}")


def check_truncating(truncating: str) -> None:
    """Raises :class:`ParameterError` unless it is an end of a sequence."""
    if truncating not in ("pre", "post"):
        raise ParameterError(f"truncating must be one of {known(('pre', 'post'))}, got {short(truncating)}")


def check_apart(X: Any, y: Any) -> None:
    """Raises :class:`DataError` where the answers are the sequences, or the texts, themselves."""
    same = X is y
    if not same:
        texts, answers = _one_column(as_list(X, "X")), _one_column(as_list(y, "y"))
        same = _is_list(texts) and _is_list(answers) and len(texts) == len(answers)
        same = same and all(
            isinstance(text, str) and isinstance(answer, str) and text == answer
            for text, answer in zip(texts, answers, strict=True)
        )
    if same:
        raise DataError("y is the same as X; give as y what is to be told of each sequence")


def as_list(X: Any, what: str) -> Any:
    """A list, tuple, array or :class:`Cells`; tables and what else can become an array are turned into one.

    Raises
    ------
    DataError
        If it is sparse, a single string, a dict, a lazy table, or nothing that has elements.
    """
    if X is None:
        raise DataError(f"{what} is None; expected N sequences")
    if isinstance(X, (str, bytes)):
        raise DataTypeError(f"{what} is a single string; give a list of them")
    if hasattr(X, "toarray"):
        raise DataTypeError(f"{what} is a sparse matrix, and sparse input is not supported; use {what}.toarray()")
    if hasattr(X, "collect"):
        raise DataTypeError(f"{what} is a {type(X).__name__}, which holds no rows yet; use {what}.collect()")
    if isinstance(X, Mapping):
        raise DataTypeError(f"{what} is a {type(X).__name__}, which has no rows; give a table, or a list of sequences")
    if isinstance(X, (list, tuple, np.ndarray, Cells)):
        return X
    if hasattr(X, "__array__") or hasattr(X, "__array_interface__"):
        return np.asarray(X)
    if hasattr(X, "__len__") and hasattr(X, "__getitem__"):
        return list(X)
    raise DataTypeError(f"{what} is of the type {type(X).__name__}; expected an array, or a list of sequences")


def _plain(X: Any) -> tuple[Any, tuple[str, ...] | None]:
    """X as a list or array with something in it, and the names of its columns if all are strings."""
    table, X = X, as_list(X, "X")
    columns = getattr(table, "columns", None)
    names = None if columns is None or not all(isinstance(name, str) for name in columns) else tuple(map(str, columns))
    if isinstance(X, np.ndarray) and (X.ndim == 0 or (X.ndim == 1 and X.dtype.kind not in "OUS")):
        raise DataError(
            f"Expected 2D array, got a {X.ndim}D array of numbers instead. Reshape your data: X.reshape(-1, 1) for "
            "sequences of one step, X.reshape(1, -1) for a single sequence."
        )
    if len(X) == 0:
        raise DataError(f"X has 0 sample(s) (shape={np.shape(X)}) while a minimum of 1 is required.")
    return X, names


def _one_column(X: Any) -> Any:
    """The strings of an array or a table that has one column of them; else X itself."""
    one = isinstance(X, np.ndarray) and X.ndim == 2 and X.shape[1] == 1 and len(X) and isinstance(X[0, 0], str)
    return X[:, 0] if one else X


def _is_list(X: Any) -> bool:
    """Whether it is a list of sequences, if only in the form of an array of objects."""
    return not isinstance(X, np.ndarray) or X.ndim == 1


def _are_strings(X: Any) -> bool:
    if not _is_list(X) or not isinstance(X[0], str):
        return False
    for row, text in enumerate(X):
        if not isinstance(text, str):
            raise DataTypeError(f"X begins with a string, but row {row} is {short(text)}; give strings only")
    return True


def _symbols_of(text: str, row: int, level: str) -> Sequence[str]:
    symbols = text if level == "char" else tuple(split(text))
    if not symbols:
        raise DataError(f"the string in row {row} of X is empty; a sequence needs at least one {level}")
    return symbols


def _read_tokens(X: Any, names: tuple[str, ...] | None) -> Read:
    if isinstance(X, np.ndarray) and X.ndim > 2:
        raise DataError(f"tokens must be sequences [T] or an array [N, T], got the shape {list(X.shape)}")
    content = Symbols.of(_tokens(row, number) for number, row in enumerate(X))
    return Read(content, _common_length(X), isinstance(X, np.ndarray) and X.ndim == 2, names)


def _common_length(X: Any) -> int | None:
    """The length of rows that are all as long and have one value at each step."""
    lengths = {X.shape[1]} if isinstance(X, np.ndarray) and X.ndim > 1 else {len(row) for row in X}
    return lengths.pop() if len(lengths) == 1 and np.ndim(X[0]) == 1 else None


def _tokens(row: Any, number: int) -> tuple[Hashable, ...]:
    if isinstance(row, str):
        raise DataTypeError(
            f"row {number} of X is the string {short(row)}, but a sequence of tokens is a list of them; give "
            "text.split() for its words, or list(text) for its characters"
        )
    values = row.tolist() if isinstance(row, np.ndarray) else list(as_list(row, f"row {number} of X"))
    if not values:
        raise DataError(f"row {number} of X is empty; a sequence needs at least one token")
    return tuple(_token(value, number) for value in values)


def _token(value: Any, row: int) -> Hashable:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return int(value)
    raise DataTypeError(f"tokens must be integers or strings: row {row} of X has {short(value)}")


def _read_array(X: Array, names: tuple[str, ...] | None) -> Read:
    if X.ndim > 3:
        raise DataError(f"X must be an array [N, T] or [N, T, D], got the shape {list(X.shape)}")
    if 0 in X.shape:
        missing = X.shape.index(0, 1)
        called = "feature(s)" if missing == X.ndim - 1 else "step(s)"
        raise DataError(f"Found array with 0 {called} (shape={X.shape}) while a minimum of 1 is required.")
    values = numbers(X, "X", names=names).reshape(X.shape[0] * X.shape[1], -1)
    rows = Rows.between(values, np.arange(X.shape[0] + 1) * X.shape[1])
    return Read(rows, X.shape[1] if X.ndim == 2 else None, X.ndim == 2, names)


def _sequence(row: Any, number: int) -> Array:
    if np.isscalar(row) or row is None:
        number_alone = isinstance(row, (int, float, np.number))
        hint = f". Reshape your data: [[{short(row)}], ...] for sequences of one step." if number_alone else ""
        raise DataError(f"X must hold sequences, but row {number} is {short(row)}{hint}")
    try:
        array = as_array(as_list(row, f"row {number} of X"))
    except ValueError:  # of unequal lists
        raise DataError(f"the steps of row {number} of X have different numbers of features") from None
    if array.size == 0:
        raise DataError(f"row {number} of X is empty; a sequence needs at least one step")
    if array.ndim not in (1, 2):
        raise DataError(f"row {number} of X must be [T] or [T, D], got the shape {list(array.shape)}")
    values = numbers(array, f"row {number} of X", axes=("step", "feature"))
    return values.reshape(len(values), -1)


def _join(sequences: Iterable[Array]) -> Rows:
    sizes: list[int] = []

    def flat() -> Iterator[Array]:
        for sequence in sequences:
            sizes.append(sequence.shape[1])
            yield sequence.ravel()

    rows = Rows.of(flat())
    for row, size in enumerate(sizes):
        if size != sizes[0]:
            first = how_many(sizes[0], "feature")
            raise DataError(f"row 0 of X has {first} at each step, row {row} has {size}; they must agree")
    return Rows(rows.values.reshape(-1, sizes[0]), rows.starts // sizes[0], rows.lengths // sizes[0])


Axes = tuple[str, ...]

AXES: Axes = ("row", "column", "feature")
"""What the axes of an array are called in a message."""


def numbers(values: Any, what: str, *, axes: Axes = AXES, names: Sequence[str] | None = None) -> Array:
    """The same in float64: itself, where it is that already.

    Parameters
    ----------
    values : array
    what : what it is called in a message
    axes : what its axes are called
    names : of the columns, instead of their numbers

    Raises
    ------
    DataError
        For the first value that is no finite real number, with its place.
    """
    values = np.asarray(values)
    if values.dtype.kind == "c":
        raise DataError(f"Complex data not supported: {what} is {values.dtype}")
    if values.dtype.kind not in "biuf":
        values = _converted(values, what, axes, names)
    if not values.ndim:
        return np.asarray(values, np.float64)
    whole = values.dtype == np.float64 and values.flags.c_contiguous
    for part in slices(values):
        some = values[part].astype(np.float64, copy=False)
        _check_finite(some, part.start, what, axes, names)
        whole = whole and not np.signbit(some[some == 0]).any()
    if whole:
        return np.asarray(values)
    found = Spill().empty(values.shape, np.float64)
    for part in slices(values):
        found[part] = values[part].astype(np.float64, copy=False) + 0.0  # so that there is one zero
    return found


def _check_finite(values: Array, first: int, what: str, axes: Axes, names: Sequence[str] | None) -> None:
    strange = ~np.isfinite(values)
    if strange.any():
        place = np.argwhere(strange)[0]
        called = "NaN" if np.isnan(values[tuple(place)]) else "infinity"
        where = _where((first + int(place[0]), *place[1:].tolist()), axes, names)
        raise DataError(f"{what} contains {called} ({where}); every value must be a finite number")


def _converted(values: Array, what: str, axes: Axes, names: Sequence[str] | None) -> Array:
    if values.dtype.kind not in "OUS":
        raise DataTypeError(f"{what} must hold numbers, got {values.dtype}")
    found = Spill().empty(values.shape, np.float64)
    for place, value in np.ndenumerate(values):
        if isinstance(value, (str, bytes)):
            where = f"{_where(place, axes, names)} has the text {short(value)}"
            hint = "" if axes is AXES else "; a model with tokens=True reads strings as symbols"
            raise DataError(f"{what} must hold numbers: {where}{_alone(place, what, names) or hint}")
        try:
            found[place] = value
        except (TypeError, ValueError, OverflowError) as error:
            where = f"{_where(place, axes, names)} has {short(value)} ({error})"
            raise DataTypeError(f"{what} must hold numbers: {where}{_alone(place, what, names)}") from None
    return found


def _alone(place: tuple[int, ...], what: str, names: Sequence[str] | None) -> str:
    """What to do where a column of a table holds texts or lists."""
    return "" if names is None else f"; where a column holds sequences give it alone, {what}[{names[place[1]]!r}]"


def _where(place: tuple[int, ...], axes: Axes, names: Sequence[str] | None) -> str:
    words = [f"{axis} {number}" for axis, number in zip(axes, place, strict=False)]
    if names is not None:
        words[1] = f"column {names[place[1]]!r}"
    return ", ".join(words)
