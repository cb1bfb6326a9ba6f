"""Everything that throughtime raises on purpose.

    ThroughtimeError
    ├── InputError (ValueError)      something that was handed in cannot be used
    │   ├── ParameterError           a parameter has a value that makes no sense
    │   │   └── MissingPackage       what was asked for needs a package that is not installed
    │   ├── DataError                the data cannot be learned from or scored
    │   │   ├── UnknownSymbol        a symbol that the model never saw
    │   │   └── DataTypeError (TypeError)    data of a type that is no number, text or sequence
    │   ├── CellError                a cell that an engine could not run
    │   ├── ShapeError               arrays whose shapes do not fit together
    │   ├── ModelFileError           a model file that is damaged, foreign or newer
    │   └── OutputError              a place that cannot be written to
    ├── NotFittedError (ValueError, AttributeError)
    ├── NonFiniteLoss                training met a loss that is no number; the last good weights are kept
    ├── GradientError                a gradient that disagrees with the numerical derivative
    └── Disagreement                 what was to be timed side by side does not compute the same

Each message says what was wrong and where, what was expected, and what to do. ``exit_code`` is what the command line
answers with.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


class ThroughtimeError(Exception):
    """The root of the tree."""

    exit_code = 1


class InputError(ThroughtimeError, ValueError):
    """Something that was handed in cannot be used."""

    exit_code = 2


class ParameterError(InputError):
    """A parameter has a value that makes no sense."""


class MissingPackage(ParameterError):
    """What was asked for needs a package that is not installed."""


class DataError(InputError):
    """The data cannot be learned from or scored."""


class UnknownSymbol(DataError):
    """A text has a symbol that the model never saw."""


class DataTypeError(DataError, TypeError):
    """Data are of a type that is no number, text or sequence."""


class CellError(InputError):
    """A cell cannot be run by every engine, or is not the one a model was made with."""


class ShapeError(InputError):
    """Arrays whose shapes do not fit together."""


class ModelFileError(InputError):
    """A model file is damaged, foreign, or written by a newer version."""


class OutputError(InputError):
    """A file or folder cannot be written."""


class NotFittedError(ThroughtimeError, ValueError, AttributeError):
    """The estimator has not learned anything yet; call ``fit`` first."""


class NonFiniteLoss(ThroughtimeError):
    """Training met a loss or gradient that is not a number; the last good weights are kept."""


class GradientError(ThroughtimeError):
    """A gradient disagrees with the numerical derivative."""


class Disagreement(ThroughtimeError):
    """What was to be timed side by side does not compute the same; nothing was timed."""


def short(value: Any) -> str:
    """A value as it is shown in a message; one of NumPy's as Python's own."""
    return cut(repr(value.item() if isinstance(value, np.generic) else value), 40)


def cut(text: str, most: int = 300) -> str:
    """At most so many characters of a text, with dots where there were more."""
    return text if len(text) <= most else text[: most - 3] + "..."


def told(error: BaseException) -> str:
    """What an exception of others says, for a message of ours: cut, and with control characters written out."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in cut(str(error)))


def known(names: Iterable[str]) -> str:
    """Names for the end of a message: ``'a', 'b' and 'c'``; long ones are shortened."""
    quoted = [short(name) for name in names]
    return " and ".join(part for part in (", ".join(quoted[:-1]), *quoted[-1:]) if part)


def how_many(number: int, noun: str) -> str:
    """For messages: ``1 step``, ``1,000 steps``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
