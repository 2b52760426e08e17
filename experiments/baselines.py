"""Imputation baselines from well-kept libraries, for comparison."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtri
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 (scikit-learn's own switch)
from sklearn.impute import IterativeImputer, SimpleImputer


class Completed(NamedTuple):
    """A completed table (n, p) with 90 % intervals of its cells."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def column_mean(incomplete: np.ndarray, level: float = 0.9) -> Completed:
    """Impute the observed mean of the column, with the observed standard deviation as spread."""
    filled = SimpleImputer().fit_transform(incomplete)
    half = ndtri(0.5 + level / 2) * np.nanstd(incomplete, axis=0)
    spread = np.where(np.isnan(incomplete), half, 0.0)
    return Completed(filled, filled - spread, filled + spread)


def mice(incomplete: np.ndarray, draws: int = 10, level: float = 0.9, seed: int = 0) -> Completed:
    """Impute by chained equations: scikit-learn's IterativeImputer with Bayesian ridge regressions.

    The completed table holds conditional means, as usual. Intervals are made of normal quantiles
    and the spread of ``draws`` further imputations with ``sample_posterior=True``. Columns are
    standardised by their observed values, since a ridge penalty depends on units.
    """
    centre, scale = np.nanmean(incomplete, axis=0), np.nanstd(incomplete, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    table = (incomplete - centre) / scale
    filled = chained(table, seed)
    sampled = np.stack([chained(table, seed + 1 + m, sample_posterior=True) for m in range(draws)])
    middle, sd = sampled.mean(0), sampled.std(0, ddof=1) * np.sqrt(1 + 1 / draws)
    half = ndtri(0.5 + level / 2) * sd
    low, high = centre + scale * (middle - half), centre + scale * (middle + half)
    return Completed(centre + scale * filled, low, high)


def chained(table: np.ndarray, seed: int, estimator: Any = None, **options: Any) -> np.ndarray:
    """Run scikit-learn's IterativeImputer on a table (n, p), by default with Bayesian ridge."""
    imputer = IterativeImputer(estimator, random_state=seed, **options)
    with warnings.catch_warnings():
        # ten rounds are usual for MICE, whether or not they reach scikit-learn's tolerance
        warnings.simplefilter("ignore", ConvergenceWarning)
        return np.asarray(imputer.fit_transform(table))
