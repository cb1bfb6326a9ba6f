"""The rows: which there are, and what they count."""

import numpy as np
import pytest

from throughtime.benchmark import Job, choose
from throughtime.benchmark.jobs import CELLS, OF_SET
from throughtime.errors import ParameterError


@pytest.mark.parametrize("size", OF_SET)
def test_every_row_has_a_name_of_its_own(size):
    names = [job.name for job in choose(size)]
    assert len(set(names)) == len(names)


def test_each_set_is_part_of_the_next():
    quick, medium, everything = (set(choose(size)) for size in ("quick", "medium", "all"))
    assert quick < everything
    assert medium < everything
    assert len(quick) < len(medium)


def test_all_rows():
    names = [job.name for job in choose("all")]
    sizes = ("96, 1, 25", "128, 1, 50", "128, 16, 50", "128, 64, 64")
    sizes += ("256, 32, 64", "512, 32, 64", "512, 128, 64", "1024, 64, 64")
    expected = {f"{kind} {cell} {size}" for kind in ("text", "dense") for cell in CELLS for size in sizes}
    expected |= {"words lstm 256, 32, 35", "classic elman 100, 1, 25", "generation lstm 128"}
    assert set(names) == expected | {f"step lstm {H}" for H in (32, 128, 256, 512)}


def test_rows_are_chosen_by_cell_and_by_name():
    assert [job.name for job in choose("all", ["gru"], "96")] == ["text gru 96, 1, 25", "dense gru 96, 1, 25"]
    assert [job.name for job in choose("quick", only="step")] == ["step lstm 32", "step lstm 128"]
    assert {job.kind for job in choose("quick", ["gru"])} == {"text", "dense", "generation", "step"}


def test_no_such_row():
    with pytest.raises(ParameterError, match="no row of the set 'quick' contains 'nonsense'; there are 'text elman 96"):
        choose("quick", only="nonsense")


def test_no_such_cell():
    with pytest.raises(ParameterError, match="cell must be one of"):
        choose("quick", ["nonsense"])


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (Job("text", "lstm", 10, 2, 3, K=7), 2 * 3 * (3 * 10 * 40 + 3 * 10 * 7)),
        (Job("dense", "gru", 10, 2, 3, K=1), 2 * 3 * (3 * 10 * 30 + 3 * 10 + 2 * 10 * 30)),
        (Job("words", "elman", 10, 2, 3, K=50), 2 * 3 * (3 * 10 * 10 + 3 * 10 * 50)),
        (Job("classic", "elman", 10, 1, 3, K=7), 3 * (3 * 10 * 10 + 3 * 10 * 7)),
        (Job("generation", "lstm", 10, K=7), 3 * 10 * 40 + 10 * 7),
        (Job("step", "lstm", 10), 2 * 10 * 40),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_the_multiplications_that_are_needed(job, expected):
    assert job.multiplications == expected


@pytest.mark.parametrize("job", choose("quick"), ids=lambda job: job.name)
def test_every_engine_gets_the_same_weights(job):
    ours, plain = job.network(), job.network("numpy", "float64")
    assert ours.engine.name == "compiled"
    assert plain.engine.dtype == np.float64
    for name, w in ours.parameters.items():
        np.testing.assert_array_equal(w, plain.parameters[name])


def test_the_data_are_the_same_every_time():
    job = Job("dense", "lstm", 4, 2, 3, K=1)
    np.testing.assert_array_equal(job.batch().x, job.batch().x)
    assert job.batch().x.shape == (3, 2, 4)
    assert job.batch().targets.shape == (3, 2, 1)


def test_threads():
    assert Job("text", "lstm", 4).threads(8) == (1, 8)
    assert Job("text", "lstm", 4).threads(1) == (1,)
    assert Job("generation", "lstm", 4).threads(8) == (1,)
