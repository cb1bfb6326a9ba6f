"""Forecasts that need no network, against numbers worked on paper."""

import numpy as np

from throughtime.series.baselines import drift, naive, seasonal_naive, with_quantiles

NAN = np.nan


def column(*values):
    return np.array(values)[:, None]


def last(forecast):
    return forecast[-1, :, 0]


def test_naive_is_the_last_value():
    assert last(naive(column(3.0, 1.0, 4.0), 1, 3)).tolist() == [4, 4, 4]


def test_naive_goes_over_a_missing_value():
    assert last(naive(column(3.0, 1.0, NAN), 1, 2)).tolist() == [1, 1]


def test_seasonal_naive_is_the_value_of_a_season_ago():
    assert last(seasonal_naive(column(1.0, 2.0, 3.0, 4.0, 5.0), 3, 7)).tolist() == [3, 4, 5, 3, 4, 5, 3]


def test_seasonal_naive_goes_back_another_season_over_a_missing_value():
    assert last(seasonal_naive(column(1.0, 2.0, 3.0, 4.0, NAN, 6.0), 3, 3)).tolist() == [4, 2, 6]


def test_seasonal_naive_knows_nothing_of_a_phase_that_never_had_a_value():
    found = last(seasonal_naive(column(NAN, 2.0, NAN, 4.0), 2, 2))
    assert np.isnan(found[0])
    assert found[1] == 4


def test_drift_goes_on_along_the_line_from_the_first_value():
    assert last(drift(column(1.0, 5.0, 4.0), 1, 3)).tolist() == [5.5, 7.0, 8.5]


def test_drift_counts_the_steps_of_missing_values():
    """From 2 at step 1 to 8 at step 3 it is 3 a step; step 4 is missing, so that the next one is step 5."""
    assert last(drift(column(NAN, 2.0, NAN, 8.0, NAN), 1, 2)).tolist() == [14, 17]


def test_drift_knows_nothing_from_one_value():
    assert np.isnan(drift(column(NAN, 2.0, NAN), 1, 2)).all()


def test_every_step_has_its_own_forecast():
    assert naive(column(3.0, 1.0, 4.0), 1, 2)[:, :, 0].tolist() == [[3, 3], [1, 1], [4, 4]]


def test_columns_stand_by_themselves():
    y = np.array([[1.0, 10.0], [2.0, 30.0]])
    assert drift(y, 1, 1)[-1].tolist() == [[3, 50]]


def test_quantiles_are_those_of_what_the_forecasts_before_were_off_by():
    """Naive forecasts of 1, 2, 4, 8 one step ahead are off by 1, 2, 4, two steps ahead by 3, 6."""
    y = column(1.0, 2.0, 4.0, 8.0)
    found = with_quantiles(y, naive(y, 1, 2), np.array([0.0, 0.5, 1.0]))
    assert found[:, 0].tolist() == [[9, 10, 12], [11, 12.5, 14]]


def test_quantiles_without_any_forecast_before_are_not_known():
    y = column(1.0)
    assert np.isnan(with_quantiles(y, naive(y, 1, 2), np.array([0.1, 0.9]))).all()
