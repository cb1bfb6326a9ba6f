"""The gradient check itself: faults planted one by one are caught, and the clean twin passes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.tolerances import GRADIENT

from throughtime import cells
from throughtime.cells import Cell
from throughtime.cells.functions import tanh, where
from throughtime.engine.plain import PlainEngine
from throughtime.engine.protocol import ScanResult
from throughtime.errors import GradientError, ParameterError
from throughtime.inspection import check_gradients, compare_gradients
from throughtime.inspection.gradients import TOLERANCE
from throughtime.layers import Dense, Dropout, Noise, OneHot, Pool, Recurrent
from throughtime.losses import Element, Elementwise, SoftmaxCrossEntropy, SquaredError
from throughtime.network import Batch, Network


def lstm(change=lambda d_a, d_state: (d_a, d_state)):
    """An LSTM whose way back is changed."""

    def step_back(d_state, state, saved, p):
        d_a, d_u, d_before, d_p = cells.LSTM.step_back(d_state, state, saved, p)
        d_a, d_before = change(d_a, d_before)
        return d_a, d_u, d_before, d_p

    made_of = cells.LSTM
    return Cell("mine", made_of.gates, made_of.states, made_of.step, step_back, bias=made_of.bias)


def network_of(cell="lstm", loss=None):
    layers = [OneHot(4), Recurrent(cell, 4, 3, name="r"), Dense(3, 4)]
    return Network(layers, loss or SoftmaxCrossEntropy(), random_state=0)


def wrong(report):
    return {block.name for block in report.blocks if not block.passed(report.tolerance)}


def test_the_clean_twin_passes():
    report = check_gradients(lstm())
    assert report.passed
    assert report.raise_on_failure() is report
    assert not wrong(report)
    assert [block.name for block in report.blocks] == ["U", "W", "b", "x", "initial h", "initial c"]
    assert check_gradients(network_of(lstm())).passed


@pytest.mark.parametrize("gate", range(4))
def test_one_gradient_off_by_a_thousandth_is_caught(gate):
    def change(d_a, d_state):
        return tuple(d * 1.001 if place == gate else d for place, d in enumerate(d_a)), d_state

    report = check_gradients(lstm(change))
    assert not report.passed
    assert {"U", "W", "b", "x"} <= wrong(report)
    assert not check_gradients(network_of(lstm(change))).passed


def test_a_gradient_of_the_state_off_by_a_thousandth_is_caught():
    report = check_gradients(lstm(lambda d_a, d_state: (d_a, (d_state[0], d_state[1] * 1.001))))
    assert {"initial c", "W"} <= wrong(report)


def test_two_swapped_gates_are_caught():
    report = check_gradients(lstm(lambda d_a, d_state: ((d_a[1], d_a[0], *d_a[2:]), d_state)))
    assert {"U", "W", "b", "x"} <= wrong(report)


def test_a_gradient_of_zero_is_caught():
    assert "b" in wrong(check_gradients(lstm(lambda d_a, d_state: ((0.0, *d_a[1:]), d_state))))


def test_a_nan_in_the_gradient_is_caught():
    report = check_gradients(lstm(lambda d_a, d_state: ((d_a[0] * math.nan, *d_a[1:]), d_state)))
    assert not report.passed
    assert math.isnan(next(block for block in report.blocks if block.name == "b").error)


def test_an_infinity_in_the_gradient_is_caught():
    with np.errstate(invalid="ignore"):
        report = check_gradients(lstm(lambda d_a, d_state: ((d_a[0] + math.inf, *d_a[1:]), d_state)))
    assert "b" in wrong(report)


def test_a_nan_on_the_way_forward_is_caught():
    network = network_of()
    network.parameters["r.U"][1, 2] = np.nan
    with np.errstate(invalid="ignore"):
        report = check_gradients(network)
    assert not report.passed


class Leaky(PlainEngine):
    """Adds a little of the first row to the others, in the outputs or in the states only."""

    def __init__(self, outputs=0.0, states=0.0):
        super().__init__(np.float64)
        self.outputs, self.states = outputs, states

    def scan(self, cell, weights, x, state, **options):
        state = tuple(s + self.states * s[:1] * (np.arange(len(s)) > 0)[:, None] for s in state)
        outputs, final, tape = super().scan(cell, weights, x, state, **options)
        others = np.arange(outputs.shape[1]) > 0
        return ScanResult(outputs + self.outputs * outputs[:, :1] * others[:, None], final, tape)


@pytest.mark.parametrize("make", [lstm, network_of], ids=["cell", "network"])
@pytest.mark.parametrize("leak", [{"outputs": 1e-9}, {"states": 1e-9}], ids=["outputs", "states"])
def test_a_row_that_sees_another_is_caught(make, leak):
    report = check_gradients(make(), engine=Leaky(**leak))
    assert not report.passed
    assert 1e-12 < report.leak < 1e-8
    assert "WRONG  rows differ by" in str(report)
    clean = check_gradients(make(), engine=Leaky())
    assert clean.passed
    assert clean.leak <= 1e-12


class Off(SoftmaxCrossEntropy):
    """A loss whose gradient is not its own."""

    factor = 1.001

    def __call__(self, engine, o, targets, weights=None, *, needs_gradient=True):
        loss, d_o = super().__call__(engine, o, targets, weights, needs_gradient=needs_gradient)
        return loss, None if d_o is None else d_o * self.factor


class On(Off):
    factor = 1.0


def test_a_loss_whose_gradient_is_off_by_a_thousandth_is_caught():
    report = check_gradients(network_of(loss=Off()))
    assert wrong(report) == {block.name for block in report.blocks}
    assert check_gradients(network_of(loss=On())).passed


@pytest.mark.parametrize("factor", [1.0, 1.001])
def test_an_elementwise_loss_whose_derivative_is_off_by_a_thousandth_is_caught(factor):
    class Squared(Elementwise):
        element = Element("mine", lambda o, target, k: ((o - target) ** 2, 2.0 * factor * (o - target)))

    network = Network([Recurrent("gru", 2, 3), Dense(3, 2)], Squared(), random_state=0)
    assert check_gradients(network).passed == (factor == 1)


@pytest.mark.parametrize("kind", ["last", "mean", "max"])
def test_a_pool_whose_way_back_is_off_by_a_thousandth_is_caught(kind):
    class Pooling(PlainEngine):
        def pool_back(self, tape, d_y):
            return super().pool_back(tape, d_y * 1.001)

    network = Network([Recurrent("gru", 2, 3), Pool(kind), Dense(3, 2)], SoftmaxCrossEntropy(), random_state=0)
    assert not check_gradients(network, engine=Pooling(np.float64)).passed
    assert check_gradients(network).passed


class OneOff(PlainEngine):
    """One element of one gradient is off by a thousandth."""

    def __init__(self):
        super().__init__(np.float64)

    def scan_back(self, *arguments, **options):
        back = super().scan_back(*arguments, **options)
        back.d_weights.U[1, 2] *= 1.001
        return back


def test_the_report_names_the_element_and_both_values():
    report = check_gradients(lstm(), engine=OneOff())
    assert wrong(report) == {"U"}
    block = report.blocks[0]
    assert block.index == (1, 2)
    assert block.analytic == pytest.approx(1.001 * block.numeric, rel=1e-8)
    assert block.error == pytest.approx(0.001 / 1.001, rel=1e-4)
    with pytest.raises(GradientError) as caught:
        report.raise_on_failure()
    message = str(caught.value)
    (line,) = (line for line in message.splitlines() if line.startswith("WRONG"))
    for part in ("U", "[1, 2]", f"{block.analytic:.8g}", f"{block.numeric:.8g}", "1.0e-03"):
        assert part in line
    assert message.splitlines()[1].split() == ["block", "worst", "at", "analytic", "numeric", "error", "checked"]


def at_a_kink():
    """A ReLU network whose first unit stands exactly at zero for all that it reads."""
    network = Network([Recurrent("elman-relu", 1, 2, name="r"), Dense(2, 1)], SquaredError(), random_state=0)
    for name in ("r.U", "r.W"):
        network.parameters[name][:, 0] = 0.0
    network.parameters["r.b"][:] = 0.0, 0.3
    rng = np.random.default_rng(0)
    return network, Batch(rng.uniform(0.5, 1.0, (2, 2, 1)), rng.normal(size=(2, 2, 1)))


def test_a_kink_is_skipped_and_said():
    report = check_gradients(*at_a_kink())
    assert report.passed
    skipped = {block.name: block.skipped for block in report.blocks if block.skipped}
    assert skipped == {"r.U": 1, "r.W": 2, "r.b": 1}  # U[0, 0], W[:, 0] and b[0]
    assert "1 at a kink, skipped" in str(report)
    sizes = {"r.U": 2, "r.W": 4, "r.b": 2}
    assert all(block.checked == sizes[block.name] - block.skipped for block in report.blocks if block.skipped)


def test_the_worst_element_is_one_that_was_compared_and_shown_with_what_it_was_compared_with():
    """Neither one at a kink, nor the value of a stencil that reaches over a kink nearby."""
    network, batch = at_a_kink()
    network.parameters["r.b"][1] = 0.0005
    blocks = {block.name: block for block in check_gradients(network, batch).blocks}
    assert [blocks[name].index[-1] for name in ("r.U", "r.W", "r.b")] == [1, 1, 1]
    for block in blocks.values():
        assert block.numeric == pytest.approx(block.analytic, rel=1e-8)


def test_a_kink_under_a_linear_loss_is_skipped_too():
    """There the central stencil agrees with itself at every width; only the slopes to both sides tell."""

    class Linear(SquaredError):
        def __call__(self, engine, o, targets, weights=None, *, needs_gradient=True):
            return float(np.sum(o * targets)), targets

    network, batch = at_a_kink()
    report = check_gradients(Network(network.layers, Linear(), parameters=network.parameters), batch)
    assert report.passed
    assert {block.name for block in report.blocks if block.skipped} == {"r.U", "r.W", "r.b"}


def test_beside_a_kink_a_fault_is_still_caught():
    relu = cells.get("elman-relu")

    def step_back(d_state, state, saved, p):
        return (where(saved[0] > 0, d_state[0] * 1.001, 0.0),), (), (0.0,), ()

    faulty = Cell("mine", relu.gates, relu.states, relu.step, step_back)
    assert not check_gradients(faulty).passed
    network, batch = at_a_kink()
    other = Network([Recurrent(faulty, 1, 2, name="r"), Dense(2, 1)], SquaredError(), random_state=0)
    other.set_parameters(network.parameters)
    assert {"r.U", "r.W", "r.b"} <= wrong(check_gradients(other, batch))


def test_smooth_cells_have_no_kink():
    for cell in (cells.LSTM, cells.GRU, cells.elman()):
        assert all(block.skipped == 0 for block in check_gradients(cell).blocks)


def test_every_element_is_counted():
    report = check_gradients(network_of())
    sizes = {name: w.size for name, w in network_of().parameters.items()}
    assert {block.name: block.checked for block in report.blocks if block.name in sizes} == sizes
    assert {block.name for block in report.blocks} - sizes.keys() == {"initial r 0", "initial r 1"}


def test_a_mask_that_is_drawn_afresh_is_no_gradient():
    layers = [Dense(2, 3), Dropout(0.5), Dense(3, 1, name="top")]
    network = Network(layers, SquaredError(), random_state=0)
    assert check_gradients(network, noise=Noise(1, 0)).passed

    class Restless(PlainEngine):
        calls = 0

        def dropout(self, x, rate, key, step, **options):
            Restless.calls += 1
            return super().dropout(x, rate, key, Restless.calls, **options)

    assert not check_gradients(network, noise=Noise(1, 0), engine=Restless(np.float64)).passed


def test_the_network_that_is_checked_stays_as_it_was():
    network = network_of()
    before = {name: w.copy() for name, w in network.parameters.items()}
    check_gradients(network)
    for name, w in network.parameters.items():
        assert w.dtype == np.float32
        np.testing.assert_array_equal(w, before[name])


def test_a_check_needs_float64_and_something_to_check():
    with pytest.raises(ParameterError, match="a gradient check needs an engine in float64, got float32"):
        check_gradients(cells.GRU, engine=PlainEngine(np.float32))
    with pytest.raises(ParameterError, match="check_gradients takes a Network or a Cell, got str"):
        check_gradients("gru")


def test_the_gradient_of_any_function_is_compared():
    arrays = {"a": np.array([1.0, -2.0]), "b": np.array([[0.5]])}

    def value():
        return float(np.sum(arrays["a"] ** 3) * arrays["b"][0, 0])

    right = {"a": 3 * arrays["a"] ** 2 * 0.5, "b": np.array([[-7.0]])}
    report = compare_gradients(value, arrays, right).raise_on_failure()
    assert [block.name for block in report.blocks] == ["a", "b"]
    assert "rows differ" not in str(report)
    assert wrong(compare_gradients(value, arrays, right | {"b": np.array([[-7.007]])})) == {"b"}
    assert wrong(compare_gradients(value, arrays, right | {"a": np.array([1.5, np.nan])})) == {"a"}
    with pytest.raises(GradientError, match="no gradient was given for 'b'"):
        compare_gradients(value, arrays, {"a": right["a"]})
    with pytest.raises(GradientError, match=r"the gradient of 'a' has shape \(1,\), its values have \(2,\)"):
        compare_gradients(value, arrays, right | {"a": np.ones(1)})
    with pytest.raises(ParameterError, match="a gradient check needs arrays in float64, 'a' is in float32"):
        compare_gradients(value, {"a": np.ones(2, np.float32)}, {"a": np.ones(2)})


def test_the_tolerance_is_that_of_the_table():
    assert TOLERANCE == GRADIENT


@pytest.mark.parametrize("seed", range(5))
def test_a_cell_without_memory_passes(seed):
    """Its gradient with respect to the initial state is exactly zero; the numerical one is round-off."""

    def step(a, u, state, p):
        h = tanh(a[0])
        return (h,), (h,)

    def step_back(d_state, state, saved, p):
        return (d_state[0] * (1 - saved[0] ** 2),), (), (0.0,), ()

    cell = Cell("forgetful", ("hidden",), ("h",), step, step_back, recurrent=False)
    assert check_gradients(cell, random_state=seed).passed


@pytest.mark.parametrize("factor", [3.0, 8.0])
def test_a_network_with_large_weights_passes(factor):
    network = Network([Recurrent("lstm", 2, 3), Dense(3, 2)], SquaredError(), random_state=0, dtype="float64")
    network.set_parameters({name: factor * w for name, w in network.parameters.items()})
    check_gradients(network).raise_on_failure()


def test_near_a_kink_a_wrong_gradient_is_no_kink():
    """The pre-activation is 1.5e-3, inside the widest stencil; the way back is wrong by a factor of 5."""
    relu = cells.get("elman-relu")

    def step_back(d_state, state, saved, p):
        return (where(saved[0] > 0, d_state[0] * 5.0, 0.0),), (), (0.0,), ()

    faulty = Cell("mine", relu.gates, relu.states, relu.step, step_back)
    network = Network([Recurrent(faulty, 1, 1, name="r"), Dense(1, 1)], SquaredError(), random_state=0, dtype="float64")
    network.set_parameters(
        {name: np.full_like(w, 1.5e-3 if name == "r.U" else 0.0) for name, w in network.parameters.items()}
    )
    network.parameters["output.V"][:] = 1.0
    batch = Batch(np.ones((1, 1, 1)), np.ones((1, 1, 1)))
    zeros = network.initial_state(1)
    assert {"r.U", "r.b"} <= wrong(check_gradients(network, batch, state=zeros))
    right = Network([Recurrent(relu, 1, 1, name="r"), Dense(1, 1)], SquaredError(), parameters=network.parameters)
    assert check_gradients(right, batch, state=zeros).passed
