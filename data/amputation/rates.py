"""Probabilities of missingness that have a given mean, from scores of any scale."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

from ..errors import InputError


def standardised(x: np.ndarray) -> np.ndarray:
    """Return each column, or a single column, with mean 0 and sd 1; a constant one becomes 0.

    >>> standardised(np.array([[1.0, 5.0], [3.0, 5.0]])).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """
    centred = x - x.mean(axis=0)
    sd = x.std(axis=0)
    return np.asarray(centred / np.where(sd > 0, sd, 1.0))


def missing_at_rate(score: np.ndarray, rate: float) -> np.ndarray:
    """Return sigmoid(score + b), with the one b for which the mean of all entries is ``rate``.

    >>> round(float(missing_at_rate(np.array([-3.0, 0.0, 1.0]), 0.3).mean()), 6)
    0.3
    """
    # At these ends all probabilities lie on one side of the rate, so the root is between them.
    ends = logit(rate) - score
    low, high = float(ends.min()) - 1e-3, float(ends.max()) + 1e-3
    b = brentq(lambda b: float(expit(score + b).mean()) - rate, low, high, xtol=1e-12)
    return np.asarray(expit(score + b))


def check_rate(rate: float) -> None:
    """Refuse a rate that no finite score can reach.

    Raises:
        ValueError: the rate is not strictly between 0 and 1.
    """
    if not 0 < rate < 1:
        raise InputError(f"rate is {rate}; give a number strictly between 0 and 1.")


def check_slope(slope: float) -> None:
    """Refuse a slope that is not a finite number.

    Raises:
        ValueError: the slope is infinite or NaN.
    """
    if not np.isfinite(slope):
        raise InputError(f"slope is {slope}; give a finite number.")
