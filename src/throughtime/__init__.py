"""throughtime: recurrent networks in Python, from the equations up.

Everything public is reached from here, and loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from throughtime import cells, errors
    from throughtime.cells import Cell
    from throughtime.engine.compiled.threads import set_num_threads
    from throughtime.inspection import check_gradients
    from throughtime.loading import load
    from throughtime.network import Batch, Network
    from throughtime.sequences import SequenceClassifier, SequenceRegressor, SequenceTagger
    from throughtime.series import Forecaster
    from throughtime.tables import read_table
    from throughtime.text import TextGenerator

__version__ = "0.1.0"

__all__ = [
    "Batch",
    "Cell",
    "Forecaster",
    "Network",
    "SequenceClassifier",
    "SequenceRegressor",
    "SequenceTagger",
    "TextGenerator",
    "cells",
    "check_gradients",
    "errors",
    "load",
    "read_table",
    "set_num_threads",
]

_HOMES = {
    "Batch": "throughtime.network",
    "Cell": "throughtime.cells",
    "Forecaster": "throughtime.series",
    "Network": "throughtime.network",
    "SequenceClassifier": "throughtime.sequences",
    "SequenceRegressor": "throughtime.sequences",
    "SequenceTagger": "throughtime.sequences",
    "TextGenerator": "throughtime.text",
    "check_gradients": "throughtime.inspection",
    "load": "throughtime.loading",
    "read_table": "throughtime.tables",
    "set_num_threads": "throughtime.engine.compiled.threads",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    elif name in __all__:
        value = import_module(f"throughtime.{name}")
    else:
        raise AttributeError(f"module 'throughtime' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
