"""Engines carry a cell through time, forward and back. ``numpy`` is the one to be read."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from throughtime.engine.plain import PlainEngine
from throughtime.engine.protocol import Engine
from throughtime.errors import ParameterError, known, short


def _compiled(dtype: Any) -> Engine:
    from throughtime.engine.compiled.engine import CompiledEngine

    return CompiledEngine(dtype)


ENGINES: dict[str, Callable[[Any], Engine]] = {"compiled": _compiled, "numpy": PlainEngine}


def _automatic(dtype: Any) -> str:
    return "compiled" if np.dtype(dtype) == np.float32 and os.name == "posix" else "numpy"


def make(engine: str | Engine = "auto", dtype: Any = "float32") -> Engine:
    """A new engine.

    Parameters
    ----------
    engine : {"auto", "compiled", "numpy"} or Engine, default "auto"
        ``auto`` is ``compiled`` in float32, ``numpy`` in float64 and on Windows. An engine object is returned as it is,
        with its own dtype.
    dtype : {"float32", "float64"}, default "float32"

    Raises
    ------
    ParameterError
        If the engine or the dtype is unknown.
    """
    if isinstance(engine, Engine):
        return engine
    if not isinstance(engine, str) or engine not in ("auto", *ENGINES):
        raise ParameterError(f"engine must be one of {known(('auto', *ENGINES))}, got {engine!r}")
    if dtype not in ("float32", "float64", np.float32, np.float64):
        raise ParameterError(f"dtype must be 'float32' or 'float64', got {short(dtype)}")
    return ENGINES[_automatic(dtype) if engine == "auto" else engine](dtype)
