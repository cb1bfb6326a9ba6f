"""What weight tying, layer normalisation, zoneout and weight averaging do to the loss on unseen text.

One LSTM layer with the sizes that the defaults choose, trained in PyTorch, where each of them is a few lines, on our
streams and schedule; everything but the one thing is the same, the seeds too. What is worth having is then written for
our own engines; what is not is on record here. Nats per symbol, less is better.

    plain      dropout on the outputs of the layer
    tied       outputs h P E' + c, where E is the embedding and P [H, size of the embedding] is learned (Press and Wolf,
               2017; Inan et al., 2017)
    normed     layer normalisation of the pre-activations, x U and h W apart, and of the memory (Ba et al., 2016, eq. 20
               to 22)
    summed     layer normalisation of the sum x U + h W, gate by gate, and nothing else
    zoneout    each state keeps its value with probability 0.5 (memory) and 0.05 (hidden), in training; their mean in
               scoring (Krueger et al., 2017)
    averaged   the mean of the weights over the last quarter of the steps, under the same falling learning rate
    constant   the learning rate does not fall; and averaged, as above
    both       normed, and constant

    python benchmarks/regularisation.py   # adds a record to benchmarks/results/regularisation.jsonl; takes an hour
"""

from __future__ import annotations

import argparse
import datetime
import sysconfig
import time
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from throughtime.benchmark import record
from throughtime.benchmark.record import append, checkout, cpu, versions
from throughtime.optimizers import schedules
from throughtime.text.lesson import Lesson, prepare
from throughtime.text.vocabularies import level
from throughtime.text.witten_bell import baseline
from throughtime.training import RESTART_EVERY, WARM_UP, Streams

RESULTS = Path(__file__).parent / "results" / "regularisation.jsonl"
LIBRARY = Path(sysconfig.get_path("stdlib"))
H, E, SEQ_LEN, ROWS, PASSES, DROPOUT, RATE = 256, 128, 64, 16, 12, 0.4, 0.01
AVERAGED = 0.25


def package(name: str) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((LIBRARY / name).rglob("*.py")))


TEXTS = {
    "idlelib/NEWS.txt": ("char", lambda: (LIBRARY / "idlelib" / "NEWS.txt").read_text(encoding="utf-8")),
    "package logging": ("char", lambda: package("logging")),
    "language reference": ("word", lambda: "\n\n".join(text for _, text in sorted(topics.items()))),
}
VARIANTS = ("plain", "tied", "normed", "summed", "zoneout", "averaged", "constant", "both")
NORMED, CONSTANT, MEAN = ("normed", "both"), ("constant", "both"), ("averaged", "constant", "both")


class Lstm(nn.Module):
    """An LSTM of one layer, written out."""

    def __init__(self, K: int, variant: str) -> None:
        super().__init__()
        self.variant = variant
        bound = (6 / (1 + E)) ** 0.5
        self.table = nn.Parameter(torch.empty(K, E).uniform_(-bound, bound))
        self.U = nn.Parameter(torch.cat([nn.init.xavier_uniform_(torch.empty(E, H)) for _ in range(4)], 1))
        self.W = nn.Parameter(torch.cat([nn.init.xavier_uniform_(torch.empty(H, H)) for _ in range(4)], 1))
        self.b = nn.Parameter(torch.zeros(4 * H))
        with torch.no_grad():
            self.b[H : 2 * H] = 1.0
        self.V = nn.Parameter(nn.init.xavier_uniform_(torch.empty(H, E if variant == "tied" else K)))
        self.c = nn.Parameter(torch.zeros(K))
        if variant in NORMED:
            self.norm_x, self.norm_h, self.norm_c = nn.LayerNorm(4 * H), nn.LayerNorm(4 * H), nn.LayerNorm(H)
        if variant == "summed":
            self.gain = nn.Parameter(torch.ones(4 * H))

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, c = state
        a_x = self.table[x] @ self.U
        if self.variant in NORMED:
            a_x = self.norm_x(a_x)
        if self.variant != "summed":
            a_x = a_x + self.b
        hidden = []
        for a_t in a_x:
            a_h = h @ self.W
            if self.variant in NORMED:
                a_h = self.norm_h(a_h)
            a = a_t + a_h
            if self.variant == "summed":
                gates = a.unflatten(1, (4, H))
                a = nn.functional.layer_norm(gates, (H,)).flatten(1) * self.gain + self.b
            i, f, g, o = a.chunk(4, 1)
            c_new = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h_new = o.sigmoid() * (self.norm_c(c_new) if self.variant in NORMED else c_new).tanh()
            if self.variant == "zoneout":
                h, c = self._keep(h, h_new, 0.05), self._keep(c, c_new, 0.5)
            else:
                h, c = h_new, c_new
            hidden.append(h)
        y = nn.functional.dropout(torch.stack(hidden), DROPOUT, self.training)
        weight = self.V @ self.table.T if self.variant == "tied" else self.V
        return y @ weight + self.c, (h, c)

    def _keep(self, old: Tensor, new: Tensor, share: float) -> Tensor:
        if not self.training:
            return share * old + (1 - share) * new
        return torch.where(torch.rand_like(new) < share, old, new)


def loss_of(net: Lstm, chunk: Any, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """The sum of the losses that count, and the state after the chunk; rows that end early are few."""
    fresh = torch.from_numpy(chunk.fresh)[:, None]
    state = tuple(torch.where(fresh, 0.0, part) for part in state)  # type: ignore[assignment]
    outputs, state = net(torch.from_numpy(chunk.batch.x.astype(np.int64)), state)
    targets = torch.from_numpy(chunk.batch.targets.astype(np.int64))
    losses = nn.functional.cross_entropy(outputs.flatten(0, 1), targets.flatten(), reduction="none")
    weights = chunk.batch.weights
    if weights is not None:
        losses = losses * torch.from_numpy(weights.astype(np.float32)).flatten()
    return losses.sum(), state


def score(net: Lstm, streams: Streams) -> float:
    net.eval()
    state = (torch.zeros(streams.rows, H), torch.zeros(streams.rows, H))
    total = symbols = 0.0
    with torch.no_grad():
        for chunk in streams.once():
            loss, state = loss_of(net, chunk, state)
            total, symbols = total + loss.item(), symbols + chunk.symbols
    net.train()
    return total / symbols


def train(lesson: Lesson, variant: str, seed: int) -> float:
    """The loss on the held-out part."""
    torch.manual_seed(seed)
    net = Lstm(len(lesson.vocabulary), variant)
    rows = max(4, min(ROWS, lesson.learned.predictions // (50 * SEQ_LEN)))
    streams = Streams(lesson.learned, rows, SEQ_LEN, restart_every=RESTART_EVERY)
    steps = PASSES * streams.steps_per_epoch
    adam = torch.optim.Adam(net.parameters(), lr=RATE)
    schedule = schedules.get("constant" if variant in CONSTANT else "cosine")
    state = (torch.zeros(streams.rows, H), torch.zeros(streams.rows, H))
    mean, counted = [torch.zeros_like(w) for w in net.parameters()], 0
    for step, chunk in zip(range(steps), streams.endless(seed), strict=False):
        adam.param_groups[0]["lr"] = RATE * schedule.factor(step, steps, [])
        loss, state = loss_of(net, chunk, tuple(part.detach() for part in state))  # type: ignore[arg-type]
        adam.zero_grad()
        (loss / chunk.symbols).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        adam.step()
        if step >= (1 - AVERAGED) * steps:
            counted += 1
            for total, w in zip(mean, net.parameters(), strict=True):
                total += w.detach()
    if variant in MEAN:
        with torch.no_grad():
            for total, w in zip(mean, net.parameters(), strict=True):
                w.copy_(total / counted)
    return score(net, Streams(lesson.held_out, 16, 128, warm_up=WARM_UP))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", nargs="+", choices=TEXTS, default=list(TEXTS))
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in options.texts:
        of_level, text = TEXTS[name]
        vocabulary = level(of_level).of([text()])
        lesson = prepare(vocabulary, [text()], validation=0.1, seq_len=SEQ_LEN, seed=0)
        counted = baseline(lesson.learned, lesson.held_out, len(vocabulary))
        print(
            f"{name}, {of_level}, {len(lesson.learned.ids):,} symbols to learn from; {counted.in_words()}", flush=True
        )
        for variant in options.variants:
            began = time.perf_counter()
            losses = [round(train(lesson, variant, seed), 4) for seed in options.seeds]
            seconds = round((time.perf_counter() - began) / len(losses))
            print(f"  {variant:<10}{losses}  {seconds} s each", flush=True)
            rows.append({"text": name, "level": of_level, "variant": variant, "losses": losses, "seconds": seconds})
    commit, changed = checkout(Path(record.__file__).parent)
    today = datetime.date.today().isoformat()
    where = {"date": today, "commit": commit, "changed": changed, "cpu": cpu(), "versions": versions()}
    settings = {"hidden_size": H, "embedding_size": E, "dropout": DROPOUT, "passes": PASSES, "learning_rate": RATE}
    append(RESULTS, where | {"settings": settings, "seeds": options.seeds, "rows": rows})


if __name__ == "__main__":
    main()
