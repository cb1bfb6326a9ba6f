"""Gets documents from strings, files and folders, and says plainly what cannot be used."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from throughtime.errors import DataError
from throughtime.text.blocks import Fingerprint, LargeTexts, Text, Texts, as_bytes
from throughtime.text.decoding import File, check_encoding, decode
from throughtime.text.documents import Split, check_split, documents
from throughtime.text.large import FilesOfText, Found

Source = str | bytes | Path
Sources = Source | Sequence[Source]

LARGE = 64 << 20
"""Files of more bytes together are not held in memory."""


class Reading(NamedTuple):
    """The documents, the files of folders that hold no text in this encoding, and how many documents were empty."""

    texts: Texts
    left_out: list[Path]
    empty: int

    @property
    def fingerprint(self) -> str:
        """In hexadecimal digits, the same for the same documents, whether they lie in memory or on disk."""
        if isinstance(self.texts, LargeTexts):
            return self.texts.fingerprint
        found = Fingerprint()
        for text in self.texts:
            found.add(as_bytes(text), ends=True)
        return found.hexdigest()


def read(
    source: Sources,
    *,
    level: str,
    encoding: str = "utf-8",
    split: Split = None,
    column: str | None = None,
    verbose: int = 0,
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
    verbose : int, default 0
        Above 0 a bar shows how the reading of large files goes on, on standard error in a terminal.

    Files of more than 64 MiB together are read in blocks, once for each use; what is found in them is kept on disk.

    Raises
    ------
    DataError
        If a file is missing, empty, binary or in another encoding; if a short string names a file that exists; if a
        table has no such column; if there is nothing to read.
    """
    check_encoding(encoding)
    check_split(split)
    if not isinstance(source, (str, bytes, Path, Iterable)):
        raise DataError(f"expected text, a pathlib.Path or a list of them, got {type(source).__name__}")
    sources = [source] if isinstance(source, (str, bytes, Path)) else list(source)
    if not sources:
        raise DataError("an empty list was given; expected at least one text")
    cut = split is not None or column is not None
    for item in sources:
        if not isinstance(item, (str, bytes, Path)):
            raise DataError(f"expected text, a pathlib.Path or a list of them, got {type(item).__name__}")
    if _size(sources) > LARGE:
        return _read_large(sources, level, encoding, split, column, verbose)
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
        else:
            read_here = {"the text": _given(item)}
        for name, text in read_here.items():
            names.append(name if text is item else repr(name))
            if not cut:
                texts.append(text)
                continue
            whole = decode(text, name, encoding, cut=True) if isinstance(text, bytes) else text
            texts += documents([whole], split=split, column=column, name=name)
    full = [text for text in texts if (text.strip() if cut else text)]
    if not full:
        raise _nothing(names, column)
    return Reading(full, left_out, len(texts) - len(full))


def _nothing(names: Sequence[str], column: str | None) -> DataError:
    where = " and ".join(dict.fromkeys(names[:2])) + (" and others" if len(names) > 2 else "")
    of = "" if column is None else f"the column {column!r} of "
    return DataError(f"{of}{where} is empty or blank; expected something to read")


def _size(sources: Sequence[Source]) -> int:
    """Of all files, in bytes."""
    paths = [path for item in sources if isinstance(item, Path) for path in (_files(item) if item.is_dir() else [item])]
    return sum(path.stat().st_size for path in paths if path.is_file())


def _read_large(
    sources: Sequence[Source], level: str, encoding: str, split: Split, column: str | None, verbose: int
) -> Reading:
    found: list[Found] = []
    for item in sources:
        if isinstance(item, Path) and item.is_dir():
            found += [Found(File.at(path), str(path), item) for path in sorted(_files(item))]
        elif isinstance(item, Path):
            found.append(Found(File.at(item), str(item)))
        else:
            found.append(Found(_given(item), "the text"))
    texts = FilesOfText(found, level, encoding, split, column, bool(verbose))
    if not len(texts):
        raise _nothing([one.name if isinstance(one.text, (str, bytes)) else repr(one.name) for one in found], column)
    return Reading(texts, texts.left_out, texts.empty)


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
