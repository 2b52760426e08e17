"""Absence by random networks that read a random neighbourhood of each entry, or of each block."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .rates import check_rate, missing_at_rate, standardised
from .result import Amputation, complete_values, sampled

#: hidden units of each network
_UNITS = 8


def neural_neighbours(x: ArrayLike, rate: float = 0.4, seed: int = 0) -> Amputation:
    """Hide each entry by a random ReLU network of its own, which reads a random part of the table.

    Pattern 4 of MissBench (arXiv 2510.02625). The network of entry (i, j) reads the standardised
    entry, and those of up to floor(n / 2) random rows in up to floor(p / 2) random columns. Its
    weights are from N(0, 2 / inputs). P(s_ij = 0) is the sigmoid of its standardised output, moved
    so that the mean probability of the table is ``rate``.

    Args:
        x: (n, p) complete data.
        rate: the expected share of missing entries, in (0, 1).
        seed: the seed of neighbourhoods, weights and mask.

    Raises:
        ValueError: ``x`` is not complete, or the rate is not in (0, 1).
    """
    x = complete_values(x)
    check_rate(rate)
    rng = np.random.default_rng(seed)
    return sampled(1 - missing_at_rate(standardised_all(_outputs(x, rng)), rate), rng)


def neural_blocks(x: ArrayLike, rate: float = 0.4, seed: int = 0) -> Amputation:
    """Hide whole blocks of entries by random networks, which read the means of random blocks.

    Pattern 5 of MissBench (arXiv 2510.02625). The table is cut into floor(n / 3) by floor(p / 3)
    blocks of neighbouring rows and columns, and the table of their means is amputated as by
    :func:`neural_neighbours`. All entries of a block share its fate.

    Args:
        x: (n, p) complete data.
        rate: the expected share of missing blocks, in (0, 1).
        seed: the seed of neighbourhoods, weights and mask.

    Raises:
        ValueError: ``x`` is not complete, or the rate is not in (0, 1).
    """
    x = complete_values(x)
    check_rate(rate)
    rng = np.random.default_rng(seed)
    row, column = (np.arange(k) * max(k // 3, 1) // k for k in x.shape)
    table = standardised(x)
    means = np.zeros((row[-1] + 1, column[-1] + 1))
    count = np.zeros(means.shape)
    np.add.at(means, (row[:, None], column), table)
    np.add.at(count, (row[:, None], column), 1.0)
    gone = missing_at_rate(standardised_all(_outputs(means / count, rng)), rate)
    blocks = sampled(1 - gone, rng)
    whole = np.ix_(row, column)
    return Amputation(blocks.mask[whole], blocks.probability[whole])


def standardised_all(scores: np.ndarray) -> np.ndarray:
    """Standardise the scores of a whole table together."""
    return standardised(scores.ravel()).reshape(scores.shape)


def _outputs(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the output (n, p) of each entry's own random network."""
    table = standardised(x).astype(np.float32)
    n, p = table.shape
    found = np.empty((n, p))
    for i in range(n):
        for j in range(p):
            rows = rng.integers(n, size=int(rng.integers(1, n // 2 + 1)) if n > 1 else 1)
            columns = rng.permutation(p)[: int(rng.integers(1, p // 2 + 1)) if p > 1 else 1]
            inputs = np.append(table[rows[:, None], columns].ravel(), table[i, j])
            weights = rng.standard_normal((_UNITS, len(inputs)), dtype=np.float32)
            units = np.maximum(weights @ inputs * np.float32((2 / len(inputs)) ** 0.5), 0)
            found[i, j] = float(units @ rng.standard_normal(_UNITS, dtype=np.float32))
    return found
