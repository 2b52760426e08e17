"""Columns that go missing together, whatever the values: dropout, factors and clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InputError
from .rates import check_rate, missing_at_rate
from .result import Amputation, complete_values, sampled


def panel_dropout(x: ArrayLike, seed: int = 0) -> Amputation:
    """Hide all entries of a row from a random column on, as in a panel that people leave for good.

    Pattern 7 of MissBench (arXiv 2510.02625). The first column is always observed, and the column
    at which a row leaves is uniform among the others and "never".

    Args:
        x: (n, p) complete data, with columns in the order of time.
        seed: the seed of the columns at which rows leave.

    Raises:
        ValueError: ``x`` is not complete.
    """
    n, p = complete_values(x).shape
    left = np.random.default_rng(seed).integers(1, p + 1, size=(n, 1))
    probability = np.tile(1 - np.arange(p) / p, (n, 1))
    return Amputation(np.arange(p) < left, probability)


def latent_factors(x: ArrayLike, rate: float = 0.4, most: int = 4, seed: int = 0) -> Amputation:
    """Hide by P(s_ij = 1) = sigmoid(u_i v_j + b_i + c_j), a low-rank propensity.

    Pattern 10 of MissBench (arXiv 2510.02625): u, v, b and c are from N(0, 1), the rank is uniform
    from 1 to ``most``, and a constant is added so that the mean of P(s_ij = 0) is ``rate``.

    Args:
        x: (n, p) complete data.
        rate: the expected share of missing entries, in (0, 1).
        most: the highest rank.
        seed: the seed of rank, factors and mask.

    Raises:
        ValueError: ``x`` is not complete, or an argument is outside its range.
    """
    n, p = complete_values(x).shape
    check_rate(rate)
    if most < 1:
        raise InputError(f"most is {most}; give a rank of at least 1.")
    rng = np.random.default_rng(seed)
    rank = int(rng.integers(1, most + 1))
    seen = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, p))
    seen = seen + rng.normal(size=(n, 1)) + rng.normal(size=p)
    return sampled(1 - missing_at_rate(-seen, rate), rng)


def clusters(
    x: ArrayLike,
    rate: float = 0.4,
    of_rows: int = 5,
    of_columns: int = 4,
    seed: int = 0,
) -> Amputation:
    """Hide by P(s_ij = 1) = sigmoid(g + h + noise), with effects of clusters.

    Pattern 11 of MissBench (arXiv 2510.02625): rows and columns belong to random clusters, whose
    effects g and h are from N(0, 1), as is the noise of each entry, and a constant is added so that
    the mean of P(s_ij = 0) is ``rate``.

    Args:
        x: (n, p) complete data.
        rate: the expected share of missing entries, in (0, 1).
        of_rows: the number of clusters of rows.
        of_columns: the number of clusters of columns.
        seed: the seed of clusters, effects, noise and mask.

    Raises:
        ValueError: ``x`` is not complete, or an argument is outside its range.
    """
    shape = complete_values(x).shape
    check_rate(rate)
    if min(of_rows, of_columns) < 1:
        raise InputError(
            f"there are {of_rows} clusters of rows and {of_columns} of columns; give at least 1."
        )
    rng = np.random.default_rng(seed)
    g, h = (
        rng.normal(size=number)[rng.integers(number, size=size)]
        for number, size in zip((of_rows, of_columns), shape, strict=True)
    )
    seen = g[:, None] + h + rng.normal(size=shape)
    return sampled(1 - missing_at_rate(-seen, rate), rng)
