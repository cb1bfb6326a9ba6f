"""Every bad input gets one clear sentence and exit code 2, and leaves nothing behind."""

import os
import traceback
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import SMALL
from tests.sequences.material import classifier_of_strings

from throughtime import TextGenerator, errors, load
from throughtime.errors import DataError

FILES = {
    "text.txt": b"to be or not to be, that is the question. " * 20,
    "empty.txt": b"",
    "short.txt": b"to be",
    "one.txt": b"a" * 1000,
    "latin.txt": "l'été ".encode("latin-1") * 50,
    "binary.txt": b"GIF89a\x00\x01" * 50,
    "blank.txt": b"\n \n\n\t\n",
    "word.txt": b"word " * 100,
    "greek.txt": "Ψυχή καὶ λόγος ".encode() * 20,
    "table.csv": b"name,age\nanna,5\n",
    "header.csv": b"name,age\n",
    "cells.csv": b"name,note\nanna,\nben, \n",
    "open.csv": b'name,age\n"anna,5\n',
    "random.safetensors": np.random.default_rng(0).bytes(500),
    "foreign.safetensors": b"\x02\0\0\0\0\0\0\0{}",
    "folder/empty.txt": b"",
}


@pytest.fixture
def files(tmp_path, model):
    for name, data in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    classifier_of_strings().save(tmp_path / "classifier.safetensors")
    return snapshot(tmp_path)


def snapshot(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def assert_refused(result, sentence):
    """One line on standard error, which says this; nothing on standard output."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    kind, _, message = line.partition(": ")
    assert sentence in message
    assert issubclass(getattr(errors, kind), errors.InputError)


TRAIN = [
    ("missing.txt", "there is no file 'missing.txt'"),
    ("empty.txt", "'empty.txt' is empty; expected text"),
    ("binary.txt", "'binary.txt' is a binary file (a zero byte at offset 6); expected text"),
    (
        "short.txt",
        "the text is too short: 5 symbols, of which 4 can be learned; a sequence needs 65 (seq_len + 1). Give more",
    ),
    ("text.txt --hidden-size 1.5", "hidden_size must be an integer of at least 1 or None, got '1.5'"),
    ("text.txt --clip-norm much", "clip_norm must be a number above 0 or None, got 'much'"),
    ("text.txt --seed x", "random_state must be None, an integer from 0 to 2**64 - 1, or a NumPy generator, got 'x'"),
    ("one.txt", "the text has 1 different character; at least two are needed"),
    ("latin.txt", "'latin.txt' is not utf-8: byte 0xe9 at offset 2; pass the encoding it has"),
    ("folder", "the folder 'folder' holds no text files"),
    ("text.txt missing.txt", "there is no file 'missing.txt'"),
    ("text.txt --encoding klingon", "there is no encoding 'klingon'"),
    ("text.txt --hidden-size 0", "hidden_size must be an integer of at least 1 or None, got 0"),
    ("text.txt --hidden-size -5", "hidden_size must be an integer of at least 1 or None, got -5"),
    ("text.txt --num-layers 0", "num_layers must be an integer of at least 1 or None, got 0"),
    ("text.txt --embedding-size -1", "embedding_size must be"),
    ("text.txt --seq-len 0", "seq_len must be an integer of at least 1, got 0"),
    ("text.txt --batch-size 0", "batch_size must be"),
    ("text.txt --bptt-truncate -1", "bptt_truncate must be"),
    ("text.txt --max-steps 0", "max_steps must be"),
    ("text.txt --epochs 0", "epochs must be"),
    ("text.txt --minutes 0", "minutes must be a number above 0 or None, got 0.0"),
    ("text.txt --minutes nan", "minutes must be a number above 0 or None, got nan"),
    ("text.txt --learning-rate 0", "learning_rate must be a number above 0 or None, got 0.0"),
    ("text.txt --learning-rate -0.1", "learning_rate must be"),
    ("text.txt --clip-norm 0", "clip_norm must be"),
    ("text.txt --clip-value -1", "clip_value must be"),
    ("text.txt --dropout 1", "dropout must be a number of at least 0 and below 1 or None, got 1.0"),
    ("text.txt --variational-dropout -1", "variational_dropout must be"),
    ("text.txt --validation 1", "validation must be"),
    ("text.txt --weight-decay -1", "weight_decay must be"),
    ("text.txt --weight-decay 0.1", "weight_decay is AdamW's; 'adam' has none"),
    ("text.txt --patience 0", "patience must be"),
    ("text.txt --seed -1", "random_state must be"),
    ("text.txt --max-steps 1 --epochs 1", "epochs, max_steps and minutes each say how long to train"),
    ("text.txt --cell rnn", "cell must be one of '"),
    (
        "text.txt --cell no_such_module:CELL",
        "the cell 'no_such_module:CELL' cannot be imported: ModuleNotFoundError: No module named",
    ),
    (
        "text.txt --cell json:CELL",
        "the cell 'json:CELL' cannot be imported: AttributeError: module 'json' has no attribute 'CELL'",
    ),
    ("text.txt --cell json:dumps", "throughtime.Cell, got"),
    ("text.txt --cell :CELL", "the cell ':CELL' cannot be imported"),
    ("text.txt --cell .relative:CELL", "the cell '.relative:CELL' cannot be imported"),
    ("text.txt --activation relu", "activation is the Elman cell's; 'lstm' has its own"),
    (
        "text.txt --optimizer sdg",
        "optimizer must be one of 'sgd', 'momentum', 'adagrad', 'rmsprop', 'adam' and",
    ),
    ("text.txt --schedule linear", "schedule must be one of 'constant', 'cosine', 'step' and 'plateau'"),
    ("text.txt --initializer zeros", "initializer must be one of"),
    ("text.txt --level words", "level must be one of 'char', 'byte', 'word' and 'bpe', got 'words'"),
    ("text.txt --engine cuda", "engine must be one of 'auto', 'compiled' and 'numpy', got 'cuda'"),
    ("text.txt --dtype float16", "dtype must be 'float32' or 'float64', got 'float16'"),
    ("text.txt --vocab-size 100", "vocab_size is for the levels 'word' and 'bpe'; level='char' takes all symbols"),
    ("text.txt --vocab-size 1 --level word", "vocab_size must be an integer of at least 2 or None, got 1"),
    ("text.txt --vocab-size 2 --level word --lines", "vocab_size must leave room for words beside <unk> and <end>"),
    ("text.txt --vocab-size 99 --level bpe", "vocab_size must have room for the 256 bytes at level='bpe', got 99"),
    ("word.txt --level word", "the text has 1 different word; at least two are needed"),
    ("text.txt --lines --sentences", "--lines and --sentences exclude each other"),
    ("blank.txt --lines", "'blank.txt' is empty or blank; expected something to read"),
    ("blank.txt --sentences", "'blank.txt' is empty or blank; expected something to read"),
    ("binary.txt --lines", "'binary.txt' is a binary file"),
    ("table.csv --column text", "'table.csv' has no column 'text'; it has 'name' and 'age'"),
    ("table.csv --column Name --lines", "'table.csv' has no column 'Name'; it has 'name' and 'age'"),
    ("empty.txt --column name", "'empty.txt' is empty; expected text"),
    ("header.csv --column name", "the column 'name' of 'header.csv' is empty or blank; expected something to read"),
    ("cells.csv --column note", "the column 'note' of 'cells.csv' is empty or blank; expected something to read"),
    ("blank.txt --column name", "'blank.txt' has no column 'name'"),
    ("open.csv --column name", "'open.csv' is not a table in CSV"),
    ("text.txt --from missing.safetensors", "there is no model file 'missing.safetensors'"),
    ("text.txt --from word.txt", "'word.txt' is no model file; expected one that `throughtime train -o` or save(path)"),
    ("greek.txt --from trained.safetensors", "the model knows few symbols of this text: 80% of 300 are new to it"),
    ("short.txt --from trained.safetensors", "the text is too short: 5 symbols"),
    ("text.txt --from trained.safetensors --hidden-size 9", "whose hidden_size is 8, got hidden_size=9"),
    ("text.txt --from trained.safetensors --num-layers 2", "whose num_layers is 1, got num_layers=2"),
    ("text.txt --from trained.safetensors --cell gru", "whose cell is 'lstm', got 'gru'"),
    ("text.txt --from trained.safetensors --level word", "whose level is 'char', got 'word'"),
    ("text.txt --from trained.safetensors --vocab-size 100", "whose vocab_size is None, got 100"),
    ("text.txt --from trained.safetensors --epochs 0", "epochs must be"),
]


@pytest.mark.parametrize(("arguments", "sentence"), TRAIN, ids=[arguments for arguments, _ in TRAIN])
def test_train(cli, files, arguments, sentence, tmp_path):
    assert_refused(cli("train", "-o", "new.safetensors", *arguments.split()), sentence)
    assert snapshot(tmp_path) == files


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "the text is empty"),
        (b"\xff\xfe", "'standard input' is not utf-8: byte 0xff at offset 0"),
        (b"ab\0c", "'standard input' is a binary file (a zero byte at offset 2)"),
    ],
)
def test_train_on_standard_input(cli, files, data, sentence, tmp_path):
    assert_refused(cli("train", "-", "-o", "new.safetensors", stdin=data), sentence)
    assert snapshot(tmp_path) == files


@pytest.fixture
def no_training(monkeypatch):
    """Fails where anything is learned."""

    def fit(*arguments, **options):
        pytest.fail("the training began")

    monkeypatch.setattr(TextGenerator, "fit", fit)


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("no/such/folder/m", "the folder 'no/such/folder' for 'm' does not exist; make it first"),
        ("folder", "'folder' is a folder; name a file in it"),
        ("text.txt/m", "the folder 'text.txt' for 'm' is a file, no folder; choose another"),
    ],
)
def test_where_the_model_goes_is_checked_before_training(cli, files, no_training, output, sentence, tmp_path):
    assert_refused(cli("train", "text.txt", "-o", output), sentence)
    assert snapshot(tmp_path) == files


def test_a_folder_that_cannot_be_written_to_is_found_before_training(cli, files, no_training, monkeypatch, tmp_path):
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and access(path, mode))
    assert_refused(cli("train", "text.txt", "-o", "folder/m"), "the folder 'folder' cannot be written to")
    assert snapshot(tmp_path) == files


OTHERS = [
    ("sample missing.safetensors", "there is no model file 'missing.safetensors'"),
    ("sample folder", "'folder' is a folder; name a model file in it"),
    ("sample empty.txt", "'empty.txt' is no model file"),
    ("sample random.safetensors", "'random.safetensors' is no model file"),
    (
        "sample classifier.safetensors",
        "'classifier.safetensors' holds a SequenceClassifier, and this command is for a TextGenerator",
    ),
    ("sample foreign.safetensors", "'foreign.safetensors' is a safetensors file, but not a model of throughtime"),
    ("sample trained.safetensors --length -1", "length must be an integer of at least 0, got -1"),
    (
        "sample trained.safetensors --temperature 0",
        "temperature must be a number above 0, got 0.0; greedy (--greedy) always takes the likeliest symbol",
    ),
    ("sample trained.safetensors --temperature warm", "temperature must be a number above 0, got 'warm'"),
    ("sample trained.safetensors --length many", "length must be an integer of at least 0, got 'many'"),
    ("sample trained.safetensors --count 1.5", "count must be an integer of at least 1, got '1.5'"),
    ("sample trained.safetensors --beams some", "beams must be an integer of at least 1, got 'some'"),
    ("sample trained.safetensors --seed x", "random_state must be None, an integer"),
    ("sample trained.safetensors --greedy --temperature 2", "always takes the likeliest symbol, so that --temperature"),
    ("sample trained.safetensors --greedy --top-k 2", "always takes the likeliest symbol, so that --top-k has no"),
    ("sample trained.safetensors --greedy --count 3", "so that --count has no meaning; leave it out"),
    ("sample trained.safetensors --greedy --count 3 --rank", "so that --count has no meaning; leave it out"),
    ("sample trained.safetensors -i --prime to", "asks for beginnings, so that --prime has no meaning; leave it out"),
    ("sample trained.safetensors --top-k 0", "top_k must be an integer of at least 1 or None, got 0"),
    ("sample trained.safetensors --top-p 1.5", "top_p must be a number above 0 and at most 1 or None, got 1.5"),
    ("sample trained.safetensors --seed -1", "random_state must be"),
    ("sample trained.safetensors --prime Xyz", "the prime contains 'X' (position 0), which the model never saw"),
    ("sample trained.safetensors --prime é --json", "the prime contains 'é' (position 0)"),
    ("sample trained.safetensors --stop é", "stop contains 'é' (position 0), which the model never saw"),
    ("sample trained.safetensors --stop be --stop \\n", "stop contains '\\n' (position 0)"),
    ("sample trained.safetensors --ban é", "'é' is no symbol that the model knows; expected one character"),
    ("sample trained.safetensors --ban <end>", "is no symbol that the model knows"),
    ("sample trained.safetensors --bias e", "--bias takes SYMBOL=NUMBER, such as e=-2, got 'e'"),
    ("sample trained.safetensors --bias e=much", "--bias takes SYMBOL=NUMBER, such as e=-2, got 'e=much'"),
    ("sample trained.safetensors --bias e=", "--bias takes SYMBOL=NUMBER, such as e=-2, got 'e='"),
    ("sample trained.safetensors --bias e=nan", "the bias of 'e' must be a number, got nan"),
    ("sample trained.safetensors --bias e=inf", "the bias of 'e' must be a number, got inf"),
    ("sample trained.safetensors --bias é=1", "'é' is no symbol that the model knows"),
    ("sample trained.safetensors --ban <end>", "'<end>' is no symbol that the model knows"),
    ("sample trained.safetensors --bias <end>=1", "'<end>' is no symbol that the model knows"),
    ("sample trained.safetensors --bias to=1", "'to' is no symbol that the model knows"),
    ("sample trained.safetensors --count 0", "count must be an integer of at least 1, got 0"),
    ("sample trained.safetensors --min-p 1.5", "min_p must be a number of at least 0 and at most 1, got 1.5"),
    ("sample trained.safetensors --repetition-penalty 0", "repetition_penalty must be a number above 0, got 0.0"),
    ("sample trained.safetensors --rank --beams 2", "--rank, --beams and --interactive exclude each other"),
    ("sample trained.safetensors --rank --interactive", "--rank, --beams and --interactive exclude each other"),
    ("sample trained.safetensors --beams 2 -i", "--rank, --beams and --interactive exclude each other"),
    ("sample trained.safetensors --rank --count 0", "count must be an integer of at least 1, got 0"),
    ("sample trained.safetensors --rank --temperature 1 --temperature 2", "several temperatures are for samples"),
    ("sample trained.safetensors --beams 2 --temperature 1 --temperature 2", "several temperatures are for samples"),
    ("sample trained.safetensors -i --temperature 1 --temperature 2", "several temperatures are for samples"),
    ("sample trained.safetensors --temperature 1 --temperature 0", "temperature must be a number above 0, got 0.0"),
    ("sample trained.safetensors --beams 0", "beams must be an integer of at least 1, got 0"),
    ("sample trained.safetensors --beams 2 --length 0", "length must be an integer of at least 1, got 0"),
    ("sample trained.safetensors --beams 2 --temperature 0.5", "beam search draws nothing, so that temperature has no"),
    ("sample trained.safetensors --beams 2 --top-k 5", "beam search draws nothing, so that top_k has no meaning"),
    ("sample trained.safetensors --beams 2 --seed 1", "beam search draws nothing, so that random_state has no"),
    ("sample trained.safetensors --beams 2 --greedy", "beam search draws nothing, so that greedy has no meaning"),
    ("sample trained.safetensors --cell json:nothing", "the cell 'json:nothing' cannot be imported"),
    ("sample trained.safetensors --cell json:dumps", "throughtime.Cell, got"),
    ("evaluate missing.safetensors text.txt", "there is no model file 'missing.safetensors'"),
    ("evaluate trained.safetensors missing.txt", "there is no file 'missing.txt'"),
    ("evaluate trained.safetensors empty.txt", "'empty.txt' is empty"),
    ("evaluate trained.safetensors binary.txt", "'binary.txt' is a binary file"),
    ("evaluate trained.safetensors latin.txt", "'latin.txt' is not utf-8"),
    ("evaluate trained.safetensors latin.txt --encoding latin-1", "the text contains 'l' (position 0)"),
    ("evaluate trained.safetensors text.txt --lines --sentences", "--lines and --sentences exclude each other"),
    ("evaluate trained.safetensors blank.txt --lines", "'blank.txt' is empty or blank; expected something to read"),
    ("evaluate trained.safetensors table.csv --column text", "'table.csv' has no column 'text'"),
    ("evaluate trained.safetensors text.txt --baseline missing.txt", "there is no file 'missing.txt'"),
    ("evaluate trained.safetensors text.txt --baseline empty.txt", "'empty.txt' is empty"),
    ("info random.safetensors", "'random.safetensors' is no model file"),
    ("cells rnn", "cell must be one of '"),
    ("demo --minutes 0 --to new", "minutes must be a number above 0"),
    ("demo --minutes x --to new", "minutes must be a number above 0 or None, got 'x'"),
    ("demo --minutes 1 --seed -1 --to new", "random_state must be"),
    ("demo --to text.txt", "the folder 'text.txt' cannot be made"),
    ("demo --to text.txt/new", "the folder 'text.txt/new' cannot be made"),
]


@pytest.mark.parametrize(("arguments", "sentence"), OTHERS, ids=[arguments for arguments, _ in OTHERS])
def test_the_other_commands(cli, files, arguments, sentence, tmp_path):
    assert_refused(cli(*arguments.split()), sentence)
    assert snapshot(tmp_path) == files


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--ban", FILES["text.txt"].decode()], "ban leaves no symbol that could be written"),
        (["--stop", ""], "stop must be text that is not empty"),
        (["--ban", ""], "--ban takes a symbol, such as e, got ''"),
        (["--ban", "e", "--ban", ""], "--ban takes a symbol, such as e, got ''"),
        (["--ban", "to be", "--beams", "2", "--bias", "q=-inf", "--ban", "rnhaisu,."], "ban leaves no symbol"),
    ],
)
def test_what_has_spaces_or_nothing_in_it(cli, files, arguments, sentence, tmp_path):
    assert_refused(cli("sample", "trained.safetensors", *arguments), sentence)
    assert snapshot(tmp_path) == files


@pytest.mark.parametrize(
    "arguments",
    [
        "train text.txt",
        "train -o m",
        "sample",
        "sample m --unknown maybe",
        "fly",
    ],
)
def test_a_command_that_is_not_complete_or_not_understood(cli, files, arguments, tmp_path):
    result = cli(*arguments.split())
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("Usage: ")
    assert snapshot(tmp_path) == files


def test_debug_shows_where(cli, files):
    result = cli("--debug", "train", "missing.txt", "-o", "m")
    assert isinstance(result.exception, DataError)
    frames = [frame for frame, _ in traceback.walk_tb(result.exc_info[2])]
    assert any(Path(frame.f_code.co_filename).name == "reading.py" for frame in frames)


def test_an_unexpected_error_is_one_line_that_asks_for_a_report(cli, files, monkeypatch, tmp_path):
    def fit(*arguments, **options):
        raise RuntimeError("a bug")

    monkeypatch.setattr(TextGenerator, "fit", fit)
    result = cli("train", "text.txt", "-o", "m")
    assert result.exit_code == 1
    assert result.stderr == (
        "unexpected RuntimeError: a bug; `throughtime --debug ...` shows where, please report it\n"
    )
    assert snapshot(tmp_path) == files


def test_the_next_command_is_not_debugged_too(cli, files):
    cli("--debug", "train", "missing.txt", "-o", "m")
    assert_refused(cli("train", "missing.txt", "-o", "m"), "there is no file")


def test_a_training_that_blows_up_leaves_the_last_good_model(cli, files, tmp_path):
    options = ["--cell", "elman-relu", "--optimizer", "sgd", "--learning-rate", "1e20", "--clip-norm", "none", "-q"]
    result = cli("train", "text.txt", "-o", "m", "--json", *SMALL, *options)
    assert result.exit_code == 1
    assert result.stdout == ""
    kept, error = result.stderr.splitlines()
    assert kept == "the last good weights are in m"
    assert error.startswith("NonFiniteLoss: step ")
    assert "Try a smaller learning_rate, or clip_norm" in error
    assert len(load(tmp_path / "m").history_.rollback_steps) == 10
