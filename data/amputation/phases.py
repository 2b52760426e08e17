"""A study in two phases: cheap columns of everybody, and expensive ones of a selected part."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from ..errors import InputError
from .rates import standardised
from .result import Amputation, check_share, complete_values


def two_phase(x: ArrayLike, cheap: float = 0.4, slope: float = 2.0, seed: int = 0) -> Amputation:
    """Hide all expensive columns of a row, or none, by a score of its cheap ones.

    Pattern 12 of MissBench (arXiv 2510.02625). Random columns, a share ``cheap`` of them but at
    least one and never all, are always observed. The others are all observed with probability
    sigmoid(slope * z_i), where z is the standardised mixture of the standardised cheap columns with
    weights from N(0, 1). The entries are missing at random.

    Args:
        x: (n, p) complete data, with two columns or more.
        cheap: the share of columns that everybody has, in [0, 1].
        slope: the slope per standard deviation of the score.
        seed: the seed of columns, weights and mask.

    Raises:
        ValueError: ``x`` is not complete or has a single column, or the share is outside [0, 1].
    """
    x = complete_values(x)
    n, p = x.shape
    check_share("cheap", cheap, 1.0)
    if p < 2:
        raise InputError("x has a single column; give a second one for the first phase.")
    rng = np.random.default_rng(seed)
    count = min(max(round(cheap * p), 1), p - 1)
    order = rng.permutation(p)
    score = standardised(standardised(x[:, order[:count]]) @ rng.normal(size=count))
    selected = expit(slope * score)[:, None]
    probability = np.ones(x.shape)
    probability[:, order[count:]] = selected
    mask = np.ones(x.shape, dtype=bool)
    mask[:, order[count:]] = rng.uniform(size=(n, 1)) < selected
    return Amputation(mask, probability)
