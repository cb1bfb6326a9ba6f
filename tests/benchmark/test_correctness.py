"""Whatever is timed computes the same, and a fault that is planted is found."""

import numpy as np
import pytest
from tests.benchmark.material import computes_the_same, label, pairs

from throughtime.benchmark import Job, peers
from throughtime.benchmark.correctness import compare, expected
from throughtime.benchmark.jobs import LEARNING_RATE
from throughtime.errors import Disagreement


@pytest.mark.parametrize(("name", "job"), pairs(needing=False), ids=label)
def test_a_peer_computes_the_same(name, job):
    computes_the_same(name, job)


@pytest.fixture
def job():
    return Job("text", "lstm", 8, 2, 5)


@pytest.fixture
def ours(job):
    return peers.get(peers.US).entries(job, 1)[""].check()


def test_ours_gives_all_that_is_compared(job, ours):
    assert expected(job).keys() == ours.keys()


@pytest.mark.parametrize("name", ["recurrent.0.W", "recurrent.0.b", "embedding.table", "output.V"])
def test_a_gradient_planted_wrong_by_a_thousandth_is_noticed(job, ours, name):
    wrong = ours[f"gradient {name}"]
    wrong[np.unravel_index(np.abs(wrong).argmax(), wrong.shape)] *= 1.001
    with pytest.raises(
        Disagreement, match=rf"gradient {name} of them is off by 0\.001 of the largest element, allowed"
    ):
        compare("them", job.name, ours, expected(job))


def test_two_gates_that_are_swapped_are_noticed(job, ours):
    wrong = ours["gradient recurrent.0.W"]
    wrong[:, :16] = np.roll(wrong[:, :16], 8, axis=1)
    with pytest.raises(Disagreement, match=r"gradient recurrent\.0\.W"):
        compare("them", job.name, ours, expected(job))


@pytest.mark.parametrize("name", ["loss", "norm", "gradient recurrent.0.U", "weights recurrent.0.U"])
def test_a_nan_does_not_pass(job, ours, name):
    ours[name] = ours[name] * np.nan
    with pytest.raises(Disagreement, match="is off by nan"):
        compare("them", job.name, ours, expected(job))


def test_a_step_that_is_too_long_is_noticed(job, ours):
    network = job.network()
    for name, w in network.parameters.items():
        ours[f"weights {name}"] = w + 1.01 * (ours[f"weights {name}"].astype(np.float64) - w)
    with pytest.raises(Disagreement, match=r"weights .* of them is off by 0\.0(1|099) of the learning rate"):
        compare("them", job.name, ours, expected(job))


def test_the_step_that_is_compared_is_not_lost_in_rounding(job):
    reference, network = expected(job), job.network()
    moved = np.abs(reference["weights recurrent.0.W"] - network.parameters["recurrent.0.W"])
    assert np.median(moved) == pytest.approx(LEARNING_RATE, rel=0.01)


def test_what_is_left_out_is_noticed(job, ours):
    del ours["gradient output.V"]
    with pytest.raises(Disagreement, match=r"them gives no gradient output\.V; nothing was timed"):
        compare("them", job.name, ours, expected(job))


def test_another_shape_is_noticed(job, ours):
    ours["gradient output.V"] = ours["gradient output.V"].T
    with pytest.raises(Disagreement, match=r"has the shape \[65, 8\], expected \[8, 65\]"):
        compare("them", job.name, ours, expected(job))
