"""Spline and polynomial bases on tensors; splines are linear outside their outer knots."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ....data.errors import InputError


def natural_spline(x: Tensor, knots: Tensor) -> list[Tensor]:
    """Evaluate the natural cubic spline basis without its constant: len(knots) - 1 functions of x.

    x itself, then d_k - d_(K-1) with d_k = ((x - t_k)_+^3 - (x - t_K)_+^3) / (t_K - t_k) (Hastie,
    Tibshirani & Friedman, Elements of Statistical Learning, eq. 5.4-5.5), in units of the knots'
    spread. Linear outside the outer knots.

    >>> natural_spline(torch.tensor([0.0, 2.0]), torch.tensor([-1.0, 0.0, 1.0]))[0]
    tensor([0., 2.])
    """
    spread = knots[-1] - knots[0]
    last = (x - knots[-1]).clamp_min(0).pow(3)
    d = [((x - t).clamp_min(0).pow(3) - last) / (knots[-1] - t) for t in knots[:-1]]
    return [x, *((one - d[-1]) / spread**2 for one in d[:-1])]


def natural_knots(values: Tensor, df: int) -> list[float]:
    """Choose df + 1 knots: both ends and evenly spaced quantiles of the observed values."""
    share = torch.linspace(0, 1, df + 1, dtype=torch.float64)
    return _increasing(torch.quantile(values.double(), share).tolist(), df)


def spline_knots(values: Tensor, df: int, degree: int) -> list[float]:
    """Choose boundary and interior knots of a B-spline basis of df functions without the first."""
    inner = df - degree
    if inner < 0:
        raise InputError(
            f"df is {df}, but a spline of degree {degree} needs at least df={degree}; give more, "
            f"or a lower degree"
        )
    share = torch.linspace(0, 1, inner + 2, dtype=torch.float64)
    return _increasing(torch.quantile(values.double(), share).tolist(), df)


def _increasing(knots: list[float], df: int) -> list[float]:
    if any(b <= a for a, b in itertools.pairwise(knots)):
        raise InputError(f"there are too few distinct values for df={df}; give a lower df")
    return knots


def natural_pieces(x: Tensor, knots: Sequence[float]) -> list[Tensor]:
    """Evaluate :func:`natural_spline` for knots that are plain numbers."""
    return _evaluate(x, _natural_table(tuple(knots)))


def b_spline(x: Tensor, knots: Sequence[float], degree: int) -> list[Tensor]:
    """Evaluate the B-spline basis on these knots, without its first function.

    (de Boor, A Practical Guide to Splines, 1978.) Outside the boundary knots each function
    continues as a straight line, with the value and gradient that it has there.

    >>> b_spline(torch.tensor([0.0, 0.5, 2.0]), [0.0, 1.0], degree=1)[0]
    tensor([0.0000, 0.5000, 2.0000])
    """
    return _evaluate(x, _b_spline_table(tuple(knots), degree))


class _Table:
    """Piecewise polynomials between breaks, evaluated by one lookup and Horner's scheme.

    Args:
        breaks: (m,) increasing numbers; the pieces 0, ..., m are before, between and after them.
        coefficients: (degree + 1, m + 1, q), the highest power first. The powers are those of x
            less the origin of the piece, which is the break to its left, or the first break for
            piece 0.
    """

    def __init__(self, breaks: np.ndarray, coefficients: np.ndarray) -> None:
        self.breaks, self.coefficients = breaks, coefficients
        self._tensors: dict[Any, tuple[Tensor, Tensor, Tensor]] = {}

    def tensors(self, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        key = (like.dtype, like.device)
        if key not in self._tensors:
            parts = self.breaks, np.r_[self.breaks[0], self.breaks], self.coefficients
            breaks, origin, coefficients = (
                torch.as_tensor(part, dtype=key[0], device=key[1]) for part in parts
            )
            self._tensors[key] = (breaks, origin, coefficients)
        return self._tensors[key]


def _evaluate(x: Tensor, table: _Table) -> list[Tensor]:
    breaks, origin, coefficients = table.tensors(x)
    piece = torch.bucketize(x.detach().contiguous(), breaks, right=True)
    t = (x - origin[piece]).unsqueeze(-1)
    value = coefficients[0][piece]
    for power in coefficients[1:]:
        value = torch.addcmul(power[piece], value, t)
    return list(value.unbind(-1))


@lru_cache(maxsize=256)
def _b_spline_table(knots: tuple[float, ...], degree: int) -> _Table:
    from scipy.interpolate import BSpline  # slow to import

    full = [knots[0]] * degree + list(knots) + [knots[-1]] * degree
    count = len(full) - degree - 1
    spline = BSpline(np.array(full), np.eye(count)[:, 1:], degree)
    return _linear_outside(spline, np.array(knots), degree)


@lru_cache(maxsize=256)
def _natural_table(knots: tuple[float, ...]) -> _Table:
    t = torch.tensor(knots, dtype=torch.float64)

    def derivative(x: np.ndarray, order: int) -> np.ndarray:
        """Return the derivative of :func:`natural_spline` of this order, by truncated powers."""
        if order == 0:
            return torch.stack(natural_spline(torch.from_numpy(x), t), -1).numpy()
        at = np.array(knots)
        power, factor = 3 - order, (0, 3, 6, 6)[order]
        above = x[:, None] >= at
        cubes = np.where(above, factor * (x[:, None] - at) ** power, 0.0)
        d = (cubes[:, :-1] - cubes[:, -1:]) / (at[-1] - at[:-1])
        straight = np.full((len(x), 1), float(order == 1))
        return np.hstack([straight, (d[:, :-1] - d[:, -1:]) / (at[-1] - at[0]) ** 2])

    return _linear_outside(derivative, np.array(knots), 3)


def _linear_outside(
    derivative: Callable[[np.ndarray, int], np.ndarray], breaks: np.ndarray, degree: int
) -> _Table:
    """Expand each piece at its left end; outside the breaks keep only value and slope."""
    powers = [derivative(breaks[:-1], order) / math.factorial(order) for order in range(degree + 1)]
    # at the last break the derivatives of the piece before it
    width = breaks[-1] - breaks[-2]
    last = [
        sum(
            math.comb(k, order) * powers[k][-1] * width ** (k - order)
            for k in range(order, degree + 1)
        )
        for order in range(min(2, degree + 1))
    ]
    pieces = []
    for order in reversed(range(degree + 1)):
        edge = np.zeros_like(powers[0][0])
        low, high = (powers[order][0], last[order]) if order < 2 else (edge, edge)
        pieces.append(np.vstack([low, powers[order], high]))
    return _Table(breaks, np.stack(pieces))


def learn_polynomial(values: Tensor, degree: int) -> dict[str, list[float]]:
    """Learn the three-term recurrence of polynomials orthonormal over the observed values."""
    values = values.double()
    if len(torch.unique(values)) <= degree:
        raise InputError(
            f"poly of degree {degree} needs more than {degree} distinct values; give a lower degree"
        )
    alpha, norm = [], [float(len(values))]
    before, now = torch.zeros_like(values), torch.ones_like(values)
    for k in range(degree):
        alpha.append(float((values * now.square()).sum()) / norm[-1])
        beta = norm[-1] / norm[-2] if k else 0.0
        before, now = now, (values - alpha[-1]) * now - beta * before
        norm.append(float(now.square().sum()))
    return {"alpha": alpha, "norm": norm}


def polynomial(x: Tensor, alpha: Sequence[float], norm: Sequence[float]) -> list[Tensor]:
    """Evaluate the orthonormal polynomials of degree 1, 2, ... at x."""
    before, now, result = torch.zeros_like(x), torch.ones_like(x), []
    for k, center in enumerate(alpha):
        beta = norm[k] / norm[k - 1] if k else 0.0
        before, now = now, (x - center) * now - beta * before
        result.append(now / norm[k + 1] ** 0.5)
    return result
