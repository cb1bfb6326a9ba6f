"""PyTorch, each job with oneDNN on and off."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from throughtime.benchmark.jobs import CLIP, LEARNING_RATE, Job
from throughtime.benchmark.peers.entry import Entry, Findings
from throughtime.benchmark.peers.ours import CHECKED, STEPS
from throughtime.engine.protocol import Array

NEEDS = ("torch",)
SYMBOLS = 200
"""How many symbols are generated in one run."""


def takes(job: Job) -> bool:
    """The cells that it has; the classic job is the script's."""
    return job.cell in ("elman", "gru", "lstm") and job.kind != "classic"


def entries(job: Job, threads: int) -> dict[str, Entry]:
    """With oneDNN and without; step by step also with a layer and with its cell."""
    torch: Any = import_module("torch")
    torch.set_num_threads(threads)
    makers: dict[str, Any] = {"": _Training}
    if job.kind == "generation":
        makers = {f"{name}, ": partial(_Generation, by_cell=name != layer_name(job)) for name in _ways(job)}
    elif job.kind == "step":
        makers = {f"{name}, ": partial(_Steps, by_cell=name != layer_name(job)) for name in _ways(job)}
    return {
        f"{way}oneDNN {'on' if onednn else 'off'}": make(torch, job, onednn)
        for way, make in makers.items()
        for onednn in (True, False)
    }


def layer_name(job: Job) -> str:
    """The class of the layer."""
    return {"elman": "RNN", "gru": "GRU", "lstm": "LSTM"}[job.cell]


def _ways(job: Job) -> tuple[str, str]:
    return layer_name(job), f"{layer_name(job)}Cell"


def recurrent(torch: Any, job: Job, weights: Mapping[str, Array], layers: int = 1) -> Any:
    """The recurrent layers, with our weights."""
    made = getattr(torch.nn, layer_name(job))(job.H, job.H, layers)
    with torch.no_grad():
        for number in range(layers):
            _set_weights(torch, made, f"_l{number}", weights, f"recurrent.{number}")
    return made


def cells_of(torch: Any, job: Job, weights: Mapping[str, Array], layers: int = 1) -> list[Any]:
    """The same as cells of one step."""
    made = [getattr(torch.nn, f"{layer_name(job)}Cell")(job.H, job.H) for _ in range(layers)]
    with torch.no_grad():
        for number, cell in enumerate(made):
            _set_weights(torch, cell, "", weights, f"recurrent.{number}")
    return made


def _set_weights(torch: Any, module: Any, suffix: str, weights: Mapping[str, Array], name: str) -> None:
    """Copies ours in: the second bias is zero, but for the candidate of a GRU."""
    getattr(module, f"weight_ih{suffix}").copy_(torch.from_numpy(weights[f"{name}.U"].T.copy()))
    getattr(module, f"weight_hh{suffix}").copy_(torch.from_numpy(weights[f"{name}.W"].T.copy()))
    getattr(module, f"bias_ih{suffix}").copy_(torch.from_numpy(weights[f"{name}.b"]))
    second = getattr(module, f"bias_hh{suffix}").zero_()
    if f"{name}.e" in weights:
        apart = torch.from_numpy(weights[f"{name}.e"])
        second[-len(apart) :] = apart


def output_layer(torch: Any, weights: Mapping[str, Array]) -> Any:
    """The output layer, with our weights."""
    made = torch.nn.Linear(*weights["output.V"].shape)
    with torch.no_grad():
        made.weight.copy_(torch.from_numpy(weights["output.V"].T.copy()))
        made.bias.copy_(torch.from_numpy(weights["output.c"]))
    return made


class _Torch(Entry):
    def __init__(self, torch: Any, onednn: bool) -> None:
        self.torch, self.onednn = torch, onednn

    def begin(self) -> None:
        self.torch.backends.mkldnn.enabled = self.onednn


class _Training(_Torch):
    """A training step. Adam is the fused one, which was the fastest of three."""

    def __init__(self, torch: Any, job: Job, onednn: bool) -> None:
        super().__init__(torch, onednn)
        weights, batch = job.network("numpy").parameters, job.batch()
        self.layer, self.output = recurrent(torch, job, weights), output_layer(torch, weights)
        self.embedding = None
        self.x, targets = torch.from_numpy(batch.x), torch.from_numpy(batch.targets)
        modules = [self.layer, self.output]
        if job.kind != "dense":
            self.embedding = torch.nn.Embedding.from_pretrained(
                torch.from_numpy(weights["embedding.table"]), freeze=False
            )
            modules.append(self.embedding)
        self.targets = targets if job.kind == "dense" else targets.reshape(-1)
        self.parameters = [parameter for module in modules for parameter in module.parameters()]
        self.optimizer = torch.optim.Adam(self.parameters, lr=LEARNING_RATE, fused=True)

    def check(self) -> Findings:
        self.begin()
        loss = self._forward_and_back()
        found = {f"gradient {name}": g for name, g in self._named(lambda p: p.grad.numpy().copy()).items()}
        self._update()
        weights = {f"weights {name}": w for name, w in self._named(lambda p: p.detach().numpy().copy()).items()}
        return found | weights | {"loss": np.array(loss)}

    def run(self) -> int:
        self._forward_and_back()
        self._update()
        return 1

    def _forward_and_back(self) -> float:
        functional = self.torch.nn.functional
        self.optimizer.zero_grad()
        signal = self.x if self.embedding is None else self.embedding(self.x)
        outputs = self.output(self.layer(signal)[0])
        if self.embedding is None:
            loss = functional.mse_loss(outputs, self.targets)
        else:
            loss = functional.cross_entropy(outputs.reshape(-1, outputs.shape[-1]), self.targets)
        loss.backward()
        return float(loss.item())

    def _update(self) -> None:
        self.torch.nn.utils.clip_grad_norm_(self.parameters, CLIP)
        self.optimizer.step()

    def _named(self, value: Any) -> Findings:
        """Values of our parameters, under our names."""
        layer, output = self.layer, self.output
        found = {
            "recurrent.0.U": value(layer.weight_ih_l0).T,
            "recurrent.0.W": value(layer.weight_hh_l0).T,
            "recurrent.0.b": value(layer.bias_ih_l0),
            "output.V": value(output.weight).T,
            "output.c": value(output.bias),
        }
        if isinstance(layer, self.torch.nn.GRU):
            found["recurrent.0.e"] = value(layer.bias_hh_l0)[-layer.hidden_size :]
        if self.embedding is not None:
            found["embedding.table"] = value(self.embedding.weight)
        return found


class _Recurrence:
    """Single steps of a stack of layers, as one module or as cells; the state stays here."""

    def __init__(self, torch: Any, job: Job, layers: int, by_cell: bool) -> None:
        weights = job.network("numpy").parameters
        self.cells = cells_of(torch, job, weights, layers) if by_cell else []
        self.layer = None if by_cell else recurrent(torch, job, weights, layers)
        self.states: list[Any] = [None] * layers

    def step(self, x: Any) -> Any:
        """``[1, H]`` to ``[1, H]``."""
        if self.layer is not None:
            x, self.states[0] = self.layer(x[None], self.states[0])
            return x[0]
        for number, cell in enumerate(self.cells):
            state = cell(x, self.states[number])
            self.states[number] = state
            x = state[0] if isinstance(state, tuple) else state
        return x


class _Steps(_Torch):
    """Single steps of one layer and one row."""

    def __init__(self, torch: Any, job: Job, onednn: bool, by_cell: bool) -> None:
        super().__init__(torch, onednn)
        self.recurrence = _Recurrence(torch, job, 1, by_cell)
        self.x = torch.from_numpy(job.inputs(CHECKED))

    def check(self) -> Findings:
        self.begin()
        with self.torch.inference_mode():
            outputs = self.torch.stack([self.recurrence.step(x) for x in self.x])
        return {"outputs": outputs.numpy()}

    def run(self) -> int:
        step, x = self.recurrence.step, self.x[0]
        with self.torch.inference_mode():
            for _ in range(STEPS):
                step(x)
        return STEPS


class _Generation(_Torch):
    """One symbol at a time: embedding, two layers, output layer, softmax, ``torch.multinomial``."""

    def __init__(self, torch: Any, job: Job, onednn: bool, by_cell: bool) -> None:
        super().__init__(torch, onednn)
        weights = job.network("numpy").parameters
        self.recurrence = _Recurrence(torch, job, 2, by_cell)
        self.output = output_layer(torch, weights)
        self.embedding = torch.nn.Embedding.from_pretrained(torch.from_numpy(weights["embedding.table"]))
        self.ids = torch.from_numpy(job.inputs(CHECKED))
        with torch.inference_mode():
            self.outputs = self.output(self.recurrence.step(self.embedding(self.ids[0])))
        self.recurrence.states = [None, None]

    def check(self) -> Findings:
        self.begin()
        with self.torch.inference_mode():
            steps = [self.output(self.recurrence.step(self.embedding(ids))) for ids in self.ids]
            outputs = self.torch.stack(steps).numpy()
        self.run()
        return {"outputs": outputs}

    def run(self) -> int:
        torch, step = self.torch, self.recurrence.step
        with torch.inference_mode():
            outputs = self.outputs
            for _ in range(SYMBOLS):
                chosen = torch.multinomial(torch.softmax(outputs, -1), 1)
                outputs = self.output(step(self.embedding(chosen[:, 0])))
            self.outputs = outputs
        return SYMBOLS
