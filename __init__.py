"""absentia: Pyro models for data that are missing not at random.

A model is a Pyro program with a generative site, a missingness site and a guide; one computation
of importance weights trains it, imputes with it and judges it.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING

from .data.moved import old_name

if TYPE_CHECKING:
    from .data import IncompleteData, Ratings
    from .data.errors import AbsentiaDeprecationWarning, AbsentiaError, AbsentiaWarning
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
    from .inference import plots as plots
    from .inference.report import report as report
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


#: public modules, and where they are
_MODULES = {
    "data": "data",
    "inference": "inference",
    "models": "models",
    "plots": "inference.plots",
}
#: public names that neither data, models nor inference lists, and where they are
_HOMES = {
    "AbsentiaDeprecationWarning": "data.errors",
    "AbsentiaError": "data.errors",
    "AbsentiaWarning": "data.errors",
    "missingness": "models.missingness",
    "report": "inference.report",
}


def __dir__() -> list[str]:
    """Return every public name, those that have not been imported yet included."""
    return sorted({*globals(), *__all__, *_MODULES, *_HOMES})


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a public name on first use: ``absentia --help`` need not wait for torch."""
        if name in _MODULES:
            return import_module(f".{_MODULES[name]}", __name__)
        if name in _HOMES:
            return getattr(import_module(f".{_HOMES[name]}", __name__), name)
        if name in __all__:
            for layer in ("data", "models", "inference"):
                module = import_module(f".{layer}", __name__)
                if name in module.__all__:
                    return getattr(module, name)
        return old_name(__name__, name, _MOVED)
