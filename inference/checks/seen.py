"""What stands for missing values in a check: seen ones, by their odds of being missing."""

from __future__ import annotations

from ...data.errors import InputError
from ..imputing.calibrated import Calibrated, check_arguments
from ..imputing.imputation import Imputation


def by_odds(imputation: Imputation, folds: int) -> Calibrated:
    """Return what leaves seen cells and rows out, after checks that there are draws and odds.

    Args:
        imputation: an imputation of the model's own columns.
        folds: the number of refits.

    Raises:
        ValueError: the imputation kept no draws or does not know its model, the model is a pattern
            mixture, or ``folds`` is out of range.
    """
    imputation.quantile(0.25)  # which refuses an imputation with too few draws, or none
    found = imputation.calibrating()
    check_arguments(1.0, folds)
    if found.model.delta is not None:
        raise InputError(
            "a pattern mixture has no odds of being missing, by which what was seen would stand "
            "for what is missing; check another model"
        )
    return found
