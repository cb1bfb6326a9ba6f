"""Text: vocabularies, and the estimator that learns to write."""

from __future__ import annotations

from throughtime.text.generator import Evaluation, TextGenerator
from throughtime.text.vocabulary import Bytes, Characters, Vocabulary

__all__ = ["Bytes", "Characters", "Evaluation", "TextGenerator", "Vocabulary"]
