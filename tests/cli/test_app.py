"""The commands: a thin view of the library."""

import json
import sys

import pytest
from tests.cli.conftest import SMALL
from tests.trained import FRENCH, TEXT, fitted, small

from throughtime import __version__, cells, load
from throughtime.optimizers import RULES


def last_line(result):
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


# ---------------------------------------------------------------------- train


def test_train_leaves_the_model_that_the_library_makes(cli, text, tmp_path):
    result = cli("train", text, "-o", "model.safetensors", *SMALL)
    assert result.exit_code == 0
    fitted().save(tmp_path / "expected", notes=load("model.safetensors").notes_)
    assert (tmp_path / "model.safetensors").read_bytes() == (tmp_path / "expected").read_bytes()


def test_train_ends_with_one_json_object(cli, text):
    report = last_line(cli("train", text, "--output", "model.safetensors", "--json", *SMALL))
    assert list(report) == [
        "model",
        "engine",
        "parameters",
        "symbols",
        "steps",
        "seconds",
        "symbols_per_second",
        "train_loss",
        "validation_loss",
        "bits_per_symbol",
        "ngram_loss",
        "ngram_order",
        "ngram_counted",
    ]
    assert report["model"] == "model.safetensors"
    assert report["engine"] == "compiled"
    assert report["parameters"] == sum(w.size for w in fitted().network_.parameters.values())
    assert report["symbols"] == len(TEXT)
    assert report["steps"] == 20
    assert report["seconds"] > 0
    assert report["symbols_per_second"] > 0
    assert report["train_loss"] == fitted().history_.train_loss
    assert report["validation_loss"] == fitted().validation_loss_
    assert report["bits_per_symbol"] == pytest.approx(fitted().validation_loss_ / 0.6931471805599453)


def test_train_without_validation_tells_the_bits_of_the_training(cli, text):
    report = last_line(cli("train", text, "-o", "m", "--validation", 0, "--json", *SMALL))
    assert report["validation_loss"] is None
    assert report["bits_per_symbol"] == pytest.approx(report["train_loss"] / 0.6931471805599453)


def test_train_says_the_result_in_words_and_the_progress_on_standard_error(cli, text):
    result = cli("train", text, "-o", "m", *SMALL)
    (line,) = result.stdout.splitlines()
    assert line.startswith(f"m: validation {fitted().validation_loss_:.3f} nats per symbol (")
    assert "; 20 steps in " in line
    assert "756 symbols to learn from, 84 for validation, 15 different" in result.stderr
    assert "--- after 20 steps" in result.stderr


@pytest.mark.parametrize("flag", ["--quiet", "-q"])
def test_train_in_silence(cli, text, flag):
    result = cli("train", text, "-o", "m", flag, "--json", *SMALL)
    assert len(result.stdout.splitlines()) == 1
    assert result.stderr == ""


def test_train_on_several_files_and_folders(cli, text, tmp_path):
    (tmp_path / "texts" / "more").mkdir(parents=True)
    (tmp_path / "texts" / "a.txt").write_text("abc", encoding="utf-8")
    (tmp_path / "texts" / "more" / "b.txt").write_text("xyz", encoding="utf-8")
    (tmp_path / "texts" / "c.png").write_bytes(b"\x89PNG\0")
    result = cli("train", text, "texts", "-o", "m", "--json", *SMALL)
    assert last_line(result)["symbols"] == len(TEXT) + 6 + 2 * 3  # three documents between two ends each
    assert "files left out: 1 that are empty or no utf-8 text, such as 'texts/c.png'" in result.stderr
    assert set("abcxyz") <= set(load(tmp_path / "m").classes_)


def test_train_on_standard_input(cli, tmp_path):
    last_line(cli("train", "-", "-o", "m", "--json", *SMALL, stdin=TEXT))
    assert load(tmp_path / "m").history_ == fitted().history_


def test_train_on_bytes_from_standard_input(cli, tmp_path):
    data = b"\xff\x00\x01" * 100
    last_line(cli("train", "-", "-o", "m", "--level", "byte", "--json", *SMALL, stdin=data))
    assert load(tmp_path / "m").classes_ == [0, 1, 255]


def test_train_in_another_encoding(cli, tmp_path):
    (tmp_path / "french.txt").write_text(FRENCH, encoding="latin-1")
    last_line(cli("train", "french.txt", "-o", "m", "--encoding", "latin-1", "--json", *SMALL))
    assert load(tmp_path / "m").classes_ == sorted(set(FRENCH))


def test_train_with_many_options(cli, text, tmp_path):
    given = (
        "--cell elman --activation relu --hidden-size 6 --num-layers 2 --residual --embedding-size 3 "
        "--initializer orthogonal --dropout 0.1 --variational-dropout 0.2 --seq-len 8 --bptt-truncate 3 --batch-size 2 "
        "--max-steps 3 --optimizer adamw --learning-rate 0.01 --schedule constant --weight-decay 0.1 --clip-norm none "
        "--clip-value 1 --validation 0.2 --early-stopping --patience 2 --engine numpy --dtype float64 --random-state 7"
    )
    last_line(cli("train", text, "-o", "m", "--json", *given.split()))
    found = load(tmp_path / "m").get_params()
    expected = {
        "cell": "elman",
        "activation": "relu",
        "hidden_size": 6,
        "num_layers": 2,
        "residual": True,
        "embedding_size": 3,
        "initializer": "orthogonal",
        "dropout": 0.1,
        "variational_dropout": 0.2,
        "seq_len": 8,
        "bptt_truncate": 3,
        "batch_size": 2,
        "max_steps": 3,
        "optimizer": "adamw",
        "learning_rate": 0.01,
        "schedule": "constant",
        "weight_decay": 0.1,
        "clip_norm": None,
        "clip_value": 1.0,
        "validation": 0.2,
        "early_stopping": True,
        "patience": 2,
        "dtype": "float64",
        "random_state": 7,
    }
    assert {name: found[name] for name in expected} == expected


# ---------------------------------------------------------------------- sample


def test_sample_writes_what_the_library_writes(cli, model):
    result = cli("sample", model, "--length", 50, "--prime", "to be", "--seed", 3, "--temperature", 0.8)
    assert result.exit_code == 0
    assert result.stdout == "to be" + fitted().generate(50, "to be", random_state=3, temperature=0.8) + "\n"
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("given", "options"),
    [
        (["--top-k", "2"], {"top_k": 2}),
        (["--top-p", "0.5"], {"top_p": 0.5}),
        (["--greedy"], {"greedy": True}),
    ],
)
def test_sample_has_the_options_of_generate(cli, model, given, options):
    result = cli("sample", model, "--length", 30, "--random-state", 3, *given)
    assert result.stdout == fitted().generate(30, random_state=3, **options) + "\n"


def test_sample_ends_with_one_json_object(cli, model):
    answer = last_line(cli("sample", model, "--length", 40, "--prime", "to", "--seed", 3, "--json"))
    assert list(answer) == ["text", "seconds", "symbols_per_second"]
    assert answer["text"] == "to" + fitted().generate(40, "to", random_state=3)
    assert answer["symbols_per_second"] > 0


def test_sample_writes_five_hundred_symbols_where_nobody_said_how_many(cli, model):
    assert len(cli("sample", model).stdout) == 501


def test_sample_of_length_nought(cli, model):
    assert cli("sample", model, "--length", 0, "--prime", "to").stdout == "to\n"
    assert last_line(cli("sample", model, "--length", 0, "--json"))["text"] == ""


# ---------------------------------------------------------------------- evaluate, info, cells


def test_evaluate_ends_with_one_json_object(cli, model, text):
    score = fitted().evaluate(TEXT)
    answer = last_line(cli("evaluate", model, text, "--json"))
    names = ["loss", "bits_per_symbol", "bits_per_character", "perplexity", "symbols", "unknown"]
    assert answer == {name: getattr(score, name) for name in names}
    assert list(answer) == names


def test_evaluate_in_words(cli, model, text):
    score = fitted().evaluate(TEXT)
    assert cli("evaluate", model, text).stdout == (
        f"{score.loss:.4f} nats per symbol, {score.bits_per_symbol:.4f} bits, perplexity {score.perplexity:.3f} "
        "(839 symbols)\n"
    )


def test_evaluate_several_documents(cli, model, tmp_path):
    (tmp_path / "a.txt").write_text("to be", encoding="utf-8")
    expected = fitted().evaluate(["to be", "or not"]).loss
    assert last_line(cli("evaluate", model, "a.txt", "-", "--json", stdin="or not"))["loss"] == expected


def test_info(cli, model):
    answer = last_line(cli("info", model, "--json"))
    assert answer["kind"] == "TextGenerator"
    assert answer["symbols"] == 15
    assert answer["steps"] == 20
    assert answer["parameters"] == 903
    assert answer["validation_loss"] == fitted().validation_loss_
    words = cli("info", model).stdout
    assert words.startswith("TextGenerator, 15 symbols (char)\n")
    assert str(fitted().network_.summary(seq_len=16, batch_size=16)) in words
    assert f"trained 20 steps, training loss {fitted().history_.train_loss:.3f} nats per symbol" in words


def test_cells_lists_all(cli):
    lines = cli("cells").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(cells.names())
    assert "gates reset, update, candidate" in cli("cells").stdout


@pytest.mark.parametrize("name", cells.names())
def test_cells_shows_equations(cli, name):
    assert f"{name.partition('-')[0].upper()}-1" in cli("cells", name).stdout


@pytest.mark.parametrize("arguments", [["--version"], ["--debug", "--version"]])
def test_version(cli, arguments):
    result = cli(*arguments)
    assert result.exit_code == 0
    assert result.stdout == f"throughtime {__version__}\n"


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("command", [[], ["train"], ["sample"], ["evaluate"], ["info"], ["cells"], ["demo"], ["bench"]])
def test_help(cli, command, flag):
    result = cli(*command, flag)
    assert result.exit_code == 0
    assert "Usage: " in result.stdout


def test_help_names_every_optimizer(cli):
    assert "sgd, momentum, adagrad, rmsprop, adam or adamw" in cli("train", "--help").stdout
    assert set(RULES) == {"sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw"}


# ---------------------------------------------------------------------- a cell of one's own

MODULE = """
from throughtime import Cell
from throughtime.cells.functions import tanh

def step(a, u, state, p):
    h = tanh(a[0] + p[0] * state[0])
    return (h,), (h,)

def step_back(d_state, state, saved, p):
    d = d_state[0] * (1 - saved[0] * saved[0])
    return (d,), (), (d * p[0],), (d * state[0],)

MINE = Cell("mine", ("hidden",), ("h",), step, step_back, vectors={"w": 0.5}, recurrent=False)
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module in the working folder, forgotten afterwards."""
    (tmp_path / "my_cells.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield "my_cells:MINE"
    sys.modules.pop("my_cells", None)


def test_a_cell_of_ones_own(cli, text, module):
    result = cli("train", text, "-o", "m", "--cell", module, "--json", *SMALL)
    assert last_line(result)["steps"] == 20
    assert len(cli("sample", "m", "--length", 9, "--cell", module).stdout) == 10
    assert last_line(cli("evaluate", "m", text, "--cell", module, "--json"))["loss"] > 0
    assert last_line(cli("info", "m", "--cell", module, "--json"))["layers"][1] == "mine of 8"


def test_a_model_with_a_cell_of_ones_own_is_refused_without_it(cli, text, module):
    assert cli("train", text, "-o", "m", "--cell", module, *SMALL).exit_code == 0
    result = cli("sample", "m")
    assert result.exit_code == 2
    assert result.stderr.startswith("CellError: the model was made with the cell 'mine', which is not known here")


def test_a_cell_of_a_module_gives_the_model_that_the_library_makes(cli, text, module, tmp_path):
    cli("train", text, "-o", "m", "--cell", module, *SMALL)
    model = small(cell=sys.modules["my_cells"].MINE).fit(TEXT)
    assert load(tmp_path / "m", cells=[model.cell]).history_ == model.history_
