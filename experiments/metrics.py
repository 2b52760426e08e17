"""Scores of an imputation against the values that amputation hid.

All on the complete table's standardised scale: differences are divided by the complete columns'
standard deviations, over the missing cells of all rows.
"""

from __future__ import annotations

import numpy as np


def rmse(imputed: np.ndarray, truth: np.ndarray, missing: np.ndarray) -> float:
    """Root mean squared error over the missing cells, in sd of the complete columns.

    :param imputed, truth: (n, p) in the table's units; ``missing`` (n, p) booleans.

    >>> import numpy as np
    >>> from absentia.experiments.metrics import rmse
    >>> truth = np.array([[0.0], [2.0], [4.0]])
    >>> round(rmse(truth + 1.0, truth, np.array([[False], [True], [True]])), 4)
    0.6124
    """
    error = ((imputed - truth) / truth.std(0))[missing]
    return float(np.sqrt(np.mean(error**2)))


def bias(imputed: np.ndarray, truth: np.ndarray, missing: np.ndarray) -> float:
    """Mean error over the missing cells, in sd of the complete columns."""
    return float(np.mean(((imputed - truth) / truth.std(0))[missing]))


def coverage(low: np.ndarray, high: np.ndarray, truth: np.ndarray, missing: np.ndarray) -> float:
    """Share of the hidden values inside their intervals."""
    return float(((low <= truth) & (truth <= high))[missing].mean())
