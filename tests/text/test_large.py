"""Text that is read in blocks gives what text in memory gives, whatever happens on the way."""

import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.trained import small

from throughtime.errors import DataError, OutputError, UnknownSymbol
from throughtime.text import NGram, decoding, large, reading, store
from throughtime.text.adapting import widen
from throughtime.text.blocks import Fingerprint, LargeTexts
from throughtime.text.lesson import encoded, fingerprints, prepare, vocabulary_of
from throughtime.text.vocabularies import LEVELS, Characters, level, subwords, words

ROOT = Path(__file__).parents[2]
PROSE = (
    "It's one,  two (or so).\r\nAnd “so on”!\n\nÜber größe: 3.5 m — 日本語。次の文。\r  More words here, and more ... "
    * 9
)
TABLE = 'name,text\n1,"a ""b"",\nc d e f"\n2,Ünd so. Weiter geht es!\n3,\n' * 8
CUTS = [{}, {"split": "lines"}, {"split": "sentences"}]


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    """A cache of one's own, and blocks of seven bytes."""
    monkeypatch.setenv("THROUGHTIME_CACHE_DIR", str(tmp_path / "kept"))
    monkeypatch.setattr(decoding, "BLOCK", 7)
    monkeypatch.setattr(large, "BLOCK", 7)
    return tmp_path / "kept" / "texts"


@pytest.fixture
def in_blocks(monkeypatch):
    """What a function gives in memory, and what it gives where every file is a large one."""

    def both(function):
        monkeypatch.setattr(reading, "LARGE", 1 << 60)
        in_memory = function()
        monkeypatch.setattr(reading, "LARGE", -1)
        return in_memory, function()

    return both


@pytest.fixture
def file(tmp_path):
    def write(data, name="text.txt"):
        path = tmp_path / "given" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


def learned(source, name, vocab_size=None, **options):
    """All that a training gets to see of a text."""
    found = reading.read(source, level=name, **options)
    ends = len(found.texts) > 1 or bool(options)
    vocabulary = vocabulary_of(level(name), found.texts, vocab_size=vocab_size, ends=ends)
    lesson = prepare(vocabulary, found.texts, validation=0.2, seq_len=2, seed=3)
    parts = [
        (np.array(part.ids[:]), np.array(part.bounds)) for part in (lesson.learned, lesson.held_out, lesson.scored)
    ]
    return found, vocabulary, parts, fingerprints(vocabulary, found.texts) if ends else None


def check_same(in_memory, on_disk):
    (one, vocabulary, parts, marks), (other, vocabulary_there, parts_there, marks_there) = in_memory, on_disk
    assert isinstance(other.texts, LargeTexts)
    assert not isinstance(one.texts, LargeTexts)
    assert list(other.texts) == one.texts
    assert (other.left_out, other.empty, other.fingerprint) == (one.left_out, one.empty, one.fingerprint)
    assert vocabulary_there.symbols == vocabulary.symbols
    for (ids, bounds), (ids_there, bounds_there) in zip(parts, parts_there, strict=True):
        assert ids.dtype == ids_there.dtype
        assert np.array_equal(ids, ids_there)
        assert np.array_equal(bounds, bounds_there)
    assert marks is None or np.array_equal(marks, marks_there)


# ---------------------------------------------------------------------- the same in blocks


@pytest.mark.parametrize("options", CUTS)
@pytest.mark.parametrize("name", LEVELS)
def test_a_file_is_the_same(in_blocks, file, name, options):
    path = file(PROSE)
    check_same(*in_blocks(lambda: learned(path, name, **options)))


@pytest.mark.parametrize("split", [None, "lines", "sentences"])
@pytest.mark.parametrize("name", ["char", "byte"])
def test_a_table_is_the_same(in_blocks, file, name, split):
    path = file(TABLE.partition("\n")[0] + "\n" + TABLE.replace("name,text\n", ""))
    check_same(*in_blocks(lambda: learned(path, name, split=split, column="text")))


@pytest.mark.parametrize("count", [3, 30])
@pytest.mark.parametrize("name", LEVELS)
def test_a_folder_and_what_is_in_memory_are_the_same(in_blocks, file, name, count):
    """Of thirty documents some are drawn."""
    for place in range(count):
        file(PROSE[place : place + 150], f"{place:02d}.txt")
    file(b"", "empty.txt")
    file(b"\xef\xbb\xbf", "mark.txt")
    folder = file(b"\x00\xff picture", "picture.png").parent
    check_same(*in_blocks(lambda: learned([folder, "one more text, and words", file(PROSE, "../other.txt")], name)))


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-32", "gb18030"])
def test_encodings_are_the_same(in_blocks, file, encoding):
    text = "l'été\r\nœuvre\r".replace("œ", "oe" if encoding == "latin-1" else "œ") * 9
    path = file(text.encode(encoding))
    one, other = in_blocks(lambda: reading.read(path, level="char", encoding=encoding))
    assert list(other.texts) == one.texts


def test_utf_16_without_its_mark_is_that_of_this_machine(in_blocks, file):
    path = file("abc\r\ndef".encode(f"utf-16-{sys.byteorder[0]}e"))
    one, other = in_blocks(lambda: reading.read(path, level="char", encoding="utf-16"))
    assert list(other.texts) == one.texts == ["abc\ndef"]


PIECES = st.sampled_from(
    ["a", "B c", "é", "\r", "\n", "\r\n", " ", "  ", ". ", "! ", "。", "“", "”", "(", ")", "'s", "-", "1", "…", "\n\n"]
)


@settings(max_examples=100)
@given(st.lists(PIECES, min_size=4, max_size=40).map("".join), st.integers(1, 9))
@pytest.mark.parametrize("options", CUTS)
@pytest.mark.parametrize("name", ["char", "byte", "word", "bpe"])
def test_any_text_is_the_same_however_blocks_fall(tmp_path_factory, name, options, text, size):
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(("ab cd" + text).encode())
    found = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(decoding, "BLOCK", size)
        patched.setattr(large, "BLOCK", size)
        for threshold in (1 << 60, -1):
            patched.setattr(reading, "LARGE", threshold)
            texts = reading.read(path, level=name, **options).texts
            vocabulary = vocabulary_of(level(name), texts, vocab_size=None, ends=bool(options))
            found.append((list(texts), vocabulary.symbols, encoded(vocabulary, texts)))
    (one, symbols, whole), (other, symbols_there, whole_there) = found
    assert (one, symbols) == (other, symbols_there)
    assert np.array_equal(whole.ids, whole_there.ids)
    assert np.array_equal(whole.bounds, whole_there.bounds)


@pytest.mark.parametrize("options", [{}, {"split": "lines"}])
@pytest.mark.parametrize("name", ["char", "word"])
def test_what_is_trained_is_the_same_to_the_last_byte(in_blocks, file, tmp_path, name, options):
    path = file("to be or not to be\nthat is the question\n" * 30)

    def trained():
        model = small(level=name, validation=0.2).fit(path, **options)
        model.save(tmp_path / "model")
        return (tmp_path / "model").read_bytes(), model.baseline_, model.symbols_

    one, other = in_blocks(trained)
    assert one == other


def test_so_is_what_goes_on_with_a_model(in_blocks, file, tmp_path):
    first, second = file("to be or not to be " * 20), file("größe to be " * 20, "second.txt")

    def trained():
        model = small(warm_start=True).fit(first).fit(second)
        model.save(tmp_path / "model")
        return (tmp_path / "model").read_bytes()

    one, other = in_blocks(trained)
    assert one == other


@pytest.mark.parametrize("unknown", ["error", "skip"])
@pytest.mark.parametrize("name", LEVELS)
def test_scores_are_the_same(in_blocks, file, name, unknown):
    model = small(level=name).fit([PROSE, "x"])
    path = file(PROSE[:300] + ("" if unknown == "error" else "ж"))
    one, other = in_blocks(lambda: model.evaluate(path, unknown=unknown))
    assert one == other
    counted, counted_there = in_blocks(
        lambda: NGram(order=3, level=name).fit(file(PROSE, "b.txt")).losses(path, unknown="skip")
    )
    assert counted == counted_there


# ---------------------------------------------------------------------- what is bounded


def test_words_that_are_rare_in_a_text_of_many_are_forgotten(in_blocks, file, monkeypatch):
    monkeypatch.setattr(words, "MOST_DIFFERENT", 20)
    monkeypatch.setattr(words, "COUNTED_AT_ONCE", 10)
    path = file(" ".join(f"w{place} often" for place in range(200)))
    check_same(*in_blocks(lambda: learned(path, "word")))
    known = words.Words.of([path.read_text()]).known
    assert known[0] == "often"
    assert len(known) < 40


def test_parts_of_words_are_found_in_a_sample(in_blocks, file, monkeypatch):
    monkeypatch.setattr(subwords, "LONGEST_SAMPLE", 500)
    text = "lower newest widest " * 20 + "größer " * 200
    check_same(*in_blocks(lambda: learned(file(text), "bpe", vocab_size=300)))
    assert (
        subwords.Subwords.of([text[:500]], vocab_size=300).known == subwords.Subwords.of([text], vocab_size=300).known
    )


def test_of_a_large_held_out_part_some_is_scored(monkeypatch, file):
    monkeypatch.setattr("throughtime.text.lesson.MOST_SCORED", 50)
    model = small(validation=0.5, verbose=0).fit("to be or not to be. " * 50)
    monkeypatch.setattr("throughtime.text.lesson.MOST_SCORED", 10**6)
    assert model.validation_loss_ != small(validation=0.5).fit("to be or not to be. " * 50).validation_loss_
    vocabulary = Characters.of(["ab"], ends=True)
    monkeypatch.setattr("throughtime.text.lesson.MOST_SCORED", 50)
    for texts in (["ab" * 200], ["ab" * 5] * 60):
        lesson = prepare(vocabulary, texts, validation=0.5, seq_len=2, seed=1)
        assert len(lesson.scored.ids) == 50 < len(lesson.held_out.ids)


# ---------------------------------------------------------------------- fingerprints


def test_a_fingerprint_tells_documents_apart():
    def of(*texts):
        return reading.read(list(texts), level="char").fingerprint

    assert re.fullmatch("[0-9a-f]{32}", of("ab"))
    assert of("ab", "c") == of("ab", "c")
    assert len({of("abc"), of("ab", "c"), of("a", "bc"), of("c", "ab"), of("a", "b", "c"), of("abd")}) == 6


@given(st.lists(st.lists(st.binary(max_size=4), min_size=1, max_size=4), min_size=1, max_size=4))
def test_it_does_not_depend_on_the_parts(cut):
    one, other = Fingerprint(), Fingerprint()
    for parts in cut:
        one.add(b"".join(parts), ends=True)
        for place, part in enumerate(parts, start=1):
            other.add(part, ends=place == len(parts))
    assert one.hexdigest() == other.hexdigest()


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"abc\x00def",
        b"\xff\x00abc",
        b"caf\xe9 au lait, et du pain",
        b"\xef\xbb\xbfcaf\xe9",
        b"long enough \xc3",
        b"\xef\xbb\xbf",
    ],
)
@pytest.mark.parametrize("options", [{}, {"split": "lines"}, {"column": "name"}])
def test_what_is_no_text_is_refused_in_the_same_words(file, monkeypatch, data, options):
    path, said = file(data), []
    for threshold in (1 << 60, -1):
        monkeypatch.setattr(reading, "LARGE", threshold)
        with pytest.raises(DataError) as caught:
            reading.read(path, level="char", **options)
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_a_folder_without_text_is_refused_in_the_same_words(file, monkeypatch):
    folder = file(b"\0", "a.bin").parent
    monkeypatch.setattr(reading, "LARGE", -1)
    with pytest.raises(DataError, match=r"the folder '.*' holds no text files \(1 files looked at\)"):
        reading.read(folder, level="char")


def test_an_unknown_symbol_is_named_with_its_place(in_blocks, file):
    model = small().fit(["to be or not to be " * 20, "be"])
    path = file("to be or not to be, ж")

    def said():
        with pytest.raises(UnknownSymbol) as caught:
            model.evaluate(path)
        return str(caught.value)

    one, other = in_blocks(said)
    assert one == other
    assert "(position 18)" in one


def test_a_text_in_another_script_is_refused(in_blocks, file):
    vocabulary = Characters.of(["abc"])

    def said():
        with pytest.raises(DataError) as caught:
            widen(vocabulary, reading.read(file("жжжжа" * 5), level="char").texts, False)
        return str(caught.value)

    one, other = in_blocks(said)
    assert one == other


@pytest.mark.parametrize("change", ["longer", "later"])
def test_a_file_that_changes_while_it_is_read_is_refused(file, monkeypatch, change):
    monkeypatch.setattr(reading, "LARGE", -1)
    path = file(PROSE)
    texts = reading.read([path.parent], level="char").texts
    if change == "longer":
        path.write_text(PROSE + "more")
    else:
        os.utime(path, ns=(1, 1))
    with pytest.raises(
        DataError, match=r"'.*text\.txt' changed while it was read; try again when nothing writes to it"
    ):
        Characters.of(texts)


def test_another_content_is_another_text(file, monkeypatch):
    monkeypatch.setattr(reading, "LARGE", -1)
    one = learned(file("to be or not to be"), "char")
    other = learned(file("to be or not to me"), "char")
    assert one[0].fingerprint != other[0].fingerprint
    assert "m" in other[1].symbols
    assert "m" not in one[1].symbols


# ---------------------------------------------------------------------- what is kept


def test_what_was_found_is_not_looked_for_again(file, monkeypatch, kept):
    monkeypatch.setattr(reading, "LARGE", -1)
    path = file(PROSE)
    first = learned(path, "char")
    entries = sorted(kept.iterdir())
    monkeypatch.setattr(decoding.File, "text", None)
    again = reading.read(path, level="char")
    vocabulary = vocabulary_of(Characters, again.texts, vocab_size=None, ends=False)
    assert np.array_equal(encoded(vocabulary, again.texts).ids, np.concatenate([ids for ids, _ in first[2][:2]]))
    assert sorted(kept.iterdir()) == entries
    assert {entry.suffix for entry in entries} == {"", ".json", ".ids"}


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[5:], lambda data: b""])
def test_a_damaged_entry_is_made_anew(file, monkeypatch, kept, damage):
    monkeypatch.setattr(reading, "LARGE", -1)
    expected = learned(file(PROSE), "char")[2]
    for entry in [*kept.glob("*.ids"), *kept.glob("*.json")]:
        data = damage(entry.read_bytes())
        entry.unlink()  # what is mapped stays as it is
        entry.write_bytes(data)
    (kept / "broken.part").write_bytes(b"half")
    found = learned(file(PROSE), "char")[2]
    assert all(np.array_equal(one[0], other[0]) for one, other in zip(expected, found, strict=True))
    assert not list(kept.glob("*.part"))


def test_what_was_longest_not_used_goes_first(file, monkeypatch, kept):
    monkeypatch.setattr(reading, "LARGE", -1)
    monkeypatch.setattr(store, "MOST_KEPT", 2500)
    for number in range(6):
        learned(file(f"to be or not to be {number} " * 40), "char")
        for entry in kept.glob("*.*"):
            os.utime(entry, (entry.stat().st_mtime - 100,) * 2)
        last = max(kept.glob("*.ids"), key=lambda entry: entry.stat().st_mtime)
    assert last.exists()
    assert sum(entry.stat().st_size for entry in kept.iterdir()) <= 2500
    assert len(list(kept.glob("*.ids"))) == 2


@pytest.mark.parametrize("place", ["a file", "full"])
def test_a_place_that_cannot_be_written_is_said(file, monkeypatch, tmp_path, kept, place):
    monkeypatch.setattr(reading, "LARGE", -1)
    texts = reading.read(file(PROSE), level="char").texts
    if place == "a file":
        monkeypatch.setenv("THROUGHTIME_CACHE_DIR", str(file("x", "a file")))
    else:

        def refuse(_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(store.os, "fsync", refuse)
    sentence = (
        r"the text is large, and its symbols cannot be kept in '.*': (Not a directory|No space left on device); let "
    )
    with pytest.raises(OutputError, match=sentence + "THROUGHTIME_CACHE_DIR name a folder that has room"):
        encoded(Characters.of([PROSE.replace("\r\n", "\n").replace("\r", "\n")]), texts)
    assert not list(kept.glob("*.part"))
    assert not list(kept.glob("*.ids"))


ENCODE = """
import sys, time
from pathlib import Path
from throughtime.text import decoding, reading
from throughtime.text.lesson import encoded, vocabulary_of
from throughtime.text.vocabularies import Characters
reading.LARGE, decoding.BLOCK = 0, 1000
texts = reading.read(Path(sys.argv[1]), level="char").texts
vocabulary = vocabulary_of(Characters, texts, vocab_size=None, ends=False)
blocks = texts.blocks
def slow(what):
    for number, block in enumerate(blocks(what)):
        if number == 100:
            print("half", flush=True)
            time.sleep(60)
        yield block
if sys.argv[2] == "slow":
    texts.blocks = slow
print(encoded(vocabulary, texts).ids.sum(), flush=True)
"""


def test_an_encoding_that_was_killed_starts_again_well(file, kept):
    """The second one waits for none, uses nothing of the first, and removes it."""
    text = "to be or not to be, that is the question\n" * 5000
    path = file(text)
    command = [sys.executable, "-c", ENCODE, str(path)]
    given = {"env": os.environ | {"PYTHONPATH": str(ROOT / "src")}, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, "slow"], **given) as killed:
        assert killed.stdout.readline() == "half\n"
        killed.send_signal(signal.SIGKILL)
    (part,) = kept.glob("*.part")
    assert not list(kept.glob("*.ids"))
    done = subprocess.run([*command, "fast"], check=True, timeout=60, **given)
    places = {character: place for place, character in enumerate(sorted(set(text)))}
    assert int(done.stdout) == sum(places[character] for character in text)
    assert not part.exists()
    assert len(list(kept.glob("*.ids"))) == 1


# ---------------------------------------------------------------------- what is shown


def test_a_bar_is_shown_in_a_terminal_only(file, monkeypatch, capsys):
    monkeypatch.setattr(reading, "LARGE", -1)
    reading.read(file(PROSE), level="char", verbose=1)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    reading.read(file(PROSE + "!"), level="char", verbose=0)
    assert capsys.readouterr() == ("", "")
    reading.read(file(PROSE + "?"), level="char", verbose=1)
    out, err = capsys.readouterr()
    assert out == ""
    assert "files" in err
    assert "documents" in err


def test_a_folder_where_nothing_can_be_locked(kept, monkeypatch):
    """As on some network disks."""

    def lock(opened, *, wait):
        opened_files.append(opened)
        raise OSError(errno.ENOLCK, "no locks")

    opened_files = []
    monkeypatch.setattr(store, "lock", lock)
    with pytest.raises(OutputError, match=rf"cannot be kept in '{kept}': no locks; let THROUGHTIME_CACHE_DIR name a f"):
        store.note("key", list)
    assert [opened.closed for opened in opened_files] == [True]
