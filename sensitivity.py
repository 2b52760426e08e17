"""Sensitivity analyses: how an answer depends on what is assumed about the missing values."""

from .inference import SensitivityCurve, answers, delta_sensitivity, slope_sensitivity

__all__ = ["SensitivityCurve", "answers", "delta_sensitivity", "slope_sensitivity"]
