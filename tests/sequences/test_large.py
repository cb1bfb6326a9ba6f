"""Sets that are kept in files and looked at in parts give what the same sets give in memory."""

import tracemalloc

import numpy as np
import pytest
from tests.sequences.material import KINDS, SMALL, WORDS
from tests.tolerances import HAND, assert_close

from throughtime import SequenceClassifier, SequenceRegressor
from throughtime.cli.sequences import are_there, labels_of, sequences_of
from throughtime.errors import DataError, DataTypeError
from throughtime.sequences import rows as rows_module
from throughtime.sequences.encoding import Numbers
from throughtime.sequences.inputs import read
from throughtime.sequences.rows import Lesson, Rows
from throughtime.tables import Cells, Spill, spill

DRAWS = np.random.default_rng(5)
GRID = DRAWS.integers(-2, 3, (60, 7)).astype(float)
SIGNS = (GRID.sum(axis=1) > 0).astype(int)


@pytest.fixture
def _in_files(tmp_path, monkeypatch):
    monkeypatch.setenv("THROUGHTIME_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(spill, "MOST", 0)


@pytest.fixture
def _in_parts(monkeypatch):
    monkeypatch.setattr(rows_module, "AT_ONCE", 32)


def cells(values, at_once=5, **options):
    found = Cells(Spill(0), **options)
    for start in range(0, len(values), at_once):
        found.add(values[start : start + at_once])
    return found


def in_json(values):
    return cells(values, as_json=True)


def mapped(array):
    found = Spill(0).empty(array.shape, array.dtype)
    found[...] = array
    return found


def saved(model, path):
    model.save(path)
    return path.read_bytes()


@pytest.mark.usefixtures("_in_files", "_in_parts")
@pytest.mark.parametrize("most", [0, 64 << 20])
@pytest.mark.parametrize(
    ("kind", "X", "y", "large_X", "large_y"),
    [
        (SequenceClassifier, GRID, SIGNS, mapped, mapped),
        (SequenceClassifier, GRID.astype(np.float32), SIGNS, mapped, mapped),
        (SequenceClassifier, GRID[..., None] * [1, 2], ["no", "yes", "maybe"] * 20, mapped, cells),
        (SequenceClassifier, GRID.tolist(), SIGNS.tolist(), in_json, in_json),
        (SequenceClassifier, WORDS, KINDS, cells, cells),
        (SequenceRegressor, WORDS, np.array([float(len(word)) for word in WORDS]), cells, mapped),
        (SequenceRegressor, GRID, GRID[:, :2], mapped, mapped),
    ],
)
def test_the_same_model_comes_of_files_as_of_memory(kind, X, y, large_X, large_y, most, tmp_path, monkeypatch):
    monkeypatch.setattr(rows_module, "MOST_SORTED", most)
    options = SMALL | {"validation": 0.2, "max_length": 5}
    large = kind(**options).fit(large_X(X), large_y(y))
    predicted, score = large.predict(large_X(X)), large.score(large_X(X), large_y(y))
    monkeypatch.setattr(spill, "MOST", 64 << 20)
    small = kind(**options).fit(X, y)
    assert saved(large, tmp_path / "large") == saved(small, tmp_path / "small")
    assert np.array_equal(predicted, small.predict(X))
    assert score == small.score(X, y)


@pytest.mark.usefixtures("_in_parts")
def test_the_scale_of_parts_is_that_of_all():
    values, weights = DRAWS.normal(3, 2, (90, 4)), DRAWS.uniform(1, 2, 90)
    lesson = Lesson(Rows.between(values.reshape(-1, 1), np.arange(91) * 4), np.zeros(90, int), weights)
    assert len(list(lesson.rows.parts())) > 5
    scale = Numbers.of(lesson).scale
    steps = np.repeat(weights, 4)
    mean = np.average(values.ravel(), weights=steps)
    assert_close(scale.mean, np.array([mean]), HAND)
    spread = np.average((values.ravel() - mean) ** 2, weights=steps) ** 0.5
    assert_close(scale.spread, np.array([spread]), HAND)


@pytest.mark.parametrize("most", [0, 64 << 20])
def test_equal_rows_are_one_in_an_order_that_depends_on_the_rows_alone(most, monkeypatch):
    """By hand: row 0 comes twice with answer 1, and once with answer 0."""
    monkeypatch.setattr(rows_module, "MOST_SORTED", most)
    X, y, weights = np.array([[5.0], [7.0], [5.0], [5.0]]), np.array([1, 1, 0, 1]), np.array([1.0, 2.0, 4.0, 8.0])
    found = []
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        merged = Lesson(read(X[order]).rows, y[order], weights[order]).merged()
        found.append([(merged.rows[i].item(), int(merged.answers[i]), merged.weights[i].item()) for i in range(3)])
    assert found[0] == found[1]
    assert sorted(found[0]) == [(5, 0, 4), (5, 1, 9), (7, 1, 2)]


def test_choosing_rows_copies_none_of_their_steps():
    rows = read(GRID).rows
    assert np.shares_memory(rows.values, GRID)
    assert rows.those(np.array([3, 1])).cut(2, first=True).values is rows.values
    some = rows.those(np.array([3, 1])).together()
    assert np.array_equal(some.values[:, 0], GRID[[3, 1]].ravel())
    assert some.bounds.tolist() == [0, 7, 14]
    assert rows.together() is rows


def test_one_zero_even_of_what_is_not_copied():
    given = np.array([[0.0, 1.0], [-0.0, 1.0]])
    assert not np.signbit(read(given).rows.values).any()
    assert np.signbit(given[1, 0])


def wrong(values, place, value):
    found = np.array(values, dtype=object if value is None else None)
    found[place] = value
    return found


@pytest.mark.usefixtures("_in_files", "_in_parts")
@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        (wrong(GRID, (57, 3), np.nan), SIGNS, DataError, r"X contains NaN \(row 57, column 3\)"),
        (wrong(GRID, (41, 0), -np.inf), SIGNS, DataError, r"X contains infinity \(row 41, column 0\)"),
        (GRID, wrong(SIGNS.astype(float), 58, np.nan), DataError, r"y contains nan \(row 58\), which is no label"),
        (GRID, cells([*"ab" * 29, None, "a"]), DataError, r"y contains None \(row 58\), which is no label"),
        (GRID, cells([*"ab" * 29, "", "a"]), DataError, r"y contains '' \(row 58\), which is no label"),
        (GRID, SIGNS + 0.25, DataError, "Unknown label type: continuous"),
        (GRID, wrong(np.eye(60, 3), (33, 2), 2), DataError, r"row 33, column 2 is 2\.0"),
        (GRID, cells(["a"] * 60), DataError, "y holds one class only, 'a'"),
        (cells([*WORDS, ""]), [*KINDS, "low"], DataError, "the string in row 24 of X is empty"),
        (cells([*WORDS, None]), [*KINDS, "low"], DataTypeError, "X begins with a string, but row 24 is None"),
        (cells(WORDS), cells(WORDS, 7), DataError, "y is the same as X"),
        (cells(WORDS), cells(KINDS[1:]), DataError, "X has 24 rows and y has 23; they must be as many"),
    ],
)
def test_what_is_wrong_is_named_by_its_row(X, y, error, message):
    with pytest.raises(error, match=message):
        SequenceClassifier(**SMALL).fit(X, y)


@pytest.mark.usefixtures("_in_files")
def test_memory_is_for_the_rows_and_not_for_their_steps(monkeypatch):
    """Of 30,000 rows of 64 numbers, 15 MB, 62 bytes for each row are held, and what a part takes."""
    monkeypatch.setattr(rows_module, "AT_ONCE", 1 << 14)
    monkeypatch.setattr(rows_module, "MOST_SORTED", 0)
    X = mapped(DRAWS.normal(size=(30_000, 64)))
    y = np.arange(len(X), dtype=np.int32) % 2
    tracemalloc.start()
    lesson = Lesson(read(X).rows, y, np.ones(len(X)))
    learned, held_out = lesson.merged().split(0.1, seed=1)
    Numbers.of(learned)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(learned) + len(held_out) == len(X)
    assert peak < 80 * len(X) + (1 << 20)


@pytest.mark.usefixtures("_in_files")
@pytest.mark.parametrize("labels", [["1", "-2", "1"], ["a", "long one", "é"]])
def test_columns_of_cells_are_as_those_of_lists(labels, monkeypatch):
    monkeypatch.setattr("throughtime.cli.sequences.AT_ONCE", 2)
    numbers = {"a": np.array([1.0, 2.0, 3.0]), "b": ["4", "5", "6"], "c": np.array([7, 8, 9])}
    table = numbers | {"text": labels, "y": labels}
    large = {"a": mapped(numbers["a"]), "b": cells(numbers["b"], 2), "c": mapped(numbers["c"])}
    large |= {"text": cells(labels, 2), "y": cells(labels, 2)}
    for some in (table, large):
        assert labels_of(some, "y").tolist() == ([1, -2, 1] if labels[0] == "1" else labels)
        assert list(sequences_of(some, ["text"], text=True)) == labels
        assert sequences_of(some, ["a", "b", "c"], text=False).tolist() == [[1, 4, 7], [2, 5, 8], [3, 6, 9]]
        assert are_there(some | {"y": cells(["x", " ", None])}, "y").tolist() == [True, False, False]


@pytest.mark.usefixtures("_in_files")
def test_labels_of_unequal_widths_are_refused_where_they_lie_in_files(monkeypatch):
    y = cells([[0, 1]] * 40 + [[1]] * 20, at_once=40, as_json=True)
    with pytest.raises(DataError, match="got lists of different lengths"):
        SequenceClassifier(max_steps=1).fit(GRID, y)


@pytest.mark.usefixtures("_in_files")
def test_labels_that_are_none_are_named_where_they_lie_in_files():
    with pytest.raises(DataError, match=r"y contains None \(row 0\), which is no label"):
        SequenceClassifier(max_steps=1).fit(GRID, in_json([None] * 60))


@pytest.mark.parametrize("most", [0, 3000, 64 << 20])
def test_a_weight_is_a_number_of_copies_wherever_rows_are_ordered_by_digests(monkeypatch, most):
    monkeypatch.setattr(rows_module, "MOST_SORTED", most)
    given = {"hidden_size": 4, "max_steps": 5, "random_state": 1}
    weights = np.arange(60) % 3 + 1
    heavy = SequenceRegressor(**given).fit(GRID, GRID[:, 0], sample_weight=weights)
    often = SequenceRegressor(**given).fit(np.repeat(GRID, weights, axis=0), np.repeat(GRID[:, 0], weights))
    np.testing.assert_array_equal(heavy.predict(GRID), often.predict(GRID))


@pytest.mark.usefixtures("_in_files")
def test_the_memory_of_a_training_does_not_grow_with_what_rows_hold(monkeypatch):
    def peak(steps):
        X = mapped(DRAWS.normal(size=(4000, steps)).astype(np.float32))  # it is copied, in float64
        model = SequenceRegressor(hidden_size=4, max_steps=1, max_length=8, batch_size=8, random_state=1)
        tracemalloc.start()
        model.fit(X, X[:, 0])
        model.predict(X)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    monkeypatch.setattr(rows_module, "AT_ONCE", 4096)
    peak(16)
    assert peak(256) - peak(16) < 4000 * 240 * 8 / 4  # a quarter of what the rows hold more
