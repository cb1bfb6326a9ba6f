"""The same tests for the code of other processors, and what a processor is taken for.

The whole is run by ``THROUGHTIME_CPU_NAME=haswell pytest tests/engine/compiled``; here a few of each kind.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from tests.engine.compiled.material import ROOT, run_python

from throughtime.engine.compiled.target import Target, host

SELECTION = [
    "test_bits.py::test_a_row_is_the_same_alone_in_any_batch_and_padded",
    "test_bits.py::test_one_pass_is_any_cut_into_chunks",
    "test_bits.py::test_training_is_the_same_on_one_two_and_three_threads_and_in_any_groups[one-hot stack]",
    "test_against_numpy.py::test_a_scan_and_its_way_back",
    "test_against_numpy.py::test_sizes_beside_whole_vectors",
    "test_against_numpy.py::test_products",
    "test_against_numpy.py::test_losses_whatever_stands_where_nothing_counts",
    "test_against_numpy.py::test_dropout_leaves_out_the_same_elements",
    "test_against_numpy.py::test_every_rule_with_every_clipping",
    "test_functions.py::test_tanh",
    "test_functions.py::test_exp",
    "test_functions.py::test_log",
    "test_functions.py::test_comparisons_and_logic",
    "test_choice.py::test_choices_are_those_of_numpy",
]
CHOSEN = "not elman and not peephole"


@pytest.mark.parametrize("name", ["haswell", "x86-64"])
def test_the_code_of_another_processor(name):
    if not host().is_x86 or os.environ.get("THROUGHTIME_CPU_NAME"):
        return  # the tests are being run for another processor already
    variables = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", CHOSEN),
            *(f"tests/engine/compiled/{one}" for one in SELECTION),
        ],
        cwd=ROOT,
        env=variables | {"THROUGHTIME_CPU_NAME": name, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


@pytest.mark.parametrize(
    ("cpu", "features", "lanes", "registers", "fused"),
    [
        ("skylake-avx512", "+avx,+avx2,+avx512f,+fma", 16, 32, True),
        ("haswell", "+avx,+avx2,+fma", 8, 16, True),
        ("sandybridge", "+avx,-avx2,-fma", 8, 16, False),
        ("x86-64", "", 4, 16, False),
    ],
)
def test_what_features_give(cpu, features, lanes, registers, fused):
    target = Target("x86_64-unknown-linux-gnu", cpu, features)
    assert (target.lanes, target.registers, target.fused) == (lanes, registers, fused)
    assert f'"{32 * lanes}"' in target.attributes
    assert str(target).startswith(f"{cpu}, {32 * lanes}-bit vectors")


def test_another_architecture_has_vectors_of_four():
    target = Target("arm64-apple-darwin", "apple-m1", "+neon")
    assert (target.lanes, target.registers, target.fused) == (4, 32, True)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"THROUGHTIME_CPU_NAME": "haswell"}, "haswell 8 True"),
        ({"THROUGHTIME_CPU_NAME": "x86-64"}, "x86-64 4 False"),
        ({"THROUGHTIME_CPU_NAME": "x86-64-v4"}, "x86-64-v4 16 True"),
        ({"THROUGHTIME_CPU_NAME": "x86-64", "THROUGHTIME_CPU_FEATURES": "+avx"}, "x86-64 8 False"),
        ({"THROUGHTIME_CPU_NAME": "znver4", "THROUGHTIME_CPU_FEATURES": "+avx2,+fma"}, "znver4 8 True"),
    ],
)
def test_variables_say_what_the_processor_is(environment, expected):
    text = "from throughtime.engine.compiled.target import host; print(host().cpu, host().lanes, host().fused)"
    assert run_python(text, **environment).stdout.strip() == expected


def test_features_without_a_sign_are_refused():
    done = run_python(
        "from throughtime.engine.compiled.target import host; host()", check=False, THROUGHTIME_CPU_FEATURES="avx2"
    )
    assert "must be features with a sign, such as +avx2,+fma; 'avx2' has none" in done.stderr


def test_a_processor_that_is_not_known_is_refused():
    done = run_python(
        "from throughtime.engine.compiled.target import host; host()", check=False, THROUGHTIME_CPU_NAME="z9"
    )
    assert "THROUGHTIME_CPU_NAME must be one of" in done.stderr
    assert "got 'z9'" in done.stderr
