"""Opens a saved model, whatever estimator wrote it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from throughtime import files
from throughtime.cells import Cell
from throughtime.errors import ModelFileError, short
from throughtime.sequences import SequenceClassifier, SequenceRegressor, SequenceTagger
from throughtime.series import Forecaster
from throughtime.text import TextGenerator

ESTIMATORS: Mapping[str, Any] = {
    kind.__name__: kind for kind in (TextGenerator, Forecaster, SequenceClassifier, SequenceRegressor, SequenceTagger)
}


def load(path: str | os.PathLike[str], *, cells: Sequence[Cell] = (), engine: Any = "auto") -> Any:
    """The model in a file.

    Parameters
    ----------
    path : path of a model file
    cells : sequence of Cell, default ()
        Cells of your own that the model may have been made with; a file holds a cell's name and fingerprint, never
        its code.
    engine : {"auto", "compiled", "numpy"}, default "auto"

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, foreign, or written by a newer version.
    CellError
        If the model's cell is not known, or is another one of the same name.
    """
    tensors, metadata = files.load(path)
    kind = metadata.get("kind")
    if not isinstance(kind, str) or kind not in ESTIMATORS:
        raise ModelFileError(
            f"{str(path)!r} holds a model of the kind {short(kind)}, which this version does not know; "
            "upgrade throughtime"
        )
    with files.naming(path):
        return ESTIMATORS[kind].from_file(tensors, metadata, cells, engine)
