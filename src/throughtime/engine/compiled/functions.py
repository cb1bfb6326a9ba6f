"""The functions that a cell may use, on vectors: written once, for every vector width.

tanh is the odd rational function of degree 9 over 8 in ``x``, clamped where float32 can no longer tell the result from
1: an absolute error below 4e-7. exp and log reduce their range as Cody and Waite (1980) do and end in the polynomials
of the Cephes library (Moshier, 1989): a relative error of a few units in the last place.

A NaN that goes in comes out. On x86 numbers below the smallest normal one count as 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from throughtime.engine.compiled.llvm import Value
from throughtime.engine.compiled.vectors import Vectors

TANH_BOUND = 8.01773357391357422
TANH_ABOVE = (1.394553628e-8, 2.102733560e-5, 3.520756727e-3, 1.340216100e-1)
TANH_BELOW = (8.015776984e-7, 3.326951409e-4, 2.597254514e-2, 4.673548340e-1, 1.0)

LOG2_E = 1.44269504088896341
LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440e-4
"""ln 2 in two parts, the first with few enough digits that its products with small integers are exact."""
ROUNDER = 1.5 * 2**23
"""Adding it leaves no bits for a fraction, so that the sum is rounded to an integer."""
EXP_BOUNDS = (-104.0, 89.0)
EXP_SERIES = (
    1.9875691500e-4,
    1.3981999507e-3,
    8.3334519073e-3,
    4.1665795894e-2,
    1.6666665459e-1,
    5.0000001201e-1,
)
LOG_SERIES = (
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)
SQRT_HALF = 0.707106781186547524


def series(v: Vectors, x: Value, coefficients: Sequence[float]) -> Value:
    """The polynomial with these coefficients, the highest power first (Horner)."""
    total = v.constant(coefficients[0])
    for coefficient in coefficients[1:]:
        total = v.fma(total, x, v.constant(coefficient))
    return total


def clamp(v: Vectors, x: Value, low: float, high: float) -> Value:
    """``x`` within the bounds; a NaN stays one."""
    x = v.f.select(x > high, high, x)
    return v.f.select(x < low, low, x)


def tanh(v: Vectors, x: Value) -> Value:
    x = clamp(v, x, -TANH_BOUND, TANH_BOUND)
    y = x * x
    above = v.fma(x * y, series(v, y, TANH_ABOVE), x)
    return above / series(v, y, TANH_BELOW)


def sigmoid(v: Vectors, x: Value) -> Value:
    return v.fma(tanh(v, x * 0.5), v.constant(0.5), v.constant(0.5))


def relu(v: Vectors, x: Value) -> Value:
    return v.f.select(x < 0.0, 0.0, x)


def exp(v: Vectors, x: Value) -> Value:
    x = clamp(v, x, *EXP_BOUNDS)
    shifted = v.fma(x, v.constant(LOG2_E), v.constant(ROUNDER))
    n = shifted - ROUNDER
    r = v.fma(n, v.constant(-LN2_HIGH), x)
    r = v.fma(n, v.constant(-LN2_LOW), r)
    value = v.fma(series(v, r, EXP_SERIES), r * r, r) + 1.0
    power = v.bits(shifted) - v.bits_of(ROUNDER)  # the integer n
    half = v.f.binary("ashr", power, 1)  # 2**n in two factors, since n may be beyond the exponents of float32
    return (value * v.floats((half + 127) << 23)) * v.floats((power - half + 127) << 23)


def log(v: Vectors, x: Value) -> Value:
    bits = v.bits(x)
    m = v.floats((bits & 0x007FFFFF) | v.bits_of(0.5))  # x = m * 2**e with m from 0.5 to 1
    e = ((bits >> 23) - 126).cast("sitofp", x.type)
    small = m < SQRT_HALF
    e = v.f.select(small, e - 1.0, e)
    m = v.f.select(small, m + m, m) - 1.0
    z = m * m
    y = series(v, m, LOG_SERIES) * m * z
    y = v.fma(e, v.constant(LN2_LOW), y)
    y = v.fma(z, v.constant(-0.5), y)
    y = v.fma(e, v.constant(LN2_HIGH), m + y)
    y = v.f.select(x == float("inf"), x, y)
    y = v.f.select(x == 0.0, float("-inf"), y)
    return v.f.select(x >= 0.0, y, float("nan"))


def sqrt(v: Vectors, x: Value) -> Value:
    return v.f.intrinsic(f"llvm.sqrt.v{v.lanes}f32", x.type, x)


def absolute(v: Vectors, x: Value) -> Value:
    return v.floats(v.bits(x) & 0x7FFFFFFF)


def maximum(v: Vectors, x: Value, y: Value) -> Value:
    return v.f.select(x != x, x, v.f.select(x > y, x, y))


def minimum(v: Vectors, x: Value, y: Value) -> Value:
    return v.f.select(x != x, x, v.f.select(x < y, x, y))


OPERATIONS: dict[str, Callable[..., Value]] = {
    "add": lambda v, x, y: x + y,
    "subtract": lambda v, x, y: x - y,
    "multiply": lambda v, x, y: x * y,
    "divide": lambda v, x, y: x / y,
    "negative": lambda v, x: -x,
    "absolute": absolute,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "relu": relu,
    "exp": exp,
    "log": log,
    "sqrt": sqrt,
    "maximum": maximum,
    "minimum": minimum,
    "where": lambda v, condition, x, y: v.f.select(condition, x, y),
    "less": lambda v, x, y: x < y,
    "less_equal": lambda v, x, y: x <= y,
    "greater": lambda v, x, y: x > y,
    "greater_equal": lambda v, x, y: x >= y,
    "equal": lambda v, x, y: x == y,
    "not_equal": lambda v, x, y: x != y,
    "logical_and": lambda v, x, y: x & y,
    "logical_or": lambda v, x, y: x | y,
    "logical_not": lambda v, x: ~x,
}
"""The vector code of every operation that a traced program can have."""


def run(v: Vectors, program: object, inputs: Sequence[Value]) -> list[Value]:
    """Writes a traced program down and gives its outputs.

    A constant stays a number until an operation takes it together with a vector.
    """
    values: list[Value] = list(inputs)

    def read(operand: int | float) -> Value:
        return v.constant(operand) if isinstance(operand, float) else values[operand]

    for name, operands in program.instructions:  # type: ignore[attr-defined]
        values.append(OPERATIONS[name](v, *map(read, operands)))
    return [read(output) for output in program.outputs]  # type: ignore[attr-defined]


__all__ = ["OPERATIONS", "run"]
