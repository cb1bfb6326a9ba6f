"""A training in a file: there and back, what is not believed, and when it is saved."""

import copy
import json
import math
import pickle
import re
import stat
import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest
from sklearn.base import clone
from tests.trained import TEXT, small
from tests.training.test_loop import spoiling
from tests.training.test_snapshot import NETWORK, N, network, snapshot

from throughtime import Forecaster, SequenceClassifier, disk, files
from throughtime.errors import ModelFileError, OutputError, ParameterError
from throughtime.optimizers import Optimizer
from throughtime.optimizers.schedules import Constant
from throughtime.training import Callback, Checkpoint, History, ModelCheckpoint, Plan, Resume, Training
from throughtime.training.checkpoint import interval

PLAN = Plan(100, 0.5, Constant(), seed=1, validate_every=20, patience=3, averaging=0.25)
DATA = "0123456789abcdef" * 2
DECIDED = {"schedule": Constant(), "seed": 1, "bptt_truncate": None, "averaging": 0.25, "patience": 3}
"""By the parameters of the model."""
CHECKPOINT = Checkpoint(PLAN, DATA, "numpy", snapshot(), (snapshot(step=0, best={}), snapshot(step=64)))


def there_and_back(checkpoint, change=lambda metadata, tensors: None):
    tensors, metadata = checkpoint.to_file()
    metadata = json.loads(json.dumps(metadata))
    change(metadata, tensors)
    return Checkpoint.from_file(tensors, metadata, checkpoint.now.weights, DECIDED)


def arrays(checkpoint):
    """All arrays as lists, snapshot by snapshot."""
    return [
        {name: value.tolist() for name, value in part.to_arrays().items()}
        for part in (checkpoint.now, *checkpoint.snapshots)
    ]


# ---------------------------------------------------------------------- in a file


@pytest.mark.parametrize("stopped", [None, "enough"])
def test_to_a_file_and_back(stopped):
    whole = replace(CHECKPOINT, stopped=stopped)
    again = there_and_back(whole)
    assert (again.plan, again.data, again.stopped) == (PLAN, DATA, stopped)
    assert [part.counts for part in again.snapshots] == [part.counts for part in whole.snapshots]
    assert arrays(again) == arrays(whole)


def test_the_weights_of_now_are_those_of_the_model():
    """They stand in the file once."""
    tensors, _ = CHECKPOINT.to_file()
    assert not any(name.startswith("training.now.weights") for name in tensors)
    assert sum(name.startswith("training.past1.weights") for name in tensors) == len(NETWORK.parameters)


def test_no_clock_and_no_path_is_in_it():
    _, metadata = replace(CHECKPOINT, plan=replace(PLAN, guard=60.0)).to_file()
    assert metadata.keys() == {"plan", "data", "engine", "now", "past", "stopped"}
    assert "guard" not in metadata["plan"]


@pytest.mark.parametrize(
    ("step", "stopped", "finished"), [(70, None, False), (70, "enough", True), (100, None, True), (101, None, True)]
)
def test_when_a_training_is_over(step, stopped, finished):
    assert replace(CHECKPOINT, now=snapshot(step=step), stopped=stopped).finished == finished


PLAN_VALUES = {
    "max_steps": [None, 0, -1, 1.5, "9", True, 2**63],
    "validate_every": [0, -1, "9", 2.5],
    "learning_rate": [None, 0, 1, -1.0, "9", True, math.inf, math.nan],
    "patient_from": [None, -1, "1", 0.5, 3],
    "judged_from": [None, -1, "1", 0.5, 71],
    "halved_from": [None, -1, "1", 0.5],
}
"""There were 2 validations and 70 steps."""


def values_of(fields):
    return [(name, value) for name, values in fields.items() for value in values]


@pytest.mark.parametrize(("name", "value"), values_of(PLAN_VALUES))
def test_a_plan_that_is_none(name, value):
    with pytest.raises(ModelFileError, match=r"^the model file is damaged: its training makes no sense$"):
        there_and_back(CHECKPOINT, lambda metadata, tensors: metadata["plan"].update({name: value}))


OTHERWISE = {
    "seed": [None, -1, 2, "1"],
    "bptt_truncate": [0, 4, "9"],
    "patience": [None, 0, 4, "3"],
    "averaging": [None, 0.5, "0.25", math.nan],
}


@pytest.mark.parametrize(("name", "value"), values_of(OTHERWISE))
def test_a_plan_that_is_not_that_of_the_parameters(name, value):
    told = f"the model file is damaged: {name} is {value!r} in its training, and {DECIDED[name]!r} in its parameters"
    with pytest.raises(ModelFileError, match=rf"^{re.escape(told)}$"):
        there_and_back(CHECKPOINT, lambda metadata, tensors: metadata["plan"].update({name: value}))


@pytest.mark.parametrize("name", [field.name for field in fields(Plan) if field.name not in ("schedule", "guard")])
def test_a_plan_of_which_something_is_missing(name):
    with pytest.raises(ModelFileError, match=r"^the model file is damaged: it does not tell the plan of its training$"):
        there_and_back(CHECKPOINT, lambda metadata, tensors: metadata["plan"].pop(name))


NO_FIELDS = {
    "plan": [None, 5, [], "plan", {}, {"more": 1}],
    "data": [None, 5, "", "0" * 31, "0" * 33, "g" * 32],
    "engine": [None, 5, []],
    "stopped": [5, [], {}, False, "x" * 300, "two\nlines"],
    "now": [None, 5, [], {}, {"step": 1}],
    "past": [None, 5, "two", {}, [], [{}], [None, None], [{}, {}, {}]],
}


@pytest.mark.parametrize(("name", "value"), values_of(NO_FIELDS))
def test_a_field_that_is_none(name, value):
    with pytest.raises(ModelFileError, match=r"^the model file is damaged: "):
        there_and_back(CHECKPOINT, lambda metadata, tensors: metadata.update({name: value}))


@pytest.mark.parametrize("name", NO_FIELDS)
def test_a_field_that_is_missing(name):
    with pytest.raises(ModelFileError, match=rf"^the model file is damaged: KeyError: '{name}'$"):
        there_and_back(CHECKPOINT, lambda metadata, tensors: metadata.pop(name))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("training.past2.weights.output.V", r"its training has parts called 'past2'"),
        ("training.other.x", r"its training has parts called 'other'"),
        ("training.now.other.x", "KeyError: 'other'"),
    ],
)
def test_tensors_of_nothing(name, told):
    with pytest.raises(ModelFileError, match=rf"^the model file is damaged: {told}$"):
        there_and_back(CHECKPOINT, lambda metadata, tensors: tensors.update({name: np.zeros(3)}))


@pytest.mark.parametrize("metadata", [None, 5, "text", [], {}])
def test_a_training_that_is_no_object(metadata):
    with pytest.raises(ModelFileError, match=r"^the model file is damaged: "):
        Checkpoint.from_file({}, metadata, {}, DECIDED)


# ---------------------------------------------------------------------- in a training


def fresh(rule="adam", *, steps=70, halved=0):
    """A training of the network with so many steps in its history."""
    history = History(3, [1.0] * steps, [0.5] * steps, [1.0] * steps, [20, 40], [1.0, 0.9])
    history.rollback_steps, history.rollback_to = [5] * halved, [0] * halved
    return Training(network(), Optimizer(rule), PLAN, history, data=DATA)


def test_into_a_training_and_out_of_it():
    training = fresh(halved=1)
    CHECKPOINT.put_into(training, N)
    assert (training.step, training.first_step, training.symbols) == (70, 70, 5000)
    again = Checkpoint.of(training)
    assert (again.plan, again.data, again.engine, again.stopped) == (PLAN, DATA, "numpy", None)
    assert arrays(again) == arrays(CHECKPOINT)


@pytest.mark.parametrize(
    ("checkpoint", "training", "rows"),
    [
        (CHECKPOINT, fresh("sgd"), N),
        (CHECKPOINT, fresh(steps=69), N),
        (CHECKPOINT, fresh(steps=71), N),
        (CHECKPOINT, fresh(), N + 1),
        (replace(CHECKPOINT, plan=replace(PLAN, halved_from=1)), fresh(), N),
        (replace(CHECKPOINT, now=snapshot(validations=3)), fresh(), N),
        (replace(CHECKPOINT, snapshots=(snapshot(step=71),)), fresh(), N),
        (replace(CHECKPOINT, snapshots=CHECKPOINT.snapshots[::-1]), fresh(), N),
    ],
    ids=["rule", "steps", "more steps", "rows", "blow-ups", "validations", "later snapshot", "order"],
)
def test_what_does_not_fit_a_training(checkpoint, training, rows):
    said = "the state of its training does not fit the network, the optimizer or the history of the model"
    with pytest.raises(ModelFileError, match=rf"^{said}$"):
        checkpoint.put_into(training, rows)
    assert training.step == 0


# ---------------------------------------------------------------------- another plan


def test_nothing_more_is_the_same():
    assert CHECKPOINT.further(Resume("m"), 10, 2) == CHECKPOINT


@pytest.mark.parametrize(("epochs", "steps"), [(1, 10), (0.5, 5), (0.01, 1), (2.26, 23)])
def test_more_epochs(epochs, steps):
    """A training in its midst has its own steps, too; one that is over goes on from where it is."""
    found = CHECKPOINT.further(Resume("m", more_epochs=epochs), 10, 0)
    assert found.plan == replace(PLAN, max_steps=100 + steps, patient_from=2)
    assert found.snapshots == ()
    stopped = replace(CHECKPOINT, stopped="enough", snapshots=())
    found = stopped.further(Resume("m", more_epochs=epochs), 10, 0)
    assert found.plan.max_steps == 70 + steps
    assert found.stopped is None
    assert not found.finished


def test_more_epochs_begin_the_mean_of_the_weights_anew():
    found = CHECKPOINT.further(Resume("m", more_epochs=1), 10, 0)
    assert (found.now.total, found.now.averaged) == ({}, 0)


def test_more_epochs_of_an_unfinished_training_keep_its_best():
    assert CHECKPOINT.further(Resume("m", more_epochs=1), 10, 0).now.best is CHECKPOINT.now.best


def test_more_epochs_of_a_finished_training_have_its_weights_as_the_best():
    done = replace(CHECKPOINT, now=snapshot(step=100, best={}), snapshots=())
    assert done.further(Resume("m", more_epochs=1), 10, 0).now.best is done.now.weights
    without = replace(done, plan=replace(PLAN, patience=None))
    assert without.further(Resume("m", more_epochs=1), 10, 0).now.best == {}


def test_another_learning_rate():
    found = CHECKPOINT.further(Resume("m", learning_rate=1), 10, 3)
    assert found == replace(CHECKPOINT, plan=replace(PLAN, learning_rate=1.0, halved_from=3))


def test_other_data():
    """Nothing that was measured with those before is compared with what these come to."""
    found = replace(CHECKPOINT, plan=replace(PLAN, patient_from=2)).elsewhere()
    assert found.plan == replace(PLAN, judged_from=70)
    assert found.now == replace(CHECKPOINT.now, state={}, best={}, validations=0)
    assert found.snapshots == ()


# ---------------------------------------------------------------------- how often


@pytest.mark.parametrize(
    ("every", "expected"), [(500, (500, 0.0)), ("500", (500, 0.0)), ("30s", (None, 30.0)), ("1s", (None, 1.0))]
)
def test_an_interval(every, expected):
    assert interval(every) == expected


@pytest.mark.parametrize(
    "every", [0, -1, 1.5, True, None, "", "s", "0s", "-3s", "3 s", "3m", "1.5s", "9999999999", "\u0663"]
)
def test_no_interval(every):
    said = f"every must be a number of steps, such as 500, or of seconds, such as '30s', got {every!r}"
    with pytest.raises(ParameterError, match=rf"^{re.escape(said)}$"):
        ModelCheckpoint("m", every)


def test_what_is_done_on_an_error_is_one_of_two():
    with pytest.raises(ParameterError, match=r"^on_error must be 'go-on' or 'stop', got 'ignore'$"):
        ModelCheckpoint("m", on_error="ignore")


class Watch(Callback):
    """Notes what the file holds after each step."""

    def __init__(self, path):
        self.path, self.seen = path, []

    def on_start(self, run):
        self.seen.append(steps_in(self.path))

    def on_step(self, run):
        self.seen.append(steps_in(self.path))


def steps_in(path):
    return len(files.load(path)[0]["history.loss"])


def watched(path, **options):
    watch = Watch(path)
    small(max_steps=7, engine="numpy", callbacks=[ModelCheckpoint(path, **options), watch]).fit(TEXT)
    return watch.seen


def test_it_saves_every_few_steps(tmp_path):
    assert watched(tmp_path / "m", every=3) == [0, 0, 0, 3, 3, 3, 6, 6]
    assert steps_in(tmp_path / "m") == 7
    assert watched(tmp_path / "n", every=1) == [0, 1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(("every", "seen"), [(3, [2, 2, 2, 3, 3, 3, 6, 6]), ("60s", [2] * 8)])
def test_an_earlier_model_stays_until_there_is_something_to_lose(every, seen, tmp_path):
    small(max_steps=2).fit(TEXT).save(tmp_path / "m")
    assert watched(tmp_path / "m", every=every) == seen
    assert steps_in(tmp_path / "m") == 7


def test_it_saves_every_few_seconds(tmp_path, monkeypatch):
    """A clock that shows one second more each time, asked once when it saves and once after each step."""
    seconds = iter(range(1000))
    monkeypatch.setattr("throughtime.training.checkpoint.time.monotonic", lambda: next(seconds))
    assert watched(tmp_path / "m", every="3s") == [0, 0, 0, 3, 3, 3, 6, 6]


def test_it_saves_after_a_blow_up_that_goes_back(tmp_path):
    """What is in the file is never ahead of the training for long."""
    watch = Watch(tmp_path / "m")
    rule = spoiling(math.nan, at=[5], rate=0.02)
    callbacks = [ModelCheckpoint(tmp_path / "m", every=4), watch]
    small(max_steps=7, engine="numpy", optimizer=rule, schedule="constant", callbacks=callbacks).fit(TEXT)
    assert watch.seen == [0, 0, 0, 0, 4, 1, 1, 1, 1, 5, 5, 5]


def test_the_file_at_the_end_is_that_of_save(tmp_path):
    model = small(callbacks=[ModelCheckpoint(tmp_path / "m", every="1s")]).fit(TEXT)
    model.save(tmp_path / "again")
    assert (tmp_path / "m").read_bytes() == (tmp_path / "again").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "m"]


def test_notes(tmp_path):
    class Read(Callback):
        def on_step(self, run):
            found.append(files.load(tmp_path / "m")[1]["notes"])

    found = []
    checkpoint = ModelCheckpoint(tmp_path / "m", 1, notes={"by": "me"}, meanwhile={"data": ["book.txt"]})
    small(max_steps=1, callbacks=[checkpoint, Read()]).fit(TEXT)
    assert found == [{"by": "me", "data": ["book.txt"]}]
    assert files.load(tmp_path / "m")[1]["notes"] == {"by": "me"}


# ---------------------------------------------------------------------- where it cannot be written


class Full:
    """A disk that is full at these writings."""

    def __init__(self, monkeypatch, at):
        self.at, self.writings, self.fsync = at, 0, files.os.fsync
        monkeypatch.setattr(files.os, "fsync", self)

    def __call__(self, number):
        if not stat.S_ISDIR(files.os.fstat(number).st_mode):  # a folder has been flushed, then
            self.writings += 1
        if self.writings in self.at:
            raise OSError(28, "No space left on device")
        self.fsync(number)


def test_a_full_disk_in_between_is_told_and_the_training_goes_on(tmp_path, monkeypatch, capsys):
    Full(monkeypatch, at=[3, 4])
    watch = Watch(tmp_path / "m")
    small(max_steps=5, engine="numpy", callbacks=[ModelCheckpoint(tmp_path / "m", 1), watch]).fit(TEXT)
    assert watch.seen == [0, 1, 1, 1, 4, 5]
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    told = (
        rf"'{tmp_path / 'm'}' could not be written \([\d,]+ bytes\): No space left on device; the file that was there "
        "is whole, and the training goes on"
    )
    assert all(re.fullmatch(told, line) for line in said)
    assert steps_in(tmp_path / "m") == 5
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_full_disk_in_between_ends_the_training_where_that_is_asked_for(tmp_path, monkeypatch):
    Full(monkeypatch, at=[3])
    model = small(max_steps=5, callbacks=[ModelCheckpoint(tmp_path / "m", 1, on_error="stop")])
    with pytest.raises(OutputError, match=r"could not be written \([\d,]+ bytes\): No space left on device$"):
        model.fit(TEXT)
    assert steps_in(tmp_path / "m") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    monkeypatch.undo()
    again = small(max_steps=5).fit(TEXT, resume=tmp_path / "m")
    assert again.history_ == small(max_steps=5).fit(TEXT).history_


@pytest.mark.parametrize("on_error", ["go-on", "stop"])
def test_a_full_disk_at_the_beginning_is_told_before_long_work(on_error, tmp_path, monkeypatch):
    Full(monkeypatch, at=[1])
    checkpoint = ModelCheckpoint(tmp_path / "m", on_error=on_error)
    model = small(callbacks=[checkpoint])
    with pytest.raises(OutputError, match="No space left on device"):
        model.fit(TEXT)
    assert model.training_.step == 0
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_at_the_end(tmp_path, monkeypatch):
    """The model is there and may be saved elsewhere."""
    Full(monkeypatch, at=[2])
    model = small(callbacks=[ModelCheckpoint(tmp_path / "m")])
    with pytest.raises(OutputError, match="No space left on device"):
        model.fit(TEXT)
    assert steps_in(tmp_path / "m") == 0
    model.save(tmp_path / "elsewhere")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "m"]


# ---------------------------------------------------------------------- one training a file


def test_two_trainings_into_one_file(tmp_path):
    class Second(Callback):
        def on_step(self, run):
            with pytest.raises(OutputError, match=rf"^{re.escape(said)}$"):
                small(callbacks=[ModelCheckpoint(tmp_path / "m")]).fit(TEXT)
            tried.append(run.step)

    said = f"'{tmp_path / 'm'}' is being written by another training; wait for its end, or choose another name"
    tried = []
    small(max_steps=2, callbacks=[ModelCheckpoint(tmp_path / "m"), Second()]).fit(TEXT)
    assert tried == [1, 2]
    small(max_steps=2, callbacks=[ModelCheckpoint(tmp_path / "m")]).fit(TEXT)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_link_is_the_file_that_it_leads_to(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "m")
    (tmp_path / "m").touch()
    with disk.OutputLock(tmp_path / "link"), pytest.raises(OutputError, match="is being written by another training"):
        disk.OutputLock(tmp_path / "m").acquire()
    disk.OutputLock(tmp_path / "m").acquire()


def test_a_lock_is_held_until_it_was_released_as_often(tmp_path):
    lock, other = disk.OutputLock(tmp_path / "m"), disk.OutputLock(tmp_path / "m")
    with lock:
        with lock:
            pass
        with pytest.raises(OutputError, match="is being written by another training"):
            other.acquire()
    with other:
        assert [path.name for path in tmp_path.iterdir()] == [".m.lock"]
    assert list(tmp_path.iterdir()) == []
    lock.release()  # once too often
    with lock, pytest.raises(OutputError):
        other.acquire()


def test_a_lock_that_is_abandoned_leaves_nothing(tmp_path):
    lock = disk.OutputLock(tmp_path / "m")
    lock.abandon()
    lock.acquire()
    lock.acquire()
    (tmp_path / ".m.123.part").touch()
    lock.abandon()
    assert list(tmp_path.iterdir()) == []
    disk.OutputLock(tmp_path / "m").acquire()


IN_A_CHILD = """\
import os, sys
from throughtime.disk import OutputLock
lock = OutputLock(sys.argv[1])
lock.acquire()
open(".m.12.part", "w").close()
if not (child := os.fork()):
    lock.release()
    lock.abandon()
    lock.acquire()
os.waitpid(child, 0)
print(sorted(os.listdir()))
OutputLock(sys.argv[1]).acquire()
"""


def test_a_forked_process_does_not_hold_the_lock(tmp_path):
    """Neither it nor another one gets it, and it takes nothing away."""
    command = [sys.executable, "-c", IN_A_CHILD, "m"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "['.m.12.part', '.m.lock']\n"
    told = "throughtime.errors.OutputError: 'm' is being written by another training; wait for its end, or choose an"
    assert done.stderr.count(told) == 2


def test_what_killed_processes_left_is_cleared_away_and_nothing_else(tmp_path):
    others = [".m.part", ".m.12.text.part", ".n.12.part", "m.12.part", ".m.5.12.part", ".mm.12.part", ".m.x.12.part"]
    for name in (".m.12.part", ".m.lock", *others):
        (tmp_path / name).touch()
    with disk.OutputLock(tmp_path / "m"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)


def test_what_cannot_be_cleared_away_is_no_reason_to_refuse(tmp_path):
    (tmp_path / ".m.12.part").mkdir()
    with disk.OutputLock(tmp_path / "m"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".m.12.part"]


def broken_off(*given):
    raise KeyboardInterrupt("broken off")


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("event", ["on_start", "on_step", "on_end", "on_fitted"])
def test_a_fit_that_is_broken_off_anywhere_leaves_no_lock(event, first, tmp_path):
    failing, checkpoint = type("Failing", (Callback,), {event: broken_off})(), ModelCheckpoint(tmp_path / "m")
    with pytest.raises(KeyboardInterrupt, match="broken off"):
        small(max_steps=2, callbacks=[failing, checkpoint] if first else [checkpoint, failing]).fit(TEXT)
    assert not checkpoint.lock.held
    with disk.OutputLock(tmp_path / "m"):
        pass


def test_a_fit_of_sequences_that_is_broken_off_leaves_no_lock(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "m")
    model = SequenceClassifier(hidden_size=4, max_steps=2, verbose=0, callbacks=[AtTheEnd(broken_off), checkpoint])
    with pytest.raises(KeyboardInterrupt, match="broken off"):
        model.fit(["ab", "ba"] * 4, [0, 1] * 4)
    assert not checkpoint.lock.held


def test_a_forecast_whose_calibration_is_broken_off_leaves_no_lock(tmp_path, monkeypatch):
    checkpoint = ModelCheckpoint(tmp_path / "m")
    model = Forecaster(horizon=2, season=7, hidden_size=4, max_steps=2, verbose=0, callbacks=[checkpoint])
    monkeypatch.setattr(Forecaster, "_calibrate", broken_off)
    with pytest.raises(KeyboardInterrupt, match="broken off"):
        model.fit(np.arange(100.0) % 7)
    assert not checkpoint.lock.held


def test_a_failing_fit_leaves_no_lock(tmp_path):
    class Failing(Callback):
        def on_step(self, run):
            raise ValueError("by a callback")

    checkpoint = ModelCheckpoint(tmp_path / "m")
    with pytest.raises(ValueError, match="by a callback"):
        small(callbacks=[checkpoint, Failing()]).fit(TEXT)
    small(callbacks=[ModelCheckpoint(tmp_path / "m")]).fit(TEXT)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


class AtTheEnd(Callback):
    """Does something when ``fit`` is done, before the model is saved."""

    def __init__(self, act):
        self.act = act

    def on_fitted(self, model):
        self.act()


def test_no_other_training_gets_the_file_before_the_model_is_in_it(tmp_path):
    def another():
        with pytest.raises(OutputError, match="is being written by another training"):
            disk.OutputLock(tmp_path / "m").acquire()
        tried.append(1)

    tried = []
    model = small(callbacks=[AtTheEnd(another), ModelCheckpoint(tmp_path / "m")]).fit(TEXT)
    assert tried == [1]
    assert steps_in(tmp_path / "m") == len(model.history_.loss)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_fit_that_is_broken_off_after_its_training_can_be_done_again(tmp_path):
    def fail():
        if left:
            raise KeyboardInterrupt(left.pop())

    left = ["while intervals are found"]
    model = small(max_steps=2, callbacks=[AtTheEnd(fail), ModelCheckpoint(tmp_path / "m")])
    with pytest.raises(KeyboardInterrupt, match="while intervals are found"):
        model.fit(TEXT)
    model.fit(TEXT)
    assert steps_in(tmp_path / "m") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


# ---------------------------------------------------------------------- copies


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model)), clone])
def test_a_model_with_a_checkpoint_can_be_copied(copied, tmp_path):
    model = small(max_steps=2, callbacks=[ModelCheckpoint(tmp_path / "m", 1, notes={"by": "me"})])
    with disk.OutputLock(tmp_path / "m"):
        other = copied(model)
    assert other.callbacks[0].notes == {"by": "me"}
    other.fit(TEXT)
    assert steps_in(tmp_path / "m") == 2
    again = copied(other)
    again.fit(TEXT)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_copy_does_not_hold_the_lock_of_its_original(tmp_path):
    lock = disk.OutputLock(tmp_path / "m")
    with lock, pytest.raises(OutputError, match="is being written by another training"):
        copy.deepcopy(lock).acquire()
