"""How the next symbol is chosen from the outputs."""

from __future__ import annotations

from typing import cast

import numpy as np

from throughtime.engine.protocol import Array, Sampling


def choose(o: Array, sampling: Sampling, u: Array) -> Array:
    """One symbol for each row of ``o [N, K]``; see :meth:`throughtime.engine.protocol.Engine.choose`."""
    if sampling.greedy:
        return cast(Array, o.argmax(axis=1))
    z = o.astype(np.float64)
    z -= z.max(axis=1, keepdims=True)
    with np.errstate(over="ignore"):  # a very small temperature makes -inf of all but the likeliest
        p = np.exp(z / sampling.temperature)
    if sampling.top_k is not None or sampling.top_p is not None:
        order = np.argsort(-p, axis=1, kind="stable")  # the likeliest first; of equals, the first symbol
        rank = np.argsort(order, axis=1)
        if sampling.top_k is not None:
            p[rank >= sampling.top_k] = 0
        if sampling.top_p is not None:
            sorted_p = np.take_along_axis(p, order, axis=1)
            mass_before = np.cumsum(sorted_p, axis=1) - sorted_p
            beyond = mass_before >= sampling.top_p * sorted_p.sum(axis=1, keepdims=True)
            p[np.take_along_axis(beyond, rank, axis=1)] = 0
    p[p < sampling.min_p] = 0  # the likeliest has 1
    sums = np.cumsum(p, axis=1)
    total = sums[:, -1]
    threshold = np.minimum(u * total, np.nextafter(total, 0))  # u * total may have been rounded up to total
    return cast(Array, (sums <= threshold[:, None]).sum(axis=1))
