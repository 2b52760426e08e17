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


#: those of which several may stand side by side; single digits are often answers of a scale
_SEVERAL = frozenset(sign * value for value in _WRITTEN if abs(value) >= 77 for sign in (1, -1))
#: the most codes for missing values that one column has at an end
_MOST_CODES = 4
#: for codes that are near the other values: the distinct other values that are needed, the times a
#: code occurs, at least and in those of any other value, and the gap in spaces between values
_ENOUGH, _OFTEN, _OFTEN_AS, _APART = 20, 5, 3, 5


class Sentinel(NamedTuple):
    """A value that may stand for a missing one.

    Attributes:
        value: the value.
        times: the number of entries that have it or one of the further codes.
        low: the smallest of all other values.
        high: the largest of all other values.
        further: other codes beside it at the same end, such as 98 beside 99.
    """

    value: float
    times: int
    low: float
    high: float
    further: tuple[float, ...] = ()


def sentinel_in(values: np.ndarray, zero: bool = False) -> Sentinel | None:
    """Find a repeated extreme value that looks as if it stood for a missing value.

    The value occurs at least twice, and there are at least two other values. If it is one that is
    commonly written for a missing value (-99, 999), it is at least half the range of the others
    away from them, or it is the only negative number, or it is repeated far more often than any of
    them and stands apart (98 and 99 below incomes of 200 and more). Any other value must be away by
    twice the range of the others, ten times as large as all of them, and occur at least three
    times.

    >>> sentinel_in(np.array([31.0, 58, -99, 44, -99, 27]))
    Sentinel(value=-99.0, times=2, low=27.0, high=58.0, further=())
    >>> sentinel_in(np.array([1.0, 2, 99, 3, 98, 2])).further
    (98.0,)
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
    for sign in (-1, 1):
        distinct = np.unique(seen)[::sign][::-1]  # from the end inwards
        codes = 1
        while codes < min(_MOST_CODES, len(distinct)) and {*distinct[: codes + 1]} <= _SEVERAL:
            codes += 1
        for number in range(codes, 0, -1):
            group = distinct[:number]
            others = seen[~np.isin(seen, group)]
            count = len(seen) - len(others)
            if count < 2 or not len(others) or others.min() == others.max():
                continue
            low, high = float(others.min()), float(others.max())
            nearest = float(group[-1])
            gap = low - nearest if sign < 0 else nearest - high
            if _apart(nearest, count, gap, others, zero) or _heaped(group, gap, seen, others):
                return Sentinel(float(group[0]), count, low, high, tuple(map(float, group[1:])))
    return None


def _heaped(group: np.ndarray, gap: float, seen: np.ndarray, others: np.ndarray) -> bool:
    """Whether codes at an end are repeated as no other value is, and stand apart from them all."""
    distinct, times = np.unique(others, return_counts=True)
    if not {*group.tolist()} <= _SEVERAL or len(distinct) < _ENOUGH:
        return False
    rarest = min(int((seen == code).sum()) for code in group)
    often = rarest >= max(_OFTEN, _OFTEN_AS * int(times.max()))
    return often and gap > _APART * float(np.median(np.diff(distinct)))


def _apart(value: float, count: int, gap: float, others: np.ndarray, zero: bool) -> bool:
    width = float(others.max() - others.min())
    if value in _WRITTEN or value in _SEVERAL:
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
