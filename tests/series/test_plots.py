"""Pictures of forecasts, without a display."""

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from tests.forecasters import fitted, of_shops, shop, small, wave

from throughtime.errors import DataError, ParameterError

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_a_series_with_its_forecast_and_interval():
    ax = fitted().plot()
    assert labels(ax) == ["so far", "0.1 to 0.9", "forecast"]
    assert (ax.get_title(), ax.get_xlabel()) == ("y0", "step")
    so_far, forecast = ax.lines
    assert np.array_equal(so_far.get_ydata(), wave()[-40:])
    assert so_far.get_xdata()[-1] == 0
    assert np.array_equal(forecast.get_ydata(), fitted().predict())
    assert forecast.get_xdata().tolist() == [1, 2, 3]


def test_every_pair_of_quantiles_is_a_band():
    model = small(quantiles=(0.05, 0.25, 0.75, 0.95)).fit(wave())
    assert labels(model.plot()) == ["so far", "0.05 to 0.95", "0.25 to 0.75", "forecast"]
    assert labels(small(quantiles=0.5).fit(wave()).plot()) == ["so far", "forecast"]


def test_a_series_of_a_panel_over_its_times():
    _, ax = pyplot.subplots()
    found = of_shops().plot(shop(more=3), series="south", ax=ax)
    assert found is ax
    assert (ax.get_title(), ax.get_xlabel()) == ("sales, south", "day")
    assert str(ax.lines[1].get_xdata()[0].astype("datetime64[D]")) == "2024-02-15"


def test_another_column():
    y = np.stack([wave(), -wave(seed=1)], axis=1)
    model = small().fit(y)
    ax = model.plot(column="y1")
    assert ax.get_title() == "y1"
    assert np.array_equal(ax.lines[1].get_ydata(), model.predict()[:, 1])


def test_what_is_not_there_cannot_be_drawn():
    with pytest.raises(DataError, match="there is no series 'west'; there are 'north' and 'south'"):
        of_shops().plot(shop(more=3), series="west")
    with pytest.raises(ParameterError, match="column must be one of 'sales', got 'y'"):
        of_shops().plot(shop(more=3), column="y")


def test_the_history_of_the_loss():
    assert fitted().plot_history().get_ylabel() == "loss (pinball, in units of each series' scale)"
