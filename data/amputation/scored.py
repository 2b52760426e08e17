"""Absence by a score of many columns, which is at random only where these stay observed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from ..errors import InputError
from .rates import check_rate, check_slope, missing_at_rate, standardised
from .result import Amputation, complete_values, every_second, positions, sampled


def coupled(
    x: ArrayLike,
    slope: float = 2.0,
    rate: float = 0.3,
    columns: Sequence[int] | None = None,
    seed: int = 0,
) -> Amputation:
    """Hide by P(s_ij = 0 | x) = sigmoid(slope * score_i + b), with a score of *all* columns.

    The score is a random mixture of the standardised columns, with weights from N(0, 1), and is
    standardised itself. The amputated columns are part of it, so that the entries are missing not
    at random, but a single value hardly decides about itself.

    Args:
        x: (n, p) complete data.
        slope: the slope per standard deviation of the score.
        rate: the expected share of missing entries in the amputated columns, in (0, 1).
        columns: positions of the columns to amputate; by default every second one.
        seed: the seed of the weights and of the sampled mask.

    Raises:
        ValueError: ``x`` is not complete, a position is not one of its columns, or an argument is
            outside its range.
    """
    x = complete_values(x)
    chosen = every_second(x.shape[1]) if columns is None else positions(columns, x.shape[1])
    return _by_score(x, range(x.shape[1]), chosen, slope, rate, seed)


def mar_by_score(
    x: ArrayLike,
    slope: float = 2.0,
    rate: float = 0.3,
    columns: Sequence[int] | None = None,
    seed: int = 0,
) -> Amputation:
    """Hide as :func:`coupled`, with a score of the columns that stay observed: missing at random.

    Raises:
        ValueError: as :func:`coupled`, or no column stays observed.
    """
    x = complete_values(x)
    p = x.shape[1]
    chosen = every_second(p) if columns is None else positions(columns, p)
    kept = [j for j in range(p) if j not in chosen]
    if not kept:
        raise InputError("every column is amputated; leave at least one that decides.")
    return _by_score(x, kept, chosen, slope, rate, seed)


def column_mar(x: ArrayLike, seed: int = 0) -> Amputation:
    """Hide by P(s_ij = 0 | x) = sigmoid(r_ij - q_j), with a score r_j of columns that stay seen.

    Pattern 2 of MissBench (arXiv 2510.02625): a random number of columns, from 1 to floor(p / 2),
    stays observed. For every other column j, r_j is their mixture with weights from N(0, 1) of its
    own, and q_j is its 60 % quantile.

    Args:
        x: (n, p) complete data, with two columns or more.
        seed: the seed of columns, weights and mask.

    Raises:
        ValueError: ``x`` is not complete, or has a single column.
    """
    x = complete_values(x)
    p = x.shape[1]
    if p < 2:
        raise InputError("x has a single column; give a second one, which decides.")
    rng = np.random.default_rng(seed)
    order = rng.permutation(p)
    count = int(rng.integers(1, p // 2 + 1))
    seen, chosen = order[:count], order[count:]
    score = standardised(x[:, seen]) @ rng.normal(size=(count, p - count))
    probability = np.ones(x.shape)
    probability[:, chosen] = expit(np.quantile(score, 0.6, axis=0) - score)
    return sampled(probability, rng)


def _by_score(
    x: np.ndarray,
    reads: Sequence[int],
    chosen: Sequence[int],
    slope: float,
    rate: float,
    seed: int,
) -> Amputation:
    check_rate(rate)
    check_slope(slope)
    rng = np.random.default_rng(seed)
    score = standardised(standardised(x[:, list(reads)]) @ rng.normal(size=len(reads)))
    probability = np.ones(x.shape)
    probability[:, list(chosen)] = 1 - missing_at_rate(slope * score, rate)[:, None]
    return sampled(probability, rng)
