"""Amputation: hiding entries of complete tables and pictures by a known mechanism."""

from .result import Amputation
from .tables import (
    above_mean,
    angular_sector,
    centre,
    extremes,
    level_self_masking,
    logistic_self_masking,
    mar,
    mcar,
    probit_self_masking,
)

__all__ = [
    "Amputation",
    "above_mean",
    "angular_sector",
    "centre",
    "extremes",
    "level_self_masking",
    "logistic_self_masking",
    "mar",
    "mcar",
    "probit_self_masking",
]
