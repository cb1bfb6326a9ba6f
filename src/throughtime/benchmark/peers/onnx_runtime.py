"""ONNX Runtime: a stateful step of one LSTM layer, the state handed in and out."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from throughtime.benchmark.jobs import Job
from throughtime.benchmark.peers.entry import Entry, Findings
from throughtime.benchmark.peers.ours import CHECKED, STEPS
from throughtime.engine.protocol import Array

NEEDS = ("onnx", "onnxruntime")


def takes(job: Job) -> bool:
    """Single steps of an LSTM."""
    return job.kind == "step" and job.cell == "lstm"


def entries(job: Job, threads: int) -> dict[str, Entry]:
    """A call with arrays, as Python programs make it."""
    return {"": _Steps(job, threads)}


def model(job: Job) -> bytes:
    """The layer as an ONNX model: ``x, h, c -> y, h_new, c_new``."""
    onnx: Any = import_module("onnx")
    helper, numbers = onnx.helper, onnx.TensorProto.FLOAT
    weights, H = job.network("numpy").parameters, job.H
    blocks = {
        "W": _in_onnx_order(weights["recurrent.0.U"], H).T[None],
        "R": _in_onnx_order(weights["recurrent.0.W"], H).T[None],
        "B": np.concatenate([_in_onnx_order(weights["recurrent.0.b"], H), np.zeros(4 * H, np.float32)])[None],
    }
    node = helper.make_node("LSTM", ["x", "W", "R", "B", "", "h", "c"], ["y", "h_new", "c_new"], hidden_size=H)
    state = (1, 1, H)
    graph = helper.make_graph(
        [node],
        "step",
        [helper.make_tensor_value_info(name, numbers, state) for name in ("x", "h", "c")],
        [
            helper.make_tensor_value_info("y", numbers, (1, 1, 1, H)),
            *(helper.make_tensor_value_info(name, numbers, state) for name in ("h_new", "c_new")),
        ],
        [onnx.numpy_helper.from_array(np.ascontiguousarray(block), name) for name, block in blocks.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)])
    made.ir_version = 8
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


def _in_onnx_order(weight: Array, H: int) -> Array:
    """Input, forget, candidate, output become input, output, forget, candidate."""
    i, f, g, o = (weight[..., gate * H : (gate + 1) * H] for gate in range(4))
    return np.concatenate([i, o, f, g], axis=-1)


class _Steps(Entry):
    def __init__(self, job: Job, threads: int) -> None:
        runtime: Any = import_module("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = runtime.InferenceSession(model(job), options, providers=["CPUExecutionProvider"])
        self.x = job.inputs(CHECKED)[:, None]
        self.h = self.c = np.zeros((1, 1, job.H), np.float32)

    def check(self) -> Findings:
        outputs, h, c = [], self.h, self.c
        for x in self.x:
            y, h, c = self.session.run(None, {"x": x, "h": h, "c": c})
            outputs.append(y[0, 0])
        return {"outputs": np.stack(outputs)}

    def run(self) -> int:
        step, x, h, c = self.session.run, self.x[0], self.h, self.c
        for _ in range(STEPS):
            _, h, c = step(None, {"x": x, "h": h, "c": c})
        self.h, self.c = h, c
        return STEPS
