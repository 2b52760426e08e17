"""Inference with a model and data: importance weights, bounds, fits, imputations, diagnostics."""

from importlib import import_module
from typing import TYPE_CHECKING

from ..data.moved import old_name

if TYPE_CHECKING:
    from .checks import (
        Calibration,
        CellCheck,
        MaskCheck,
        RowScore,
        calibration,
        check_cells,
        check_mask,
        check_values,
        compare,
        cross_check,
        energy_iscore,
        energy_score,
    )
    from .diagnostics import effective_sample_size, khat_threshold, pareto_khat
    from .elbo import ImportanceWeightedELBO
    from .estimator import MNARImputer
    from .export.tree import to_arviz
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

__all__ = [
    "CSVLogger",
    "Calibration",
    "CellCheck",
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
    "RowScore",
    "SensitivityCurve",
    "TensorBoardLogger",
    "WandbLogger",
    "WeightError",
    "Weighted",
    "answers",
    "calibration",
    "check_cells",
    "check_identification",
    "check_mask",
    "check_values",
    "coefficient_posterior",
    "compare",
    "cross_check",
    "delta_sensitivity",
    "effective_sample_size",
    "energy_iscore",
    "energy_score",
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

#: names that are imported on first use, by the module that has them
_NAMES = {
    "checks": (
        "Calibration",
        "CellCheck",
        "MaskCheck",
        "RowScore",
        "calibration",
        "check_cells",
        "check_mask",
        "check_values",
        "compare",
        "cross_check",
        "energy_iscore",
        "energy_score",
    ),
    "diagnostics": (
        "effective_sample_size",
        "khat_threshold",
        "pareto_khat",
    ),
    "elbo": ("ImportanceWeightedELBO",),
    "fitting": (
        "CSVLogger",
        "FitResult",
        "FitSettings",
        "Logger",
        "NonFiniteLossError",
        "TensorBoardLogger",
        "WandbLogger",
        "fit",
        "load",
        "save",
    ),
    "held_out": ("held_out_bound",),
    "identification": ("IdentificationWarning",),
    "importance": (
        "Weighted",
        "WeightError",
        "weights",
    ),
    "imputing": (
        "Imputation",
        "Prediction",
        "impute",
        "predict",
        "predict_ratings",
        "refined_guide",
    ),
    "imputing.beside": ("OutsideRangeWarning",),
    "integration": (
        "IntegrationError",
        "integrate_out",
    ),
    "sensitivity": (
        "SensitivityCurve",
        "answers",
        "check_identification",
        "delta_sensitivity",
        "slope_sensitivity",
    ),
    "storage": ("FormatError",),
    "uncertainty": (
        "MultipleImputation",
        "ParameterPosterior",
        "Pooled",
        "Regression",
        "coefficient_posterior",
        "multiple_imputation",
        "pool",
    ),
    "estimator": ("MNARImputer",),
    "export.tree": ("to_arviz",),
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}

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
        """Import a public name on first use: a plot of a table's gaps need not wait for torch."""
        if name in _HOMES:
            found = getattr(import_module(f".{_HOMES[name]}", __name__), name)
            globals()[name] = found  # so that this is not asked for again
            return found
        return old_name(__name__, name, _MOVED)
