"""Gets documents from strings, files and folders, and says plainly what cannot be used."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from throughtime.errors import DataError
from throughtime.text.documents import Split, check_split, documents
from throughtime.text.vocabularies import Text

Source = str | bytes | Path
Sources = Source | Sequence[Source]


class Reading(NamedTuple):
    """The documents, the files of folders that hold no text in this encoding, and how many documents were empty."""

    texts: list[Text]
    left_out: list[Path]
    empty: int


def read(
    source: Sources, *, level: str, encoding: str = "utf-8", split: Split = None, column: str | None = None
) -> Reading:
    """The documents: a string or file is one, a folder or list has several. Empty ones are left out.

    Parameters
    ----------
    source : str, bytes, Path, or a list of them
        A string is text itself; a :class:`~pathlib.Path` is a file, or a folder of which every file that holds text is
        read; hidden files, and those that are empty or hold no text, are left out.
    level : {"char", "byte", "word", "bpe"}
        For bytes, files are read as they are.
    encoding : str, default "utf-8"
    split : {"lines", "sentences"} or None, default None
        Each of them is a document.
    column : str or None, default None
        The files are tables in CSV, with names in the first line; each cell of this column is a document.

    Raises
    ------
    DataError
        If a file is missing, empty, binary or in another encoding; if a short string names a file that exists; if a
        table has no such column; if there is nothing to read.
    """
    _check_encoding(encoding)
    check_split(split)
    if not isinstance(source, (str, bytes, Path, Iterable)):
        raise DataError(f"expected text, a pathlib.Path or a list of them, got {type(source).__name__}")
    sources = [source] if isinstance(source, (str, bytes, Path)) else list(source)
    if not sources:
        raise DataError("an empty list was given; expected at least one text")
    cut = split is not None or column is not None
    level = "char" if cut else level  # bytes are cut as text
    texts: list[Text] = []
    names: list[str] = []
    left_out: list[Path] = []
    for item in sources:
        if isinstance(item, Path) and item.is_dir():
            read_here, left_out_here = _read_folder(item, level, encoding, cut)
            left_out += left_out_here
        elif isinstance(item, Path):
            read_here = {str(item): _read_file(item, level, encoding, cut)}
        elif isinstance(item, (str, bytes)):
            read_here = {"the text": _given(item)}
        else:
            raise DataError(f"expected text, a pathlib.Path or a list of them, got {type(item).__name__}")
        for name, text in read_here.items():
            names.append(name if text is item else repr(name))
            if not cut:
                texts.append(text)
                continue
            whole = decode(text, name, encoding, cut=True) if isinstance(text, bytes) else text
            texts += documents(whole, split=split, column=column, name=name)
    full = [text for text in texts if (text.strip() if cut else text)]
    if not full:
        where = " and ".join(dict.fromkeys(names[:2])) + (" and others" if len(names) > 2 else "")
        of = "" if column is None else f"the column {column!r} of "
        raise DataError(f"{of}{where} is empty or blank; expected something to read")
    return Reading(full, left_out, len(texts) - len(full))


def _given(text: Text) -> Text:
    if isinstance(text, str) and 0 < len(text) < 260 and "\n" not in text and "\0" not in text and os.path.exists(text):  # noqa: PTH110 (a Path would raise where a name is too long)
        raise DataError(
            f"{text!r} was given as text, but is the name of a file; to read it pass pathlib.Path({text!r})"
        )
    return text


def _read_file(path: Path, level: str, encoding: str, cut: bool) -> Text:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"there is no file {str(path)!r}") from None
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror}") from None
    if not data:
        raise DataError(f"{str(path)!r} is empty; expected text")
    return data if level == "byte" else decode(data, str(path), encoding, cut=cut)


def decode(data: bytes, name: str, encoding: str = "utf-8", *, cut: bool = False) -> str:
    """The text of a file, its line ends made the same; what is to be ``cut`` into documents cannot stay bytes.

    Raises
    ------
    DataError
        If it is binary, or in another encoding; the message names the offset.
    """
    _check_encoding(encoding)
    as_it_is = "" if cut else ", or use level='byte'"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")) and b"\0" in data:
            raise DataError(f"{name!r} is UTF-16; pass encoding='utf-16' (--encoding utf-16)") from None
        if b"\0" in data[:8192]:
            raise DataError(_binary(name, data, as_it_is)) from None
        raise DataError(
            f"{name!r} is not {encoding}: byte 0x{data[error.start]:02x} at offset {error.start}; pass the encoding it "
            f"has (encoding='latin-1', --encoding latin-1){as_it_is}"
        ) from None
    if "\0" in text:
        raise DataError(_binary(name, data, as_it_is))
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _check_encoding(encoding: str) -> None:
    try:
        "".encode(encoding)
    except (LookupError, UnicodeError):
        raise DataError(
            f"there is no encoding {encoding!r}; known ones are utf-8, latin-1, cp1252, utf-16, ..."
        ) from None


def _binary(name: str, data: bytes, as_it_is: str) -> str:
    return f"{name!r} is a binary file (a zero byte at offset {data.index(0)}); expected text{as_it_is}"


def _read_folder(folder: Path, level: str, encoding: str, cut: bool) -> tuple[dict[str, Text], list[Path]]:
    texts: dict[str, Text] = {}
    left_out = []
    for path in sorted(_files(folder)):
        try:
            texts[str(path)] = _read_file(path, level, encoding, cut)
        except DataError:
            left_out.append(path)  # a folder may hold pictures and the like
    if not texts:
        raise DataError(f"the folder {str(folder)!r} holds no text files ({len(left_out)} files looked at)")
    return texts, left_out


def _files(folder: Path) -> Iterable[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path
