"""Our layers against what PyTorch once computed from the same weights, as golden/make_golden.py wrote it down."""

from __future__ import annotations

import numpy as np
import pytest
from tests.golden.make_golden import CASES, FOLDER, path
from tests.pytorch_names import replay
from tests.tolerances import GOLDEN, assert_close


def read(case):
    with np.load(path(*case)) as file:
        return dict(file)


@pytest.mark.parametrize("case", CASES, ids=lambda case: path(*case).stem)
def test_outputs_states_and_gradients_are_those_of_pytorch(case):
    recorded = read(case)
    for name, value in replay(recorded, *case).items():
        assert_close(value, recorded.pop(name), GOLDEN, name)
    results = {name for name in recorded if name.startswith("d_")} - {"d_outputs", "d_h_n", "d_c_n"}
    assert not results, "recorded, but never compared"


def test_every_file_is_read():
    assert {file.name for file in FOLDER.glob("*.npz")} == {path(*case).name for case in CASES}


def test_files_hold_states_rows_and_padding_that_matter():
    for case in CASES:
        recorded = read(case)
        T = len(recorded["x"])
        assert len(set(recorded["lengths"])) > 1
        assert recorded["lengths"].min() < T == recorded["lengths"].max()
        assert all(np.all(recorded[name] != 0) for name in recorded if name.endswith("_0"))
        padding = np.arange(T)[:, None] >= recorded["lengths"]
        assert np.all(recorded["x"][padding] != 0)
        assert np.all(recorded["outputs"][padding] == 0)
