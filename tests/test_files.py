"""One model, one file, and what is never believed of it."""

import errno
import hashlib
import json

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file
from safetensors.numpy import save as to_bytes

from throughtime import files
from throughtime.errors import ModelFileError

TENSORS = {"b": np.arange(3, dtype=np.float32), "a": np.eye(2, dtype=np.float64)}
METADATA = {"kind": "Example", "numbers": [1, 2.5, None], "word": "été"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


# ---------------------------------------------------------------------- there and back


def test_what_is_saved_is_loaded(path):
    files.save(path, TENSORS, METADATA)
    tensors, metadata = files.load(path)
    assert metadata == {"format": files.FORMAT, "needs": files.NEEDS, **METADATA}
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert np.array_equal(tensors[name], tensor)


def test_a_path_may_be_a_string(path):
    files.save(str(path), TENSORS, METADATA)
    assert files.load(str(path))[1]["kind"] == "Example"


def test_tensors_may_lie_anyhow_in_memory(path):
    matrix = np.arange(12, dtype=np.float32).reshape(3, 4)
    files.save(path, {"turned": matrix.T, "part": matrix[::2, 1:3]}, {})
    tensors, _ = files.load(path)
    assert np.array_equal(tensors["turned"], matrix.T)
    assert np.array_equal(tensors["part"], matrix[::2, 1:3])


def test_equal_contents_give_equal_bytes(tmp_path):
    files.save(tmp_path / "one", TENSORS, METADATA)
    files.save(tmp_path / "two", dict(reversed(TENSORS.items())), dict(reversed(METADATA.items())))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_file_is_replaced(path):
    path.write_bytes(b"old")
    files.save(path, TENSORS, METADATA)
    assert files.load(path)[1]["kind"] == "Example"
    assert list(path.parent.iterdir()) == [path]


# ---------------------------------------------------------------------- the checksum


def test_a_wrong_bit_anywhere_is_seen(path):
    files.save(path, {**TENSORS, "none": np.zeros((0, 3)), "u": np.array([1], np.uint64)}, METADATA)
    data = path.read_bytes()
    for place in range(8 * len(data)):
        spoilt = bytearray(data)
        spoilt[place // 8] ^= 1 << place % 8
        path.write_bytes(spoilt)
        with pytest.raises(ModelFileError) as caught:
            files.load(path)
        said = str(caught.value)
        assert said.startswith(f"{str(path)!r} ")
        assert said.isprintable()


def test_a_wrong_bit_of_a_number(path):
    files.save(path, TENSORS, METADATA)
    path.write_bytes(path.read_bytes()[:-1] + b"\x41")  # of 2.0, which becomes 8.0
    with pytest.raises(ModelFileError) as caught:
        files.load(path)
    assert str(caught.value) == (
        f"{str(path)!r} is damaged: its checksum does not fit its contents; "
        "get another copy of it, or train the model anew"
    )


def test_the_checksum_is_blake2b_of_the_header_and_the_numbers(path):
    """As the document on files tells it, with the numbers in their order: float64 before float32."""
    files.save(path, TENSORS, METADATA)
    with safe_open(path, "numpy") as file:
        entries = file.metadata()
    places = {
        "a": {"dtype": "F64", "shape": [2, 2], "data_offsets": [0, 32]},
        "b": {"dtype": "F32", "shape": [3], "data_offsets": [32, 44]},
    }
    said = json.dumps([entries["throughtime"], places], sort_keys=True).encode()
    data = said + TENSORS["a"].tobytes() + TENSORS["b"].tobytes()
    assert entries["checksum"] == hashlib.blake2b(data, digest_size=16).hexdigest()


def test_a_file_of_this_format_has_a_checksum(path):
    with pytest.raises(ModelFileError, match=r"^'.*' is damaged: it has no checksum; get another copy of it, or train"):
        files.load(written(path, entry={"throughtime": json.dumps({"format": files.FORMAT})}))


def test_a_checksum_in_a_file_of_the_first_format_has_to_fit_too(path):
    with pytest.raises(ModelFileError, match="is damaged: its checksum does not fit its contents; get another copy"):
        files.load(written(path, entry={"throughtime": '{"format": 1}', "checksum": "0" * 32}))


def test_numbers_may_have_the_other_order_of_bytes(tmp_path):
    files.save(tmp_path / "one", TENSORS, METADATA)
    files.save(tmp_path / "two", {name: w.astype(w.dtype.newbyteorder(">")) for name, w in TENSORS.items()}, METADATA)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_others_read_the_file(path):
    files.save(path, TENSORS, METADATA)
    tensors = load_file(path)
    assert tensors.keys() == TENSORS.keys()
    assert all(np.array_equal(tensors[name], tensor) for name, tensor in TENSORS.items())
    assert path.stat().st_size % 4 == 0
    assert (8 + int.from_bytes(path.read_bytes()[:8], "little")) % 8 == 0


# ---------------------------------------------------------------------- files that are not believed


def written(path, tensors=TENSORS, entry=None, **metadata):
    entry = {"throughtime": json.dumps({"format": 1, **metadata})} if entry is None else entry
    path.write_bytes(to_bytes(dict(tensors), metadata=entry))
    return path


def test_the_shape_of_these_files_is_right(path):
    assert files.load(written(path))[1] == {"format": 1}


def test_there_is_no_file(tmp_path):
    with pytest.raises(ModelFileError, match="there is no model file"):
        files.load(tmp_path / "missing")


def test_it_is_a_folder(tmp_path):
    with pytest.raises(ModelFileError, match="is a folder; name a model file in it"):
        files.load(tmp_path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"to be or not to be, that is the question",
        np.random.default_rng(0).bytes(1000),
        b"\0" * 100,
        b"\xff" * 100,
        b"\x80\x04\x95K\x00\x00\x00\x00\x00\x00\x00}\x94.",
        b"PK\x03\x04" + b"\0" * 50,
    ],
    ids=["empty", "text", "random", "zeros", "ones", "a pickle", "a zip file"],
)
def test_it_is_no_model_file(data, path):
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=r"^'.*model\.safetensors' is no model file; expected one that `through"):
        files.load(path)


@pytest.mark.parametrize("part", [0.001, 0.01, 0.1, 0.3, 0.5, 0.9, 0.999])
def test_it_was_cut_off(part, path):
    files.save(path, {"w": np.zeros((50, 50))}, METADATA)
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    with pytest.raises(ModelFileError, match="is damaged or incomplete: it is cut off: "):
        files.load(path)


def test_it_was_cut_off_or_lengthened_and_by_how_much(path):
    files.save(path, {"w": np.zeros((50, 50))}, METADATA)
    data = path.read_bytes()
    header = int.from_bytes(data[:8], "little")
    assert len(data) == 8 + header + 20_000
    for changed, reason in (
        (data[:-1], f"it is cut off: it has {len(data) - 1:,} bytes, and should have {len(data):,}"),
        (
            data + b"\n",
            f"it is longer than it should be: it has {len(data) + 1:,} bytes, and should have {len(data):,}",
        ),
        (data[:100], f"it is cut off: its header should have {header:,} bytes, and 92 are there"),
    ):
        path.write_bytes(changed)
        with pytest.raises(ModelFileError) as caught:
            files.load(path)
        said = f"{str(path)!r} is damaged or incomplete: {reason}; get another copy of it, or train the model anew"
        assert str(caught.value) == said


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (b'"a"', b'"\xff"', "its header is no text"),
        (b'"a":{', b'"a" {', "its header makes no sense from character "),
        (b"[2,2]", b"[2,3]", "'a' has the shape [2, 3], which does not fit its place [0, 32]"),
        (b"[0,32]", b"[0,-2]", "'a' has the place [0, -2]"),
        (b"[0,32]", b"[0,{}]", "'a' has the place [0, {}]"),
        (b"[0,32]", b"[0.32]", "'a' has the place [0.32]"),
    ],
    ids=str,
)
def test_its_header_is_spoilt(before, after, reason, path):
    files.save(path, TENSORS, METADATA)
    path.write_bytes(path.read_bytes().replace(before, after, 1))
    with pytest.raises(ModelFileError) as caught:
        files.load(path)
    assert f"is damaged or incomplete: {reason}" in str(caught.value)


@pytest.mark.parametrize("entry", [{}, {"format": "pt"}, {"throughtime": "null"}])
def test_it_is_somebody_elses(entry, path):
    with pytest.raises(
        ModelFileError, match=r"^'.*' is a safetensors file, but not a model of throughtime; name one that it"
    ):
        files.load(written(path, entry=entry))


def test_it_is_somebody_elses_and_empty(path):
    path.write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    with pytest.raises(ModelFileError, match="is a safetensors file, but not a model of throughtime"):
        files.load(path)


@pytest.mark.parametrize(
    ("needs", "upgrade"),
    [
        ("0.9", "upgrade throughtime to 0.9 or newer"),
        ("1.2.0rc1", "upgrade throughtime to 1.2.0rc1 or newer"),
        *[(strange, "upgrade throughtime") for strange in (None, 2, ["1.0"], "", "9", "1.0\x1b[2J", "1." * 99)],
    ],
    ids=str,
)
def test_it_is_newer(needs, upgrade, path):
    with pytest.raises(ModelFileError) as caught:
        files.load(written(path, format=9, needs=needs))
    expected = f"{str(path)!r} has format 9, this version of throughtime reads up to {files.FORMAT}; {upgrade}"
    assert str(caught.value) == expected


def test_a_file_says_which_version_reads_it(path):
    files.save(path, TENSORS, {})
    assert files.load(path)[1]["needs"] == files.NEEDS == "0.1.0"


@pytest.mark.parametrize("version", [None, 0, -1, "1", 1.0, [1], True])
def test_its_format_is_no_number(version, path):
    with pytest.raises(ModelFileError, match="is damaged: it names no format"):
        files.load(written(path, format=version))


@pytest.mark.parametrize(
    "entry", ["", "no JSON", "{", "[1, 2]", "5", '"text"', "[" * 100_000, '{"format": ' + "1" * 5000 + "}"]
)
def test_its_metadata_are_no_json_object(entry, path):
    with pytest.raises(ModelFileError, match="is damaged"):
        files.load(written(path, entry={"throughtime": entry}))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1.7e308])
def test_its_numbers_are_not_finite(value, path):
    with pytest.raises(ModelFileError, match="is damaged: 'a' holds values that are no finite"):
        files.load(written(path, {"a": np.array([1.0, value, 2.0])}))


@pytest.mark.parametrize("dtype", ["float16", "int32", "int64", "uint8", "bool"])
def test_its_numbers_are_of_another_kind(dtype, path):
    with pytest.raises(ModelFileError, match="is damaged: 'a' holds"):
        files.load(written(path, {"a": np.ones(3, dtype)}))


def test_numbers_that_numpy_does_not_have_are_refused(path):
    data = to_bytes({"a": np.ones(4, np.float16)}, metadata={"throughtime": '{"format": 1}'})
    path.write_bytes(data.replace(b'"F16"', b'"BF16"'))
    with pytest.raises(ModelFileError, match="is damaged"):
        files.load(path)


def test_it_cannot_be_read(path, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    files.save(path, TENSORS, METADATA)
    monkeypatch.setattr("safetensors.safe_open", refuse)
    with pytest.raises(ModelFileError, match="cannot be read: Permission denied"):
        files.load(path)
