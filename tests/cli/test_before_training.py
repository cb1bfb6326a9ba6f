"""What cannot come to a good end is refused before the training, and leaves the model that was there."""

import numpy as np
import pytest
from tests.cli.test_bad_input import assert_refused, snapshot

from throughtime.training import Training

WAVE = "".join(f"{t},{np.sin(t / 3):.4f},{t % 4}\n" for t in range(40))
FILES = {
    "wave.csv": f"t,y,price\n{WAVE}",
    "text.csv": "t,y\n1,3\n2,north\n3,1\n",
    "reviews.csv": "review,label\n" + "good film,good\nbad film,bad\n" * 10,
    "one.csv": "review,label\nso so,same\nfine,same\n",
    "unlabelled.csv": "review,label\ngood film,good\nfine,good\nbad film,\n",
    "silent.csv": "review,label\ngood film,good\n,bad\n",
    "other.csv": "text,label\ngood film,good\nbad film,bad\n",
    "rows.csv": "a,b,label\n" + "1,2,yes\n3,4,no\n" * 10,
    "holes.csv": "a,b,label\n1,2,yes\n3,,no\n",
    "words.csv": "a,b,label\n1,2,yes\n3,many,no\n",
    "numbered.csv": "a,b,label\n" + "1,2,0\n3,4,1\n" * 10,
    "s.conll": "the O\nman O\n\nAnna B-PER\nSmith I-PER\n\n" * 5,
    "untagged.conll": "the O\n\nAnna\n",
    "same.conll": "the O\nman O\n",
    "book.xlsx": "a workbook",
    "list.json": '[\n{"y": 1}\n]\n',
    "m": "the model of yesterday",
}
FORECAST = "forecast wave.csv --target y -o m"
CLASSIFY = "classify reviews.csv --text review --label label -o m"


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The files, where no training may begin."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    def run(*arguments):
        pytest.fail("the training began")

    monkeypatch.setattr(Training, "run", run)
    return snapshot(tmp_path)


REFUSED = [
    (f"{FORECAST} --plot f.xyz", "'f.xyz' ends in no form of a picture; choose one of "),
    (f"{FORECAST} --plot f", "'f' ends in no form of a picture; choose one of "),
    (f"{FORECAST} --plot no/f.png", "the folder 'no' for 'f.png' does not exist"),
    (f"{FORECAST} --to no/f.csv", "the folder 'no' for 'f.csv' does not exist"),
    (f"{FORECAST} --to f.json", "tables are written as JSON lines: choose .jsonl"),
    (f"{FORECAST} --to f.xlsx", "choose '.csv', '.tsv', '.jsonl' and '.parquet', which spreadsheet programs open"),
    (
        f"{FORECAST} --future price --to f.csv",
        "'wave.csv': column 'price' is known ahead, but of the 1 step after the",
    ),
    (f"{FORECAST} --future price --plot f.png", "'wave.csv': column 'price' is known ahead, but of the 1 step after"),
    (
        f"{FORECAST} --horizon 10 --folds 4",
        "'wave.csv': the series has 40 steps, and --folds 4 with --horizon 10 judges 40, with what is learned before "
        "them; give more of it, or fewer folds",
    ),
    (
        f"{FORECAST} --horizon 10 --folds 3",
        "'wave.csv': --folds 3 with --horizon 10 judges the last 30 steps, before which too little is left: the series "
        "has 10 steps, of which a season (1) and a step plus the horizon (10) need 12",
    ),
    (f"{FORECAST} --season 39 --context 5", "of which a season (39) and a step plus the horizon (1) need 41"),
    (f"{FORECAST} --folds -1", "folds must be an integer of at least 0, got -1"),
    (f"{FORECAST} --folds some", "folds must be an integer of at least 0, got 'some'"),
    (f"{FORECAST} --quantile high", "quantiles must be numbers between 0 and 1, such as (0.1, 0.9), got ('high',)"),
    ("forecast wave.csv --target sale -o m", "'wave.csv': there is no column 'sale'; the columns are 't', 'y' and"),
    ("forecast text.csv --target y -o m", "'text.csv': column 'y', row 2: 'north' is no number"),
    ("forecast book.xlsx -o m", "save it as CSV, or read it in Python, with pandas"),
    ("forecast list.json -o m", "'list.json', line 1: no JSON"),
    (f"{CLASSIFY} --test none.csv", "there is no file 'none.csv'"),
    (f"{CLASSIFY} --test other.csv", "'other.csv': there is no column 'review'; the columns are 'text' and 'label'"),
    (f"{CLASSIFY} --test unlabelled.csv", "'unlabelled.csv': column 'label', row 3: the label is missing"),
    (f"{CLASSIFY} --test silent.csv", "'silent.csv': column 'review', row 2: the text is missing"),
    (f"{CLASSIFY} --test s.conll", "'s.conll' ends in no form of a table"),
    (
        "classify unlabelled.csv --text review --label label -o m",
        "'unlabelled.csv': column 'label', row 3: the label is missing",
    ),
    (
        "classify one.csv --text review --label label -o m",
        "'one.csv': column 'label' holds one label only, 'same'; at least two are needed",
    ),
    ("classify holes.csv --label label -o m", "'holes.csv': column 'b', row 2: the number is missing"),
    ("classify words.csv --label label -o m", "'words.csv': column 'b', row 2: 'many' is no number"),
    (
        "classify rows.csv --label label -o m --test holes.csv",
        "'holes.csv': column 'b', row 2: the number is missing",
    ),
    (
        "classify numbered.csv --label label -o m --test rows.csv",
        "'rows.csv': column 'label', row 1: 'yes' is no whole number, as all labels learned are",
    ),
    ("tag s.conll -o m --test none.conll", "there is no file 'none.conll'"),
    ("tag s.conll -o m --test untagged.conll", "'untagged.conll', line 3: the token 'Anna' has no tag"),
    ("tag s.conll -o m --test rows.csv", "'rows.csv' is a table by its ending; expected sentences, a token on each"),
    ("tag same.conll -o m", "'same.conll': the last word of the lines holds one tag only, 'O'; at least two are"),
    ("forecast wave.csv --target y -o m.pkl", "'m.pkl' would hold a model, which is written as safetensors"),
    ("forecast wave.csv --target y -o f.csv", "choose a name as 'f.safetensors'"),
    ("classify reviews.csv --text review --label label -o m.PT", "'m.PT' would hold a model"),
    ("tag s.conll -o m.h5", "'m.h5' would hold a model"),
    ("train s.conll -o m.pkl", "'m.pkl' would hold a model"),
]


@pytest.mark.parametrize(("words", "sentence"), REFUSED, ids=[words for words, _ in REFUSED])
def test_what_cannot_be_done_is_found_before_the_training(cli, files, words, sentence, tmp_path):
    assert_refused(cli(*words.split(), *("--max-steps", 3)), sentence)
    assert snapshot(tmp_path) == files


def test_a_picture_that_needs_more_than_is_installed(cli, files, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    result = cli(*FORECAST.split(), "--plot", "f.pgf")
    assert_refused(result, "'f.pgf' cannot be drawn here: 'xelatex' not found")
    assert snapshot(tmp_path) == files


@pytest.mark.parametrize(("horizon", "folds"), [(10, 1), (5, 5), (2, 17)])
def test_what_is_not_refused_is_done(cli, tmp_path, horizon, folds):
    (tmp_path / "wave.csv").write_text(FILES["wave.csv"], encoding="utf-8")
    words = [*FORECAST.split(), "--horizon", horizon, "--folds", folds, "--hidden-size", 4, "--max-steps", 3, "-q"]
    result = cli(*words, "--plot", "f.PDF", "--context", 2, "--seed", 1)
    assert result.exit_code == 0, result.stderr
    assert f"{folds} forecasts of the past" in result.stdout
    assert (tmp_path / "f.PDF").read_bytes().startswith(b"%PDF")
