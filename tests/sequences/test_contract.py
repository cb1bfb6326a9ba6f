"""scikit-learn's contract, and ours where it has none."""

import copy
import inspect
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError as TheirNotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_estimator
from tests.sequences.material import MODELS, SMALL, WORDS, X_RAGGED, Y_RAGGED, outputs

from throughtime import SequenceClassifier, SequenceRegressor, SequenceTagger, cells, load
from throughtime.errors import NotFittedError, ParameterError
from throughtime.parameters import CLASSIFIER, REGRESSOR, TAGGER

KINDS = [(SequenceClassifier, CLASSIFIER), (SequenceRegressor, REGRESSOR), (SequenceTagger, TAGGER)]


# ---------------------------------------------------------------------- scikit-learn's own checks


def without_warnings(check, *arguments, **options):
    """Their checks warn of what they do themselves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return check(*arguments, **options)


@pytest.mark.parametrize("kind", [SequenceClassifier, SequenceRegressor])
def test_scikit_learns_checks(kind):
    """None fails; what is skipped needs a switch in the environment, or a method that there is not."""
    results = without_warnings(check_estimator, kind(), on_fail=None)
    assert [(r["check_name"], r["exception"]) for r in results if r["status"] not in ("passed", "skipped")] == []
    skipped = {r["check_name"] for r in results if r["status"] == "skipped"}
    assert skipped <= {"check_array_api_input", "check_classifiers_multilabel_output_format_decision_function"}
    assert len(results) - len(skipped) >= 55


@pytest.mark.parametrize("kind", [SequenceClassifier, SequenceRegressor])
def test_no_tag_makes_the_checks_easier(kind):
    tags = get_tags(kind())
    assert tags.input_tags.two_d_array
    assert (tags.non_deterministic, tags.no_validation) == (False, False)
    of_kind = tags.classifier_tags if kind is SequenceClassifier else tags.regressor_tags
    assert not of_kind.poor_score
    assert (is_classifier(kind()), is_regressor(kind())) == (kind is SequenceClassifier, kind is SequenceRegressor)


# ---------------------------------------------------------------------- ours, for all three


@pytest.mark.parametrize(("kind", "table"), KINDS)
def test_the_constructor_has_the_parameters_of_the_table_and_their_defaults(kind, table):
    found = {name: p.default for name, p in inspect.signature(kind).parameters.items()}
    assert found == {name: parameter.default for name, parameter in table.items()}


@pytest.mark.parametrize(("kind", "table"), KINDS)
def test_the_constructor_only_stores(kind, table):
    values = {name: object() for name in table}
    assert vars(kind(**values)) == values


@pytest.mark.parametrize("name", MODELS)
def test_it_can_be_cloned(name):
    model = MODELS[name][0]()
    again = clone(model)
    assert again.get_params() == model.get_params()
    assert not hasattr(again, "network_")


@pytest.mark.parametrize("again", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@pytest.mark.parametrize("name", MODELS)
def test_copies_and_pickles_say_the_same(name, again):
    model, X, _ = MODELS[name]
    twin = again(model())
    assert all(np.array_equal(a, b) for a, b in zip(outputs(twin, X), outputs(model(), X), strict=True))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("method", ["predict", "score", "predict_proba", "report", "save"])
def test_nothing_works_before_fit(name, method, tmp_path):
    model, X, y = MODELS[name]
    fresh = clone(model())
    arguments = {"score": (X, y), "report": (X, y), "save": (tmp_path / "model",)}.get(method, (X,))
    if not hasattr(fresh, method):
        return
    with pytest.raises(NotFittedError, match="has not learned anything yet; call fit first") as caught:
        getattr(fresh, method)(*arguments)
    assert isinstance(caught.value, TheirNotFittedError)
    assert type(pickle.loads(pickle.dumps(caught.value))) is NotFittedError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", MODELS)
def test_fit_changes_no_parameter_and_no_data(name):
    model, X, y = MODELS[name]
    before = copy.deepcopy((X, y))
    fresh = clone(model())
    given = fresh.get_params()
    assert fresh.fit(X, y) is fresh
    assert fresh.get_params() == given
    assert all(np.array_equal(a, b) for a, b in zip([*X, *y], [*before[0], *before[1]], strict=True))


def test_parameters_that_were_changed_after_fit_do_not_spoil_predictions(tmp_path):
    model = SequenceClassifier(**SMALL, max_length=3).fit(X_RAGGED, Y_RAGGED)
    before = model.predict_proba(X_RAGGED)
    model.set_params(max_length=1, truncating="post", tokens=True, hidden_size=3, pooling="max", cell="gru")
    assert np.array_equal(model.predict_proba(X_RAGGED), before)
    model.save(tmp_path / "model")
    assert np.array_equal(load(tmp_path / "model").predict_proba(X_RAGGED), before)


BAD = [
    ("tokens", 1),
    ("level", "words"),
    ("max_length", 0),
    ("truncating", "both"),
    ("bidirectional", "yes"),
    ("pooling", "sum"),
    ("class_weight", "equal"),
    ("hidden_size", 0),
    ("embedding_size", -1),
    ("vocab_size", 1),
    ("dropout", 1.0),
    ("epochs", 0),
    ("validation", 1.0),
    ("learning_rate", 0),
    ("cell", "rnn"),
    ("engine", "cuda"),
    ("random_state", -1),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_refused_by_the_name_of_its_parameter(name, value):
    with pytest.raises(ParameterError, match=rf"^{name} must be .*, got ") as caught:
        SequenceClassifier(**{name: value}).fit(X_RAGGED, Y_RAGGED)
    assert "\n" not in str(caught.value)


def test_values_of_numpy_are_shown_as_pythons():
    for name, value, shown in (("hidden_size", np.int64(-3), "-3"), ("pooling", np.str_("sum"), "'sum'")):
        with pytest.raises(ParameterError, match=f"got {shown}$"):
            SequenceClassifier(**{name: value}).fit(X_RAGGED, Y_RAGGED)


def test_bad_values_of_the_others():
    with pytest.raises(ParameterError, match="loss must be one of 'squared', 'absolute' and 'huber', got 'log'"):
        SequenceRegressor(loss="log").fit(X_RAGGED, Y_RAGGED)
    with pytest.raises(ParameterError, match="characters must be True or False, got 1"):
        SequenceTagger(characters=1).fit([["a"]], [["x"]])
    with pytest.raises(ParameterError, match="early_stopping needs a validation part"):
        SequenceTagger(early_stopping=True).fit([["a"]], [["x"]])


# ---------------------------------------------------------------------- in scikit-learn's tools


def test_in_a_pipeline_and_a_search():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    y = np.where(X[:, 0] > 0, "up", "down")
    pipeline = make_pipeline(StandardScaler(), SequenceClassifier(**SMALL | {"max_steps": 100}))
    assert cross_val_score(pipeline, X, y, cv=3).mean() > 0.8
    search = GridSearchCV(pipeline, {"sequenceclassifier__cell": ["gru", cells.LSTM]}, cv=2).fit(X, y)
    assert search.best_score_ > 0.7
    assert pipeline.fit(X, y, sequenceclassifier__sample_weight=np.ones(60)).score(X, y) > 0.8


def test_lists_of_strings_in_a_search():
    pipeline = make_pipeline(FunctionTransformer(lambda X: [x.upper() for x in X]), SequenceClassifier(**SMALL))
    search = GridSearchCV(pipeline, {"sequenceclassifier__pooling": ["last", "max"]}, cv=2)
    assert search.fit(WORDS, [word[0] in "ab" for word in WORDS]).best_score_ > 0.9


IN_ANOTHER_PROCESS = """
import numpy as np
from sklearn.model_selection import GridSearchCV, cross_val_score
from throughtime import Cell, SequenceClassifier, SequenceRegressor, SequenceTagger
from throughtime.cells.functions import tanh

def step(a, u, state, p):
    h = tanh(a[0] + 0.5 * state[0])
    return (h,), (h,)

def step_back(d_state, state, saved, p):
    d = d_state[0] * (1 - saved[0] * saved[0])
    return (d,), (), (0.5 * d,), ()

MINE = Cell("mine", gates=("hidden",), states=("h",), step=step, step_back=step_back)

if __name__ == "__main__":
    rng = np.random.default_rng(0)
    X = [rng.normal(size=rng.integers(2, 6)) for _ in range(40)]
    y = np.array([x[-1] > 0 for x in X]).astype(int)
    small = dict(cell=MINE, hidden_size=4, max_steps=20, random_state=0)
    for model, answers in (
        (SequenceClassifier(**small), y),
        (SequenceRegressor(**small), [x.sum() for x in X]),
        (SequenceTagger(**small), [(x > 0).tolist() for x in X]),
    ):
        alone = cross_val_score(model, X, answers, cv=2)
        side_by_side = cross_val_score(model, X, answers, cv=2, n_jobs=2)
        assert np.array_equal(alone, side_by_side), (alone, side_by_side)
        search = GridSearchCV(model, {"hidden_size": [3, 4]}, cv=2, n_jobs=2).fit(X, answers)
        assert search.best_estimator_.cell.name == "mine"
    print("well")
"""


def test_a_cell_from_main_under_loky(tmp_path):
    (tmp_path / "mine.py").write_text(IN_ANOTHER_PROCESS, encoding="utf-8")
    done = subprocess.run([sys.executable, "mine.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "well\n", done.stderr
