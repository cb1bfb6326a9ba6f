"""The word-level RNN: which word comes next?

Sentences as documents, their ends as a symbol, the 8,000 most frequent words and ``<unk>``, 100 tanh units, one-hot
input, plain SGD one sentence at a time, and back-propagation truncated after 4 steps. First the forward pass of a
network that knows nothing: its loss is that of guessing, log K. Then the training, and what it expects by arg-max.

    python examples/next_word.py [--text FILE] [--sentences 1000] [--epochs 2]
"""

import argparse
import math
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np

from throughtime import Batch, TextGenerator
from throughtime.errors import InputError
from throughtime.text.documents import sentences
from throughtime.text.reading import read

arguments = argparse.ArgumentParser(description="the word-level RNN")
arguments.add_argument("--text", type=Path, help="a text file; by default the Python language reference")
arguments.add_argument("--sentences", type=int, default=1_000, help="how many are learned")
arguments.add_argument("--epochs", type=int, default=2)
options = arguments.parse_args()
try:
    text = "\n\n".join(read(options.text, level="char").texts if options.text else topics.values())
except InputError as error:
    arguments.error(str(error))
found = [sentence for sentence in sentences(text.lower()) if 4 <= len(sentence.split()) <= 40]
learned = found[: options.sentences]

settings = {
    "level": "word", "vocab_size": 8_000, "cell": "elman", "hidden_size": 100, "embedding_size": 0, "dropout": 0,
    "initializer": "uniform", "bptt_truncate": 4, "batch_size": 1, "optimizer": "sgd", "learning_rate": 0.05,
    "schedule": "constant", "clip_norm": None, "validation": 0, "random_state": 1, "verbose": 0,
}  # fmt: skip

# What a network that has learned next to nothing (one sentence) makes of a sentence: outputs for every word.
untrained = TextGenerator(**settings, max_steps=1).fit(learned)
vocabulary, K = untrained.vocabulary_, len(untrained.classes_)
ids = vocabulary.document(learned[10])
outputs, _ = untrained.network_.forward(ids[:-1, None])
loss, _ = untrained.network_.loss(Batch(x=ids[:-1, None], targets=ids[1:, None]))
print(f"{len(learned):,} sentences, {K:,} words; one sentence of {len(ids) - 2}: {learned[10]}")
print(f"outputs {outputs[:, 0].shape}, arg-max {outputs[:, 0].argmax(axis=1)[:8].tolist()} ...")
print(f"expected loss of guessing {math.log(K):.3f}, loss {loss:.3f}")

# Train: the loss falls and stays stable, because gradients go back only 4 steps.
model = TextGenerator(**settings, epochs=options.epochs).fit(learned)
steps = model.history_.loss
tenth = max(1, len(steps) // 10)
for start in range(0, len(steps), tenth):
    print(f"step {start + 1:>6,}: {np.mean(steps[start : start + tenth]):.3f} nats per word")
if not np.mean(steps[-tenth:]) < np.mean(steps[:tenth]):
    raise SystemExit("the loss did not fall")

for beginning in ("the", "if the", "this is"):
    likeliest = model.predict(beginning)[-1]
    print(f"{beginning} -> {likeliest!r}; {beginning}{model.generate(12, beginning, random_state=2)}")
