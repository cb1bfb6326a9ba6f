"""The training loop: what it records, when it validates, which weights it leaves, and what ends it."""

import math

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
    training.run(STREAMS.endless(1), STREAMS.rows)
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
        still.run(Streams(STREAMS.corpus, 1, 100).endless(1), 1)
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


def spoiling(at, value):
    """Plain gradient descent whose update number ``at`` spoils the weights."""

    def step(w, g, slots, k):
        return w - k[0] * g + k[1], ()

    def coefficients(t, rate, decay):
        return rate, value if t == at else 0.0

    return Rule("spoiling", step, coefficients, learning_rate=0.1)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("at", [1, 2, 4])
def test_the_weights_of_the_last_finite_loss_are_kept(at, value):
    """The update after loss ``at`` spoils the weights, so that the next loss is no number."""
    recorder = Recorder()
    recorder.every_step = False
    broken = training(9, rule=spoiling(at, value), callbacks=[recorder])
    with pytest.raises(NonFiniteLoss, match=rf"^after step {at} the weights were not finite; .*kept"):
        run(broken)
    assert len(broken.history.loss) == len(broken.history.learning_rate) == broken.step == at
    assert_same_weights(broken.network.parameters, recorder.weights[at - 1])
    assert broken.stopped == f"after step {at} the weights were not finite"
    assert recorder.events[-1] == "end"


def test_a_validation_that_is_no_number_ends_it_too():
    recorder = Recorder()
    recorder.every_step = False
    broken = training(9, validate_every=2, validate=scores(1.0, math.nan), callbacks=[recorder])
    with pytest.raises(NonFiniteLoss, match=r"^the validation loss was nan after step 4"):
        run(broken)
    assert broken.history.validation_loss == [1.0]
    assert_same_weights(broken.network.parameters, recorder.weights[3])
    assert recorder.events[-2:] == ["step 4", "end"]


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


def test_numbers_that_are_not_finite_amid_several_steps_leave_weights_that_are():
    recorder = Recorder()
    recorder.every_step = False
    broken = training(9, engine=ThreeAtOnce(), rule=spoiling(4, math.nan), callbacks=[recorder])
    with pytest.raises(NonFiniteLoss, match=r"^after step 4 the weights"):
        run(broken)
    assert len(broken.history.loss) == 4
    assert all(np.isfinite(w).all() for w in broken.network.parameters.values())


def test_the_best_weights_are_kept_where_a_training_with_patience_blows_up():
    """The best validation was after step 1, the blow-up comes in step 5."""
    network_at = {}

    class Watch(Callback):
        def on_validation(self, run):
            network_at[run.step] = {name: w.copy() for name, w in run.network.parameters.items()}

    run_ = training(
        9,
        validate_every=1,
        patience=8,
        validate=scores(1.0, 2.0, 3.0, 4.0),
        rule=spoiling(4, np.nan),
        callbacks=[Watch()],
    )
    with pytest.raises(NonFiniteLoss):
        run(run_)
    assert all(np.array_equal(w, network_at[1][name]) for name, w in run_.network.parameters.items())


def test_in_a_group_too_the_weights_before_the_last_update_are_kept():
    """Steps 2 to 4 are one call; step 4 spoils the weights that it had a finite loss with."""

    class ThreeAtOnce(PlainEngine):
        steps_per_call = 3

    recorder = Recorder()
    recorder.every_step = False
    broken = training(9, engine=ThreeAtOnce(np.float64), rule=spoiling(4, np.nan), callbacks=[recorder])
    with pytest.raises(NonFiniteLoss, match=r"^after step 4 the weights were not finite"):
        run(broken)
    reference = Recorder()
    run(training(9, rule=spoiling(99, np.nan), callbacks=[reference]))
    assert_same_weights(broken.network.parameters, reference.weights[3])


# ---------------------------------------------------------------------- the mean of the last weights


def mean_of(weights):
    return {name: np.mean([of[name] for of in weights], axis=0) for name in weights[0]}


@pytest.mark.parametrize(("averaging", "steps"), [(0.5, [4, 5, 6]), (0.34, [4, 5, 6]), (0.2, [5, 6]), (0.01, [6])])
@pytest.mark.parametrize("engine", ["numpy", ThreeAtOnce])
def test_the_mean_of_the_last_weights_is_kept(averaging, steps, engine):
    recorder = Recorder()
    run(training(6, callbacks=[recorder]))
    averaged = run(training(6, averaging=averaging, engine=engine if engine == "numpy" else engine()))
    for name, w in mean_of([recorder.weights[step] for step in steps]).items():
        np.testing.assert_allclose(averaged.network.parameters[name], w, rtol=HAND, atol=HAND)


def test_the_last_validation_scores_the_mean():
    seen = []
    averaged = training(6, averaging=0.5, validate_every=3, validate=lambda: seen.append(weights()) or 1.0)

    def weights():
        return {name: w.copy() for name, w in averaged.network.parameters.items()}

    run(averaged)
    plain = run(training(6)).network.parameters
    assert_same_weights(seen[1], weights())
    assert any(not np.array_equal(w, plain[name]) for name, w in weights().items())


@pytest.mark.parametrize("stop_at", [2, 5])
def test_what_ends_early_keeps_the_mean_of_what_there_is(stop_at):
    recorder = Recorder(stop_at)
    ended = run(training(6, averaging=0.5, callbacks=[recorder]))
    expected = [recorder.weights[step] for step in range(1, stop_at + 1) if step >= 4] or [recorder.weights[stop_at]]
    for name, w in mean_of(expected).items():
        np.testing.assert_allclose(ended.network.parameters[name], w, rtol=HAND, atol=HAND)


def test_of_many_steps_about_a_hundred_are_taken():
    plan = Plan(10_000, 0.1, Constant(), seed=1, averaging=0.25)
    taken = [step for step in range(1, 10_001) if plan.averages(step)]
    assert len(taken) == 100
    assert taken[-1] == 10_000
    assert taken[0] > 7_500
