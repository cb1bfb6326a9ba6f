"""Documents, levels, fine-tuning, the ways to write, and what counting comes to, from the command line."""

import json
from functools import cache

import pytest
from tests.cli.conftest import SMALL
from tests.trained import TEXT, fitted, fitted_on_bytes, small

from throughtime import load
from throughtime.text import NGram, learning

NAMES = ["anna banana", "hanna", "nana", "ann", "hannah"] * 8
SENTENCES = "To be or not? That is it! It is 3.5 m long. " * 12
TABLE = "number,name\n" + "".join(f'{place},"{name}"\n' for place, name in enumerate(NAMES))
WORDS = "one two three\nfour, five six\n" * 30


@pytest.fixture(autouse=True)
def untimed(monkeypatch):
    """The first steps are not timed, which takes a third of a second and changes nothing but what is said."""
    monkeypatch.setattr(learning, "seconds_per_step", lambda *arguments: 1e-3)


@cache
def documents():
    """A model of documents that knows them well enough to write some of them again."""
    return small(max_steps=150).fit(NAMES)


@cache
def words():
    return small(level="word").fit(WORDS)


@cache
def lines():
    """A model of one text with line breaks."""
    return small().fit(WORDS)


@pytest.fixture
def file(tmp_path):
    """A model, or a text, in the working folder; tells its name."""

    def write(content, name="given"):
        if isinstance(content, str):
            (tmp_path / name).write_text(content, encoding="utf-8")
        else:
            content.save(tmp_path / name)
        return name

    return write


def said(result):
    """Standard output, of a command that has nothing else to say."""
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def last_line(result):
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


# ---------------------------------------------------------------------- train


@pytest.mark.parametrize(
    ("text", "given", "options", "cut"),
    [
        ("\n".join(NAMES) + "\n", ["--lines"], {}, {"split": "lines"}),
        (SENTENCES, ["--sentences"], {}, {"split": "sentences"}),
        (TABLE, ["--column", "name"], {}, {"column": "name"}),
        (TABLE, ["--column", "name", "--lines"], {}, {"column": "name", "split": "lines"}),
        (WORDS, ["--level", "word"], {"level": "word"}, {}),
        (WORDS, ["--level", "word", "--vocab-size", "5"], {"level": "word", "vocab_size": 5}, {}),
        (
            "one two, three four five - six!\n" * 30,
            ["--level", "word", "--lines"],
            {"level": "word"},
            {"split": "lines"},
        ),
        (WORDS, ["--level", "bpe", "--vocab-size", "270"], {"level": "bpe", "vocab_size": 270}, {}),
    ],
)
def test_train_leaves_the_model_that_the_library_makes(cli, file, tmp_path, text, given, options, cut):
    report = last_line(cli("train", file(text), "-o", "found", "--json", *SMALL, *given))
    model = small(**options).fit(text, **cut)
    model.save(tmp_path / "expected", notes=load(tmp_path / "found").notes_)
    assert (tmp_path / "found").read_bytes() == (tmp_path / "expected").read_bytes()
    assert (report["ngram_order"], report["ngram_loss"], report["ngram_counted"]) == model.baseline_


def test_train_tells_what_counting_comes_to(cli, text):
    order, loss, _ = fitted().baseline_
    result = cli("train", text, "-o", "m", *SMALL)
    assert f", an {order}-gram gets {loss:.3f}; 20 steps in " in result.stdout
    assert f"nats per symbol; an {order}-gram gets {loss:.3f}" in result.stderr


def test_train_without_validation_counts_nothing(cli, text):
    report = last_line(cli("train", text, "-o", "m", "--validation", 0, "--json", *SMALL))
    assert (report["ngram_loss"], report["ngram_order"]) == (None, None)
    assert last_line(cli("info", "m", "--json"))["ngram_order"] is None
    assert "-gram" not in cli("info", "m").stdout


def test_info_tells_what_counting_came_to(cli, model):
    answer = last_line(cli("info", model, "--json"))
    assert (answer["ngram_order"], answer["ngram_loss"], answer["ngram_counted"]) == fitted().baseline_
    assert cli("info", model).stdout.endswith(f"; {fitted().baseline_.in_words()}\n")


def test_train_tells_of_empty_documents(cli, file):
    result = cli("train", file("\n\n".join(NAMES)), "--lines", "-o", "m", *SMALL)
    assert "documents left out: 39 that are empty" in result.stderr.splitlines()


def test_train_goes_on_with_what_a_model_has_learned(cli, file, model, tmp_path):
    more = "two beans or three, that is the quantity? " * 20
    options = ["--json", "--max-steps", 10]
    assert "the vocabulary grows by " in cli("train", file(more), "--from", model, "-o", "found", *options).stderr
    expected = load(model).set_params(warm_start=True, verbose=0, max_steps=10, learning_rate=None).fit(more)
    expected.save(tmp_path / "expected", notes=load(tmp_path / "found").notes_)
    assert (tmp_path / "found").read_bytes() == (tmp_path / "expected").read_bytes()


@pytest.mark.parametrize(
    ("given", "changes"),
    [
        ([], {}),
        (["--epochs", 1], {"epochs": 1, "max_steps": None}),
        (["--max-steps", 4], {"max_steps": 4}),
        (["--seed", 7, "--learning-rate", 0.001, "--dropout", 0.5], {"learning_rate": 0.001, "dropout": 0.5}),
        (["--hidden-size", 8, "--level", "char", "--cell", "lstm"], {}),
    ],
)
def test_what_is_not_named_stays_as_it_was(cli, text, model, given, changes, tmp_path):
    assert cli("train", text, "--from", model, "-o", "found", "-q", *given).exit_code == 0
    found = load(tmp_path / "found").get_params()
    seed = {"random_state": 7} if "--seed" in given else {}
    assert found == {**load(model).get_params(), "learning_rate": None, **changes, **seed}


def test_what_goes_on_takes_a_fifth_of_the_learning_rate(cli, text, model, tmp_path):
    """Though the model was made with a learning rate of its own."""
    assert cli("train", text, "--from", model, "-o", "found", "-q", "--schedule", "constant").exit_code == 0
    assert set(load(tmp_path / "found").history_.learning_rate) == {0.2 * 0.01}


def test_train_may_write_over_the_model_that_it_goes_on_with(cli, text, model):
    before = model.read_bytes()
    assert cli("train", text, "--from", model, "-o", model, "-q").exit_code == 0
    assert model.read_bytes() != before
    assert said(cli("sample", model, "--length", 5, "--seed", 1))


def test_a_model_of_one_text_goes_on_with_lines(cli, file, model, tmp_path):
    text = file("to be\nor not\nthat is the question\n" * 10)
    assert cli("train", text, "--lines", "--from", model, "-o", "found", "-q").exit_code == 0
    assert load(tmp_path / "found").copies(["or not", "or"]) == [True, False]


# ---------------------------------------------------------------------- sample: several


def test_several_samples_stand_on_lines(cli, model):
    expected = fitted().generate_many(3, 20, "to", random_state=3)
    result = said(cli("sample", model, "--count", 3, "--length", 20, "--prime", "to", "--seed", 3))
    assert result == "".join(f"to{text}\n" for text in expected)


def test_samples_of_several_lines_stand_apart(cli, file):
    expected = lines().generate_many(2, 60, random_state=3)
    result = said(cli("sample", file(lines()), "--count", 2, "--length", 60, "--seed", 3))
    assert result == f"{expected[0]}\n\n{expected[1]}\n"


def test_several_temperatures_have_headings(cli, model):
    result = said(
        cli("sample", model, "--count", 2, "--length", 9, "--seed", 3, "--temperature", 1, "--temperature", 0.5)
    )
    warm, cold = (fitted().generate_many(2, 9, random_state=3, temperature=heat) for heat in (1.0, 0.5))
    assert result.splitlines() == ["--- temperature 1", *warm, "--- temperature 0.5", *cold]


def test_the_same_temperature_twice_is_told_once(cli, model):
    result = said(cli("sample", model, "--length", 9, "--seed", 3, "--temperature", 0.5, "--temperature", 0.5))
    text = fitted().generate(9, random_state=3, temperature=0.5)
    assert result.splitlines() == ["--- temperature 0.5", text]


def test_samples_as_json(cli, model):
    result = cli(
        "sample", model, "--count", 2, "--length", 9, "--prime", "to", "--seed", 3, "--json", "--temperature", 2
    )
    texts = fitted().generate_many(2, 9, "to", random_state=3, temperature=2.0)
    rows = [{"text": f"to{text}", "temperature": 2.0, "copy": None} for text in texts]
    assert json.loads(said(result)) == {"samples": rows, "copies": None}


def test_one_sample_of_several_temperatures_as_json(cli, model):
    result = cli("sample", model, "--length", 9, "--seed", 3, "--json", "--temperature", 1, "--temperature", 2)
    texts = [fitted().generate(9, random_state=3, temperature=heat) for heat in (1.0, 2.0)]
    assert [row["text"] for row in last_line(result)["samples"]] == texts


def test_copies_are_told_on_standard_error(cli, file):
    texts = documents().generate_many(9, 40, random_state=1, temperature=1.2)
    number = sum(text in NAMES for text in texts)
    assert 0 < number < 9
    given = ["sample", file(documents()), "--count", 9, "--length", 40, "--seed", 1, "--temperature", 1.2]
    result = cli(*given)
    assert result.stdout.splitlines() == texts
    assert result.stderr == f"{number} of 9 are copies of documents that the model was given ({number / 9:.0%})\n"
    answer = last_line(cli(*given, "--json"))
    assert answer["copies"] == number
    assert [row["copy"] for row in answer["samples"]] == [text in NAMES for text in texts]


def test_a_copy_has_its_prime(cli, file):
    answer = last_line(cli("sample", file(documents()), "--count", 9, "--prime", "han", "--seed", 1, "--json"))
    assert [row["copy"] for row in answer["samples"]] == [row["text"] in NAMES for row in answer["samples"]]
    assert any(row["copy"] for row in answer["samples"])


def test_symbols_per_second_are_those_that_were_written(cli, file):
    answer = last_line(cli("sample", file(documents()), "--length", 100_000, "--seed", 1, "--json"))
    assert len(answer["text"]) < 50
    assert answer["symbols_per_second"] * answer["seconds"] < 1000


# ---------------------------------------------------------------------- sample: ways to choose


def test_a_sample_stops(cli, file):
    expected = lines().generate(200, "one", random_state=3).partition("\n")[0]
    assert said(cli("sample", file(lines()), "--length", 200, "--prime", "one", "--seed", 3, "--stop", "\\n")) == (
        f"one{expected}\n"
    )


@pytest.mark.parametrize(
    ("given", "options"),
    [
        (["--stop", "t"], {"stop": "t"}),
        (["--stop", "to", "--stop", "be"], {"stop": ["to", "be"]}),
        (["--ban", "e"], {"ban": "e"}),
        (["--ban", "e", "--ban", "o"], {"ban": "eo"}),
        (["--ban", "eo"], {"ban": "eo"}),
        (["--bias", "q=9"], {"bias": {"q": 9.0}}),
        (["--bias", "q=3.5", "--bias", " =-2"], {"bias": {"q": 3.5, " ": -2.0}}),
        (["--bias", "e=-inf"], {"ban": "e"}),
        (["--min-p", "0.3"], {"min_p": 0.3}),
        (["--repetition-penalty", "2"], {"repetition_penalty": 2.0}),
    ],
)
@pytest.mark.parametrize("count", [1, 2])
def test_sample_has_the_options_of_generate(cli, model, given, options, count):
    expected = fitted().generate_many(count, 30, random_state=3, **options)
    result = cli("sample", model, "--length", 30, "--count", count, "--seed", 3, *given)
    assert said(result) == "".join(f"{text}\n" for text in expected)


@pytest.mark.parametrize(
    ("given", "options"),
    [
        (["--ban", "five", "--ban", ","], {"ban": ["five", ","]}),
        (["--ban", "\\n"], {"ban": ["\n"]}),
        (["--bias", "five=9"], {"bias": {"five": 9.0}}),
        (["--stop", "four"], {"stop": "four"}),
        (["--stop", ", five"], {"stop": [", five"]}),
    ],
)
def test_options_of_a_model_of_words(cli, file, given, options):
    expected = words().generate(30, random_state=3, **options)
    assert said(cli("sample", file(words()), "--length", 30, "--seed", 3, *given)) == expected + "\n"


@pytest.mark.parametrize(
    ("given", "options"),
    [
        (["--ban", "v"], {"ban": b"v"}),
        (["--ban", "é"], {"ban": "é".encode()}),
        (["--bias", "v=9"], {"bias": {ord("v"): 9.0}}),
        (["--stop", "é"], {"stop": "é"}),
    ],
)
def test_options_of_a_model_of_bytes(cli, file, given, options):
    expected = fitted_on_bytes().generate(30, random_state=3, **options)
    assert said(cli("sample", file(fitted_on_bytes()), "--length", 30, "--seed", 3, *given)) == expected + "\n"


def test_a_byte_that_is_no_text_may_be_named(cli, file):
    """The shell's b"\\xff" arrives as a lone surrogate."""
    model = small(level="byte", max_steps=2).fit(b"\xff\x00ab" * 100)
    given = ["sample", file(model), "--length", 30, "--seed", 3]
    assert said(cli(*given, "--ban", "\udcff")) == model.generate(30, random_state=3, ban=b"\xff") + "\n"
    assert said(cli(*given, "--bias", "\udcff=-1")) == model.generate(30, random_state=3, bias={0xFF: -1.0}) + "\n"


def test_the_end_of_a_document_is_banned_by_its_name(cli, file):
    result = said(cli("sample", file(documents()), "--length", 60, "--seed", 1, "--ban", "<end>", "--ban", "b"))
    assert result == documents().generate(60, random_state=1, ban=["<end>", "b"]) + "\n"
    assert len(result) == 61


# ---------------------------------------------------------------------- sample: candidates, beams, conversation


def shown(candidates, prime):
    return "".join(f"{found.loss:7.3f} nats per symbol  {prime}{found.text}\n" for found in candidates)


def as_rows(candidates, prime, copies):
    return {
        "candidates": [
            {"text": prime + found.text, "log_likelihood": found.log_likelihood, "loss": found.loss, "copy": copy}
            for found, copy in zip(candidates, copies, strict=True)
        ],
        "copies": None if None in copies else sum(copies),
    }


def assert_ranked(cli, given, candidates, prime, copies):
    """What is printed and told of candidates, of which these are copies."""
    result = cli(*given)
    number = f"{copies.count(True)} of {len(copies)}"
    told = f"{number} are copies of documents that the model was given ({copies.count(True) / len(copies):.0%})\n"
    assert (result.stdout, result.stderr) == (shown(candidates, prime), "" if None in copies else told)
    assert json.loads(said(cli(*given, "--json"))) == as_rows(candidates, prime, copies)


def copies_of(make, candidates, prime):
    """The model of one text knows no documents."""
    return [None if make is fitted else prime + found.text in NAMES for found in candidates]


@pytest.mark.parametrize("make", [fitted, documents])
def test_candidates_are_ranked(cli, file, make):
    expected = make().candidates(4, 12, "an", random_state=3, temperature=0.7)
    given = ["sample", file(make()), "--rank", "--count", 4, "--length", 12, "--prime", "an", "--seed", 3]
    assert_ranked(cli, [*given, "--temperature", 0.7], expected, "an", copies_of(make, expected, "an"))


@pytest.mark.parametrize("make", [fitted, documents])
def test_beams_search(cli, file, make):
    expected = make().beam_search(12, "an", beams=3, ban="b", stop="nn", repetition_penalty=1.2)
    given = ["sample", file(make()), "--beams", 3, "--length", 12, "--prime", "an", "--ban", "b", "--stop", "nn"]
    assert_ranked(cli, [*given, "--repetition-penalty", 1.2], expected, "an", copies_of(make, expected, "an"))


def test_the_likeliest_text_may_be_a_copy(cli, file):
    answer = last_line(cli("sample", file(documents()), "--beams", 3, "--prime", "h", "--json"))
    assert [row["copy"] for row in answer["candidates"]] == [row["text"] in NAMES for row in answer["candidates"]]
    assert answer["copies"] == sum(row["copy"] for row in answer["candidates"]) > 0


@pytest.mark.parametrize("flag", ["--interactive", "-i"])
def test_beginnings_are_typed_and_go_on(cli, model, flag):
    result = cli("sample", model, flag, "--length", 9, "--seed", 3, "--temperature", 0.5, stdin="to\n\nquest")
    options = {"random_state": 3, "temperature": 0.5}
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        prime + fitted().generate(9, prime, **options) for prime in ("to", "", "quest")
    ]
    p = dict(zip(fitted().classes_, fitted().predict_proba("to")[-1], strict=True))
    likely = ", ".join(f"{symbol!r} {p[symbol]:.0%}" for symbol in sorted(p, key=p.get, reverse=True)[:5])
    assert f"  next: {likely}\n" in result.stderr
    assert result.stderr.count("next: ") == 2


def test_a_beginning_that_cannot_be_used_ends_no_conversation(cli, model):
    result = cli("sample", model, "-i", "--length", 9, "--seed", 3, stdin="bé\nto\n")
    assert result.exit_code == 0
    assert result.stdout == "to" + fitted().generate(9, "to", random_state=3) + "\n"
    assert "UnknownSymbol: the beginning contains 'é' (position 1)" in result.stderr
    assert "skip" not in result.stderr


def test_unknown_symbols_may_be_left_out_of_a_conversation(cli, model):
    result = cli("sample", model, "-i", "--length", 9, "--seed", 3, "--unknown", "skip", stdin="bé\nto\n")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        prime + fitted().generate(9, prime, random_state=3, unknown="skip") for prime in ("bé", "to")
    ]


def test_a_beginning_without_a_word_ends_no_conversation(cli, file):
    result = cli("sample", file(words()), "-i", "--length", 3, "--seed", 3, stdin=" \none\n")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) >= 2


# ---------------------------------------------------------------------- evaluate


def counted(level, learned, scored, **options):
    """Order and loss of the best of all n-gram models."""
    found = NGram(8, level=level).fit(learned, **options).losses(scored)
    return 1 + found.index(min(found)), min(found)


def test_a_score_beside_what_counting_comes_to(cli, model, file):
    scored = "to be or not to be, that is the question: "
    score = fitted().evaluate(scored, unknown="skip")
    order, loss = counted("char", TEXT, scored.replace(":", ""))
    given = ["evaluate", model, file(scored, "scored.txt"), "--baseline", file(TEXT), "--unknown", "skip"]
    answer = last_line(cli(*given, "--json"))
    assert list(answer)[-3:] == ["ngram_loss", "ngram_order", "ngram_counted"]
    assert answer["loss"] == score.loss
    assert (answer["ngram_order"], answer["ngram_loss"]) == (order, pytest.approx(loss, rel=1e-12))
    first, second = said(cli(*given)).splitlines()
    assert first.startswith(f"{score.loss:.4f} nats per symbol, {score.bits_per_symbol:.4f} bits, perplexity ")
    assert second == f"{loss:.4f} nats per symbol, an n-gram model of order {order} counted on the baseline"


def test_a_text_that_is_counted_and_scored_is_told(cli, model, file):
    file(TEXT, "same.txt")
    result = cli("evaluate", model, "same.txt", "--baseline", "./same.txt", "--json")
    assert result.exit_code == 0
    told = "same.txt is both counted and scored, so that the n-gram model expects it too well\n"
    assert result.stderr == told


def test_a_baseline_of_which_a_part_is_counted_says_so(cli, model, file, monkeypatch):
    monkeypatch.setattr(NGram.__init__, "__kwdefaults__", {"level": "char", "vocab_size": None, "max_symbols": 90})
    result = said(cli("evaluate", model, file("to be or"), "--baseline", file(TEXT, "learned.txt")))
    assert result.endswith(" counted on 90 symbols of the baseline\n")


def test_several_baselines_are_counted_together(cli, model, file):
    file("to be or not", "a.txt")
    file("that is the question", "b.txt")
    answer = last_line(cli("evaluate", model, file("to be"), "--baseline", "a.txt", "--baseline", "b.txt", "--json"))
    expected = counted("char", ["to be or not", "that is the question"], "to be", vocabulary=fitted().vocabulary_)
    assert (answer["ngram_order"], answer["ngram_loss"]) == expected


@pytest.mark.parametrize(
    ("text", "given", "cut"),
    [
        ("ann\nhanna\n", ["--lines"], {"split": "lines"}),
        ("x,name\n1,ann\n2,hanna\n", ["--column", "name"], {"column": "name"}),
        ("ann. \n\nhanna.", ["--sentences", "--unknown", "skip"], {"split": "sentences", "unknown": "skip"}),
    ],
)
def test_documents_are_scored_as_they_are_cut(cli, file, text, given, cut):
    score = documents().evaluate(text, **cut)
    answer = last_line(cli("evaluate", file(documents(), "m"), file(text), *given, "--json"))
    assert (answer["loss"], answer["symbols"]) == (score.loss, score.symbols) == (score.loss, 4 + 6)


def test_documents_beside_what_counting_in_lines_comes_to(cli, file):
    file("\n".join(NAMES), "learned.txt")
    given = ["evaluate", file(documents(), "m"), file("ann\nhanna\n"), "--lines", "--baseline", "learned.txt", "--json"]
    answer = last_line(cli(*given))
    assert (answer["ngram_order"], answer["ngram_loss"]) == counted("char", NAMES, ["ann", "hanna"], split="lines")


def test_unknown_words_are_told(cli, file):
    model = file(words(), "m")
    answer = last_line(cli("evaluate", model, file("one zebra, three two"), "--json"))
    assert (answer["symbols"], answer["unknown"]) == (4, 1)
    assert said(cli("evaluate", model, "given")).endswith("(4 symbols); 25.0% of them are unknown words\n")


def test_a_text_of_which_nothing_is_known_has_no_score(cli, file):
    result = cli("evaluate", file(documents(), "m"), file("xyz"), "--unknown", "skip")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1


def test_bits_for_each_character_are_told(cli, file):
    answer = last_line(cli("evaluate", file(words(), "m"), file("one two three"), "--json"))
    assert answer["bits_per_character"] == pytest.approx(answer["bits_per_symbol"] * 2 / 13)
