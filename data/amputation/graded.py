"""Self-masking of a stated strength: the slope per standard deviation, and the rate, are given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from ..errors import InputError
from .rates import check_rate, check_slope, missing_at_rate, standardised
from .result import Amputation, complete_values, every_second, positions, sampled

Signs = Literal["+", "-", "random"]


def graded_self_masking(
    x: ArrayLike,
    slope: float = 2.0,
    rate: float = 0.3,
    signs: Signs = "+",
    columns: Sequence[int] | None = None,
    seed: int = 0,
) -> Amputation:
    """Hide by P(s_ij = 0 | x) = sigmoid(sign_j * slope * z_ij + b_j), with z the standardised x.

    b_j makes the mean of these probabilities equal to ``rate`` in each amputated column.

    Args:
        x: (n, p) complete data.
        slope: the slope per standard deviation of a column.
        rate: the expected share of missing entries in each amputated column, in (0, 1).
        signs: "+" hides high values, "-" low ones, "random" either, by a coin for each column.
        columns: positions of the columns to amputate; by default every second one.
        seed: the seed of the coins and of the sampled mask.

    Raises:
        ValueError: ``x`` is not complete, a position is not one of its columns, or an argument is
            outside its range.

    >>> x = np.arange(100.0).reshape(50, 2)
    >>> found = graded_self_masking(x, slope=4.0, rate=0.5)
    >>> bool(x[~found.mask[:, 1], 1].mean() > x[:, 1].mean())
    True
    """
    x = complete_values(x)
    check_rate(rate)
    check_slope(slope)
    if signs not in ("+", "-", "random"):
        raise InputError(f"signs is {signs!r}; give '+', '-' or 'random'.")
    chosen = every_second(x.shape[1]) if columns is None else positions(columns, x.shape[1])
    rng = np.random.default_rng(seed)
    of_column = rng.choice([-1.0, 1.0], size=len(chosen))
    if signs != "random":
        of_column[:] = 1.0 if signs == "+" else -1.0
    probability = np.ones(x.shape)
    for j, sign in zip(chosen, of_column, strict=True):
        probability[:, j] = 1 - missing_at_rate(sign * slope * standardised(x[:, j]), rate)
    return sampled(probability, rng)


def random_self_masking(x: ArrayLike, seed: int = 0) -> Amputation:
    """Hide by P(s_ij = 0 | x) = sigmoid(a_j z_ij - q_j) in random columns, at a random slope each.

    Pattern 3 of MissBench (arXiv 2510.02625): a_j is -2, -1, 1 or 2, z_j is the standardised column
    and q_j the 60 % quantile of a_j z_j. A random number of columns, from one to all, is amputated.

    Args:
        x: (n, p) complete data.
        seed: the seed of columns, slopes and mask.

    Raises:
        ValueError: ``x`` is not complete.
    """
    x = complete_values(x)
    rng = np.random.default_rng(seed)
    p = x.shape[1]
    chosen = rng.choice(p, size=int(rng.integers(1, p + 1)), replace=False)
    score = rng.choice([-2.0, -1.0, 1.0, 2.0], size=len(chosen)) * standardised(x[:, chosen])
    probability = np.ones(x.shape)
    probability[:, chosen] = expit(np.quantile(score, 0.6, axis=0) - score)
    return sampled(probability, rng)
