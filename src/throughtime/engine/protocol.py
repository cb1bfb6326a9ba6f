"""What an engine offers: everything that a layer, a loss or an optimizer asks of the machine.

Layers reach an engine only through this file, so that an engine is complete when it implements :class:`Engine`. The
contract, for all of them:

- Time comes first: ``[T, N, ...]``. Arrays are NumPy arrays of the engine's ``dtype``, in C order. Symbols that stand
  for one-hot rows come as :class:`Tokens`.
- Parameters are plain NumPy arrays; their names, shapes and block order are those of the design, whatever layout an
  engine uses inside. An engine belongs to one network: it may keep work buffers and packed copies of parameters between
  calls. ``update`` changes parameters in place and refreshes the copies; whoever changes them otherwise calls
  ``changed``.
- Arrays that are returned belong to the caller, who may change them; an engine does not use them again.
- A *tape* is what the way back needs; only the engine that made it knows what is inside. ``keep=False`` makes none. It
  is taken back once, except for windows, which may be many.
- ``train_steps``, ``generate`` and ``step`` of a whole network may be overridden by an engine that runs them in one
  call: it is handed the network's :class:`Stage` list, the parameters by name, and the optimizer's rule.
- Outputs after the end of a row are zero; the state of that row stays as it was at its end. Behind a pool there is one
  step, and no row has an end.
- A NaN that goes in comes out.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from throughtime.engine.random import Key, uniforms
from throughtime.errors import NonFiniteLoss

if TYPE_CHECKING:
    from throughtime.cells import Cell

Array = npt.NDArray[Any]
States = tuple[Array, ...]
"""The states of one recurrent layer, each ``[N, H]``, in the order of ``cell.states``."""

NetworkState = dict[str, States]
"""The states of all recurrent layers, by layer name."""


@dataclass(frozen=True)
class Tokens:
    """Symbols standing for one-hot rows: their product with ``U`` is the look-up ``U[ids]``.

    ``ids`` is ``[T, N]``; ``size`` says how many different symbols there are.
    """

    ids: Array
    size: int

    def __getitem__(self, window: slice) -> Tokens:
        return Tokens(self.ids[window], self.size)


Signal = Any
"""What goes into a layer: an array ``[T, N, D]`` or :class:`Tokens`."""


class ScanWeights(NamedTuple):
    """The parameters of one recurrent layer in one direction, or their gradients."""

    U: Array
    """``[D, G*H]``, input to hidden, one block of H columns for each gate."""
    W: Array | None
    """``[H, G*H]``, hidden to hidden; None where the cell has no such product."""
    b: Array
    """``[G*H]``"""
    e: Array | None
    """``[A*H]``, bias of the hidden part of the gates kept apart; None where there are none."""
    p: tuple[Array, ...]
    """``[H]`` each, per-unit parameters."""


class ScanResult(NamedTuple):
    """What a scan gives."""

    outputs: Array
    """``[T, N, H]``, the first state after each step; zero after the end of a row."""
    final: States
    """The states at the end of each row."""
    tape: Any


class ScanGradients(NamedTuple):
    """What comes back from a scan."""

    d_x: Signal | None
    """As ``x``; None where it was not asked for."""
    d_weights: ScanWeights
    d_state: States
    """Gradient of the initial state."""


@dataclass(frozen=True)
class Sampling:
    """How the next symbol is chosen from the outputs.

    The outputs of symbols among the last :data:`RECENT` ones are made less by ``repetition_penalty`` (divided by it, or
    multiplied where they are negative: Keskar et al., 2019, section 4.1), ``bias`` is added (minus infinity is never
    chosen), and the sums are divided by ``temperature``. All but the ``top_k`` likeliest symbols are left out, then all
    beyond the smallest set that has the probability ``top_p`` (Holtzman et al., 2020), then those with less than
    ``min_p`` times the probability of the likeliest (Nguyen et al., 2024). ``greedy`` takes the likeliest.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    greedy: bool = False
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    bias: tuple[tuple[int, float], ...] = ()
    """Symbols and what is added to their outputs."""

    @property
    def adjusts(self) -> bool:
        """Whether outputs are changed before they are chosen from."""
        return bool(self.bias) or self.repetition_penalty != 1.0

    def adjusted(self, o: Array, recent: Array) -> Array:
        """The outputs ``[N, K]`` after penalty and bias; ``recent [n, N]`` are the symbols of each row so far."""
        z = o.astype(np.float64)
        if self.repetition_penalty != 1:
            rows, recent = np.arange(len(o)), recent[-RECENT:]
            seen = z[rows, recent]  # [n, N]; a symbol that came twice is changed once
            z[rows, recent] = np.where(seen > 0, seen / self.repetition_penalty, seen * self.repetition_penalty)
        for symbol, value in self.bias:
            z[:, symbol] += value
        return z


RECENT = 64
"""How many symbols back a repetition is looked for."""


@dataclass(frozen=True)
class Stage:
    """A layer as data, for an engine that runs a whole network in one call.

    ``kind`` is ``embedding``, ``one_hot``, ``recurrent``, ``bidirectional``, ``pool``, ``dropout``, ``dense``,
    ``stacked`` or ``residual``; the last two, and ``bidirectional``, have ``parts``. A parameter's full name is
    ``name`` and its key: ``recurrent.0.U``. ``pooling`` is the kind of a pool.
    """

    kind: str
    name: str = ""
    inputs: int | None = None
    size: int | None = None
    cell: Cell | None = None
    reverse: bool = False
    rate: float = 0.0
    per_step: bool = True
    pooling: str = ""
    reversed_from: int | None = None
    parts: tuple[Stage, ...] = ()


def batch_bytes(stages: Sequence[Stage], loss: str, T: int, N: int) -> int:
    """Bytes of a batch: inputs, targets and weights."""
    inputs = next((stage for stage in stages if stage.inputs), None)
    outputs = next((stage.size for stage in reversed(stages) if stage.size), None) or 0
    steps = 1 if any(stage.kind == "pool" for stage in stages) else T
    ids = inputs is None or inputs.kind in ("embedding", "one_hot")
    of_input = 8 if ids or inputs is None else 4 * (inputs.inputs or 0)
    of_target = 16 if loss == "softmax_cross_entropy" else 12 * outputs
    return N * (T * of_input + steps * of_target)


class Steppable(Protocol):
    """What ``generate`` needs of a network."""

    @property
    def stages(self) -> tuple[Stage, ...]: ...

    @property
    def parameters(self) -> Mapping[str, Array]: ...

    def check_steps(self) -> None: ...

    def step(self, x: Array, state: NetworkState | None = None) -> tuple[Array, NetworkState]: ...


class Trainable(Protocol):
    """What ``train_steps`` needs of a run: the network, and the optimizer with its rule, slots and clipping."""

    @property
    def network(self) -> Any: ...

    @property
    def optimizer(self) -> Any: ...

    @property
    def seed(self) -> int: ...

    @property
    def bptt_truncate(self) -> int | None: ...

    @property
    def segments(self) -> int | None: ...

    def learning_rate(self, step: int) -> float: ...

    def train_step(self, batch: Any, state: NetworkState, step: int) -> tuple[StepResult, NetworkState]: ...


class StepResult(NamedTuple):
    """What one training step reports."""

    loss: float
    gradient_norm: float
    """Before clipping."""
    learning_rate: float
    sound: bool = True
    """Whether the weights after it are finite."""


class Engine(ABC):
    """Carries cells through time, forward and back, and does the dense work around them."""

    name: str
    dtype: np.dtype[Any]
    truncates: bool = False
    """Whether ``scan_back`` and ``dropout_back`` take a window, which truncated back-propagation needs."""
    steps_per_call: int = 1
    """How many training steps the loop should hand to ``train_steps`` at once."""
    copies: int
    """About how many copies of the weights there are while they are trained, beside their gradients."""
    compile_seconds: float = 0.0
    """How long this process has compiled so far."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.dtype)!r})"

    @abstractmethod
    def changed(self) -> None:
        """Parameters were changed by somebody else than ``update``: forget any copies of them."""

    def forget(self) -> None:
        """Lets go of the memory that was kept for work of a kind that is over."""
        return

    def working(self) -> AbstractContextManager[Any]:
        """Is entered around long work, such as a training: the place to set up threads and put them back."""
        return nullcontext()

    @abstractmethod
    def step_bytes(self, stages: Sequence[Stage], loss: str, parameters: int, T: int, N: int) -> int:
        """About how much memory a training step takes beside the weights and what is of their size.

        Parameters
        ----------
        stages : the network, which need not exist yet
        loss : which of the engine's methods computes the loss
        parameters : how many numbers its weights are
        T, N : steps and sequences of a batch
        """

    @abstractmethod
    def forward_bytes(self, stages: Sequence[Stage], loss: str, T: int, N: int) -> int:
        """The same for a pass forward that is scored."""

    # ------------------------------------------------------------------ inputs and dense products

    @abstractmethod
    def embed(self, ids: Array, table: Array) -> Array:
        """Row ``ids[t, n]`` of ``table [K, E]`` at each place: ``[T, N, E]``."""

    @abstractmethod
    def embed_back(self, ids: Array, table: Array, d_y: Array) -> Array:
        """The gradient of ``table``."""

    @abstractmethod
    def product(self, x: Signal, weight: Array, bias: Array) -> Array:
        """``x @ weight + bias``: ``[T, N, D]`` to ``[T, N, K]``. A one-hot ``x`` is a look-up, never a product."""

    @abstractmethod
    def product_back(
        self, x: Signal, weight: Array, d_y: Array, *, needs_input: bool = True
    ) -> tuple[Signal | None, Array, Array]:
        """Gradients of ``x`` (None if not needed), ``weight`` and ``bias``."""

    # ------------------------------------------------------------------ through time

    @abstractmethod
    def scan(
        self,
        cell: Cell,
        weights: ScanWeights,
        x: Signal,
        state: States,
        *,
        lengths: Array | None = None,
        reverse: bool = False,
        keep: bool = True,
    ) -> ScanResult:
        """Carries the cell through time.

        Parameters
        ----------
        x : ``[T, N, D]``
        state : the states before the first step, ``[N, H]`` each
        lengths : ``[N]`` integers, how many steps each row has; None: all T
        reverse : each row from its own last element to its first; outputs stay at the places of their inputs
        keep : whether a tape is made
        """

    @abstractmethod
    def scan_back(
        self,
        tape: Any,
        d_outputs: Array,
        d_final: States | None = None,
        *,
        window: slice | None = None,
        needs_input: bool = True,
    ) -> ScanGradients:
        """Takes a scan back.

        Parameters
        ----------
        d_outputs : ``[T, N, H]``, or of the window's length
        d_final : gradient of the final state, if there is one
        window : slice, optional
            Only these time steps; the state before them counts as a constant. Only an engine that offers truncated
            back-propagation needs to take one, and none does for ``reverse``.
        needs_input : whether ``d_x`` is wanted
        """

    # ------------------------------------------------------------------ over time

    @abstractmethod
    def pool(
        self, x: Array, kind: str, *, lengths: Array | None = None, reversed_from: int | None = None
    ) -> tuple[Array, Any]:
        """One value of each unit for each row, and a tape.

        Parameters
        ----------
        x : ``[T, N, D]``
        kind : ``last``, ``mean`` or ``max``
            ``mean`` adds in the order of time and divides by the row's length.
        lengths : ``[N]`` integers, how many steps each row has; None: all T. Without steps it is 0.
        reversed_from : int, optional
            Units from here on are read backward: their last step is the row's first.

        Returns
        -------
        ``[1, N, D]`` and the tape
        """

    @abstractmethod
    def pool_back(self, tape: Any, d_y: Array) -> Array:
        """The gradient of ``x``; that of ``max`` goes to the first place of the largest value."""

    # ------------------------------------------------------------------ dropout

    @abstractmethod
    def dropout(
        self, x: Array, rate: float, key: Key, step: int, *, per_step: bool = True, start: int = 0
    ) -> tuple[Array, Any]:
        """Sets each element to zero with probability ``rate`` and divides the others by ``1 - rate``.

        An element is dropped where its word of ``random.words(key, step, time, row, unit)`` is below
        ``floor(rate * 2**32)``; ``start`` is the time of the first step. ``per_step=False`` uses the mask of time 0 at
        every time. Returns a tape too.
        """

    @abstractmethod
    def dropout_back(self, tape: Any, d_y: Array, window: slice | None = None) -> Array:
        """The same elements of the gradient."""

    # ------------------------------------------------------------------ losses

    @abstractmethod
    def softmax_cross_entropy(
        self, o: Array, targets: Array, weights: Array | None, *, needs_gradient: bool = True
    ) -> tuple[float, Array | None]:
        """``sum of weights * -log softmax(o)[target]`` in nats, and its gradient. May overwrite ``o``.

        Parameters
        ----------
        o : ``[T, N, K]``
        targets : ``[T, N]`` integers; what stands where the weight is 0 is not looked at
        weights : ``[T, N]`` or None for ones; they may hold the 1/n of a mean
        """

    @abstractmethod
    def elementwise_loss(
        self, objective: Any, o: Array, targets: Array, weights: Array | None, *, needs_gradient: bool = True
    ) -> tuple[float, Array | None]:
        """The sum of ``weights`` times what each output costs, in float64, and its gradient. May overwrite ``o``.

        Parameters
        ----------
        objective : ``throughtime.losses.Elementwise``
            Its ``element.step(o, target, k)`` is elementwise and traced; ``constants(K)`` are the ``k`` of the columns.
        o, targets : ``[T, N, K]``; what stands where the weight is 0 is not looked at
        weights : ``[T, N]``, ``[T, N, K]`` or None for ones; they may hold the 1/n of a mean
        """

    # ------------------------------------------------------------------ learning

    @abstractmethod
    def global_norm(self, gradients: Mapping[str, Array], clip_value: float | None = None) -> float:
        """The Euclidean norm of all gradients together, each element first clipped to ``±clip_value``."""

    @abstractmethod
    def update(
        self,
        rule: Any,
        parameters: Mapping[str, Array],
        gradients: Mapping[str, Array],
        slots: Mapping[str, tuple[Array, ...]],
        coefficients: Mapping[str, tuple[float, ...]],
        *,
        clip_value: float | None = None,
        scale: float = 1.0,
    ) -> None:
        """Applies an optimizer's rule to every parameter and its slots, in place.

        Parameters
        ----------
        rule : ``throughtime.optimizers.Rule``, whose ``step(w, g, slots, k)`` is elementwise and traced
        coefficients : the ``k`` of each parameter
        clip_value, scale : each gradient element is clipped to ``±clip_value``, then multiplied by ``scale``
        """

    def train_steps(
        self, run: Trainable, batches: Sequence[Any], state: NetworkState, step: int
    ) -> tuple[list[StepResult], NetworkState]:
        """Trains on the batches in order, the first being number ``step``; the state is carried from one to the next.

        This one calls back for every step. An engine that can do several steps in one call overrides it. Either way
        it ends at the first step whose loss or gradient is not finite, which changes no parameter, and behind one
        that left a parameter not finite.
        """
        results = []
        for number, batch in enumerate(batches, start=step):
            result, state = run.train_step(batch, state, number)
            results.append(result)
            if not (math.isfinite(result.loss) and math.isfinite(result.gradient_norm) and result.sound):
                break
        return results, state

    # ------------------------------------------------------------------ whole networks

    def forward(
        self, network: Any, x: Array, state: NetworkState, lengths: Array | None
    ) -> tuple[Array, NetworkState] | None:
        """Outputs and final state of a whole network, or None where it should go layer by layer."""
        return None

    def step(self, network: Any, x: Array, state: NetworkState | None) -> tuple[Array, NetworkState] | None:
        """One time step of a whole network, or None where it cannot be done so, or what is given does not fit."""
        return None

    # ------------------------------------------------------------------ generation

    @abstractmethod
    def choose(self, o: Array, sampling: Sampling, u: Array) -> Array:
        """The symbols chosen from the outputs ``o [N, K]`` by the numbers ``u [N]`` in [0, 1): ``[N]`` integers.

        The probabilities that remain are added in the order of the symbols; the first sum above ``u`` chooses.
        """

    def generate(
        self,
        network: Steppable,
        o: Array,
        state: NetworkState,
        length: int,
        sampling: Sampling,
        key: Key,
        read: Array | None = None,
    ) -> Iterator[Array]:
        """Chooses ``length`` symbols for each of N streams, each symbol fed back in.

        ``o [N, K]`` are the outputs that the first symbol is chosen from, ``read [n, N]`` the symbols before it, which
        only a repetition penalty looks at. Yields pieces ``[n, N]`` of symbols as they come. Stream i draws the same
        numbers in any company. This one goes symbol by symbol.

        Raises
        ------
        NonFiniteLoss
            If the outputs are not finite.
        ParameterError
            If the network cannot go step by step.
        """
        network.check_steps()
        rows = np.arange(len(o))
        recent = np.zeros((0, len(o)), np.int64) if read is None else np.asarray(read, np.int64)
        for time in range(length):
            if not np.isfinite(o).all():
                raise NonFiniteLoss("the network's outputs are not finite numbers; its weights are of no use")
            if sampling.adjusts:
                o = sampling.adjusted(o, recent)
            ids = self.choose(o, sampling, uniforms(key, time=time, rows=rows))
            recent = np.concatenate([recent, ids[None]])[-RECENT:]
            yield ids[None]
            if time + 1 < length:
                o, state = network.step(ids, state)
