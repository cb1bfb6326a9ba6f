"""All tolerances of the tests, in one table, each with its reason.

Each bounds the absolute error of numbers around one, and the relative error of larger ones.
"""

from __future__ import annotations

import numpy as np

GOLDEN = 1e-9
"""Recorded PyTorch, float64. Both sides add a few dozen products in another order, which costs some 1e-15; the rest
leaves room for another BLAS, and is still far below what any wrong term would cause."""

ORACLE = 1e-9
"""Live PyTorch, float64: as GOLDEN."""

HAND = 1e-12
"""Numbers worked on paper, float64: every literal is exact or has sixteen digits, and few operations follow."""

GRADIENT = 1e-8
"""Numerical derivative, float64: the five-point stencil of width 1e-3 leaves some 1e-12 of the largest element of a
block, and elements are compared down to 1e-3 of it."""

ROWS = {"float64": 1e-12, "float32": 2e-5}
"""The same sums in another order (batch, chunks, padding, windows): BLAS rounds by shape, at most a hundred terms here.
The compiled engine is compared bit for bit."""

COMPILED = {
    "function": 5e-7,
    "scan": 2e-5,
    "product": 2e-6,
    "loss": 2e-6,
    "update": 2e-6,
    "training": 5e-5,
    "gradient": 1e-4,
}
"""The compiled engine, float32, against NumPy in float64 from the same float32 numbers, relative to the largest element
of an array, or to 1. tanh may be wrong by 4e-7 and a rounding is 6e-8 (``function``, ``update``, ``loss``: a few of
them). A sum of 1,100 products in one order loses some 1,100**0.5 roundings (``product``: as its terms are scaled to a
sum about 1). A ``scan`` carries its errors over up to 60 steps, which cells with their weights here shrink rather than
grow, and a gradient of weights adds those of up to 4,200 rows. A ``training`` goes on from weights that differ already.
A ``gradient`` is relative to its own largest element, however small that is."""


def assert_close(actual, expected, tolerance, name=""):
    np.testing.assert_allclose(
        actual, expected, rtol=tolerance, atol=tolerance, equal_nan=False, strict=True, err_msg=name
    )
