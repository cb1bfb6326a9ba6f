"""Scores against numbers worked on paper, and the sentence on who won."""

import numpy as np
import pytest
from tests.tolerances import HAND, assert_close

from throughtime.series.metrics import METRICS, Forecasts, Scores, mase_size

LEVELS = (0.1, 0.5, 0.9)


def forecasts(point, truth, quantiles=None, size=1.0):
    """Of n series, one lead and one column."""
    point, truth = (np.array(values, float).reshape(-1, 1, 1) for values in (point, truth))
    if quantiles is None:
        quantiles = np.repeat(point, 3)
    return Forecasts(point, np.reshape(quantiles, (len(point), 1, 1, 3)), truth, np.full((len(point), 1), size))


def score(name, *args, **kwargs):
    (found,) = forecasts(*args, **kwargs).scores(np.array(LEVELS))[name]
    return found


def test_the_errors_of_two_forecasts():
    assert score("mae", [1, 2], [2, 5]) == 2
    assert_close(score("rmse", [1, 2], [2, 5]), np.float64(np.sqrt(5)), HAND)


def test_smape_is_in_per_cent_of_the_mean_of_forecast_and_truth():
    assert score("smape", [3], [1]) == 100
    assert score("smape", [0], [2]) == 200
    assert score("smape", [0], [0]) == 0


def test_mase_is_divided_by_the_error_of_a_seasonal_naive_forecast_within_the_history():
    history = np.array([[1.0], [2.0], [4.0], [8.0]])
    assert mase_size(history, 1).tolist() == [7 / 3]
    assert mase_size(history, 2).tolist() == [4.5]
    assert score("mase", [1], [10], size=4.5) == 2


def test_mase_goes_over_missing_values():
    """Of 1, none, 4, 5 one step is known from the value before, and 4 from the last one known."""
    assert mase_size(np.array([[1.0], [np.nan], [4.0], [5.0]]), 1).tolist() == [2]


def test_mase_of_a_constant_history_is_not_known():
    assert np.isnan(mase_size(np.ones((5, 1)), 1)).all()
    assert np.isnan(score("mase", [1], [2], size=np.nan))


def test_the_pinball_loss_is_the_mean_over_the_quantiles():
    """The truth 5 is 4 above 1, 0 from 5 and 2 below 7: 0.1 * 4, 0, (1 - 0.9) * 2."""
    assert_close(score("pinball", [5], [5], [1, 5, 7]), np.float64(0.6 / 3), HAND)


def test_coverage_is_the_share_between_the_outer_quantiles():
    assert score("coverage", [0, 0, 0, 0], [-1, 1, 2, 1.5], [[-1, 0, 1]] * 4) == 0.5


def test_a_missing_truth_is_not_counted():
    for name in METRICS:
        assert score(name, [1, 1], [2, np.nan]) == score(name, [1], [2])


def test_a_method_without_quantiles_has_no_coverage():
    assert np.isnan(score("coverage", [1], [1], [np.nan] * 3))


def scores(network, naive, truth=0.0):
    return Scores.of({"network": forecasts([network], [truth]), "naive": forecasts([naive], [truth])}, LEVELS)


@pytest.mark.parametrize(
    ("network", "naive", "verdict"),
    [
        (1, 2, "the network's MASE is 50% below that of the best baseline (naive)"),
        (
            3,
            2,
            "the network's MASE is 50% ABOVE that of the best baseline (naive); use the baseline, or give more data",
        ),
        (
            2,
            2,
            "the network's MASE is no smaller than that of the best baseline (naive); use the baseline, "
            "or give more data",
        ),
        (
            2,
            0,
            "the network's MASE is ABOVE that of the best baseline (naive); use the baseline, or give more data",
        ),
        (np.nan, 1, "there is no value by which the network and the baselines could be compared"),
    ],
)
def test_the_verdict(network, naive, verdict):
    found = scores(network, naive)
    assert found.verdict == verdict
    assert str(found).endswith(verdict)
    assert found.wins == (network < naive)


def of_two_shops(large, small):
    """A large shop, whose naive forecasts are off by 100 in the history, and a small one, of which it is 1."""
    points = np.array([large, small]).reshape(2, 1, 1)
    return Forecasts(points, points[..., None], np.zeros((2, 1, 1)), np.array([[100.0], [1.0]]))


def test_a_large_series_does_not_decide_alone():
    """MASE of the network (0.9 + 2) / 2, of the naive forecast (1 + 1) / 2; MAE (90 + 2) / 2 and (100 + 1) / 2."""
    found = Scores.of({"network": of_two_shops(90.0, 2.0), "naive": of_two_shops(100.0, 1.0)}, (0.5,))
    assert found.overall()["mae"] < found.overall("naive")["mae"]
    assert (found.judged_by, found.wins, found.best_baseline) == ("mase", False, "naive")
    assert found.verdict.startswith("the network's MASE is 45% ABOVE that of the best baseline (naive)")
    other = Scores.of({"network": of_two_shops(110.0, 0.5), "naive": of_two_shops(100.0, 1.0)}, (0.5,))
    assert other.wins
    assert other.verdict == "the network's MASE is 20% below that of the best baseline (naive)"


def test_the_best_baseline_is_that_by_which_the_network_is_judged():
    methods = {"network": of_two_shops(1.0, 1.0), "a": of_two_shops(90.0, 2.0), "b": of_two_shops(100.0, 1.0)}
    assert Scores.of(methods, (0.5,)).best_baseline == "b"


def test_where_no_mase_is_known_the_mae_decides():
    methods = {name: forecasts([off], [0], size=np.nan) for name, off in (("network", 1), ("naive", 2))}
    found = Scores.of(methods, LEVELS)
    assert (found.judged_by, found.wins) == ("mae", True)
    assert found.verdict == "the network's MAE is 50% below that of the best baseline (naive)"


def test_the_best_baseline_has_the_smallest_error():
    found = Scores.of({name: forecasts([off], [0]) for name, off in (("network", 9), ("a", 3), ("b", 2))}, LEVELS)
    assert found.best_baseline == "b"


def test_the_overall_rmse_is_the_root_of_the_mean_square_over_the_leads():
    point = np.array([3.0, 4.0]).reshape(1, 2, 1)
    one = Forecasts(point, np.repeat(point[..., None], 3, axis=-1), np.zeros((1, 2, 1)), np.ones((1, 1)))
    assert_close(Scores.of({"network": one}, LEVELS).overall()["rmse"], np.sqrt(12.5), HAND)


def test_the_table_has_a_row_for_each_method_and_lead():
    found = scores(1, 2).columns()
    assert found["method"] == ["network", "naive"]
    assert found["lead"] == [1, 1]
    assert found["mae"] == [1, 2]
    assert found.keys() == {"method", "lead", *METRICS}


def test_it_tells_every_method_and_what_the_coverage_promises():
    text = str(scores(1, 2))
    assert "1 window; coverage of 0.1 to 0.9, which promises 80%" in text
    assert [line.split()[0] for line in text.splitlines()[:3]] == ["rmse", "network", "naive"]
