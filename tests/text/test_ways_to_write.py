"""Several texts at once, ends, stops, bans and biases, candidates in order, and beam search."""

import math
from functools import cache, partial
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.trained import FRENCH, TEXT, fitted, fitted_on_bytes, learned, small

from throughtime import TextGenerator, load
from throughtime.errors import DataError, NotFittedError, ParameterError, UnknownSymbol
from throughtime.text import Candidate, learning
from throughtime.text.vocabularies import END

DOCUMENTS = ["abcdefghi", "xyzuvwxyz!"] * 20
NAMES = ["anna banana", "hanna", "nana", "ann", "hannah"] * 8


@cache
def documents():
    """A model that knows two documents by heart."""
    return small(hidden_size=16, max_steps=200, learning_rate=0.03).fit(DOCUMENTS)


@cache
def names():
    """A model of documents that knows a little, and writes short ones."""
    return small(max_steps=60).fit(NAMES)


@cache
def words():
    """A model of words that knows a little."""
    return small(level="word").fit(TEXT)


@cache
def rare_words():
    """A model to which most words are unknown, and which finds that likeliest."""
    return small(level="word", vocab_size=4, max_steps=60).fit(TEXT)


@cache
def parts():
    """A model of parts of words that knows a little."""
    return small(level="bpe", vocab_size=270).fit(TEXT)


seeds = st.integers(0, 1000)


@pytest.fixture(autouse=True)
def untimed(monkeypatch):
    """The first steps are not timed, which takes a third of a second and changes nothing but what is said."""
    monkeypatch.setattr(learning, "seconds_per_step", lambda *arguments: 1e-3)


everywhere = pytest.mark.parametrize("model", [fitted, fitted_on_bytes, names, words, parts], ids=lambda m: m.__name__)

# ---------------------------------------------------------------------- several texts


@everywhere
def test_the_first_of_many_is_what_generate_writes(model):
    many = model().generate_many(3, 30, random_state=4, temperature=0.8, top_k=9)
    assert len(many) == 3
    assert many[0] == model().generate(30, random_state=4, temperature=0.8, top_k=9)
    assert len(set(many)) > 1


@everywhere
@pytest.mark.parametrize("choices", [{}, {"repetition_penalty": 1.5}], ids=str)
def test_a_text_is_the_same_however_many_there_are(model, choices):
    many = model().generate_many(6, 30, random_state=4, **choices)
    for count in (1, 2, 5):
        assert model().generate_many(count, 30, random_state=4, **choices) == many[:count]


def test_many_may_be_of_no_length():
    assert fitted().generate_many(3, 0, "to") == ["", "", ""]


@pytest.mark.parametrize("count", [0, -1, 1.5, True, None, "3"])
@pytest.mark.parametrize("write", ["generate_many", "candidates"])
def test_a_count_that_makes_no_sense(write, count):
    with pytest.raises(ParameterError, match=r"^count must be an integer of at least 1, got "):
        getattr(fitted(), write)(count, 5)


@pytest.mark.parametrize(
    "use",
    [
        lambda model: model.generate_many(2, 5),
        lambda model: model.candidates(2, 5),
        lambda model: model.beam_search(5),
        lambda model: model.copies(["to"]),
    ],
)
def test_nothing_is_written_before_fit(use):
    with pytest.raises(NotFittedError, match="has not learned anything yet; call fit first"):
        use(TextGenerator())


# ---------------------------------------------------------------------- ends


@pytest.mark.parametrize(("prime", "rest"), [("abc", "defghi"), ("xyzu", "vwxyz!"), ("abcdefghi", "")])
def test_a_document_ends_where_those_ended_that_were_learned(prime, rest):
    assert documents().generate(100, prime, greedy=True) == rest
    assert "".join(documents().stream(100, prime, greedy=True)) == rest


def test_the_length_is_the_most():
    assert documents().generate(4, "abc", greedy=True) == "defg"
    assert documents().generate(6, "abc", greedy=True) == "defghi"


def test_an_empty_prime_begins_a_document():
    assert set(documents().generate_many(40, 100, temperature=0.3, random_state=1)) == set(DOCUMENTS)


def test_documents_side_by_side_end_each_for_itself():
    many = names().generate_many(30, 200, random_state=1)
    assert len(set(map(len, many))) > 5
    assert not any(END in text for text in many)


@given(seeds)
def test_a_document_that_may_not_end_runs_to_the_full_length(seed):
    assert len(names().generate(80, random_state=seed, ban=[END])) == 80


def test_a_document_that_must_end_is_empty():
    assert names().generate(80, "an", bias={END: 100.0}, random_state=1) == ""


# ---------------------------------------------------------------------- stops


def cut(text, stops):
    """The text as far as it goes, symbol by symbol, until it contains a stop."""
    for length in range(len(text) + 1):
        places = [text[:length].index(stop) for stop in stops if stop in text[:length]]
        if places:
            return text[: min(places)]
    return text


@given(st.lists(st.text(alphabet="to be", min_size=1, max_size=3), min_size=1, max_size=4), seeds)
def test_a_text_ends_before_the_first_stop(stop, seed):
    plain = fitted().generate(60, random_state=seed)
    found = fitted().generate(60, random_state=seed, stop=stop)
    assert found == cut(plain, stop)
    assert not any(text in found for text in stop)


def test_a_stop_may_be_given_alone():
    assert learned().generate(40, "to be or", greedy=True, stop="that") == " not to be, "
    assert learned().generate(40, "to be or", greedy=True, stop=["that", "be"]) == " not to "
    assert learned().generate(40, "to be or", greedy=True, stop=[]) == learned().generate(40, "to be or", greedy=True)


@pytest.mark.parametrize("size", [1, 2, 7, 20])
def test_a_stop_is_found_wherever_pieces_are_cut(size):
    whole = learned().generate(84, "to be or", greedy=True)
    for start in range(0, len(whole) - size, 3):
        stop = whole[start : start + size]
        assert learned().generate(84, "to be or", greedy=True, stop=stop) == whole[: whole.index(stop)]


@pytest.mark.parametrize("stop", ["that is not", "that is the quest. ", ", t."])
def test_what_may_have_been_a_stop_comes_out_where_it_was_none(stop):
    whole = learned().generate(18, "to be or", greedy=True)
    assert whole == " not to be, that i"
    for length in range(19):
        assert learned().generate(length, "to be or", greedy=True, stop=stop) == whole[:length]


def test_what_a_stream_has_written_it_does_not_take_back():
    pieces = list(learned().stream(40, "to be or", greedy=True, stop=["be, t"]))
    assert "".join(pieces) == " not to "
    assert all(pieces)


def test_the_prime_does_not_stop_anything():
    assert learned().generate(8, "to be or not to", greedy=True, stop="to be") == " be, tha"


@pytest.mark.parametrize("stop", ["é", "là", "l'été", " ", "\u00e0"])
def test_a_stop_of_several_bytes(stop):
    for seed in range(8):
        plain = fitted_on_bytes().generate(60, random_state=seed)
        assert fitted_on_bytes().generate(60, random_state=seed, stop=stop) == cut(plain, [stop])


@pytest.mark.parametrize("stop", ["be", "to be", " be", ", ", ",", "question. to", " ", "\n", ". ", "is the"])
def test_a_stop_among_words(stop):
    for seed in range(8):
        plain = words().generate(30, random_state=seed)
        assert words().generate(30, random_state=seed, stop=stop) == plain.partition(stop)[0]


@pytest.mark.parametrize("stop", ["be,", "question.", "to, that is,", ".", ". to"])
def test_a_stop_may_have_a_known_mark_without_the_space_around_it(stop):
    for seed in range(8):
        plain = words().generate(30, random_state=seed)
        assert words().generate(30, random_state=seed, stop=stop) == plain.partition(stop)[0]


@pytest.mark.parametrize("stop", ["b", "be or", " t", "qu"])
def test_a_stop_among_parts_of_words(stop):
    for seed in range(8):
        plain = parts().generate(30, random_state=seed)
        assert parts().generate(30, random_state=seed, stop=stop) == plain.partition(stop)[0]


def test_each_of_many_stops_for_itself():
    plain = fitted().generate_many(8, 40, random_state=2)
    assert fitted().generate_many(8, 40, random_state=2, stop="t") == [text.partition("t")[0] for text in plain]


def test_a_document_ends_at_a_stop_or_at_its_end():
    assert documents().generate(100, "abc", greedy=True, stop="gh") == "def"
    assert documents().generate(100, "abc", greedy=True, stop="hx") == "defghi"


@pytest.mark.parametrize("stop", ["", [""], ["to", ""], 5, [5], ["to", None], b"to"])
def test_what_is_no_stop(stop):
    with pytest.raises(ParameterError, match=r"^stop must be text that is not empty, or a list of such texts, got "):
        fitted().generate(5, stop=stop)


@pytest.mark.parametrize(("model", "stop"), [(fitted, "bé"), (fitted_on_bytes, "Z"), (words, "zebra")])
def test_a_stop_that_could_never_come_is_refused(model, stop):
    with pytest.raises(UnknownSymbol) as caught:
        model().generate(5, stop=stop)
    assert "skip" not in str(caught.value)


# ---------------------------------------------------------------------- bans and biases


@given(seeds)
def test_banned_characters_are_never_written(seed):
    text = fitted().generate(60, random_state=seed, ban="eo ")
    assert len(text) == 60
    assert not set(text) & set("eo ")
    assert fitted().generate(60, random_state=seed, ban=["e", "o", " "]) == text
    assert fitted().generate(60, random_state=seed, bias=dict.fromkeys("eo ", -math.inf)) == text


def test_banned_bytes_are_never_written():
    for seed in range(8):
        text = fitted_on_bytes().generate(60, random_state=seed, ban=b"\xc3 ")
        assert text.replace("\ufffd", "").isascii()
        assert " " not in text
        assert fitted_on_bytes().generate(60, random_state=seed, ban=[0xC3, 0x20]) == text


@pytest.mark.parametrize("symbol", ["v", b"v", ord("v")])
def test_a_byte_may_be_named_by_its_number_or_as_text(symbol):
    assert fitted_on_bytes().generate(3, random_state=1, bias={symbol: 100}) == "vvv"
    alone = fitted_on_bytes().generate(60, random_state=1, ban=b"v")
    assert fitted_on_bytes().generate(60, random_state=1, ban=[symbol]) == alone


def test_text_that_is_banned_is_its_bytes():
    found = fitted_on_bytes().generate(60, random_state=1, ban="vé")
    assert found == fitted_on_bytes().generate(60, random_state=1, ban="vé".encode())


@pytest.mark.parametrize("model", [fitted, fitted_on_bytes])
def test_the_end_is_never_taken_for_its_letters(model):
    with pytest.raises(UnknownSymbol, match=r"^'<end>' is no symbol that the model knows"):
        model().generate(5, ban=END)


def test_banned_words_and_marks_are_never_written():
    """A mark is banned with the space around it, a string is one word."""
    for seed in range(8):
        text = words().generate(60, random_state=seed, ban=["be", ","])
        assert "," not in text
        assert "be" not in text.replace(".", "").split()
        assert "to" not in words().generate(60, random_state=seed, ban="to").replace(",", "").replace(".", "").split()


def test_banned_parts_of_words_are_never_written():
    parts_with_t = [symbol for symbol in parts().classes_ if "t" in symbol]
    assert len(parts_with_t) > 2
    for seed in range(8):
        plain, found = (
            "".join(parts().generate_many(20, 60, random_state=seed, ban=ban)) for ban in ([], parts_with_t)
        )
        assert "t" in plain
        assert "t" not in found


@pytest.mark.parametrize(
    "choices", [{}, {"greedy": True}, {"temperature": 3.0}, {"top_k": 2}, {"bias": {"<unk>": 50.0}}]
)
def test_an_unknown_word_is_never_written(choices):
    unknown = rare_words().classes_.index("<unk>")
    assert rare_words().predict_proba(TEXT)[:, unknown].mean() > 0.4
    for text in rare_words().generate_many(10, 40, random_state=1, **choices):
        assert "unk" not in text
    for candidate in rare_words().candidates(10, 40, random_state=1, **choices):
        assert "unk" not in candidate.text
    for candidate in rare_words().beam_search(8):
        assert "unk" not in candidate.text


@pytest.mark.parametrize(
    ("model", "everything"),
    [
        (fitted, {"ban": TEXT}),
        (fitted, {"bias": dict.fromkeys(TEXT, -math.inf)}),
        (fitted_on_bytes, {"ban": FRENCH.encode()}),
        (words, {"ban": ["to", "be", "or", "not", "that", "is", "the", "question", ",", "."]}),
        (names, {"ban": [*"".join(NAMES), END]}),
    ],
)
@pytest.mark.parametrize("write", ["generate", "beam_search"])
def test_everything_cannot_be_banned(model, everything, write):
    with pytest.raises(ParameterError, match=r"^ban leaves no symbol that could be written$"):
        getattr(model(), write)(5, **everything)


def test_what_is_left_is_written_however_unlikely_it_is():
    alone = [symbol for symbol in fitted().classes_ if symbol != "q"]
    assert fitted().generate(9, random_state=1, ban=alone) == "q" * 9
    assert names().generate(9, random_state=1, ban=names().classes_[:-1]) == ""


@pytest.mark.parametrize("bias", [{"q": 1.0}, {"q": 3.0, "t": -2.0}, {" ": -1.0, "e": 0.5}])
def test_a_bias_is_in_nats(bias):
    """The likeliest symbol is that of the model's logarithms with the bias added."""
    for prime in ("to", "be or no", "question"):
        scores = np.log(fitted().predict_proba(prime)[-1]) + [bias.get(symbol, 0.0) for symbol in fitted().classes_]
        expected = fitted().classes_[int(scores.argmax())]
        assert fitted().generate(1, prime, greedy=True, bias=bias) == expected


@pytest.mark.parametrize(
    ("model", "bias", "text"),
    [(fitted, {"q": 100}, "qqq"), (fitted_on_bytes, {ord("v"): 100}, "vvv"), (words, {"be": 100}, "be be be")],
)
def test_a_large_bias_has_its_way(model, bias, text):
    assert model().generate(3, random_state=1, bias=bias) == text


def test_a_ban_counts_more_than_a_bias():
    assert "q" not in fitted().generate(30, random_state=1, bias={"q": 100.0}, ban="q")


@pytest.mark.parametrize("value", [np.float32(100), np.int64(100), np.float64(100)])
def test_numbers_of_numpy_are_numbers(value):
    assert fitted().generate(3, random_state=1, bias={"q": value}) == "qqq"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("bias", {"e": value}) for value in ("much", None, True, math.nan, math.inf, [1])],
        *[("bias", value) for value in (5, "e", [("e", 1.0)])],
        ("ban", 5),
        *[("min_p", value) for value in (-0.1, 1.1, math.nan, "some", None)],
        *[("repetition_penalty", value) for value in (0, -1.0, math.nan, None)],
    ],
)
@pytest.mark.parametrize("write", ["generate", "stream"])
def test_a_way_to_choose_that_makes_no_sense_is_refused_at_once(write, name, value):
    with pytest.raises(ParameterError, match=rf"{name} .*must be .*, got "):
        getattr(fitted(), write)(5, **{name: value})


@pytest.mark.parametrize(
    ("model", "symbol"),
    [(fitted, "é"), (fitted, "to"), (fitted, 5), (fitted, END), (fitted_on_bytes, "e"), (words, "zebra"), (names, "x")],
)
def test_a_symbol_that_the_model_does_not_know_can_be_neither_banned_nor_biased(model, symbol):
    for choices in ({"ban": [symbol]}, {"bias": {symbol: 1.0}}):
        with pytest.raises(UnknownSymbol, match=rf"^{symbol!r} is no symbol that the model knows; expected one "):
            model().generate(5, **choices)


@pytest.mark.parametrize("write", ["generate", "stream", "generate_many", "candidates"])
def test_an_unknown_way_to_choose_lists_the_known(write):
    count = () if write in ("generate", "stream") else (2,)
    with pytest.raises(ParameterError) as caught:
        getattr(fitted(), write)(*count, 5, heat=0.5)
    assert str(caught.value) == (
        "there is no way to choose symbols called 'heat'; there are 'temperature', 'top_k', 'top_p', 'min_p', "
        "'repetition_penalty', 'greedy', 'bias' and 'ban'"
    )


@pytest.mark.parametrize("prime", ["to be", "to be or not to be, that is the question. " * 2])
@pytest.mark.parametrize("penalty", [0.7, 1.3, 5.0])
def test_a_penalty_looks_back_over_64_symbols_of_prime_and_text(prime, penalty):
    text = prime
    for _ in range(70):
        ids = [fitted().classes_.index(symbol) for symbol in text]
        z = fitted().network_.forward(np.array(ids)[:, None])[0][-1, 0].astype(np.float64)
        for symbol in set(ids[-64:]):
            z[symbol] = z[symbol] / penalty if z[symbol] > 0 else z[symbol] * penalty
        text += fitted().classes_[int(z.argmax())]
    assert prime + fitted().generate(70, prime, greedy=True, repetition_penalty=penalty) == text


# ---------------------------------------------------------------------- candidates


def log_likelihood(model, prime, symbols, read=list):
    """Added up from what the model says after each position; ``read`` cuts the prime into symbols."""
    before = read(prime)
    text = prime + "".join(symbol for symbol in symbols if symbol != END)
    p = model.predict_proba(text)[len(before) - 1 :]
    return sum(math.log(p[place, model.classes_.index(symbol)]) for place, symbol in enumerate(symbols))


def assert_likelihood(candidate, expected, symbols):
    assert candidate.symbols == symbols
    assert candidate.log_likelihood == pytest.approx(expected, rel=1e-5)
    assert candidate.loss == pytest.approx(-expected / symbols, rel=1e-5)


@pytest.mark.parametrize("choices", [{}, {"temperature": 2.0, "top_k": 5}, {"bias": {"q": 2.0}}], ids=str)
def test_candidates_have_the_likelihood_of_the_model_as_it_is(choices):
    for found in fitted().candidates(8, 12, "to be", random_state=1, **choices):
        assert_likelihood(found, log_likelihood(fitted(), "to be", found.text), 12)


def test_the_end_of_a_document_counts_as_a_symbol_of_it():
    found = names().candidates(20, 9, "an", random_state=1)
    ended = [candidate for candidate in found if len(candidate.text) < 9]
    assert 0 < len(ended) < 20
    for candidate in found:
        symbols = [*candidate.text, *([END] if candidate in ended else [])]
        assert_likelihood(candidate, log_likelihood(names(), "an", symbols), len(symbols))


def test_a_document_that_ends_at_once_has_a_likelihood():
    (found,) = names().candidates(1, 9, "an", bias={END: 100.0})
    assert_likelihood(found, log_likelihood(names(), "an", [END]), 1)


def test_the_symbols_of_a_stop_are_those_that_were_written():
    for found in fitted().candidates(8, 30, "to be", random_state=1, stop="t"):
        symbols = found.text + ("t" if found.symbols > len(found.text) else "")
        assert_likelihood(found, log_likelihood(fitted(), "to be", symbols), len(symbols))


def test_candidates_of_words():
    """The likelihood of the first word, which is all there is."""
    p = dict(zip(words().classes_, words().predict_proba("to be")[-1], strict=True))
    for found in words().candidates(8, 1, "to be", random_state=1):
        (symbol,) = (word for word in p if found.text.strip() == word.strip())
        assert_likelihood(found, math.log(p[symbol]), 1)


def test_candidates_of_an_empty_prime_begin_where_generation_does():
    """In a text without line breaks that is its first symbol."""
    for found in fitted().candidates(3, 12, random_state=1):
        assert_likelihood(found, log_likelihood(fitted(), "t", found.text), 12)


@everywhere
def test_candidates_are_what_generate_many_writes_the_likeliest_first(model):
    found = model().candidates(8, 20, random_state=1, temperature=1.5)
    assert sorted(candidate.text for candidate in found) == sorted(
        model().generate_many(8, 20, random_state=1, temperature=1.5)
    )
    losses = [candidate.loss for candidate in found]
    assert losses == sorted(losses)
    assert all(0 < loss < math.inf for loss in losses)


def test_candidates_of_no_length():
    assert fitted().candidates(2, 0, "to") == [Candidate("", 0.0, 0)] * 2
    assert Candidate("", 0.0, 0).loss == 0


# ---------------------------------------------------------------------- beam search


@cache
def letters():
    """A model of three letters."""
    rng = np.random.default_rng(0)
    return small(max_steps=60).fit("".join(rng.choice(list("abc"), 600, p=[0.5, 0.3, 0.2])))


@cache
def short_documents():
    """A model of documents of two letters."""
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("ab"), size)) for size in rng.integers(1, 9, 60)]
    return small(max_steps=60).fit([*texts, "abababab"])


def likelihood_after(model, prime, symbols, bias):
    """As ``log_likelihood``, with a bias on the outputs."""
    added = np.array([bias.get(symbol, 0.0) for symbol in model.classes_])
    text = prime + "".join(symbol for symbol in symbols if symbol != END)
    total = 0.0
    for place, symbol in enumerate(symbols):
        weights = np.exp(np.log(model.predict_proba(text)[len(prime) - 1 + place].astype(np.float64)) + added)
        total += math.log(weights[model.classes_.index(symbol)] / weights.sum())
    return total


def exhaustive(model, prime, length, *, bias=None, is_whole=lambda text: False):
    """All texts of so many symbols, or of fewer that are whole, the likeliest per symbol first and equal ones once.

    Each is ``(text, symbols, log-likelihood)``; ``is_whole`` tells it of the symbols so far.
    """
    bias = bias or {}
    allowed = [symbol for symbol in model.classes_ if bias.get(symbol, 0.0) > -math.inf]
    found = []
    for size in range(1, length + 1):
        for symbols in product(allowed, repeat=size):
            begun = any(symbols[place] == END or is_whole("".join(symbols[: place + 1])) for place in range(size - 1))
            whole = symbols[-1] == END or is_whole("".join(symbols))
            if not begun and (whole or size == length):
                text = "".join(symbol for symbol in symbols if symbol != END)
                found.append((text, size, likelihood_after(model, prime, symbols, bias)))
    return once(sorted(found, key=lambda parts: -parts[2] / parts[1]))


def once(ranked):
    """Of equal texts the likeliest."""
    first = {parts[0]: parts for parts in reversed(ranked)}
    return [parts for parts in ranked if first[parts[0]] is parts]


def assert_found(found, expected):
    """Texts of equal loss to five digits may stand in any order."""
    assert len(found) == len(expected)
    assert {(candidate.text, candidate.symbols) for candidate in found} == {parts[:2] for parts in expected}
    for candidate, (_, size, likelihood) in zip(found, expected, strict=True):
        assert candidate.loss == pytest.approx(-likelihood / size, rel=1e-5)
    of_text = {(text, size): likelihood for text, size, likelihood in expected}
    for candidate in found:
        assert candidate.log_likelihood == pytest.approx(of_text[candidate.text, candidate.symbols], rel=1e-5)


@pytest.mark.parametrize("prime", ["a", "cab"])
@pytest.mark.parametrize("length", [1, 3, 4])
def test_with_as_many_beams_as_there_are_texts_it_finds_them_all_in_order(prime, length):
    expected = exhaustive(letters(), prime, length)
    assert len(expected) == 3**length
    assert_found(letters().beam_search(length, prime, beams=3**length), expected)
    assert_found(letters().beam_search(length, prime, beams=1000), expected)


@pytest.mark.parametrize("bias", [{"b": -math.inf}, {"a": 1.0, "c": -0.5}], ids=str)
def test_a_search_minds_bias_and_ban(bias):
    """What it finds has the likelihood of the model as it is."""
    banned = {symbol for symbol, value in bias.items() if value == -math.inf}
    expected = [parts for parts in exhaustive(letters(), "a", 4) if not banned & set(parts[0])]
    assert_found(letters().beam_search(4, "a", beams=1000, bias=bias), expected)
    best = exhaustive(letters(), "a", 4, bias=bias)[:3]
    few = letters().beam_search(4, "a", beams=81, bias=bias)
    assert {parts[0] for parts in best} <= {candidate.text for candidate in few}
    assert letters().beam_search(4, "a", beams=1000, ban="b") == letters().beam_search(
        4, "a", beams=1000, bias={"b": -math.inf}
    )


@pytest.mark.parametrize("length", [1, 3, 4])
def test_a_search_ends_with_the_document(length):
    expected = exhaustive(short_documents(), "ab", length)
    assert len(expected) == 2 ** (length + 1) - 1
    assert_found(short_documents().beam_search(length, "ab", beams=1000), expected)


def test_a_search_that_may_not_end_runs_to_the_full_length():
    expected = [parts for parts in exhaustive(short_documents(), "ab", 4) if parts[1] == len(parts[0]) == 4]
    assert len(expected) == 2**4
    assert_found(short_documents().beam_search(4, "ab", beams=1000, ban=[END]), expected)


@pytest.mark.parametrize("stop", ["b", "ab", "ca"])
def test_a_search_ends_before_a_stop(stop):
    expected = [
        (text.removesuffix(stop), size, likelihood)
        for text, size, likelihood in exhaustive(letters(), "a", 4, is_whole=lambda text: text.endswith(stop))
    ]
    found = letters().beam_search(4, "a", beams=1000, stop=stop)
    assert_found(found, expected)
    assert not any(stop in candidate.text for candidate in found)


def test_a_document_ends_at_a_stop_or_at_its_end_in_a_search():
    expected = [
        (text.removesuffix("ba"), size, likelihood)
        for text, size, likelihood in exhaustive(short_documents(), "ab", 4, is_whole=lambda text: text.endswith("ba"))
    ]
    assert_found(short_documents().beam_search(4, "ab", beams=1000, stop=["ba"]), once(expected))


@pytest.mark.parametrize("beams", [1, 2, 5])
def test_a_narrow_search_tells_no_more_than_its_beams_in_order(beams):
    for model, prime in ((fitted(), "to be"), (names(), "an")):
        found = model.beam_search(8, prime, beams=beams)
        assert len(found) == beams
        losses = [candidate.loss for candidate in found]
        assert losses == sorted(losses)
        for candidate in found:
            symbols = [*candidate.text, *([END] if len(candidate.text) < candidate.symbols else [])]
            assert_likelihood(candidate, log_likelihood(model, prime, symbols), len(symbols))


@pytest.mark.parametrize("model", [fitted, fitted_on_bytes, names, words, rare_words, parts, documents])
def test_one_beam_is_what_greedy_writes(model):
    prime = "an" if model is names else "ab" if model is documents else "to be" if model is not fitted_on_bytes else ""
    (found,) = model().beam_search(12, prime, beams=1)
    assert found.text == model().generate(12, prime, greedy=True)


@pytest.mark.parametrize("penalty", [0.5, 1.2, 3.0, 10.0])
def test_one_beam_is_what_greedy_writes_with_a_penalty(penalty):
    (found,) = fitted().beam_search(30, "to be", beams=1, repetition_penalty=penalty)
    assert found.text == fitted().generate(30, "to be", greedy=True, repetition_penalty=penalty)


def test_a_search_looks_for_repetitions_no_further_back_than_greedy_does():
    """The q of this prime is more than 64 symbols ago; without a penalty it comes next."""
    prime = "q" + "to be or not to be, that is the . " * 3
    choices = {"repetition_penalty": 100.0, "bias": {"q": 5.0}}
    greedy = fitted().generate(5, prime, greedy=True, **choices)
    assert greedy.startswith("q")
    assert [found.text for found in fitted().beam_search(5, prime, beams=1, **choices)] == [greedy]


@pytest.mark.parametrize(("model", "prime"), [(letters, "ab"), (names, "h"), (learned, "que"), (fitted, "a")])
def test_a_wide_search_finds_what_greedy_misses(model, prime):
    greedy, wide = (model().beam_search(10, prime, beams=beams)[0] for beams in (1, 300))
    assert wide.loss < 0.999 * greedy.loss


@pytest.mark.parametrize(
    ("model", "prime", "choices"),
    [
        (fitted, "to be", {"repetition_penalty": 1.5}),
        (fitted, "to be", {"bias": {"q": 2.0}, "ban": "e"}),
        (names, "an", {"repetition_penalty": 2.0}),
    ],
)
def test_what_a_search_finds_has_the_likelihood_of_the_model_as_it_is(model, prime, choices):
    found = model().beam_search(8, prime, beams=4, **choices)
    assert [candidate.loss for candidate in found] == sorted(candidate.loss for candidate in found)
    for candidate in found:
        symbols = [*candidate.text, *([END] if len(candidate.text) < candidate.symbols else [])]
        assert_likelihood(candidate, log_likelihood(model(), prime, symbols), len(symbols))


def test_a_search_and_candidates_tell_one_likelihood():
    """In words ``<unk>`` is banned, and the model finds it likely."""
    drawn = {found.text: found for found in rare_words().candidates(60, 3, "to be", random_state=1)}
    for found in rare_words().beam_search(3, "to be", beams=8):
        assert found.log_likelihood == pytest.approx(drawn[found.text].log_likelihood, rel=1e-5)


@cache
def long_or_short():
    """A model to which one long document is certain once it has begun, and short ones are likelier to begin with."""
    return small(hidden_size=16, max_steps=300, learning_rate=0.03).fit(
        [*"abcdefgh" * 12, *["xyzuvwxyzuvwxyzuvw"] * 24]
    )


@pytest.mark.parametrize("beams", [2, 3, 5])
def test_a_search_goes_on_while_a_beginning_is_better_than_what_has_ended(beams):
    best = long_or_short().beam_search(30, beams=beams)[0]
    assert best.text == "xyzuvwxyzuvwxyzuvw"
    assert best == long_or_short().beam_search(30, beams=60)[0]


def test_a_search_knows_by_heart_what_was_learned():
    assert documents().beam_search(100, "abc")[0].text == "defghi"
    assert learned().beam_search(12, "to be or not")[0].text == " to be, that"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *[({"beams": value}, "beams must be an integer of at least 1, got") for value in (0, -1, 2.5, True, None)],
        *[({"length": value}, "length must be an integer of at least 1, got") for value in (0, -1, 2.5, True)],
        *[
            ({name: 1}, f"beam search draws nothing, so that {name} has no meaning there; leave it out")
            for name in ("temperature", "top_k", "top_p", "min_p", "greedy", "random_state")
        ],
        ({"ban": 5}, "ban must be a list of symbols"),
        ({"repetition_penalty": 0}, "repetition_penalty must be a number above 0"),
        ({"stop": ""}, "stop must be text that is not empty"),
    ],
)
def test_what_a_search_does_not_take(arguments, message):
    with pytest.raises(ParameterError, match=f"^{message}"):
        fitted().beam_search(**{"length": 5} | arguments)


@pytest.mark.parametrize("arguments", [{"prime": "é"}, {"stop": "é"}, {"ban": "é"}, {"bias": {"é": 1.0}}])
@pytest.mark.parametrize("write", ["beam_search", "candidates", "generate_many"])
def test_what_the_model_does_not_know_is_refused_everywhere(write, arguments):
    count = () if write == "beam_search" else (2,)
    with pytest.raises(UnknownSymbol):
        partial(getattr(fitted(), write), *count, 5)(**arguments)


def test_unknown_symbols_of_a_prime_may_be_left_out():
    assert fitted().beam_search(5, "bée", unknown="skip") == fitted().beam_search(5, "be")
    assert fitted().candidates(2, 5, "bée", unknown="skip", random_state=1) == fitted().candidates(
        2, 5, "be", random_state=1
    )


# ---------------------------------------------------------------------- copies


def test_which_texts_are_documents_that_were_learned():
    assert names().copies(["anna banana", "anna", "", "hannah"]) == [True, False, False, True]
    assert names().copies(["anna banan", "annanna"]) == [False, False]
    assert names().copies([]) == []


def test_documents_that_were_held_out_were_given_too():
    assert all(names().copies(NAMES))


def test_a_text_with_a_symbol_that_the_model_never_saw_is_no_copy():
    assert names().copies(["anXna banana", "hannah!"]) == [False, False]


def test_a_text_that_differs_in_a_rare_word_is_no_copy():
    model = small(level="word", vocab_size=5).fit(["the cat sat on the mat", "the cow sat on the mat"] * 10)
    assert model.classes_ == ["the", "mat", "on", "<unk>", END]
    assert model.copies(["the cow sat on the mat", "the dog sat on the mat", "the on the mat"]) == [True, False, False]


def test_bytes_are_copies_of_their_text():
    model = small(level="byte", max_steps=1).fit(["déjà vu", "là où l'été naît"] * 10)
    assert model.copies(["déjà vu", "déjà vu".encode(), "déjà"]) == [True, True, False]


def test_a_loaded_model_knows_its_documents(tmp_path):
    names().save(tmp_path / "model")
    assert load(tmp_path / "model").copies(["hannah", "hanna h"]) == [True, False]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("anna", "got str"),
        (b"anna", "got bytes"),
        (5, "got int"),
        ([1], "got int among them"),
        (["a", None], "NoneType"),
    ],
)
def test_only_texts_can_be_copies(texts, message):
    with pytest.raises(DataError, match=f"^expected a list of texts, .*{message}"):
        names().copies(texts)


def test_a_model_of_one_text_knows_no_documents():
    with pytest.raises(DataError, match="the model does not know which documents it learned from"):
        fitted().copies(["to be"])
