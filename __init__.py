"""absentia: Pyro models for data that are missing not at random.

A model is a Pyro program with a generative site, a missingness site and a guide; one computation
of importance weights trains it, imputes with it and judges it.

Here stands what most analyses need. The rest has a home in ``models`` (all models and their
parts), ``data``, ``inference``, ``check``, ``sensitivity``, ``plots`` and ``experiments``, which
are imported on first use.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING

from .data.moved import old_name

if TYPE_CHECKING:
    from . import check, data, experiments, inference, models, plots, sensitivity
    from .data import IncompleteData
    from .data.errors import AbsentiaDeprecationWarning, AbsentiaError, AbsentiaWarning
    from .data.scan import scan
    from .data.table_reading import read_table
    from .inference import (
        ImportanceWeightedELBO,
        MNARImputer,
        fit,
        impute,
        load,
        multiple_imputation,
        pool,
        save,
        to_arviz,
    )
    from .inference.report import report
    from .models import MIWAE, PPCA, Missingness, NotMIWAE, NotMIWAEPPCA, missing
    from .models.missingness import missingness

__version__ = "0.1.0"

# a library says nothing where nobody asks: logging.basicConfig(level="INFO") shows what it logs
logging.getLogger(__name__).addHandler(logging.NullHandler())

__all__ = [
    "MIWAE",
    "PPCA",
    "AbsentiaDeprecationWarning",
    "AbsentiaError",
    "AbsentiaWarning",
    "ImportanceWeightedELBO",
    "IncompleteData",
    "MNARImputer",
    "Missingness",
    "NotMIWAE",
    "NotMIWAEPPCA",
    "check",
    "data",
    "experiments",
    "fit",
    "impute",
    "inference",
    "load",
    "missing",
    "missingness",
    "models",
    "multiple_imputation",
    "plots",
    "pool",
    "read_table",
    "report",
    "save",
    "scan",
    "sensitivity",
    "to_arviz",
]

#: modules that are imported on first use
_MODULES = ("check", "data", "experiments", "inference", "models", "plots", "sensitivity")
#: names that are imported on first use, by the module that has them
_NAMES = {
    "data": ("IncompleteData",),
    "data.table_reading": ("read_table",),
    "data.errors": ("AbsentiaDeprecationWarning", "AbsentiaError", "AbsentiaWarning"),
    "data.scan": ("scan",),
    "inference": (
        "ImportanceWeightedELBO",
        "MNARImputer",
        "fit",
        "impute",
        "load",
        "multiple_imputation",
        "pool",
        "save",
        "to_arviz",
    ),
    "inference.report": ("report",),
    "models": ("MIWAE", "PPCA", "Missingness", "NotMIWAE", "NotMIWAEPPCA", "missing"),
    "models.missingness": ("missingness",),
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}
#: names that stood here before, and work for one more version with a warning
_MOVED_FROM_HERE = {
    "check": (
        "calibration",
        "check_identification",
        "check_mask",
        "check_values",
        "compare",
        "cross_check",
        "held_out_bound",
    ),
    "data": ("Ratings",),
    "inference": (
        "CSVLogger",
        "FitResult",
        "IdentificationWarning",
        "Imputation",
        "MultipleImputation",
        "OutsideRangeWarning",
        "Pooled",
        "TensorBoardLogger",
        "WandbLogger",
        "Weighted",
        "coefficient_posterior",
        "predict",
        "predict_ratings",
        "weights",
    ),
    "models": (
        "GNR",
        "ImageNotMIWAE",
        "KnownMargins",
        "MaskedNotMIWAE",
        "PatternMixture",
        "RatingsNotMIWAE",
        "SelectionModel",
        "SelfMasking",
        "SupervisedNotMIWAE",
    ),
    "sensitivity": ("SensitivityCurve", "answers", "delta_sensitivity", "slope_sensitivity"),
}
_MOVED = {
    **{f: f"{__name__}.{home}.{f}" for home, names in _MOVED_FROM_HERE.items() for f in names},
    "collapse": f"{__name__}.inference.integrate_out",
}


def __dir__() -> list[str]:
    """Return every public name, those that have not been imported yet included."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a public name on first use: ``absentia --help`` need not wait for torch."""
        if name in _MODULES:
            return import_module(f".{name}", __name__)
        if name in _HOMES:
            found = getattr(import_module(f".{_HOMES[name]}", __name__), name)
            globals()[name] = found  # so that this is not asked for again
            return found
        return old_name(__name__, name, _MOVED)
