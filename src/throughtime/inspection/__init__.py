"""Looks inside: gradients compared with numerical derivatives, and pictures."""

from __future__ import annotations

from throughtime.inspection.gradients import BlockCheck, GradientReport, check_gradients, compare_gradients

__all__ = ["BlockCheck", "GradientReport", "check_gradients", "compare_gradients"]
