"""Weighted conformal prediction: how far intervals must be stretched to hold their level.

A missing cell and a seen one of the same column differ in distribution by the odds of being missing

    p(x, rest of the row | missing) / p(x, rest of the row | seen)  ~  P(missing) / P(seen) = o,

so that seen cells with the weights o stand for missing ones (Tibshirani, Foygel Barber, Candes &
Ramdas, "Conformal prediction under covariate shift", NeurIPS 2019, lemma 3, whose weights may read
the value itself). Every seen cell is predicted as if it were missing, and its score

    v = (m - x) / (m - l)  below the median m of that prediction,  (x - m) / (u - m)  above it

says how many times the interval [l, u] would have to be stretched about m to reach its value. With
scores in ascending order, the intervals of missing cells are stretched by

    Q = min {v_k : sum_{i <= k} o_i >= level (sum_i o_i + a)},    a = sum_i o_i^2 / sum_i o_i,

where a is the odds that a missing cell has on average, in place of its own, which its value would
tell. With equal odds, Q is the score of rank ceil(level (n + 1)), as in split conformal prediction.
Where the true odds are anything between o / gamma and gamma o, the largest Q that weights of these
sizes can give is

    Q = min {v_k : A_k / gamma >= level (A_k / gamma + gamma (A - A_k) + gamma a)},
    A_k = sum_{i <= k} o_i,  A = sum_i o_i

(Jin, Ren & Candes, "Sensitivity analysis of individual treatment effects", PNAS 2023).

Where fewer than ten effective cells would be beyond Q, it is left to chance, and often no v_k is
large enough. Scores beyond the point t that leaves ten (their weighted median, if there are not as
many) are then taken for exponential, which those of Normal errors nearly are. If they exceed t by s
on average, are worth k equal ones, and have the share r (1 - level) of the weight,

    Q = t + s k (r^(1/k) - 1),

beyond which a further score is with the chance 1 - level: the predictive distribution of an
exponential variable after k others.

Odds that are not known have draws, each with its own Q. What the intervals are multiplied by is the
90 % quantile of these, and at least 1: of the rules that were tried on simulated tables
(``experiments/results/README.md``) it is the one that comes nearest to the level.
"""

from __future__ import annotations

import numpy as np

#: the quantile, over draws of the odds, of the stretches that they ask for
_UPPER = 0.9
#: the effective number of scores from which a tail is read
_TAIL = 10


def scores(
    values: np.ndarray, low: np.ndarray, middle: np.ndarray, high: np.ndarray, least: np.ndarray
) -> np.ndarray:
    """Return how many times each interval must be stretched about its median to reach its value.

    Args:
        values: (C,) the values.
        low, middle, high: (C,) lower end, median and upper end.
        least: (C,) half-lengths below which no interval counts, so that a point has one, too.
    """
    below, above = halves(low, middle, high, least)
    side = np.where(values < middle, below, above)
    found: np.ndarray = np.abs(values - middle) / side
    return found


def halves(
    low: np.ndarray, middle: np.ndarray, high: np.ndarray, least: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the lengths of both sides of intervals, at least those given."""
    return np.maximum(middle - low, least), np.maximum(high - middle, least)


def effective(odds: np.ndarray) -> float:
    """Return Kish's effective number of cells with these weights, 0 where all weights are 0.

    >>> effective(np.array([2.0, 2.0, 2.0])), effective(np.array([1.0, 0.0]))
    (3.0, 1.0)
    """
    largest = odds.max(initial=0.0)
    if not 0 < largest < np.inf:
        return 0.0
    share = odds / largest
    return float(share.sum() ** 2 / (share**2).sum())


def stretch(scores: np.ndarray, odds: np.ndarray, level: float, gamma: float = 1.0) -> float:
    """Return Q, the stretch at which intervals hold their level; infinity where none does.

    >>> stretch(np.arange(1.0, 20.0), np.ones(19), 0.9)
    18.0
    >>> stretch(np.arange(1.0, 9.0), np.ones(8), 0.9)          # of 8 cells none can say
    inf

    Args:
        scores: (C,) scores of seen cells.
        odds: (C,) their odds of being missing, up to a factor.
        level: the coverage.
        gamma: the factor by which the true odds may differ from these, in either direction.
    """
    size = effective(odds)
    if not size:
        return np.inf
    order = np.argsort(scores, kind="stable")
    share = odds[order] / odds.sum()
    inside = np.cumsum(share) / gamma
    outside = np.maximum(1 - np.cumsum(share), 0.0) + 1 / size
    enough = inside >= level * (inside + gamma * outside) * (1 - 1e-12)
    return float(scores[order][enough.argmax()]) if enough.any() else np.inf


def tail_stretch(scores: np.ndarray, odds: np.ndarray, level: float, gamma: float = 1.0) -> float:
    """Return Q, or a larger one by an exponential tail where too few cells are beyond it.

    >>> tail_stretch(np.arange(1.0, 1000.0), np.ones(999), 0.9)
    900.0
    >>> round(tail_stretch(np.arange(1.0, 9.0), np.ones(8), 0.9), 2)
    8.95

    Args:
        scores, odds, level, gamma: as for :func:`stretch`.
    """
    size = effective(odds)
    if not size:
        return np.inf
    order = np.argsort(scores, kind="stable")
    ascending, share = scores[order], odds[order] / odds.sum()
    most = min(_TAIL / size, 0.5)
    start = ascending[(np.cumsum(share) >= (1 - most) * (1 - 1e-12)).argmax()]
    found = stretch(scores, odds, level, gamma)
    if found <= start:
        return found
    share = np.where(ascending > start, share, 0.0)
    beyond, size = share.sum(), effective(share)
    # the odds may be gamma times larger for what is outside, and as much smaller for the rest
    outside = (1 - level) / (1 - level + gamma**2 * level)
    if beyond <= outside:
        return float(start)
    excess = share @ (ascending - start) / beyond
    return float(start + excess * size * np.expm1(np.log(beyond / outside) / size))


def upper_stretch(scores: np.ndarray, draws: np.ndarray, level: float, gamma: float = 1.0) -> float:
    """Return by what intervals are multiplied where the odds are known by draws of them.

    >>> upper_stretch(np.linspace(0.0, 2.0, 201), np.ones((1, 201)), 0.9)  # of one, it is that one
    1.81
    >>> upper_stretch(np.linspace(0.0, 0.5, 201), np.ones((1, 201)), 0.9)  # and never a shorter one
    1.0

    Args:
        scores: (C,) scores of seen cells.
        draws: (M, C) draws of their odds of being missing.
        level, gamma: as for :func:`stretch`.
    """
    found = [tail_stretch(scores, odds, level, gamma) for odds in draws]
    place = int(np.ceil(_UPPER * len(found) - 1e-9)) - 1
    return max(float(np.sort(found)[place]), 1.0)


def covered(scores: np.ndarray, odds: np.ndarray) -> float:
    """Return the share of the weight whose values are inside their intervals as they are."""
    total = odds.sum()
    return float(odds[scores <= 1].sum() / total) if 0 < total < np.inf else np.nan
