"""Optimizers, one rule a file; clipping; schedules of the learning rate."""

from __future__ import annotations

from throughtime.optimizers import schedules
from throughtime.optimizers.adagrad import adagrad
from throughtime.optimizers.adam import adam, adamw
from throughtime.optimizers.optimizer import RULES, Optimizer, get
from throughtime.optimizers.rmsprop import rmsprop
from throughtime.optimizers.rule import Rule
from throughtime.optimizers.sgd import momentum, sgd

__all__ = ["RULES", "Optimizer", "Rule", "adagrad", "adam", "adamw", "get", "momentum", "rmsprop", "schedules", "sgd"]
