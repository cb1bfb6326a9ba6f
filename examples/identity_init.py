"""The character RNN that starts from the identity: each hidden unit begins by remembering itself.

75 tanh units, one-hot input, chunks of 20 characters read in one row, every element of the gradient clipped to ±5,
Adagrad with a learning rate of 0.01. After each pass over the text it writes a sample; the loss, as it is and smoothed,
is drawn at the end. ``--activation relu`` makes it the IRNN of Le, Jaitly and Hinton (2015), which starts less calmly.

    python examples/identity_init.py [--text FILE] [--epochs 3] [--characters 100000] [--to identity_init.png]
"""

import argparse
import math
from pathlib import Path
from pydoc_data.topics import topics

from matplotlib.figure import Figure

from throughtime import TextGenerator
from throughtime.disk import check_output
from throughtime.errors import InputError
from throughtime.text.reading import read
from throughtime.training import Callback

arguments = argparse.ArgumentParser(description="the character RNN from the identity")
arguments.add_argument("--text", type=Path, help="a text file; by default the Python language reference")
arguments.add_argument("--characters", type=int, default=100_000, help="how much of it is read")
arguments.add_argument("--epochs", type=int, default=3)
arguments.add_argument("--activation", choices=["tanh", "relu"], default="tanh")
arguments.add_argument("--to", type=Path, default=Path("identity_init.png"))
options = arguments.parse_args()
try:
    text = "\n\n".join(read(options.text, level="char").texts if options.text else topics.values())
    check_output(options.to)
except InputError as error:
    arguments.error(str(error))
text = text[: options.characters]


class SampleEachEpoch(Callback):
    """Shows the smoothed loss and a sample after each pass over the text."""

    every_step = False

    def on_start(self, run):
        print(f"{run.plan.max_steps:,} steps; guessing at random costs {math.log(run.history.symbols):.3f} nats")
        self.epoch = 0

    def on_step(self, run):
        while run.step >= (self.epoch + 1) * run.plan.max_steps / options.epochs:
            self.epoch += 1
            sample = model.generate(150, random_state=self.epoch)
            print(f"--- epoch {self.epoch}: {run.history.smooth_loss[-1]:.3f} nats per character (smoothed)\n{sample}")


model = TextGenerator(
    cell="elman", activation=options.activation, hidden_size=75, embedding_size=0, initializer="identity", dropout=0,
    seq_len=20, batch_size=1, clip_value=5, clip_norm=None, optimizer="adagrad", learning_rate=1e-2,
    schedule="constant", epochs=options.epochs, validation=0, random_state=1, verbose=0, callbacks=[SampleEachEpoch()],
)  # fmt: skip
model.fit(text)

axes = Figure(figsize=(7, 4), layout="constrained").subplots()
axes.plot(model.history_.loss, color="0.85", label="loss of a step")
axes.plot(model.history_.smooth_loss, label="smoothed")
axes.set(xlabel="step", ylabel="loss (nats per character)", title=f"75 {options.activation} units from the identity")
axes.legend()
axes.figure.savefig(options.to, dpi=150)
print(f"smoothed loss {model.history_.smooth_loss[0]:.3f} -> {model.history_.smooth_loss[-1]:.3f}, in {options.to}")
