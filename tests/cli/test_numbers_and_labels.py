"""The commands forecast, classify, tag and predict: a thin view of the library."""

import json
import random
import re

import numpy as np
import pandas as pd
import pytest

from throughtime import Forecaster, SequenceClassifier, SequenceRegressor, SequenceTagger, load
from throughtime.cli.sequences import labels_of, sequences_of
from throughtime.cli.tables import write_table
from throughtime.errors import DataError
from throughtime.tables.reading import read_table
from throughtime.training import Training

QUICK = ("--hidden-size", "8", "--max-steps", "30", "--seed", "1", "-q")


def last_line(result):
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture
def sales(tmp_path):
    """Two shops, 60 months each, the last three with the promotion alone."""
    rng = np.random.default_rng(1)
    lines = ["month,shop,sales,promotion"]
    for shop, size in (("north", 10), ("south", 1000)):
        for t in range(60):
            month = np.datetime64("2015-01", "M") + t
            promotion = int(rng.random() < 0.3)
            value = size * (3 + np.sin(t * np.pi / 6) + promotion + 0.1 * rng.normal())
            lines.append(f"{month}-01,{shop},{'' if t > 56 else f'{value:.3f}'},{promotion}")
    path = tmp_path / "sales.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


COLUMNS = ("--target", "sales", "--future", "promotion", "--time", "month", "--series", "shop", "--horizon", "3")


def test_forecast_is_what_the_library_forecasts(cli, sales, tmp_path):
    report = last_line(
        cli("forecast", sales, "-o", "m", *COLUMNS, *QUICK, "--to", "f.csv", "--plot", "f.png", "--json")
    )
    expected = Forecaster(
        3,
        target="sales",
        future="promotion",
        time="month",
        series="shop",
        hidden_size=8,
        max_steps=30,
        random_state=1,
        verbose=0,
    )
    table = read_table(sales)
    expected.fit(table).save(tmp_path / "expected", notes=load(tmp_path / "m").notes_)
    assert (tmp_path / "m").read_bytes() == (tmp_path / "expected").read_bytes()
    found = read_table(tmp_path / "f.csv")
    assert list(found) == ["shop", "month", "sales", "sales_0.1", "sales_0.9"]
    assert found["month"][:3] == ["2019-10-01", "2019-11-01", "2019-12-01"]
    np.testing.assert_allclose(found["sales"], expected.predict()["sales"], rtol=1e-9)
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    assert set(report["scores"]) == {"network", "naive", "seasonal naive", "drift"}
    assert set(report["scores"]["network"]) == {"rmse", "mae", "smape", "mase", "pinball", "coverage"}
    assert report["judged_by"] == "mase"
    assert report["wins"] == (report["scores"]["network"]["mase"] < report["scores"][report["best_baseline"]]["mase"])


def test_a_forecast_is_never_scored_alone(cli, sales):
    result = cli("forecast", sales, "-o", "m", *COLUMNS, *QUICK, "--folds", "2")
    assert result.exit_code == 0, result.stderr
    assert "2 forecasts of the past" in result.stdout
    assert all(name in result.stdout for name in ("network", "naive", "seasonal naive", "drift", "that of the best"))
    assert re.search(r"\nthe network is better than the best baseline in [012] of 2 folds$", result.stdout.rstrip())
    report = last_line(cli("forecast", sales, "-o", "m", *COLUMNS, *QUICK, "--folds", "2", "--json"))
    assert report["folds"] == 2
    assert report["folds_won"] in (0, 1, 2)


def test_a_forecast_names_the_columns_that_it_used(cli, sales):
    report = last_line(cli("forecast", sales, "-o", "m", "--target", "sales", *QUICK, "--json"))
    assert report["columns"] == {"target": ["sales"]}
    assert report["not_used"] == ["month", "shop", "promotion"]
    result = cli("forecast", sales, "-o", "m", *COLUMNS, *QUICK)
    assert result.stdout.splitlines()[0] == "target 'sales'; future 'promotion'; time 'month'; series 'shop'"
    result = cli("forecast", sales, "-o", "m", "--target", "sales", *QUICK)
    assert result.stdout.splitlines()[0] == "target 'sales'; not used 'month', 'shop' and 'promotion'"


def test_a_forecast_that_cannot_be_made_is_refused_before_the_training(cli, sales, tmp_path):
    past = [line for line in sales.read_text(encoding="utf-8").splitlines() if ",," not in line]
    (tmp_path / "past.csv").write_text("\n".join(past), encoding="utf-8")
    result = cli("forecast", "past.csv", "-o", "m", *COLUMNS, *QUICK, "--to", "f.csv")
    assert result.exit_code == 2
    assert (
        "column 'promotion' is known ahead, but of the 3 steps after the end of the series 'north' 3" in result.stderr
    )
    assert not (tmp_path / "m").exists()
    result = cli("forecast", "past.csv", "-o", "m", *COLUMNS, *QUICK)
    assert result.exit_code == 0, result.stderr
    assert "the last steps of each series, which were not learned:" in result.stdout


def test_steps_that_were_learned_are_not_called_held_out(cli, sales, tmp_path):
    values = "\n".join(["y", "3", "1", "4", "1", "5", "9", "2", "6"])
    (tmp_path / "short.csv").write_text(values, encoding="utf-8")
    result = cli("forecast", "short.csv", "-o", "m", "--horizon", "4", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert "m: the last steps of each series:" in result.stdout


def test_predict_forecasts_with_a_model(cli, sales, tmp_path):
    assert cli("forecast", sales, "-o", "m", *COLUMNS, *QUICK, "--to", "f.csv").exit_code == 0
    assert last_line(cli("predict", "m", sales, "--to", "again.csv", "--json")) == {"rows": 6, "to": "again.csv"}
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "f.csv").read_bytes()
    assert cli("predict", "m", sales).stdout == (tmp_path / "f.csv").read_text()


@pytest.fixture
def reviews(tmp_path):
    """Texts with one word that tells."""
    draws = random.Random(1)
    rows = []
    for _ in range(120):
        good = draws.random() < 0.6
        words = draws.choices(["the", "film", "was", "long", "and", "it", "had", "music"], k=6)
        words.insert(draws.randrange(7), "great" if good else "awful")
        rows.append(f"{' '.join(words)},{'good' if good else 'bad'}")
    path = tmp_path / "reviews.csv"
    path.write_text("\n".join(["review,sentiment", *rows]), encoding="utf-8")
    return path


def test_classify_texts(cli, reviews, tmp_path):
    options = ("--text", "review", "--label", "sentiment", "--level", "word")
    report = last_line(cli("classify", reviews, "-o", "m", *options, "--seed", "1", "-q", "--test", reviews, "--json"))
    assert report["classes"] == ["bad", "good"]
    assert report["accuracy"] > 0.95 > report["baseline"] > 0.5
    assert cli("predict", "m", reviews, "--to", "found.csv").exit_code == 0
    found, table = read_table(tmp_path / "found.csv"), read_table(reviews)
    assert list(found) == ["review", "sentiment", "label", "p_bad", "p_good"]
    assert [found["review"], found["sentiment"]] == [table["review"], table["sentiment"]]
    assert np.mean(np.array(found["label"]) == np.array(table["sentiment"])) == report["accuracy"]
    np.testing.assert_allclose(found["p_bad"] + found["p_good"], 1, atol=1e-6)


def test_names_of_series_are_text(cli, tmp_path):
    rows = [f"{name},{value}" for name in ("001", "1", "1_1", "11") for value in [3, 1, 4, 1, 5, 9, 2, 6] * 3]
    (tmp_path / "s.csv").write_text("\n".join(["id,y", *rows]), encoding="utf-8")
    assert cli("forecast", "s.csv", "-o", "m", "--series", "id", "--season", 8, *QUICK).exit_code == 0
    assert load(tmp_path / "m").fitted_.names == ["001", "1", "1_1", "11"]
    only = [row for row in rows if row.startswith("11,")]
    (tmp_path / "one.csv").write_text("\n".join(["id,y", *only]), encoding="utf-8")
    whole, one = cli("predict", "m", "s.csv"), cli("predict", "m", "one.csv")
    assert one.stdout.splitlines()[1] == whole.stdout.splitlines()[4]


def test_texts_do_not_depend_on_the_other_rows(tmp_path):
    for name, line in (("numbers.csv", "12"), ("words.csv", "word")):
        (tmp_path / name).write_text(f"text\n007\n{line}\n", encoding="utf-8")
        table = read_table(tmp_path / name, as_text=["text"])
        assert list(sequences_of(table, ["text"], text=True)) == ["007", line]
    (tmp_path / "null.jsonl").write_text('{"text": 7}\n{"text": null}\n', encoding="utf-8")
    table = read_table(tmp_path / "null.jsonl", as_text=["text"])
    with pytest.raises(DataError, match="column 'text', row 2: the text is missing"):
        sequences_of(table, ["text"], text=True)


def test_labels_are_of_one_type_in_both_files():
    found = labels_of({"y": ["1", "2", "x"]}, "y")
    assert labels_of({"y": ["1", "2"]}, "y", found).tolist() == ["1", "2"]
    whole = labels_of({"y": ["1", "-2", "0"]}, "y")
    assert whole.tolist() == [1, -2, 0]
    with pytest.raises(DataError, match="column 'y', row 2: 'x' is no whole number, as all labels learned are"):
        labels_of({"y": ["1", "x"]}, "y", whole)
    with pytest.raises(DataError, match="column 'y', row 2: the label is missing"):
        labels_of({"y": ["1", ""]}, "y")


def test_classify_rows_of_numbers_as_the_library_does(cli, tmp_path):
    X = np.random.default_rng(1).normal(size=(80, 3)).round(3)
    y = (X.sum(axis=1) > 0).astype(int)
    lines = ["first,second,third,label", *(f"{a},{b},{c},{label}" for (a, b, c), label in zip(X, y, strict=True))]
    (tmp_path / "rows.csv").write_text("\n".join(lines), encoding="utf-8")
    assert cli("classify", "rows.csv", "--label", "label", "-o", "m", *QUICK).exit_code == 0
    expected = SequenceClassifier(hidden_size=8, max_steps=30, random_state=1).fit(X, y)
    model = load(tmp_path / "m")
    assert model.feature_names_in_.tolist() == ["first", "second", "third"]
    np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))


@pytest.fixture
def measured(tmp_path):
    """Rows of three numbers, of which the second one tells their kind."""
    draws = np.random.default_rng(1)
    lines = ["visit,a,b,kind"]
    for row in range(60):
        kind = row % 3
        lines.append(f"{row % 5},{kind + 0.1 * draws.normal():.3f},{draws.normal():.3f},{kind}")
    path = tmp_path / "measured.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_what_classify_says(cli, measured, tmp_path):
    """The columns that are steps, the loss of what is held out beside a guess's, and scores of each label by hand."""
    (tmp_path / "new.csv").write_text("visit,a,b,kind\n3,0,0,0\n3,1,0,1\n3,2,0,1\n3,2,0,2\n", encoding="utf-8")
    options = ("--label", "kind", "--hidden-size", 8, "--max-steps", 300, "--seed", 1, "-q", "--validation", 0.2)
    result = cli("classify", measured, "-o", "m", *options, "--test", "new.csv")
    assert result.exit_code == 0, result.stderr
    model = load(tmp_path / "m")
    said, *scores = result.stdout.splitlines()
    assert said == (
        f"m: 60 rows, 3 steps: 'visit', 'a', 'b'; labels 0, 1, 2; on the part held out the loss is "
        f"{model.validation_loss_:.4f}; there {model.baseline_.in_words()}"
    )
    assert said.split("there ")[1].startswith("guessing 0 scores 0.333, with a loss of 1.0")
    assert model.predict([[3, 0, 0], [3, 1, 0], [3, 2, 0], [3, 2, 0]]).tolist() == [0, 1, 2, 2]
    assert [line.split() for line in scores] == [
        ["new.csv:", "accuracy", "0.750,", "always", "0", "0.250", "(4", "rows)"],
        ["precision", "recall", "F1", "support"],
        ["0", "1.000", "1.000", "1.000", "1"],
        ["1", "1.000", "0.500", "0.667", "2"],
        ["2", "0.500", "1.000", "0.667", "1"],
    ]
    report = last_line(cli("classify", measured, "-o", "m", *options, "--test", "new.csv", "--json"))
    assert report["columns"] == ["visit", "a", "b"]
    assert report["scores"]["1"] == {"precision": 1, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2}
    assert (report["validation_loss"], report["baseline_loss"]) == (model.validation_loss_, model.baseline_.loss)


def test_many_columns_and_labels_are_cut(cli, tmp_path):
    X = np.random.default_rng(1).normal(size=(24, 12)).round(3)
    table = {f"s{place}": column for place, column in enumerate(X.T)}
    write_table(tmp_path / "rows.csv", {**table, "kind": [f"k{row % 12:02}" for row in range(24)]})
    result = cli("classify", "rows.csv", "-o", "m", "--label", "kind", *QUICK)
    steps = ", ".join(f"'s{place}'" for place in range(10))
    labels = ", ".join(f"'k{place:02}'" for place in range(10))
    assert result.stdout.startswith(f"m: 24 rows, 12 steps: {steps}, 2 more; labels {labels}, 2 more; guessing 'k00'")


def test_class_weight_is_that_of_the_library(cli, measured, tmp_path):
    assert cli("classify", measured, "-o", "m", "--label", "kind", "--class-weight", "balanced", *QUICK).exit_code == 0
    assert load(tmp_path / "m").class_weight == "balanced"
    result = cli("classify", measured, "-o", "m", "--label", "kind", "--class-weight", "alike", *QUICK)
    assert result.exit_code == 2
    assert "balanced" in result.stderr


def test_several_labels_and_values_have_a_column_each(cli, tmp_path):
    X = np.random.default_rng(1).normal(size=(40, 3)).round(3)
    names = ["first", "second", "third"]
    write_table(tmp_path / "rows.csv", dict(zip(names, X.T, strict=True)))
    table = pd.DataFrame(X, columns=names)
    several = SequenceClassifier(hidden_size=4, max_steps=5, random_state=1).fit(table, (X[:, :2] > 0).astype(int))
    values = SequenceRegressor(hidden_size=4, max_steps=5, random_state=1).fit(table, X[:, :2])
    several.save(tmp_path / "several")
    values.save(tmp_path / "values")
    found = last_line(cli("predict", "several", "rows.csv", "--json"))["columns"]
    assert list(found) == ["label_0", "label_1", "p_0", "p_1"]
    assert [found["label_0"], found["label_1"]] == several.predict(X).T.tolist()
    assert [found["p_0"], found["p_1"]] == several.predict_proba(X).T.tolist()
    found = last_line(cli("predict", "values", "rows.csv", "--json"))
    assert (found["rows"], found["to"]) == (40, None)
    assert list(found["columns"].values()) == values.predict(X).T.tolist()


def test_several_tags_have_a_column_each(cli, tmp_path):
    model = SequenceTagger(hidden_size=4, max_steps=5, random_state=1)
    model.fit([["a", "b"], ["b"]] * 10, [[[0, 1], [1, 1]], [[1, 0]]] * 10).save(tmp_path / "m")
    (tmp_path / "new.conll").write_text("a\nb\n\nb\n", encoding="utf-8")
    found = last_line(cli("predict", "m", "new.conll", "--json"))["columns"]
    assert list(found) == ["sentence", "token", "tag_0", "tag_1"]
    expected = np.concatenate(model.predict([["a", "b"], ["b"]]))
    assert [found["tag_0"], found["tag_1"]] == expected.T.tolist()


@pytest.fixture
def sentences(tmp_path):
    draws = random.Random(1)
    lines = []
    for _ in range(60):
        lines += [f"{word} O" for word in draws.choices(["the", "man", "went", "to", "a", "town"], k=5)]
        lines += [f"{draws.choice(['Anna', 'Bob'])} B-PER", f"{draws.choice(['Smith', 'Jones'])} I-PER", ""]
    path = tmp_path / "train.conll"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_tag_sentences(cli, sentences, tmp_path):
    report = last_line(cli("tag", sentences, "-o", "m", "--seed", "1", "-q", "--test", sentences, "--json"))
    assert report["tags"] == ["B-PER", "I-PER", "O"]
    assert report["accuracy"] > 0.95
    assert report["f1"] > 0.95
    (tmp_path / "new.txt").write_text("the\nman\n\nBob\nJones\n", encoding="utf-8")
    result = cli("predict", "m", "new.txt")
    assert result.stdout.splitlines() == [
        "sentence,token,tag",
        "1,the,O",
        "1,man,O",
        "2,Bob,B-PER",
        "2,Jones,I-PER",
    ]


@pytest.fixture
def classifier(tmp_path):
    """A model of the columns first and second, whose classes are 0 and 1."""
    X = np.random.default_rng(1).normal(size=(40, 2))
    table = pd.DataFrame(X, columns=["first", "second"])
    model = SequenceClassifier(hidden_size=4, max_steps=5, random_state=1).fit(table, (X[:, 0] > 0).astype(int))
    model.save(tmp_path / "m")
    return model


ROWS = "id,first,label,p_0,second\n007,1.50,a,x,12345678901234567890\n008,-2,,y,0.1234567890123\n"


def test_predictions_stand_beside_the_columns_of_the_table(cli, classifier, tmp_path):
    (tmp_path / "rows.csv").write_text(ROWS, encoding="utf-8")
    assert cli("predict", "m", "rows.csv", "--to", "found.csv").exit_code == 0
    lines = (tmp_path / "found.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == ROWS.splitlines()[0] + ",label_predicted,p_0_predicted,p_1"
    expected = classifier.predict([[1.5, 12345678901234567890], [-2, 0.1234567890123]])
    for line, row, label in zip(lines[1:], ROWS.splitlines()[1:], expected, strict=True):
        assert line.startswith(f"{row},{label},")
    assert cli("predict", "m", "rows.csv").stdout.splitlines()[0] == "label,p_0,p_1"


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_numbers_of_a_table_of_text_are_numbers_elsewhere(cli, classifier, tmp_path, ending):
    (tmp_path / "rows.csv").write_text(ROWS, encoding="utf-8")
    assert cli("predict", "m", "rows.csv", "--to", f"found.{ending}").exit_code == 0
    found = read_table(tmp_path / f"found.{ending}")
    assert (list(found["id"]), list(found["first"])) == (["007", "008"], [1.5, -2.0])
    assert cli("predict", "m", f"found.{ending}", "--to", "again.csv").exit_code == 0
    again = read_table(tmp_path / "again.csv")
    np.testing.assert_array_equal(again["label_predicted_predicted"], found["label_predicted"])


def test_what_is_no_number_is_told_with_file_row_and_column(cli, classifier, tmp_path):
    (tmp_path / "rows.csv").write_text("first,second\n1,2\n3,\n", encoding="utf-8")
    result = cli("predict", "m", "rows.csv")
    assert (result.exit_code, result.stderr) == (
        2,
        "DataError: 'rows.csv': column 'second', row 2: the number is missing; all rows have as many steps: fill it "
        "in or leave out the row; sequences of unequal lengths are for Python\n",
    )


def test_each_model_refuses_the_form_of_the_other(cli, classifier, sentences, reviews):
    cli("tag", sentences, "-o", "t", *QUICK)
    result = cli("predict", "t", reviews)
    assert (result.exit_code, result.stderr) == (
        2,
        "DataError: 'reviews.csv' is a table by its ending; expected sentences, a token on each line and an empty line "
        "behind each sentence, in a file such as .conll, .txt or .tsv\n",
    )
    result = cli("predict", "m", sentences)
    assert result.exit_code == 2
    assert "'train.conll' ends in no form of a table that is read here; choose one of '.csv', '.txt'" in result.stderr


def test_rows_without_a_text_have_empty_answers(cli, reviews, tmp_path):
    cli("classify", reviews, "-o", "m", "--text", "review", "--label", "sentiment", *QUICK)
    rows = "review,sentiment\nthe great film,good\n,bad\n  ,bad\nawful,bad\n"
    (tmp_path / "new.csv").write_text(rows, encoding="utf-8")
    (tmp_path / "full.csv").write_text("review\nthe great film\nawful\n", encoding="utf-8")
    result = cli("predict", "m", "new.csv")
    full = cli("predict", "m", "full.csv").stdout.splitlines()
    assert result.stderr == "'new.csv': 2 of 4 rows have no text in column 'review', and get no answer\n"
    assert result.stdout.splitlines() == [full[0], full[1], ",,", ",,", full[2]]
    for ending in ("csv", "jsonl", "parquet"):
        assert cli("predict", "m", "new.csv", "--to", f"found.{ending}").exit_code == 0
        found = read_table(tmp_path / f"found.{ending}")
        assert [bool(label) for label in found["label"]] == [True, False, False, True]
        assert np.isnan(np.array(found["p_bad"], float)).tolist() == [False, True, True, False]


def test_a_quiet_prediction_says_nothing_beside_the_answers(cli, reviews, tmp_path):
    cli("classify", reviews, "-o", "m", "--text", "review", "--label", "sentiment", *QUICK)
    (tmp_path / "new.csv").write_text("review,id\nawful,1\n,2\n", encoding="utf-8")
    result = cli("predict", "m", "new.csv", "-q")
    assert (result.stderr, result.stdout) == ("", cli("predict", "m", "new.csv").stdout)
    assert len(result.stdout.splitlines()) == 3
    result = cli("predict", "m", "new.csv", "--to", "found.csv", "--quiet")
    assert (result.exit_code, result.output) == (0, "")
    assert last_line(cli("predict", "m", "new.csv", "--to", "found.csv", "-q", "--json"))["rows"] == 2


def test_rows_without_a_text_are_not_learned_from_and_not_scored(cli, reviews, tmp_path):
    rows = "review,sentiment\nthe great film,good\n,bad\n  ,bad\nawful,bad\n"
    (tmp_path / "new.csv").write_text(rows, encoding="utf-8")
    (tmp_path / "empty.csv").write_text("review,sentiment\n,bad\n", encoding="utf-8")
    missing = "'new.csv': column 'review', row 2: the text is missing (so it is in 2 rows); leave out rows without one"
    words = ("classify", "-o", "m", "--text", "review", "--label", "sentiment", *QUICK)
    for result in (cli(*words, "new.csv"), cli(*words, reviews, "--test", "new.csv")):
        assert (result.exit_code, result.stderr) == (2, f"DataError: {missing}\n")
    assert cli(*words, reviews).exit_code == 0
    result = cli("predict", "m", "empty.csv")
    assert result.stderr == (
        "DataError: 'empty.csv': column 'review', row 1: the text is missing; leave out rows without one\n"
    )


def test_labels_that_were_never_learned_are_named_in_a_line(cli, reviews, sentences, tmp_path):
    (tmp_path / "new.csv").write_text("review,sentiment\nthe film,mixed\nawful,bad\n", encoding="utf-8")
    options = ("--text", "review", "--label", "sentiment", *QUICK)
    result = cli("classify", reviews, "-o", "m", *options, "--test", "new.csv")
    unseen = "labels that were never seen in training ('mixed') are those of 1 row; they count as wrong"
    assert (result.exit_code, result.stderr) == (0, f"'new.csv': {unseen}\n")
    (tmp_path / "new.conll").write_text("Anna B-DOG\nsleeps O\n", encoding="utf-8")
    result = cli("tag", sentences, "-o", "t", *QUICK, "--test", "new.conll")
    unseen = "labels that were never seen in training ('B-DOG') are those of 1 step; they count as wrong"
    assert (result.exit_code, result.stderr) == (0, f"'new.conll': {unseen}\n")


@pytest.mark.parametrize("name", ["forecast", "classify", "tag"])
def test_what_was_learned_before_an_interruption_is_kept(cli, sales, reviews, sentences, monkeypatch, tmp_path, name):
    words = {
        "forecast": [sales, *COLUMNS],
        "classify": [reviews, "--text", "review", "--label", "sentiment"],
        "tag": [sentences],
    }

    def run(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(Training, "_loop", run)
    result = cli(name, *words[name], "-o", "m", *QUICK)
    saved = "saved after 0 steps; `throughtime resume m` goes on from there\n"
    assert (result.exit_code, result.stderr) == (130, f"{saved}interrupted\n")
    new = sentences if name == "tag" else sales if name == "forecast" else reviews
    assert cli("predict", "m", new).exit_code == 0


def test_info_tells_what_a_model_is_for(cli, sales, reviews, sentences):
    cli("forecast", sales, "-o", "f", *COLUMNS, *QUICK)
    cli("classify", reviews, "-o", "c", "--text", "review", "--label", "sentiment", *QUICK)
    cli("tag", sentences, "-o", "t", *QUICK)
    assert "sales 3 steps ahead, learned from 2 series; season 12" in cli("info", "f").stdout
    assert "2 labels: bad, good" in cli("info", "c").stdout
    assert "3 labels: B-PER, I-PER, O" in cli("info", "t").stdout
    assert last_line(cli("info", "f", "--json"))["season"] == 12
    assert last_line(cli("info", "t", "--json"))["classes"] == ["B-PER", "I-PER", "O"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["forecast", "sales.csv", "--target", "sale"], "there is no column 'sale'; the columns are 'month', 'shop'"),
        (["forecast", "sales.csv", "--target", "shop"], "column 'shop', row 1: 'north' is no number"),
        (
            ["forecast", "sales.csv", "--target", "sales", "--time", "month"],
            "the times of the series have a duplicate|do not increase",
        ),
        (["forecast", "none.csv"], "there is no file 'none.csv'"),
        (["forecast", "sales.csv", "--target", "sales", "--to", "a.xls"], "ends in no form of a table"),
        (["forecast", "sales.csv", "--target", "sales", "--series", "shop", "--horizon", "100"], "plus the horizon"),
        (["classify", "reviews.csv", "--label", "mood"], "there is no column 'mood'"),
        (["classify", "reviews.csv", "--label", "sentiment"], "column 'review', row 1: .* is no number"),
        (["tag", "reviews.csv"], "'reviews.csv' is a table by its ending; expected sentences"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(cli, sales, reviews, tmp_path, words, message):
    before = sorted(path.name for path in tmp_path.iterdir())
    result = cli(*words, "-o", "m", *QUICK)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert re.search(message, result.stderr), result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_each_command_says_what_a_model_is_for(cli, sales):
    cli("forecast", sales, "-o", "f", *COLUMNS, *QUICK)
    result = cli("sample", "f")
    assert result.exit_code == 2
    assert (
        "holds a Forecaster, and this command is for a TextGenerator; `throughtime predict` is for yours"
        in result.stderr
    )


@pytest.mark.parametrize(
    "words",
    [
        ["forecast", "sales.csv", *COLUMNS, "-o", "sales.csv"],
        ["forecast", "sales.csv", *COLUMNS, "-o", "m", "--to", "sales.csv"],
        ["forecast", "sales.csv", *COLUMNS, "-o", "m.csv", "--to", "m.csv"],
        ["classify", "reviews.csv", "--text", "review", "--label", "sentiment", "-o", "reviews.csv"],
        ["tag", "train.conll", "-o", "train.conll"],
    ],
)
def test_nothing_is_written_over_what_is_read(cli, sales, reviews, sentences, tmp_path, words):
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    result = cli(*words, *QUICK)
    assert result.exit_code == 2
    assert "is named twice, and would be written over; choose another name" in result.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_prediction_is_not_written_over_model_or_data(cli, sales):
    assert cli("forecast", sales, *COLUMNS, "-o", "m.txt", *QUICK).exit_code == 0
    for name in ("m.txt", "sales.csv"):
        assert "is named twice" in cli("predict", "m.txt", sales, "--to", name).stderr
