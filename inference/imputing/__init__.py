"""Imputation as averages over weighted particles: tables, targets, ratings."""

from .imputation import Imputation
from .ratings import predict_ratings
from .refine import refined_guide
from .tables import impute
from .targets import Prediction, predict

__all__ = [
    "Imputation",
    "Prediction",
    "impute",
    "predict",
    "predict_ratings",
    "refined_guide",
]
