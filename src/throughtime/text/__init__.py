"""Text: vocabularies, the estimator that learns to write, and what it is compared with."""

from __future__ import annotations

from throughtime.text.evaluation import Evaluation
from throughtime.text.generator import TextGenerator
from throughtime.text.ngram import NGram
from throughtime.text.vocabularies import Bytes, Characters, Subwords, Vocabulary, Words
from throughtime.text.witten_bell import Baseline
from throughtime.text.writing import Candidate

__all__ = [
    "Baseline",
    "Bytes",
    "Candidate",
    "Characters",
    "Evaluation",
    "NGram",
    "Subwords",
    "TextGenerator",
    "Vocabulary",
    "Words",
]
