"""The classic character RNN: an Elman network learns text letter by letter, with SGD and with Adagrad.

One hundred tanh units, one-hot input, chunks of 25 characters read in one row, every element of the gradient clipped to
±5. Each optimizer is run at three learning rates; the best run of each is drawn into one picture.

    python examples/character_rnn.py [--text FILE] [--steps 10000] [--to character_rnn.png]
"""

import argparse
from pathlib import Path
from pydoc_data.topics import topics

from matplotlib.figure import Figure

from throughtime import TextGenerator
from throughtime.disk import check_output
from throughtime.errors import InputError
from throughtime.text.reading import read

RATES = {"sgd": (0.03, 0.1, 0.3), "adagrad": (0.01, 0.03, 0.1)}

arguments = argparse.ArgumentParser(description="Adagrad against SGD on the classic character RNN")
arguments.add_argument("--text", type=Path, help="a text file; by default the Python language reference")
arguments.add_argument("--steps", type=int, default=10_000)
arguments.add_argument("--to", type=Path, default=Path("character_rnn.png"))
options = arguments.parse_args()
try:
    text = "\n\n".join(read(options.text, level="char").texts if options.text else topics.values())
    check_output(options.to)
except InputError as error:
    arguments.error(str(error))

best = {}
for optimizer, rates in RATES.items():
    for learning_rate in rates:
        model = TextGenerator(
            cell="elman", hidden_size=100, embedding_size=0, initializer="normal", dropout=0,
            seq_len=25, batch_size=1, clip_value=5, clip_norm=None,
            optimizer=optimizer, learning_rate=learning_rate, schedule="constant",
            max_steps=options.steps, validation=0, random_state=1, verbose=0,
        ).fit(text)  # fmt: skip
        loss = model.history_.smooth_loss[-1]
        print(f"{optimizer:<8} rate {learning_rate:<5} loss {loss:.3f} nats per character (smoothed, at the end)")
        if optimizer not in best or loss < best[optimizer].history_.smooth_loss[-1]:
            best[optimizer] = model

axes = Figure(figsize=(7, 4), layout="constrained").subplots()
for (optimizer, model), style in zip(best.items(), ("--", "-"), strict=True):
    axes.plot(model.history_.smooth_loss, style, label=f"{optimizer}, rate {model.learning_rate}")
axes.set(xlabel="step", ylabel="smoothed loss (nats per character)", title="Character RNN: Adagrad against SGD")
axes.legend()
axes.figure.savefig(options.to, dpi=150)

print(best["adagrad"].network_.body.describe())
ahead = best["sgd"].history_.smooth_loss[-1] - best["adagrad"].history_.smooth_loss[-1]
print(f"Adagrad is {'ahead' if ahead > 0 else 'behind'} by {abs(ahead):.3f} nats; the curves are in {options.to}")
print(best["adagrad"].generate(200, random_state=1))
