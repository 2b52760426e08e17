"""Absence by a policy that learns from what it has seen, column after column."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .rates import standardised
from .result import Amputation, check_share, complete_values


def bandit(x: ArrayLike, explore: float = 0.4, decay: float = 0.99, seed: int = 0) -> Amputation:
    """Hide by an epsilon-greedy bandit of two arms for each row, "see" and "hide".

    Pattern 6 of MissBench (arXiv 2510.02625). A row's policy passes its columns from left to right.
    At column t it takes a random arm with probability ``explore * decay**t``, and else the arm with
    the higher mean reward so far, which is 0 for an arm never taken; equal arms are chosen by a
    coin. Either arm pays the standardised entry plus noise from N(0, 1). About half of the entries
    are hidden. ``probability`` is that of a column given the arms taken before.

    Args:
        x: (n, p) complete data.
        explore: the probability of a random arm at the first column, in [0, 1].
        decay: the factor by which that falls from column to column, in [0, 1].
        seed: the seed of noise, arms and coins.

    Raises:
        ValueError: ``x`` is not complete, or a share is outside [0, 1].
    """
    x = complete_values(x)
    check_share("explore", explore, 1.0)
    check_share("decay", decay, 1.0)
    rng = np.random.default_rng(seed)
    n, p = x.shape
    reward = standardised(x) + rng.normal(size=x.shape)
    total, taken = np.zeros((n, 2)), np.zeros((n, 2))
    mask, probability = np.empty(x.shape, dtype=bool), np.empty(x.shape)
    for t in range(p):
        mean = total / np.maximum(taken, 1)
        greedy = 0.5 + 0.5 * np.sign(mean[:, 1] - mean[:, 0])  # 1/2 for equal arms
        random = explore * decay**t
        probability[:, t] = random / 2 + (1 - random) * greedy
        mask[:, t] = rng.uniform(size=n) < probability[:, t]
        arm = mask[:, t].astype(int)
        total[np.arange(n), arm] += reward[:, t]
        taken[np.arange(n), arm] += 1
    return Amputation(mask, probability)
