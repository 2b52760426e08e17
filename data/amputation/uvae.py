"""The mechanisms of the U-VAE experiments (AAAI 2026), beside :func:`mcar`."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InputError
from .rates import check_rate, missing_at_rate, standardised
from .result import Amputation, check_share, complete_values, sampled


def logistic_of_missing(
    x: ArrayLike, rate: float = 0.3, inputs: float = 0.3, seed: int = 0
) -> Amputation:
    """Hide by a logistic model of columns that then go missing, too ("MNARL").

    A random share ``inputs`` of the columns, at least one and never all, decides about the others:
    P(s_ij = 0 | x) = sigmoid(r_ij + b_j), where r_j is their standardised mixture with weights from
    N(0, 1), and b_j makes the mean probability ``rate``. Then the inputs themselves lose entries
    completely at random, at the same rate.

    Args:
        x: (n, p) complete data, with two columns or more.
        rate: the expected share of missing entries of each column, in (0, 1).
        inputs: the share of columns that decide, in [0, 1].
        seed: the seed of columns, weights and mask.

    Raises:
        ValueError: ``x`` is not complete or has a single column, or a share is outside its range.
    """
    x = complete_values(x)
    p = x.shape[1]
    check_rate(rate)
    check_share("inputs", inputs, 1.0)
    if p < 2:
        raise InputError("x has a single column; give a second one, which decides.")
    rng = np.random.default_rng(seed)
    count = min(max(int(inputs * p), 1), p - 1)
    order = rng.permutation(p)
    probability = np.full(x.shape, 1 - rate)
    score = standardised(x[:, order[:count]]) @ rng.normal(size=(count, p - count))
    for j, own in zip(order[count:], standardised(score).T, strict=True):
        probability[:, j] = 1 - missing_at_rate(own, rate)
    return sampled(probability, rng)


def mcar_in_some_columns(
    x: ArrayLike, rate: float = 0.3, share: float = 0.7, seed: int = 0
) -> Amputation:
    """Hide entries of a random share of the columns completely at random.

    It is what the quantile mechanism ("MNARQ") of the U-VAE experiments comes to.

    Args:
        x: (n, p) complete data.
        rate: the expected share of missing entries of each amputated column, in (0, 1).
        share: the share of the columns that are amputated, rounded up, in [0, 1].
        seed: the seed of columns and mask.

    Raises:
        ValueError: ``x`` is not complete, or a share is outside its range.
    """
    x = complete_values(x)
    check_rate(rate)
    check_share("share", share, 1.0)
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(x.shape[1])[: int(np.ceil(share * x.shape[1]))]
    probability = np.ones(x.shape)
    probability[:, chosen] = 1 - rate
    return sampled(probability, rng)
