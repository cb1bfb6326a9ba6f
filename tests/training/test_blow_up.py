"""What is a blow-up and what is a healthy curve, on curves made by hand and in trainings."""

import math
from dataclasses import replace

import numpy as np
import pytest
from tests.sequences.material import X_RAGGED, Y_RAGGED

from throughtime import SequenceClassifier, SequenceRegressor, load
from throughtime.engine.random import generator, key
from throughtime.errors import NonFiniteLoss
from throughtime.network import Batch
from throughtime.training import Drawn, History, Resume, Training
from throughtime.training.blow_up import is_far_off

CHANCE = math.log(50)


def first_alarm(losses, worst=CHANCE, since=0):
    """After how many steps a training is said to have blown up; None if it never is."""
    return next((n for n in range(1, len(losses) + 1) if is_far_off(losses[:n], worst, since)), None)


def falling(steps, start=CHANCE, end=1.5):
    return [end + (start - end) * math.exp(-step / 100) for step in range(steps)]


@pytest.mark.parametrize("after", [0, 1, 5, 10, 11, 50, 100, 101, 300])
def test_ten_high_losses_are_one(after):
    good = falling(after)
    assert first_alarm([*good, *[8.0] * 30]) == after + 10
    assert first_alarm([*good, *[8.0] * 9, 1.5, *[8.0] * 9, 1.5]) is None


@pytest.mark.parametrize("worst", [1e-3, 0.5, CHANCE, 40.0])
def test_more_than_twice_the_worst_is_one(worst):
    assert first_alarm([worst] * 50 + [2 * worst] * 30, worst) is None
    assert first_alarm([worst] * 50 + [2.001 * worst] * 30, worst) == 60


def test_nothing_is_one_where_the_worst_is_not_known():
    """As in a file of a time when it was not noted."""
    assert first_alarm([1e30] * 30, math.inf) is None


@pytest.mark.parametrize(("growth", "over"), [(1.01, 166), (1.1, 18), (2.0, 3), (10.0, 1)])
def test_a_rise_may_be_as_slow_as_it_likes(growth, over):
    """From 1.5, twice log 50 is passed after log(2 log(50) / 1.5) / log(growth) steps; it is the tenth that tells."""
    assert math.ceil(math.log(2 * CHANCE / 1.5) / math.log(growth)) == over
    assert first_alarm(falling(300) + [1.5 * growth**step for step in range(300)]) == 300 + over + 10


def test_losses_of_other_data_are_judged_alone():
    """Those up to there were high with the data that were there before."""
    losses = [*[9.0] * 9, *[9.0] * 5, *falling(100)]
    assert first_alarm(losses, since=0) == 10
    assert first_alarm(losses, since=9) is None
    assert first_alarm([9.0] * 30, since=7) == 17


def test_other_data_may_be_far_worse_than_those_before():
    """A loss of 0.01 becomes one of 3.5, which is less than guessing."""
    assert first_alarm([0.01] * 100 + [3.5] * 100, since=100) is None


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_none(seed):
    noise = np.random.default_rng(seed).normal(0, 0.4, 2000)
    assert first_alarm((np.array(falling(2000)) + noise).tolist()) is None


@pytest.mark.parametrize("seed", range(5))
def test_heavy_tails_are_none(seed):
    """Single batches a hundred times as bad as others, as squared errors of outliers are."""
    losses = np.random.default_rng(seed).pareto(1.5, 2000) + 0.5
    assert losses.max() > 50 * np.median(losses)
    assert first_alarm(losses.tolist(), worst=max(losses[:10])) is None


def test_a_curve_near_zero_is_none():
    """A text known by heart, with a hard batch now and then, and one that begins so."""
    losses = [1e-4] * 400
    for place in range(100, 400, 25):
        losses[place : place + 9] = [9.0] * 9
    assert first_alarm(falling(300, end=1e-4) + losses) is None
    assert first_alarm([1e-9] * 50 + [3.0] * 50) is None


def test_a_slow_beginning_is_none():
    """Guessing for long, then learning, then a plateau at twice the best."""
    assert first_alarm([CHANCE] * 500 + falling(500) + [3.0] * 100) is None


def test_a_high_start_of_numbers_is_none():
    """The initial weights are ten times as bad as a constant, and learning takes its time."""
    assert first_alarm([40.0 * 0.99**step for step in range(500)], worst=40.0) is None


# ---------------------------------------------------------------------- of numbers


VALUES = [x.sum() for x in X_RAGGED]


def regressor(**changes):
    given = {"hidden_size": 6, "max_steps": 120, "random_state": 1, "batch_size": 8, "engine": "numpy"}
    return SequenceRegressor(**given | {"optimizer": "sgd"} | changes)


@pytest.mark.parametrize("rate", [1.0, 3.0, 10.0])
def test_a_slow_blow_up_with_clipped_gradients_is_recovered_from(rate):
    """Clipping lets no number leave the finite ones, however large the learning rate."""
    history = regressor(learning_rate=rate).fit(X_RAGGED, VALUES).history_
    assert history.rollback_steps
    assert np.mean(history.loss[-10:]) < 0.25 * history.worst


@pytest.mark.parametrize("steps", [2, 66])
def test_one_in_the_last_steps_is_recovered_from(steps):
    """They are too few for ten losses in a row, or to come to a loss that is no number."""
    history = regressor(learning_rate=10.0, max_steps=steps).fit(X_RAGGED, VALUES).history_
    assert history.rollback_steps
    assert history.loss[-1] < 2 * history.worst
    assert len(history.loss) == steps


def test_a_last_batch_that_is_far_too_bad_is_none():
    """It is the fault of its data: others cost what they should."""

    def make(rng):
        size = 100 if rng.random() == odd else 1
        return Batch(x=np.ones((4, 2, 1), np.float32), targets=np.full((1, 2, 1), size, np.float32))

    model = regressor(max_steps=1).fit(X_RAGGED, VALUES)
    plan = replace(model.training_.plan, max_steps=12, learning_rate=1e-3)
    odd = generator(key(plan.seed, "batch", 11)).random()
    training = Training(model.network_, model.training_.optimizer, plan, History(None))
    training.run(Drawn(2, make))
    assert training.history.loss[-1] > 2 * training.history.worst
    assert training.history.rollback_steps == []


def test_what_numbers_cost_at_first_is_that_of_the_first_ten_batches(tmp_path):
    """With a learning rate of next to nothing, and no dropout, they are the first ten losses."""
    model = regressor(learning_rate=1e-12, dropout=0.0, max_steps=12, dtype="float64").fit(X_RAGGED, VALUES)
    assert model.history_.beginning == pytest.approx(model.history_.loss[:10], rel=1e-9)
    assert model.history_.worst == max(model.history_.beginning)
    model.save(tmp_path / "m")
    assert load(tmp_path / "m").history_ == model.history_


def test_what_guessing_costs_needs_no_batches():
    history = SequenceClassifier(hidden_size=4, max_steps=2).fit(X_RAGGED, Y_RAGGED).history_
    assert history.beginning == []
    assert history.worst == math.log(2)


def test_other_numbers_are_judged_by_what_they_cost_at_first(tmp_path):
    """Ten times as large, they cost a hundred times as much, and that is no blow-up."""
    path = tmp_path / "m"
    before = regressor(learning_rate=0.05).fit(X_RAGGED, VALUES)
    before.save(path)
    larger = [10 * value for value in VALUES]
    asked = Resume(path, more_epochs=20, learning_rate=1e-6, new_data=True)
    history = regressor(learning_rate=0.05).fit(X_RAGGED, larger, resume=asked).history_
    assert history.rollback_steps == before.history_.rollback_steps == []
    assert history.loss[:120] == before.history_.loss
    assert min(history.loss[-10:]) > 2 * before.history_.worst
    assert history.worst > 10 * before.history_.worst


def test_a_cost_at_first_that_is_not_finite_is_told_by_the_first_step():
    """It is not noted, so that the model can be saved all the same."""
    model = regressor(max_steps=1).fit(X_RAGGED, VALUES)
    network = model.network_
    network.set_parameters({name: w * math.nan for name, w in network.parameters.items()})
    broken = Training(network, model.training_.optimizer, model.training_.plan, History(None))
    batch = Batch(x=np.ones((4, 2, 1), np.float32), targets=np.ones((1, 2, 1), np.float32))
    with pytest.raises(NonFiniteLoss, match=r"^step 1 met numbers that are not finite"):
        broken.run(Drawn(2, lambda rng: batch))
    assert broken.history == History(None)
