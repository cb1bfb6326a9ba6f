"""The table is made from a record, and rounds in nobody's favour but the peers'."""

import io

import pytest
from rich.console import Console

from throughtime.benchmark import show
from throughtime.benchmark.table import best, digits, lines, rounded_down, verdict


def shown(record, width=80):
    file = io.StringIO()
    show(record, Console(file=file, width=width))
    return file.getvalue()


def test_the_best_settings_of_everybody_count(record):
    times = record["rows"][0]["times"]
    ours, theirs = best(times, "throughtime"), best(times, "PyTorch")
    assert (ours.threads, ours.middle, ours.spread) == (2, 1.0, "0.900 to 1.50")
    assert (theirs.settings, theirs.middle, theirs.spread) == ("1 thread, oneDNN off", 3.0, "2.00 to 9.00")
    assert best(times, "ONNX Runtime") is None


def test_figures(record):
    first = lines(record)[0]
    assert first.ratio == 3.0
    assert first.gigaflops == pytest.approx(20.0)  # 1e7 multiplications and as many additions in a millisecond
    assert first.share == pytest.approx(0.2)
    assert not first.close


def test_a_loss_is_listed_beside_the_wins(record):
    found = lines(record)
    assert verdict(found) == (
        "Ahead in 1 of 2 comparisons (1 of all, marked ~, are too close to call: the rounds overlap); behind in 1:\n"
        "  step lstm 32: PyTorch 0.99x"
    )
    assert verdict(found[:1]) == "Ahead in 1 of 1 comparisons; behind in none."
    assert verdict(found[2:]) == "No peer took part."


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_table(record, width):
    text = shown(record, width)
    (first,) = (line for line in text.splitlines() if line.startswith("text lstm"))
    assert " ".join(first.split()) == (
        "text lstm 96, 1, 25 1.00 0.900 to 1.50 20.0 20.0 % PyTorch, 1 thread, oneDNN off 3.00 2.00 to 9.00 3.00x"
    )
    assert "ONNX Runtime: onnxruntime is not installed" in text
    assert "~0.99x" in text
    assert "A processor, 2 cores (a target)" in text
    assert "50 GFLOP/s on one core, 100 on all" in text
    assert "first step of lstm: 2.5 s when it has to be compiled, 0.1 s later" in text


def test_a_row_that_no_peer_has(record):
    record["rows"][0]["peers"] = ["throughtime"]
    assert "no peer has it" in shown(record)


def test_the_table_of_what_was_measured(measured):
    text = shown(measured)
    assert "text elman 8, 2, 3" in text
    assert "PyTorch: not here" in text
    assert "classic script, 1 thread" in text or "classic script, 2 threads" in text


@pytest.mark.parametrize(("ratio", "text"), [(0.9999, "0.99"), (1.0, "1.00"), (1.999, "1.99"), (12.345, "12.34")])
def test_a_ratio_is_rounded_down(ratio, text):
    assert rounded_down(ratio) == text


@pytest.mark.parametrize(
    ("figure", "text"), [(0.0012345, "0.00123"), (0.5, "0.500"), (9.876, "9.88"), (43.21, "43.2"), (1234.5, "1234")]
)
def test_three_digits(figure, text):
    assert digits(figure) == text
