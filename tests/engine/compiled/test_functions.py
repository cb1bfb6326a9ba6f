"""Every function that a cell may use, on float32 numbers from the whole range."""

from __future__ import annotations

import numpy as np
import pytest
from tests.engine.compiled.material import CELLS, assert_same, make, scan_of, using
from tests.helpers import row_of
from tests.losses import ELEMENTWISE
from tests.tolerances import COMPILED

from throughtime import Cell
from throughtime.cells.functions import exp, log, maximum, minimum, relu, sigmoid, sqrt, tanh, where
from throughtime.cells.trace import COMPARISONS, OPERATIONS
from throughtime.engine.compiled.functions import OPERATIONS as COMPILED_OPERATIONS
from throughtime.losses import Pinball, SoftmaxCrossEntropy
from throughtime.optimizers import Rule, sgd

TINY = np.float32(2.0**-126)
LARGEST = np.finfo(np.float32).max
PATTERNS = np.concatenate([np.arange(0, 2**32, 4093, dtype=np.uint64), [2**31, 0x7F800000, 0xFF800000, 0x7F7FFFFF]])
X = PATTERNS.astype(np.uint32).view(np.float32)
"""A million numbers with every exponent and sign, the infinities, NaNs and both zeros among them."""
SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, -np.nan, LARGEST, -LARGEST, TINY, -TINY, 1e-40, -1e-40, 0.5, 3.0],
    np.float32,
)
PAIRS = tuple(grid.ravel() for grid in np.meshgrid(SPECIAL, SPECIAL))


def apply(function, x, y=None):
    """The function of one or two numbers, as machine code."""
    rule = Rule("own", lambda w, g, slots, k: (function(w) if y is None else function(w, g), ()), lambda *_: (), 1.0)
    result = x.copy()
    with using(1):
        make().update(rule, {"w": result}, {"w": np.zeros_like(x) if y is None else y}, {"w": ()}, {"w": ()})
    return result


def counted(x):
    """What is below the smallest normal number counts as 0."""
    return np.where(np.abs(x) < TINY, np.copysign(np.float32(0), x), x)


def close(found, expected, relative, absolute=0.0):
    """Whether all are as near as that, a NaN where a NaN is expected and nowhere else, infinities where they are."""
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    finite = np.isfinite(found) & np.isfinite(expected)
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(found - expected) <= np.maximum(relative * np.abs(expected), max(absolute, TINY))
    wrong = ~(same | (finite & near))
    assert not wrong.any(), [(hex(int(X.view(np.uint32)[i])), found[i], expected[i]) for i in np.nonzero(wrong)[0][:5]]


def in_numpy(name, *values):
    with np.errstate(all="ignore"):
        return OPERATIONS[name](*(counted(value).astype(np.float64) for value in values))


def test_tanh():
    found = apply(tanh, X)
    close(found, in_numpy("tanh", X), 2 * COMPILED["function"])
    close(found, in_numpy("tanh", X), 0.0, COMPILED["function"])
    assert np.nanmax(np.abs(found)) <= 1
    large = np.abs(X) >= TINY
    np.testing.assert_array_equal(np.signbit(found)[large], np.signbit(X)[large])


def test_sigmoid():
    found = apply(sigmoid, X)
    close(found, in_numpy("sigmoid", X), 0.0, COMPILED["function"])
    assert np.nanmin(found) >= 0
    assert np.nanmax(found) <= 1


def test_exp():
    found, expected = apply(exp, X), in_numpy("exp", X)
    expected = np.where(expected > LARGEST, np.inf, expected)
    close(found, expected, COMPILED["function"])


def test_log():
    close(apply(log, X), in_numpy("log", X), COMPILED["function"], COMPILED["function"])
    x = np.linspace(0.5, 2, 100_001).astype(np.float32)
    near_one = apply(log, x)
    assert np.all(np.abs(near_one - np.log(x.astype(np.float64))) <= 3e-7 * np.abs(np.log(x.astype(np.float64))))


def test_sqrt():
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(apply(sqrt, X), np.sqrt(counted(X)))


def test_relu():
    np.testing.assert_array_equal(counted(apply(relu, X)), np.maximum(counted(X), 0))


def test_negative_and_absolute_value():
    np.testing.assert_array_equal(counted(apply(lambda x: -x, X)), -counted(X))
    np.testing.assert_array_equal(counted(apply(abs, X)), np.abs(counted(X)))
    assert not np.signbit(apply(abs, SPECIAL[[1, 3, 5]])).any()


@pytest.mark.parametrize("function", [maximum, minimum])
def test_maximum_and_minimum(function):
    x, y = PAIRS
    expected = function(counted(x), counted(y))
    np.testing.assert_array_equal(counted(apply(function, x, y)), expected)
    np.testing.assert_array_equal(counted(apply(lambda x: function(x, 0.5), X)), function(counted(X), np.float32(0.5)))
    np.testing.assert_array_equal(counted(apply(lambda x: function(0.5, x), X)), function(counted(X), np.float32(0.5)))
    others = np.roll(X, 12_345)
    np.testing.assert_array_equal(counted(apply(function, X, others)), function(counted(X), counted(others)))


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide"])
def test_arithmetic(name):
    x, y = (np.concatenate([special, drawn]) for special, drawn in zip(PAIRS, (X, np.roll(X, 54_321)), strict=True))
    with np.errstate(all="ignore"):
        expected = OPERATIONS[name](counted(x), counted(y))
    found = apply(lambda x, y: OPERATIONS[name](x, y), x, y)
    # a result that is rounded up to the smallest normal number is one or 0, by the processor
    at_border = np.abs(expected) <= TINY
    np.testing.assert_array_equal(found[~at_border], expected[~at_border])
    assert np.all((found[at_border] == 0) | (np.abs(found[at_border]) == TINY))


def test_comparisons_and_logic():
    x, y = PAIRS
    a, b = counted(x), counted(y)
    for name in COMPARISONS:
        compare = OPERATIONS[name]
        found = apply(lambda x, y, compare=compare: where(compare(x, y), 1.0, 2.0), x, y)
        np.testing.assert_array_equal(found, np.where(compare(a, b), 1, 2), err_msg=name)
    for function in (
        lambda x, y: (x > 0) & (y > 0),
        lambda x, y: (x > 0) | (y > 0),
        lambda x, y: ~(x > y),
        lambda x, y: ~((x != y) & (x <= 1.0)) | (y == y),
    ):
        found = apply(lambda x, y, function=function: where(function(x, y), x, y), x, y)
        np.testing.assert_array_equal(counted(found), np.where(function(a, b), a, b))


def test_where_takes_constants_and_values():
    found = apply(lambda x: where(x > 0, 1.5, x), SPECIAL)
    np.testing.assert_array_equal(counted(found), np.where(counted(SPECIAL) > 0, 1.5, counted(SPECIAL)))


@pytest.mark.parametrize("constant", [3.4e38, 3.5e38, -1e39, 1e300, -1.7e308, float("inf"), 1e-40, 1e-300, 5e-324])
def test_constants_of_any_size(constant):
    with np.errstate(over="ignore", under="ignore"):
        expected = counted(np.array([constant]).astype(np.float32))
    found = apply(lambda x: where(x > 0, constant, x), np.ones(1, np.float32))
    np.testing.assert_array_equal(counted(found), expected)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "relu", "exp", "log", "sqrt", "absolute", "negative"])
def test_a_nan_goes_through(name):
    nans = np.array([0x7FC00000, 0xFFC00000, 0x7F800001, 0xFFFFFFFF], np.uint32).view(np.float32)
    assert np.isnan(apply(lambda x: OPERATIONS[name](x) if name != "sigmoid" else sigmoid(x), nans)).all()


@pytest.mark.parametrize("number", [1, 2])
def test_a_nan_in_one_parameter_leaves_no_other_element_out(number):
    size = 40_000

    def run(broken):
        w = {name: np.ones(size, np.float32) for name in "abc"}
        g = {name: np.full(size, 0.5, np.float32) for name in "abc"}
        if broken:
            g["a"][3] = np.nan
        with using(number):
            make().update(sgd(), w, g, dict.fromkeys("abc", ()), dict.fromkeys("abc", (0.1,)))
        return w

    found, expected = run(True), run(False)
    assert np.isnan(found["a"][3])
    found["a"][3] = expected["a"][3]
    assert_same(found, expected)


def test_a_nan_goes_through_clipping_and_updates():
    w, g = np.ones(40, np.float32), np.ones(40, np.float32)
    g[7], w[20] = np.nan, np.nan
    make().update(sgd(), {"w": w}, {"w": g}, {"w": ()}, {"w": (0.1,)}, clip_value=0.5, scale=0.5)
    assert np.nonzero(np.isnan(w))[0].tolist() == [7, 20]
    assert np.isnan(make().global_norm({"g": g}, 0.1))


def test_all_operations_are_there():
    assert COMPILED_OPERATIONS.keys() == OPERATIONS.keys()


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
@pytest.mark.parametrize("place", ["x", "state", "d_outputs"])
def test_a_nan_in_one_row_stays_in_that_row(cell, reverse, place):
    N, n = 17, 8
    clean = scan_of(cell, 4, N, 5, 18, reverse=reverse)
    changed = {
        "x": {"x": with_nan(clean.x, (1, n, 2))},
        "state": {"state": (with_nan(clean.state[0], (n, 3)), *clean.state[1:])},
        "d_outputs": {"d_outputs": with_nan(clean.d_outputs, (2, n))},
    }
    dirty, expected = clean.part(**changed[place]).run(make()), clean.run(make())
    for other in set(range(N)) - {n}:
        assert_same(row_of(dirty, other), row_of(expected, other))
    assert any(np.isnan(value).any() for value in row_of(dirty, n).values())


def with_nan(values, place):
    values = values.copy()
    values[place] = np.nan
    return values


@pytest.mark.parametrize("K", [2, 15, 16, 17, 40])
def test_a_nan_among_the_outputs_of_one_row_stays_there(K):
    rng = np.random.default_rng(0)
    o, targets = rng.normal(size=(2, 9, K)).astype(np.float32), rng.integers(K, size=(2, 9))
    for objective in (SoftmaxCrossEntropy(), *ELEMENTWISE):
        wanted = targets if isinstance(objective, SoftmaxCrossEntropy) else np.abs(o[::-1]) / 5
        if isinstance(objective, Pinball) and K % 2:
            continue
        _, expected = objective(make(), o.copy(), wanted)
        loss, d = objective(make(), with_nan(o, (1, 4, K - 1)), wanted)
        assert np.isnan(loss)
        assert np.isnan(d[1, 4]).any()
        d[1, 4] = expected[1, 4]
        np.testing.assert_array_equal(d, expected)


def test_numpy_computes_with_small_numbers_as_before():
    rule = Rule("own", lambda w, g, slots, k: (w * 2.0, ()), lambda *_: (), 1.0)
    make().update(rule, {"w": np.ones(99, np.float32)}, {"w": np.ones(99, np.float32)}, {"w": ()}, {"w": ()})
    assert np.float32(1e-40) * np.float32(2) > 0


def test_a_cell_with_constants_alone():
    def step(a, u, state, p):
        return (0.25, -1.0), (1.0,)

    def step_back(d_state, state, saved, p):
        return (2.0, 0.0), (), (0.5, 0.0), ()

    cell = Cell("constant", gates=("a", "b"), states=("h", "c"), step=step, step_back=step_back)
    scan = scan_of(cell, 2, 3, 4, 19)
    found = scan.run(make())
    assert np.all(found["outputs"] == 0.25)
    assert np.all(found["final c"] == -1)
    assert np.all(found["d_b"] == np.repeat([12.0, 0.0], 19))
