"""The threads: how many there are, and what becomes of them in forks, workers, sleep and interruption."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import joblib
import numpy as np
import pytest
from tests.engine.compiled.material import (
    ROOT,
    assert_same,
    batch_for,
    chunks_for,
    make,
    network_of,
    run_python,
    scan_of,
    trained,
    using,
)

from throughtime import cells
from throughtime.engine.compiled import threads
from throughtime.errors import ParameterError


@pytest.mark.parametrize("value", [0, -1, 1.5, 2.0, True, "2", [2], float("nan")])
def test_a_number_of_threads_is_an_integer_of_at_least_one(value):
    with pytest.raises(ParameterError, match="the number of threads must be an integer of at least 1, got"):
        threads.set_num_threads(value)


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", " 2", "2 ", "²", "٣", "+1", "1e1"])
def test_the_variable_is_an_integer_of_at_least_one(value, monkeypatch):
    monkeypatch.setenv("THROUGHTIME_NUM_THREADS", value)
    with pytest.raises(ParameterError, match="THROUGHTIME_NUM_THREADS must be an integer of at least 1, got"):
        threads.get_num_threads()


def test_what_was_set_goes_before_the_variable_which_goes_before_the_machine(monkeypatch):
    monkeypatch.delenv("THROUGHTIME_NUM_THREADS", raising=False)
    assert threads.get_num_threads() == threads.available() >= 1
    monkeypatch.setenv("THROUGHTIME_NUM_THREADS", "")
    assert threads.get_num_threads() == threads.available()
    monkeypatch.setenv("THROUGHTIME_NUM_THREADS", "5")
    assert threads.get_num_threads() == 5
    threads.set_num_threads(3)
    assert threads.get_num_threads() == 3
    threads.set_num_threads(None)
    assert threads.get_num_threads() == 5


def test_more_threads_than_rows_or_blocks():
    scan = scan_of(cells.LSTM, 3, 2, 5, 7)
    with using(1):
        expected = scan.run(make())
    for number in (4, 8, 2, 16):
        with using(number):
            assert_same(scan.run(make()), expected)


def test_two_threads_of_python_train_two_networks_at_once():
    def train(seed, found, number):
        network = network_of("one-hot stack", "gru", 9, 40, 9, seed=seed)
        found[number] = trained(network, chunks_for(network, 8, 12, 60, seed=seed))

    with using(2):
        alone, together = {}, {}
        for number in range(2):
            train(number, alone, number)
        started = [threading.Thread(target=train, args=(number, together, number)) for number in range(2)]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join(60)
    for number in range(2):
        assert_same(together[number], alone[number])


def test_a_pool_without_work_takes_no_time():
    with using(2):
        scan_of(cells.GRU, 3, 40, 5, 70).run(make())
        time.sleep(0.05)
        began = time.process_time()
        time.sleep(0.3)
        assert time.process_time() - began < 0.05


def worked(seed):
    """What a worker computes."""
    threads.set_num_threads(2)
    with using(2):
        return scan_of(cells.LSTM, 4, 30, 5, 40, seed=seed).run(make())["d_x"]


def test_workers_of_joblib():
    found = joblib.Parallel(n_jobs=2)(joblib.delayed(worked)(seed) for seed in range(4))
    for seed, value in enumerate(found):
        np.testing.assert_array_equal(value, worked(seed))


FORK = """
import os, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads, which is what is tested
import numpy as np
from tests.engine.compiled.material import *
scan = scan_of(cells.get("gru"), 4, 40, 5, 70)
with using(2):
    expected = scan.run(make())
    children = []
    for _ in range(5):
        child = os.fork()
        if not child:
            good = all(np.array_equal(value, expected[name]) for name, value in scan.run(make()).items())
            again = os.fork()
            if not again:
                good = all(np.array_equal(value, expected[name]) for name, value in scan.run(make()).items())
                os._exit(0 if good else 3)
            _, status = os.waitpid(again, 0)
            os._exit(0 if good and status == 0 else 2)
        children.append(child)
        assert_same(scan.run(make()), expected)
    print([os.waitpid(child, 0)[1] for child in children])
"""


def test_children_of_a_fork_have_threads_of_their_own():
    assert run_python(FORK, timeout=30).stdout.strip() == "[0, 0, 0, 0, 0]"


LONG = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background may ignore it
from tests.engine.compiled.material import *
network = network_of("one-hot", "lstm", 60, {size}, 60)
chunks = chunks_for(network, 64, 32, 3)
run = training_of(network, steps=10**9)
with using(2):
    run.network.engine.train_steps(run, chunks, network.initial_state(32), 0)
    print("started", flush=True)
    run.run(Listed([chunks[0]] * 10**6))
"""


@pytest.mark.parametrize("size", [16, 400])
def test_an_interruption_ends_a_training_soon(size):
    with subprocess.Popen(
        [sys.executable, "-c", LONG.format(size=size)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(ROOT)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout.readline() == "started\n"
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            began = time.perf_counter()
            _, said = process.communicate(timeout=20)
            assert time.perf_counter() - began < 2
        finally:
            process.kill()
    assert "KeyboardInterrupt" in said
    assert process.returncode != 0


def test_threads_are_not_used_for_little_work():
    text = """
import threading
from tests.engine.compiled.material import *
threads.set_num_threads(2)
scan_of(cells.get("gru"), 2, 3, 4, 5).run(make())
print(threading.active_count())
"""
    assert run_python(text).stdout.strip() == "1"


def test_a_process_with_a_pool_ends_by_itself():
    text = """
from tests.engine.compiled.material import *
threads.set_num_threads(3)
with using(3):
    network = network_of("one-hot", "gru")
    network.forward(batch_for(network, 3, 40).x)
    print("done")
"""
    assert run_python(text, timeout=20).stdout.strip() == "done"


def test_passes_of_many_sizes_one_after_another():
    with using(2):
        network = network_of("numbers", "gru", 3, 20)
        for T in (1, 5, 2, 9, 3, 7, 1, 5):
            x = batch_for(network, T, 4, seed=T).x
            expected, _ = network.copy().forward(x)
            np.testing.assert_array_equal(network.forward(x)[0], expected)
