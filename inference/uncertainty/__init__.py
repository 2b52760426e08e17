"""Uncertainty of the parameters and of answers: Laplace approximation and pooling."""

from .coefficients import coefficient_posterior
from .multiple import MultipleImputation, multiple_imputation
from .parameters import ParameterPosterior
from .regression import Regression
from .rubin import Pooled, pool

__all__ = [
    "MultipleImputation",
    "ParameterPosterior",
    "Pooled",
    "Regression",
    "coefficient_posterior",
    "multiple_imputation",
    "pool",
]
