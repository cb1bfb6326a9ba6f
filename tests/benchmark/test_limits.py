"""The kernels do what they are said to do. How fast they are is nobody's to assert."""

import ctypes

import numpy as np
import pytest

from throughtime.benchmark import limits
from throughtime.engine.compiled.target import Target, host


def test_multiply_does_every_operation_that_is_counted():
    kernel = limits._kernel("multiply", ctypes.c_int64, ctypes.c_void_p)
    place = np.full((limits.accumulators(host()) + 1, host().lanes), 0.25, np.float32)
    place[:-1] = np.random.default_rng(0).random(place[:-1].shape)
    expected = place[:-1].astype(np.float64)
    for _ in range(3):
        expected = expected * 0.25 + 0.25
    kernel(3, place.ctypes.data)
    np.testing.assert_allclose(place[:-1], expected, rtol=1e-6)


def test_read_reads_every_number():
    kernel = limits._kernel("read", ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
    numbers = np.arange(64 * host().lanes, dtype=np.float32)
    place = np.zeros(8 * host().lanes, np.float32)
    kernel(numbers.size, numbers.ctypes.data, place.ctypes.data)
    assert place.sum() == numbers.sum()


@pytest.mark.parametrize(("features", "expected"), [("+avx512f,+fma", 24), ("+avx2,+avx,+fma", 12)])
def test_the_accumulators_fit_the_registers(features, expected):
    assert limits.accumulators(Target("x86_64-unknown-linux-gnu", "x", features)) == expected


@pytest.mark.parametrize("threads", [1, 2])
def test_rates_are_positive(threads):
    assert limits.fma_rate(threads, seconds=0.001) > 0
    assert limits.read_rate(threads, floats=1 << 16) > 0


def test_calls_run_side_by_side():
    """Each waits for the other, which would not end if they went one after the other."""
    import threading

    both = threading.Barrier(2, timeout=10)
    assert limits.seconds_of([both.wait, both.wait]) > 0
