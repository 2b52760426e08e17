"""absentia: Pyro models for data that are missing not at random.

A model is a Pyro program with a generative site, a missingness site and a guide; one computation
of importance weights trains it, imputes with it and judges it.
"""

import logging
from typing import TYPE_CHECKING

from .data import IncompleteData, Ratings
from .data.errors import AbsentiaDeprecationWarning, AbsentiaError, AbsentiaWarning
from .data.moved import old_name
from .inference import (
    CSVLogger,
    FitResult,
    IdentificationWarning,
    ImportanceWeightedELBO,
    Imputation,
    MNARImputer,
    MultipleImputation,
    OutsideRangeWarning,
    Pooled,
    SensitivityCurve,
    TensorBoardLogger,
    WandbLogger,
    Weighted,
    answers,
    calibration,
    check_identification,
    check_mask,
    check_values,
    coefficient_posterior,
    compare,
    cross_check,
    delta_sensitivity,
    fit,
    held_out_bound,
    impute,
    integrate_out,
    load,
    multiple_imputation,
    pool,
    predict,
    predict_ratings,
    save,
    slope_sensitivity,
    to_arviz,
    weights,
)
from .models import (
    GNR,
    MIWAE,
    PPCA,
    ImageNotMIWAE,
    KnownMargins,
    MaskedNotMIWAE,
    Missingness,
    NotMIWAE,
    NotMIWAEPPCA,
    PatternMixture,
    RatingsNotMIWAE,
    SelectionModel,
    SelfMasking,
    SupervisedNotMIWAE,
    missing,
)
from .models.missingness import missingness

if TYPE_CHECKING:
    from .inference import plots as plots
    from .inference.report import report as report

__version__ = "0.1.0"

# a library says nothing where nobody asks: logging.basicConfig(level="INFO") shows what it logs
logging.getLogger(__name__).addHandler(logging.NullHandler())

__all__ = [
    "GNR",
    "MIWAE",
    "PPCA",
    "AbsentiaDeprecationWarning",
    "AbsentiaError",
    "AbsentiaWarning",
    "CSVLogger",
    "FitResult",
    "IdentificationWarning",
    "ImageNotMIWAE",
    "ImportanceWeightedELBO",
    "Imputation",
    "IncompleteData",
    "KnownMargins",
    "MNARImputer",
    "MaskedNotMIWAE",
    "Missingness",
    "MultipleImputation",
    "NotMIWAE",
    "NotMIWAEPPCA",
    "OutsideRangeWarning",
    "PatternMixture",
    "Pooled",
    "Ratings",
    "RatingsNotMIWAE",
    "SelectionModel",
    "SelfMasking",
    "SensitivityCurve",
    "SupervisedNotMIWAE",
    "TensorBoardLogger",
    "WandbLogger",
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
    "fit",
    "held_out_bound",
    "impute",
    "integrate_out",
    "load",
    "missing",
    "missingness",
    "multiple_imputation",
    "pool",
    "predict",
    "predict_ratings",
    "save",
    "slope_sensitivity",
    "to_arviz",
    "weights",
]

#: names that work for one more version, with a warning
_MOVED = {"collapse": "absentia.integrate_out"}


def __dir__() -> list[str]:
    """Every public name, those that are imported where first asked for included."""
    return sorted({*globals(), *__all__, "plots", "report"})


def __getattr__(name: str) -> object:
    """Import ``plots`` and ``report`` on first use, and return old names with a warning."""
    if name == "plots":
        from .inference import plots

        return plots
    if name == "report":
        from .inference.report import report

        return report
    return old_name(__name__, name, _MOVED)
