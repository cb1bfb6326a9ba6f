"""Tracing: what a program is, and that whatever could not be one is refused at the user's own line."""

from __future__ import annotations

import inspect
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime import cells
from throughtime.cells import Cell, functions
from throughtime.cells.functions import exp, maximum, minimum, relu, sigmoid, sqrt, tanh, where
from throughtime.cells.trace import OPERATIONS, Tracer
from throughtime.errors import CellError
from throughtime.optimizers import RULES


def traced(function, *names):
    """The program of a function of one value or several."""
    tracer = Tracer(names or ["x"])
    result = function(*tracer.symbols())
    return tracer.program(result if isinstance(result, tuple) else [result])


def pass_back(d_state, state, saved, p):
    return (d_state[0],), (), (0.0,), ()


def cell_of(function, step_back=pass_back):
    """A cell whose new state is a function of its one pre-activation."""

    def step(a, u, state, p):
        return (function(a[0]),), ()

    return Cell("mine", gates=("hidden",), states=("h",), step=step, step_back=step_back)


def marked(function):
    """``file, line 3: `source``` of the line that ends with ``# refused``."""
    lines, first = inspect.getsourcelines(function)
    (number,) = (number for number, line in enumerate(lines) if line.rstrip().endswith("# refused"))
    return f"test_trace.py, line {first + number}: `{lines[number].strip()}`"


# ---------------------------------------------------------------------- what cannot be translated


def if_(x):
    if x > 0:  # refused
        return x
    return -x


def while_(x):
    while x < 1:  # refused
        x = x * 2
    return x


def and_(x):
    return x > 0 and x < 1  # refused


def or_(x):
    return x < 0 or x > 1  # refused


def not_(x):
    return not x  # refused


def between(x):
    return 0 < x < 1  # refused


def max_(x):
    return max(x, 0.0)  # refused


def sine(x):
    return np.sin(x)  # refused


def add_up(x):
    return np.add.reduce(x)  # refused


def into_another(x):
    return np.tanh(x, out=np.zeros(3))  # refused


def math_tanh(x):
    return math.tanh(x)  # refused


def to_int(x):
    return int(x)  # refused


def count_up(x):
    return sum(range(x))  # refused


def array_function(x):
    return np.where(x > 0, x, 0.0)  # refused


def as_array(x):
    return np.asarray(x)  # refused


def element(x):
    return x[0]  # refused


def unpack(x):
    first, _ = x  # refused
    return first


def loop(x):
    return [part for part in x]  # noqa: C416  # refused


def attribute(x):
    return x.sum()  # refused


def matrix_product(x):
    return x @ np.ones((2, 2))  # refused


def matrix_product_from_the_left(x):
    return np.ones((2, 2)) @ x  # refused


def cube(x):
    return x**3  # refused


def root(x):
    return x**0.5  # refused


def comparison_times_number(x):
    return (x > 0) * x  # refused


def comparison_as_value(x):
    return where(x > 0, x > 1, x)  # refused


def number_as_condition(x):
    return where(x, 1.0, 2.0)  # refused


def number_as_truth(x):
    return where((x > 0) & x, 1.0, 2.0)  # refused


def array_constant(x):
    return x * np.ones(3)  # refused


def array_constant_from_the_left(x):
    return np.ones(3) * x  # refused


def truth_constant(x):
    return x + True  # refused


def text_constant(x):
    return x + "1"  # refused


def nothing(x):
    return x == None  # noqa: E711  # refused


FOREIGN = Tracer(["y"]).symbols()[0]


def value_of_another_trace(x):
    return x + FOREIGN  # refused


REFUSED = {
    if_: "a branch on a value (if, while, and, or, not, min, max); use where(condition, x, y)",
    while_: "a branch on a value",
    and_: "a branch on a value",
    or_: "a branch on a value",
    not_: "a branch on a value",
    between: "a branch on a value",
    max_: "a branch on a value",
    sine: "unknown function numpy.sin; known are 'sigmoid', 'tanh', 'relu', 'exp', 'log', 'sqrt', 'where'",
    add_up: "unknown function numpy.add",
    into_another: "unknown function numpy.tanh",
    math_tanh: "a value is turned into one number; use the functions of throughtime.cells.functions: 'sigmoid', 'tanh'",
    to_int: "a value is turned into one number",
    count_up: "a value is turned into one number",
    array_function: "a value is turned into a NumPy array",
    as_array: "a value is turned into a NumPy array",
    element: "a value is indexed; a cell computes each unit by itself",
    unpack: "a value is unpacked or looped over",
    loop: "a value is unpacked or looped over",
    attribute: "a value has no attribute 'sum'; use the functions of throughtime.cells.functions",
    matrix_product: "a product of matrices inside a step; products are the engine's",
    matrix_product_from_the_left: "a product of matrices inside a step",
    cube: "** 3 is not offered, only ** 2",
    root: "** 0.5 is not offered, only ** 2",
    comparison_times_number: "a comparison is used as a number in multiply; use where(condition, x, y)",
    comparison_as_value: "a comparison is used as a number in where",
    number_as_condition: "where needs a comparison, such as x > 0, where a number was given",
    number_as_truth: "logical_and needs a comparison",
    array_constant: "a constant must be a plain number, got ndarray",
    array_constant_from_the_left: "a constant must be a plain number, got ndarray",
    truth_constant: "a constant must be a plain number, got bool",
    text_constant: "a constant must be a plain number, got str",
    nothing: "a constant must be a plain number, got NoneType",
    value_of_another_trace: "a value of another trace is used; a step may use only its own arguments and constants",
}


@pytest.mark.parametrize("function", REFUSED, ids=lambda function: function.__name__)
def test_a_step_is_refused_at_the_users_own_line(function):
    with pytest.raises(CellError) as caught:
        cell_of(function)
    assert str(caught.value).startswith(f"cell 'mine', step: {marked(function)}: {REFUSED[function]}")


def test_the_reset_before_gru_is_named():
    with pytest.raises(CellError, match=r"reset-before GRU.*the reset-after form can"):
        cell_of(matrix_product)


def test_a_step_back_is_refused_at_the_users_own_line():
    def step_back(d_state, state, saved, p):
        if d_state[0] > 0:  # refused
            return (d_state[0],), (), (0.0,), ()
        return (0.0,), (), (0.0,), ()

    with pytest.raises(CellError) as caught:
        cell_of(tanh, step_back)
    assert str(caught.value).startswith(f"cell 'mine', step_back: {marked(step_back)}: a branch on a value")


def test_the_line_is_that_of_the_helper_where_it_happens_in_a_helper():
    with pytest.raises(CellError, match=re.escape(marked(sine))):
        cell_of(lambda x: tanh(sine(x)))


def test_a_rule_of_an_optimizer_is_refused_at_the_users_own_line():
    from throughtime.optimizers import Rule

    def step(w, g, slots, k):
        return w - k[0] * np.sign(g), ()  # refused

    with pytest.raises(CellError, match=re.escape(f"{marked(step)}: unknown function numpy.sign")):
        Rule("sign", step, lambda t, rate, decay: (rate,), learning_rate=0.1)


def test_another_error_in_a_step_names_the_line_and_the_signature():
    def step(a, u, state, p):
        a_r, a_z = a  # refused
        return (a_r * a_z,), ()

    with pytest.raises(CellError) as caught:
        Cell("mine", gates=("hidden",), states=("h",), step=step, step_back=pass_back)
    message = str(caught.value)
    assert message.startswith(f"cell 'mine', step: {marked(step)}: ValueError: not enough values to unpack (expected 2")
    assert message.endswith("It is called with a (1), u (0), state (1), p (0)")


def test_the_same_in_a_step_back_names_its_signature():
    def step_back(d_state, state, saved, p):
        (h,) = saved  # refused
        return (d_state[0] * h,), (), (0.0,), ()

    with pytest.raises(CellError) as caught:
        cell_of(tanh, step_back)
    message = str(caught.value)
    assert message.startswith(f"cell 'mine', step_back: {marked(step_back)}: ValueError: not enough values to unpack")
    assert message.endswith("It is called with d_state (1), state (1), saved (0), p (0)")


def test_a_change_in_place_is_refused():
    def step(a, u, state, p):
        (h,) = state
        h += a[0]  # refused
        return (h,), ()

    with pytest.raises(CellError, match="changed in place") as caught:
        Cell("mine", gates=("hidden",), states=("h",), step=step, step_back=pass_back)
    assert marked(step) in str(caught.value)


def test_a_comparison_is_no_result():
    def step(a, u, state, p):
        return (a[0] > 0,), ()

    with pytest.raises(CellError, match=r"cell 'mine', step: test_trace.py, line \d+.*: a comparison is returned"):
        Cell("mine", gates=("hidden",), states=("h",), step=step, step_back=pass_back)


def test_a_value_as_an_exponent_is_refused():
    with pytest.raises(CellError, match=r"only \*\* 2"):
        cell_of(lambda x: 2.0 * x**x, pass_back)


@pytest.mark.parametrize("name", ["U", "W", "b", "e"])
def test_a_vector_must_not_have_the_name_of_a_layers_parameter(name):
    with pytest.raises(CellError, match=f"a vector cannot be called '{name}'"):
        Cell("mine", ("hidden",), ("h",), lambda a, u, state, p: ((a[0],), ()), pass_back, vectors={name: 1.0})


def test_a_step_with_another_signature_is_refused():
    with pytest.raises(CellError, match=r"its signature: TypeError: .* positional argument"):
        Cell("mine", gates=("hidden",), states=("h",), step=lambda a: a, step_back=pass_back)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda x: x, "must return 2 tuples, new states (1) and saved (any number); got a Symbol"),
        (lambda x: ((x,),), "must return 2 tuples, new states (1) and saved (any number); got a tuple of 1"),
        (lambda x: ((x,), (), ()), "must return 2 tuples, new states (1) and saved (any number); got a tuple of 3"),
        (lambda x: [(x,), ()], "must return 2 tuples, new states (1) and saved (any number); got a list"),
        (lambda x: ((x, x), ()), "new states (1) and saved (any number), each a tuple; new states is a tuple of 2"),
        (lambda x: ((), ()), "each a tuple; new states is a tuple of 0"),
        (lambda x: (x, ()), "each a tuple; new states is a Symbol"),
        (lambda x: ((x,), x), "each a tuple; saved is a Symbol"),
        (lambda x: None, "got a NoneType"),
    ],
    ids=["value", "one", "three", "list", "two states", "no state", "bare state", "bare saved", "nothing"],
)
def test_a_wrong_result_of_a_step_is_refused(result, message):
    with pytest.raises(CellError) as caught:
        Cell("mine", ("hidden",), ("h",), step=lambda a, u, state, p: result(a[0]), step_back=pass_back)
    assert str(caught.value).startswith("cell 'mine', step: test_trace.py, line ")
    assert ": must return " in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (
            lambda d: ((d,), (), (d,)),
            "must return 4 tuples, d_a (1) and d_u (0) and d_state (1) and d_p (0); got a tup",
        ),
        (lambda d: d, "got a Symbol"),
        (lambda d: ((d, d), (), (d,), ()), "d_a is a tuple of 2"),
        (lambda d: ((d,), (d,), (d,), ()), "d_u is a tuple of 1"),
        (lambda d: ((d,), (), (), ()), "d_state is a tuple of 0"),
        (lambda d: ((d,), (), (d,), (d,)), "d_p is a tuple of 1"),
        (lambda d: ((d,), (), d, ()), "d_state is a Symbol"),
    ],
    ids=["three", "value", "two gates", "apart", "no state", "vector", "bare"],
)
def test_a_wrong_result_of_a_step_back_is_refused(result, message):
    with pytest.raises(CellError) as caught:
        cell_of(tanh, lambda d_state, state, saved, p: result(d_state[0]))
    assert str(caught.value).startswith("cell 'mine', step_back: test_trace.py, line ")
    assert ": must return " in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize("bad", ["text", None, np.ones(2)], ids=["text", "nothing", "array"])
def test_a_result_that_is_no_number_is_refused(bad):
    with pytest.raises(CellError, match="a constant must be a plain number"):
        cell_of(lambda x: bad)


def test_names_cannot_make_two_programs_look_alike():
    """A state called like a parameter: what is read stays told apart in the text."""
    options = {
        "gates": ("g",),
        "states": ("p_w",),
        "vectors": {"w": 1.0},
        "step_back": lambda d, s, k, p: ((d[0],), (), (0.0,), (0.0,)),
    }
    one = Cell("mine", step=lambda a, u, s, p: ((tanh(a[0] + s[0] * p[0]),), (s[0],)), **options)
    two = Cell("mine", step=lambda a, u, s, p: ((tanh(a[0] + s[0] * s[0]),), (p[0],)), **options)
    assert one.fingerprint != two.fingerprint


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"gates": "ab"}, "gates must be a tuple of names"),
        ({"gates": ("a b",)}, "need names like 'forget', got 'a b'"),
        ({"vectors": {"w": [0, 1]}}, "vector 'w' starts at a number or"),
        ({"vectors": {"w": float("nan")}}, "vector 'w' starts at a number or"),
        ({"bias": {"hidden": "a"}}, "the bias of 'hidden' must be a number"),
    ],
)
def test_a_cell_of_nonsense_is_refused(parts, message):
    whole = {"gates": ("hidden",), "states": ("h",)} | parts
    with pytest.raises(CellError, match=message):
        Cell("mine", step=lambda a, u, s, p: ((a[0],), ()), step_back=pass_back, **whole)


# ---------------------------------------------------------------------- what a program is


def test_a_program_is_written_one_instruction_a_line():
    program = traced(lambda x, y: (tanh(x) * y + 0.5, x), "x", "y")
    assert program.text.splitlines() == [
        "inputs x y",
        "v2 = tanh x",
        "v3 = multiply v2 y",
        "v4 = add v3 0x1.0000000000000p-1",
        "outputs v4 x",
    ]


def test_duplicates_are_merged():
    program = traced(lambda x: tanh(x) * tanh(x) + tanh(x))
    assert [name for name, _ in program.instructions] == ["tanh", "multiply", "add"]


def test_a_constant_is_not_taken_for_the_value_of_the_same_number():
    # values are numbered: y is value 1, and the constant 1.0 is another thing
    program = traced(lambda x, y: (x + y, x + 1.0), "x", "y")
    assert program(10.0, 5.0) == (15.0, 11.0)


def test_zero_and_minus_zero_are_two_constants():
    program = traced(lambda x: (maximum(x, 0.0) * 0.0, maximum(x, 0.0) * -0.0))
    assert [math.copysign(1, value) for value in program(3.0)] == [1.0, -1.0]


def test_what_no_output_needs_is_dropped():
    def function(x):
        exp(sqrt(x))
        return tanh(x)

    assert traced(function).text == traced(tanh).text


def test_abs():
    assert traced(abs)(np.array([-2.0, 0.0, 3.0]))[0].tolist() == [2.0, 0.0, 3.0]


def test_an_input_or_a_constant_can_be_an_output():
    program = traced(lambda x, y: (y, 2, x), "x", "y")
    assert program(5.0, 7.0) == (7.0, 2.0, 5.0)
    assert program.text == "inputs x y\noutputs y 0x1.0000000000000p+1 x"


def test_closures_and_helpers_are_seen_through():
    def scaled(factor):
        def helper(x):
            return factor * tanh(x)

        return lambda x: helper(x) + helper(-x)

    assert traced(scaled(3.0)).text == traced(lambda x: 3.0 * tanh(x) + 3.0 * tanh(-x)).text


def test_loops_over_python_numbers_are_unrolled():
    def horner(x):
        total = 0.0
        for coefficient in (3.0, 2.0, 1.0):
            total = total * x + coefficient
        return total

    assert traced(horner)(2.0) == (17.0,)  # (3 * 2 + 2) * 2 + 1, and 0 * 2 before


def test_equal_functions_have_equal_texts_and_a_closed_over_constant_shows():
    def make(constant):
        return cell_of(lambda x: tanh(x) + constant)

    assert make(0.5).program.text == make(0.5).program.text
    assert make(0.5).fingerprint == make(0.5).fingerprint
    almost = math.nextafter(0.5, 1)
    assert make(0.5).program.text != make(almost).program.text
    assert make(0.5).fingerprint != make(almost).fingerprint


def test_the_fingerprint_sees_the_way_back_the_name_and_the_blocks():
    def make(name="mine", gate="hidden", back=1.0, recurrent=True):
        def step_back(d_state, state, saved, p):
            return (back * d_state[0],), (), (0.0,), ()

        step = cell_of(tanh).step
        return Cell(name, (gate,), ("h",), step=step, step_back=step_back, recurrent=recurrent).fingerprint

    different = {make(), make(name="other"), make(gate="update"), make(back=2.0), make(recurrent=False)}
    assert len(different) == 5
    assert make() == make()


def test_numpy_functions_and_numbers_mean_what_ours_mean():
    ours = traced(lambda x, y: maximum(tanh(x), y) * 2.0 + exp(minimum(x, y)), "x", "y")
    numpys = traced(
        lambda x, y: np.maximum(np.tanh(x), y) * 2.0 + np.exp(np.minimum(x, y)),
        "x",
        "y",
    )
    assert numpys.text == ours.text


@pytest.mark.parametrize("number", [np.float64(2), np.float32(2), np.int64(2)])
def test_a_number_of_numpys_is_refused_since_it_would_change_the_width(number):
    with pytest.raises(CellError, match=r"a constant must be a plain number, got .*; write float\(...\)"):
        traced(lambda x: x * number)


# ---------------------------------------------------------------------- a program computes what the function computes

UNARY = (
    lambda x: -x,
    lambda x: x**2,
    tanh,
    sigmoid,
    relu,
    exp,
    functions.log,
    sqrt,
)
BINARY = (
    lambda x, y: x + y,
    lambda x, y: y - x,
    lambda x, y: x * y,
    lambda x, y: x / y,
    lambda x, y: y / x,
    maximum,
    minimum,
    lambda x, y: where(x < y, x, y + 1),
    lambda x, y: where(x <= y, 0.0, x),
    lambda x, y: where(x > y, x, 1.0),
    lambda x, y: where(x >= y, x, 0.0),
    lambda x, y: where((x == 0) | ~(x != y), 1.0, x),
    lambda x, y: where((x > 0) & (x > y), x, y),
)
CONSTANTS = (0.0, -0.0, 1.0, 2.0, 3.0, -0.5, 1, 4)
INSTRUCTIONS = st.tuples(st.sampled_from(BINARY + UNARY), st.integers(0, 5), st.integers(0, 9))


@settings(max_examples=400)
@given(st.lists(INSTRUCTIONS, min_size=2, max_size=12))
def test_a_random_program_computes_what_the_function_computes(instructions):
    def function(x, y):
        values = [x, y]
        for operation, first, second in instructions:
            one = values[first % len(values)]
            if operation in UNARY:
                values.append(operation(one))
            else:
                pool = [*values, *CONSTANTS]
                values.append(operation(one, pool[second % len(pool)]))
        return tuple(values)

    x, y = np.array([-2.0, 0.0, 0.5, 3.0]), np.array([1.0, -1.5, 0.5, 0.0])
    with np.errstate(all="ignore"):
        for found, expected in zip(traced(function, "x", "y")(x, y), function(x, y), strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", cells.names())
def test_the_program_of_a_cell_computes_what_its_functions_compute(name):
    cell = cells.get(name)
    rng = np.random.default_rng(3)

    def draw(count):
        return tuple(rng.normal(size=(2, 5)) for _ in range(count))

    a, u, state, p = draw(len(cell.gates)), draw(len(cell.apart)), draw(len(cell.states)), draw(len(cell.vectors))
    new, saved = cell.step(a, u, state, p)
    assert len(saved) == cell.saved
    assert_equal(cell.program(*a, *u, *state, *p), (*new, *saved))
    d_state = draw(len(cell.states))
    back = cell.step_back(d_state, state, saved, p)
    assert_equal(cell.program_back(*d_state, *state, *saved, *p), [value for group in back for value in group])


@pytest.mark.parametrize("name", RULES)
def test_the_program_of_a_rule_computes_what_its_function_computes(name):
    rule = RULES[name]()
    rng = np.random.default_rng(4)
    w, g, *slots = rng.uniform(0.1, 1.0, (2 + len(rule.slots), 7))
    k = rule.coefficients(3, 0.1, 0.01)
    new_w, new_slots = rule.step(w, g, tuple(slots), k)
    assert_equal(rule.program(w, g, *slots, *k), (new_w, *new_slots))


def assert_equal(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


# ---------------------------------------------------------------------- the functions on numbers


def test_sigmoid_never_overflows_and_is_exact_where_it_can_be():
    assert sigmoid(np.array([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.5, 1.0]
    assert sigmoid(math.log(3)) == pytest.approx(0.75, abs=1e-15)


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name in functions.__all__ and name != "where"])
def test_a_nan_goes_through_every_function(name):
    function = getattr(functions, name)
    arguments = (math.nan, 1.0) if name in ("maximum", "minimum") else (math.nan,)
    assert math.isnan(function(*arguments))
    assert math.isnan(function(*reversed(arguments)))


def test_every_function_offered_is_an_operation():
    assert set(functions.__all__) <= set(OPERATIONS)
