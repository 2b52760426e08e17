"""MICE: ten rounds of chained Bayesian ridge regressions, scikit-learn's IterativeImputer."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from csv_command import complete_by
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 (scikit-learn's own switch)
from sklearn.impute import IterativeImputer


def mice(table: pd.DataFrame, seed: int) -> np.ndarray:
    """Complete a standardised table by conditional means of chained equations."""
    # ten rounds are usual, whether or not they reach scikit-learn's tolerance
    warnings.simplefilter("ignore", ConvergenceWarning)
    return np.asarray(IterativeImputer(random_state=seed).fit_transform(table.to_numpy()))


if __name__ == "__main__":
    complete_by(mice)
