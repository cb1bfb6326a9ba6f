"""What a training needs of memory, beside what it takes; what is refused, and what is learned in segments."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from tests.tolerances import ROWS, assert_close

from throughtime import Forecaster, Network, SequenceClassifier, SequenceTagger, TextGenerator
from throughtime import engine as engines
from throughtime.engine.compiled.training import TrainingSteps
from throughtime.engine.free_memory import VARIABLE
from throughtime.errors import ParameterError
from throughtime.layers import Dense, Embedding, OneHot, Pool, recurrent_stack
from throughtime.losses import Pinball, SoftmaxCrossEntropy
from throughtime.network import Batch
from throughtime.optimizers import Optimizer, schedules
from throughtime.training import Drawn, History, Outline, Plan, Size, Training
from throughtime.training.memory import in_words

MIB = 1 << 20
CASES = {
    "text": ([Embedding(65, 32), *recurrent_stack("lstm", 32, 64, dropout=0.2), Dense(64, 65)], 64, 16),
    "one-hot": ([OneHot(65), *recurrent_stack("elman", 65, 100), Dense(100, 65)], 25, 8),
    "many symbols": ([OneHot(2000), *recurrent_stack("gru", 2000, 32), Dense(32, 2000)], 32, 8),
    "classes": (
        [Embedding(30, 16), *recurrent_stack("lstm", 16, 32, bidirectional=True), Pool("last", 32), Dense(64, 5)],
        100,
        16,
    ),
    "tags": (
        [
            Embedding(300, 32),
            *recurrent_stack("gru", 32, 32, num_layers=2, bidirectional=True, residual=True, dropout=0.2),
            Dense(64, 9),
        ],
        60,
        16,
    ),
    "numbers": ([*recurrent_stack("lstm", 8, 48, num_layers=3, residual=True), Dense(48, 30)], 80, 16),
    "wide layer": ([*recurrent_stack("gru", 8, 300), Dense(300, 6)], 8, 2),
}
WITHIN = (0.8, 1.7)
"""What is reckoned, beside what is measured. It is rather more: not everything is there at one moment."""

every_case = pytest.mark.parametrize("case", CASES)


def loss_of(case):
    return Pinball([0.1, 0.5, 0.9]) if case in ("numbers", "wide layer") else SoftmaxCrossEntropy()


def outline(case, engine, dtype="float32", **changes):
    layers, T, N = CASES[case]
    given = {"scored": None, "slots": 2, "keeps_best": False, "averages": False} | changes
    return Outline(layers, loss_of(case), engines.make(engine, dtype), Size(T, N), **given)


def batch_for(network, T, N):
    rng = np.random.default_rng(0)
    D, K = network.body.input_size, network.body.output_size
    x = rng.integers(D, size=(T, N)) if network.body.takes_ids else rng.normal(size=(T, N, D)).astype(np.float32)
    steps = 1 if network.body.pools else T
    if isinstance(network.objective, SoftmaxCrossEntropy):
        return Batch(x, rng.integers(K, size=(steps, N)))
    return Batch(x, rng.normal(size=(steps, N, K)).astype(np.float32), np.ones((steps, N, K), np.float32))


def peak_of(case, dtype, segments=None):
    """The most bytes that NumPy has at once in a training, from the drawing of the weights on."""
    layers, T, N = CASES[case]
    plan = Plan(4, 1e-3, schedules.get("constant"), seed=0, segments=segments)
    tracemalloc.start()
    network = Network(layers, loss_of(case), engine="numpy", dtype=dtype, random_state=0)
    run = Training(network, Optimizer("adam"), plan, History(None))
    run.run(Drawn(N, lambda rng: batch_for(network, T, N)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


# ---------------------------------------------------------------------- what is reckoned, and what is there


@pytest.fixture
def soon(monkeypatch):
    """Both snapshots are there after a few steps."""
    monkeypatch.setattr("throughtime.training.loop.SNAPSHOT_EVERY", 2)


@pytest.mark.usefixtures("soon")
@every_case
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numpy_takes_what_is_reckoned(case, dtype):
    ratio = outline(case, "numpy", dtype).need().total / peak_of(case, dtype)
    assert WITHIN[0] < ratio < WITHIN[1]


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("case", ["text", "numbers"])
def test_numpy_takes_what_is_reckoned_in_segments(case):
    ratio = outline(case, "numpy").need(8).total / peak_of(case, "float32", 8)
    assert WITHIN[0] < ratio < WITHIN[1]
    assert outline(case, "numpy").need(8).step < outline(case, "numpy").need().step / 3


def arrays_of(job):
    """The bytes of all arrays of a job, each piece of memory once."""
    pieces = {}
    for array in job._kept:
        while isinstance(array, np.ndarray) and isinstance(array.base, np.ndarray):
            array = array.base
        if array is not None:
            pieces[id(array)] = array.nbytes
    return sum(pieces.values())


@every_case
@pytest.mark.parametrize("longer", [1, 5])
def test_a_compiled_step_has_the_arrays_that_are_reckoned(case, longer):
    layers, T, N = CASES[case]
    network = Network(layers, loss_of(case), engine="compiled", random_state=0)
    steps = TrainingSteps(network, Optimizer("adam"), longer * T, N, False, case in ("numbers", "wide layer"), 0, 1)
    weights = sum(w.nbytes for w in network.parameters.values())
    parameters = weights // 4
    reckoned = network.engine.step_bytes(network.stages, network.objective.kernel, parameters, longer * T, N)
    ratio = (reckoned + 7 * weights) / arrays_of(steps.job)  # weights, gradients, two slots, before, two packed
    assert WITHIN[0] < ratio < WITHIN[1]


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_what_the_plan_keeps_counts(engine):
    plain = outline("text", engine)
    n = plain.parameters
    more = {name: outline("text", engine, **{name: True}).need().weights for name in ("keeps_best", "averages")}
    assert more["keeps_best"] == plain.need().weights + 3 * 4 * n  # now, and in two snapshots
    assert more["averages"] == plain.need().weights + 3 * 8 * n  # sums in float64
    assert outline("text", engine, slots=0).need().weights == plain.need().weights - 2 * 3 * 4 * n
    scored = outline("text", engine, scored=Size(128, 64)).need()
    assert scored.total - plain.need().total == scored.scoring > 128 * 64 * 65 * 4


def test_a_network_of_any_size_is_reckoned():
    layers = [Embedding(90, 128), *recurrent_stack("lstm", 128, 10**6), Dense(10**6, 90)]
    found = outline("text", "compiled")
    huge = Outline(layers, found.loss, found.engine, found.learned, None, 2, keeps_best=False, averages=False)
    assert huge.parameters == 90 * 128 + 4 * 10**6 * (128 + 10**6 + 1) + 90 * 10**6 + 90
    assert huge.need().weights > 10**13 * 4


@pytest.mark.parametrize(
    ("size", "words"), [(3 << 29, "1.5 GiB"), (5 * MIB, "5.0 MiB"), (2000 << 30, "2,000.0 GiB"), (0, "0.0 MiB")]
)
def test_bytes_in_words(size, words):
    assert in_words(size) == words


# ---------------------------------------------------------------------- what is refused

TEXT = "to be or not to be, that is the question. " * 20
WAVE = np.sin(np.arange(200) / 5)
MODELS = {
    "text": (TextGenerator, {"verbose": 0}, (TEXT,), "hidden_size, batch_size or seq_len"),
    "text in minutes": (TextGenerator, {"minutes": 1, "verbose": 0}, (TEXT,), "hidden_size, batch_size or seq_len"),
    "series": (Forecaster, {"verbose": 0}, (WAVE,), "hidden_size, batch_size or context"),
    "classes": (SequenceClassifier, {}, (["ab", "cd"] * 8, [0, 1] * 8), "hidden_size, batch_size or max_length"),
    "tags": (SequenceTagger, {}, ([["a", "b"]] * 8, [["x", "y"]] * 8), "hidden_size or batch_size"),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_what_no_machine_has_is_refused_before_there_is_anything(monkeypatch, name, engine):
    kind, given, data, levers = MODELS[name]
    monkeypatch.setenv(VARIABLE, str(64 << 30))
    monkeypatch.setattr(Network, "__init__", lambda *arguments, **options: pytest.fail("a network was made"))
    with pytest.raises(ParameterError) as caught:
        kind(hidden_size=1_000_000, engine=engine, **given).fit(*data)
    message = str(caught.value)
    assert message.startswith("this training needs about ")
    assert f"and there are 64.0 GiB; give a smaller {levers}" in message
    assert "\n" not in message


def test_what_is_learned_on_is_refused_too(monkeypatch):
    model = TextGenerator(hidden_size=8, max_steps=2, warm_start=True, random_state=0, verbose=0).fit(TEXT)
    monkeypatch.setenv(VARIABLE, "1000")
    with pytest.raises(ParameterError, match=r"and there are 0\.0 MiB; give a smaller hidden_size"):
        model.fit(TEXT)


def test_one_direction_is_named_where_it_would_do(monkeypatch):
    rows = [np.zeros((3000, 2)), np.ones((3000, 2))] * 2
    monkeypatch.setenv(VARIABLE, str(12 * MIB))
    with pytest.raises(ParameterError, match=r"or max_length; or one direction alone \(bidirectional=False\), whose"):
        SequenceClassifier(hidden_size=16, random_state=0).fit(rows, [0, 1, 0, 1])


def test_nothing_is_refused_where_nothing_is_known(monkeypatch):
    monkeypatch.setattr("throughtime.training.memory.free_memory", lambda: None)
    assert outline("text", "numpy").segments(["hidden_size"]) is None


# ---------------------------------------------------------------------- what is learned in segments


def learned(model, *data):
    model.fit(*data)
    return model.network_.parameters


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_long_rows_are_learned_in_segments_and_that_is_said(monkeypatch, capsys, engine):
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(2000, 2)) for _ in range(4)]
    options = {"bidirectional": False, "hidden_size": 16, "max_steps": 2, "engine": engine, "random_state": 0}
    whole = SequenceClassifier(**options)
    expected = learned(whole, rows, [0, 1, 0, 1])
    assert whole.segments_ is None
    monkeypatch.setenv(VARIABLE, str(4 * MIB))
    cut = SequenceClassifier(verbose=1, **options)
    found = learned(cut, rows, [0, 1, 0, 1])
    assert cut.segments_ == 45
    assert "2,000 steps of 4 rows do not fit into memory together" in capsys.readouterr().err
    for name, w in found.items():
        assert_close(w, expected[name], ROWS["float32"], name)


def test_a_chunk_of_text_is_learned_in_segments(monkeypatch):
    options = {"hidden_size": 16, "seq_len": 400, "batch_size": 2, "max_steps": 3, "random_state": 0, "verbose": 0}
    expected = learned(TextGenerator(dtype="float64", **options), TEXT)
    monkeypatch.setenv(VARIABLE, str(3 * MIB))
    cut = TextGenerator(dtype="float64", **options)
    found = learned(cut, TEXT)
    assert cut.segments_ == 20
    for name, w in found.items():
        assert_close(w, expected[name], ROWS["float64"], name)


def test_a_training_goes_on_in_its_segments(monkeypatch, tmp_path):
    options = {"hidden_size": 16, "seq_len": 400, "batch_size": 2, "random_state": 0, "verbose": 0}
    monkeypatch.setenv(VARIABLE, str(3 * MIB))
    model = TextGenerator(dtype="float64", max_steps=3, **options).fit(TEXT)
    model.save(tmp_path / "a.model")
    monkeypatch.delenv(VARIABLE)
    again = TextGenerator(dtype="float64", max_steps=3, **options).fit(TEXT, resume=tmp_path / "a.model")
    assert again.segments_ == model.segments_ == 20


def test_truncated_back_propagation_is_not_cut(monkeypatch):
    monkeypatch.setenv(VARIABLE, str(3 * MIB))
    model = TextGenerator(
        hidden_size=16, seq_len=400, batch_size=2, bptt_truncate=2, max_steps=1, random_state=0, dtype="float64"
    )
    with pytest.raises(ParameterError, match=r"this training needs about .* there are 3\.0 MiB; give a smaller"):
        model.fit(TEXT)
