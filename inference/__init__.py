"""What follows from a model and the data: weights, bounds, fits, imputations, diagnostics."""

from .checks import (
    Calibration,
    MaskCheck,
    calibration,
    check_mask,
    check_values,
    compare,
    cross_check,
)
from .coefficients import coefficient_posterior
from .collapse import CollapseError, collapse
from .diagnostics import effective_sample_size, khat_threshold, pareto_khat
from .elbo import ImportanceWeightedELBO
from .estimator import MNARImputer
from .export import to_arviz
from .fit import FitResult, fit
from .held_out import held_out_bound
from .imputation import Imputation
from .impute import impute
from .loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger
from .multiple import MultipleImputation, multiple_imputation
from .nonfinite import NonFiniteLossError
from .parameters import ParameterPosterior
from .pool import Pooled, pool
from .predict import Prediction, predict
from .ratings import predict_ratings
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
    "CSVLogger",
    "Calibration",
    "CollapseError",
    "FitResult",
    "FitSettings",
    "FormatError",
    "ImportanceWeightedELBO",
    "Imputation",
    "Logger",
    "MNARImputer",
    "MaskCheck",
    "MultipleImputation",
    "NonFiniteLossError",
    "ParameterPosterior",
    "Pooled",
    "Prediction",
    "SensitivityCurve",
    "TensorBoardLogger",
    "WandbLogger",
    "WeightError",
    "Weighted",
    "answers",
    "calibration",
    "check_identification",
    "check_mask",
    "check_values",
    "coefficient_posterior",
    "collapse",
    "compare",
    "cross_check",
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
    "predict",
    "predict_ratings",
    "refined_guide",
    "save",
    "slope_sensitivity",
    "to_arviz",
    "weights",
]
