"""What is timed: the jobs, their networks and data, and how many multiplications each one needs."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from throughtime import cells
from throughtime.engine.protocol import Array
from throughtime.errors import ParameterError, known
from throughtime.layers import Dense, Embedding, Layer, OneHot, Recurrent, recurrent_stack
from throughtime.losses import Loss, SoftmaxCrossEntropy, SquaredError
from throughtime.network import Batch, Network
from throughtime.optimizers import Optimizer

SYMBOLS = 65
"""The size of a vocabulary of characters: that of the tiny Shakespeare text."""
CELLS = ("elman", "gru", "lstm")
LEARNING_RATE = 1e-5
"""So small that the weights, and with them the numbers that are computed, hardly change while they are timed."""
CLIP = 5.0

Kind = Literal["text", "dense", "words", "classic", "generation", "step"]
Size = Literal["quick", "medium", "all"]


@dataclass(frozen=True)
class Job:
    """Something to be timed.

    Parameters
    ----------
    kind : str
        ``text``, ``dense`` and ``words`` are training steps; ``classic`` is one of the classic script, ``generation``
        and ``step`` go symbol by symbol and step by step.
    cell : str
    H, N, T : hidden size, sequences, time steps
    K : output size
    """

    kind: Kind
    cell: str
    H: int
    N: int = 1
    T: int = 1
    K: int = SYMBOLS

    @property
    def name(self) -> str:
        """What the row is called."""
        sizes = f"{self.H}, {self.N}, {self.T}" if self.trains else f"{self.H}"
        return f"{self.kind} {self.cell} {sizes}"

    @property
    def trains(self) -> bool:
        """Whether it is a training step."""
        return self.kind in ("text", "dense", "words", "classic")

    @property
    def unit(self) -> str:
        """What one of is timed."""
        return "symbol" if self.kind == "generation" else "step"

    @property
    def multiplications(self) -> int:
        """How many of matrix products are needed; biases, cells, the loss and the update are not counted.

        A training step needs three products with ``W`` (forward, and its two ways back) and three of the output
        layer, and for numeric inputs the product with ``U`` and the gradient of ``U``. Symbols need none with ``U``:
        a table of them is looked up.
        """
        gates = len(cells.get(self.cell).gates)
        square = self.H * gates * self.H if cells.get(self.cell).recurrent else 0
        inputs = self.H * gates * self.H
        if self.kind == "generation":
            return 2 * square + inputs + self.H * self.K
        if self.kind == "step":
            return square + inputs
        passes = 2 if self.kind == "dense" else 0
        return self.T * self.N * (3 * square + 3 * self.H * self.K + passes * inputs)

    def threads(self, most: int) -> tuple[int, ...]:
        """With how many threads it is tried: one, and all there are; generation is asked of one core."""
        return (1,) if self.kind == "generation" or most == 1 else (1, most)

    # ------------------------------------------------------------------ what every peer gets

    def layers(self) -> list[Layer]:
        """The layers of the network."""
        H, K = self.H, self.K
        match self.kind:
            case "dense":
                return [*recurrent_stack(self.cell, H, H), Dense(H, K)]
            case "classic":
                return [OneHot(K), *recurrent_stack(self.cell, K, H), Dense(H, K)]
            case "generation":
                return [Embedding(K, H), *recurrent_stack(self.cell, H, H, num_layers=2), Dense(H, K)]
            case "step":
                return [Recurrent(self.cell, H, H, name="recurrent.0")]
            case _:
                return [Embedding(K, H), *recurrent_stack(self.cell, H, H), Dense(H, K)]

    def loss(self) -> Loss:
        """What is learned."""
        return SquaredError() if self.kind == "dense" else SoftmaxCrossEntropy()

    def network(self, engine: str = "compiled", dtype: str = "float32") -> Network:
        """The network, with the same weights on every engine: those of float32."""
        initializer = "normal" if self.kind == "classic" else "glorot"
        made = Network(
            self.layers(), self.loss(), engine="numpy", dtype="float32", initializer=initializer, random_state=0
        )
        return made.copy(engine=engine, dtype=dtype)

    def optimizer(self) -> Optimizer:
        """The optimizer of a training step, with its clipping."""
        return Optimizer("adagrad", clip_value=CLIP) if self.kind == "classic" else Optimizer("adam", clip_norm=CLIP)

    def batch(self) -> Batch:
        """The data of a training step: ``T`` steps of ``N`` sequences."""
        rng = self._random()
        shape = (self.T, self.N)
        if self.kind == "dense":
            return Batch(
                rng.standard_normal((*shape, self.H), np.float32), rng.standard_normal((*shape, self.K), np.float32)
            )
        return Batch(rng.integers(self.K, size=shape), rng.integers(self.K, size=shape))

    def inputs(self, steps: int) -> Array:
        """The inputs of ``steps`` single steps of one row: ids ``[steps, 1]``, or numbers ``[steps, 1, H]``."""
        rng = self._random()
        if self.kind == "generation":
            return rng.integers(self.K, size=(steps, 1))
        return rng.standard_normal((steps, 1, self.H), np.float32)

    def _random(self) -> np.random.Generator:
        return np.random.default_rng(zlib.crc32(self.name.encode()))


SIZES = (
    (96, 1, 25),
    (128, 1, 50),
    (128, 16, 50),
    (128, 64, 64),
    (256, 32, 64),
    (512, 32, 64),
    (512, 128, 64),
    (1024, 64, 64),
)
"""H, N, T of the training steps."""

OF_SET: dict[Size, dict[str, tuple[Any, ...]]] = {
    "quick": {"text": SIZES[:1], "dense": SIZES[2:3], "step": (32, 128), "generation": (128,), "words": ()},
    "medium": {
        "text": (SIZES[0], SIZES[2], SIZES[4], SIZES[5]),
        "dense": (SIZES[2], SIZES[4]),
        "step": (32, 128, 256, 512),
        "generation": (128,),
        "words": (256,),
    },
    "all": {"text": SIZES, "dense": SIZES, "step": (32, 128, 256, 512), "generation": (128,), "words": (256,)},
}
"""The sizes that belong to each set of rows."""


def _jobs(size: Size, of_cells: Sequence[str], all_cells: bool) -> Iterator[Job]:
    sizes = OF_SET[size]
    for cell in of_cells:
        yield from (Job("text", cell, H, N, T) for H, N, T in sizes["text"])
    for cell in of_cells:
        yield from (Job("dense", cell, H, N, T, K=1) for H, N, T in sizes["dense"])
    single = of_cells if all_cells else [cell for cell in of_cells if cell == "lstm"]
    for cell in single:
        yield from (Job("words", cell, H, 32, 35, K=8000) for H in sizes["words"])
    if "elman" in of_cells:
        yield Job("classic", "elman", 100, 1, 25)
    for cell in single:
        yield from (Job("generation", cell, H) for H in sizes["generation"])
    for cell in single:
        yield from (Job("step", cell, H) for H in sizes["step"])


def choose(size: Size = "medium", of_cells: Sequence[str] = (), only: str = "") -> list[Job]:
    """The jobs of a set.

    Parameters
    ----------
    size : {"quick", "medium", "all"}
    of_cells : names of registered cells; none: Elman, GRU and LSTM
        With cells that are named, the jobs that otherwise only the LSTM does are done by each of them.
    only : those whose name contains this

    Raises
    ------
    ParameterError
        If there is no such cell, or no job is left.
    """
    for cell in of_cells:
        cells.get(cell)
    jobs = list(_jobs(size, of_cells or CELLS, bool(of_cells)))
    chosen = [job for job in jobs if only in job.name]
    if not chosen:
        raise ParameterError(f"no row of the set {size!r} contains {only!r}; there are {known(j.name for j in jobs)}")
    return chosen
