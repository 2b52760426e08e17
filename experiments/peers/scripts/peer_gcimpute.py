"""gcimpute: a Gaussian copula fitted by EM (Zhao & Udell)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from csv_command import complete_by
from gcimpute.gaussian_copula import GaussianCopula


def copula(table: pd.DataFrame, seed: int) -> np.ndarray:
    """Complete a standardised table by the copula's conditional means."""
    return np.asarray(GaussianCopula(random_state=seed).fit_transform(X=table.to_numpy()))


if __name__ == "__main__":
    complete_by(copula)
