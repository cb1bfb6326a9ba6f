"""Ctrl-C and SIGTERM where nothing is trained; benchmarks/faults/signals.py has every command and many moments."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from benchmarks.faults.terminal import PATIENCE, Process

from throughtime.cli import signals, training

BOTH = pytest.mark.parametrize(
    ("how", "code", "word"), [("Ctrl-C", 130, "interrupted"), ("SIGTERM", 143, "terminated")]
)

AT_THE_VERY_END = """\
import os, sys
class Last:
    def __del__(self, kill=os.kill, number=os.getpid()):
        kill(number, {number})
sys.last = Last()
from throughtime.cli import main
main()
"""
"""Sends itself a signal when Python takes its modules apart."""


@BOTH
def test_a_command_that_has_hardly_begun_says_what_ended_it(how, code, word, tmp_path):
    """It is in the midst of its imports."""
    ended, lines = Process(tmp_path, "cells").until_it_listens().interrupt(how).end()
    assert ended == code
    assert lines[-2].removeprefix("^C") == word
    assert len(lines) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_done_has_been_done(number, tmp_path):
    program = ["-c", AT_THE_VERY_END.format(number=int(number))]
    code, lines = Process(tmp_path, "cells", program=program).end()
    assert code == 0
    assert any(line.startswith("lstm ") for line in lines)


AS_AN_ERROR_IS_TOLD = """\
import os, signal
import throughtime.cli.base as base
complain = base.complain
def interrupted(message):
    os.kill(os.getpid(), signal.SIGTERM)
    complain(message)
base.complain = interrupted
from throughtime.cli import main
main()
"""


def test_an_error_that_is_being_told_is_not_waited_for(tmp_path):
    command = [sys.executable, "-c", AS_AN_ERROR_IS_TOLD, "info", "m"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (143, "", "terminated\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_one_ends_a_training_at_once_whatever_the_disk_says(number, code, monkeypatch):
    def abandon():
        raise PermissionError("the folder cannot be read")

    def leave(number):
        raise SystemExit(128 + number)

    monkeypatch.setattr(signals, "leave", leave)
    with training.interruptible(SimpleNamespace(), SimpleNamespace(lock=SimpleNamespace(abandon=abandon))):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        with pytest.raises(SystemExit, match=str(code)):
            signal.raise_signal(number)


def test_a_command_in_another_thread_hears_of_no_signal(cli):
    done = []
    thread = threading.Thread(target=lambda: done.append(cli("cells")))
    thread.start()
    thread.join()
    assert [result.exit_code for result in done] == [0]


@BOTH
def test_a_bench_ends_the_processes_that_measure(how, code, word, tmp_path):
    process = Process(tmp_path, "bench", "--quick", "--to", "record.jsonl").until(b"first whether all")
    started = Path(f"/proc/{process.child.pid}/task/{process.child.pid}/children")
    while not (children := started.read_text(encoding="utf-8").split()):
        time.sleep(0.01)
    ended, lines = process.interrupt(how).end()
    assert ended == code
    assert lines[-2].removeprefix("^C") == word
    end = time.monotonic() + PATIENCE  # one that was being started ends as it finds that nobody asks it
    while any(Path("/proc", number).exists() for number in children):
        assert time.monotonic() < end
        time.sleep(0.01)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, signals.Interrupted), (signal.SIGTERM, signals.Terminated)]
)
def test_another_one_ends_the_process_at_once(number, raised):
    before = signal.getsignal(number)
    with signals.handled(signals.break_off):
        with pytest.raises(raised) as caught:
            signal.raise_signal(number)
        assert signals.number_of(caught.value) == number
        assert signal.getsignal(signal.SIGINT) is signal.getsignal(signal.SIGTERM) is signals.leave
    assert signal.getsignal(number) is before


IN_CODE_MADE_FROM_TEXT = """\
import signal
from throughtime.cli import signals
with signals.handled(signals.break_off):
    try:
        exec("signal.raise_signal(signal.SIGINT)")
    except KeyboardInterrupt:
        print("interrupted")
"""


def test_an_interruption_of_code_made_from_text_is_caught_for_good():
    done = subprocess.run([sys.executable, "-c", IN_CODE_MADE_FROM_TEXT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted\n", "")


def test_what_is_ignored_stays_so():
    """A shell starts what runs in the background so."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    with signals.handled(signals.break_off):
        signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGTERM) is signals.break_off
    assert signal.signal(signal.SIGINT, before) is signal.SIG_IGN


def test_a_terminal_gets_its_cursor_back(monkeypatch):
    monkeypatch.setattr(os, "isatty", lambda number: number == 2)
    assert signals.told(signal.SIGINT) == "\x1b[?25hinterrupted"
    monkeypatch.setattr(os, "isatty", lambda number: False)
    assert signals.told(signal.SIGTERM) == "terminated"
