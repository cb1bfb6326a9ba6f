"""The record of one recurrent unit: what it computes in one step, and how the gradient comes back through it."""

from __future__ import annotations

import hashlib
import math
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from throughtime.cells.trace import _OWN_FILES, Program, Tracer, place_of
from throughtime.errors import CellError, known

Values = tuple[Any, ...]
Step = Callable[[Values, Values, Values, Values], tuple[Values, Values]]
StepBack = Callable[[Values, Values, Values, Values], tuple[Values, Values, Values, Values]]


@dataclass(frozen=True, eq=False)
class Cell:
    """A recurrent unit, written once and run by every engine.

    A cell is elementwise over its hidden units and straight-line. Matrix products, the loop over time, masks and
    batches are the engine's. Both functions are traced when the cell is made, so that what could not be compiled is
    refused at once, with the line and the reason.

    Parameters
    ----------
    name : str
        What the cell is called in parameters and model files.
    gates : sequence of str
        The blocks of the pre-activation ``a``, in order.
    states : sequence of str
        The states; the first is what the next layer sees.
    step : callable
        ``step(a, u, state, p) -> (new state, saved)``. ``a`` holds one pre-activation for each gate (input part plus
        hidden part), ``u`` the hidden part of each gate in ``apart``, ``state`` the states before the step, ``p`` the
        per-unit parameters. ``saved`` is what ``step_back`` needs.
    step_back : callable
        ``step_back(d_state, state, saved, p) -> (d_a, d_u, d_state before, d_p)``. ``d_state`` is the gradient of the
        loss with respect to the new state. What flows back through the products is added by the engine.
    apart : sequence of str, default ()
        Gates whose hidden part ``h W + e`` comes by itself in ``u``; their ``a`` is the input part alone.
    vectors : mapping of str to float or (float, float), default {}
        Per-unit parameters with their initial value, or the bounds of a uniform draw.
    bias : mapping of str to float, default {}
        The initial bias of a gate where it is not 0, such as 1 for the forget gate of an LSTM.
    recurrent : bool, default True
        False: no hidden-to-hidden product (IndRNN, minGRU).

    Attributes
    ----------
    program, program_back : Program
        The traced step and step back.
    saved : int
        How many values of a step the way back needs.
    fingerprint : str
        Names what the cell computes: equal fingerprints, equal results.

    Raises
    ------
    CellError
        If a function does what cannot be compiled, or returns a wrong number of results.

    Examples
    --------
    >>> from throughtime.cells.functions import tanh
    >>> def step(a, u, state, p):
    ...     h = tanh(a[0])
    ...     return (h,), (h,)
    >>> def step_back(d_state, state, saved, p):
    ...     (d_h,), (h,) = d_state, saved
    ...     return (d_h * (1 - h**2),), (), (0.0,), ()
    >>> mine = Cell("mine", gates=("hidden",), states=("h",), step=step, step_back=step_back)
    >>> mine
    Cell('mine', gates=('hidden',), states=('h',))
    """

    name: str
    gates: Sequence[str]
    states: Sequence[str]
    step: Step
    step_back: StepBack
    apart: Sequence[str] = ()
    vectors: Mapping[str, float | tuple[float, float]] = field(default_factory=dict)
    bias: Mapping[str, float] = field(default_factory=dict)
    recurrent: bool = True
    program: Program = field(init=False, repr=False)
    program_back: Program = field(init=False, repr=False)
    saved: int = field(init=False, repr=False)
    fingerprint: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        def put(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        for name in ("gates", "states", "apart"):
            if isinstance(getattr(self, name), str):
                raise CellError(f"cell {self.name!r}: {name} must be a tuple of names, got {getattr(self, name)!r}")
            put(name, tuple(getattr(self, name)))
        put("vectors", dict(self.vectors))
        put("bias", dict(self.bias))
        self._check_names()
        program, saved = self._trace_step()
        put("program", program)
        put("saved", saved)
        put("program_back", self._trace_step_back())
        put("fingerprint", self._fingerprint())

    def _check_names(self) -> None:
        if not self.name or not isinstance(self.name, str):
            raise CellError(f"a cell needs a name, got {self.name!r}")
        for what, names in (("gates", self.gates), ("states", self.states)):
            if not names or len(set(names)) != len(names):
                raise CellError(f"cell {self.name!r}: {what} must be different names, at least one, got {names!r}")
        for what, names in (("apart", self.apart), ("bias", tuple(self.bias))):
            for name in names:
                if name not in self.gates:
                    raise CellError(f"cell {self.name!r}: {what} names {name!r}; its gates are {known(self.gates)}")
        for name in (*self.gates, *self.states, *self.vectors):
            if not isinstance(name, str) or not name.isidentifier():
                raise CellError(f"cell {self.name!r}: gates, states and vectors need names like 'forget', got {name!r}")
        for name, start in self.vectors.items():
            if name in ("U", "W", "b", "e", "x"):
                raise CellError(f"cell {self.name!r}: a vector cannot be called {name!r}, which the layer has itself")
            if not all(map(_is_number, start if isinstance(start, tuple) and len(start) == 2 else (start,))):
                raise CellError(f"cell {self.name!r}: vector {name!r} starts at a number or (low, high), got {start!r}")
        for name, start in self.bias.items():
            if not _is_number(start):
                raise CellError(f"cell {self.name!r}: the bias of {name!r} must be a number, got {start!r}")
        if self.apart and not self.recurrent:
            raise CellError(
                f"cell {self.name!r}: apart needs the hidden-to-hidden product that recurrent=False leaves out"
            )

    def _symbols(self, groups: Mapping[str, Sequence[str]]) -> tuple[Tracer, list[Values]]:
        tracer = Tracer([f"{prefix}{name}" for prefix, names in groups.items() for name in names])
        symbols = iter(tracer.symbols())
        return tracer, [tuple(next(symbols) for _ in names) for names in groups.values()]

    def _trace_step(self) -> tuple[Program, int]:
        groups = {"a.": self.gates, "u.": self.apart, "state.": self.states, "p.": tuple(self.vectors)}
        tracer, arguments = self._symbols(groups)
        results = self._call("step", self.step, arguments, {"new states": len(self.states), "saved": None})
        return self._program("step", self.step, tracer, results), len(results[1])

    def _trace_step_back(self) -> Program:
        saved = [str(number) for number in range(self.saved)]
        groups = {"d.": self.states, "state.": self.states, "saved.": saved, "p.": tuple(self.vectors)}
        tracer, arguments = self._symbols(groups)
        wanted = {"d_a": len(self.gates), "d_u": len(self.apart), "d_state": len(self.states), "d_p": len(self.vectors)}
        results = self._call("step_back", self.step_back, arguments, wanted)
        return self._program("step_back", self.step_back, tracer, results)

    def _program(self, name: str, function: Callable[..., Any], tracer: Tracer, results: list[Values]) -> Program:
        try:
            return tracer.program([value for group in results for value in group])
        except CellError as error:
            reason = str(error).rpartition(": ")[2]  # the line it names is that of the Cell, not of the function
            raise CellError(f"cell {self.name!r}, {name}: {_place(function)}: {reason}") from None

    def _call(
        self, name: str, function: Callable[..., Any], arguments: list[Values], wanted: Mapping[str, int | None]
    ) -> list[Values]:
        """The results of a traced call, one tuple for each name in ``wanted``, their numbers checked."""
        context = f"cell {self.name!r}, {name}"
        try:
            results = function(*arguments)
        except CellError as error:
            raise CellError(f"{context}: {error}") from None
        except Exception as error:
            frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename not in _OWN_FILES]
            where = place_of(frames[-1].filename, frames[-1].lineno or 0) if frames else "its signature"
            raise CellError(
                f"{context}: {where}: {type(error).__name__}: {error}. It is called with {self._signature(name)}"
            ) from error
        shape = " and ".join(f"{key} ({'any number' if n is None else n})" for key, n in wanted.items())
        context = f"{context}: {_place(function)}"
        if not isinstance(results, tuple) or len(results) != len(wanted):
            raise CellError(f"{context}: must return {len(wanted)} tuples, {shape}; got {_describe(results)}")
        for (key, number), result in zip(wanted.items(), results, strict=True):
            if not isinstance(result, tuple) or (number is not None and len(result) != number):
                raise CellError(f"{context}: must return {shape}, each a tuple; {key} is {_describe(result)}")
        return list(results)

    def _signature(self, name: str) -> str:
        state = f"state ({len(self.states)})"
        p = f"p ({len(self.vectors)})"
        if name == "step":
            return f"a ({len(self.gates)}), u ({len(self.apart)}), {state}, {p}"
        return f"d_state ({len(self.states)}), {state}, saved ({self.saved}), {p}"

    def _fingerprint(self) -> str:
        parts = (
            self.name,
            *map(repr, (self.gates, self.states, self.apart, self.recurrent, tuple(self.vectors))),
            self.program.text,
            self.program_back.text,
        )
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        """Equal cells compute the same and start with the same values."""
        if not isinstance(other, Cell):
            return NotImplemented
        same_start = other.bias == self.bias and other.vectors == self.vectors
        return other.fingerprint == self.fingerprint and same_start

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"Cell({self.name!r}, gates={self.gates!r}, states={self.states!r})"

    def __reduce__(self) -> Any:
        """A registered cell travels by name (its functions may be closures), a user's own by its parts."""
        from throughtime import cells

        if cells.REGISTRY.get(self.name) == self:
            return cells.get, (self.name,)
        parts = (self.name, self.gates, self.states, self.step, self.step_back)
        return Cell, (*parts, self.apart, self.vectors, self.bias, self.recurrent)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _place(function: Callable[..., Any]) -> str:
    code = getattr(function, "__code__", None)
    return place_of(code.co_filename, code.co_firstlineno) if code else repr(function)


def _describe(result: Any) -> str:
    return f"a tuple of {len(result)}" if isinstance(result, tuple) else f"a {type(result).__name__}"
