"""Models of words and of parts of words, models of documents, and what counting comes to beside them."""

import copy
import math
import pickle
import re
from functools import cache

import numpy as np
import pytest
from tests.trained import FRENCH, TEXT, fitted, fitted_on_bytes, small

from throughtime import load
from throughtime.errors import DataError, ParameterError
from throughtime.text import Baseline, NGram, generator, learning
from throughtime.text.vocabularies import END
from throughtime.training import Corpus

LINES = ["ann nan banana anna nan ann nan", "hanna", "nana", "ann", "hannah ann"] * 8
SENTENCES = ["To be or not?", "That is it!", "It is 3.5 m long."] * 10
VOCABULARY = ["be", "to", ", ", ". ", "is", "not", "or", "question", "that", "the", "<unk>"]


@pytest.fixture(autouse=True)
def untimed(monkeypatch):
    """The first steps are not timed, which takes a third of a second and changes nothing but what is said."""
    monkeypatch.setattr(learning, "seconds_per_step", lambda *arguments: 1e-3)


@cache
def words():
    return small(level="word").fit(TEXT)


@cache
def parts():
    return small(level="bpe", vocab_size=280).fit(TEXT)


@cache
def documents():
    return small().fit(LINES)


@cache
def documents_of(level):
    return small(level=level).fit(LINES)


both = pytest.mark.parametrize("model", [words, parts], ids=lambda model: model.__name__)
LEVELS = ["char", "byte", "word", "bpe"]

# ---------------------------------------------------------------------- words and parts of words


def test_the_symbols_of_a_model_of_words():
    assert words().classes_ == VOCABULARY
    assert words().symbols_ == 20 * 12
    assert words().predict_proba("to be").shape == (2, 11)


def test_the_symbols_of_a_model_of_parts():
    assert len(parts().classes_) == 280
    assert words().symbols_ < parts().symbols_ < len(TEXT)


@pytest.mark.parametrize(
    ("level", "length", "rest"),
    [("word", 4, " to be, that"), ("word", 7, " to be, that is the question"), ("bpe", 1, " to")],
)
def test_a_text_is_learned_by_heart(level, length, rest):
    model = small(level=level, hidden_size=16, max_steps=150, learning_rate=0.05).fit(TEXT)
    assert model.generate(length, "to be or not", greedy=True) == rest


@pytest.mark.parametrize(("prime", "first"), [("to", " be"), ("to be", ", "), ("to be, ", "that"), ("", "that")])
def test_a_space_stands_between_two_words_and_nowhere_else(prime, first):
    symbol = first.strip() if first != ", " else first
    assert words().generate(1, prime, bias={symbol: 100}) == first


@both
def test_a_stream_joined_is_what_generate_writes(model):
    for seed in range(8):
        whole = model().generate(40, "to", random_state=seed)
        assert "".join(model().stream(40, "to", random_state=seed)) == whole
        assert whole.startswith(model().generate(9, "to", random_state=seed).rstrip("\ufffd"))


def test_only_known_words_and_marks_are_written_and_as_many_as_asked_for():
    text = "to" + words().generate(200, "to", random_state=1, ban=[".", ","])
    assert len(text.split(" ")) == 201
    assert set(text.split(" ")) <= set(VOCABULARY)


@pytest.mark.parametrize("prime", ["日本", "\0", "zebra\n", "é"])
def test_parts_of_words_go_on_after_any_text(prime):
    assert parts().generate(20, prime, random_state=1)
    assert parts().predict_proba(prime).shape == (len(prime.encode()), 280)


@both
def test_predictions_have_a_row_for_each_symbol(model):
    p = model().predict_proba("to be or not")
    assert np.allclose(p.sum(axis=1), 1, atol=1e-5)
    assert model().predict("to be or not") == [model().classes_[place] for place in p.argmax(axis=1)]


def test_what_a_model_of_documents_predicts_is_a_list_of_symbols():
    p = documents().predict_proba("hann")
    assert p.shape == (4, len(documents().classes_))
    assert documents().predict("hann") == [documents().classes_[place] for place in p.argmax(axis=1)]


def test_a_text_is_read_as_the_beginning_of_a_document():
    ids = [documents().classes_.index(symbol) for symbol in (END, *"hann")]
    outputs = documents().network_.forward(np.array(ids)[:, None])[0][1:, 0]
    p = np.exp(outputs.astype(np.float64))
    np.testing.assert_allclose(documents().predict_proba("hann"), p / p.sum(axis=1, keepdims=True), atol=1e-6)


def test_words_are_scored_by_their_probability():
    text = ["to", "be", ", ", "that", "is", ". ", "to", "be"]
    p = words().predict_proba("to be, that is. to be")
    expected = -np.mean([math.log(p[place, VOCABULARY.index(word)]) for place, word in enumerate(text[1:])])
    score = words().evaluate("to be, that is. to be")
    assert score.loss == pytest.approx(expected, rel=1e-5)
    assert (score.symbols, score.characters, score.unknown) == (7, 21, 0)


@pytest.mark.parametrize(("level", "text"), [*((level, TEXT[:200]) for level in LEVELS), ("byte", FRENCH[:100])])
def test_bits_for_each_character_do_not_depend_on_what_a_symbol_is(level, text):
    """They are the bits of the whole text by its length."""
    model = {"char": fitted, "byte": fitted_on_bytes if text in FRENCH else fitted, "word": words, "bpe": parts}[
        level
    ]()
    score = model.evaluate(text)
    assert score.bits_per_symbol == pytest.approx(score.loss / math.log(2))
    assert score.bits_per_character == pytest.approx(score.loss * score.symbols / math.log(2) / len(text))


@pytest.mark.parametrize(
    ("text", "symbols", "unknown"),
    [("to zebra, to yak", 4, 2), ("to be", 1, 0), ("to be! or", 3, 1), ("to zebra zebra zebra", 3, 3)],
)
def test_unknown_words_are_counted(text, symbols, unknown):
    score = words().evaluate(text)
    assert (score.symbols, score.unknown) == (symbols, unknown)


def test_an_unknown_word_that_is_not_scored_is_not_counted():
    """The first one of a text is not predicted."""
    score = words().evaluate("zebra to yak be")
    assert (score.symbols, score.unknown) == (3, 1)


def test_unknown_words_may_be_left_out_of_a_score():
    assert words().evaluate("to zebra be", unknown="skip").loss == words().evaluate("to be").loss
    assert words().evaluate("to zebra be", unknown="skip").unknown == 0


def test_an_unknown_word_is_read_as_such():
    unknown = words().network_.forward(np.array([[VOCABULARY.index("<unk>")]]))[0][0, 0]
    p = np.exp(unknown.astype(np.float64))
    np.testing.assert_allclose(words().predict_proba("zebra")[0], p / p.sum(), atol=1e-6)


def test_only_the_most_frequent_words_are_known():
    model = small(level="word", vocab_size=4, max_steps=2).fit(TEXT)
    assert model.classes_ == ["be", "to", ", ", "<unk>"]
    assert small(level="word", vocab_size=5, max_steps=2).fit([TEXT, TEXT]).classes_ == [*model.classes_, END]


@pytest.mark.parametrize(
    ("level", "vocab_size", "message"),
    [
        ("word", 1, "vocab_size must be an integer of at least 2 or None, got 1"),
        ("bpe", 100, "vocab_size must have room for the 256 bytes at level='bpe', got 100"),
        ("char", 100, "vocab_size is for the levels 'word' and 'bpe'; level='char' takes all symbols"),
        ("byte", 100, "vocab_size is for the levels 'word' and 'bpe'; level='byte' takes all symbols"),
    ],
)
def test_a_vocabulary_of_a_size_that_cannot_be(level, vocab_size, message):
    with pytest.raises(ParameterError, match=f"^{re.escape(message)}$"):
        small(level=level, vocab_size=vocab_size).fit(TEXT)


def test_a_vocabulary_of_words_without_room_for_one():
    with pytest.raises(ParameterError, match=r"^vocab_size must leave room for words beside <unk> and <end>, got 2$"):
        small(level="word", vocab_size=2).fit(LINES)


def test_one_word_is_too_little_to_learn_from():
    with pytest.raises(DataError, match="the text has 1 different word; at least two are needed"):
        small(level="word").fit("word " * 100)


@pytest.mark.parametrize("level", ["word", "bpe"])
def test_bytes_are_no_words(level):
    with pytest.raises(DataError, match="bytes were given where text is expected"):
        small(level=level).fit(TEXT.encode())


def test_a_model_of_words_begins_after_a_line_break_if_it_knows_one():
    model = small(level="word").fit("one two three\nfour five six\n" * 30)
    assert "\n" in model.classes_
    after = model.network_.forward(np.array([[model.classes_.index("\n")]]))[0][0, 0]
    allowed = [place for place, word in enumerate(model.classes_) if word != "<unk>"]
    assert model.generate(1, greedy=True) == model.classes_[max(allowed, key=lambda place: after[place])]


# ---------------------------------------------------------------------- documents


@pytest.mark.parametrize("level", LEVELS)
def test_lines_are_documents(level):
    model = small(level=level).fit("\n".join(LINES), split="lines")
    assert model.history_ == documents_of(level).history_
    assert model.classes_ == documents_of(level).classes_
    assert model.copies(["hannah ann", "banana"]) == [True, False]


def test_sentences_are_documents():
    model, expected = small().fit(" \n".join(SENTENCES), split="sentences"), small().fit(SENTENCES)
    assert model.history_ == expected.history_
    assert all(model.copies(SENTENCES))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_cells_of_a_column_are_documents(delimiter, tmp_path):
    rows = ["number{0}name{0}note", *(f'{place}{{0}}"{line}"{{0}}x' for place, line in enumerate(LINES))]
    table = "\n".join(rows).replace("{0}", delimiter)
    (tmp_path / "table.csv").write_text(table, encoding="utf-8")
    for source in (table, tmp_path / "table.csv"):
        assert small().fit(source, column="name").history_ == documents().history_


def test_a_single_line_is_a_document_too():
    model = small(max_steps=2).fit(TEXT.strip(), split="lines")
    assert model.classes_[-1] == END
    assert model.symbols_ == len(TEXT.strip()) + 2


def test_empty_documents_are_left_out_and_told(capsys):
    model = small(verbose=1, max_steps=2).fit("\n\n".join(LINES) + "\n \n", split="lines")
    assert model.symbols_ == documents().symbols_
    assert "documents left out: 40 that are empty" in capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("use", ["fit", "evaluate"])
@pytest.mark.parametrize("split", ["words", "", 5])
def test_another_way_to_cut_is_refused(use, split):
    with pytest.raises(ParameterError, match="split must be 'lines', 'sentences' or None, got "):
        getattr(copy.deepcopy(documents()), use)("text", split=split)


@pytest.mark.parametrize("use", ["fit", "evaluate"])
def test_a_column_that_there_is_not_is_refused(use):
    with pytest.raises(DataError, match="'the text' has no column 'names'; it has 'name' and 'age'"):
        getattr(copy.deepcopy(documents()), use)("name,age\nanna,5\n", column="names")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("ann\nhanna\n\nnana\n", {"split": "lines"}),
        ("name,x\nann,1\nhanna,2\n,3\nnana,4\n", {"column": "name"}),
        ('name\n"ann\nhanna"\nnana\n', {"column": "name", "split": "lines"}),
    ],
)
def test_documents_are_scored_as_they_were_cut(level, text, cut):
    assert documents_of(level).evaluate(text, **cut) == documents_of(level).evaluate(["ann", "hanna", "nana"])


def test_the_first_symbol_and_the_end_of_a_document_are_scored():
    rows = documents().network_.forward(np.array([[documents().classes_.index(symbol) for symbol in (END, *"ann")]]).T)
    z = rows[0][:, 0].astype(np.float64)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    expected = -np.mean([math.log(p[place, documents().classes_.index(s)]) for place, s in enumerate([*"ann", END])])
    score = documents().evaluate(["ann"])
    assert score.loss == pytest.approx(expected, rel=1e-5)
    assert (score.symbols, score.characters) == (4, 3)


def test_a_text_of_which_nothing_is_known_has_no_score():
    with pytest.raises(DataError):
        _ = documents().evaluate("xyz", unknown="skip").bits_per_character


@pytest.mark.parametrize("level", LEVELS)
def test_documents_may_be_as_short_as_they_like(level):
    model = small(level=level, max_steps=2).fit(["a b", "b a", "a"] * 20)
    assert model.baseline_.order >= 1
    assert model.baseline_.loss > 0


# ---------------------------------------------------------------------- what counting comes to


def best(losses):
    return Baseline(1 + losses.index(min(losses)), min(losses))


@pytest.mark.parametrize(("level", "text"), [(level, TEXT + FRENCH) for level in LEVELS])
@pytest.mark.parametrize("validation", [0.1, 0.4])
def test_the_baseline_of_one_text_is_the_best_n_gram(level, text, validation):
    model = small(level=level, validation=validation, max_steps=2).fit(text)
    symbols = model.vocabulary_.encode(text)
    end = len(symbols) - int(len(symbols) * validation)
    learned, held_out = (model.vocabulary_.decode(part) for part in (symbols[:end], symbols[end:]))
    assert np.array_equal(model.vocabulary_.encode(learned), symbols[:end])
    assert np.array_equal(model.vocabulary_.encode(held_out), symbols[end:])
    ngram = NGram(8, level=level).fit(learned, vocabulary=model.vocabulary_)
    assert model.baseline_ == best(ngram.losses(held_out))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_baseline_of_documents_is_the_best_n_gram(level, seed):
    model = small(level=level, random_state=seed, max_steps=2).fit(LINES)
    vocabulary = model.vocabulary_
    drawn = Corpus.of([vocabulary.document(line) for line in LINES]).draw(0.1, seed)
    learned, held_out = (
        [vocabulary.decode(corpus.ids[a:b]) for a, b in zip(corpus.bounds, corpus.bounds[1:], strict=False)]
        for corpus in drawn
    )
    assert sorted(learned + held_out) == sorted(LINES)
    ngram = NGram(8, level=level).fit(learned, vocabulary=vocabulary)
    assert model.baseline_ == best(ngram.losses(held_out))


def test_a_text_that_counting_knows_is_told(capsys):
    model = small(verbose=1, max_steps=2).fit(TEXT)
    order, loss, _ = model.baseline_
    assert loss < 0.2 < model.validation_loss_
    lines = capsys.readouterr().err.splitlines()
    assert f"{model.validation_loss_:.3f} nats per symbol; an {order}-gram gets {loss:.3f}" in lines
    assert lines[-1] == (
        "that is no better than counting: the text is too small for a network, the training too short, or the text "
        "repeats itself"
    )


@pytest.mark.parametrize(
    ("few", "why"), [(6, "the training was too short"), (5, "the learning rate is too high, or the text is learned by")]
)
def test_a_loss_above_that_of_guessing_is_told_with_its_cause(capsys, monkeypatch, few, why):
    monkeypatch.setattr(generator, "FEW_STEPS", few)
    small(verbose=1, max_steps=5, learning_rate=3.0).fit(TEXT)
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith(
        f"the validation loss is above {math.log(15):.2f} nats, which guessing at random costs: {why}"
    )


def test_without_validation_there_is_no_baseline(tmp_path):
    model = small(validation=0.0, max_steps=2).fit(TEXT)
    assert model.baseline_ is None
    model.save(tmp_path / "model")
    assert load(tmp_path / "model").baseline_ is None


# ---------------------------------------------------------------------- files


@pytest.mark.parametrize(
    "model", [words, parts, documents, *(lambda level=level: documents_of(level) for level in LEVELS)]
)
def test_a_loaded_model_is_the_same(model, tmp_path):
    model().save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.classes_ == model().classes_
    assert again.generate(50, "ann", random_state=1) == model().generate(50, "ann", random_state=1)
    assert again.evaluate(["ann nan", "hann"]) == model().evaluate(["ann nan", "hann"])
    assert again.predict("ann") == model().predict("ann")
    assert again.beam_search(5, "ann") == model().beam_search(5, "ann")
    assert again.baseline_ == model().baseline_ is not None
    again.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


@pytest.mark.parametrize("level", LEVELS)
def test_equal_trainings_give_equal_bytes(level, tmp_path):
    documents_of(level).save(tmp_path / "one")
    small(level=level).fit(LINES).save(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("again", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@pytest.mark.parametrize("model", [words, parts, documents])
def test_copies_and_pickles_write_the_same(again, model):
    twin = again(model())
    assert twin.generate(50, random_state=1) == model().generate(50, random_state=1)
    assert twin.baseline_ == model().baseline_
