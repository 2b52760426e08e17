"""How well the data determine the parameters, and answers that say so: Laplace, pooling."""

from .coefficients import coefficient_posterior
from .multiple import MultipleImputation, multiple_imputation
from .parameters import ParameterPosterior
from .rubin import Pooled, pool

__all__ = [
    "MultipleImputation",
    "ParameterPosterior",
    "Pooled",
    "coefficient_posterior",
    "multiple_imputation",
    "pool",
]
