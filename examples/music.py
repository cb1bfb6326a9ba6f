"""Many notes at once: chord progressions by rule, learned with the Bernoulli loss, a yes or no for each note.

Every fourth step a chord is drawn after the one before it: C goes to F, G or Am, and so on. At each step its three
notes sound, and one of them an octave higher, drawn by chance. A network of 64 GRU units reads the notes of a step and
says for each of 24 keys how likely it sounds in the next.

Two bounds are told beside its loss. Who knows the chord and the beat, but answers for each note by itself, cannot be
better than the sum of the entropies of the notes: 2.711 nats, which the network comes near. The entropy of the rule is
less, 1.277, since notes of one step depend on each other: where a chord changes, notes drawn one by one may be of two
chords. At the end it plays by itself. It takes 10 seconds.

    python examples/music.py [--steps 1500] [--to music.png]
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from throughtime import Batch, Network
from throughtime.layers import Dense, Recurrent
from throughtime.losses import Bernoulli
from throughtime.optimizers import Optimizer
from throughtime.optimizers.schedules import Cosine
from throughtime.training import Drawn, History, Plan, Training

arguments = argparse.ArgumentParser(description="chord progressions")
arguments.add_argument("--steps", type=int, default=1_500)
arguments.add_argument("--to", type=Path, default=Path("music.png"))
options = arguments.parse_args()

KEYS, BEATS, T, N, H = 24, 4, 64, 32, 64
CHORDS = {"C": (0, 4, 7), "F": (0, 5, 9), "G": (2, 7, 11), "Am": (0, 4, 9)}
NEXT = np.array([[0, 0.5, 0.3, 0.2], [0.2, 0, 0.8, 0], [0.7, 0, 0, 0.3], [0, 0.6, 0.4, 0]])  # in the order of CHORDS
TRIADS = np.zeros((len(CHORDS), KEYS))
for row, notes in zip(TRIADS, CHORDS.values(), strict=True):
    row[list(notes)] = 1


def play(rng, steps, rows):
    """Notes [steps, rows, 24] by the rule, 1 where one sounds; every row begins with C."""
    notes, chord = np.zeros((steps, rows, KEYS)), np.zeros(rows, int)
    for t in range(steps):
        if t and t % BEATS == 0:
            chord = (NEXT[chord].cumsum(axis=1) < rng.uniform(size=(rows, 1))).sum(axis=1)
        notes[t] = TRIADS[chord]
        melody = np.array(list(CHORDS.values()))[chord, rng.integers(3, size=rows)]
        notes[t, np.arange(rows), 12 + melody] = 1
    return notes


def bounds():
    """Nats per step in the long run: the entropy of the rule, and the sum of those of the notes."""
    share = np.linalg.matrix_power(NEXT, 200)[0]  # how often each chord comes
    sounds = TRIADS + np.roll(TRIADS, 12, axis=1) / 3  # the probability of each note, given the chord
    rule = share @ entropy(NEXT).sum(axis=1) / BEATS + np.log(3)
    within, at_a_change = share @ binary(sounds), share @ binary(NEXT @ sounds)
    return rule, ((BEATS - 1) * within + at_a_change) / BEATS


def entropy(p):
    return -p * np.log(np.where(p > 0, p, 1))


def binary(p):
    return (entropy(p) + entropy(1 - p)).sum(axis=-1)


def batch(rng, rows):
    notes = play(rng, T + 1, rows)
    return Batch(notes[:-1], notes[1:])


network = Network([Recurrent("gru", KEYS, H), Dense(H, KEYS)], Bernoulli(), random_state=1)
history = History(None, unit="nats per note")
plan = Plan(options.steps, 0.01, Cosine(), seed=1)
Training(network, Optimizer("adam", clip_norm=5.0), plan, history).run(Drawn(N, lambda rng: batch(rng, N)))

others = batch(np.random.default_rng(2), 500)
often = binary(others.targets.mean(axis=(0, 1)))
rule, by_note = bounds()
print(f"network                          {KEYS * network.loss(others)[0]:.3f} nats per step")
print(f"at best, each note by itself     {by_note:.3f}")
print(f"the rule, all notes together     {rule:.3f}")
print(f"how often each note comes        {often:.3f}")

# It plays: each note is drawn by its probability, and what was drawn is read next.
rng, state = np.random.default_rng(3), None
played = play(rng, 1, 50)
for _ in range(T - 1):
    outputs, state = network.step(played[-1], state)
    drawn = rng.uniform(size=outputs.shape) < 1 / (1 + np.exp(-outputs))
    played = np.concatenate([played, drawn[None]])
chord = (played[..., None, :12] == TRIADS[:, :12]).all(axis=-1)  # [T, rows, chords]
print(f"it plays one of the four chords in {chord.any(axis=-1).mean():.1%} of the steps; a row begins:")
names = np.array([*CHORDS, "?"])
print(" ".join(names[np.where(chord.any(axis=-1), chord.argmax(axis=-1), -1)[:32, 0]]))

axes = Figure(figsize=(8, 4), layout="constrained").subplots()
axes.imshow(played[:, 0].T, origin="lower", aspect="auto", cmap="Greys", interpolation="nearest")
axes.set(xlabel="step", ylabel="key", title="What it plays")
axes.figure.savefig(options.to, dpi=150)
print(f"the notes are in {options.to}")
