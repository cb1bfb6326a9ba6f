"""Files of strangers: whatever is in them, they are refused in a sentence, at once, and without much memory."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from itertools import product
from string import ascii_letters

import numpy as np
import pytest
from benchmarks.faults.changes import joined, parts_of
from tests.golden.make_models import FOLDER, TABLE

from throughtime import files, load
from throughtime.errors import DataError, ModelFileError, OutputError

GENERATOR = FOLDER / "format2-TextGenerator.safetensors"
FORECASTER = FOLDER / "format2-Forecaster.safetensors"
CLASSIFIER = FOLDER / "format2-SequenceClassifier.safetensors"
TAGGER = FOLDER / "format2-SequenceTagger.safetensors"


def header_file(header, data=b""):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(header)) + header + data


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def with_tensors(**tensors):
    """A file of these tensors, 12 bytes."""
    return joined(tensors, {"format": 2}, b"\0" * 12)


def changed(path, *where):
    """A model file with one value in its metadata put at the place that the keys before it name."""
    *keys, last, value = where
    header, metadata, data = parts_of(path.read_bytes())
    inner = metadata
    for key in keys:
        inner = inner[key]
    inner[last] = value
    return joined(header, metadata, data)


def with_entry(entry):
    return joined({}, entry, b"")


def words(count, length):
    return ["".join(letters) for letters, _ in zip(product(ascii_letters, repeat=length), range(count), strict=False)]


def spread(text, count):
    return '{"format": 2, "more": [' + ",".join([text] * count) + "]}"


HEADERS = {
    "a header of gigabytes": struct.pack("<Q", 5 << 30) + b"{}",
    "a header of 2**63 bytes": struct.pack("<Q", 1 << 63) + b"{}",
    "a gap": with_tensors(a=tensor("F32", [1], 0, 4), b=tensor("F32", [1], 8, 12)),
    "an overlap": with_tensors(a=tensor("F32", [2], 0, 8), b=tensor("F32", [2], 4, 12)),
    "one place twice": with_tensors(a=tensor("F32", [3], 0, 12), b=tensor("F32", [3], 0, 12)),
    "bytes behind the end": with_tensors(a=tensor("F32", [1], 0, 4)),
    "bytes that are missing": with_tensors(a=tensor("F32", [4], 0, 16)),
    "a shape that does not fit": with_tensors(a=tensor("F32", [7], 0, 12)),
    "a huge shape": with_tensors(a=tensor("F32", [2**62, 4], 0, 12)),
    "a huge shape of nothing": with_tensors(a=tensor("F32", [2**62, 0], 0, 0), b=tensor("F32", [3], 0, 12)),
    "a negative shape": with_tensors(a=tensor("F32", [-3, -1], 0, 12)),
    "a shape of fractions": with_tensors(a=tensor("F32", [3.0], 0, 12)),
    "a hundred dimensions": with_tensors(a=tensor("F32", [1] * 99 + [3], 0, 12)),
    "places backwards": with_tensors(a=tensor("F32", [3], 12, 0)),
    "another dtype": with_tensors(a=tensor("I32", [3], 0, 12)),
    "a dtype that NumPy lacks": with_tensors(a=tensor("F8_E4M3", [12], 0, 12)),
    "a dtype that is no text": with_tensors(a=tensor(["F32"], [3], 0, 12)),
    "more about a tensor": with_tensors(a={**tensor("F32", [3], 0, 12), "code": "x"}),
    "a name with control sequences": with_tensors(**{"\x1b[31m": tensor("F32", [4], 0, 12)}),
    "a name without end": with_tensors(**{"a" * 100_000: tensor("F32", [4], 0, 12)}),
    "too many tensors": with_tensors(**{str(n): tensor("F32", [0], 0, 0) for n in range(10_000)}),
    "NaN": joined({"a": tensor("F32", [3], 0, 12)}, {"format": 2}, struct.pack("<3f", 1, np.nan, 2)),
    "a tensor's name twice": header_file(b'{"a":1,"a":2,"__metadata__":{"throughtime":"{\\"format\\":1}"}}'),
    "two metadata": header_file(b'{"__metadata__":{"throughtime":"1"},"__metadata__":{"throughtime":"2"}}'),
    "two entries": header_file(b'{"__metadata__":{"throughtime":"1","throughtime":"2"}}'),
    "metadata that are a list": header_file({"__metadata__": ["throughtime"]}),
    "an entry that is no text": header_file({"__metadata__": {"throughtime": {"format": 1}}}),
    "a header that is no UTF-8": header_file(b'{"\xff\xfe":1}'),
    "a header of deep lists": header_file(b'{"a":' + b"[" * 1_000_000),
    "a name twice": with_entry('{"format": 2, "format": 1}'),
    "deep lists": with_entry('{"format": 2, "more": ' + "[" * 1_000_000 + "]" * 1_000_000 + "}"),
    "rather deep objects": with_entry('{"format": 2, "more": ' + '{"a":' * 40 + "1" + "}" * 40 + "}"),
    "a number of thousands of digits": with_entry('{"format": 2, "more": ' + "9" * 10_000 + "}"),
    "a format of thousands of digits": with_entry('{"format": ' + "9" * 4_000 + "}"),
    "a number beyond all bounds": with_entry('{"format": 2, "more": 1e999}'),
    "not a number": with_entry('{"format": 2, "more": NaN}'),
    "infinity": with_entry('{"format": 2, "more": -Infinity}'),
    "half a character": with_entry('{"format": 2, "more": "\\ud800"}'),
    "the other half": with_entry('{"format": 2, "more": "\\uDFFF\\uD800"}'),
    "a million lists": with_entry(spread("[]", 1_000_000)),
    "many lists": with_entry(spread("[[[[[[[[[[[]]]]]]]]]]]", 11_900)),
    "lists within lists": with_entry(spread("[" * 12 + "]" * 12, 300_000)),
    "a quarter of a million numbers": with_entry(spread("1e9", 260_000)),
    "a hundred thousand objects": with_entry(spread('{"a":0}', 130_000)),
    "a million objects": with_entry(spread('{"a":0}', 900_000)),
    "a quarter of a million names": with_entry(json.dumps(dict.fromkeys(words(260_000, 4), 0))),
    "eight megabytes of text": with_entry(json.dumps({"format": "é" + "x" * 8_000_000})),
    "nine megabytes of text": with_entry(json.dumps({"format": "x" * 9_000_000})),
}
"""Refused by what the header says."""

MODELS = {
    "a huge hidden size": changed(GENERATOR, "fitted", "hidden_size", 10**12),
    "a huge hidden size twice": changed(CLASSIFIER, "fitted", "hidden_size", 2**40),
    "a size of thousands of digits": changed(FORECASTER, "fitted", "hidden_size", int("9" * 4_000)),
    "a negative size": changed(FORECASTER, "fitted", "hidden_size", -8),
    "many layers": changed(TAGGER, "parameters", "num_layers", 10**9),
    "a huge horizon": changed(FORECASTER, "parameters", "horizon", 2**31),
    "a huge season": changed(FORECASTER, "features", "season", 2**40),
    "a step without end": changed(FORECASTER, "fitted", "frequency", "9" * 400 + "D"),
    "a step without end to fill gaps": changed(FORECASTER, "parameters", "frequency", "9" * 400 + "D"),
    "the calendar of integers": changed(FORECASTER, "features", "calendar", ["hour"]),
    "no target": changed(FORECASTER, "roles", "target", []),
    "a target that is text": changed(FORECASTER, "roles", "target", "s"),
    "a target twice": changed(FORECASTER, "roles", "target", ["sales", "sales"]),
    "series with lists for names": changed(FORECASTER, "fitted", "names", [[1.0], [2.0]]),
    "quantiles beyond 1": changed(FORECASTER, "parameters", "quantiles", [0.1, 1.9]),
    "many quantiles": changed(FORECASTER, "parameters", "quantiles", [n / 10**6 for n in range(1, 10**5)]),
    "a reference that needs a season": changed(FORECASTER, "features", "season", 1),
    "an absurd vocabulary": changed(GENERATOR, "vocabulary", "codes", list(range(250_000))),
    "long words": changed(GENERATOR, "vocabulary", {"level": "word", "words": ["x" * 10**6] * 5}),
    "a vocabulary of parts": changed(GENERATOR, "vocabulary", {"level": "bpe", "parts": ["a"], "merges": []}),
    "a label as long as a book": changed(CLASSIFIER, "answers", "classes", ["x" * 10**6, *words(10_000, 3)]),
    "labels as structures": changed(CLASSIFIER, "answers", "type", "f8,f8"),
    "labels of a type that is a list": changed(CLASSIFIER, "answers", "type", [["a", "f8"]]),
    "a milliard labels": changed(CLASSIFIER, "answers", {"kind": "several", "count": 10**9}),
    "another level": changed(CLASSIFIER, "parameters", "level", "page"),
    "another end": changed(CLASSIFIER, "parameters", "truncating", "middle"),
    "another pooling": changed(CLASSIFIER, "parameters", "pooling", "min"),
    "listeners": changed(CLASSIFIER, "parameters", "callbacks", ["os.system"]),
    "a chunk without end": changed(GENERATOR, "parameters", "seq_len", 10**300),
    "a parameter that rings": changed(GENERATOR, "parameters", "max\x07steps", 1),
    "a rule of lists": changed(GENERATOR, "parameters", "optimizer", {"name": "adam", "epsilon": [1]}),
    "a kind as long as a book": changed(GENERATOR, "kind", "x" * 10**6),
    "a cell as long as a book": changed(GENERATOR, "cell", "name", "x" * 10**6),
    "a fingerprint that is none": changed(GENERATOR, "cell", "fingerprint", "\x1b[2J"),
    "a guess as long as a book": changed(TAGGER, "baseline", "guess", "x" * 10**6),
}
"""Refused by what the model is made of."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def refusal(path):
    with pytest.raises(ModelFileError) as caught:
        load(path)
    return str(caught.value)


@pytest.mark.parametrize("name", HEADERS | MODELS)
def test_it_is_refused_in_a_sentence(name, path):
    path.write_bytes((HEADERS | MODELS)[name])
    said = refusal(path)
    assert said.startswith(repr(str(path)))
    assert said.endswith(("; get another copy of it, or train the model anew", "; upgrade throughtime"))
    assert len(said) < len(str(path)) + 500
    assert said.isprintable()
    assert "checksum" not in said


MEASURE = """
import sys, time
from pathlib import Path
from throughtime import errors, load
def resident(what):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(what)).split()[1])
def refuse(path):
    try:
        load(path)
    except errors.ModelFileError:
        pass
refuse(sys.argv[1])  # with which everything is imported
worst = [0.0, 0]
for path in sys.argv[2:]:
    Path("/proc/self/clear_refs").write_text("5")  # the most that was resident counts from here
    before, began = resident("VmRSS"), time.process_time()
    refuse(path)
    worst[0] = max(worst[0], time.process_time() - began)
    worst[1] = max(worst[1], resident("VmHWM") - before)
print(*worst)
"""


def test_it_takes_neither_time_nor_memory(tmp_path):
    paths = []
    for number, data in enumerate((HEADERS | MODELS).values()):
        paths.append(tmp_path / str(number))
        paths[-1].write_bytes(data)
    command = [sys.executable, "-c", MEASURE, FORECASTER, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, kilobytes = map(float, done.stdout.split())
    assert seconds < 1
    assert kilobytes < 200_000


def test_a_file_of_holes_is_no_more_than_it_says(path):
    """A terabyte that takes no place on the disk."""
    size = 1 << 40
    header = header_file({"__metadata__": {"throughtime": '{"format": 1}'}, "a": tensor("F64", [size // 8], 0, size)})
    path.write_bytes(header)
    os.truncate(path, len(header) + size)
    assert "needs more memory than there is" in refusal(path)


def test_names_in_messages_are_short(path):
    """Of a model that opens, and whose names are a flood."""
    name = "\x1b" + "x" * 100_000
    header, metadata, data = parts_of(FORECASTER.read_bytes())
    metadata["roles"]["target"] = [name]
    path.write_bytes(joined(header, metadata, data))
    with pytest.raises(DataError) as caught:
        load(path).predict(TABLE)
    beginning = "\\x1b" + "x" * 32
    columns = "'shop', 'day', 'sales' and 'kind'"
    assert str(caught.value) == f"there is no column '{beginning}...; the columns are {columns}"


@pytest.mark.parametrize("model", [GENERATOR, FORECASTER, CLASSIFIER, TAGGER], ids=lambda path: path.stem)
def test_weights_of_another_kind(model, path):
    tensors, metadata = files.load(model)
    for name, strange in (("float64", 1e290), ("uint64", 1)):
        files.save(path, {**tensors, "output.V": np.full(tensors["output.V"].shape, strange, name)}, metadata)
        assert "the weights 'output.V' are no numbers of float32" in refusal(path)


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"names": ["\ud800"]}, "it has half a character"),
        ({"names": [str(n) for n in range(600_000)]}, "it has more than 262,144 names and numbers"),
        ({"names": ["x" * 9_000_000]}, "its header has 9,000,"),
        ({"names": eval("[" * 20 + "]" * 20)}, "it has more than 16 lists or objects within each other"),
    ],
    ids=["half a character", "names", "bytes", "lists"],
)
def test_what_could_not_be_opened_is_not_saved(metadata, reason, path):
    with pytest.raises(OutputError, match=f"the model is not saved, since it could not be opened again: {reason}"):
        files.save(path, {"a": np.zeros(3)}, metadata)
    assert not path.exists()
