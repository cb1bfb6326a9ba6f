"""Estimators of whole sequences: their class, a number of theirs, or a tag for each step."""

from __future__ import annotations

from throughtime.sequences.baselines import Baseline
from throughtime.sequences.classifier import SequenceClassifier
from throughtime.sequences.regressor import SequenceRegressor
from throughtime.sequences.report import Report, Score
from throughtime.sequences.tagger import SequenceTagger

__all__ = ["Baseline", "Report", "Score", "SequenceClassifier", "SequenceRegressor", "SequenceTagger"]
