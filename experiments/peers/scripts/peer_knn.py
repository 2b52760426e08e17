"""The five nearest neighbours of scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
from csv_command import complete_by
from sklearn.impute import KNNImputer


def knn(table: pd.DataFrame, seed: int) -> np.ndarray:
    """Complete a standardised table by the mean of the five nearest rows."""
    return np.asarray(KNNImputer().fit_transform(table.to_numpy()))


if __name__ == "__main__":
    complete_by(knn)
