"""Layers: forward and backward side by side, parameters by name, no hidden state."""

from __future__ import annotations

from throughtime.layers.containers import Residual, Stacked, recurrent_stack
from throughtime.layers.dense import Dense
from throughtime.layers.dropout import Dropout, VariationalDropout
from throughtime.layers.inputs import Embedding, OneHot
from throughtime.layers.layer import Backward, Forward, Layer, Noise
from throughtime.layers.pool import Pool
from throughtime.layers.recurrent import Bidirectional, Recurrent

__all__ = [
    "Backward",
    "Bidirectional",
    "Dense",
    "Dropout",
    "Embedding",
    "Forward",
    "Layer",
    "Noise",
    "OneHot",
    "Pool",
    "Recurrent",
    "Residual",
    "Stacked",
    "VariationalDropout",
    "recurrent_stack",
]
