"""Runs a function once with symbols instead of numbers and writes down what it does: a straight-line program.

Cells, optimizer rules and elementwise losses are plain Python over arrays. Tracing turns such a function into a
:class:`Program`, which an engine can translate to machine code, whose text is an honest key for what it computes, and
which shows at once, at the user's own line, what could not be translated: a branch on a value, an unknown function, a
wrong number of results.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import numpy as np

from throughtime.errors import CellError, known

Operand = int | float
"""An argument of an instruction: an ``int`` is the place of an earlier value, a ``float`` is a constant."""


def _sigmoid(x: Any) -> Any:
    return 0.5 * np.tanh(0.5 * x) + 0.5  # never overflows, unlike 1 / (1 + exp(-x))


OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "negative": np.negative,
    "absolute": np.absolute,
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "relu": lambda x: np.maximum(x, 0.0),
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "where": np.where,
    "less": np.less,
    "less_equal": np.less_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_not": np.logical_not,
}
"""What each operation means on NumPy arrays. These are all the operations a program can have."""

COMPARISONS = ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal")
LOGIC = ("logical_and", "logical_or", "logical_not")
FUNCTIONS = ("sigmoid", "tanh", "relu", "exp", "log", "sqrt", "where", "maximum", "minimum")

_UFUNCS = {operation: name for name, operation in OPERATIONS.items() if isinstance(operation, np.ufunc)}
_OWN_FILES = frozenset(str(Path(__file__).with_name(name)) for name in ("trace.py", "functions.py", "cell.py"))


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A straight-line elementwise program. Two are equal if their texts are.

    Values are numbered: first the inputs, then one for each instruction. ``outputs`` are places or constants.
    """

    inputs: tuple[str, ...]
    instructions: tuple[tuple[str, tuple[Operand, ...]], ...]
    outputs: tuple[Operand, ...]

    @property
    def text(self) -> str:
        """The program, one instruction a line; equal texts compute the same. Constants are written exactly."""

        def show(operand: Operand) -> str:
            if isinstance(operand, float):
                return operand.hex()
            return self.inputs[operand] if operand < len(self.inputs) else f"v{operand}"

        lines = [f"inputs {' '.join(self.inputs)}"]
        for place, (name, operands) in enumerate(self.instructions, start=len(self.inputs)):
            lines.append(f"v{place} = {name} {' '.join(map(show, operands))}")
        lines.append(f"outputs {' '.join(map(show, self.outputs))}")
        return "\n".join(lines)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Program) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __call__(self, *values: Any) -> tuple[Any, ...]:
        """The outputs for these inputs (arrays or numbers), computed with NumPy."""
        seen = list(values)

        def read(operand: Operand) -> Any:
            return operand if isinstance(operand, float) else seen[operand]

        for name, operands in self.instructions:
            seen.append(OPERATIONS[name](*map(read, operands)))
        return tuple(map(read, self.outputs))


class Symbol:
    """Stands for an array while a function is traced."""

    __slots__ = ("place", "tracer", "truth")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, tracer: Tracer, place: int, truth: bool = False) -> None:
        self.tracer = tracer
        self.place = place
        self.truth = truth

    def __add__(self, other: Any) -> Symbol:
        return self.tracer.record("add", self, other)

    def __radd__(self, other: Any) -> Symbol:
        return self.tracer.record("add", other, self)

    def __sub__(self, other: Any) -> Symbol:
        return self.tracer.record("subtract", self, other)

    def __rsub__(self, other: Any) -> Symbol:
        return self.tracer.record("subtract", other, self)

    def __mul__(self, other: Any) -> Symbol:
        return self.tracer.record("multiply", self, other)

    def __rmul__(self, other: Any) -> Symbol:
        return self.tracer.record("multiply", other, self)

    def __truediv__(self, other: Any) -> Symbol:
        return self.tracer.record("divide", self, other)

    def __rtruediv__(self, other: Any) -> Symbol:
        return self.tracer.record("divide", other, self)

    def __iadd__(self, other: Any) -> NoReturn:
        refuse("an argument is changed in place, which on arrays writes over the caller's; use h = h + x, not h += x")

    __isub__ = __imul__ = __itruediv__ = __ipow__ = __iadd__

    def __neg__(self) -> Symbol:
        return self.tracer.record("negative", self)

    def __pow__(self, exponent: Any) -> Symbol:
        if isinstance(exponent, Symbol) or exponent != 2:
            refuse(f"** {exponent!r} is not offered, only ** 2; use products, sqrt, or exp and log")
        return self.tracer.record("multiply", self, self)

    def __abs__(self) -> Symbol:
        return self.tracer.record("absolute", self)

    def __lt__(self, other: Any) -> Symbol:
        return self.tracer.record("less", self, other)

    def __le__(self, other: Any) -> Symbol:
        return self.tracer.record("less_equal", self, other)

    def __gt__(self, other: Any) -> Symbol:
        return self.tracer.record("greater", self, other)

    def __ge__(self, other: Any) -> Symbol:
        return self.tracer.record("greater_equal", self, other)

    def __eq__(self, other: object) -> Symbol:  # type: ignore[override]
        return self.tracer.record("equal", self, other)

    def __ne__(self, other: object) -> Symbol:  # type: ignore[override]
        return self.tracer.record("not_equal", self, other)

    def __and__(self, other: Any) -> Symbol:
        return self.tracer.record("logical_and", self, other)

    def __or__(self, other: Any) -> Symbol:
        return self.tracer.record("logical_or", self, other)

    def __invert__(self) -> Symbol:
        return self.tracer.record("logical_not", self)

    def __bool__(self) -> NoReturn:
        refuse("a branch on a value (if, while, and, or, not, min, max); use where(condition, x, y)")

    def __float__(self) -> NoReturn:
        refuse(
            f"a value is turned into one number; use the functions of throughtime.cells.functions: {known(FUNCTIONS)}"
        )

    __int__ = __index__ = __float__

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        refuse(
            "a value is turned into a NumPy array; a cell computes each unit by itself, with operators and functions"
        )

    def __iter__(self) -> NoReturn:
        refuse("a value is unpacked or looped over; a cell computes each unit by itself")

    def __getitem__(self, _: Any) -> NoReturn:
        refuse("a value is indexed; a cell computes each unit by itself and cannot see its neighbours")

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # Python and NumPy ask for such names on their own account
            raise AttributeError(name)
        refuse(
            f"a value has no attribute {name!r}; use the functions of throughtime.cells.functions: {known(FUNCTIONS)}"
        )

    def __matmul__(self, _: Any) -> NoReturn:
        refuse(
            "a product of matrices inside a step; products are the engine's: input and hidden parts come in as `a`, "
            "or apart as `u` (so a reset-before GRU, which multiplies in mid-step, cannot be a cell; the reset-after "
            "form can)"
        )

    __rmatmul__ = __matmul__

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Symbol:
        if ufunc is np.matmul:
            self.__matmul__(None)
        if method != "__call__" or options or ufunc not in _UFUNCS:
            refuse(f"unknown function numpy.{ufunc.__name__}; known are {known(FUNCTIONS)}")
        return self.tracer.record(_UFUNCS[ufunc], *inputs)


class Tracer:
    """Writes down the instructions; an instruction that was written before is not written again."""

    def __init__(self, inputs: Sequence[str]) -> None:
        self.inputs = tuple(inputs)
        self.instructions: list[tuple[str, tuple[Operand, ...]]] = []
        self.written: dict[tuple[str, ...], int] = {}

    def symbols(self) -> list[Symbol]:
        return [Symbol(self, place) for place in range(len(self.inputs))]

    def operand(self, value: Any) -> Operand:
        if isinstance(value, Symbol):
            if value.tracer is not self:
                refuse("a value of another trace is used; a step may use only its own arguments and constants")
            return value.place
        if type(value) not in (
            int,
            float,
        ):  # a number of NumPy's has a width of its own: float32 would not stay float32
            refuse(f"a constant must be a plain number, got {type(value).__name__}; write float(...)")
        return float(value)

    def record(self, name: str, *values: Any) -> Symbol:
        truths = [isinstance(value, Symbol) and value.truth for value in values]
        wanted = {"where": [True, False, False]}.get(name, [name in LOGIC] * len(values))
        if len(wanted) != len(values):
            refuse(f"{name} takes {len(wanted)} arguments, got {len(values)}")
        for truth, want in zip(truths, wanted, strict=True):
            if truth and not want:
                refuse(f"a comparison is used as a number in {name}; use where(condition, x, y)")
            if want and not truth:
                refuse(f"{name} needs a comparison, such as x > 0, where a number was given")
        operands = tuple(self.operand(value) for value in values)
        key = (name, *map(repr, operands))  # by repr, since the place 3 equals the constant 3.0, and 0.0 equals -0.0
        if key not in self.written:
            self.written[key] = len(self.inputs) + len(self.instructions)
            self.instructions.append((name, operands))
        return Symbol(self, self.written[key], truth=name in COMPARISONS + LOGIC)

    def program(self, outputs: Sequence[Any]) -> Program:
        """The instructions that the outputs need, numbered afresh."""
        if any(isinstance(output, Symbol) and output.truth for output in outputs):
            refuse("a comparison is returned where a number is expected; use where(condition, 1.0, 0.0)")
        places = [self.operand(output) for output in outputs]
        listed = self.instructions
        first = len(self.inputs)
        needed: set[int] = set()
        waiting = [place for place in places if isinstance(place, int)]
        while waiting:
            place = waiting.pop()
            if place >= first and place not in needed:
                needed.add(place)
                waiting += [operand for operand in listed[place - first][1] if isinstance(operand, int)]
        renumbered: dict[int, int] = dict(enumerate(range(first)))
        for place in sorted(needed):
            renumbered[place] = len(renumbered)

        def renumber(operand: Operand) -> Operand:
            return operand if isinstance(operand, float) else renumbered[operand]

        instructions = tuple(
            (name, tuple(map(renumber, operands)))
            for name, operands in (listed[place - first] for place in sorted(needed))
        )
        return Program(self.inputs, instructions, tuple(map(renumber, places)))


def _user_frame() -> FrameType | None:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename in _OWN_FILES:
        frame = frame.f_back
    return frame


def place_of(filename: str, line: int) -> str:
    """``file, line 3: `source```, for an error message."""
    source = linecache.getline(filename, line).strip()
    return f"{Path(filename).name}, line {line}" + (f": `{source}`" if source else "")


def refuse(reason: str) -> NoReturn:
    """Raises :class:`CellError` that names the user's own line."""
    frame = _user_frame()
    where = f"{place_of(frame.f_code.co_filename, frame.f_lineno)}: " if frame else ""
    raise CellError(where + reason)


def apply(name: str, *values: Any) -> Any:
    """The operation ``name``: written down where a value is a symbol, computed with NumPy elsewhere."""
    for value in values:
        if isinstance(value, Symbol):
            return value.tracer.record(name, *values)
    return OPERATIONS[name](*values)
