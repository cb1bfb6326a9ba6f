"""Trainings that end before their time, in a terminal of their own: Ctrl-C, SIGTERM, SIGKILL, a full disk."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time

import pytest
from benchmarks.faults.terminal import CTRL_C, Process
from tests.trained import TEXT, fitted

from throughtime import files, load

BEGUN, BEGUN_LONG = rb"\b[1-9]\d*/200\b", rb"\b[1-9]\d*/100000\b"
"""As the bar shows it."""


NET = ["--hidden-size", "8", "--engine", "numpy", "--seed", "1", "--max-steps", "200"]
TRAIN = ["train", "text.txt", "-o", "m", "--embedding-size", "0", "--seq-len", "16", "--batch-size", "4", *NET]
COMMANDS = {
    "train": TRAIN,
    "forecast": ["forecast", "series.csv", "-o", "m", "--horizon", "2", *NET],
    "classify": ["classify", "labels.csv", "--label", "kind", "--text", "text", "-o", "m", *NET],
    "tag": ["tag", "sentences.txt", "-o", "m", *NET],
}


@pytest.fixture
def folder(tmp_path):
    """With something to learn from for each command."""
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    rows = [f"{10 + step % 7 + step % 3}" for step in range(120)]
    (tmp_path / "series.csv").write_text("\n".join(["visits", *rows]), encoding="utf-8")
    (tmp_path / "labels.csv").write_text("text,kind\n" + "abba,low\ncdc,high\nddcd,high\n" * 20, encoding="utf-8")
    (tmp_path / "sentences.txt").write_text("Anna B-PER\nsleeps O\n\nrain O\nfalls O\n\n" * 20, encoding="utf-8")
    return tmp_path


def models(folder):
    """What is in the folder besides the data."""
    return sorted(path.name for path in folder.iterdir() if path.suffix not in (".txt", ".csv"))


def run(folder, *arguments, stdin=None):
    command = [sys.executable, "-m", "throughtime", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, input=stdin, capture_output=True, text=True, check=False)


def whole(folder, command):
    """The bytes of the same training without a break."""
    where = command.index("-o") + 1
    done = run(folder, *command[:where], "whole", *command[where + 1 :], "-q")
    assert done.returncode == 0, done.stderr
    found = (folder / "whole").read_bytes()
    (folder / "whole").unlink()
    return found


def saved_after(lines, command="throughtime resume m"):
    (line,) = (line for line in lines if line.startswith("saved after"))
    return int(re.fullmatch(rf"saved after ([\d,]+) steps?; `{command}` goes on from there", line)[1].replace(",", ""))


@pytest.mark.parametrize(
    ("name", "how"),
    [("train", "Ctrl-C"), ("train", "SIGTERM"), ("forecast", "Ctrl-C"), ("classify", "SIGTERM"), ("tag", "Ctrl-C")],
)
def test_a_training_that_is_ended_is_saved_and_goes_on_to_the_same_bytes(name, how, folder):
    code, word = {"Ctrl-C": (130, "interrupted"), "SIGTERM": (143, "terminated")}[how]
    process = Process(folder, *COMMANDS[name]).until(BEGUN)
    if how == "Ctrl-C":
        process.type(CTRL_C)
    else:
        process.child.send_signal(signal.SIGTERM)
    ended, lines = process.end()
    assert ended == code
    assert lines[-2:] == [word, ""]
    assert models(folder) == ["m"]
    assert 0 < saved_after(lines) == len(load(folder / "m").history_.loss) < 200
    assert os.path.basename(files.load(folder / "m")[1]["notes"]["data"][0]) == COMMANDS[name][1]  # noqa: PTH119

    ended, more = Process(folder, "resume", "m").until(BEGUN).type(CTRL_C).end()
    assert ended == 130
    assert saved_after(more) >= saved_after(lines)
    done = run(folder, "resume", "m", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["steps"] == 200
    assert (folder / "m").read_bytes() == whole(folder, COMMANDS[name])
    assert models(folder) == ["m"]


def test_a_terminal_that_is_closed(folder):
    process = Process(folder, *TRAIN).until(BEGUN)
    os.close(process.terminal)
    assert process.child.wait(60) == 129
    assert models(folder) == ["m"]
    assert 0 < len(load(folder / "m").history_.loss) < 200
    assert run(folder, "resume", "m", "-q").returncode == 0
    assert (folder / "m").read_bytes() == whole(folder, TRAIN)


def test_the_demonstration(folder):
    code, lines = Process(folder, "demo", "--minutes", "5", "--to", "shown").until(rb"\d/\d").type(CTRL_C).end()
    assert code == 130
    assert any("`throughtime resume shown/model.safetensors` goes on from there" in line for line in lines)
    assert [path.name for path in (folder / "shown").iterdir()] == ["model.safetensors"]
    assert load(folder / "shown" / "model.safetensors").minutes == 5
    planned = files.load(folder / "shown" / "model.safetensors")[1]["training"]["plan"]["max_steps"]
    again = Process(folder, "resume", "shown/model.safetensors").until(rb"/%d" % planned).type(CTRL_C)
    assert again.end()[0] == 130


def test_a_path_with_a_blank_is_quoted(folder):
    command = [part if part != "m" else "my model" for part in TRAIN]
    _, lines = Process(folder, *command).until(BEGUN).type(CTRL_C).end()
    assert any("`throughtime resume 'my model'` goes on from there" in line for line in lines)


def test_a_second_ctrl_c_leaves_at_once(folder):
    """Within a step of some seconds; the file is that of the beginning."""
    sizes = ["--hidden-size", "600", "--seq-len", "256", "--batch-size", "32", "--engine", "numpy"]
    (folder / "text.txt").write_text(TEXT * 30, encoding="utf-8")
    process = Process(folder, "train", "text.txt", "-o", "m", "--max-steps", "500", "--validation", "0", "-q", *sizes)
    while not (folder / "m").exists():
        assert process.child.poll() is None
        time.sleep(0.01)
    begun = process.seconds()
    while process.seconds() < begun + 0.5:  # it is in its first step
        time.sleep(0.01)
    while process.child.poll() is None:  # one that comes before the last one was handled is lost
        process.child.send_signal(signal.SIGINT)
        time.sleep(0.05)
    code, lines = process.end()
    assert code == 130
    assert not any("saved after" in line for line in lines)
    assert models(folder) == ["m"]
    assert load(folder / "m").history_.loss == []


@pytest.mark.parametrize(("keys", "code", "word"), [(CTRL_C, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")])
def test_what_writes_text_ends_at_once(keys, code, word, folder):
    fitted().save(folder / "m")
    process = Process(folder, "sample", "m", "--length", "100000000").until(rb"[a-z ]{100}")
    if keys == CTRL_C:
        process.type(keys)
    else:
        process.child.send_signal(keys)
    ended, lines = process.end()
    assert ended == code
    assert lines[-2].endswith(word)


def test_what_reads_text_ends_at_once(folder):
    fitted().save(folder / "m")
    reading, writing = os.pipe()
    process = Process(folder, "evaluate", "m", "-", stdin=reading)
    os.close(reading)
    os.write(writing, b"to be " * 20_000)  # more than the pipe holds: it is being read
    while not select.select([process.terminal], [], [], 0.05)[0]:  # one that comes between two readings is not seen
        process.child.send_signal(signal.SIGINT)
    code, lines = process.end()
    os.close(writing)
    assert (code, lines) == (130, ["interrupted", ""])


# ---------------------------------------------------------------------- two at once, and one that is killed


def test_a_second_training_into_the_same_file_is_refused(folder):
    first = Process(folder, *TRAIN[:-1], "100000").until(BEGUN_LONG)
    said = "OutputError: 'm' is being written by another training; wait for its end, or choose another name\n"
    for command in (TRAIN, ["resume", "m", "text.txt"]):
        second = run(folder, *command)
        assert (second.returncode, second.stdout, second.stderr) == (2, "", said)
    assert first.type(CTRL_C).end()[0] == 130
    assert models(folder) == ["m"]


def test_one_that_is_killed_leaves_a_file_that_goes_on(folder):
    process = Process(folder, *TRAIN, "--checkpoint-every", "1").until(BEGUN)
    process.child.kill()
    assert process.end()[0] == -signal.SIGKILL
    left = models(folder)
    assert "m" in left
    assert all(re.fullmatch(r"m|\.m\.lock|\.m\.\d+\.part", name) for name in left)
    (folder / ".m.99999.part").write_bytes(b"half of a model")
    done = run(folder, "resume", "m", "-q")
    assert done.returncode == 0, done.stderr
    assert models(folder) == ["m"]
    assert (folder / "m").read_bytes() == whole(folder, TRAIN)


# ---------------------------------------------------------------------- a full disk


@pytest.fixture
def largest(folder):
    """Bytes that are enough for the finished file, and too few for one in the midst of the training."""
    return len(whole(folder, TRAIN)) + 100


def test_a_full_disk_is_told_and_the_training_goes_on(folder, largest):
    process = Process(folder, *TRAIN, "--checkpoint-every", "80", largest=largest)
    code, lines = process.end()
    told = (
        r"'.*/m' could not be written \([\d,]+ bytes\): File too large; the file that was there is whole, and the "
        r"training goes on"
    )
    assert sum(re.fullmatch(told, line) is not None for line in lines) == 2
    assert code == 0
    assert models(folder) == ["m"]
    assert (folder / "m").read_bytes() == whole(folder, TRAIN)


def test_a_full_disk_ends_the_training_where_that_is_asked_for(folder, largest):
    process = Process(folder, *TRAIN, "--checkpoint-every", "80", "--save-error", "stop", largest=largest)
    code, lines = process.end()
    assert code == 2
    assert lines[-3] == "what was saved after 0 steps is whole; `throughtime resume m` goes on from there"
    assert re.fullmatch(r"OutputError: '.*/m' could not be written \([\d,]+ bytes\): File too large", lines[-2])
    assert models(folder) == ["m"]
    assert load(folder / "m").history_.loss == []
    assert run(folder, "resume", "m", "-q").returncode == 0
    assert (folder / "m").read_bytes() == whole(folder, TRAIN)


def test_answers_on_a_full_disk_leave_those_of_before(folder):
    assert run(folder, *COMMANDS["tag"][:-1], "2", "-q").returncode == 0
    (folder / "to.csv").write_text("old", encoding="utf-8")
    code, lines = Process(folder, "predict", "m", "sentences.txt", "--to", "to.csv", largest=100).end()
    assert code == 2
    assert re.fullmatch(r"OutputError: '.*/to.csv' could not be written \([\d,]+ bytes\): File too large", lines[-2])
    assert (folder / "to.csv").read_bytes() == b"old"
    assert models(folder) == ["m"]


# ---------------------------------------------------------------------- what resume is given


@pytest.fixture
def unfinished(folder):
    """Some steps of a training by the command line."""
    Process(folder, *TRAIN).until(BEGUN).type(CTRL_C).end()
    return folder


def test_moved_data_are_named(unfinished):
    (unfinished / "text.txt").rename(unfinished / "moved.txt")
    lost = run(unfinished, "resume", "m")
    assert (lost.returncode, lost.stderr) == (2, f"DataError: there is no file '{unfinished / 'text.txt'}'\n")
    assert run(unfinished, "resume", "m", "moved.txt", "-q").returncode == 0
    (unfinished / "moved.txt").rename(unfinished / "text.txt")
    assert (unfinished / "m").read_bytes() == whole(unfinished, TRAIN)


def test_data_from_standard_input_are_given_once_more(folder):
    reading, writing = os.pipe()
    process = Process(folder, "train", "-", *TRAIN[2:], stdin=reading)
    os.close(reading)
    os.write(writing, TEXT.encode())
    os.close(writing)
    process.until(BEGUN).child.send_signal(signal.SIGINT)
    ended, lines = process.end()
    assert ended == 130
    assert saved_after(lines, "throughtime resume m DATA") > 0
    lost = run(folder, "resume", "m")
    said = "ParameterError: 'm' does not say where its data are; name them: `throughtime resume m DATA`\n"
    assert (lost.returncode, lost.stderr) == (2, said)
    assert run(folder, "resume", "m", "-", "-q", stdin=TEXT).returncode == 0
    assert (folder / "m").read_bytes() == whole(folder, TRAIN)


def test_other_data_are_refused_unless_they_are_meant(unfinished):
    before = (unfinished / "m").read_bytes()
    (unfinished / "text.txt").write_text(TEXT * 2, encoding="utf-8")
    refused = run(unfinished, "resume", "m")
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].startswith("DataError: these are not the data that 'm' was trained on: ")
    assert (unfinished / "m").read_bytes() == before
    assert models(unfinished) == ["m"]
    assert run(unfinished, "resume", "m", "--new-data", "-q").returncode == 0
    assert len(load(unfinished / "m").history_.loss) == 200


def test_more_epochs_and_another_rate(unfinished):
    assert run(unfinished, "resume", "m", "-q").returncode == 0
    done = run(unfinished, "resume", "m", "text.txt", "--more-epochs", "1", "--learning-rate", "1e-6", "--json")
    assert json.loads(done.stdout)["steps"] == 200 + 12
    assert max(load(unfinished / "m").history_.learning_rate[200:]) <= 1e-6


def test_a_finished_model_stays_as_it_is(folder):
    expected = whole(folder, TRAIN)
    (folder / "m").write_bytes(expected)
    done = run(folder, "resume", "m", "text.txt")
    assert "m is at its end, after 200 steps; more_epochs (--more-epochs) would go on" in done.stderr
    assert (folder / "m").read_bytes() == expected
    (folder / "text.txt").unlink()
    done = run(folder, "resume", "m")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "m: at its end, after 200 steps; --more-epochs goes on\n"
    assert json.loads(run(folder, "resume", "m", "--json").stdout) == {"model": "m", "steps": 200}
    assert (folder / "m").read_bytes() == expected


def test_an_earlier_model_stays_until_the_training_is_interrupted(folder):
    """Killed before the first saving is due, the training leaves it as it was."""
    fitted().save(folder / "m")
    before = (folder / "m").read_bytes()
    process = Process(folder, *TRAIN[:-1], "100000").until(BEGUN_LONG)
    assert (folder / "m").read_bytes() == before
    process.child.kill()
    process.end()
    assert (folder / "m").read_bytes() == before
    _, lines = Process(folder, *TRAIN[:-1], "100000").until(BEGUN_LONG).type(CTRL_C).end()
    assert saved_after(lines) == len(load(folder / "m").history_.loss)


def test_a_finished_model_names_no_data(folder):
    (folder / "m").write_bytes(whole(folder, TRAIN))
    assert files.load(folder / "m")[1]["notes"].keys() == {"command"}
    lost = run(folder, "resume", "m", "--more-epochs", "1")
    assert lost.stderr.startswith("ParameterError: 'm' does not say where its data are; name them: ")


def test_a_model_that_was_made_in_python(folder):
    fitted().save(folder / "m")
    said = (
        "ModelFileError: 'm' was not made by a command that trains; in Python fit(data, resume='m') goes on with it\n"
    )
    refused = run(folder, "resume", "m")
    assert refused.stderr == said
    assert refused.returncode == 2


@pytest.mark.parametrize(
    ("notes", "what"),
    [
        ({"command": {"name": "train", "options": {}}}, "it does not tell how its data are read"),
        ({"command": {"name": "train", "options": None}}, "it does not tell how its data are read"),
        ({"command": {"name": "tag", "options": {"encoding": 5}}}, "it does not tell how its data are read"),
        ({"command": {"name": "tag", "options": {"encoding": "utf-8"}}, "data": [5]}, "it names no files of data"),
    ],
)
def test_notes_that_are_none(notes, what, folder):
    fitted().save(folder / "m", notes=notes)
    assert run(folder, "resume", "m").stderr == f"ModelFileError: 'm' is damaged: {what}\n"
