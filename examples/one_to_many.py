"""One to many: a vector in, a sequence out. Amplitude, frequency and phase become a damped wave.

A dense layer turns the three numbers into the first state of a recurrent layer, which then goes on by itself for 50
steps: nothing is fed in after the start. On the way back the gradient of the first state is that of the dense layer's
output. It learns 64 fresh waves at each step and is judged by 500 others: its root mean square error is below a tenth
of that of the answer 0. At the end the gradient is compared with a numerical derivative, element by element. It takes
15 seconds.

    python examples/one_to_many.py [--steps 1000] [--to one_to_many.png]
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from throughtime import Batch, Network
from throughtime.inspection import compare_gradients
from throughtime.layers import Backward, Dense, Forward, Recurrent
from throughtime.losses import SquaredError
from throughtime.optimizers import Optimizer
from throughtime.optimizers.schedules import Cosine

arguments = argparse.ArgumentParser(description="a vector in, a damped wave out")
arguments.add_argument("--steps", type=int, default=1_000)
arguments.add_argument("--to", type=Path, default=Path("one_to_many.png"))
options = arguments.parse_args()
T, H = 50, 64


def draw(rng, n):
    """Vectors [1, n, 3] and their waves [T, n, 1]; a phase is told by an angle from 0 to half a turn."""
    amplitude, frequency, phase = rng.uniform(0.5, 1.5, n), rng.uniform(0.03, 0.1, n), rng.uniform(0, np.pi, n)
    t = np.arange(T)[:, None]
    waves = amplitude * np.exp(-t / 25) * np.sin(2 * np.pi * frequency * t + phase)
    return np.stack([amplitude, 30 * frequency, phase], axis=-1)[None] - 1, waves[:, :, None]


def make(H, **settings):
    """What makes a state of a vector, and what goes on from there."""
    start = Network([Dense(3, H, name="start")], random_state=1, **settings)
    layers = [Recurrent("gru", 1, H, name="wave"), Dense(H, 1)]
    return start, Network(layers, SquaredError(), random_state=1, engine=start.engine)


def first_state(start, vectors):
    """The state that the waves begin with, and the tape of the dense layer."""
    run = Forward(start.engine, start.parameters, {})
    outputs, tape = start.body.forward(vectors.astype(start.engine.dtype), run)
    return {"wave": (outputs[0],)}, tape


def loss_and_gradients(start, wave, vectors, waves):
    """Forward through both, and back through both."""
    state, tape = first_state(start, vectors)
    found = wave.loss_and_gradients(Batch(np.zeros_like(waves), waves), state)
    back = Backward(start.engine, start.parameters, {})
    start.body.backward(tape, found.d_state["wave"][0][None], back, needs_input=False)
    return found.loss, back.gradients | found.parameters


start, wave = make(64)
parameters = start.parameters | wave.parameters
optimizer, rng = Optimizer("adam", clip_norm=1.0), np.random.default_rng(1)
for step in range(options.steps):
    loss, gradients = loss_and_gradients(start, wave, *draw(rng, 64))
    rate = 0.005 * Cosine().factor(step, options.steps)
    optimizer.apply(wave.engine, parameters, gradients, step=step, learning_rate=rate)
    if step % max(options.steps // 5, 1) == 0:
        print(f"step {step:>5,}: root mean square error {loss**0.5:.4f}")

vectors, waves = draw(np.random.default_rng(2), 500)
outputs, _ = wave.forward(np.zeros_like(waves), first_state(start, vectors)[0])
error, size = np.sqrt(np.mean((outputs - waves) ** 2)), np.sqrt(np.mean(waves**2))
print(f"500 other waves: root mean square error {error:.4f}; the answer 0 has {size:.4f}")

axes = Figure(figsize=(7, 4), layout="constrained").subplots()
axes.plot(waves[:, :4, 0], color="0.75", linewidth=4)
axes.plot(outputs[:, :4, 0], linewidth=1.5)
axes.set(xlabel="step", title="Four waves (grey) and what three numbers were turned into")
axes.figure.savefig(options.to, dpi=150)
print(f"four of them are in {options.to}")

# The gradient against a numerical derivative, for small networks in float64.
few, small = draw(rng, 3), make(4, dtype="float64")
weights = small[0].parameters | small[1].parameters
gradients = loss_and_gradients(*small, *few)[1]
report = compare_gradients(lambda: loss_and_gradients(*small, *few)[0], weights, gradients)
print(report.raise_on_failure())
