"""Scores of an imputation against the values that amputation hid.

Scores are taken over the missing cells of all rows, and errors are divided by the standard
deviations of the complete columns, or by ``unit`` (p,) where it is given.
"""

from __future__ import annotations

import numpy as np


def rmse(
    imputed: np.ndarray, truth: np.ndarray, missing: np.ndarray, unit: np.ndarray | None = None
) -> float:
    """Return the root mean squared error over the missing cells, in units of the columns.

    Args:
        imputed: (n, p) completed table, in its own units.
        truth: (n, p) complete table.
        missing: (n, p) missing mask.
        unit: (p,) units of the errors; the standard deviations of ``truth`` when left out.

    >>> import numpy as np
    >>> from absentia.experiments.metrics import rmse
    >>> truth = np.array([[0.0], [2.0], [4.0]])
    >>> round(rmse(truth + 1.0, truth, np.array([[False], [True], [True]])), 4)
    0.6124
    """
    error = ((imputed - truth) / (truth.std(0) if unit is None else unit))[missing]
    return float(np.sqrt(np.mean(error**2)))


def bias(imputed: np.ndarray, truth: np.ndarray, missing: np.ndarray) -> float:
    """Return the mean error over the missing cells, in standard deviations of the columns."""
    return float(np.mean(((imputed - truth) / truth.std(0))[missing]))


def coverage(low: np.ndarray, high: np.ndarray, truth: np.ndarray, missing: np.ndarray) -> float:
    """Return the share of the hidden values inside their intervals."""
    return _inside(low[missing], high[missing], truth[missing])


def mae(
    imputed: np.ndarray, truth: np.ndarray, missing: np.ndarray, unit: np.ndarray | None = None
) -> float:
    """Return the mean absolute error over the missing cells, in units of the columns."""
    scale = truth.std(0) if unit is None else unit
    return float(np.mean(np.abs((imputed - truth) / scale)[missing]))


def crps(draws: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the continuous ranked probability score of draws (m, cells), for each cell.

    It is E|X - y| - E|X - X'| / 2, with the second mean over pairs of different draws, so that the
    estimate is unbiased (Gneiting & Raftery, JASA 2007, section 4.2; Ferro, 2014).

    >>> import numpy as np
    >>> from absentia.experiments.metrics import crps
    >>> float(crps(np.array([[0.0], [1.0]]), np.array([0.0]))[0])
    0.0
    """
    m = len(draws)
    ordered = np.sort(draws, axis=0)
    # sum over pairs |x_i - x_j| = 2 sum_i (2 i - m + 1) x_(i), i from 0
    weight = 2.0 * np.arange(m) - m + 1
    apart = 2 * np.tensordot(weight, ordered, axes=(0, 0)) / (m * (m - 1))
    return np.asarray(np.abs(draws - truth).mean(0) - apart / 2)


def interval_scores(
    draws: np.ndarray, truth: np.ndarray, missing: np.ndarray, unit: np.ndarray | None = None
) -> dict[str, float]:
    """Return the CRPS, and the coverage and width of intervals of 50, 80 and 95 %.

    Args:
        draws: (m, cells) draws of the missing cells, in the order of ``truth[missing]``.
        truth: (n, p) complete table.
        missing: (n, p) missing mask.
        unit: (p,) units of the errors; the standard deviations of ``truth`` when left out.
    """
    values = truth[missing]
    unit = truth.std(0) if unit is None else unit
    scale = np.broadcast_to(unit, truth.shape)[missing]
    found = {"crps": float(np.mean(crps(draws, values) / scale))}
    for level in (50, 80, 95):
        low, high = np.quantile(draws, [0.5 - level / 200, 0.5 + level / 200], axis=0)
        found[f"coverage_{level}"] = _inside(low, high, values)
        found[f"width_{level}"] = float(np.mean((high - low) / scale))
    return found


def _inside(low: np.ndarray, high: np.ndarray, values: np.ndarray) -> float:
    return float(((low <= values) & (values <= high)).mean())
