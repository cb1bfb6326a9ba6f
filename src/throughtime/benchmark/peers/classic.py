"""What the well-known scripts do: a Python loop over the characters with matrix-vector products in NumPy."""

from __future__ import annotations

import numpy as np

from throughtime.benchmark.jobs import CLIP, LEARNING_RATE, Job
from throughtime.benchmark.peers.entry import Entry, Findings
from throughtime.engine.protocol import Array

NEEDS = ()


def takes(job: Job) -> bool:
    """Its own job."""
    return job.kind == "classic"


def entries(job: Job, threads: int) -> dict[str, Entry]:
    """There is one way; the number of threads of the BLAS comes from the environment."""
    return {"": ClassicScript(job)}


class ClassicScript(Entry):
    """Elman's network in float64, columns for vectors, Adagrad, every gradient element clipped; the loss is a sum."""

    def __init__(self, job: Job) -> None:
        weights, batch = job.network("numpy").parameters, job.batch()
        self.U, self.W, self.V = (
            weights[name].T.astype(np.float64) for name in ("recurrent.0.U", "recurrent.0.W", "output.V")
        )
        self.b, self.c = (weights[name].astype(np.float64)[:, None] for name in ("recurrent.0.b", "output.c"))
        self.memory = [np.zeros_like(w) for w in (self.U, self.W, self.V, self.b, self.c)]
        self.h = np.zeros((job.H, 1))
        self.ids, self.targets = batch.x[:, 0].tolist(), batch.targets[:, 0].tolist()

    def check(self) -> Findings:
        loss, (dU, dW, dV, db, dc) = self.gradients()
        names = ("recurrent.0.U", "recurrent.0.W", "recurrent.0.b", "output.V", "output.c")
        found = {
            f"gradient {name}": d / len(self.ids)
            for name, d in zip(names, (dU.T, dW.T, db[:, 0], dV.T, dc[:, 0]), strict=True)
        }
        return found | {"loss": np.array(loss / len(self.ids))}

    def gradients(self) -> tuple[float, list[Array]]:
        """The loss, and the gradients of U, W, V, b and c, by back-propagation through time."""
        xs, hs, ps, loss = {}, {-1: self.h}, {}, 0.0
        for t, symbol in enumerate(self.ids):
            xs[t] = np.zeros((self.U.shape[1], 1))
            xs[t][symbol] = 1
            hs[t] = np.tanh(np.dot(self.U, xs[t]) + np.dot(self.W, hs[t - 1]) + self.b)
            o = np.dot(self.V, hs[t]) + self.c
            ps[t] = np.exp(o) / np.sum(np.exp(o))
            loss += -np.log(ps[t][self.targets[t], 0])
        dU, dW, dV, db, dc = (np.zeros_like(w) for w in (self.U, self.W, self.V, self.b, self.c))
        dh_next = np.zeros_like(self.h)
        for t in reversed(range(len(self.ids))):
            do = np.copy(ps[t])
            do[self.targets[t]] -= 1
            dV += np.dot(do, hs[t].T)
            dc += do
            da = (1 - hs[t] * hs[t]) * (np.dot(self.V.T, do) + dh_next)
            db += da
            dU += np.dot(da, xs[t].T)
            dW += np.dot(da, hs[t - 1].T)
            dh_next = np.dot(self.W.T, da)
        self.h = hs[len(self.ids) - 1]
        return loss, [dU, dW, dV, db, dc]

    def run(self) -> int:
        _, gradients = self.gradients()
        for w, g, m in zip((self.U, self.W, self.V, self.b, self.c), gradients, self.memory, strict=True):
            np.clip(g, -CLIP, CLIP, out=g)
            m += g * g
            w += -LEARNING_RATE * g / np.sqrt(m + 1e-8)
        return 1
