"""The profile likelihood of a slope: its maximum and the ends of its interval."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

_NEAR = 0.01  # the accuracy, in nats, to which a maximum or an end is found
_MOST = 6  # the most slopes to add for each end; for the maximum twice as many
_BEYOND = 4.0  # the search for an end goes so many times as far as the given slopes

Height = Callable[[float], float]


def refined(
    heights: dict[float, float], height: Height, level: float, anchor: float
) -> dict[float, float]:
    """Add slopes at the profile's maximum and at both ends of the supported interval.

    If the maximum or an end does not lie between the given slopes, the search goes beyond them, up
    to four times as far from the anchor.

    Args:
        heights: the maximal log-likelihood at the slopes tried so far, at least two.
        height: returns it at another slope, or raises ValueError if the model has no such slope.
        level: the probability that the interval contains.
        anchor: the slope from which distances are counted.

    Returns:
        The heights at all slopes.
    """
    from scipy.stats import chi2  # takes half a second to import

    found = dict(heights)

    def at(slope: float) -> float:
        if slope not in found:
            found[slope] = height(slope)
        return found[slope]

    reach = _BEYOND * max(max(abs(slope - anchor) for slope in found), 1.0)
    limits = anchor - reach, anchor + reach
    _climb(found, at, limits)
    for side in (-1, 1):
        _end(found, at, limits, side, chi2.ppf(level, 1))
        _climb(found, at, limits)
    return found


def _climb(found: dict[float, float], at: Height, limits: tuple[float, float]) -> None:
    """Add slopes next to the maximum, until a parabola through three of them gains nothing."""
    for _ in range(2 * _MOST):
        slopes = sorted(found)
        k = max(range(len(slopes)), key=lambda k: found[slopes[k]])
        if k in (0, len(slopes) - 1):
            if not _further(found, at, limits, -1 if k == 0 else 1):
                return
            continue
        three = slopes[k - 1 : k + 2]
        y = [found[slope] - found[slopes[k]] for slope in three]
        square, linear, _ = np.polyfit(np.array(three) - slopes[k], y, 2)
        step = -linear / (2 * square) if square < 0 else 0.0
        if -square * step**2 < _NEAR:
            return
        at(slopes[k] + float(step))


def _further(found: dict[float, float], at: Height, limits: tuple[float, float], side: int) -> bool:
    """Add one slope beyond those tried, twice as far out; return whether there is one."""
    slopes = sorted(found)
    edge, other = (slopes[-1], slopes[-2]) if side > 0 else (slopes[0], slopes[1])
    goal = edge + 2 * (edge - other)
    goal = min(goal, limits[1]) if side > 0 else max(goal, limits[0])
    if (goal - edge) * side <= 0:
        return False
    try:
        at(goal)
    except ValueError:  # the family has no such slope
        return False
    return True


def _end(
    found: dict[float, float], at: Height, limits: tuple[float, float], side: int, drop: float
) -> None:
    """Add slopes next to where the profile leaves the interval on one side, if it does."""
    while outside_of(found, side, drop) is None:
        if not _further(found, at, limits, side):
            return
    for _ in range(_MOST):
        bracket = outside_of(found, side, drop)
        if bracket is None:  # a second, higher maximum was found on this side
            return
        inside, outside = bracket
        goal = crossing(found, side, drop)
        least = 0.05 * abs(outside - inside)  # off both ends, so that the bracket shrinks
        goal = min(max(goal, min(bracket) + least), max(bracket) - least)
        top = max(found.values())
        if abs(2 * (top - at(goal)) - drop) < 2 * _NEAR:
            return


def outside_of(found: dict[float, float], side: int, drop: float) -> tuple[float, float] | None:
    """Return the last slope inside and the first one outside, on one side of the maximum."""
    best = max(found, key=found.__getitem__)
    inside = best
    for slope in sorted((s for s in found if (s - best) * side > 0), reverse=side < 0):
        if 2 * (found[best] - found[slope]) > drop:
            return inside, slope
        inside = slope
    return None


def crossing(found: dict[float, float], side: int, drop: float) -> float:
    """Return where 2 (max - log-likelihood) reaches ``drop`` on one side; infinite if nowhere.

    Its root, with the sign of the side, is a straight line in the slope where the likelihood is
    Normal: that is what is interpolated.
    """
    # both slow to import
    from scipy.interpolate import PchipInterpolator
    from scipy.optimize import brentq

    bracket = outside_of(found, side, drop)
    if bracket is None:
        return side * math.inf
    best = max(found, key=found.__getitem__)
    slopes = sorted(found)
    root = [math.copysign(math.sqrt(2 * (found[best] - found[s])), s - best) for s in slopes]
    curve = PchipInterpolator(slopes, root)
    edge = math.sqrt(drop)
    low, high = min(bracket), max(bracket)
    return float(brentq(lambda slope: side * float(curve(slope)) - edge, low, high))


def interval(profile: pd.Series, level: float) -> tuple[float, float]:
    """Return the slopes within chi-square of the maximum; open ends are infinite."""
    from scipy.stats import chi2  # takes half a second to import

    found = dict(zip(profile.index.to_numpy(float), profile.to_numpy(float), strict=True))
    drop = float(chi2.ppf(level, 1))
    return crossing(found, -1, drop), crossing(found, 1, drop)
