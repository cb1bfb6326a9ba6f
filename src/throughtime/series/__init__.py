"""Forecasts of one or many series: what goes into them, the network, intervals, baselines and backtests."""

from __future__ import annotations

from throughtime.series.backtest import Backtest
from throughtime.series.forecaster import Forecaster
from throughtime.series.metrics import Forecasts, Scores

__all__ = ["Backtest", "Forecaster", "Forecasts", "Scores"]
