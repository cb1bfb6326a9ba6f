"""Layers in order and a loss: the unit of work for training, inspection and generation alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from throughtime import engine as engines
from throughtime import initializers
from throughtime.engine import random
from throughtime.engine.protocol import Array, Engine, NetworkState, Stage
from throughtime.errors import ParameterError, ShapeError
from throughtime.initializers import Initializer
from throughtime.layers import Backward, Forward, Layer, Noise, Stacked
from throughtime.layers.segments import Segments
from throughtime.losses import Loss


@dataclass(frozen=True)
class Batch:
    """What is learned from at once.

    Parameters
    ----------
    x : token ids ``[T, N]`` or numbers ``[T, N, D]``
    targets : what the loss compares with: ids ``[T, N]``, or numbers ``[T, N, K]``
    weights : ``[T, N]`` or None, how much each place counts in the loss; padding has 0
        ``[T, N, K]`` for a loss of each output by itself, where a target that is missing has 0.
    lengths : ``[N]`` or None, how many steps each row has

    Behind a ``Pool`` targets and weights have one time step.
    """

    x: Array
    targets: Array
    weights: Array | None = None
    lengths: Array | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            object.__setattr__(self, name, None if value is None else np.asarray(value))


@dataclass(frozen=True)
class Gradients:
    """What one pass forward and back gives."""

    loss: float
    parameters: dict[str, Array]
    """Gradients of the parameters, by their names."""
    state: NetworkState
    """The state at the end, to be carried to the next chunk."""
    d_x: Array | None
    """Gradient of the inputs where it was asked for and they are numbers."""
    d_state: NetworkState
    """Gradient of the initial state."""


class Network:
    """Layers in order.

    Parameters
    ----------
    layers : sequence of Layer
    loss : Loss, optional
        Needed for ``loss`` and ``loss_and_gradients``.
    engine : {"auto", "compiled", "numpy"} or Engine, default "auto"
    dtype : {"float32", "float64"}, default "float32"
    initializer : str or Initializer, default "glorot"
        Biases and per-unit vectors start at the values that their cell names.
    random_state : int, NumPy generator or None, default None
        Initial weights depend on it and on the parameters' names alone.
    parameters : mapping of str to array, optional
        Weights to start with, instead of drawn ones. They are copied.

    Attributes
    ----------
    parameters : dict of str to array
        Change them in place and call ``changed()`` afterwards, or use ``set_parameters``.

    Raises
    ------
    ShapeError
        If the layers do not fit together.
    ParameterError
        If the engine, dtype or initializer is unknown, or a layer that goes through time stands behind a pool.

    Examples
    --------
    >>> import numpy as np
    >>> from throughtime.layers import Dense, OneHot, Recurrent
    >>> network = Network([OneHot(5), Recurrent("gru", 5, 8), Dense(8, 5)], random_state=0)
    >>> outputs, state = network.step(np.array([3, 1]))  # two rows, one symbol each
    >>> outputs.shape, state["recurrent"][0].shape
    ((2, 5), (2, 8))
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        loss: Loss | None = None,
        *,
        engine: str | Engine = "auto",
        dtype: Any = "float32",
        initializer: str | Initializer = "glorot",
        random_state: Any = None,
        parameters: Mapping[str, Array] | None = None,
    ) -> None:
        self.body = Stacked(tuple(layers))
        self.objective = loss
        self.engine = engines.make(engine, dtype)
        specs = self.body.specs()
        if parameters is None:
            fill = initializers.get(initializer).fill
            seed = random.seed_of(random_state)
            parameters = {
                name: fill(spec, random.generator(random.key(seed, "initial", name))) for name, spec in specs.items()
            }
        _check_shapes({name: spec.shape for name, spec in specs.items()}, parameters)
        self.parameters: dict[str, Array] = {
            name: np.array(parameters[name], dtype=self.engine.dtype, order="C") for name in specs
        }

    @property
    def layers(self) -> Sequence[Layer]:
        return self.body.layers

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The layers as data, for an engine that runs all of them in one call."""
        return tuple(layer.stage() for layer in self.layers)

    def set_parameters(self, parameters: Mapping[str, Array]) -> None:
        """Copies these values in.

        Raises
        ------
        ShapeError
            If a name is missing or unknown, or a shape differs.
        """
        _check_shapes({name: w.shape for name, w in self.parameters.items()}, parameters)
        for name, w in self.parameters.items():
            w[...] = parameters[name]
        self.changed()

    def changed(self) -> None:
        """Says that parameters were changed in place."""
        self.engine.changed()

    def copy(self, *, engine: str | Engine | None = None, dtype: Any = None) -> Network:
        """The same network with the same weights, on another engine or in another dtype if one is given."""
        if engine is None:
            same = self.engine.name in engines.ENGINES and dtype in (None, self.engine.dtype)
            engine = self.engine.name if same else "auto"
        dtype = self.engine.dtype if dtype is None else dtype
        return Network(self.layers, self.objective, engine=engine, dtype=dtype, parameters=self.parameters)

    def initial_state(self, rows: int) -> NetworkState:
        """Zeros for ``rows`` sequences."""
        return {
            name: tuple(np.zeros((rows, size), self.engine.dtype) for size in sizes)
            for name, sizes in self.body.states().items()
        }

    def forward(
        self, x: Array, state: NetworkState | None = None, *, lengths: Array | None = None
    ) -> tuple[Array, NetworkState]:
        """Outputs ``[T, N, K]``, or ``[1, N, K]`` behind a pool, and the final state.

        Parameters
        ----------
        x : token ids ``[T, N]`` or numbers ``[T, N, D]``
        state : what an earlier call returned, to go on from there; None: zeros
        lengths : ``[N]``, how many steps each row has; outputs after that are those of zero states

        Raises
        ------
        ShapeError
            If shapes do not fit, or an id is not below the number of symbols.
        """
        x, state, lengths = self._checked(x, state, lengths)
        if (whole := self.engine.forward(self, x, state, lengths)) is not None:
            return whole
        run = Forward(self.engine, self.parameters, state, lengths, keep=False)
        outputs, _ = self.body.forward(x, run)
        return outputs, run.final

    def step(self, x: Array, state: NetworkState | None = None) -> tuple[Array, NetworkState]:
        """One time step for streaming: ids ``[N]`` or numbers ``[N, D]`` in, outputs ``[N, K]`` and the state out.

        Raises
        ------
        ParameterError
            If a layer reads ahead: a network with two directions, or with a pool, has no next step.
        """
        x = np.asarray(x)
        if (whole := self.engine.step(self, x, state)) is not None:
            return whole
        self.check_steps()
        outputs, state = self.forward(x[None], state)
        return outputs[0], state

    def check_steps(self) -> None:
        """Raises :class:`ParameterError` unless the network can go step by step."""
        if self.body.pools:
            raise ParameterError("a network with a Pool gives one output for a whole row, so it has no next step")
        if self.body.reads_ahead:
            raise ParameterError("a network that reads in both directions cannot go step by step; give it whole rows")

    def loss(self, batch: Batch, state: NetworkState | None = None) -> tuple[float, NetworkState]:
        """The loss of a batch without dropout, and the state at its end."""
        outputs, state = self.forward(batch.x, state, lengths=batch.lengths)
        loss = self._objective(batch, outputs.shape)
        value, _ = loss(self.engine, outputs, batch.targets, batch.weights, needs_gradient=False)
        return value, state

    def loss_and_gradients(
        self,
        batch: Batch,
        state: NetworkState | None = None,
        *,
        noise: Noise | None = None,
        bptt_truncate: int | None = None,
        segments: int | None = None,
        needs_input: bool = False,
    ) -> Gradients:
        """The loss of a batch and its gradients, by back-propagation through time.

        Parameters
        ----------
        batch : Batch
        state : where the rows stand before the batch; None: zeros
        noise : switches dropout on
        bptt_truncate : int or None
            Each output's gradient goes back this many transitions in all, through all layers; None: to the start of
            the batch. It costs that many times more.
        segments : int or None
            So many segments of time are kept in memory one after another, and each is run forward twice (Gruslys et
            al., 2016); None: all steps together. The results differ by rounding.
        needs_input : whether the gradient of numeric inputs is wanted

        Raises
        ------
        ShapeError
            If shapes do not fit.
        ParameterError
            If there is no loss, or truncation or segments are asked of a network that reads ahead, or both are.
        """
        x, state, lengths = self._checked(batch.x, state, batch.lengths)
        run = Forward(self.engine, self.parameters, state, lengths, noise)
        if segments is not None:
            if bptt_truncate is not None:
                raise ParameterError("bptt_truncate goes through time step by step; it takes no segments")
            return self._in_segments(Segments(self.body, run, x, segments, needs_input), batch)
        outputs, tape = self.body.forward(x, run)
        objective = self._objective(batch, outputs.shape)
        loss, d_outputs = objective(self.engine, outputs, batch.targets, batch.weights)
        if bptt_truncate is not None:
            back, d_x = self._truncated_back(tape, d_outputs, bptt_truncate, needs_input)
        else:
            back = Backward(self.engine, self.parameters, {})
            d_x = self.body.backward(tape, d_outputs, back, needs_input)
        return Gradients(loss, back.gradients, run.final, d_x, back.d_initial)

    def _in_segments(self, cut: Segments, batch: Batch) -> Gradients:
        T, N = cut.x.shape[:2]
        shape = (1 if self.body.pools else T, N, self.body.output_size or cut.x.shape[-1])
        objective = self._objective(batch, shape)
        places = objective.place_weights(shape, batch.weights)

        def loss_of(outputs: Array, part: slice) -> tuple[float, Any]:
            return objective.summed(self.engine, outputs, batch.targets[part], places[part])

        loss = cut.loss_and_gradients(loss_of)
        return Gradients(loss, cut.back.gradients, cut.final, cut.d_x, cut.back.d_initial)

    def _truncated_back(
        self, tape: Any, d_outputs: Any, bptt_truncate: int, needs_input: bool
    ) -> tuple[Backward, Array | None]:
        """The sum over all t of the gradient of output t alone, back over the steps t - k to t."""
        if self.body.pools:
            raise ParameterError("bptt_truncate needs outputs at every step; a network with a Pool has one for a row")
        if self.body.reads_ahead:
            raise ParameterError("bptt_truncate needs a network of one direction; a bidirectional one reads whole rows")
        if not self.engine.truncates:
            raise ParameterError(f"bptt_truncate runs on the engine 'numpy', not on {self.engine.name!r}")
        if bptt_truncate < 0:
            raise ParameterError(f"bptt_truncate must not be negative, got {bptt_truncate}")
        back = Backward(self.engine, self.parameters, {})
        d_state = self.initial_state(d_outputs.shape[1])
        d_x: Array | None = None
        for t in range(len(d_outputs)):
            start = max(0, t - bptt_truncate)
            back.window = slice(start, t + 1)
            d_window = np.zeros_like(d_outputs[start : t + 1])
            d_window[-1] = d_outputs[t]
            d_part = self.body.backward(tape, d_window, back, needs_input)
            if start == 0:  # the initial state belongs to the first step
                for name, parts in back.d_initial.items():
                    d_state[name] = tuple(a + b for a, b in zip(d_state[name], parts, strict=True))
            if d_part is not None:
                d_x = np.zeros((len(d_outputs), *d_part.shape[1:]), d_part.dtype) if d_x is None else d_x
                d_x[start : t + 1] += d_part
        back.d_initial = d_state
        return back, d_x

    def _objective(self, batch: Batch, shape: tuple[int, ...]) -> Loss:
        if self.objective is None:
            raise ParameterError("the network was made without a loss; pass loss= to Network")
        self.objective.check(shape, batch.targets, batch.weights)
        return self.objective

    def _checked(
        self, x: Array, state: NetworkState | None, lengths: Array | None
    ) -> tuple[Array, NetworkState, Array | None]:
        x = np.asarray(x)
        size = self.body.input_size
        if self.body.takes_ids:
            if x.ndim != 2 or x.dtype.kind not in "iu":
                raise ShapeError(f"inputs must be token ids [T, N], got {x.dtype} of shape {list(x.shape)}")
            if x.size and size is not None and not (x.min() >= 0 and x.max() < size):
                raise ShapeError(f"token ids must be from 0 to {size - 1}, got {x.min()} to {x.max()}")
        else:
            if x.ndim != 3 or (size is not None and x.shape[2] != size):
                raise ShapeError(f"inputs must be numbers [T, N, {size or 'D'}], got shape {list(x.shape)}")
            x = x.astype(self.engine.dtype, copy=False)
        if x.shape[0] == 0 or x.shape[1] == 0:
            raise ShapeError(f"inputs need at least one time step and one row, got shape {list(x.shape)}")
        if lengths is not None:
            lengths = np.asarray(lengths)
            whole = lengths.dtype.kind in "iu" and lengths.shape == x.shape[1:2]
            if not whole or lengths.min() < 0 or lengths.max() > len(x):
                raise ShapeError(f"lengths must be {x.shape[1]} integers from 0 to {len(x)}, got {lengths!r}")
            if not self.body.takes_ids:  # so that padding may hold anything, a NaN too
                x = np.where((np.arange(len(x))[:, None] < lengths)[..., None], x, 0)
        if state is None:
            state = self.initial_state(x.shape[1])
        for name, sizes in self.body.states().items():
            shapes = [np.shape(value) for value in state.get(name, ())]
            if shapes != [(x.shape[1], size) for size in sizes]:
                raise ShapeError(
                    f"state {name!r} must be {len(sizes)} arrays [{x.shape[1]}, {sizes[0]}], got shapes {shapes}"
                )
        state = {
            name: tuple(np.asarray(value, self.engine.dtype) for value in states) for name, states in state.items()
        }
        return x, state, lengths

    def summary(self, *, seq_len: int = 64, batch_size: int = 32, slots: int = 2) -> Summary:
        """Layers, shapes, parameters, and the memory of a training step.

        Parameters
        ----------
        seq_len, batch_size : the T and N that the memory is told for
        slots : running values for each parameter (2 for Adam)
        """
        rows = [
            SummaryRow(layer.describe(), {name: spec.shape for name, spec in layer.specs().items()})
            for layer in self.layers
        ]
        weights = sum(w.nbytes for w in self.parameters.values())
        number = sum(w.size for w in self.parameters.values())
        loss = "softmax_cross_entropy" if self.objective is None else self.objective.kernel
        kept = self.engine.step_bytes(self.stages, loss, number, seq_len, batch_size)
        return Summary(tuple(rows), seq_len, batch_size, weights * (2 + slots + self.engine.copies) + kept)

    def __repr__(self) -> str:
        return f"Network({self.body.describe()}; {sum(w.size for w in self.parameters.values()):,} parameters)"


def _check_shapes(wanted: Mapping[str, tuple[int, ...]], parameters: Mapping[str, Array]) -> None:
    got = {name: np.shape(w) for name, w in parameters.items()}
    if got != wanted:
        name = sorted(got.items() ^ wanted.items())[0][0]
        raise ShapeError(f"parameter {name!r}: expected {_shape(wanted.get(name))}, got {_shape(got.get(name))}")


def _shape(shape: tuple[int, ...] | None) -> str:
    return "none" if shape is None else f"the shape {list(shape)}"


@dataclass(frozen=True)
class SummaryRow:
    """One layer: what it is, and its parameters' shapes."""

    layer: str
    shapes: Mapping[str, tuple[int, ...]]

    @property
    def parameters(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.shapes.values())


@dataclass(frozen=True)
class Summary:
    """What a network is made of; ``print`` it."""

    layers: tuple[SummaryRow, ...]
    seq_len: int
    batch_size: int
    step_bytes: int
    """Weights, gradients, running values of the optimizer, the engine's copies, and what a step keeps for the way
    back."""

    @property
    def parameters(self) -> int:
        """How many numbers are learned."""
        return sum(row.parameters for row in self.layers)

    def __str__(self) -> str:
        lines = []
        for row in self.layers:
            lines.append(f"{row.layer:<44}{row.parameters:>12,}" if row.shapes else row.layer)
            lines += [f"    {name:<26}{' x '.join(map(str, shape))}" for name, shape in row.shapes.items()]
        lines.append(f"{'parameters':<44}{self.parameters:>12,}")
        lines.append(
            f"a training step of {self.batch_size} rows of {self.seq_len} steps takes about "
            f"{self.step_bytes / 2**20:,.1f} MiB"
        )
        return "\n".join(lines)
