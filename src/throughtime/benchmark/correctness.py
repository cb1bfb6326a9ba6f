"""What a job has to give, and whether a peer gives it: asked before anything is timed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from throughtime.benchmark.jobs import LEARNING_RATE, Job
from throughtime.benchmark.peers.entry import Findings
from throughtime.benchmark.peers.ours import CHECKED
from throughtime.engine.protocol import Array
from throughtime.errors import Disagreement

TOLERANCE = {"loss": 2e-6, "norm": 1e-5, "gradient": 5e-5, "weights": 1e-3, "outputs": 1e-5}
"""Of the largest element; for weights, of the learning rate, which is how far Adam moves them in the first step. In
float32 the sums of all peers leave up to 5e-6 of a gradient's largest element, 2e-7 of a loss, 1e-6 of an output."""
CLEAR = 0.01
"""Weights are compared where the gradient is at least this part of its largest element: Adam's first step has the size
of the learning rate and the sign of the gradient, however small that is."""


def expected(job: Job) -> Findings:
    """What the job gives on the NumPy engine in float64."""
    network = job.network("numpy", "float64")
    if not job.trains:
        outputs, _ = network.forward(job.inputs(CHECKED))
        return {"outputs": outputs}
    found = network.loss_and_gradients(job.batch())
    results = {f"gradient {name}": g for name, g in found.parameters.items()}
    results |= {"loss": np.array(found.loss), "norm": np.array(network.engine.global_norm(found.parameters))}
    if job.kind != "classic":  # whose script adds up where the others take the mean, so that its steps are longer
        job.optimizer().apply(network.engine, network.parameters, found.parameters, step=0, learning_rate=LEARNING_RATE)
        results |= {f"weights {name}": w for name, w in network.parameters.items()}
    return results


def compare(who: str, job: str, found: Findings, reference: Mapping[str, Array]) -> None:
    """Raises :class:`Disagreement` unless what was found is the reference, within the table of tolerances.

    Losses, gradients and outputs must be there; the norm and the weights after a step are compared where they are.

    Parameters
    ----------
    who, job : for the message
    found, reference : by the same names
    """
    for name, value in reference.items():
        kind = name.partition(" ")[0]
        if name not in found:
            if kind in ("norm", "weights"):
                continue
            raise Disagreement(f"{job}: {who} gives no {name}; nothing was timed")
        if found[name].shape != value.shape:
            raise Disagreement(
                f"{job}: {name} of {who} has the shape {list(found[name].shape)}, expected {list(value.shape)}; "
                "nothing was timed"
            )
        error = _error(name, found[name], value, reference)
        if not error <= TOLERANCE[kind]:  # so that a NaN does not pass
            unit = "the learning rate" if kind == "weights" else "the largest element"
            raise Disagreement(
                f"{job}: {name} of {who} is off by {error:.2g} of {unit}, allowed are {TOLERANCE[kind]:g}; "
                "nothing was timed"
            )


def _error(name: str, found: Array, value: Array, reference: Mapping[str, Array]) -> float:
    difference = np.abs(found - value)
    if not name.startswith("weights "):
        return float(difference.max() / max(np.abs(value).max(), np.finfo(np.float32).tiny))
    gradient = np.abs(reference[name.replace("weights", "gradient", 1)])
    clear = gradient >= CLEAR * gradient.max()
    rounding = np.spacing(np.abs(value[clear]).astype(np.float32))
    return float(np.maximum(difference[clear] - rounding, 0).max() / LEARNING_RATE)
