"""Forecasts of the past: nothing from the future, every baseline beside the network, and who won."""

import numpy as np
import pytest
from statsmodels import datasets
from tests.forecasters import ROLES, days, fitted, learner, of_shops, shop, small, wave

from throughtime.errors import DataError, ParameterError
from throughtime.series.metrics import METRICS, mase_size


def test_each_fold_judges_its_own_steps():
    y = wave()
    found = small(season=7).fit(y).backtest(folds=3, step=5)
    truth = found.forecasts["network"].truth[:, :, 0]
    assert np.array_equal(truth, [y[107:110], y[112:115], y[117:120]])
    assert found.forecasts["naive"].point[:, :, 0].tolist() == [[y[106]] * 3, [y[111]] * 3, [y[116]] * 3]
    assert np.array_equal(found.forecasts["seasonal naive"].point[0, :, 0], y[100:103])
    slope = (y[106] - y[0]) / 106
    np.testing.assert_allclose(found.forecasts["drift"].point[0, :, 0], y[106] + slope * np.arange(1, 4), rtol=1e-12)
    assert found.forecasts["network"].size[0, 0] == mase_size(y[:107, None], 7)[0]


def test_the_network_of_a_fold_is_what_one_that_was_fit_on_what_came_before_forecasts():
    y = wave()
    found = small(season=7).fit(y).backtest(folds=2)
    for fold, end in enumerate((114, 117)):
        alone = small(season=7).fit(y[:end])
        assert np.array_equal(found.forecasts["network"].point[fold, :, 0], alone.predict())
        assert np.array_equal(found.forecasts["network"].quantiles[fold], alone.predict_quantiles()[0])


def backtest_with(value):
    """Of a wave whose value at step 115, between the first forecast and the second, is another one."""
    y = wave()
    y[115] = value
    return small(season=7).fit(y).backtest(folds=2).forecasts


def test_a_spike_in_the_future_does_not_change_the_forecasts_before_it():
    one, other = backtest_with(20.0), backtest_with(1e5)
    for name in one:
        for kind in ("point", "quantiles", "size"):
            before, after = (getattr(found[name], kind) for found in (one, other))
            assert np.array_equal(before[0], after[0]), (name, kind)
    assert not np.array_equal(one["network"].point[1], other["network"].point[1])


def test_a_spike_in_a_measured_column_does_not_change_the_forecasts_before_it():
    table = shop()
    spiked = table | {"visits": table["visits"].copy()}
    spiked["visits"][55] = 1e5
    one, other = (small(**ROLES).fit(data).backtest(folds=2).forecasts["network"] for data in (table, spiked))
    assert np.array_equal(one.point[:2], other.point[:2])
    assert np.array_equal(one.quantiles[:2], other.quantiles[:2])
    assert not np.array_equal(one.point[2:], other.point[2:])


def test_what_is_known_ahead_behind_the_horizon_does_not_change_a_forecast():
    table = shop()
    spiked = table | {"price": table["price"].copy()}
    spiked["price"][57] = 1e5  # the first of the second fold
    one, other = (small(**ROLES).fit(data).backtest(folds=2).forecasts["network"] for data in (table, spiked))
    assert np.array_equal(one.point[:2], other.point[:2])
    assert np.array_equal(one.quantiles[:2], other.quantiles[:2])
    assert not np.array_equal(one.point[2:], other.point[2:])


def test_columns_that_are_known_ahead_are_standardised_by_the_part_that_is_learned():
    price = shop()["price"]
    learned = np.concatenate([price[:48], price[60:96]])  # four fifths of 60 and of 45 days
    standard = of_shops().fitted_.features.future
    np.testing.assert_allclose(standard.mean, learned.mean(), rtol=1e-12)
    np.testing.assert_allclose(standard.spread, learned.std(), rtol=1e-12)


def test_without_another_fit_the_model_itself_is_judged():
    y = wave()
    found = fitted().backtest(y, folds=2, step=4, refit=False)
    assert np.array_equal(found.forecasts["network"].point[0, :, 0], fitted().predict(y[:113]))
    assert np.array_equal(found.forecasts["network"].point[1, :, 0], fitted().predict(y[:117]))


def test_data_of_their_own_may_be_judged_without_a_fit_before():
    assert len(small(season=7).backtest(wave(), folds=2).folds) == 2


def test_every_method_has_every_metric_at_every_lead():
    found = fitted().backtest(folds=2, refit=False)
    table = found.columns()
    assert table["method"] == [name for name in ("network", "naive", "seasonal naive", "drift") for _ in range(3)]
    assert table["lead"] == [1, 2, 3] * 4
    for name in METRICS:
        assert np.isfinite(table[name]).all(), name
    assert found.scores.windows == 2
    assert [fold.windows for fold in found.folds] == [1, 1]


def test_without_a_season_there_is_no_seasonal_naive_forecast():
    assert list(small().fit(wave()).evaluate().by_lead) == ["network", "naive", "drift"]


def test_a_panel_is_judged_as_a_whole():
    scores = of_shops().evaluate(shop())
    assert scores.windows == 2
    assert of_shops().evaluate(shop(more=3)).overall() == scores.overall()


def test_evaluate_forecasts_the_last_steps():
    y = wave()
    found = fitted().evaluate(y).by_lead["network"]["mae"]
    assert np.array_equal(found, np.abs(y[-3:] - fitted().predict(y[:-3])))


def test_values_that_are_missing_or_that_a_method_does_not_know_count_for_none():
    y = np.stack([wave(), wave(seed=1)], axis=1)
    y[118, 0] = np.nan
    y[:113:7, 1] = np.nan  # the phase of step 119 was never known
    found = small(season=7, reference="last").fit(y).backtest(folds=1, refit=False).forecasts
    for one in found.values():
        there = np.isfinite(one.truth[0])
        assert np.array_equal(there, [[True, True], [False, True], [True, False]])
        assert np.isfinite(one.point[0][there]).all()


def test_it_says_when_the_network_loses():
    """A season that repeats exactly is forecast without an error by the seasonal naive method, a walk by the naive."""
    repeated = small(7, season=7, reference="mean").fit(np.tile([3.0, 1, 4, 1, 5, 9, 2], 12)).evaluate()
    assert str(repeated).endswith(
        "the network's MAE is ABOVE that of the best baseline (seasonal naive); use the baseline, or give more data"
    )
    walk = np.cumsum(np.random.default_rng(0).normal(size=150))
    found = small(reference="mean", max_steps=2).fit(walk).backtest(folds=3)
    assert str(found).splitlines()[-2].endswith("use the baseline, or give more data")
    assert "ABOVE" in str(found)
    assert str(found).endswith("\nthe network is better than the best baseline in 0 of 3 folds")
    once = fitted().backtest(folds=1, refit=False)
    assert str(once).endswith(f"in {int(once.folds[0].wins)} of 1 fold")
    assert "\n1 window; coverage" in str(once)


def test_it_says_when_the_network_wins():
    day = days(300)
    y = 10 + 3 * np.sin(np.arange(300) / 3) + np.random.default_rng(0).normal(0, 0.1, 300)
    found = learner(3, time="day").fit({"day": day, "y": y}).backtest(folds=3, refit=False)
    assert "% below that of the best baseline" in str(found)
    assert found.scores.wins


@pytest.mark.parametrize("name", ["sunspots", "co2", "elnino"])
def test_real_series(name):
    """Years of sunspots, weeks of carbon dioxide with gaps, months of the sea's temperature."""
    frame = getattr(datasets, name).load_pandas().data
    if name == "sunspots":
        data, roles = {"t": frame["YEAR"].to_numpy(int), "y": frame["SUNACTIVITY"].to_numpy()}, {"season": 11}
    elif name == "co2":
        data, roles = {"t": frame.index.to_numpy(), "y": frame["co2"].to_numpy()}, {}
    else:
        months = frame.drop(columns="YEAR").to_numpy().reshape(-1)
        data = {"t": np.datetime64("1950-01") + np.arange(len(months)), "y": months}
        roles = {}
    model = small(6, time="t", target="y", context=24, **roles).fit(data)
    assert model.season_ == {"sunspots": 11, "co2": 52, "elnino": 12}[name]
    assert 0.6 < model.coverage_ < 0.95
    scores = model.evaluate()
    assert np.isfinite(scores.overall()["mae"])
    assert scores.overall()["mase"] < 3


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(("name", "value"), [("folds", 0), ("folds", 1.5), ("folds", "5"), ("step", 0), ("step", -1)])
def test_no_number_of_folds_or_steps(name, value):
    with pytest.raises(ParameterError, match=f"{name} must be an integer of at least 1, got {value!r}"):
        fitted().backtest(**{name: value})


def test_a_series_that_is_too_short_for_so_many_folds():
    with pytest.raises(DataError) as caught:
        fitted().backtest(folds=40, step=3)
    assert str(caught.value) == (
        "the series has 120 steps; the first forecast begins 120 before its end and needs 1 before that: give more of "
        "it, fewer folds (--folds) or, in Python, a smaller step, or leave it out"
    )
    with pytest.raises(DataError, match="the first forecast begins 114 before its end and needs 8 before that"):
        fitted().backtest(folds=38, step=3, refit=False)
    with pytest.raises(DataError, match=r"the series has 6 steps, of which a season \(7\) and a step plus the horizon"):
        fitted().backtest(folds=38, step=3)


def test_a_series_that_is_too_short_to_be_judged():
    with pytest.raises(DataError) as caught:
        fitted().evaluate(wave(10))
    assert str(caught.value) == (
        "the series has 10 steps; the first forecast begins 3 before its end and needs 8 before that: give more of it, "
        "or leave it out"
    )


def test_parameters_are_checked_before_data_are_read():
    with pytest.raises(ParameterError, match="loss must be one of"):
        small(loss="mse").backtest("no data")
