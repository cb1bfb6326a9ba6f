"""Against a live PyTorch: layers, whole networks, truncated back-propagation, optimizers and clipping.

Everything is float64. Weights are PyTorch's own initial ones; each test takes them over.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from tests.golden import make_golden
from tests.pytorch_names import our_parameters, our_states, places, pytorch_gradients, pytorch_states, replay
from tests.tolerances import GOLDEN, ORACLE, assert_close
from torch import nn
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from throughtime import optimizers
from throughtime.engine.plain import PlainEngine
from throughtime.layers import Dense, Embedding, OneHot, Pool, recurrent_stack
from throughtime.losses import AbsoluteError, Bernoulli, Huber, Pinball, SoftmaxCrossEntropy, SquaredError
from throughtime.network import Batch, Network
from throughtime.optimizers import Optimizer

pytestmark = pytest.mark.oracle
torch.set_num_threads(1)  # so little work is not worth a second one, which on a busy machine is waited for

CELLS = ("elman", "elman-relu", "gru", "lstm")
STACKS = [(1, False), (1, True), (2, False), (2, True)]  # num_layers, bidirectional
ENGINE = PlainEngine(np.float64)


# ---------------------------------------------------------------------- recurrent layers


@pytest.mark.parametrize("case", make_golden.CASES, ids=str)
def test_golden_files_are_what_pytorch_computes(case):
    with np.load(make_golden.path(*case)) as file:
        recorded = dict(file)
    for name, value in make_golden.compute(recorded, *case).items():
        assert_close(value, recorded[name], GOLDEN, name)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("case", make_golden.CASES, ids=str)
def test_layers_of_any_shape(case, seed):
    rng = np.random.default_rng(seed)
    D, H, N, T = rng.integers(1, (8, 12, 6, 15))
    lengths = rng.integers(1, T + 1, N)
    given = make_golden.draw(*case, seed=seed, D=int(D), H=int(H), T=int(T), lengths=lengths)
    expected = make_golden.compute(given, *case)
    actual = replay(given, *case)
    assert actual.keys() == expected.keys()
    for name, value in actual.items():
        assert_close(value, expected[name], ORACLE, name)


# ---------------------------------------------------------------------- whole networks


class Twin(nn.Module):
    """A recurrent network with what goes in and what comes out, and the same one made of our layers."""

    def __init__(self, cell, inputs, K, *, loss, D=4, H=5, num_layers=1, bidirectional=False, pool=None):
        super().__init__()
        torch.manual_seed(K + 10 * num_layers + bidirectional)
        self.cell, self.inputs, self.K, self.pool = cell, inputs, K, pool
        self.at = places(num_layers, bidirectional)
        D = K if inputs == "one-hot" else D
        self.embedding = nn.Embedding(K, D, dtype=torch.float64) if inputs == "embedding" else None
        self.recurrent = make_golden.make_module(cell, D, H, num_layers, bidirectional)
        self.dense = nn.Linear(H * (1 + bidirectional), K, dtype=torch.float64)
        stack = recurrent_stack(cell, D, H, num_layers=num_layers, bidirectional=bidirectional)
        first = {"embedding": [Embedding(K, D)], "one-hot": [OneHot(K)], "numbers": []}[inputs]
        reversed_from = H if pool == "last" and bidirectional else None
        pools = [Pool(pool, reversed_from)] if pool else []
        layers = [*first, *stack, *pools, Dense(H * (1 + bidirectional), K)]
        self.ours = Network(layers, loss, engine="numpy", dtype="float64")
        weights = our_parameters(arrays(dict(self.recurrent.named_parameters())), cell, self.at)
        weights |= {"output.V": self.dense.weight.detach().numpy().T, "output.c": self.dense.bias.detach().numpy()}
        if self.embedding is not None:
            weights["embedding.table"] = self.embedding.weight.detach().numpy()
        self.ours.set_parameters(weights)

    def initial_state(self, N):
        shape = (len(self.at), N, self.recurrent.hidden_size)
        states = 2 if self.cell == "lstm" else 1
        return tuple(torch.randn(shape, dtype=torch.float64, requires_grad=True) for _ in range(states))

    def forward(self, x, state, lengths=None):
        """Outputs ``[T, N, K]``, of a pool ``[N, K]``, and the states, always as a tuple."""
        if self.inputs == "embedding":
            x = self.embedding(x)
        elif self.inputs == "one-hot":
            x = functional.one_hot(x, self.K).double()
        T = len(x)
        x = x if lengths is None else pack_padded_sequence(x, lengths, enforce_sorted=False)
        h, final = self.recurrent(x, state if self.cell == "lstm" else state[0])
        h = h if lengths is None else pad_packed_sequence(h, total_length=T)[0]
        final = final if self.cell == "lstm" else (final,)
        return self.dense(self.pooled(h, final[0], lengths) if self.pool else h), final

    def pooled(self, h, final, lengths):
        directions = 1 + self.recurrent.bidirectional
        if self.pool == "last":
            return torch.cat(list(final[-directions:]), dim=1)
        lengths = torch.tensor([len(h)] * h.shape[1] if lengths is None else lengths)[:, None]
        inside = (torch.arange(len(h))[:, None] < lengths.T)[..., None]
        if self.pool == "mean":
            return (h * inside).sum(0) / lengths
        return h.masked_fill(~inside, -torch.inf).amax(0)

    def gradients(self):
        return {name: weight.grad.numpy() for name, weight in self.named_parameters()}

    def in_pytorch_names(self, gradients):
        """Our gradients under the names of ``gradients()``."""
        recurrent = pytorch_gradients(gradients, self.cell, self.at)
        named = {f"recurrent.{name}": gradient for name, gradient in recurrent.items()}
        named |= {"dense.weight": gradients["output.V"].T, "dense.bias": gradients["output.c"]}
        return named | ({"embedding.weight": gradients["embedding.table"]} if self.inputs == "embedding" else {})

    def assert_same(self, ours, loss, state, final=None, x=None):
        """Compares what our network gave with PyTorch's loss, whose ``backward`` was called."""
        assert_close(ours.loss, loss.item(), ORACLE, "loss")
        actual, expected = self.in_pytorch_names(ours.parameters), self.gradients()
        assert actual.keys() == expected.keys()
        for name, gradient in actual.items():
            assert_close(gradient, expected[name], ORACLE, name)
        for place, d_state in enumerate(pytorch_states(ours.d_state, self.at)):
            assert_close(d_state, state[place].grad.numpy(), ORACLE, f"gradient of initial state {place}")
        for place, value in enumerate(() if final is None else pytorch_states(ours.state, self.at)):
            assert_close(value, final[place].detach().numpy(), ORACLE, f"final state {place}")
        if x is not None:
            assert_close(ours.d_x, x.grad.numpy(), ORACLE, "gradient of x")


def arrays(tensors):
    return {name: tensor.detach().numpy().copy() for name, tensor in tensors.items()}


def state_here(twin, state):
    return our_states([value.detach().numpy() for value in state], twin.at)


@pytest.mark.parametrize("lengths", [None, (3, 7, 1, 5)], ids=["whole", "padded"])
@pytest.mark.parametrize(("num_layers", "bidirectional"), STACKS)
@pytest.mark.parametrize("inputs", ["embedding", "one-hot"])
@pytest.mark.parametrize("cell", CELLS)
def test_language_model(cell, inputs, num_layers, bidirectional, lengths):
    T, N, K = 7, 4, 6
    twin = Twin(cell, inputs, K, loss=SoftmaxCrossEntropy(), num_layers=num_layers, bidirectional=bidirectional)
    ids, targets, state = torch.randint(K, (T, N)), torch.randint(K, (T, N)), twin.initial_state(N)
    weights = None
    if lengths is not None:
        counted = torch.arange(T)[:, None] < torch.tensor(lengths)
        targets[~counted] = -100
        weights = counted.double().numpy()
    outputs, final = twin(ids, state, lengths)
    loss = nn.CrossEntropyLoss(ignore_index=-100)(outputs.reshape(-1, K), targets.reshape(-1))
    loss.backward()
    batch = Batch(ids.numpy(), targets.numpy(), weights, None if lengths is None else np.array(lengths))
    twin.assert_same(twin.ours.loss_and_gradients(batch, state_here(twin, state)), loss, state, final)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "half_sum"])
@pytest.mark.parametrize(("num_layers", "bidirectional"), STACKS)
@pytest.mark.parametrize("cell", CELLS)
def test_squared_error(cell, num_layers, bidirectional, reduction, weighted):
    T, N, K = 6, 3, 2
    loss_here = SquaredError(reduction)
    twin = Twin(cell, "numbers", K, loss=loss_here, num_layers=num_layers, bidirectional=bidirectional)
    x, targets = torch.randn(T, N, 4, dtype=torch.float64, requires_grad=True), torch.randn(T, N, K).double()
    weights, state = torch.rand(T, N, dtype=torch.float64) if weighted else None, twin.initial_state(N)
    outputs, final = twin(x, state)
    w = torch.ones(T, N, 1).double() if weights is None else weights[..., None]
    squares = w * functional.mse_loss(outputs, targets, reduction="none")
    loss = squares.sum() / (w.sum() * K) if reduction == "mean" else squares.sum() / 2
    if reduction == "mean" and not weighted:
        loss = nn.MSELoss()(outputs, targets)
    loss.backward()
    batch = Batch(x.detach().numpy(), targets.numpy(), weights.numpy() if weighted else None)
    ours = twin.ours.loss_and_gradients(batch, state_here(twin, state), needs_input=True)
    twin.assert_same(ours, loss, state, final, x)


def pinball(o, targets, reduction):
    errors, tau = targets - o, torch.tensor([0.1, 0.5, 0.8, 0.1, 0.5, 0.8], dtype=torch.float64)
    return torch.where(errors > 0, tau * errors, (tau - 1) * errors)


@pytest.mark.parametrize("weighted", ["places", "elements", None])
@pytest.mark.parametrize(
    ("loss_here", "loss_there"),
    [
        (AbsoluteError(), functional.l1_loss),
        (Huber(), functional.huber_loss),
        (Huber(0.3), partial(functional.huber_loss, delta=0.3)),
        (Bernoulli(), functional.binary_cross_entropy_with_logits),
        (Pinball((0.1, 0.5, 0.8)), pinball),
    ],
    ids=["absolute", "Huber", "Huber 0.3", "Bernoulli", "pinball"],
)
def test_losses_of_each_output_by_itself(loss_here, loss_there, weighted):
    T, N, K = 6, 3, 6
    twin = Twin("gru", "numbers", K, loss=loss_here)
    x, targets = torch.randn(T, N, 4, dtype=torch.float64, requires_grad=True), torch.rand(T, N, K).double()
    w = torch.ones(T, N, 1).double()
    if weighted:
        w = torch.randint(3, (T, N, K if weighted == "elements" else 1)).double()
    outputs, final = twin(x, state := twin.initial_state(N))
    loss = (w * loss_there(outputs, targets, reduction="none")).sum() / w.expand(T, N, K).sum()
    loss.backward()
    weights = {"places": w[..., 0].numpy(), "elements": w.numpy(), None: None}[weighted]
    batch = Batch(x.detach().numpy(), targets.numpy(), weights)
    ours = twin.ours.loss_and_gradients(batch, state_here(twin, state), needs_input=True)
    twin.assert_same(ours, loss, state, final, x)


@pytest.mark.parametrize("lengths", [None, (3, 7, 1, 5)], ids=["whole", "padded"])
@pytest.mark.parametrize(("num_layers", "bidirectional"), STACKS)
@pytest.mark.parametrize("pool", ["last", "mean", "max"])
@pytest.mark.parametrize("cell", CELLS)
def test_pools(cell, pool, num_layers, bidirectional, lengths):
    T, N, K = 7, 4, 3
    options = {"num_layers": num_layers, "bidirectional": bidirectional, "pool": pool}
    twin = Twin(cell, "numbers", K, loss=SoftmaxCrossEntropy(), **options)
    x, targets = torch.randn(T, N, 4, dtype=torch.float64, requires_grad=True), torch.randint(K, (N,))
    outputs, final = twin(x, state := twin.initial_state(N), lengths)
    loss = nn.CrossEntropyLoss()(outputs, targets)
    loss.backward()
    batch = Batch(x.detach().numpy(), targets.numpy()[None], None, None if lengths is None else np.array(lengths))
    ours = twin.ours.loss_and_gradients(batch, state_here(twin, state), needs_input=True)
    twin.assert_same(ours, loss, state, final, x)


# ---------------------------------------------------------------------- truncated back-propagation through time


def truncated_loss(twin, x, state, k, loss_at):
    """The loss whose gradient is truncated: output t comes from a fresh pass over the steps t - k to t.

    The states before that pass are constants, unless they are the initial ones.
    """
    before = [state]
    with torch.no_grad():
        for t in range(len(x)):
            before.append(twin(x[t : t + 1], before[-1])[1])
    loss = 0
    for t in range(len(x)):
        start = max(0, t - k)
        outputs, _ = twin(x[start : t + 1], before[start])
        loss = loss + loss_at(t, outputs[-1])
    return loss


@pytest.mark.parametrize("k", [0, 1, 3, 7, 20])
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("inputs", ["embedding", "one-hot"])
@pytest.mark.parametrize("cell", CELLS)
def test_truncated_language_model(cell, inputs, num_layers, k):
    T, N, K, lengths = 7, 3, 6, (7, 4, 1)
    twin = Twin(cell, inputs, K, loss=SoftmaxCrossEntropy(), num_layers=num_layers)
    ids, targets, state = torch.randint(K, (T, N)), torch.randint(K, (T, N)), twin.initial_state(N)
    counted = (torch.arange(T)[:, None] < torch.tensor(lengths)).double()

    def loss_at(t, outputs):
        return counted[t] @ functional.cross_entropy(outputs, targets[t], reduction="none") / counted.sum()

    loss = truncated_loss(twin, ids, state, k, loss_at)
    loss.backward()
    batch = Batch(ids.numpy(), targets.numpy(), counted.numpy(), np.array(lengths))
    ours = twin.ours.loss_and_gradients(batch, state_here(twin, state), bptt_truncate=k)
    twin.assert_same(ours, loss, state)


@pytest.mark.parametrize("k", [0, 1, 3, 7, 20])
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_truncated_squared_error(cell, num_layers, k):
    T, N, K = 7, 3, 2
    twin = Twin(cell, "numbers", K, loss=SquaredError(), num_layers=num_layers)
    x, targets = torch.randn(T, N, 4, dtype=torch.float64, requires_grad=True), torch.randn(T, N, K).double()
    state = twin.initial_state(N)
    loss = truncated_loss(twin, x, state, k, lambda t, outputs: (outputs - targets[t]).square().sum() / (T * N * K))
    loss.backward()
    batch = Batch(x.detach().numpy(), targets.numpy())
    ours = twin.ours.loss_and_gradients(batch, state_here(twin, state), bptt_truncate=k, needs_input=True)
    twin.assert_same(ours, loss, state, x=x)


@pytest.mark.parametrize("k", [7, 20])
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_truncation_at_the_length_or_more_is_full_back_propagation(cell, num_layers, k):
    T, N, K = 7, 3, 6
    twin = Twin(cell, "embedding", K, loss=SoftmaxCrossEntropy(), num_layers=num_layers)
    ids, targets, state = torch.randint(K, (T, N)), torch.randint(K, (T, N)), twin.initial_state(N)
    outputs, final = twin(ids, state)
    loss = nn.CrossEntropyLoss()(outputs.reshape(-1, K), targets.reshape(-1))
    loss.backward()
    batch = Batch(ids.numpy(), targets.numpy())
    ours = twin.ours.loss_and_gradients(batch, state_here(twin, state), bptt_truncate=k)
    twin.assert_same(ours, loss, state, final)


# ---------------------------------------------------------------------- optimizers


SHAPES = {"matrix": (4, 3), "vector": (5,), "square": (3, 3)}


def walk(start):
    """Where ten steps lead, one after another: ``start(parameters)`` gives ``move(gradients, step, rate)``."""
    rng = np.random.default_rng(8)
    parameters = {name: rng.normal(size=shape) for name, shape in SHAPES.items()}
    move = start(parameters)
    path = []
    for step in range(10):
        gradients = {name: rng.normal(size=shape) * 10.0 ** rng.integers(-2, 2) for name, shape in SHAPES.items()}
        move(gradients, step, 0.1 / (1 + step))
        path.append({name: w.copy() for name, w in parameters.items()})
    return path


def our_walk(rule, **options):
    optimizer = Optimizer(rule, **options)

    def start(parameters):
        return lambda gradients, step, rate: optimizer.apply(
            ENGINE, parameters, gradients, step=step, learning_rate=rate
        )

    return walk(start)


def pytorch_walk(kind, decay=0.0, clip=None, **options):
    """``decay`` is for matrices only; ``clip`` is called with the list of parameters before each step."""

    def start(parameters):
        tensors = {name: nn.Parameter(torch.from_numpy(w)) for name, w in parameters.items()}  # they share memory
        groups = [{"params": [w], "weight_decay": decay if w.ndim > 1 else 0.0} for w in tensors.values()]
        optimizer = kind(groups, **options)

        def move(gradients, step, rate):
            for name, gradient in gradients.items():
                tensors[name].grad = torch.tensor(gradient)
            for group in optimizer.param_groups:
                group["lr"] = rate
            if clip is not None:
                clip(list(tensors.values()))
            optimizer.step()

        return move

    return walk(start)


def assert_same_walk(ours, expected):
    for step, (here, there) in enumerate(zip(ours, expected, strict=True)):
        for name in SHAPES:
            assert_close(here[name], there[name], ORACLE, f"{name} after step {step}")


@pytest.mark.parametrize(
    ("rule", "kind", "options"),
    [
        (optimizers.sgd(), torch.optim.SGD, {}),
        (optimizers.momentum(0.9), torch.optim.SGD, {"momentum": 0.9}),
        (optimizers.rmsprop(0.95, 1e-3), torch.optim.RMSprop, {"alpha": 0.95, "eps": 1e-3}),
        (optimizers.adagrad(0.0), torch.optim.Adagrad, {"eps": 0.0}),  # epsilon stands elsewhere: see the next test
        (optimizers.adam(0.8, 0.99, 1e-3), torch.optim.Adam, {"betas": (0.8, 0.99), "eps": 1e-3}),
        (optimizers.adam(), torch.optim.Adam, {}),
        (optimizers.adamw(), torch.optim.AdamW, {"decay": 0.01}),  # the default decay of both
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_optimizer(rule, kind, options):
    assert_same_walk(our_walk(rule), pytorch_walk(kind, **options))


def test_adagrad_has_epsilon_inside_the_root():
    sums = {name: np.zeros(shape) for name, shape in SHAPES.items()}

    def start(parameters):
        def move(gradients, step, rate):
            for name, g in gradients.items():
                sums[name] += g * g
                parameters[name] -= rate * g / np.sqrt(sums[name] + 0.5)

        return move

    assert_same_walk(our_walk(optimizers.adagrad(0.5)), walk(start))


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_adamw_decays_matrices_and_nothing_else(decay):
    assert_same_walk(our_walk("adamw", weight_decay=decay), pytorch_walk(torch.optim.AdamW, decay=decay))


# ---------------------------------------------------------------------- clipping


def clip_norm_exactly(parameters, limit):
    """``clip_grad_norm_`` without the 1e-6 that it adds to the norm before dividing by it."""
    norm = float(clip_grad_norm_(parameters, limit))
    if limit < norm + 1e-6:
        for w in parameters:
            w.grad *= (norm + 1e-6) / norm


@pytest.mark.parametrize("limit", [0.1, 3.0, 1e6])
@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_clip_norm(rule, limit):
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[rule]
    expected = pytorch_walk(kind, clip=lambda parameters: clip_norm_exactly(parameters, limit))
    assert_same_walk(our_walk(rule, clip_norm=limit), expected)


@pytest.mark.parametrize("limit", [0.1, 3.0, 1e6])
@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_clip_value(rule, limit):
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[rule]
    expected = pytorch_walk(kind, clip=lambda parameters: clip_grad_value_(parameters, limit))
    assert_same_walk(our_walk(rule, clip_value=limit), expected)


def test_values_are_clipped_before_the_norm():
    def clip(parameters):
        clip_grad_value_(parameters, 0.5)
        clip_norm_exactly(parameters, 0.7)

    assert_same_walk(our_walk("sgd", clip_value=0.5, clip_norm=0.7), pytorch_walk(torch.optim.SGD, clip=clip))


def test_global_norm():
    gradients = {name: np.random.default_rng(0).normal(size=shape) for name, shape in SHAPES.items()}
    expected = torch.nn.utils.get_total_norm([torch.tensor(gradient) for gradient in gradients.values()])
    assert_close(ENGINE.global_norm(gradients), float(expected), ORACLE)
