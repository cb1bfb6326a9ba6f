"""How fast a model of words is trained, beside what its multiplications would take at 70 % of this machine's peak.

The text is the language reference that ships with Python. A training step multiplies and adds, for each word,
3 * (E * G * H + H * G * H + H * K) times: forward, and twice as often on the way back; looking up an embedding costs
none. The vocabulary has at most 8,000 words; the text has fewer, so that in a second row words without a meaning, once
each, fill it up.

    python benchmarks/words.py   # adds a record to benchmarks/results/words.jsonl
"""

from __future__ import annotations

import datetime
from pathlib import Path
from pydoc_data.topics import topics
from statistics import median

from throughtime import TextGenerator
from throughtime.benchmark import record
from throughtime.benchmark.limits import fma_rate
from throughtime.benchmark.record import append, checkout, cpu, versions
from throughtime.engine.compiled.threads import available
from throughtime.text import Words

RESULTS = Path(__file__).parent / "results" / "words.jsonl"
WORDS, SHARE, ROUNDS, STEPS = 8_000, 0.7, 3, 150


def symbols_per_second(text: str, pad: int) -> tuple[TextGenerator, float]:
    """The median of some trainings; ``pad`` more words stand at the end of the text, once each."""
    text += " " + " ".join(f"w{number:04d}" for number in range(pad))
    rates = []
    for _ in range(ROUNDS):
        model = TextGenerator(level="word", vocab_size=WORDS, max_steps=STEPS, validation=0, random_state=1, verbose=0)
        model.fit(text)
        rates.append(model.training_.symbols / model.training_.seconds)
    return model, median(rates)


def main() -> None:
    text = "\n\n".join(topics.values())
    peak = 1e9 * fma_rate(available())
    rows = []
    words = len(Words.of([text]))
    for pad in (0, WORDS - words):
        model, rate = symbols_per_second(text, pad)
        H, E, K = model.hidden_size_, model.embedding_size_, len(model.classes_)
        flops = 2 * 3 * (E * 4 * H + H * 4 * H + H * K)
        possible = SHARE * peak / flops
        print(f"{K:,} words, LSTM of {H}: {rate:,.0f} words a second, {rate / possible:.2f} of {possible:,.0f}")
        rows.append(
            {"words": K, "hidden_size": H, "embedding_size": E, "rate": round(rate), "share": round(rate / possible, 3)}
        )
    commit, changed = checkout(Path(record.__file__).parent)
    today = datetime.date.today().isoformat()
    where = {"date": today, "commit": commit, "changed": changed, "cpu": cpu(), "versions": versions()}
    append(RESULTS, where | {"peak_gflops": round(peak / 1e9, 1), "rows": rows})


if __name__ == "__main__":
    main()
