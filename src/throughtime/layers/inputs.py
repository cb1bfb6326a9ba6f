"""Layers that take token ids: embedding, and the one-hot row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from throughtime.engine.protocol import Array, Signal, Stage, Tokens
from throughtime.initializers import ParameterSpec
from throughtime.layers.layer import Backward, Forward, Layer


@dataclass(frozen=True)
class Embedding(Layer):
    """A learned vector of ``size`` numbers for each of K symbols: ``[T, N]`` ids to ``[T, N, size]``."""

    symbols: int
    size: int
    name: str = "embedding"

    @property
    def input_size(self) -> int:
        return self.symbols

    @property
    def output_size(self) -> int:
        return self.size

    @property
    def takes_ids(self) -> bool:
        return True

    def specs(self) -> dict[str, ParameterSpec]:
        return {f"{self.name}.table": ParameterSpec((self.symbols, self.size), "embedding")}

    def forward(self, x: Array, run: Forward) -> tuple[Signal, Array]:
        return run.engine.embed(x, run.parameters[f"{self.name}.table"]), x

    def backward(self, tape: Array, d_y: Signal, run: Backward, needs_input: bool = True) -> None:
        ids = tape if run.window is None else tape[run.window]
        name = f"{self.name}.table"
        run.add(name, run.engine.embed_back(ids, run.parameters[name], d_y))

    def stage(self) -> Stage:
        return Stage("embedding", self.name, self.symbols, self.size)

    def describe(self) -> str:
        return f"embedding of {self.symbols} symbols"


@dataclass(frozen=True)
class OneHot(Layer):
    """A one-hot row for each symbol, never written out: the next layer looks its weights up."""

    symbols: int

    @property
    def input_size(self) -> int:
        return self.symbols

    @property
    def output_size(self) -> int:
        return self.symbols

    @property
    def takes_ids(self) -> bool:
        return True

    def forward(self, x: Array, run: Forward) -> tuple[Tokens, None]:
        return Tokens(x, self.symbols), None

    def backward(self, tape: Any, d_y: Any, run: Backward, needs_input: bool = True) -> None:
        return None

    @property
    def gives_one_hot(self) -> bool:
        return True

    def stage(self) -> Stage:
        return Stage("one_hot", inputs=self.symbols, size=self.symbols)

    def describe(self) -> str:
        return f"one-hot rows of {self.symbols} symbols"
