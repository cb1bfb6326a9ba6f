"""Finds a grammar in DNA: a TATA box, and 10 to 20 bases behind it an initiator. Order matters, and so does the gap.

The sequences are random, of unequal lengths, and half of them hold TATAWAW (W is A or T), 10 to 20 bases, TCAKTY (K is
G or T, Y is C or T). The others are decoys: both motifs in the wrong order, both too far apart, one of them, or none.
Which motifs there are does not give the answer away, only where. Each kind should be told rightly far more often than
the majority would; then one sequence is printed twice: the probability after each base (it rises where the second motif
ends), and by how much it falls at most if that base is another one (the two motifs stand out, and nothing else).

    python examples/dna.py [--sequences 6000] [--steps 1500]
"""

import argparse
import re

import numpy as np

from throughtime import SequenceClassifier

LETTERS = {"W": "AT", "K": "GT", "Y": "CT"}
FIRST, SECOND = "TATAWAW", "TCAKTY"
KINDS = ("both, in order", "wrong order", "too far apart", "the first only", "the second only", "none")


def pattern(motif):
    return "".join(f"[{LETTERS.get(letter, letter)}]" for letter in motif)


GRAMMAR = re.compile(f"(?={pattern(FIRST)}.{{10,20}}{pattern(SECOND)})")


def bases(letters, rng):
    return "".join(rng.choice(list(LETTERS.get(letter, letter))) for letter in letters)


def sequence(kind, rng):
    """One of 60 to 120 bases, and whether the grammar is in it: a decoy may hold it by chance."""
    first, second = bases(FIRST, rng), bases(SECOND, rng)
    gap = rng.integers(25, 40) if kind == "too far apart" else rng.integers(10, 21)
    between = "".join(rng.choice(list("ACGT"), gap))
    core = {
        "both, in order": first + between + second,
        "wrong order": second + between + first,
        "too far apart": first + between + second,
        "the first only": first,
        "the second only": second,
        "none": "",
    }[kind]
    around = rng.choice(list("ACGT"), rng.integers(60, 121) - len(core))
    place = rng.integers(len(around) + 1)
    made = "".join(around[:place]) + core + "".join(around[place:])
    return made, bool(GRAMMAR.search(made))


def draw(count, rng):
    """Sequences, labels, and of which kind they are: every second one holds the grammar."""
    kinds = [KINDS[0] if i % 2 else KINDS[1 + i // 2 % 5] for i in range(count)]
    made = [sequence(kind, rng) for kind in kinds]
    return [text for text, _ in made], np.array([found for _, found in made]), np.array(kinds)


def probability(model, X):
    return model.predict_proba(X)[:, 1]


def digits(values):
    """One digit for each value from 0 to 1, and a dot where it rounds to 0."""
    return "".join(str(min(9, int(10 * value))) if value >= 0.1 else "." for value in values)


arguments = argparse.ArgumentParser(description="two motifs in DNA")
arguments.add_argument("--sequences", type=int, default=6_000, help="how many are learned")
arguments.add_argument("--steps", type=int, default=1_500)
options = arguments.parse_args()

rng = np.random.default_rng(1)
X, y, _ = draw(options.sequences, rng)
X_scored, y_scored, kinds = draw(1_000, rng)
model = SequenceClassifier(
    cell="gru", num_layers=2, embedding_size=0, max_steps=options.steps, random_state=1
).fit(X, y)  # fmt: skip
print(f"{len(X):,} sequences of {min(map(len, X))} to {max(map(len, X))} bases, {model.training_.seconds:.0f} seconds")
majority = max(y_scored.mean(), 1 - y_scored.mean())
print(f"{'accuracy':<16} {model.score(X_scored, y_scored):.3f}, the majority {majority:.3f}")
right = model.predict(X_scored) == y_scored
for kind in KINDS:
    print(f"{kind:<16} {right[kinds == kind].mean():.3f}")

# One sequence that holds it: what the network believes after each base, and what each base matters.
text = next(text for text, kind in zip(X_scored, kinds, strict=True) if kind == KINDS[0] and len(text) >= 80)
whole = probability(model, [text])[0]
after = probability(model, [text[: i + 1] for i in range(len(text))])
others = [text[:i] + base + text[i + 1 :] for i in range(len(text)) for base in "ACGT".replace(text[i], "")]
fall = whole - probability(model, others).reshape(-1, 3).min(axis=1)
motifs = list(" " * len(text))
for motif in (FIRST, SECOND):
    for found in re.finditer(pattern(motif), text):
        motifs[found.start() : found.end()] = motif
print(f"the probability of this one is {whole:.2f}; in tenths after each base, and how far another base lets it fall:")
for row in ("".join(motifs), text, digits(after), digits(fall)):
    print(f"  {row}")
