"""Sentinels: repeated, extreme numbers that probably stand for a missing value."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

#: numbers that programs and people often write for a missing value: -1, 9, 99, -999, 8888, ...
_WRITTEN = frozenset(
    {-1.0}
    | {sign * float(str(digit) * length) for digit in (7, 8, 9) for length in range(1, 8)
       for sign in (1, -1)}
    | {97.0, 98.0, 997.0, 998.0, 9997.0, 9998.0}
)  # fmt: skip


class Sentinel(NamedTuple):
    """A value that may stand for a missing one.

    Attributes:
        value: the value.
        times: the number of entries that have it.
        low: the smallest of all other values.
        high: the largest of all other values.
    """

    value: float
    times: int
    low: float
    high: float


def sentinel_in(values: np.ndarray, zero: bool = False) -> Sentinel | None:
    """Find a repeated extreme value that looks as if it stood for a missing value.

    The value occurs at least twice, and there are at least two other values. If it is one that is
    commonly written for a missing value (-99, 999), it is at least half the range of the others
    away from them, or it is the only negative number. Any other value must be away by twice the
    range of the others, ten times as large as all of them, and occur at least three times.

    >>> sentinel_in(np.array([31.0, 58, -99, 44, -99, 27]))
    Sentinel(value=-99.0, times=2, low=27.0, high=58.0)
    >>> sentinel_in(np.array([-1.0, 0, 1, 1, -1, 0])) is None
    True

    Args:
        values: (n,), NaN where missing.
        zero: also find a 0 below positive values, at a distance of more than their interquartile
            range.

    Returns:
        The sentinel, or None where no value looks like one.
    """
    seen = values[np.isfinite(values)]
    if not len(seen):
        return None
    for value, sign in ((seen.min(), -1), (seen.max(), 1)):
        others = seen[seen != value]
        count = len(seen) - len(others)
        if count < 2 or not len(others) or others.min() == others.max():
            continue
        low, high = float(others.min()), float(others.max())
        gap = low - value if sign < 0 else value - high
        if _apart(float(value), count, float(gap), others, zero):
            return Sentinel(float(value), count, low, high)
    return None


def _apart(value: float, count: int, gap: float, others: np.ndarray, zero: bool) -> bool:
    width = float(others.max() - others.min())
    if value in _WRITTEN:
        if value < 0 and others.min() >= 0:
            # -1, 0 and 1 are often the answers of a scale
            return value != -1 or others.max() > 1 or bool((others != np.floor(others)).any())
        return gap >= 0.5 * width
    if zero and value == 0 and others.min() > 0:
        lower, upper = np.quantile(others, [0.25, 0.75])
        return count > 2 and len(np.unique(others)) >= 10 and gap > upper - lower
    # A value far from all others is often an answer: only one that dwarfs them is suspicious.
    dwarfs = abs(value) >= 10 * np.abs(others).max()
    return count > 2 and len(np.unique(others)) >= 5 and gap >= 2 * width and bool(dwarfs)
