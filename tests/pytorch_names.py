"""What a stack of recurrent layers is called in PyTorch, and here.

    PyTorch                              here
    l0, l0_reverse                       recurrent.0.forward, recurrent.0.backward; in one direction recurrent.0
    weight_ih_l0 [G*H, D]                U [D, G*H]
    weight_hh_l0 [G*H, H]                W [H, G*H]
    bias_ih_l0 + bias_hh_l0 [G*H]        b [G*H], but b = bias_ih for the gates kept apart, whose bias_hh is e [A*H]
    h_0 [layers * directions, N, H]      the first state of each layer and direction, c_0 the second

The order of the gates is the same: input, forget, candidate, output; reset, update, candidate.
"""

from __future__ import annotations

import numpy as np

from throughtime import cells
from throughtime.engine.plain import PlainEngine
from throughtime.layers import Backward, Forward, Stacked, recurrent_stack


def places(num_layers, bidirectional):
    """Suffix there and name here of each layer and direction, in the order of PyTorch's states."""
    if not bidirectional:
        return [(f"l{k}", f"recurrent.{k}") for k in range(num_layers)]
    directions = (("", "forward"), ("_reverse", "backward"))
    return [(f"l{k}{suffix}", f"recurrent.{k}.{name}") for k in range(num_layers) for suffix, name in directions]


def our_parameters(weights, cell, at):
    parameters = {}
    for suffix, name in at:
        bias_hh = weights[f"bias_hh_{suffix}"]
        apart = _apart(cell, bias_hh)
        parameters[f"{name}.U"] = weights[f"weight_ih_{suffix}"].T.copy()
        parameters[f"{name}.W"] = weights[f"weight_hh_{suffix}"].T.copy()
        parameters[f"{name}.b"] = weights[f"bias_ih_{suffix}"] + np.where(apart, 0, bias_hh)
        if apart.any():
            parameters[f"{name}.e"] = bias_hh[apart]
    return parameters


def pytorch_gradients(gradients, cell, at):
    named = {}
    for suffix, name in at:
        named[f"weight_ih_{suffix}"] = gradients[f"{name}.U"].T
        named[f"weight_hh_{suffix}"] = gradients[f"{name}.W"].T
        named[f"bias_ih_{suffix}"] = gradients[f"{name}.b"]
        named[f"bias_hh_{suffix}"] = gradients[f"{name}.b"].copy()
        if cells.get(cell).apart:
            named[f"bias_hh_{suffix}"][_apart(cell, gradients[f"{name}.b"])] = gradients[f"{name}.e"]
    return named


def our_states(stacked, at):
    return {name: tuple(state[place] for state in stacked) for place, (_, name) in enumerate(at)}


def pytorch_states(states, at):
    return tuple(np.stack(parts) for parts in zip(*(states[name] for _, name in at), strict=True))


def replay(recorded, cell, num_layers, bidirectional):
    """What our layers give for recorded weights, inputs and gradients of the results, under PyTorch's names."""
    at = places(num_layers, bidirectional)
    letters = cells.get(cell).states
    D, H = recorded["x"].shape[2], recorded["h_0"].shape[2]
    stack = Stacked(recurrent_stack(cell, D, H, num_layers=num_layers, bidirectional=bidirectional))
    engine = PlainEngine(np.float64)
    parameters = our_parameters(recorded, cell, at)
    forward = Forward(
        engine, parameters, our_states([recorded[f"{s}_0"] for s in letters], at), lengths=recorded["lengths"]
    )
    outputs, tape = stack.forward(recorded["x"], forward)
    backward = Backward(engine, parameters, {}, d_final=our_states([recorded[f"d_{s}_n"] for s in letters], at))
    d_x = stack.backward(tape, recorded["d_outputs"], backward)
    results = {"outputs": outputs, "d_x": d_x}
    for s, final, d_initial in zip(
        letters, pytorch_states(forward.final, at), pytorch_states(backward.d_initial, at), strict=True
    ):
        results |= {f"{s}_n": final, f"d_{s}_0": d_initial}
    gradients = pytorch_gradients(backward.gradients, cell, at)
    return results | {f"d_{name}": gradient for name, gradient in gradients.items()}


def _apart(cell, bias):
    """Which columns belong to gates kept apart: ``[G*H]``."""
    unit = cells.get(cell)
    return np.repeat([gate in unit.apart for gate in unit.gates], len(bias) // len(unit.gates))
