import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from throughtime.errors import OutputError
from throughtime.tables import Cells, Spill, spill


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THROUGHTIME_CACHE_DIR", str(tmp_path))


def test_few_arrays_stay_in_memory(tmp_path: Path) -> None:
    room = Spill(most=800)
    array = np.arange(100.0)
    assert room.keep(array) is array
    assert not (tmp_path / "spilled").exists()


def test_what_is_more_goes_to_files_that_have_no_name(tmp_path: Path) -> None:
    room = Spill(most=0)
    draws = np.random.default_rng(1)
    arrays = [draws.normal(size=shape) for shape in [(3,), (1000, 7), (2, 3, 4), (0, 5)]]
    kept = [room.keep(array) for array in arrays]
    for one, other in zip(arrays, kept, strict=True):
        assert one is not other
        np.testing.assert_array_equal(one, other)
    assert list((tmp_path / "spilled").iterdir()) == []


def test_arrays_share_a_file_and_large_ones_have_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spill, "SEGMENT", 1 << 12)
    made: list[int] = []
    mapped = spill._mapped
    monkeypatch.setattr(spill, "_mapped", lambda size: made.append(size) or mapped(size))
    room = Spill(most=0)
    arrays = [room.keep(np.full(100, n, np.uint8)) for n in range(60)]
    large = room.keep(np.arange(5000, dtype=np.int64))
    assert made == [1 << 12, 1 << 12, 40_000]  # each takes 128 bytes, 32 fit into a file
    assert [int(array.min()) for array in arrays] == [int(array.max()) for array in arrays] == list(range(60))
    assert large[-1] == 4999


def test_joined() -> None:
    for most in (0, 1 << 20):
        room = Spill(most)
        found = room.joined([np.arange(3), np.array([0.5]), np.zeros(0)])
        np.testing.assert_array_equal(found, [0, 1, 2, 0.5])


def test_what_cannot_be_joined_is_not_made_to_fit() -> None:
    for most in (0, 1 << 20):
        with pytest.raises(ValueError, match="cannot be joined"):
            Spill(most).joined([np.zeros((3, 2)), np.zeros((4, 1))])


def test_objects_stay_in_memory() -> None:
    array = np.array(["a", None, [1]], object)
    assert Spill(most=0).keep(array) is array
    assert Spill(most=0).joined([array, array]).tolist() == ["a", None, [1]] * 2


@pytest.mark.parametrize("missing", [OSError(95, "Operation not supported"), AttributeError("posix_fallocate")])
def test_a_file_system_that_reserves_nothing_is_written_to(monkeypatch: pytest.MonkeyPatch, missing: Exception) -> None:
    def reserve(file: int, offset: int, size: int) -> None:
        raise missing

    monkeypatch.setattr(os, "posix_fallocate", reserve)
    monkeypatch.setattr(spill, "SEGMENT", 3 << 20)
    np.testing.assert_array_equal(Spill(most=0).keep(np.arange(9.0)), np.arange(9.0))


def test_a_pickle_is_a_list() -> None:
    cells = Cells(Spill(most=0))
    cells.add(["a", None, "b"])
    assert pickle.loads(pickle.dumps(cells)) == ["a", None, "b"]


def test_no_room_is_said_with_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, offset: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OutputError, match=r"no room for 67,108,864 bytes .* No space left on device; let THROUGHTIME"):
        Spill(most=0).keep(np.zeros(3))


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("most", [0, 1 << 20])
def test_cells_are_as_a_list(most: int, as_json: bool) -> None:
    cells = ["a", "", None, "zwölf", "\ud800", "x" * 1000, "b\n"]
    if as_json:
        cells = [*cells, 1, 2.5, True, [1, {"a": None}]]
    found = Cells(Spill(most), as_json=as_json)
    for start, end in [(0, 1), (1, 1), (1, 4), (4, len(cells))]:
        found.add(cells[start:end])
    assert list(found) == cells
    assert found[:] == cells
    assert found[-2:0:-3] == cells[-2:0:-3]
    assert [found[row] for row in range(len(cells))] == cells
    assert found[-1] == cells[-1]
    assert np.ndim(found) == 1
    with pytest.raises(IndexError, match=f"element {len(cells)} of {len(cells)}"):
        found[len(cells)]
