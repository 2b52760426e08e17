"""missForest: chained random forests of 100 trees, within scikit-learn's IterativeImputer."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from csv_command import complete_by
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 (scikit-learn's own switch)
from sklearn.impute import IterativeImputer


def missforest(table: pd.DataFrame, seed: int) -> np.ndarray:
    """Complete a standardised table by at most ten rounds of forests (Stekhoven & Buehlmann)."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    # missForest tries a third of the columns at each split, as forests of regressions do in R
    forest = RandomForestRegressor(100, max_features=1 / 3, random_state=seed, n_jobs=1)
    return np.asarray(IterativeImputer(forest, random_state=seed).fit_transform(table.to_numpy()))


if __name__ == "__main__":
    complete_by(missforest)
