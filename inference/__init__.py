"""What follows from a model and the data: weights, bounds, fits, imputations, diagnostics."""

from .collapse import CollapseError, collapse
from .elbo import ImportanceWeightedELBO
from .weights import Weighted, WeightError, weights

__all__ = [
    "CollapseError",
    "ImportanceWeightedELBO",
    "WeightError",
    "Weighted",
    "collapse",
    "weights",
]
