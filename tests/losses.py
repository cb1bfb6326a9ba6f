"""The losses of each output by itself, for tests over all of them."""

from __future__ import annotations

from throughtime.cells.functions import exp, log, tanh
from throughtime.losses import AbsoluteError, Bernoulli, Element, Elementwise, Huber, Pinball, SquaredError


def log_cosh(o, target, k):
    e = o - target
    loss = abs(e) + log(0.5 + 0.5 * exp(-2.0 * abs(e)))
    d_o = tanh(e)
    return loss, d_o


class LogCosh(Elementwise):
    """A loss of one's own."""

    element = Element("log-cosh", log_cosh)


ELEMENTWISE = [
    SquaredError(),
    SquaredError("half_sum"),
    AbsoluteError(),
    Pinball((0.1, 0.7)),
    Bernoulli(),
    Huber(),
    Huber(0.25),
    LogCosh(),
]


def name_of(loss):
    """For the name of a test."""
    return repr(loss).partition(" object")[0]
