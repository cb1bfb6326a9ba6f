"""How the next symbol is chosen, as a user says it."""

from __future__ import annotations

from throughtime.engine.protocol import Sampling
from throughtime.parameters import SAMPLING


def sampling(
    temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None, greedy: bool = False
) -> Sampling:
    """A checked :class:`~throughtime.engine.protocol.Sampling`.

    Raises
    ------
    ParameterError
        If a value makes no sense.
    """
    values = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "greedy": greedy}
    for name, value in values.items():
        SAMPLING[name].check(name, value)
    return Sampling(float(temperature), top_k, top_p, greedy)
