"""The output layer: ``o = h V + c``."""

from __future__ import annotations

from dataclasses import dataclass

from throughtime.engine.protocol import Array, Signal, Stage
from throughtime.initializers import ParameterSpec
from throughtime.layers.layer import Backward, Forward, Layer


@dataclass(frozen=True)
class Dense(Layer):
    """A product and a bias at every time step: ``[T, N, inputs]`` to ``[T, N, size]``."""

    inputs: int
    size: int
    name: str = "output"

    @property
    def input_size(self) -> int:
        return self.inputs

    @property
    def output_size(self) -> int:
        return self.size

    def specs(self) -> dict[str, ParameterSpec]:
        return {
            f"{self.name}.V": ParameterSpec((self.inputs, self.size), "output"),
            f"{self.name}.c": ParameterSpec((self.size,), "vector"),
        }

    def forward(self, x: Signal, run: Forward) -> tuple[Array, Signal]:
        return run.engine.product(x, run.parameters[f"{self.name}.V"], run.parameters[f"{self.name}.c"]), x

    def backward(self, tape: Signal, d_y: Array, run: Backward, needs_input: bool = True) -> Signal | None:
        x = tape if run.window is None else tape[run.window]
        V = run.parameters[f"{self.name}.V"]
        d_x, d_V, d_c = run.engine.product_back(x, V, d_y, needs_input=needs_input)
        run.add(f"{self.name}.V", d_V)
        run.add(f"{self.name}.c", d_c)
        return d_x

    @property
    def takes_one_hot(self) -> bool:
        return True

    def stage(self) -> Stage:
        return Stage("dense", self.name, self.inputs, self.size)

    def describe(self) -> str:
        return "dense"
