"""What several tests need: the material of a scan, drawn at random."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from tests.tolerances import assert_close

from throughtime import engine as engines
from throughtime.engine.protocol import ScanWeights
from throughtime.layers import Recurrent


@dataclass(frozen=True)
class Scan:
    """One scan forward and back: what goes in, and the gradients of what comes out."""

    cell: object
    weights: ScanWeights
    x: np.ndarray
    state: tuple
    d_outputs: np.ndarray
    d_final: tuple
    lengths: np.ndarray | None = None
    reverse: bool = False

    def forward(self, engine):
        return engine.scan(self.cell, self.weights, self.x, self.state, lengths=self.lengths, reverse=self.reverse)

    def run(self, engine):
        """Everything that a scan and its way back give, by name."""
        outputs, final, tape = self.forward(engine)
        back = engine.scan_back(tape, self.d_outputs, self.d_final)
        found = {"outputs": outputs, "d_x": back.d_x}
        found |= {f"final {name}": value for name, value in zip(self.cell.states, final, strict=True)}
        found |= {f"d_initial {name}": value for name, value in zip(self.cell.states, back.d_state, strict=True)}
        return found | gradients_of(self.cell, back)

    def row(self, n):
        """Row n alone."""
        return replace(
            self,
            x=self.x[:, n : n + 1],
            state=tuple(s[n : n + 1] for s in self.state),
            d_outputs=self.d_outputs[:, n : n + 1],
            d_final=tuple(d[n : n + 1] for d in self.d_final),
            lengths=None if self.lengths is None else self.lengths[n : n + 1],
        )

    def until(self, length):
        """The first ``length`` steps alone, all of them counted."""
        return replace(self, x=self.x[:length], d_outputs=self.d_outputs[:length], lengths=None)

    def part(self, **changes):
        return replace(self, **changes)


def row_of(found, n):
    """What a scan gave for row n, without the gradients of the weights, which all rows share."""
    return {
        name: value[:, n : n + 1] if name in ("outputs", "d_x") else value[n : n + 1]
        for name, value in found.items()
        if name in ("outputs", "d_x") or name.startswith(("final ", "d_initial "))
    }


def shared(found):
    """The gradients of the weights."""
    return {name: value for name, value in found.items() if name not in row_of(found, 0)}


def draw_scan(cell, T, N, D, H, *, lengths=None, reverse=False, dtype="float64", seed=0):
    """A scan whose every number is random and none is zero."""
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return (rng.uniform(0.2, 1.0, shape) * rng.choice([-1, 1], shape)).astype(dtype)

    specs = {name.partition(".")[2]: spec for name, spec in Recurrent(cell, D, H, name="cell").specs().items()}
    drawn = {name: draw(*spec.shape) for name, spec in specs.items()}
    p = tuple(drawn[name] for name in cell.vectors)
    return Scan(
        cell,
        ScanWeights(drawn["U"], drawn.get("W"), drawn["b"], drawn.get("e"), p),
        draw(T, N, D),
        tuple(draw(N, H) for _ in cell.states),
        draw(T, N, H),
        tuple(draw(N, H) for _ in cell.states),
        None if lengths is None else np.array(lengths),
        reverse,
    )


def gradients_of(cell, back):
    """The gradients of the weights, by name."""
    found = {f"d_{name}": d for name, d in zip("UWbe", back.d_weights[:4], strict=True) if d is not None}
    return found | {f"d_{name}": d for name, d in zip(cell.vectors, back.d_weights.p, strict=True)}


def assert_all_close(found, expected, tolerance):
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert_close(value, expected[name], tolerance, name)


def make_engine(dtype="float64"):
    return engines.make("numpy", dtype)
