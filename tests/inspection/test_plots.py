"""The learning curve shows the figures of the history."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure
from tests.trained import fitted

from throughtime.inspection.plots import plot_history, save_history
from throughtime.training import History

HISTORY = History(4, [1.4, 1.2, 1.0], [0.1] * 3, [1.0] * 3, [2, 3], [1.3, 1.125])


@pytest.fixture(autouse=True)
def no_window():
    mpl.use("agg")
    yield
    plt.close("all")


def curves(ax):
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in ax.get_lines()}


def test_the_curves_are_those_of_the_history():
    each, smoothed, validation = curves(plot_history(HISTORY)).items()
    assert each == ("training, each step", ([1, 2, 3], HISTORY.loss))
    assert smoothed[0].startswith("training, smoothed")
    assert smoothed[1] == ([1, 2, 3], HISTORY.smooth_loss)
    assert validation == ("validation", ([2, 3], [1.3, 1.125]))


def test_the_picture_says_what_it_shows():
    ax = plot_history(HISTORY)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("step", "loss (nats per symbol)", "Learning curve")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(curves(ax))
    assert [text.get_text() for text in ax.texts] == ["1.125"]
    assert ax.get_ylim()[0] == 0


def test_without_validation_there_is_no_such_curve():
    assert "validation" not in curves(plot_history(History(4, [1.4, 1.2])))


def test_an_empty_history_can_be_drawn():
    assert curves(plot_history(History(4)))["training, each step"] == ([], [])


def test_it_draws_into_given_axes():
    axes = Figure().subplots(1, 2)
    assert plot_history(HISTORY, axes[1]) is axes[1]
    assert curves(axes[0]) == {}


def test_an_estimator_draws_its_own():
    assert curves(fitted().plot_history()) == curves(plot_history(fitted().history_))


def test_it_is_saved_as_a_picture_without_a_window(tmp_path):
    save_history(HISTORY, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert plt.get_fignums() == []
