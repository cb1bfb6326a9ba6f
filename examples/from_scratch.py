"""A recurrent network from scratch: characters in, characters out, every step of it in the open.

No estimator and no layers: the equations of one Elman unit (cells/elman.py), carried through time and back by the
engine, a softmax, Adagrad, and a loop. T time steps, N = 1 row, K different characters, H hidden units:

    a = x U + h W + b,  h' = tanh(a)      o = h V + c      loss = -log softmax(o)[next character]

    python examples/from_scratch.py [--text FILE] [--steps 2000]
"""

import argparse
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np

from throughtime import cells, engine
from throughtime.engine.protocol import ScanWeights, Tokens
from throughtime.errors import InputError
from throughtime.losses import softmax
from throughtime.optimizers import adagrad
from throughtime.text.reading import read

arguments = argparse.ArgumentParser(description="a recurrent network from scratch")
arguments.add_argument("--text", type=Path, help="a text file; by default the Python language reference")
arguments.add_argument("--steps", type=int, default=2_000)
options = arguments.parse_args()
try:
    text = "\n\n".join(read(options.text, level="char").texts if options.text else topics.values())
except InputError as error:
    arguments.error(str(error))

# The data: each character is a number, and what is wanted at each place is the next one.
symbols = sorted(set(text))
number = {character: i for i, character in enumerate(symbols)}
ids = np.array([number[character] for character in text])
K, H, T = len(symbols), 100, 25
print(f"{len(ids):,} characters, K = {K} different ones, H = {H} hidden units, T = {T} steps of back-propagation")

# Initialise.
rng = np.random.default_rng(1)
parameters = {
    "U": rng.normal(0, 0.01, (K, H)),  # input to hidden
    "W": rng.normal(0, 0.01, (H, H)),  # hidden to hidden
    "b": np.zeros(H),
    "V": rng.normal(0, 0.01, (H, K)),  # hidden to output
    "c": np.zeros(K),
}
cell, numpy_engine = cells.get("elman"), engine.make("numpy", "float64")
rule = adagrad()
slots = {name: (np.zeros_like(w),) for name, w in parameters.items()}
for name, w in parameters.items():
    print(f"  {name} {w.shape}")


def weights():
    return ScanWeights(parameters["U"], parameters["W"], parameters["b"], None, ())


def forward(x, targets, h):
    """The loss of T steps, and what the way back needs."""
    hidden, final, tape = numpy_engine.scan(cell, weights(), Tokens(x, K), (h,))  # [T, 1, H]
    o = numpy_engine.product(hidden, parameters["V"], parameters["c"])  # [T, 1, K]
    loss, d_o = numpy_engine.softmax_cross_entropy(o, targets, None)  # summed over the steps, in nats
    return loss, final[0], hidden, tape, d_o


def backward(hidden, tape, d_o):
    """The gradient of every parameter: back-propagation through time."""
    d_hidden, d_V, d_c = numpy_engine.product_back(hidden, parameters["V"], d_o)
    back = numpy_engine.scan_back(tape, d_hidden, needs_input=False).d_weights
    return {"U": back.U, "W": back.W, "b": back.b, "V": d_V, "c": d_c}


def generate(length, h, character):
    """Writes, one character after another, each fed back in: here the equations stand by themselves."""
    written = []
    for _ in range(length):
        a = parameters["U"][[character]] + h @ parameters["W"] + parameters["b"]  # [1, H]
        (h,), _ = cell.step((a,), (), (h,), ())
        p = softmax(h @ parameters["V"] + parameters["c"])[0]
        character = int(rng.choice(K, p=p))
        written.append(symbols[character])
    return "".join(written)


# Forward, loss, backward, update, repeat.
h, place, smooth = np.zeros((1, H)), 0, T * np.log(K)
for step in range(options.steps + 1):
    if place + T + 1 > len(ids):
        h, place = np.zeros((1, H)), 0
    x, targets = ids[place : place + T, None], ids[place + 1 : place + T + 1, None]
    loss, h_after, hidden, tape, d_o = forward(x, targets, h)
    gradients = backward(hidden, tape, d_o)
    if step == 0:
        for name, array in {"x": x, "h": h, "hidden": hidden, "o": d_o, **gradients}.items():
            print(f"  {name if name in ('x', 'h', 'hidden', 'o') else 'd' + name} {array.shape}")
    coefficients = dict.fromkeys(parameters, rule.coefficients(step + 1, 0.1, 0.0))
    numpy_engine.update(rule, parameters, gradients, slots, coefficients, clip_value=5.0)
    smooth = 0.999 * smooth + 0.001 * loss
    if step % max(options.steps // 4, 1) == 0:
        print(f"--- step {step}: loss {smooth / T:.3f} nats per character\n{generate(120, h, int(x[0, 0]))}")
    h, place = h_after, place + T

# The gradient against a numerical derivative (five points) of a few elements of each parameter.
_, _, hidden, tape, d_o = forward(x, targets, h)
gradients, worst, e = backward(hidden, tape, d_o), 0.0, 1e-3
for name, w in parameters.items():
    for place in rng.integers(0, w.size, 10):
        value, losses = w.flat[place], {}
        for k in (-2, -1, 1, 2):
            w.flat[place] = value + k * e
            losses[k] = forward(x, targets, h)[0]
        w.flat[place] = value
        numeric = (8 * (losses[1] - losses[-1]) - (losses[2] - losses[-2])) / (12 * e)
        worst = np.maximum(worst, abs(numeric - gradients[name].flat[place]) / max(abs(numeric), 1e-3))  # keeps a NaN
print(f"the gradient agrees with the numerical one to {worst:.1e}")
if not worst < 1e-6:
    raise SystemExit("the gradient is wrong")
