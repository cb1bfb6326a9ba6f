"""Writes the golden files: what PyTorch computes, kept so that the everyday tests do without PyTorch.

    pip install torch==2.13.0 numpy
    python tests/golden/make_golden.py

Each file holds, in float64, one recurrent module under PyTorch's own names (``weight_ih_l0``, ...), a batch of rows of
unequal lengths (``x``, ``lengths``; what follows a row's end is noise), nonzero initial states (``h_0``, ``c_0``), what
comes out (``outputs``, ``h_n``, ``c_n``) and gradients, whose names begin with ``d_``. The loss is a random linear
function of all outputs and final states, so that its gradients with respect to them are its coefficients
(``d_outputs``, ``d_h_n``, ``d_c_n``).
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
CASES = list(product(("elman", "elman-relu", "gru", "lstm"), (1, 2), (False, True)))  # cell, num_layers, bidirectional


def path(cell, num_layers, bidirectional):
    return FOLDER / f"{cell}-layers{num_layers}-directions{1 + bidirectional}.npz"


def make_module(cell, D, H, num_layers=1, bidirectional=False):
    from torch import float64, nn

    kind = {"elman": nn.RNN, "elman-relu": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell]
    options = {"nonlinearity": "relu"} if cell == "elman-relu" else {}
    return kind(D, H, num_layers, bidirectional=bidirectional, dtype=float64, **options)


def draw(cell, num_layers, bidirectional, *, seed, D=3, H=4, T=6, lengths=(4, 6, 1)):
    """Weights, inputs, and the coefficients of the loss."""
    import torch

    torch.manual_seed(seed)
    N, directions = len(lengths), 1 + bidirectional
    module = make_module(cell, D, H, num_layers, bidirectional)
    given = {name: weight.detach().numpy() for name, weight in module.named_parameters()}
    shapes = {"x": (T, N, D), "d_outputs": (T, N, directions * H)}
    for state in ("h", "c") if cell == "lstm" else ("h",):
        shapes |= {f"{state}_0": (num_layers * directions, N, H), f"d_{state}_n": (num_layers * directions, N, H)}
    given |= {name: torch.randn(shape, dtype=torch.float64).numpy() for name, shape in shapes.items()}
    return given | {"lengths": np.array(lengths)}


def compute(given, cell, num_layers, bidirectional):
    """What PyTorch makes of it: outputs, final states and all gradients."""
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    T, _, D = given["x"].shape
    states = ("h", "c") if "c_0" in given else ("h",)
    module = make_module(cell, D, given["h_0"].shape[2], num_layers, bidirectional)
    module.load_state_dict({name: torch.tensor(given[name]) for name in module.state_dict()})
    leaves = {name: torch.tensor(given[name], requires_grad=True) for name in ("x", *(f"{s}_0" for s in states))}
    leaves |= dict(module.named_parameters())

    x = pack_padded_sequence(leaves["x"], torch.tensor(given["lengths"]), enforce_sorted=False)
    initial = tuple(leaves[f"{s}_0"] for s in states)
    outputs, final = module(x, initial if cell == "lstm" else initial[0])
    outputs, _ = pad_packed_sequence(outputs, total_length=T)
    final = final if cell == "lstm" else (final,)
    results = {"outputs": outputs, **{f"{s}_n": value for s, value in zip(states, final, strict=True)}}
    loss = sum((value * torch.tensor(given[f"d_{name}"])).sum() for name, value in results.items())
    gradients = torch.autograd.grad(loss, list(leaves.values()))
    results |= {f"d_{name}": gradient for name, gradient in zip(leaves, gradients, strict=True)}
    return {name: value.detach().numpy() for name, value in results.items()}


if __name__ == "__main__":
    for seed, case in enumerate(CASES):
        given = draw(*case, seed=seed)
        np.savez_compressed(path(*case), **given, **compute(given, *case))
        print(f"{path(*case).name}: {path(*case).stat().st_size / 1024:.1f} KB")
