"""Averages of what is missing over weighted particles: tables, targets, ratings."""

from .imputation import Imputation
from .impute import impute
from .predict import Prediction, predict
from .ratings import predict_ratings
from .refine import refined_guide

__all__ = [
    "Imputation",
    "Prediction",
    "impute",
    "predict",
    "predict_ratings",
    "refined_guide",
]
