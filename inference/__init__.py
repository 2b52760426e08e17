"""Inference with a model and data: importance weights, bounds, fits, imputations, diagnostics."""

from typing import TYPE_CHECKING

from ..data.moved import old_name
from .checks import (
    Calibration,
    MaskCheck,
    calibration,
    check_mask,
    check_values,
    compare,
    cross_check,
)
from .diagnostics import effective_sample_size, khat_threshold, pareto_khat
from .elbo import ImportanceWeightedELBO
from .fitting import (
    CSVLogger,
    FitResult,
    FitSettings,
    Logger,
    NonFiniteLossError,
    TensorBoardLogger,
    WandbLogger,
    fit,
    load,
    save,
)
from .held_out import held_out_bound
from .identification import IdentificationWarning
from .importance import Weighted, WeightError, weights
from .imputing import (
    Imputation,
    Prediction,
    impute,
    predict,
    predict_ratings,
    refined_guide,
)
from .imputing.beside import OutsideRangeWarning
from .integration import IntegrationError, integrate_out
from .sensitivity import (
    SensitivityCurve,
    answers,
    check_identification,
    delta_sensitivity,
    slope_sensitivity,
)
from .storage import FormatError
from .uncertainty import (
    MultipleImputation,
    ParameterPosterior,
    Pooled,
    Regression,
    coefficient_posterior,
    multiple_imputation,
    pool,
)

if TYPE_CHECKING:
    from .estimator import MNARImputer
    from .export.tree import to_arviz

__all__ = [
    "CSVLogger",
    "Calibration",
    "FitResult",
    "FitSettings",
    "FormatError",
    "IdentificationWarning",
    "ImportanceWeightedELBO",
    "Imputation",
    "IntegrationError",
    "Logger",
    "MNARImputer",
    "MaskCheck",
    "MultipleImputation",
    "NonFiniteLossError",
    "OutsideRangeWarning",
    "ParameterPosterior",
    "Pooled",
    "Prediction",
    "Regression",
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
    "compare",
    "cross_check",
    "delta_sensitivity",
    "effective_sample_size",
    "fit",
    "held_out_bound",
    "impute",
    "integrate_out",
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

#: names that work for one more version, with a warning
_MOVED = {
    "CollapseError": f"{__name__}.IntegrationError",
    "collapse": f"{__name__}.integrate_out",
}


def __dir__() -> list[str]:
    """Return every public name, those that have not been imported yet included."""
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import what needs scikit-learn or xarray, both slow, and answer to old names."""
        if name == "MNARImputer":
            from .estimator import MNARImputer

            return MNARImputer
        if name == "to_arviz":
            from .export.tree import to_arviz

            return to_arviz
        return old_name(__name__, name, _MOVED)
