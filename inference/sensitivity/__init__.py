"""Sensitivity: how an answer depends on what is assumed about the missing values."""

from .curve import SensitivityCurve
from .delta import delta_sensitivity
from .identification import check_identification
from .pooled import answers
from .slope import slope_sensitivity

__all__ = [
    "SensitivityCurve",
    "answers",
    "check_identification",
    "delta_sensitivity",
    "slope_sensitivity",
]
