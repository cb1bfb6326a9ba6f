"""What a trained model writes, predicts and scores."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tolerances import ROWS, assert_close
from tests.trained import FRENCH, TEXT, fitted, fitted_on_bytes, learned, small

from throughtime.errors import DataError, NonFiniteLoss, ParameterError, UnknownSymbol
from throughtime.losses import softmax
from throughtime.text import Evaluation
from throughtime.text.learning import scoring_streams
from throughtime.training import Corpus

PRIME = st.text(alphabet=sorted(set(TEXT)), max_size=12)

# ---------------------------------------------------------------------- writing


@given(st.integers(0, 60), PRIME, st.integers(0, 2**64 - 1))
def test_the_length_is_exact_and_only_known_symbols_are_written(length, prime, seed):
    text = fitted().generate(length, prime, random_state=seed)
    assert len(text) == length
    assert set(text) <= set(TEXT)


def test_the_same_seed_writes_the_same():
    assert fitted().generate(50, random_state=4) == fitted().generate(50, random_state=4)
    assert fitted().generate(50, random_state=4) != fitted().generate(50, random_state=5)


def test_a_longer_text_begins_like_a_shorter():
    assert fitted().generate(50, random_state=4).startswith(fitted().generate(20, random_state=4))


@given(PRIME, st.integers(0, 100))
def test_a_stream_joined_is_what_generate_writes(prime, seed):
    pieces = list(fitted().stream(30, prime, random_state=seed, temperature=0.8))
    assert "".join(pieces) == fitted().generate(30, prime, random_state=seed, temperature=0.8)


def test_a_stream_comes_piece_by_piece():
    stream = fitted().stream(10**9, random_state=1)
    assert sum(len(next(stream)) for _ in range(20)) >= 20


def test_the_prime_is_continued_and_not_repeated():
    assert learned().generate(12, "to be or not", greedy=True) == " to be, that"
    assert learned().generate(12, "that is the ", greedy=True) == "question. to"


@pytest.mark.parametrize(("text", "start"), [("ab\n" * 40, "\n"), ("ba" * 60, "b")])
def test_an_empty_prime_begins_after_a_line_break_if_there_is_one(text, start):
    """Else after the symbol that the text begins with."""
    model = small().fit(text)
    assert model.generate(30, random_state=2) == model.generate(30, start, random_state=2)


@pytest.mark.parametrize("prime", ["", "to", "question"])
def test_greedy_is_the_same_whatever_the_seed_and_is_the_only_one_of_the_top(prime):
    greedy = fitted().generate(40, prime, greedy=True, random_state=1)
    assert fitted().generate(40, prime, greedy=True, random_state=2) == greedy
    assert fitted().generate(40, prime, top_k=1, random_state=3) == greedy
    assert fitted().generate(40, prime, top_p=1e-9, random_state=3) == greedy
    assert fitted().generate(40, prime, temperature=1e-6, random_state=3) == greedy


def test_greedy_is_the_likeliest_at_each_step():
    written = fitted().generate(20, "to", greedy=True)
    assert fitted().predict("to" + written)[1:-1] == written


def test_what_leaves_nothing_out_changes_nothing():
    plain = fitted().generate(60, random_state=1)
    assert fitted().generate(60, top_k=1000, random_state=1) == plain
    assert fitted().generate(60, top_p=1.0, random_state=1) == plain


def test_symbols_are_chosen_by_their_probability():
    """A thousand first symbols, against what the model says of them."""
    (p,) = fitted().predict_proba("t")
    found = [fitted().generate(1, "t", random_state=seed) for seed in range(1000)]
    for symbol, expected in zip(fitted().classes_, p, strict=True):
        deviation = math.sqrt(expected * (1 - expected) / 1000)
        assert found.count(symbol) / 1000 == pytest.approx(expected, abs=5 * deviation)


def test_only_the_likeliest_are_chosen():
    (p,) = fitted().predict_proba("t")
    best = {fitted().classes_[i] for i in np.argsort(p)[-3:]}
    assert {fitted().generate(1, "t", top_k=3, random_state=seed) for seed in range(60)} == best


@pytest.mark.parametrize("options", [{}, {"unknown": "error"}])
def test_a_prime_with_an_unknown_symbol_is_refused_before_anything_is_written(options):
    with pytest.raises(UnknownSymbol, match=r"^the prime contains 'é' \(position 1\), which the model never saw"):
        fitted().stream(5, "bé", **options)


def test_unknown_symbols_of_a_prime_may_be_left_out():
    assert fitted().generate(20, "bée", unknown="skip", random_state=1) == fitted().generate(20, "be", random_state=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("length", value) for value in (-1, 1.5, True, "5", None)],
        *[("temperature", value) for value in (0, -1.0, math.nan, math.inf, "hot", None)],
        *[("top_k", value) for value in (0, -1, 2.5, True)],
        *[("top_p", value) for value in (0, 1.1, -0.5, math.nan)],
        *[("greedy", value) for value in (1, None, "yes")],
        *[("random_state", value) for value in (-1, 1.5, "seed")],
        *[("unknown", value) for value in ("ignore", None)],
    ],
)
def test_a_bad_value_is_refused_by_its_name(name, value):
    with pytest.raises(ParameterError, match=f"^{name} must be .*, got "):
        fitted().generate(**{"length": 5} | {name: value})


@pytest.mark.parametrize("use", ["generate", "predict", "predict_proba"])
@pytest.mark.parametrize("text", [5, None, ["to", "be"]])
def test_what_is_no_text_is_refused(use, text):
    arguments = (5, text) if use == "generate" else (text,)
    with pytest.raises(DataError, match="expected text"):
        getattr(fitted(), use)(*arguments)


def test_a_very_small_temperature_is_no_overflow():
    assert fitted().generate(10, "to", temperature=1e-310) == fitted().generate(10, "to", greedy=True)


# ---------------------------------------------------------------------- bytes


@given(st.integers(0, 60), st.integers(0, 100))
def test_bytes_are_written_as_valid_text(length, seed):
    text = fitted_on_bytes().generate(length, random_state=seed)
    assert text.encode().decode() == text
    assert len(text) <= length


def test_a_stream_of_bytes_cuts_no_character_in_two():
    whole = fitted_on_bytes().generate(200, random_state=3)
    assert "à" in whole
    assert "".join(fitted_on_bytes().stream(200, random_state=3)) == whole


@pytest.mark.parametrize(("length", "text"), [(0, ""), (1, "\ufffd"), (2, "é"), (3, "é\ufffd"), (4, "éé")])
def test_half_a_character_at_the_end_is_shown_as_such(length, text):
    """This model knows that the bytes of é take turns."""
    model = small(level="byte", validation=0.0, max_steps=40).fit("é" * 200)
    assert model.generate(length, "é", greedy=True) == text


def test_bytes_may_be_primed_with_text_or_bytes():
    model = fitted_on_bytes()
    assert model.generate(20, "déjà", random_state=1) == model.generate(20, "déjà".encode(), random_state=1)


def test_bytes_are_predicted_as_bytes():
    predicted = fitted_on_bytes().predict("déjà")
    assert isinstance(predicted, bytes)
    assert len(predicted) == len("déjà".encode())
    assert fitted_on_bytes().predict_proba("déjà").shape == (6, len(set(FRENCH.encode())))


# ---------------------------------------------------------------------- predictions


@given(PRIME.filter(bool))
def test_probabilities_have_a_row_for_each_position(text):
    p = fitted().predict_proba(text)
    assert p.shape == (len(text), len(fitted().classes_))
    assert (p >= 0).all()
    assert_close(p.sum(axis=1), np.ones(len(text), np.float32), ROWS["float32"])
    assert fitted().predict(text) == "".join(fitted().classes_[i] for i in p.argmax(axis=1))


def test_probabilities_are_those_of_the_network():
    ids = fitted().vocabulary_.encode("to be")
    outputs, _ = fitted().network_.forward(ids[:, None])
    assert np.array_equal(fitted().predict_proba("to be"), softmax(outputs[:, 0]))


def test_what_is_predicted_depends_on_the_past_alone():
    assert_close(fitted().predict_proba("to be")[:2], fitted().predict_proba("to"), ROWS["float32"])


def test_a_text_that_is_known_by_heart_is_predicted():
    text = TEXT[:84]
    assert learned().predict(text)[10:-1] == text[11:]


@pytest.mark.parametrize("use", ["predict", "predict_proba"])
def test_what_cannot_be_predicted_from(use):
    with pytest.raises(DataError, match="the text is empty; there is no position to predict from"):
        getattr(fitted(), use)("")
    with pytest.raises(UnknownSymbol, match=r"the text contains 'é' \(position 1\)"):
        getattr(fitted(), use)("bé")


def test_unknown_symbols_may_be_left_out_of_a_prediction():
    assert np.array_equal(fitted().predict_proba("bée", unknown="skip"), fitted().predict_proba("be"))


# ---------------------------------------------------------------------- scores


def biased(*biases):
    """A model of 'a' and 'b' whose outputs are these numbers, whatever it reads."""
    model = small(dtype="float64", max_steps=1).fit("ab" * 40)
    weights = {name: w * 0 for name, w in model.network_.parameters.items()}
    (output_bias,) = (name for name, w in weights.items() if w.shape == (2,))
    weights[output_bias] = np.array(biases, dtype=np.float64)
    model.network_.set_parameters(weights)
    return model


def test_a_model_that_knows_nothing_has_the_perplexity_of_its_symbols():
    score = biased(0.0, 0.0).evaluate("abba" * 30)
    assert score.symbols == 119
    assert score.loss == pytest.approx(math.log(2), abs=ROWS["float64"])
    assert score.bits_per_symbol == pytest.approx(1.0, abs=ROWS["float64"])
    assert score.perplexity == pytest.approx(2.0, abs=ROWS["float64"])


def test_a_score_on_paper():
    """Outputs log 3 and 0: p(a) = 3/4. Of 'aab' the second a and the b count: -log 3/4 and -log 1/4."""
    score = biased(math.log(3), 0.0).evaluate("aab")
    assert score == Evaluation(pytest.approx((math.log(4 / 3) + math.log(4)) / 2, abs=ROWS["float64"]), 2, characters=3)


def test_documents_are_scored_without_their_first_symbols():
    model = biased(math.log(3), 0.0)
    assert model.evaluate(["aa", "b", "", "ab"]).symbols == 2
    assert model.evaluate(["aa", "b", "", "ab"]).loss == pytest.approx(model.evaluate("aab").loss, abs=ROWS["float64"])


def test_a_score_is_that_of_the_predictions():
    text = TEXT[5:300]
    p = fitted().predict_proba(text)
    ids = fitted().vocabulary_.encode(text)
    expected = -np.log(p[np.arange(len(ids) - 1), ids[1:]]).mean()
    assert fitted().evaluate(text).loss == pytest.approx(expected, rel=1e-5)


def test_rows_do_not_change_a_score():
    """Warmed up on 256 symbols each, which is far more than this model remembers."""
    long = TEXT * 8
    p = fitted().predict_proba(long)
    ids = fitted().vocabulary_.encode(long)
    expected = -np.log(p[np.arange(len(ids) - 1), ids[1:]]).mean()
    assert scoring_streams(Corpus.of([ids])).rows > 1
    assert fitted().evaluate(long).loss == pytest.approx(expected, rel=1e-5)


def test_a_file_is_scored_like_its_text(tmp_path):
    (tmp_path / "a.txt").write_text("to be or", encoding="utf-8")
    assert fitted().evaluate(tmp_path / "a.txt") == fitted().evaluate("to be or")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the text is empty"),
        ("t", "the text has fewer than two symbols in a row; there is nothing to score"),
        (["t", "o"], "the text has fewer than two symbols in a row"),
    ],
)
def test_what_cannot_be_scored(text, message):
    with pytest.raises(DataError, match=message):
        fitted().evaluate(text)


def test_unknown_symbols_of_a_score():
    with pytest.raises(UnknownSymbol, match=r"^the text contains 'é' \(position 4\)"):
        fitted().evaluate("to bé")
    assert fitted().evaluate("to bée", unknown="skip") == fitted().evaluate("to be")


@pytest.mark.parametrize("engine", ["compiled", "numpy"])
def test_a_beam_search_says_that_the_outputs_are_no_numbers(engine):
    model = small(max_steps=1, engine=engine).fit("ab" * 50)
    model.network_.parameters["output.c"][...] = np.nan
    model.network_.changed()
    with pytest.raises(NonFiniteLoss, match="the network's outputs are not finite numbers; its weights are of no use"):
        model.beam_search(3, "a")
