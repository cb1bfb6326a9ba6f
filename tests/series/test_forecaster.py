"""The estimator: scikit-learn's manners, what fit refuses, every option, and that it learns what it should."""

import copy
import inspect
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from tests.forecasters import ROLES, SMALL, days, fitted, learner, of_shops, shop, small, wave
from tests.tolerances import COMPILED, assert_close

from throughtime import Forecaster, load
from throughtime.errors import DataError, DataTypeError, NotFittedError, ParameterError
from throughtime.optimizers import adam
from throughtime.parameters import FORECASTER
from throughtime.series.features import REFERENCES
from throughtime.training import Callback

# ---------------------------------------------------------------------- scikit-learn's manners


def test_the_constructor_has_the_parameters_of_the_table_and_their_defaults():
    found = {name: p.default for name, p in inspect.signature(Forecaster).parameters.items()}
    assert found == {name: parameter.default for name, parameter in FORECASTER.items()}


def test_the_constructor_only_stores():
    values = {name: object() for name in FORECASTER}
    assert vars(Forecaster(**values)) == values


def test_its_docstring_names_every_parameter():
    for name in FORECASTER:
        assert f"{name} : " in Forecaster.__doc__ or f"{name}, " in Forecaster.__doc__, name


def test_it_can_be_cloned():
    model = clone(of_shops())
    assert model.get_params() == of_shops().get_params()
    assert not hasattr(model, "network_")
    assert type(clone(Forecaster(optimizer=adam(beta1=0.5))).optimizer) is type(adam())


def test_fit_returns_itself_and_leaves_its_parameters():
    model = small(max_steps=1)
    assert model.fit(wave()) is model
    assert model.get_params() == small(max_steps=1).get_params()


def test_there_is_no_second_argument():
    for call in (small().fit, fitted().score):
        with pytest.raises(DataTypeError) as caught:
            call(wave(), wave())
        assert str(caught.value) == (
            "a forecaster takes one argument, its data; name the column of them that is forecast with target"
        )


def test_the_score_is_minus_the_mase_of_the_last_steps():
    """Worked by hand: the error of the last three steps, in units of that of the value a week before, until then."""
    y = wave()
    naive = np.abs(y[7:117] - y[:110]).mean()
    expected = -np.abs(y[117:] - fitted().predict(y[:117])).mean() / naive
    np.testing.assert_allclose(fitted().score(y), expected, rtol=1e-12)


def test_a_search_of_scikit_learn_finds_what_is_better():
    """Of the references, the one of the season is better by far for a season that repeats."""
    y = np.tile([3.0, 1, 4, 1, 5, 9, 2], 30) + np.random.default_rng(0).normal(0, 0.05, 210)
    frame = pd.DataFrame({"day": days(210), "y": y})
    for data, changes in ((y, {}), (frame, {"time": "day"})):
        search = GridSearchCV(
            small(season=7, max_steps=2, **changes),
            {"reference": ["last", "season"]},
            cv=TimeSeriesSplit(2, test_size=21),
            error_score="raise",
        )
        search.fit(data)
        assert search.best_params_ == {"reference": "season"}
        assert (search.cv_results_["mean_test_score"] < 0).all()
    of_series = cross_val_score(small(season=7, max_steps=2), [y, 2 * y, 3 * y], cv=3, error_score="raise")
    assert of_series.shape == (3,)


@pytest.mark.parametrize(
    "call",
    [
        lambda model: model.score(wave()),
        lambda model: model.predict(),
        lambda model: model.predict(wave()),
        lambda model: model.predict_quantiles(wave()),
        lambda model: model.evaluate(wave()),
        lambda model: model.backtest(),
        lambda model: model.backtest(wave(), refit=False),
        lambda model: model.plot(),
        lambda model: model.plot_history(),
        lambda model: model.save("x"),
    ],
)
def test_before_fit_there_is_nothing_to_tell(call):
    with pytest.raises(NotFittedError, match="this Forecaster has not learned anything yet; call fit first"):
        call(small())


def by_joblib(model, folder):
    joblib.dump(model, folder / "model.joblib")
    return joblib.load(folder / "model.joblib")


@pytest.mark.parametrize(
    "again", [lambda m, _: copy.deepcopy(m), lambda m, _: pickle.loads(pickle.dumps(m)), by_joblib]
)
def test_copies_and_pickles_forecast_the_same(again, tmp_path):
    model = again(fitted(), tmp_path)
    assert np.array_equal(model.predict(), fitted().predict())
    assert np.array_equal(model.predict_quantiles(wave(90)), fitted().predict_quantiles(wave(90)))


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for name in "ab":
        small(**ROLES).fit(shop()).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    other = small(**ROLES | {"random_state": 2}).fit(shop())
    assert not np.array_equal(other.predict(shop(more=3))["sales"], of_shops().predict(shop(more=3))["sales"])


def test_a_second_fit_knows_nothing_of_the_first(tmp_path):
    model = small(season=7).fit(np.cumsum(wave(80)))
    model.fit(wave()).save(tmp_path / "a")
    fitted().save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


# ---------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ({"horizon": 0}, "horizon must be an integer of at least 1, got 0"),
        ({"horizon": 1.5}, "horizon must be an integer of at least 1, got 1.5"),
        ({"season": 0}, "season must be an integer of at least 1 or None, got 0"),
        ({"context": "all"}, "context must be an integer of at least 1 or None, got 'all'"),
        ({"reference": "median"}, "reference must be one of 'auto', 'mean', 'last', 'season', 'profile' and 'recent'"),
        ({"strategy": "both"}, "strategy must be one of 'direct' and 'recursive', got 'both'"),
        ({"loss": "mse"}, "loss must be one of 'pinball', 'squared' and 'absolute', got 'mse'"),
        ({"quantiles": ()}, r"quantiles must be numbers between 0 and 1, such as \(0.1, 0.9\), got \(\)"),
        ({"quantiles": (0.1, 1.0)}, "quantiles must be numbers between 0 and 1"),
        ({"quantiles": (0, 0.5)}, "quantiles must be numbers between 0 and 1"),
        ({"quantiles": "0.1"}, "quantiles must be numbers between 0 and 1"),
        ({"quantiles": (0.1, np.nan)}, "quantiles must be numbers between 0 and 1"),
        ({"target": 5}, "target must be a column's name or a list of different ones, got 5"),
        ({"past": ["a", "a"]}, "past must be a column's name or a list of different ones"),
        ({"time": 5}, "time must be a string or None, got 5"),
        ({"validation": 1.0}, "validation must be a number of at least 0 and below 1, got 1.0"),
        (
            {"frequency": "M"},
            r"frequency needs the column of times \(time\); where there is none, give season, such as",
        ),
        ({"cell": "lstn"}, "'lstn'"),
        ({"epochs": 2}, "epochs, max_steps and minutes each say how long to train; give one of them"),
        ({"early_stopping": True, "validation": 0.0}, "early_stopping needs a validation part"),
    ],
)
def test_a_parameter_that_makes_no_sense(parameter, message):
    with pytest.raises(ParameterError, match=message):
        small(**parameter).fit(wave())


def test_names_of_columns_need_columns():
    with pytest.raises(DataError, match="past='wind' names a column, but arrays have no names; give a table"):
        small(past="wind").fit(wave())


def test_a_wrong_frequency_is_refused():
    with pytest.raises(ParameterError, match="frequency must be one of s, min, h, D, B, W, M, Q, Y or step"):
        small(time="t", frequency="weekly").fit({"t": days(50), "y": wave(50)})


@pytest.mark.parametrize(
    "changes",
    [
        {"cell": "gru"},
        {"cell": "elman", "activation": "relu"},
        {"num_layers": 2, "residual": True},
        {"dropout": 0.2, "variational_dropout": 0.1},
        {"loss": "squared"},
        {"loss": "absolute"},
        {"strategy": "recursive"},
        {"strategy": "recursive", "loss": "squared"},
        {"optimizer": "sgd", "schedule": "step"},
        {"averaging": 0.5},
        {"early_stopping": True, "patience": 1},
        {"schedule": "plateau"},
        {"validation": 0.0},
        {"epochs": 2, "max_steps": None},
        {"minutes": 0.005, "max_steps": None},
        {"dtype": "float64"},
        {"engine": "numpy"},
        {"quantiles": np.array([0.2, 0.8])},
        {"quantiles": [np.float32(0.25)]},
        {"quantiles": 0.9},
        {"context": 5},
        {"batch_size": 2},
        {"calendar": False},
        *[{"reference": reference} for reference in REFERENCES],
    ],
    ids=repr,
)
def test_every_option_trains_forecasts_and_is_kept(changes, tmp_path):
    model = small(season=7, **changes).fit(wave(80))
    assert np.isfinite(model.predict()).all()
    quantiles = model.predict_quantiles()
    assert quantiles.shape == (1, 3, 1, len(model.levels_))
    assert (np.diff(quantiles, axis=-1) >= 0).all()
    assert 0.5 in model.levels_
    model.save(tmp_path / "model")


def test_the_engines_forecast_the_same():
    numpy = small(engine="numpy", dtype="float64", max_steps=5).fit(wave()).predict()
    compiled = small(engine="compiled", max_steps=5).fit(wave()).predict()
    assert_close(compiled / 20, numpy / 20, COMPILED["training"])


def test_callbacks_listen():
    class Count(Callback):
        steps = 0

        def on_step(self, training):
            self.steps += 1

    assert hasattr(Callback, "on_step")
    count = Count()
    small(callbacks=[count]).fit(wave())
    assert count.steps == SMALL["max_steps"]


def test_it_says_what_it_does(capsys):
    y = wave()
    y[5] = np.nan
    small(verbose=1, season=7, max_steps=2).fit(y)
    said = capsys.readouterr().err
    assert "1 of 120 values is missing and left out, not invented" in said
    assert "1 series of 1 column, 120 steps; season 7, reference" in said
    assert "held-out windows calibrated the quantiles: from 0.1 to 0.9, which promises 80%" in said
    small(verbose=1, max_steps=2).fit(y[:8])
    assert "no series is long enough for a part to be held out: the intervals are not calibrated" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(("strategy", "windows"), [("direct", "2,000"), ("recursive", "200")])
def test_intervals_are_calibrated_at_few_places_of_a_long_series(strategy, windows, capsys):
    small(1, verbose=1, max_steps=2, context=4, strategy=strategy).fit(np.random.default_rng(0).normal(size=11_000))
    assert f"{windows} held-out windows calibrated the quantiles" in capsys.readouterr().err


def test_without_a_part_that_is_held_out_there_is_no_coverage():
    model = small(validation=0.0).fit(wave())
    assert (model.coverage_, model.validation_loss_) == (None, None)
    assert model.fitted_.shifts.tolist() == np.zeros((3, 1, 3)).tolist()


def test_quantiles_that_make_no_interval_promise_nothing(capsys, tmp_path):
    model = small(verbose=1, season=7, max_steps=2, quantiles=(0.5,)).fit(wave())
    assert model.coverage_ is None
    said = capsys.readouterr().err
    assert "held-out windows calibrated the quantiles\n" in said
    assert "promises" not in said + str(model.evaluate())
    model.save(tmp_path / "model")
    assert load(tmp_path / "model").coverage_ is None


# ---------------------------------------------------------------------- it learns


def mae(found, truth):
    return float(np.abs(np.asarray(found) - truth).mean())


def test_a_target_that_is_yesterdays_covariate():
    x = np.random.default_rng(0).normal(size=300)
    table = {"y": np.concatenate([[0.0], x[:-1]]), "x": x}
    with_x = learner(target="y", past="x").fit(table)
    assert abs(with_x.predict()["y"][0] - x[-1]) < 0.4
    assert with_x.validation_loss_ < 0.3 * learner(target="y").fit(table).validation_loss_


def test_a_target_that_is_a_covariate_known_ahead():
    x = np.random.default_rng(0).normal(size=303)
    table = {"y": np.concatenate([x[:300], [np.nan] * 3]), "x": x}
    model = learner(3, target="y", future="x").fit(table)
    assert mae(model.predict()["y"], x[300:]) < 0.4
    without = learner(3, target="y").fit({"y": x[:300]})
    assert model.validation_loss_ < 0.4 * without.validation_loss_
    step = learner(3, target="y", future="x", strategy="recursive").fit(table)
    assert mae(step.predict()["y"], x[300:]) < 0.4


def test_a_static_category_that_sets_what_comes():
    """Each series jumps by 1 or by -1 at every step with a known law that only its kind tells at the first steps."""
    random = np.random.default_rng(0)
    table = {"s": [], "kind": [], "y": []}
    for number in range(40):
        kind = number % 2
        steps = np.where(kind, 1.0, -1.0) + random.normal(0, 0.1, 12)
        table["s"] += [number] * 12
        table["kind"] += ["up" if kind else "down"] * 12
        table["y"] += [*np.cumsum(steps)]
    model = learner(series="s", static="kind", target="y", reference="last", validation=0.0).fit(table)
    start = {"s": [1, 1, 2, 2], "y": [0.0, 0.0, 0.0, 0.0]}
    found = model.predict(start | {"kind": ["up", "up", "down", "down"]})["y"]
    other = model.predict(start | {"kind": ["down", "down", "up", "up"]})["y"]
    assert found[0] > other[0] + 0.3
    assert other[1] > found[1] + 0.3


def test_the_day_of_the_week_is_used():
    """What happens on a Sunday is no season of the past: the calendar alone tells it to a model without one."""
    day = np.arange(np.datetime64("2024-01-01"), np.datetime64("2024-12-01"))
    sunday = (day.astype(int) + 3) % 7 == 6
    y = sunday + np.random.default_rng(0).normal(0, 0.05, len(day))
    model = learner(7, time="day", season=1, context=2, reference="mean").fit({"day": day, "y": y})
    found = model.predict()
    assert np.argmax(found["y"]) == np.argmax((found["day"].astype("datetime64[D]").astype(int) + 3) % 7)


def test_several_targets_are_forecast_together():
    y = np.stack([wave(), 1000 - 3 * wave(seed=1)], axis=1)
    model = small(season=7).fit(y)
    found, quantiles = model.predict(), model.predict_quantiles()
    assert (found.shape, quantiles.shape) == ((3, 2), (1, 3, 2, 3))
    assert (np.abs(found - y[-21:].mean(axis=0)) < 4 * y.std(axis=0)).all()


def test_the_coverage_that_is_measured_is_what_was_promised():
    """Noise of a known law: of 300 held-out windows 80% lie within."""
    model = small(max_steps=60).fit(np.random.default_rng(0).normal(size=1500))
    assert 0.75 <= model.coverage_ <= 0.85
    fresh = np.random.default_rng(1).normal(size=(400, 30))
    low, _, high = np.moveaxis(model.predict_quantiles(list(fresh[:, :-3])), -1, 0)
    inside = (fresh[:, -3:] >= low[..., 0]) & (fresh[:, -3:] <= high[..., 0])
    assert 0.75 <= inside.mean() <= 0.85


@pytest.mark.parametrize("loss", ["squared", "absolute"])
def test_intervals_of_other_losses_are_calibrated_too(loss):
    model = small(max_steps=60, loss=loss).fit(np.random.default_rng(0).gamma(1, size=1500))
    assert 0.75 <= model.coverage_ <= 0.85


def test_the_mean_and_the_median_are_learned():
    """Of a skew law they differ: the exponential one has the mean 1 and the median log 2."""
    y = np.random.default_rng(0).exponential(size=2000)
    common = {"context": 4, "reference": "mean", "max_steps": 200}
    assert abs(small(loss="squared", **common).fit(y).predict().mean() - 1) < 0.12
    assert abs(small(loss="absolute", **common).fit(y).predict().mean() - np.log(2)) < 0.12
    assert abs(small(**common).fit(y).predict().mean() - np.log(2)) < 0.12


# ---------------------------------------------------------------------- units


@pytest.mark.parametrize("reference", ["auto", *REFERENCES])
def test_the_units_do_not_matter(reference):
    """y * 1000 + 5 gives forecasts * 1000 + 5, but for rounding that training carries on.

    It cannot hold for a spread below 1e-9 of the level, which is taken for a constant, nor for factors below 0, which
    turn the quantiles around.
    """
    y = wave()
    model = small(season=7, reference=reference)
    one = [model.fit(y).predict(), model.predict_quantiles()[0, ..., 0, :]]
    other = [model.fit(y * 1000 + 5).predict(), model.predict_quantiles()[0, ..., 0, :]]
    for first, second in zip(one, other, strict=True):
        assert_close((second - 5) / 1000 / 20, first / 20, COMPILED["training"])


def test_series_of_a_panel_have_scales_of_their_own():
    y = wave()
    found = small(season=7).fit([y, 1e6 * y, 1e-6 * y]).predict()
    assert_close(found[1] / 2e7, found[0] / 20, COMPILED["training"])
    assert_close(found[2] / 2e-5, found[0] / 20, COMPILED["training"])


# ---------------------------------------------------------------------- columns without a role


def said_of(table, capsys, **roles):
    """The first line on standard error."""
    small(verbose=1, **roles).fit(table)
    return capsys.readouterr().err.splitlines()[0]


def test_dates_and_names_that_are_not_used_are_told(capsys):
    table = {"week": [str(day) for day in days(60)], "shop": ["a"] * 60, "y": wave(60)}
    assert said_of(table, capsys) == (
        "no target is named (target, --target): 'y' is forecast; not used: 'week' (dates), 'shop' (text); is it "
        "time='week' (--time), series='shop' (--series)?"
    )
    assert said_of(table, capsys, target="y", time="week") == "not used: 'shop' (text); is it series='shop' (--series)?"
    assert said_of(table, capsys, target="y", series="shop") == "not used: 'week' (dates); is it time='week' (--time)?"


def test_targets_that_were_not_named_are_told(capsys):
    table = {"a": wave(60), "b": wave(60, seed=1), "t": days(60)}
    said = "no target is named (target, --target): 'a' and 'b' are forecast"
    assert said_of(table, capsys, time="t") == said
    assert said_of(table, capsys, target="a", time="t") == "not used: 'b' (numbers)"


def test_nothing_is_said_of_columns_that_are_named(capsys):
    for data, roles in (({"y": wave(60)}, {}), (wave(60), {}), ({"y": wave(60), "t": days(60)}, {"time": "t"})):
        assert said_of(data, capsys, **roles).startswith("lstm")
