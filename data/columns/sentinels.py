"""Sentinels: numbers that stand for missing, being repeated, extreme and far from all others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

#: what programs and people write for "missing": -1, 9, 99, -999, 8888, ...
_WRITTEN = frozenset(
    {-1.0}
    | {sign * float(str(digit) * length) for digit in (7, 8, 9) for length in range(1, 8)
       for sign in (1, -1)}
    | {97.0, 98.0, 997.0, 998.0, 9997.0, 9998.0}
)  # fmt: skip


class Sentinel(NamedTuple):
    """A value that may stand for "missing", with its frequency and the range of all others."""

    value: float
    times: int
    low: float
    high: float


def sentinel_in(values: np.ndarray, zero: bool = False) -> Sentinel | None:
    """Find the repeated extreme value of (n,) numbers that looks like "missing"; NaN is skipped.

    It occurs at least twice and beside at least two other values. One that is commonly written for
    "missing" lies outside the others by half of their range, or is the only negative number; any
    other value lies outside by twice the range, is ten times as large as all others, and occurs at
    least three times.

    >>> sentinel_in(np.array([31.0, 58, -99, 44, -99, 27]))
    Sentinel(value=-99.0, times=2, low=27.0, high=58.0)
    >>> sentinel_in(np.array([-1.0, 0, 1, 1, -1, 0])) is None
    True

    Args:
        values: (n,), NaN where missing.
        zero: also find a 0 that lies below the others by their interquartile range.
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
            # -1, 0, 1 is a scale of its own
            return value != -1 or others.max() > 1 or bool((others != np.floor(others)).any())
        return gap >= 0.5 * width
    if zero and value == 0 and others.min() > 0:
        lower, upper = np.quantile(others, [0.25, 0.75])
        return count > 2 and len(np.unique(others)) >= 10 and gap > upper - lower
    # zeros and ones far from the rest are often answers: another value must dwarf all others
    dwarfs = abs(value) >= 10 * np.abs(others).max()
    return count > 2 and len(np.unique(others)) >= 5 and gap >= 2 * width and bool(dwarfs)
