"""A training that is left and gone on with: the same bytes as without a break, and everything that is refused."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from benchmarks.faults.changes import of_tensors
from safetensors import safe_open
from tests import forecasters
from tests.sequences.material import KINDS, SENTENCES, TAGS, WORDS, X_RAGGED, Y_RAGGED
from tests.trained import TEXT, small
from tests.training.test_loop import spoiling

from throughtime import Cell, Forecaster, SequenceClassifier, SequenceRegressor, SequenceTagger, files, load
from throughtime.cells.functions import tanh
from throughtime.errors import DataError, ModelFileError, NonFiniteLoss, ParameterError, UnknownSymbol
from throughtime.optimizers.schedules import Plateau
from throughtime.training import Callback, ModelCheckpoint, Resume

LINES = "\n".join(["anna", "bert", "carla", "dora", "emil", "frieda", "gustav", "hanna"] * 12)
VALUES = [x.sum() for x in X_RAGGED]
SHORT = "it was the best of times, it was the worst of times, it was the age of wisdom, it was foolish"
BY_HEART = {"early_stopping": True, "patience": 2, "max_steps": 400, "hidden_size": 32, "validation": 0.3}
"""A text whose end is not expected better and better while its beginning is learned by heart."""
SLOW = {"hidden_size": 6, "max_steps": 150, "random_state": 1, "verbose": 0}
"""Long enough for three snapshots."""


class Left(BaseException):
    """The training was left."""


class Leave(Callback):
    """Leaves the training after a step: softly, as Ctrl-C does, or at once, before anything is scored."""

    def __init__(self, at, *, softly):
        self.at, self.softly = at, softly

    def on_step(self, run):
        if run.step == self.at:
            if not self.softly:
                raise Left
            run.interrupt(Left())


def left(model, data, path, at, *, softly=True, resume=None):
    """Leaves a training of the model at this step, with the file that there is then."""
    checkpoint = ModelCheckpoint(path, every=1)
    model.set_params(callbacks=[checkpoint, Leave(at, softly=softly)])
    with pytest.raises(Left):
        model.fit(*data, resume=resume)
    if softly:
        checkpoint.save(model.training_)
    return path


def whole(make, data, path):
    """The bytes of a training without a break."""
    model = make()
    model.fit(*data).save(path)
    return path.read_bytes()


def go_on(make, data, path, **options):
    """The model that a file's training comes to, saved there again."""
    model = make().fit(*data, resume=Resume(path, **options))
    model.save(path)
    return model


def own_step(a, u, state, p):
    (h,) = state
    h_new = tanh(a[0])
    return (0.5 * h + 0.5 * h_new,), (h_new,)


def own_step_back(d_state, state, saved, p):
    (h_new,) = saved
    d_a = 0.5 * d_state[0] * (1.0 - h_new * h_new)
    return (d_a,), (), (0.5 * d_state[0],), ()


HALF = Cell("half", gates=("hidden",), states=("h",), step=own_step, step_back=own_step_back)


def text(**changes):
    """A generator of some 150 steps; a pass over the text is 6 of them, and every 8th is scored."""
    given = {"embedding_size": 0, "dropout": 0.0, "seq_len": 16, "learning_rate": 0.02, "batch_size": 8}
    return lambda: small(**given | SLOW | changes)


def series(**changes):
    return lambda: forecasters.small(**SLOW | changes)


def sequences(kind, **changes):
    return lambda: kind(**SLOW | {"validation": 0.2, "batch_size": 8} | changes)


class InLines:
    """A generator whose text is cut in lines."""

    def __init__(self, **changes):
        self.model = text(**changes)()

    def fit(self, data, *, resume=None):
        self.model.fit(data, split="lines", resume=resume)
        return self

    def __getattr__(self, name):
        return getattr(self.model, name)


CASES = {
    "characters": (text(), [TEXT]),
    "characters, NumPy": (text(engine="numpy"), [TEXT]),
    "lines": (lambda: InLines(dropout=0.2), [LINES]),
    "lines, NumPy": (lambda: InLines(dropout=0.2, engine="numpy"), [LINES]),
    "words": (text(level="word", embedding_size=5), [TEXT]),
    "bytes of two texts": (text(level="byte"), [[b"to be or not " * 40, b"that is the question " * 30]]),
    "early stopping": (text(early_stopping=True, patience=30), [TEXT]),
    "averaging": (text(averaging=0.7), [TEXT]),
    "averaging and early stopping": (text(averaging=0.7, early_stopping=True, patience=30), [TEXT]),
    "a plateau": (text(schedule=Plateau(patience=1, gamma=0.8)), [TEXT]),
    "dropout": (text(dropout=0.3, variational_dropout=0.1, num_layers=2, cell="gru"), [TEXT]),
    "dropout, NumPy": (text(dropout=0.3, variational_dropout=0.1, num_layers=2, cell="gru", engine="numpy"), [TEXT]),
    "a cell of one's own": (text(cell=HALF), [TEXT]),
    "truncated": (text(bptt_truncate=4), [TEXT]),
    "float64": (text(dtype="float64"), [TEXT]),
    "momentum": (text(optimizer="momentum"), [TEXT]),
    "AdamW": (text(optimizer="adamw", weight_decay=0.1), [TEXT]),
    "no validation": (text(validation=0.0), [TEXT]),
    "direct": (series(), [forecasters.wave()]),
    "direct, NumPy": (series(engine="numpy", dropout=0.2), [forecasters.wave()]),
    "recursive": (series(strategy="recursive"), [forecasters.wave()]),
    "shops": (series(**forecasters.ROLES, early_stopping=True, patience=30), [forecasters.shop()]),
    "labels of strings": (sequences(SequenceClassifier), [WORDS, KINDS]),
    "labels of numbers, NumPy": (sequences(SequenceClassifier, engine="numpy", averaging=0.5), [X_RAGGED, Y_RAGGED]),
    "one direction": (sequences(SequenceClassifier, bidirectional=False, pooling="mean"), [X_RAGGED, Y_RAGGED]),
    "weights": (sequences(SequenceClassifier), [WORDS, KINDS, np.arange(len(WORDS))]),
    "numbers": (sequences(SequenceRegressor, early_stopping=True, patience=30), [X_RAGGED, VALUES]),
    "tags": (sequences(SequenceTagger), [SENTENCES, TAGS]),
    "tags of characters": (sequences(SequenceTagger, characters=True), [SENTENCES, TAGS]),
    "a blow-up": (text(optimizer=spoiling(math.nan, at=[100], rate=0.2), learning_rate=0.3), [TEXT]),
    "two blow-ups": (text(optimizer=spoiling(-1e4, at=[90, 130], rate=0.1), learning_rate=0.3), [TEXT]),
    "two blow-ups, NumPy": (
        text(optimizer=spoiling(-1e4, at=[90, 130], rate=0.1), learning_rate=0.3, engine="numpy"),
        [TEXT],
    ),
    "a blow-up and early stopping": (
        text(optimizer=spoiling(math.nan, at=[70], rate=0.2), learning_rate=0.3, early_stopping=True, averaging=0.7),
        [TEXT],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_training_left_again_and_again_comes_to_the_same_bytes(case, tmp_path):
    """At the first step, beside a snapshot, before a validation, and at the last; softly and at once."""
    make, data = CASES[case]
    expected = whole(make, data, tmp_path / "whole")
    path = tmp_path / "left"
    left(make(), data, path, 1, softly=False)
    for at, softly in ((63, True), (64, False), (65, True), (72, False), (128, True), (144, False), (150, False)):
        left(make(), data, path, at, softly=softly, resume=path)
    go_on(make, data, path)
    assert path.read_bytes() == expected


@pytest.mark.parametrize("softly", [True, False])
@pytest.mark.parametrize("at", [1, 2, 63, 64, 65, 71, 72, 100, 119, 120, 127, 128, 149, 150])
def test_wherever_it_is_left(at, softly, tmp_path):
    make, data = CASES["two blow-ups"]
    path = left(make(), data, tmp_path / "left", at, softly=softly)
    go_on(make, data, path)
    assert path.read_bytes() == whole(make, data, tmp_path / "whole")


def test_before_the_first_step(tmp_path):
    """The file is there from the beginning; a blow-up goes back to a state that was never in memory."""

    class Never(Callback):
        def on_start(self, run):
            raise Left

    for name in ("characters", "a blow-up", "two blow-ups", "two blow-ups, NumPy", "direct", "tags"):
        make, data = CASES[name]
        path = tmp_path / name
        with pytest.raises(Left):
            make().set_params(callbacks=[ModelCheckpoint(path), Never()]).fit(*data)
        assert load(path).history_.loss == []
        go_on(make, data, path)
        assert path.read_bytes() == whole(make, data, tmp_path / "whole"), name


def test_a_huge_rate_blows_up_for_good_or_bad_alike(tmp_path):
    """Gradient descent that leaves the numbers again and again, until the rate is small enough."""
    make, data = text(cell="elman-relu", optimizer="sgd", learning_rate=1e3, clip_norm=None), [TEXT]
    reference = make().fit(*data)
    assert len(reference.history_.rollback_steps) >= 2
    reference.save(tmp_path / "whole")
    path = left(make(), data, tmp_path / "left", 3, softly=False)
    left(make(), data, path, 100, resume=path)
    go_on(make, data, path)
    assert path.read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_training_that_fails_fails_alike(tmp_path):
    make, data = text(optimizer=spoiling(math.nan, at=[70], rate=0.0)), [TEXT]
    ends = []
    path = left(make(), data, tmp_path / "left", 66)
    for resume in (None, path):
        model = make()
        with pytest.raises(NonFiniteLoss) as caught:
            model.fit(*data, resume=resume)
        model.save(tmp_path / "end")
        ends.append((str(caught.value), (tmp_path / "end").read_bytes()))
    assert ends[0] == ends[1]


def test_a_training_that_goes_on_from_a_model(tmp_path):
    """warm_start: only the file is needed to go on, not the model that it began with."""
    base = text(max_steps=20)().fit(TEXT)
    more = TEXT + "zounds! " * 20

    def warm():
        base.save(tmp_path / "base")
        return load(tmp_path / "base").set_params(warm_start=True, max_steps=100, verbose=0)

    expected = whole(warm, [more], tmp_path / "whole")
    path = left(warm(), [more], tmp_path / "left", 70)
    model = load(path).set_params(verbose=0).fit(more, resume=path)
    model.save(path)
    assert path.read_bytes() == expected


def test_early_stopping_that_stops_stops_alike(tmp_path):
    make, data = text(**BY_HEART), [SHORT]
    reference = make().fit(*data)
    reference.save(tmp_path / "whole")
    end = reference.training_.step
    assert end < 400
    path = left(make(), data, tmp_path / "left", end // 2)
    left(make(), data, path, end, softly=False, resume=path)  # before the validation that ends it
    again = go_on(make, data, path)
    assert again.training_.step == end
    assert path.read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_validation_that_is_no_number_after_the_last_step(tmp_path, monkeypatch):
    """Killed between the last step and its score, the training still goes back two snapshots, as it would have."""
    from throughtime import learner

    make, data = text(), [TEXT]
    honest = learner.mean_loss

    def spoiled():
        calls = iter([math.nan])
        return lambda network, streams: next(calls, honest(network, streams))

    class BeforeTheScore(Callback):
        def on_step(self, run):
            if run.step == 150 and not run.history.rollback_steps:
                monkeypatch.setattr(learner, "mean_loss", spoiled())

    model = make().set_params(callbacks=[BeforeTheScore()]).fit(*data)
    assert model.history_.rollback_steps == [150]
    model.save(tmp_path / "whole")
    path = left(make(), data, tmp_path / "left", 150, softly=False)
    monkeypatch.setattr(learner, "mean_loss", spoiled())
    go_on(make, data, path)
    assert path.read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_training_goes_on_with_its_engine_unless_another_one_is_named(tmp_path):
    make, data = CASES["characters, NumPy"]
    path = left(make(), data, tmp_path / "m", 70)
    copy = tmp_path / "copy"
    copy.write_bytes(path.read_bytes())
    assert go_on(text(), data, path).engine_ == "numpy"
    assert path.read_bytes() == whole(make, data, tmp_path / "whole")
    assert go_on(text(engine="compiled"), data, copy).engine_ == "compiled"
    assert copy.read_bytes() != path.read_bytes()


def test_a_budget_in_minutes_is_steps_in_the_file(tmp_path):
    make, data = text(max_steps=None, minutes=0.01), [TEXT]
    path = left(make(), data, tmp_path / "left", 1)
    planned = state_of(path)["plan"]["max_steps"]
    assert planned > 1
    copy = tmp_path / "copy"
    copy.write_bytes(path.read_bytes())
    first, second = go_on(make, data, path), go_on(make, data, copy)
    assert first.training_.step == second.training_.step == planned  # whatever the clock says
    assert path.read_bytes() == copy.read_bytes()


# ---------------------------------------------------------------------- a file in the midst of a training


def state_of(path):
    with safe_open(path, "numpy") as file:
        return json.loads(file.metadata()["throughtime"])["training"]


def test_an_unfinished_file_is_a_model(tmp_path):
    path = left(text()(), [TEXT], tmp_path / "left", 70)
    model = load(path)
    assert len(model.history_.loss) == 70
    assert len(model.generate(30, random_state=1)) == 30
    assert model.evaluate(TEXT).loss < math.log(len(model.vocabulary_))
    forecast = left(series()(), [forecasters.wave()], tmp_path / "series", 70)
    assert np.isfinite(load(forecast).predict(forecasters.wave())).all()
    labels = left(sequences(SequenceClassifier)(), [WORDS, KINDS], tmp_path / "labels", 70)
    assert set(load(labels).predict(WORDS)) <= set(KINDS)


def test_a_finished_file_has_no_snapshots_and_goes_on_to_itself(tmp_path):
    make, data = CASES["early stopping"]
    expected = whole(make, data, tmp_path / "m")
    assert state_of(tmp_path / "m")["past"] == []
    model = go_on(make, data, tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == expected
    assert model.training_.step == 150


def test_what_it_says(tmp_path, capsys):
    path = left(text()(), [TEXT], tmp_path / "m", 70)
    go_on(text(verbose=1), [TEXT], path)
    assert f"going on from {path}, after 70 steps of 150\n" in capsys.readouterr().err
    go_on(text(verbose=1), [TEXT], path)
    assert (
        f"{path} is at its end, after 150 steps; more_epochs (--more-epochs) would go on\n" in capsys.readouterr().err
    )


def test_whether_a_training_is_unfinished(tmp_path):
    import pickle

    path = left(text()(), [TEXT], tmp_path / "m", 70)
    model = load(path).set_params(verbose=0)
    assert model.unfinished_
    assert pickle.loads(pickle.dumps(model)).unfinished_
    model.save(tmp_path / "slim", slim=True)
    assert not load(tmp_path / "slim").unfinished_  # as far as is known
    model.fit(TEXT, resume=path)
    assert not model.unfinished_
    assert not pickle.loads(pickle.dumps(model)).unfinished_
    model.save(path)
    assert not load(path).unfinished_
    stopped = text(**BY_HEART)().fit(SHORT)
    stopped.save(path)
    assert stopped.training_.step < 400
    assert not load(path).unfinished_


def test_slim_leaves_the_state_of_the_training_out(tmp_path):
    model = text()().fit(TEXT)
    model.save(tmp_path / "full")
    model.save(tmp_path / "slim", slim=True)
    assert (tmp_path / "slim").stat().st_size < 0.6 * (tmp_path / "full").stat().st_size
    full, slim = load(tmp_path / "full"), load(tmp_path / "slim")
    assert full.generate(50, random_state=1) == slim.generate(50, random_state=1)
    assert full.history_ == slim.history_
    load(tmp_path / "full").save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "full").read_bytes()
    full.save(tmp_path / "again", slim=True)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "slim").read_bytes()


def test_a_model_that_learns_anew_forgets_the_training_of_its_file(tmp_path):
    import pickle

    path = left(text()(), [TEXT], tmp_path / "m", 70)
    model = load(path).set_params(verbose=0, max_steps=10, hidden_size=4).fit(TEXT)
    pickle.loads(pickle.dumps(model)).save(tmp_path / "other")
    with pytest.raises(ModelFileError, match="does not hold where its training stood"):
        load(tmp_path / "other").set_params(verbose=0).fit(TEXT, resume=tmp_path / "other")


# ---------------------------------------------------------------------- what is refused


def refused(error, message, make, data, path, **options):
    model = make()
    with pytest.raises(error, match=rf"^{message}$"):
        model.fit(*data, resume=Resume(path, **options))
    assert not hasattr(model, "network_")


@pytest.mark.parametrize(
    ("case", "other"),
    [
        ("characters", [TEXT + "."]),
        ("characters", [[TEXT, TEXT]]),
        ("words", [TEXT + "."]),
        ("lines", [LINES + "\nivan"]),
        ("direct", [forecasters.wave(121)]),
        ("shops", [forecasters.shop(61)]),
        ("labels of strings", [WORDS, [*KINDS[:-1], "low"]]),
        ("labels of strings", [[*WORDS[:-1], "d"], KINDS]),
        ("weights", [WORDS, KINDS, np.ones(len(WORDS))]),
        ("numbers", [X_RAGGED, [v + 1 for v in VALUES]]),
        ("tags", [SENTENCES[:-1], TAGS[:-1]]),
    ],
)
def test_other_data(case, other, tmp_path):
    make, data = CASES[case]
    path = left(make(), data, tmp_path / "m", 1)
    one = "[0-9a-f]{32}"
    message = (
        rf"these are not the data that '{path}' was trained on: their fingerprint is ({one}), and theirs was "
        rf"({state_of(path)['data']}); give the same data, or say that new ones are meant "
        r"\(new_data=True, --new-data\)"
    )
    model = make()
    with pytest.raises(DataError, match=rf"^{message}$") as caught:
        model.fit(*other, resume=path)
    mine, theirs = re.fullmatch(message, str(caught.value)).groups()
    assert mine != theirs


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"hidden_size": 7}, "hidden_size is 7 here and 6"),
        ({"cell": "gru"}, "cell is 'gru' here and 'lstm'"),
        ({"max_steps": 151}, "max_steps is 151 here and 150"),
        ({"learning_rate": 0.1}, "learning_rate is 0.1 here and 0.02"),
        ({"optimizer": "sgd"}, "optimizer is 'sgd' here and 'adam'"),
        ({"schedule": Plateau()}, r"schedule is \{'name': 'plateau', 'patience': 2, 'g\.\.\. here and 'cosine'"),
        ({"validation": 0.2}, "validation is 0.2 here and 0.1"),
        ({"dtype": "float64"}, "dtype is 'float64' here and 'float32'"),
        ({"random_state": 2}, "random_state is 2 here and 1"),
        ({"level": "byte"}, "level is 'byte' here and 'char'"),
    ],
)
def test_another_parameter(changes, told, tmp_path):
    path = left(text()(), [TEXT], tmp_path / "m", 1)
    said = (
        rf"{told} in '{path}'; a training goes on with the parameters that it had: throughtime\.load\('{path}'\)\."
        rf"fit\(\.\.\., resume='{path}'\)"
    )
    refused(ParameterError, said, text(**changes), [TEXT], path)


def test_the_parameter_of_another_kind_of_model(tmp_path):
    make, data = CASES["direct"]
    path = left(make(), data, tmp_path / "m", 1)
    refused(ParameterError, "horizon is 4 here and 3 in .*", lambda: make().set_params(horizon=4), data, path)
    refused(ParameterError, rf"'{path}' holds a model of another kind than this TextGenerator", text(), [TEXT], path)


def test_a_seed_that_is_left_open_is_that_of_the_file(tmp_path):
    path = left(text()(), [TEXT], tmp_path / "m", 1)
    assert text(random_state=None)().fit(TEXT, resume=path).seed_ == 1


def test_a_slim_file(tmp_path):
    path = tmp_path / "m"
    text(max_steps=2)().fit(TEXT).save(path, slim=True)
    said = (
        rf"'{path}' does not hold where its training stood \(slim=True leaves it out\); learn anew, or go on with its "
        "weights, where there is warm_start"
    )
    refused(ModelFileError, said, text(max_steps=2), [TEXT], path)


def rewritten(path, change, tensors=lambda found: found):
    """The file with other metadata and tensors."""
    found, metadata = files.load(path)
    change(metadata)
    path.write_bytes(of_tensors(tensors(found), metadata))


def test_a_file_of_the_first_format(tmp_path):
    path = tmp_path / "m"
    text(max_steps=2)().fit(TEXT).save(path, slim=True)
    rewritten(path, lambda metadata: metadata.update(format=1))
    refused(ModelFileError, rf"'{path}' does not hold where its training stood .*", text(max_steps=2), [TEXT], path)


def test_no_file_and_a_damaged_one(tmp_path):
    path = tmp_path / "m"
    refused(ModelFileError, f"there is no model file '{path}'; name one that .* wrote", text(), [TEXT], path)
    path.write_bytes(b"to be")
    refused(ModelFileError, f"'{path}' is no model file; .*", text(), [TEXT], path)
    left(text()(), [TEXT], path, 1)
    path.write_bytes(path.read_bytes()[:-100])
    refused(ModelFileError, f"'{path}' is damaged or incomplete: .*", text(), [TEXT], path)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda training: training["now"].update(step=3),
        lambda training: training["now"].update(validations=5),
        lambda training: training["plan"].update(halved_from=1),
    ],
)
def test_a_state_of_another_history(spoil, tmp_path):
    path = left(text()(), [TEXT], tmp_path / "m", 2)
    rewritten(path, lambda metadata: spoil(metadata["training"]))
    with pytest.raises(ModelFileError, match=misfit(path)):
        text()().fit(TEXT, resume=path)


def misfit(path):
    """What is said of a state that belongs to another training."""
    return (
        rf"^'{path}': the state of its training does not fit the network, the optimizer or the history of the model; "
        "get another copy of it, or train the model anew$"
    )


@pytest.mark.parametrize("name", ["training.now.slots0.output.V", "training.past0.weights.output.V"])
@pytest.mark.parametrize("change", [lambda w: w[:, :-1].copy(), lambda w: w.astype(np.float64)])
def test_a_state_of_another_network(name, change, tmp_path):
    path = left(text()(), [TEXT], tmp_path / "m", 2)
    rewritten(path, lambda metadata: None, lambda found: found | {name: change(found[name])})
    with pytest.raises(ModelFileError, match=misfit(path)):
        text()().fit(TEXT, resume=path)


def test_a_state_of_other_rows(tmp_path):
    path = left(text()(), [TEXT], tmp_path / "m", 2)
    names = {"training.now.state0.recurrent.0", "training.now.state1.recurrent.0"}
    rewritten(
        path,
        lambda metadata: None,
        lambda found: {name: w[:-1].copy() if name in names else w for name, w in found.items()},
    )
    with pytest.raises(ModelFileError, match=misfit(path)):
        text()().fit(TEXT, resume=path)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda training: training["plan"].update(max_steps=0), "its training makes no sense"),
        (lambda training: training["plan"].update(seed=2), "seed is 2 in its training, and 1 in its parameters"),
        (lambda training: training["plan"].pop("seed"), "it does not tell the plan of its training"),
        (lambda training: training.pop("data"), "KeyError: 'data'"),
        (lambda training: training["past"].pop(), "its training has parts called 'past0'"),
    ],
)
def test_a_state_that_is_damaged(spoil, told, tmp_path):
    path = left(text()(), [TEXT], tmp_path / "m", 2)
    rewritten(path, lambda metadata: spoil(metadata["training"]))
    said = f"'{path}': the model file is damaged: {told}; get another copy of it, or train the model anew"
    refused(ModelFileError, re.escape(said), text(), [TEXT], path)


def test_another_cell_of_the_same_name(tmp_path):
    make, data = CASES["a cell of one's own"]
    path = left(make(), data, tmp_path / "m", 1)
    assert make().fit(*data, resume=path).history_.loss == make().fit(*data).history_.loss

    def step(a, u, state, p):
        (h,) = state
        h_new = tanh(a[0])
        return (0.25 * h + 0.75 * h_new,), (h_new,)

    other = Cell("half", gates=("hidden",), states=("h",), step=step, step_back=own_step_back)
    with pytest.raises(Exception, match="half"):
        text(cell=other)().fit(*data, resume=path)


# ---------------------------------------------------------------------- what is asked for beside


def test_more_epochs_of_a_finished_training(tmp_path):
    path = tmp_path / "m"
    before = text(schedule="constant")().fit(TEXT)
    before.save(path)
    per_epoch = -(-756 // (8 * 16))
    after = go_on(text(schedule="constant"), [TEXT], path, more_epochs=2)
    assert after.training_.step == len(after.history_.loss) == 150 + 2 * per_epoch
    assert after.history_.loss[:150] == before.history_.loss
    longer = text(schedule="constant", max_steps=150 + 2 * per_epoch)().fit(TEXT)
    assert after.history_.loss == longer.history_.loss  # the very steps that a longer plan has
    half = go_on(text(schedule="constant"), [TEXT], path, more_epochs=0.5)
    assert half.training_.step == 150 + 2 * per_epoch + round(0.5 * per_epoch)


def test_more_epochs_of_an_unfinished_training(tmp_path):
    path = left(text()(), [TEXT], tmp_path / "m", 70)
    assert go_on(text(), [TEXT], path, more_epochs=1).training_.step == 150 + 6


def test_more_epochs_forget_the_mean_that_was_begun(tmp_path):
    """The mean of the last weights is that of the longer plan."""
    make = text(averaging=0.5, schedule="constant", validation=0.0)
    path = left(make(), [TEXT], tmp_path / "m", 120)
    found = go_on(make, [TEXT], path, more_epochs=50)
    steps = found.training_.step
    longer = text(averaging=0.5, schedule="constant", validation=0.0, max_steps=steps)().fit(TEXT)
    assert steps > 400
    for name, w in found.network_.parameters.items():
        assert np.array_equal(w, longer.network_.parameters[name])


def test_more_epochs_begin_the_patience_anew_and_keep_the_best_of_all(tmp_path):
    make = text(**BY_HEART)
    path = tmp_path / "m"
    before = make().fit(SHORT)
    before.save(path)
    done, best = before.training_.step, before.validation_loss_
    assert before.training_.stopped == "the validation loss has not improved 2 times"
    after = go_on(make, [SHORT], path, more_epochs=300, learning_rate=1e-9)
    assert after.training_.step > done
    assert len(after.history_.validation_loss) >= len(before.history_.validation_loss) + 2
    assert after.validation_loss_ == min(after.history_.validation_loss) <= best
    assert after.evaluate(SHORT).loss == pytest.approx(before.evaluate(SHORT).loss, rel=1e-6)


def test_another_learning_rate(tmp_path):
    make = text(schedule="constant")
    path = left(make(), [TEXT], tmp_path / "m", 70)
    found = go_on(make, [TEXT], path, learning_rate=0.005)
    assert found.history_.learning_rate == [0.02] * 70 + [0.005] * 80


def test_another_learning_rate_is_not_halved_for_what_was_before(tmp_path):
    rule = spoiling(math.nan, at=[70], rate=0.2)
    make = text(schedule="constant", optimizer=rule, learning_rate=0.3, validation=0.0)
    path = left(make(), [TEXT], tmp_path / "m", 100)
    found = go_on(make, [TEXT], path, learning_rate=0.01)
    assert found.history_.rollback_steps == [70]
    assert found.history_.learning_rate[-50:] == [0.01] * 50
    assert found.history_.learning_rate[0:100] == [0.15] * 100


def test_a_training_that_failed_may_go_on_with_a_smaller_rate(tmp_path):
    rule = spoiling(math.nan, at=[70], rate=1e-5)
    make = text(schedule="constant", optimizer=rule, learning_rate=0.3)
    model = make()
    with pytest.raises(NonFiniteLoss):
        model.fit(TEXT)
    model.save(tmp_path / "m")
    assert len(model.history_.rollback_steps) == 10
    found = go_on(make, [TEXT], tmp_path / "m", learning_rate=1e-6, more_epochs=20)
    assert found.history_.learning_rate == [1e-6] * 120
    assert len(found.history_.rollback_steps) == 10


def test_new_text_keeps_the_vocabulary(tmp_path):
    path = left(text()(), [TEXT], tmp_path / "m", 70)
    other = "that is not the question, that is not to be. " * 25
    found = go_on(text(), [other], path, new_data=True)
    assert found.training_.step == 150
    assert found.classes_ == text(max_steps=1)().fit(TEXT).classes_
    assert found.history_.validation_steps[0] > 70  # those of the first text are no measure of this one
    assert go_on(text(), [other], path).training_.step == 150  # from now on these are its data


def test_new_text_with_a_symbol_that_is_not_known(tmp_path):
    path = left(text()(), [TEXT], tmp_path / "m", 1)
    with pytest.raises(UnknownSymbol, match="'z'"):
        text()().fit(TEXT + "z", resume=Resume(path, new_data=True))


def test_new_data_that_are_the_old_ones_change_nothing(tmp_path):
    for case in ("characters", "early stopping", "two blow-ups"):
        make, data = CASES[case]
        path = left(make(), data, tmp_path / "m", 100)
        go_on(make, data, path, new_data=True)
        assert path.read_bytes() == whole(make, data, tmp_path / "whole")


@pytest.mark.parametrize("case", ["characters", "characters, NumPy", "two blow-ups", "averaging and early stopping"])
def test_new_text_of_another_size(case, tmp_path):
    """Fewer rows are read side by side than before, and more: also after a blow-up."""
    make, data = CASES[case]
    path = left(make(), data, tmp_path / "m", 85)
    for other in ("to be or not to be. " * 4, TEXT * 3):
        found = make().fit(other, resume=Resume(path, new_data=True))
        assert found.training_.step == 150
        assert found.batch_size_ == min(8, found.batch_size_)
        if found.early_stopping:
            assert found.validation_loss_ == min(found.history_.validation_loss)


def test_new_series(tmp_path):
    make, data = CASES["shops"]
    path = left(make(), data, tmp_path / "m", 70)
    table = forecasters.shop(70, more=3)
    found = go_on(make, [table], path, new_data=True)
    assert found.training_.step <= 150
    assert len(found.predict()["sales"]) == 6
    renamed = {("turnover" if name == "sales" else name): column for name, column in table.items()}
    model = make().set_params(target=None, past=None, future=None, static=None)
    with pytest.raises(ParameterError, match="target is None here"):
        model.fit(renamed, resume=Resume(path, new_data=True))


def test_new_series_of_another_frequency(tmp_path):
    make = series(time="day", target="a")
    path = left(make(), [{"day": forecasters.days(120), "a": forecasters.wave()}], tmp_path / "m", 1)
    hours = np.datetime64("2024-01-01T00") + np.arange(120)
    with pytest.raises(DataError, match=r"^the steps are of h, and those of the model are of D$"):
        make().fit({"day": hours, "a": forecasters.wave()}, resume=Resume(path, new_data=True))


def test_new_columns(tmp_path):
    make = series(time="day")
    table = {"day": forecasters.days(120), "a": forecasters.wave(), "b": forecasters.wave(seed=1)}
    path = left(make(), [table], tmp_path / "m", 1)
    swapped = {name: table[name] for name in ("day", "b", "a")}
    said = f"the columns must be those of '{path}', and in their order"
    with pytest.raises(DataError, match=rf"^{said}$"):
        make().fit(swapped, resume=Resume(path, new_data=True))


def test_new_labels(tmp_path):
    make, data = CASES["labels of strings"]
    path = left(make(), data, tmp_path / "m", 70)
    swapped = ["high" if kind == "low" else "low" for kind in KINDS[:11]]
    fewer = go_on(make, [WORDS[:11], swapped], path, new_data=True)
    assert fewer.training_.step == 150
    assert fewer.history_.rollback_steps == []  # being sure of what is wrong now is no blow-up
    assert fewer.history_.loss[70] > 2 * math.log(2)
    assert fewer.baseline_ == sequences(SequenceClassifier, max_steps=1)().fit(WORDS[:11], swapped).baseline_
    with pytest.raises(DataError, match=r"^y has labels that were not learned before, such as 'none'; learn a new mod"):
        make().fit(WORDS, [*KINDS[:-1], "none"], resume=Resume(path, new_data=True))


def test_new_tags(tmp_path):
    make, data = CASES["tags"]
    path = left(make(), data, tmp_path / "m", 70)
    people = [["B-PER" if tag == "B-LOC" else tag for tag in row] for row in TAGS[:8]]
    found = go_on(make, [SENTENCES[:8], people], path, new_data=True)
    assert found.training_.step == 150
    anew = sequences(SequenceTagger, max_steps=1)().fit(SENTENCES[:8], people)
    assert (found.baseline_.guess, found.baseline_.score) == (anew.baseline_.guess, anew.baseline_.score)
    frequent = found.fitted_.frequent
    assert found.classes_[frequent.others.get("Rome", frequent.otherwise)] == "B-PER"
    assert load(path).fitted_.frequent == found.fitted_.frequent
    other = [["B-ORG" if tag == "B-LOC" else tag for tag in row] for row in TAGS]
    with pytest.raises(DataError, match=r"not learned before, such as 'B-ORG'; learn a new model$"):
        make().fit(SENTENCES, other, resume=Resume(path, new_data=True))


def test_new_numbers(tmp_path):
    make, data = CASES["numbers"]
    path = left(make(), data, tmp_path / "m", 70)
    found = go_on(make, [X_RAGGED[:30], VALUES[:30]], path, new_data=True)
    assert found.validation_loss_ == min(found.history_.validation_loss)
    assert found.predict(X_RAGGED).shape == (40,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": 5}, "resume must be the path of a model file, got 5"),
        ({"more_epochs": -1}, "more_epochs must be a number of at least 0, got -1"),
        ({"more_epochs": math.inf}, "more_epochs must be a number of at least 0, got inf"),
        ({"more_epochs": math.nan}, "more_epochs must be a number of at least 0, got nan"),
        ({"more_epochs": "2"}, "more_epochs must be a number of at least 0, got '2'"),
        ({"more_epochs": 1j}, "more_epochs must be a number of at least 0, got 1j"),
        ({"more_epochs": True}, "more_epochs must be a number of at least 0, got True"),
        ({"learning_rate": 0}, "learning_rate must be a number above 0, got 0"),
        ({"learning_rate": math.inf}, "learning_rate must be a number above 0, got inf"),
        ({"learning_rate": "fast"}, "learning_rate must be a number above 0, got 'fast'"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(ParameterError, match=rf"^{re.escape(message)}$"):
        Resume(**{"path": "m"} | options)


@pytest.mark.parametrize("number", [np.int64(2), np.float32(2), 2, 2.0])
def test_numbers_of_numpy_are_numbers(number, tmp_path):
    path = left(text()(), [TEXT], tmp_path / "m", 140)
    found = go_on(text(), [TEXT], path, more_epochs=number)
    assert found.training_.step == 150 + 12


def test_a_plain_path_is_enough(tmp_path):
    path = left(text()(), [TEXT], tmp_path / "m", 140)
    for resume in (path, str(path), Resume(path), replace(Resume("other"), path=path)):
        assert text()().fit(TEXT, resume=resume).training_.step == 150


def test_a_forecaster_is_an_estimator_of_its_kind_only(tmp_path):
    """A file of another estimator is told by name, whichever it is."""
    path = left(sequences(SequenceTagger)(), [SENTENCES, TAGS], tmp_path / "m", 1)
    with pytest.raises(ParameterError, match=r"holds a model of another kind than this Forecaster$"):
        Forecaster(3, verbose=0).fit(forecasters.wave(), resume=path)
