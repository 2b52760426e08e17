"""What follows from a model and the data: weights, bounds, fits, imputations, diagnostics."""

from .coefficients import coefficient_posterior
from .collapse import CollapseError, collapse
from .diagnostics import effective_sample_size, khat_threshold, pareto_khat
from .elbo import ImportanceWeightedELBO
from .estimator import MNARImputer
from .fit import FitResult, fit
from .held_out import held_out_bound
from .imputation import Imputation
from .impute import impute
from .multiple import MultipleImputation, multiple_imputation
from .nonfinite import NonFiniteLossError
from .parameters import ParameterPosterior
from .pool import Pooled, pool
from .refine import refined_guide
from .sensitivity import (
    SensitivityCurve,
    answers,
    check_identification,
    delta_sensitivity,
    slope_sensitivity,
)
from .settings import FitSettings
from .storage import FormatError, load, save
from .weights import Weighted, WeightError, weights

__all__ = [
    "CollapseError",
    "FitResult",
    "FitSettings",
    "FormatError",
    "ImportanceWeightedELBO",
    "Imputation",
    "MNARImputer",
    "MultipleImputation",
    "NonFiniteLossError",
    "ParameterPosterior",
    "Pooled",
    "SensitivityCurve",
    "WeightError",
    "Weighted",
    "answers",
    "check_identification",
    "coefficient_posterior",
    "collapse",
    "delta_sensitivity",
    "effective_sample_size",
    "fit",
    "held_out_bound",
    "impute",
    "khat_threshold",
    "load",
    "multiple_imputation",
    "pareto_khat",
    "pool",
    "refined_guide",
    "save",
    "slope_sensitivity",
    "weights",
]
