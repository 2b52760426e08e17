"""Absence by a value's own place in its column: the middle, or one end, of every column."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .result import Amputation, certain, check_share, complete_values, sampled


def polarised(x: ArrayLike) -> Amputation:
    """Hide every value strictly between the quartiles of its column.

    Pattern 8 of MissBench (arXiv 2510.02625), which hides half of each column of distinct values.

    Args:
        x: (n, p) complete data.

    Raises:
        ValueError: ``x`` is not complete.
    """
    x = complete_values(x)
    low, high = np.quantile(x, [0.25, 0.75], axis=0)
    return certain(((x <= low) | (x >= high)).astype(float))


def softly_polarised(
    x: ArrayLike, power: float = 2.5, least: float = 0.05, seed: int = 0
) -> Amputation:
    """Hide values the more, the nearer they are to the median of their column.

    Pattern 9 of MissBench (arXiv 2510.02625): with ``d_ij = abs(x_ij - median_j) ** power``,
    P(s_ij = 1 | x) = least + (1 - 2 least) d_ij / max d_j. Few entries are left where a column has
    long tails.

    Args:
        x: (n, p) complete data.
        power: the power of the distance from the median.
        least: the probability at the median, and that of being missing at the far end; at most 0.5.
        seed: the seed of the sampled mask.

    Raises:
        ValueError: ``x`` is not complete, or ``least`` is outside [0, 0.5].
    """
    x = complete_values(x)
    check_share("least", least, 0.5)
    distance = np.abs(x - np.median(x, axis=0)) ** power
    largest = distance.max(axis=0)
    share = distance / np.where(largest > 0, largest, 1.0)
    return sampled(least + (1 - 2 * least) * share, seed)


def censored(x: ArrayLike, fraction: float = 0.25, seed: int = 0) -> Amputation:
    """Hide the lowest or the highest ``fraction`` of every column, the side chosen by a coin.

    Pattern 13 of MissBench (arXiv 2510.02625). Ranks decide, and ties are broken by row.

    Args:
        x: (n, p) complete data.
        fraction: the share to hide, in [0, 1]; floor(fraction * n) entries of each column.
        seed: the seed of the coins.

    Raises:
        ValueError: ``x`` is not complete, or the fraction is outside [0, 1].
    """
    x = complete_values(x)
    check_share("fraction", fraction, 1.0)
    n, p = x.shape
    k = int(fraction * n)
    highest = np.random.default_rng(seed).integers(2, size=p) == 1
    order = np.argsort(x, axis=0, kind="stable")
    probability = np.ones(x.shape)
    for j in range(p):
        probability[order[n - k :, j] if highest[j] else order[:k, j], j] = 0
    return certain(probability)
