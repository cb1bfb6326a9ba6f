"""Counting: Witten-Bell n-grams against dictionaries, and against numbers worked on paper."""

import math
import this
from collections import Counter, defaultdict
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils import get_tags
from tests.tolerances import HAND, assert_close

from throughtime import TextGenerator
from throughtime.errors import DataError, NotFittedError, ParameterError, UnknownSymbol
from throughtime.text import Baseline, NGram, witten_bell
from throughtime.text.vocabularies import LEVELS, Characters
from throughtime.text.witten_bell import MOST_ORDER, baseline, learn, losses, probabilities
from throughtime.training import Corpus

SOURCE = Path(this.__file__).read_text(encoding="utf-8")
K = 4
SEQUENCES = st.lists(st.lists(st.integers(0, K - 1), max_size=14), min_size=1, max_size=4).filter(any)

thorough = settings(max_examples=150)


def corpus(sequences):
    return Corpus.of([np.array(sequence, np.uint16) for sequence in sequences])


# ---------------------------------------------------------------------- the oracle


def counted(learned, order):
    """What came after each run of up to ``order - 1`` symbols, and how often."""
    after = defaultdict(Counter)
    for sequence in learned:
        for place in range(1, len(sequence)):
            for n in range(min(order - 1, place) + 1):
                after[tuple(sequence[place - n : place])][sequence[place]] += 1
    return after


def expected(after, symbols, before, symbol, order):
    """WB-1 and WB-2, one symbol at a time."""
    p = 1 / symbols
    for n in range(min(order - 1, len(before)) + 1):
        seen = after.get(tuple(before[len(before) - n :]))
        if seen:
            p = (seen[symbol] + len(seen) * p) / (seen.total() + len(seen))
    return p


def all_expected(learned, scored, symbols, order):
    after = counted(learned, order)
    return np.array(
        [
            expected(after, symbols, sequence[:place], sequence[place], order)
            for sequence in scored
            for place in range(1, len(sequence))
        ]
    )


def expected_loss(learned, scored, symbols, order):
    return -np.log(all_expected(learned, scored, symbols, order)).mean()


# ---------------------------------------------------------------------- probabilities


@thorough
@given(SEQUENCES, SEQUENCES)
def test_all_orders_are_what_dictionaries_give(learned, scored):
    found = list(probabilities(learn(corpus(learned), K), corpus(scored), K))
    assert len(found) == MOST_ORDER
    for order, p in enumerate(found, start=1):
        assert_close(p, all_expected(learned, scored, K, order), HAND, f"order {order}")


@pytest.mark.parametrize("symbols", [2, 300, 65_536])
def test_so_are_long_sequences_of_few_and_of_many_symbols(symbols):
    draws = np.random.default_rng(symbols)
    runs = draws.integers(0, symbols, (8, 12))
    learned, scored = ([np.concatenate(runs[draws.integers(0, 8, 20)]).tolist() for _ in range(3)] for _ in range(2))
    for order, p in enumerate(probabilities(learn(corpus(learned), symbols), corpus(scored), symbols), start=1):
        assert_close(p, all_expected(learned, scored, symbols, order), HAND, f"order {order}")


@pytest.mark.parametrize("longest", range(1, 9))
def test_orders_beyond_the_longest_sequence_are_like_the_last_one(longest):
    learned = [list(range(length)) for length in range(longest + 1)]
    found = list(probabilities(learn(corpus(learned), 9), corpus([list(range(9))]), 9))
    for order, p in enumerate(found, start=1):
        assert_close(p, all_expected(learned, [list(range(9))], 9, min(order, longest)), HAND, f"order {order}")


@thorough
@given(SEQUENCES, st.lists(st.integers(0, K - 1), min_size=1, max_size=9))
def test_the_probabilities_of_all_next_symbols_sum_to_one(learned, before):
    scored = corpus([[*before, symbol] for symbol in range(K)])
    for p in probabilities(learn(corpus(learned), K), scored, K):
        assert_close(p.reshape(K, -1)[:, -1].sum(), np.float64(1), HAND)
        assert p.min() > 0


PAPER = [
    [3 / 7, 3 / 7, 2 / 7],
    [17 / 21, 3 / 14, 1 / 7],
    [17 / 21, 3 / 28, 1 / 7],
]
"""The text 'abcab', of which b, c, a and b have a symbol before them, expects 'b', 'b' and 'a' in 'abba'.

order 1   4 symbols, 3 different    p(b) = (2 + 3/3) / 7 = 3/7     p(a) = (1 + 3/3) / 7 = 2/7
order 2   after a only b, twice     p(b | a) = (2 + 3/7) / 3 = 17/21
          after b only c, once      p(b | b) = (0 + 3/7) / 2 = 3/14     p(a | b) = (0 + 2/7) / 2 = 1/7
order 3   only a is before b        p(b | a) = 17/21
          after ab only c, once     p(b | ab) = (0 + 3/14) / 2 = 3/28
          bb was never seen         p(a | bb) = p(a | b) = 1/7
"""


def test_on_paper():
    found = probabilities(learn(corpus([[0, 1, 2, 0, 1]]), 3), corpus([[0, 1, 1, 0]]), 3)
    for p, by_hand in zip(found, PAPER, strict=False):
        assert_close(p, np.array(by_hand), HAND)


def test_on_paper_through_the_model():
    by_hand = [-sum(map(math.log, p)) / 3 for p in PAPER]
    assert_close(np.array(NGram(3).fit("abcab").losses("abba")), np.array(by_hand), HAND)


def test_nothing_is_counted_across_documents():
    """'ab' and 'cd': c never comes after b, so that of two symbols, both different, p(c) = (0 + 2/4) / 4 = 1/8."""
    apart, together = (
        [p[0] for p in islice(probabilities(learn(corpus(texts), 4), corpus([[1, 2]]), 4), 2)]
        for texts in ([[0, 1], [2, 3]], [[0, 1, 2, 3]])
    )
    assert apart == [1 / 8, 1 / 8]
    assert together[1] > together[0]


def test_nothing_is_expected_across_documents():
    learned = [[0, 1, 2, 3] * 3]
    found = list(probabilities(learn(corpus(learned), 4), corpus([[0, 1], [2, 3]]), 4))
    assert [len(p) for p in found] == [2] * MOST_ORDER
    assert_close(found[-1], all_expected(learned, [[0, 1], [2, 3]], 4, 2), HAND)


# ---------------------------------------------------------------------- the best order


@pytest.mark.parametrize(
    ("worth", "best", "tried"),
    [
        ([3.0, 2.0, 1.0, 1.5, 1.6, 0.1], Baseline(3, 1.0), 5),
        ([1.0, 2.0, 3.0, 0.1], Baseline(1, 1.0), 3),
        ([3.0, 2.0, 2.5, 1.0, 1.1, 0.9, 1.2, 0.8], Baseline(8, 0.8), 8),
        ([3.0, 1.0, 2.0, 1.5, 1.6, 1.7, 0.1], Baseline(2, 1.0), 6),
        ([8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0], Baseline(8, 1.0), 8),
    ],
)
def test_the_best_order_is_looked_for_until_two_in_a_row_are_worse(monkeypatch, worth, best, tried):
    left = iter(worth)
    monkeypatch.setattr(witten_bell, "losses", lambda *_: left)
    assert baseline(corpus([[0, 1]]), corpus([[0, 1]]), 2) == best
    assert list(left) == worth[tried:]


def test_the_baseline_of_a_text_is_the_best_that_dictionaries_give():
    codes = list(SOURCE.encode("ascii"))
    learned, scored = [codes[:700]], [codes[700:]]
    worth = [expected_loss(learned, scored, 128, order) for order in range(1, MOST_ORDER + 1)]
    found = baseline(corpus(learned), corpus(scored), 128)
    assert found.order == 1 + worth.index(min(worth))
    assert_close(found.loss, min(worth), HAND)
    assert found.in_words() == f"a {found.order}-gram gets {min(worth):.3f}"


@pytest.mark.parametrize("length", [2, 3, 4])
def test_there_is_a_baseline_for_short_documents(length):
    documents = [[0, *([1] * (length - 2)), 0]] * 5
    assert_close(
        np.array(list(losses(corpus(documents), corpus(documents), 2))),
        np.array([expected_loss(documents, documents, 2, order) for order in range(1, MOST_ORDER + 1)]),
        HAND,
    )
    assert baseline(corpus(documents), corpus(documents), 2).order <= length


def test_of_a_large_text_a_part_is_counted_and_a_part_scored(monkeypatch):
    monkeypatch.setattr(witten_bell, "MOST_LEARNED", 50)
    monkeypatch.setattr(witten_bell, "MOST_SCORED", 20)
    draws = np.random.default_rng(3)
    a, b, c, d = (draws.integers(0, 2, size).tolist() for size in (40, 30, 15, 30))
    worth = [expected_loss([a[20:], b], [c, d[:5]], 2, order) for order in range(1, MOST_ORDER + 1)]
    found = baseline(corpus([a, b]), corpus([c, d]), 2)
    assert_close(found.loss, worth[found.order - 1], HAND)


SORTED = [[0, 0, 0, 0, 0, 0]] * 40 + [[0, 1, 0, 1, 0, 1]] * 40
"""Documents of two kinds, one after the other."""


def test_of_many_documents_those_that_are_counted_and_scored_come_from_everywhere(monkeypatch):
    """Of a sorted list the end would be of one kind, and the beginning of another."""
    monkeypatch.setattr(witten_bell, "MOST_LEARNED", 120)
    monkeypatch.setattr(witten_bell, "MOST_SCORED", 120)
    whole = min(losses(corpus(SORTED), corpus(SORTED), 2))
    for seed in range(5):
        found = baseline(corpus(SORTED), corpus(SORTED), 2, seed=seed)
        assert found.counted == 120
        assert found.loss == pytest.approx(whole, abs=0.12)
    assert baseline(corpus(SORTED), corpus(SORTED), 2).loss > whole + 0.2
    assert baseline(corpus(SORTED), corpus(SORTED), 2, seed=1) == baseline(corpus(SORTED), corpus(SORTED), 2, seed=1)


def test_it_is_told_how_much_was_counted_where_that_is_not_all(monkeypatch):
    assert baseline(corpus([[0, 1] * 30]), corpus([[0, 1]]), 2).counted is None
    monkeypatch.setattr(witten_bell, "MOST_LEARNED", 50)
    assert baseline(corpus([[0, 1] * 30]), corpus([[0, 1]]), 2).counted == 50
    assert Baseline(8, 1.5, 2_000_000).in_words() == "an 8-gram, counted on 2,000,000 symbols, gets 1.500"


# ---------------------------------------------------------------------- the model


@pytest.mark.parametrize("name", LEVELS)
def test_a_model_of_any_level_is_what_dictionaries_give(name):
    model = NGram(4, level=name).fit(SOURCE)
    text = SOURCE[100:400]
    ids, symbols = (model.vocabulary_.encode(part).tolist() for part in (SOURCE, text))
    worth = [expected_loss([ids], [symbols], len(model.vocabulary_), order) for order in range(1, 5)]
    assert_close(np.array(model.losses(text)), np.array(worth), HAND)


@pytest.mark.parametrize("name", LEVELS)
def test_a_model_of_documents_expects_their_first_symbols_and_their_ends(name):
    lines = ["to be or", "not to be", "or", "to"] * 3
    model = NGram(3, level=name).fit(lines)
    end = len(model.vocabulary_) - 1

    def documents(texts):
        return [[end, *model.vocabulary_.encode(text).tolist(), end] for text in texts]

    evaluation = model.evaluate(["to", "not"])
    assert model.vocabulary_.symbols[end] == "<end>"
    assert_close(evaluation.loss, expected_loss(documents(lines), documents(["to", "not"]), end + 1, 3), HAND)
    assert evaluation.symbols == sum(len(document) - 1 for document in documents(["to", "not"]))
    assert evaluation.characters == 5


def test_an_evaluation_is_told_in_other_units():
    model = NGram(2, level="word").fit("to be or not to be")
    evaluation = model.evaluate("to be, or to be")
    assert (evaluation.symbols, evaluation.characters, evaluation.unknown) == (5, 15, 1)
    assert_close(evaluation.loss, model.losses("to be, or to be")[-1], HAND)
    assert_close(evaluation.bits_per_symbol, evaluation.loss / math.log(2), HAND)
    assert_close(evaluation.bits_per_character, evaluation.loss / math.log(2) * 5 / 15, HAND)
    assert_close(evaluation.perplexity, math.exp(evaluation.loss), HAND)
    assert model.score("to be, or to be") == -evaluation.loss


@pytest.mark.parametrize("given", [["the cat sat on the mat"] * 5, "the cat sat, the cow sat: a cat. " * 9])
def test_unknown_words_are_counted_like_any_symbol(given):
    model = NGram(4, level="word", vocab_size=4).fit(given)
    vocabulary = model.vocabulary_
    texts = [given] if isinstance(given, str) else given
    learned = [vocabulary.document(text).tolist() for text in texts]
    (unknown,) = vocabulary.unwritten
    assert sum(ids.count(unknown) for ids in learned) > len(learned)
    scored = [vocabulary.document("the dog sat").tolist()]
    worth = [expected_loss(learned, scored, len(vocabulary), order) for order in range(1, 5)]
    assert_close(np.array(model.losses("the dog sat")), np.array(worth), HAND)
    of_arrays = list(islice(losses(corpus(learned), corpus(scored), len(vocabulary)), 4))
    assert_close(np.array(model.losses("the dog sat")), np.array(of_arrays), HAND)


def test_unknown_words_are_counted_with_the_vocabulary_of_another_model():
    text = "the cat sat, the cow sat: a cat. " * 9
    own = NGram(3, level="word", vocab_size=4).fit(text)
    assert NGram(3).fit(text, vocabulary=own.vocabulary_).losses(text) == own.losses(text)


def test_bytes_are_counted_as_characters_of_utf8():
    assert NGram(2, level="byte").fit("déjà vu " * 9).evaluate("déjà".encode()).characters == 4


def test_what_is_skipped_is_not_counted():
    evaluation = NGram(2).fit("abababa").evaluate("ab??ab", unknown="skip")
    assert (evaluation.symbols, evaluation.characters) == (3, 4)


def test_a_network_and_a_model_of_counts_count_alike():
    network = TextGenerator(hidden_size=2, max_steps=1, seq_len=8, random_state=1, verbose=0).fit(SOURCE)
    text = "Gur Mra bs Clguba, ol Gvz Crgref"
    ours, theirs = NGram(2).fit(SOURCE).evaluate(text), network.evaluate(text)
    assert (ours.symbols, ours.characters, ours.unknown) == (theirs.symbols, theirs.characters, theirs.unknown)


def test_a_higher_order_knows_more_of_its_own_text():
    worth = NGram(8).fit(SOURCE).losses(SOURCE)
    assert len(worth) == 8
    assert worth == sorted(worth, reverse=True)


@pytest.mark.parametrize("text", [["a"], ["ab"], ["a", "b"], ["ab", "ba"]])
def test_a_model_may_be_made_from_a_short_text(text):
    model = NGram(8).fit(text)
    documents = [model.vocabulary_.document(part).tolist() for part in [*text, "aaaaa"]]
    worth = [expected_loss(documents[:-1], documents[-1:], len(model.vocabulary_), order) for order in range(1, 9)]
    assert_close(np.array(model.losses("aaaaa")), np.array(worth), HAND)


def test_of_a_longer_text_the_end_is_counted():
    vocabulary = Characters.of(["abc"])
    short = NGram(3, max_symbols=6).fit("aaaaaaaaabcabc", vocabulary=vocabulary)
    assert short.losses("abcab") == NGram(3).fit("abcabc", vocabulary=vocabulary).losses("abcab")
    assert NGram(3, max_symbols=None).fit("abcabc").losses("abcab") == NGram(3).fit("abcabc").losses("abcab")


def test_of_many_documents_those_that_are_counted_are_drawn():
    texts = ["aaaaaa"] * 40 + ["ababab"] * 40
    part, whole = (NGram(3, max_symbols=most).fit(texts) for most in (160, None))
    assert (part.counted_, whole.counted_) == (160, None)
    assert part.losses(texts)[-1] == pytest.approx(whole.losses(texts)[-1], abs=0.12)
    assert part.losses(texts) == NGram(3, max_symbols=160).fit(texts).losses(texts)


def test_it_has_the_manners_of_an_estimator():
    model = NGram(order=3, level="word")
    assert model.get_params() == {"order": 3, "level": "word", "vocab_size": None, "max_symbols": 2_000_000}
    assert clone(model).set_params(order=2).get_params()["order"] == 2
    assert repr(model) == "NGram(order=3, level='word')"
    with pytest.raises(ParameterError, match="NGram has no parameter 'n'; it has 'order', 'level', "):
        model.set_params(n=3)
    assert not get_tags(model).non_deterministic
    search = GridSearchCV(NGram(), {"order": [1, 3]}, cv=2).fit(["abcabc"] * 4)
    assert search.best_params_ == {"order": 3}


def test_a_vocabulary_may_be_that_of_another_model():
    vocabulary = Characters.of(["abcde"], ends=True)
    model = NGram(2).fit("ab?ab", vocabulary=vocabulary)
    assert model.vocabulary_ is vocabulary
    assert_close(model.evaluate("ba").loss, expected_loss([[5, 0, 1, 0, 1, 5]], [[5, 1, 0, 5]], 6, 2), HAND)


def test_a_text_of_which_the_vocabulary_knows_nothing_teaches_nothing():
    model = NGram(1).fit("???", vocabulary=Characters.of(["abcd"]))
    assert_close(model.evaluate("ab").loss, math.log(4), HAND)


def test_the_size_of_the_vocabulary():
    assert len(NGram(2, level="word", vocab_size=3).fit("a a a b b c").vocabulary_) == 3
    assert len(NGram(2, level="bpe", vocab_size=260).fit(SOURCE).vocabulary_) == 260


def test_a_model_reads_files_and_cuts_them(tmp_path):
    path = tmp_path / "names.csv"
    path.write_text("name,n\nanna,1\notto,2\n", encoding="utf-8")
    assert NGram(2).fit(path).vocabulary_.end is None
    model = NGram(2).fit(path, column="name")
    assert model.vocabulary_.symbols == ["a", "n", "o", "t", "<end>"]
    assert model.evaluate(path, column="name").symbols == 2 * 5
    assert NGram(2).fit("anna\notto", split="lines").losses("anna") == model.losses("anna")


def test_one_document_that_was_cut_has_ends():
    assert NGram(2).fit("anna", split="lines").vocabulary_.end == 2


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("use", ["losses", "evaluate", "score"])
def test_a_model_that_has_counted_nothing_says_so(use):
    with pytest.raises(NotFittedError, match="this NGram has not learned anything yet; call fit first"):
        getattr(NGram(), use)("text")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"order": 0}, "order must be an integer of at least 1 and at most 8, got 0"),
        ({"order": 9}, "order must be an integer of at least 1 and at most 8, got 9"),
        ({"order": 2.0}, "order must be an integer of at least 1 and at most 8, got 2.0"),
        ({"order": None}, "order must be an integer .*, got None"),
        ({"vocab_size": 1}, "vocab_size must be an integer of at least 2 or None, got 1"),
        ({"vocab_size": 50}, "vocab_size is for the levels 'word' and 'bpe'; level='char' takes all symbols"),
        ({"vocab_size": 50, "level": "bpe"}, "vocab_size must have room for the 256 bytes"),
        ({"max_symbols": 0}, "max_symbols must be an integer of at least 1 or None, got 0"),
        ({"level": "letter"}, "level must be one of 'char', 'byte', 'word' and 'bpe', got 'letter'"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(parameters, message):
    with pytest.raises(ParameterError, match=message):
        NGram(**parameters).fit("to be or not to be")


def test_an_unknown_symbol_is_refused_or_skipped():
    model = NGram(2).fit("abababa")
    with pytest.raises(UnknownSymbol, match=r"contains '\?' \(position 1\)"):
        model.evaluate("a?b")
    assert model.losses("a?b", unknown="skip") == model.losses("ab")


@pytest.mark.parametrize(("text", "options"), [("a", {}), (["a", "b"], {}), ("a??", {"unknown": "skip"})])
def test_a_text_with_nothing_to_predict_is_refused(text, options):
    with pytest.raises(DataError, match="fewer than two symbols in a row; there is nothing to score"):
        NGram(2).fit("abababa").evaluate(text, **options)
