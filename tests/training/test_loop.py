"""The training loop: what it records, when it validates, which weights it leaves, and what ends it."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from tests.tolerances import HAND

from throughtime import Network
from throughtime.engine.plain import PlainEngine
from throughtime.errors import NonFiniteLoss
from throughtime.layers import Dense, OneHot, recurrent_stack
from throughtime.losses import SoftmaxCrossEntropy
from throughtime.optimizers import Optimizer, Rule
from throughtime.optimizers.schedules import Constant, Plateau, Schedule, Step
from throughtime.training import Callback, Corpus, History, Plan, Streams, Training

K = 3
STREAMS = Streams(Corpus.of([np.tile([0, 1, 2, 2], 20)]), 2, 5)


class Recorder(Callback):
    """Notes every event, and the weights after each step."""

    def __init__(self, stop_at=None):
        self.events, self.weights, self.stop_at = [], {}, stop_at

    def on_start(self, run):
        self.events.append("start")
        self.note_weights(run)

    def on_step(self, run):
        self.events.append(f"step {run.step}")
        self.note_weights(run)
        if run.step == self.stop_at:
            run.stop("enough")

    def on_validation(self, run):
        self.events.append(f"validation {run.step}")

    def on_rollback(self, run):
        self.events.append(f"rollback {run.step}")

    def on_end(self, run):
        self.events.append("end")

    def note_weights(self, run):
        self.weights[run.step] = {name: w.copy() for name, w in run.network.parameters.items()}


class ThreeAtOnce(PlainEngine):
    """Does three steps in one call, as an engine may that wants to save the way back and forth."""

    steps_per_call = 3

    def __init__(self):
        super().__init__("float64")
        self.groups = []

    def train_steps(self, run, batches, state, step):
        self.groups.append(len(batches))
        return super().train_steps(run, batches, state, step)


def scores(*losses):
    """A validation that gives these losses, one after the other."""
    return iter(losses).__next__


def training(max_steps=6, *, engine="numpy", rule="sgd", dropout=0.3, validate=None, callbacks=(), **plan):
    network = Network(
        [OneHot(K), *recurrent_stack("elman", K, 4, dropout=dropout), Dense(4, K)],
        SoftmaxCrossEntropy(),
        engine=engine,
        dtype="float64",
        random_state=0,
    )
    plan = Plan(max_steps, 0.5, **{"schedule": Constant(), "seed": 1} | plan)
    return Training(network, Optimizer(rule), plan, History(K), validate=validate or (lambda: 1.0), callbacks=callbacks)


def run(training):
    training.run(STREAMS)
    return training


def assert_same_weights(found, expected):
    assert found.keys() == expected.keys()
    for name, w in found.items():
        assert np.array_equal(w, expected[name]), name


# ---------------------------------------------------------------------- what is recorded


def test_each_step_leaves_its_figures():
    done = run(training(7, schedule=Step(parts=7, gamma=0.5)))
    history = done.history
    assert done.step == len(history.loss) == len(history.gradient_norm) == 7
    assert history.learning_rate == [0.5 * 0.5**step for step in range(7)]
    assert all(norm > 0 for norm in history.gradient_norm)
    assert done.stopped is None
    assert done.seconds > 0


def test_symbols_are_counted():
    """79 predictions in two rows: 16 chunks of both rows make a pass of 8 steps."""
    assert STREAMS.steps_per_epoch == 8
    assert run(training(8)).symbols == STREAMS.corpus.predictions == 79


def test_the_first_loss_is_that_of_the_initial_weights():
    new = training(1, dropout=0.0)
    expected, _ = new.network.loss(next(STREAMS.endless(1)).batch)
    assert run(new).history.loss == [expected]


def test_the_gradient_norm_is_that_before_clipping():
    new = training(1, dropout=0.0)
    found = new.network.loss_and_gradients(next(STREAMS.endless(1)).batch).parameters
    new.optimizer.clip_norm = 1e-3
    norm = math.sqrt(sum(np.sum(gradient**2) for gradient in found.values()))
    assert run(new).history.gradient_norm == pytest.approx([norm], rel=HAND)


def test_equal_runs_give_equal_weights():
    first, second = run(training()), run(training())
    assert first.history == second.history
    assert_same_weights(first.network.parameters, second.network.parameters)


def test_the_masks_of_dropout_belong_to_the_seed():
    assert run(training(3, seed=1)).history.loss != run(training(3, seed=2)).history.loss
    assert run(training(3, seed=1, dropout=0.0)).history == run(training(3, seed=2, dropout=0.0)).history


def test_each_step_has_masks_of_its_own():
    """One chunk again and again, and a learning rate of 0: without dropout every loss is the same."""

    class Still(Schedule):
        def factor(self, step, max_steps, validations=()):
            return 0.0

    for dropout, different in ((0.0, 1), (0.3, 5)):
        still = training(5, dropout=dropout, schedule=Still())
        still.run(Streams(STREAMS.corpus, 1, 100))
        assert len(set(still.history.loss)) == different


# ---------------------------------------------------------------------- validation and early stopping


@pytest.mark.parametrize(
    ("max_steps", "every", "expected"),
    [(10, 4, [4, 8, 10]), (10, 5, [5, 10]), (10, 30, [10]), (3, 1, [1, 2, 3]), (10, None, [])],
)
def test_when_it_validates(max_steps, every, expected):
    done = run(training(max_steps, validate_every=every))
    assert done.history.validation_steps == expected
    assert len(done.history.validation_loss) == len(expected)


def test_a_validation_follows_a_stop():
    done = run(training(10, validate_every=4, callbacks=[Recorder(stop_at=6)]))
    assert done.history.validation_steps == [4, 6]


def test_early_stopping_keeps_the_best_weights():
    recorder = Recorder()
    validate = scores(3.0, 2.0, 1.0, 1.5, 1.25, 0.5)
    done = run(training(12, validate_every=2, patience=2, validate=validate, callbacks=[recorder]))
    assert done.step == 10
    assert done.history.validation_loss == [3.0, 2.0, 1.0, 1.5, 1.25]
    assert_same_weights(done.network.parameters, recorder.weights[6])
    assert done.stopped == "the validation loss has not improved 2 times"


def test_a_loss_that_is_equal_is_no_better():
    assert run(training(20, validate_every=1, patience=3, validate=lambda: 2.0)).step == 4


def test_the_best_weights_are_kept_where_patience_lasts_to_the_end():
    recorder = Recorder()
    done = run(training(4, validate_every=1, patience=9, validate=scores(1.0, 0.5, 0.7, 0.6), callbacks=[recorder]))
    assert done.step == 4
    assert_same_weights(done.network.parameters, recorder.weights[2])


def test_without_early_stopping_the_last_weights_are_kept():
    recorder = Recorder()
    done = run(training(4, validate_every=1, validate=scores(1.0, 2.0, 3.0, 4.0), callbacks=[recorder]))
    assert_same_weights(done.network.parameters, recorder.weights[4])


# ---------------------------------------------------------------------- numbers that are not finite


def spoiling(value, rate=0.1, *, at=range(1, 10**6)):
    """Plain gradient descent whose updates ``at`` spoil the weights, unless the learning rate is below ``rate``."""

    def step(w, g, slots, k):
        return w * k[1] - k[0] * g, ()

    def coefficients(t, learning_rate, decay):
        return learning_rate, value if t in at and learning_rate >= rate else 1.0

    return Rule("spoiling", step, coefficients, learning_rate=0.1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1e4])
@pytest.mark.parametrize("at", [2, 63, 64, 65, 127, 128, 129, 200])
def test_a_blow_up_goes_back_to_a_good_state_and_on_with_half_the_rate(at, value):
    """The rate 0.5 spoils the weights in update ``at``, the rate 0.25 does not; -1e4 makes ten steps of high losses."""
    rule = spoiling(value, 0.4, at=[at])
    found = run(training(230, rule=rule, validate_every=50))
    seen = at + 10 if value == -1e4 else at
    back = max(0, (seen - 1) // 64 - 1) * 64
    history = found.history
    assert (history.rollback_steps, history.rollback_to) == ([seen], [back])
    assert history.learning_rate == [0.5] * back + [0.25] * (230 - back)
    assert history.validation_steps == [50, 100, 150, 200, 230]
    assert found.step == len(history.loss) == 230

    plain = training(back, rule="sgd")
    if back:
        run(plain)
    after = training(230, rule="sgd", validate_every=50)
    after.plan = replace(after.plan, learning_rate=0.25)
    after.history = plain.history
    after.resume(plain.snapshot())
    run(after)
    assert_same_weights(found.network.parameters, after.network.parameters)


def test_a_training_that_blows_up_whatever_its_rate_ends_with_good_weights():
    recorder = Recorder()
    broken = training(90, rule=spoiling(math.nan, 0.0, at=[70]), callbacks=[recorder])
    expected = (
        "after step 70 the weights were not finite, with the learning rate halved 10 times, to 0.000488; the weights "
        "after step 0 are kept. Try a smaller learning_rate, or clip_norm, and look for data that are far too large."
    )
    with pytest.raises(NonFiniteLoss, match=f"^{re.escape(expected)}$"):
        run(broken)
    assert broken.history.rollback_steps == [70] * 10
    assert broken.step == len(broken.history.loss) == 0
    assert_same_weights(broken.network.parameters, recorder.weights[0])
    assert broken.stopped == "after step 70 the weights were not finite"
    assert recorder.events.count("rollback 0") == 10
    assert recorder.events[-1] == "end"


def test_running_values_that_are_not_finite_are_a_blow_up():
    """They are seen where the training is remembered, before the weights tell."""

    def step(w, g, slots, k):
        return w - k[0] * g, (slots[0] * k[1],)

    def coefficients(t, learning_rate, decay):
        return learning_rate, math.nan if t == 100 and learning_rate > 0.4 else 1.0

    rule = Rule("spoiling", step, coefficients, slots=("sum",), learning_rate=0.1)
    found = run(training(150, rule=rule))
    assert found.history.rollback_steps == [128]
    assert found.trouble == "after step 128 the running values of the optimizer were not finite"
    assert (found.history.rollback_to, found.step) == ([0], 150)


def test_a_validation_that_is_no_number_is_a_blow_up_too():
    scored = run(training(9, validate_every=2, validate=scores(1.0, math.nan, 2.0, 3.0, 4.0, 5.0, 6.0)))
    assert scored.history.rollback_steps == [4]
    assert scored.history.validation_loss == [2.0, 3.0, 4.0, 5.0, 6.0]


def test_the_best_weights_are_kept_where_a_training_with_patience_blows_up_for_good():
    """All is well up to step 80; from then on every update spoils the weights."""
    network_at = {}

    class Watch(Callback):
        def on_validation(self, run):
            network_at[run.step] = {name: w.copy() for name, w in run.network.parameters.items()}

    losses = [1.0, 0.5, 3.0, 2.0, *[3.0] * 100]
    broken = training(
        300, validate_every=20, patience=99, validate=scores(*losses), rule=spoiling(np.nan, 0.0, at=range(140, 999)),
        callbacks=[Watch()],
    )  # fmt: skip
    with pytest.raises(NonFiniteLoss, match="after step 64 are kept"):
        run(broken)
    assert_same_weights(broken.network.parameters, network_at[40])


def test_losses_that_are_far_off_are_a_blow_up_however_many_steps_are_one_call():
    rule = spoiling(-1e4, 0.4, at=[100])
    one_by_one, together = run(training(150, rule=rule)), run(training(150, rule=rule, engine=ThreeAtOnce()))
    assert one_by_one.history == together.history
    assert one_by_one.history.rollback_steps == [110]
    assert_same_weights(one_by_one.network.parameters, together.network.parameters)


def test_weights_that_are_no_numbers_are_refused_at_the_first_step():
    broken = training()
    broken.network.set_parameters({name: w * math.nan for name, w in broken.network.parameters.items()})
    with pytest.raises(NonFiniteLoss, match=r"^step 1 met"):
        run(broken)
    assert broken.history.loss == []


# ---------------------------------------------------------------------- callbacks, stop and the clock


def test_the_order_of_events():
    recorder = Recorder()
    run(training(3, validate_every=2, callbacks=[recorder]))
    assert recorder.events == ["start", "step 1", "step 2", "validation 2", "step 3", "validation 3", "end"]


def test_callbacks_are_told_in_their_order():
    heard = []

    class Named(Callback):
        def __init__(self, name):
            self.name = name

        def on_step(self, run):
            heard.append(self.name)

    run(training(2, callbacks=[Named("a"), Named("b")]))
    assert heard == ["a", "b", "a", "b"]


def test_a_callback_may_stop_the_training_after_a_step():
    recorder = Recorder(stop_at=2)
    done = run(training(9, callbacks=[recorder]))
    assert done.step == 2
    assert done.stopped == "enough"
    assert recorder.events == ["start", "step 1", "step 2", "end"]


def test_the_end_is_told_even_where_a_callback_fails():
    class Failing(Callback):
        def on_step(self, run):
            raise OSError("a full disk")

    recorder = Recorder()
    with pytest.raises(OSError, match="a full disk"):
        run(training(callbacks=[Failing(), recorder]))
    assert recorder.events == ["start", "end"]


def test_the_clock_is_a_guard():
    done = run(training(9, guard=0.0))
    assert done.step == 1
    assert done.stopped == "the time was up after 1 of 9 steps"


def test_what_the_clock_leaves_is_validated():
    recorder = Recorder()
    done = run(training(9, guard=0.0, validate_every=4, callbacks=[recorder]))
    assert done.history.validation_steps == [1]
    assert recorder.events == ["start", "step 1", "validation 1", "end"]


def test_a_guard_far_away_changes_nothing():
    assert run(training(5, guard=3600.0)).step == 5


# ---------------------------------------------------------------------- an engine that does several steps in one call


@pytest.mark.parametrize("every", [None, 4])
def test_several_steps_in_one_call_give_the_same(every):
    schedule = Plateau(patience=1, gamma=0.5)  # depends on the validations so far
    plan = {"max_steps": 11, "schedule": schedule, "validate_every": every, "rule": "adam"}
    engine = ThreeAtOnce()
    one_by_one = run(training(**plan, validate=scores(1.0, 1.0, 1.0)))
    together = run(training(**plan, validate=scores(1.0, 1.0, 1.0), engine=engine))
    assert engine.groups == ([1, 3, 3, 3, 1] if every is None else [1, 3, 3, 1, 3])
    assert together.history == one_by_one.history
    assert together.symbols == one_by_one.symbols
    assert_same_weights(together.network.parameters, one_by_one.network.parameters)


def test_callbacks_hear_of_several_steps_at_once():
    recorder, content = Recorder(), Recorder()
    content.every_step = False
    run(training(7, engine=ThreeAtOnce(), callbacks=[content]))
    assert content.events == ["start", "step 1", "step 4", "step 7", "end"]  # the first alone
    run(training(7, engine=ThreeAtOnce(), callbacks=[content, recorder]))  # one that wants to hear of every step
    assert recorder.events == ["start", *(f"step {n}" for n in range(1, 8)), "end"]
