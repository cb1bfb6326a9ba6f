"""Compares gradients with numerical derivatives, element by element."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from throughtime.cells import Cell
from throughtime.engine.plain import PlainEngine
from throughtime.engine.protocol import Array, Engine, NetworkState, ScanWeights
from throughtime.errors import GradientError, ParameterError
from throughtime.initializers import get as get_initializer
from throughtime.layers import Noise, Recurrent
from throughtime.losses import SoftmaxCrossEntropy
from throughtime.network import Batch, Network

TOLERANCE = 1e-8
"""Largest relative error: what the stencil leaves in float64 with room to spare."""

FLOOR = 1e-3
"""An element is compared with at least this part of the largest of its block."""

STEP = 1e-3
"""Width of the stencil, relative to max(1, |x|)."""

ROUND_OFF = 8 * np.finfo(np.float64).eps
"""What the function's value may be off by, relative to it; divided by the width it is what a derivative may be."""


@dataclass(frozen=True)
class BlockCheck:
    """One parameter, input or initial state: the worst of its elements that have a derivative."""

    name: str
    index: tuple[int, ...]
    analytic: float
    numeric: float
    error: float
    """Relative to the larger of the two, at least ``FLOOR`` of the largest in the block. NaN where one is NaN."""
    checked: int
    skipped: int
    """Elements at which the function has a kink (ReLU), so that there is no derivative to compare with."""

    def passed(self, tolerance: float) -> bool:
        return self.error <= tolerance and self.checked >= self.skipped  # a NaN is never <= anything


@dataclass(frozen=True)
class GradientReport:
    """What :func:`check_gradients` found; ``print`` it."""

    blocks: tuple[BlockCheck, ...]
    leak: float | None
    """Largest difference between the outputs of a row alone and in the batch; None: there are no rows to compare."""
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether every block is right and no row depends on another."""
        return self._rows_apart and all(block.passed(self.tolerance) for block in self.blocks)

    @property
    def _rows_apart(self) -> bool:
        return self.leak is None or self.leak <= 1e-12

    def raise_on_failure(self) -> GradientReport:
        """Returns itself if all is well.

        Raises
        ------
        GradientError
            Naming parameter, index, analytic and numeric value of the worst element of each wrong block.
        """
        if not self.passed:
            raise GradientError("\n" + str(self))
        return self

    def __str__(self) -> str:
        lines = [f"{'':<7}{'block':<28}{'worst at':<16}{'analytic':>16}{'numeric':>16}{'error':>10}{'checked':>9}"]
        for block in self.blocks:
            verdict = "ok" if block.passed(self.tolerance) else "WRONG"
            where = "[" + ", ".join(map(str, block.index)) + "]"
            note = f"  {block.skipped} at a kink, skipped" if block.skipped else ""
            lines.append(
                f"{verdict:<7}{block.name:<28}{where:<16}{block.analytic:>16.8g}{block.numeric:>16.8g}"
                f"{block.error:>10.1e}{block.checked:>9}{note}"
            )
        if self.leak is not None:
            verdict = "ok" if self._rows_apart else "WRONG"
            lines.append(f"{verdict:<7}rows differ by {self.leak:.1e} from the same rows alone")
        return "\n".join(lines)


def check_gradients(
    network_or_cell: Network | Cell,
    batch: Batch | None = None,
    *,
    state: NetworkState | None = None,
    noise: Noise | None = None,
    engine: Engine | None = None,
    tolerance: float = TOLERANCE,
    random_state: int = 0,
) -> GradientReport:
    """Compares every gradient with a numerical derivative: parameters, numeric inputs and initial states.

    The derivative is the five-point stencil in float64 (Abramowitz and Stegun, 1964, eq. 25.3.6), taken for each
    element by itself. It also checks that a row does not depend on the other rows.

    Parameters
    ----------
    network_or_cell : Network or Cell
        A network is copied with its weights; a cell is carried over 5 steps of 3 unequal rows, with random weights.
    batch : Batch, optional
        What the network is checked on; by default 5 steps of 3 unequal rows, drawn. It should be small: each element
        costs four passes.
    state : optional
        Where the rows stand before; by default drawn.
    noise : Noise, optional
        Switches dropout on, with fixed masks.
    engine : Engine, optional
        The engine to check, in float64; by default NumPy.
    tolerance : float, default 1e-8
        Largest relative error.
    random_state : int, default 0

    Returns
    -------
    GradientReport
        ``report.passed``; ``report.raise_on_failure()``; printed, the worst element of each block.

    Raises
    ------
    ParameterError
        If it is neither a network nor a cell, or the engine is not in float64.

    Examples
    --------
    >>> from throughtime import cells
    >>> check_gradients(cells.LSTM).passed
    True
    """
    engine = engine or PlainEngine(np.float64)
    if engine.dtype != np.float64:
        raise ParameterError(f"a gradient check needs an engine in float64, got {engine.dtype}")
    rng = np.random.default_rng(random_state)
    if isinstance(network_or_cell, Cell):
        return _check_cell(network_or_cell, engine, rng, tolerance)
    if isinstance(network_or_cell, Network):
        return _check_network(network_or_cell, batch, state, noise, engine, rng, tolerance)
    raise ParameterError(f"check_gradients takes a Network or a Cell, got {type(network_or_cell).__name__}")


def compare_gradients(
    value: Callable[[], float],
    arrays: Mapping[str, Array],
    gradients: Mapping[str, Array],
    *,
    tolerance: float = TOLERANCE,
) -> GradientReport:
    """Compares the gradient of any function of arrays with its numerical derivative, as ``check_gradients`` does.

    It is for what is made of several networks, or written by hand.

    Parameters
    ----------
    value : callable
        ``value() -> float``, computed from the arrays as they are.
    arrays : mapping of str to array
        In float64; each element is moved and put back.
    gradients : mapping of str to array
        Of the value with respect to these arrays.
    tolerance : float, default 1e-8
        Largest relative error.

    Raises
    ------
    GradientError
        If a gradient is missing or has another shape.
    ParameterError
        If an array is not in float64.

    Examples
    --------
    >>> w = np.array([1.0, 2.0])
    >>> compare_gradients(lambda: float(np.sum(w**3)), {"w": w}, {"w": 3 * w**2}).passed
    True
    """
    for name, array in arrays.items():
        if array.dtype != np.float64:
            raise ParameterError(f"a gradient check needs arrays in float64, {name!r} is in {array.dtype}")
    return GradientReport(tuple(_compare(value, arrays, gradients, tolerance)), None, tolerance)


def _check_cell(cell: Cell, engine: Engine, rng: np.random.Generator, tolerance: float) -> GradientReport:
    """The gradient of a random linear function of all outputs and final states."""
    T, N, D, H = 5, 3, 3, 4
    lengths = np.array([T, T - 2, 1])
    layer = Recurrent(cell, D, H, name="cell")
    fill = get_initializer("glorot").fill
    blocks = {name.removeprefix("cell."): fill(spec, rng) for name, spec in layer.specs().items()}
    for name in blocks:  # in their order: a set has another one in every process
        if name not in ("U", "W"):
            blocks[name] += rng.normal(size=blocks[name].shape) * 0.5
    blocks["x"] = rng.normal(size=(T, N, D))
    blocks |= {f"initial {name}": rng.normal(size=(N, H)) for name in cell.states}
    d_outputs = rng.normal(size=(T, N, H)) * (np.arange(T)[:, None] < lengths)[..., None]
    d_final = tuple(rng.normal(size=(N, H)) for _ in cell.states)

    def arguments() -> tuple[ScanWeights, Array, tuple[Array, ...]]:
        p = tuple(blocks[name] for name in cell.vectors)
        weights = ScanWeights(blocks["U"], blocks.get("W"), blocks["b"], blocks.get("e"), p)
        return weights, blocks["x"], tuple(blocks[f"initial {name}"] for name in cell.states)

    def value() -> float:
        engine.changed()
        outputs, final, _ = engine.scan(cell, *arguments(), lengths=lengths, keep=False)
        total = np.sum(outputs * d_outputs)
        return float(total + sum(np.sum(end * d) for end, d in zip(final, d_final, strict=True)))

    engine.changed()
    weights, x, state = arguments()
    whole, _, tape = engine.scan(cell, weights, x, state, lengths=lengths)
    d_x, d_weights, d_state = engine.scan_back(tape, d_outputs, d_final)
    analytic: dict[str, Array] = {"x": np.asarray(d_x)}
    analytic |= {key: d for key, d in zip("UWbe", d_weights[:4], strict=True) if d is not None}
    analytic |= dict(zip(cell.vectors, d_weights.p, strict=True))
    analytic |= {f"initial {name}": d for name, d in zip(cell.states, d_state, strict=True)}
    leak = 0.0
    for n in range(N):
        alone = engine.scan(
            cell, weights, x[:, n : n + 1], tuple(s[n : n + 1] for s in state), lengths=lengths[n : n + 1], keep=False
        )
        leak = max(leak, _difference(whole[:, n], alone.outputs[:, 0]))
    return GradientReport(tuple(_compare(value, blocks, analytic, tolerance)), leak, tolerance)


def _check_network(
    network: Network,
    batch: Batch | None,
    state: NetworkState | None,
    noise: Noise | None,
    engine: Engine,
    rng: np.random.Generator,
    tolerance: float,
) -> GradientReport:
    network = network.copy(engine=engine)
    batch = batch or _draw_batch(network, rng)
    if state is None:
        zeros = network.initial_state(batch.x.shape[1])
        state = {name: tuple(rng.normal(size=s.shape) * 0.5 for s in states) for name, states in zeros.items()}
    blocks = dict(network.parameters)
    if not network.body.takes_ids:
        batch = Batch(np.array(batch.x, np.float64), batch.targets, batch.weights, batch.lengths)
        blocks["x"] = batch.x
    for name, states in state.items():
        blocks |= {f"initial {name} {number}": array for number, array in enumerate(states)}

    def value() -> float:
        network.changed()
        if noise is None:
            return network.loss(batch, state)[0]
        return network.loss_and_gradients(batch, state, noise=noise).loss

    found = network.loss_and_gradients(batch, state, noise=noise, needs_input="x" in blocks)
    analytic = dict(found.parameters)
    if found.d_x is not None:
        analytic["x"] = found.d_x
    for name, states in found.d_state.items():
        analytic |= {f"initial {name} {number}": array for number, array in enumerate(states)}
    leak = 0.0
    whole, _ = network.forward(batch.x, state, lengths=batch.lengths)
    for n in range(batch.x.shape[1]):
        row = slice(n, n + 1)
        alone, _ = network.forward(
            batch.x[:, row],
            {name: tuple(s[row] for s in states) for name, states in state.items()},
            lengths=None if batch.lengths is None else batch.lengths[row],
        )
        leak = max(leak, _difference(whole[:, n], alone[:, 0]))
    return GradientReport(tuple(_compare(value, blocks, analytic, tolerance)), leak, tolerance)


def _draw_batch(network: Network, rng: np.random.Generator) -> Batch:
    T, N = 5, 3
    size, outputs = network.body.input_size or 3, network.body.output_size or 3
    lengths = np.array([T, T - 2, 1])
    weights = (np.arange(T)[:, None] < lengths) * rng.uniform(0.5, 1.5, (T, N))
    weights = weights[:1] if network.body.pools else weights
    x = rng.integers(size, size=(T, N)) if network.body.takes_ids else rng.normal(size=(T, N, size))
    if isinstance(network.objective, SoftmaxCrossEntropy):
        return Batch(x, rng.integers(outputs, size=weights.shape), weights, lengths)
    return Batch(x, rng.uniform(size=(*weights.shape, outputs)), weights, lengths)  # which every loss takes


def _difference(a: Array, b: Array) -> float:
    """The largest difference; NaN if there is one."""
    return float(np.max(np.abs(a - b)))


def _stencil(value: Callable[[], float], array: Array, index: tuple[int, ...], width: float) -> float:
    """The derivative by (f(-2h) - 8 f(-h) + 8 f(h) - f(2h)) / 12 h; the element is put back."""
    x = array[index]
    h = width * max(1.0, abs(x))
    total = 0.0
    for place, factor in ((-2, 1.0), (-1, -8.0), (1, 8.0), (2, -1.0)):
        array[index] = x + place * h
        total += factor * value()
    array[index] = x
    return float(total / (12 * h))


def _look_closer(
    value: Callable[[], float], array: Array, index: tuple[int, ...], given: float, noise: float, bound: float
) -> float | Literal["kink", "wrong"]:
    """The derivative by a narrower stencil if it agrees, ``"kink"`` if the slopes to both sides differ, or ``"wrong"``.

    A narrower stencil has less truncation and more round-off, and may no longer reach a kink nearby.
    """
    for divisor in (4, 16, 64):
        closer = _stencil(value, array, index, STEP / divisor)
        if abs(closer - given) <= divisor * noise + bound:
            return closer
    slopes = _slopes(value, array, index, STEP / 64)
    jump = abs(slopes[1] - slopes[0])
    # Several kinks at one point may pull to both sides, so what is allowed reaches as far beyond the slopes.
    at_kink = jump > 1e-3 * max(map(abs, slopes)) and min(slopes) - jump <= given <= max(slopes) + jump
    return "kink" if at_kink else "wrong"


def _slopes(value: Callable[[], float], array: Array, index: tuple[int, ...], width: float) -> tuple[float, float]:
    """The slopes to the left and to the right."""
    x = array[index]
    h = width * max(1.0, abs(x))
    values = []
    for place in (-1, 0, 1):
        array[index] = x + place * h
        values.append(value())
    array[index] = x
    return (values[1] - values[0]) / h, (values[2] - values[1]) / h


def _compare(
    value: Callable[[], float], blocks: Mapping[str, Array], analytic: Mapping[str, Array], tolerance: float
) -> Iterator[BlockCheck]:
    for name, array in blocks.items():
        if name not in analytic:
            raise GradientError(f"no gradient was given for {name!r}")
        numeric = np.empty(array.shape)
        for index in np.ndindex(array.shape):
            numeric[index] = _stencil(value, array, index, STEP)
        given = np.asarray(analytic[name], np.float64)
        if given.shape != array.shape:
            raise GradientError(f"the gradient of {name!r} has shape {given.shape}, its values have {array.shape}")
        scale = np.maximum(np.maximum(np.abs(given), np.abs(numeric)), FLOOR * np.abs(numeric).max())
        noise = ROUND_OFF * max(1.0, abs(value())) / STEP
        with np.errstate(invalid="ignore", divide="ignore"):
            errors = np.where(given == numeric, 0.0, np.maximum(np.abs(given - numeric) - noise, 0.0) / scale)
        kinks = np.zeros(errors.shape, bool)
        for index in zip(*np.nonzero(errors > tolerance), strict=True):
            bound = tolerance * float(scale[index])
            closer = _look_closer(value, array, index, float(given[index]), noise, bound)
            if closer == "wrong":
                continue
            errors[index] = 0.0
            if closer == "kink":
                kinks[index] = True
            else:
                numeric[index] = closer
        skipped = int(kinks.sum())
        worst = np.unravel_index(int(np.argmax(np.where(kinks, -1.0, errors))), errors.shape)  # stops at a NaN
        yield BlockCheck(
            name,
            tuple(int(place) for place in worst),
            float(given[worst]),
            float(numeric[worst]),
            float(errors[worst]),
            errors.size - skipped,
            skipped,
        )
