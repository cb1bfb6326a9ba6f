"""Initial weights.

A layer declares its parameters as :class:`ParameterSpec`; an :class:`Initializer` fills the matrices, block by block,
so that the gates of a cell are drawn as if each stood alone. Biases and per-unit vectors start at the values that the
layer names, whatever the initializer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.errors import ParameterError, known, short

Role = Literal["input", "hidden", "output", "embedding", "vector"]
Draw = Callable[[np.random.Generator, int, int, Role], Array]


@dataclass(frozen=True)
class ParameterSpec:
    """What a layer wants a parameter to be.

    ``role`` is ``"vector"`` for biases and per-unit parameters, else the matrix's place. ``blocks`` stand side by side
    along the last axis; ``values`` has one initial value (or the bounds of a uniform draw) for each block of a vector.
    """

    shape: tuple[int, ...]
    role: Role
    blocks: int = 1
    values: tuple[float | tuple[float, float], ...] = (0.0,)


@dataclass(frozen=True)
class Initializer:
    """Draws a block of weights ``[rows, columns]``; rows are the incoming connections of each unit.

    Parameters
    ----------
    name : str
    draw : callable
        ``draw(rng, rows, columns, role) -> [rows, columns]``
    """

    name: str
    draw: Draw = field(repr=False)

    def fill(self, spec: ParameterSpec, rng: np.random.Generator) -> Array:
        """A parameter as its spec asks for, in float64."""
        if spec.role == "vector":
            size = spec.shape[0] // spec.blocks
            values = spec.values if len(spec.values) == spec.blocks else spec.values * spec.blocks
            return np.concatenate([_vector(rng, value, size) for value in values])
        rows, columns = spec.shape
        width = columns // spec.blocks
        return np.concatenate([self.draw(rng, rows, width, spec.role) for _ in range(spec.blocks)], axis=1)


def _vector(rng: np.random.Generator, value: float | tuple[float, float], size: int) -> Array:
    return rng.uniform(*value, size) if isinstance(value, tuple) else np.full(size, float(value))


def _uniform(rng: np.random.Generator, rows: int, columns: int, role: Role) -> Array:
    bound = 1 / np.sqrt(rows)
    return rng.uniform(-bound, bound, (rows, columns))


def _normal(rng: np.random.Generator, rows: int, columns: int, role: Role) -> Array:
    return rng.normal(0.0, 0.01, (rows, columns))


def _glorot(rng: np.random.Generator, rows: int, columns: int, role: Role) -> Array:
    incoming = 1 if role == "embedding" else rows  # however many symbols there are, one row is read
    bound = np.sqrt(6 / (incoming + columns))
    return rng.uniform(-bound, bound, (rows, columns))


def _orthogonal(rng: np.random.Generator, rows: int, columns: int, role: Role) -> Array:
    tall = rng.normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(tall)
    q *= np.sign(np.diag(r))  # without this the draw is not uniform over the orthogonal matrices (Mezzadri, 2007)
    return q if rows >= columns else q.T


def identity(scale: float = 1.0) -> Initializer:
    """``scale`` times the identity between hidden units, N(0, 0.001) elsewhere.

    Le, Jaitly and Hinton (2015), section 4. With ReLU units this is their IRNN; a smaller scale forgets faster.
    """

    def draw(rng: np.random.Generator, rows: int, columns: int, role: Role) -> Array:
        if role == "hidden":
            return scale * np.eye(rows, columns)
        return rng.normal(0.0, 0.001, (rows, columns))

    return Initializer("identity" if scale == 1.0 else f"identity:{scale:g}", draw)


INITIALIZERS: dict[str, Initializer] = {
    "uniform": Initializer("uniform", _uniform),  # ±1/sqrt(n), n the number of incoming connections
    "normal": Initializer("normal", _normal),  # N(0, 0.01)
    "identity": identity(),
    "glorot": Initializer("glorot", _glorot),  # Glorot and Bengio (2010), eq. 16
    "orthogonal": Initializer("orthogonal", _orthogonal),  # Saxe, McClelland and Ganguli (2014)
}


def get(initializer: str | Initializer) -> Initializer:
    """The initializer of this name; an :class:`Initializer` is returned as it is.

    Raises
    ------
    ParameterError
        If the name is unknown.
    """
    if isinstance(initializer, Initializer):
        return initializer
    found: Any = INITIALIZERS.get(initializer) if isinstance(initializer, str) else None
    if found is None:
        raise ParameterError(f"initializer must be one of {known(INITIALIZERS)}, got {short(initializer)}")
    return cast(Initializer, found)
