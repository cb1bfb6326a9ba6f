"""A fingerprint is that of the bytes, however they lie in memory: a checkpoint of today is gone on from for years."""

import hashlib

import numpy as np
import pytest

from throughtime.fingerprint import fingerprint

ARRAY = np.arange(24.0).reshape(4, 6)


@pytest.mark.parametrize(
    ("part", "kind", "data"),
    [
        (ARRAY, "<f8(4, 6)", ARRAY.tobytes()),
        (ARRAY[::2, 1:3], "<f8(2, 2)", np.array([[1.0, 2.0], [13.0, 14.0]]).tobytes()),
        (ARRAY.T, "<f8(6, 4)", b"".join(column.tobytes() for column in ARRAY.T)),
        (np.zeros((5, 0)), "<f8(5, 0)", b""),
        (np.array([1, 2], ">i4"), "<i4(2,)", b"\1\0\0\0\2\0\0\0"),
        (np.array([True, False]), "|b1(2,)", b"\1\0"),
        (b"ab", "bytes", b"ab"),
        ("ä", "str", "ä".encode()),
        (None, "NoneType", b"None"),
        (np.array(["a", "ä'"]), "ndarray", "['a', \"ä'\"]".encode()),
        (np.array([["a", 1], [None, 2.5]], object), "ndarray", b"[['a', 1], [None, 2.5]]"),
        (np.zeros(0, "U3"), "ndarray", b"[]"),
        (np.array("a"), "ndarray", b"'a'"),
    ],
)
@pytest.mark.parametrize("at_once", [1, 1 << 14])
def test_it_is_of_kind_size_and_bytes(monkeypatch, part, kind, data, at_once):
    monkeypatch.setattr("throughtime.fingerprint.AT_ONCE", at_once)
    whole = f"{kind}:{len(data)}:".encode() + data
    assert fingerprint([part]) == hashlib.blake2b(whole, digest_size=16).hexdigest()
