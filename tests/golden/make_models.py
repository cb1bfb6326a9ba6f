"""Writes small model files of the present format, each with what it predicts: later versions have to read them.

    python tests/golden/make_models.py

A file that lies there already is never written again. Beside ``format1-Forecaster.safetensors`` stands
``format1-Forecaster.json`` with what ``answers`` gave for the model before it was saved.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from throughtime import Forecaster, SequenceClassifier, SequenceTagger, TextGenerator, files

FOLDER = Path(__file__).parent / "models"
SMALL = {"hidden_size": 4, "max_steps": 20, "random_state": 1, "verbose": 0}

TEXT = "to be or not to be, that is the question. " * 10
DAYS = [str(day) for day in np.datetime64("2024-01-01") + np.arange(42)]
TABLE = {
    "shop": ["north"] * 42 + ["south"] * 42,
    "day": DAYS * 2,
    "sales": [float(100 + 7 * (t % 7) + t) for t in range(42)] + [float(20 - t % 7) for t in range(42)],
    "kind": ["big"] * 42 + ["small"] * 42,
}
WORDS, LABELS = ["abba", "baab", "cdc", "ddcd"] * 4, ["low", "low", "high", "high"] * 4
SENTENCES, TAGS = [["Anna", "lives", "in", "Rome"]] * 4, [["PER", "O", "O", "LOC"]] * 4
DATA = {
    TextGenerator: (TEXT,),
    Forecaster: (TABLE,),
    SequenceClassifier: (WORDS, LABELS),
    SequenceTagger: (SENTENCES, TAGS),
}
"""What ``fit`` of each kind is given."""


def models():
    """Trained models by their kinds."""
    roles = {"target": "sales", "static": "kind", "time": "day", "series": "shop"}
    made = (
        TextGenerator(embedding_size=3, **SMALL),
        Forecaster(3, **roles, **SMALL),
        SequenceClassifier(embedding_size=3, **SMALL),
        SequenceTagger(embedding_size=3, **SMALL),
    )
    return {type(model).__name__: model.fit(*DATA[type(model)]) for model in made}


def answers(model):
    """What a model says, as lists of numbers."""
    kind = type(model).__name__
    if kind == "TextGenerator":
        return model.predict_proba("to be").tolist()
    if kind == "Forecaster":
        return model.predict_quantiles(TABLE).tolist()
    if kind == "SequenceClassifier":
        return model.predict_proba(["abba", "dcd", "new"]).tolist()
    return [p.tolist() for p in model.predict_proba([["Anna", "saw", "Rome"], ["Rome"]])]


def main():
    FOLDER.mkdir(exist_ok=True)
    for kind, model in models().items():
        path = FOLDER / f"format{files.FORMAT}-{kind}.safetensors"
        if not path.exists():
            model.save(path)
            path.with_suffix(".json").write_text(json.dumps(answers(model)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
