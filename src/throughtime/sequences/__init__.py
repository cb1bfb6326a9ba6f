"""Estimators of whole sequences: their class, a number of theirs, or a tag for each step."""

from __future__ import annotations

from throughtime.sequences.baselines import Guess
from throughtime.sequences.classifier import SequenceClassifier
from throughtime.sequences.regressor import SequenceRegressor
from throughtime.sequences.report import Report, Score
from throughtime.sequences.tagger import SequenceTagger

__all__ = ["Guess", "Report", "Score", "SequenceClassifier", "SequenceRegressor", "SequenceTagger"]
