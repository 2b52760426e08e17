"""Spline and polynomial bases on tensors, linear beyond what they were learnt from."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor


def natural_spline(x: Tensor, knots: Tensor) -> list[Tensor]:
    """The natural cubic spline basis without its constant, len(knots) - 1 functions of x.

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
    """df + 1 knots: the ends and evenly spaced quantiles of the observed values."""
    share = torch.linspace(0, 1, df + 1, dtype=torch.float64)
    return _increasing(torch.quantile(values.double(), share).tolist(), df)


def spline_knots(values: Tensor, df: int, degree: int) -> list[float]:
    """Boundary and interior knots of a B-spline basis of df functions without its first one."""
    inner = df - degree
    if inner < 0:
        raise ValueError(f"a spline of degree {degree} has at least df={degree}, not {df}")
    share = torch.linspace(0, 1, inner + 2, dtype=torch.float64)
    return _increasing(torch.quantile(values.double(), share).tolist(), df)


def _increasing(knots: list[float], df: int) -> list[float]:
    if any(b <= a for a, b in itertools.pairwise(knots)):
        raise ValueError(f"too few distinct values for df={df}; lower it")
    return knots


def b_spline(x: Tensor, knots: Sequence[float], degree: int) -> list[Tensor]:
    """The B-spline basis on these boundary and interior knots, without its first function.

    (de Boor, A Practical Guide to Splines, 1978.) Outside the boundary each function goes on in a
    straight line, so that neither values nor gradients end there.
    """
    low, high = knots[0], knots[-1]
    full = [low] * degree + list(knots) + [high] * degree
    inside = x.clamp(low, high)
    basis = _cox_de_boor(inside, full, degree)
    if degree == 0:
        return basis[1:]
    lower = _cox_de_boor(inside, full, degree - 1)
    beyond = x - inside
    result = []
    for i, value in enumerate(basis):
        rise = torch.zeros_like(x)
        if full[i + degree] > full[i]:
            rise = rise + lower[i] / (full[i + degree] - full[i])
        if full[i + degree + 1] > full[i + 1]:
            rise = rise - lower[i + 1] / (full[i + degree + 1] - full[i + 1])
        result.append(value + beyond * (degree * rise).detach())
    return result[1:]


def _cox_de_boor(x: Tensor, t: Sequence[float], degree: int) -> list[Tensor]:
    """All B-splines of this degree on the knot vector t at x within it."""
    last = max(i for i in range(len(t) - 1) if t[i] < t[i + 1])
    basis = []
    for i in range(len(t) - 1):
        inside = (x >= t[i]) & ((x < t[i + 1]) if i != last else (x <= t[i + 1]))
        basis.append(inside.to(x.dtype) if t[i] < t[i + 1] else torch.zeros_like(x))
    for k in range(1, degree + 1):
        higher = []
        for i in range(len(t) - 1 - k):
            value = torch.zeros_like(x)
            if t[i + k] > t[i]:
                value = value + (x - t[i]) / (t[i + k] - t[i]) * basis[i]
            if t[i + k + 1] > t[i + 1]:
                value = value + (t[i + k + 1] - x) / (t[i + k + 1] - t[i + 1]) * basis[i + 1]
            higher.append(value)
        basis = higher
    return basis


def learn_polynomial(values: Tensor, degree: int) -> dict[str, list[float]]:
    """The three-term recurrence of polynomials orthonormal over the observed values."""
    values = values.double()
    if len(torch.unique(values)) <= degree:
        raise ValueError(f"poly of degree {degree} needs more than {degree} distinct values")
    alpha, norm = [], [float(len(values))]
    before, now = torch.zeros_like(values), torch.ones_like(values)
    for k in range(degree):
        alpha.append(float((values * now.square()).sum()) / norm[-1])
        beta = norm[-1] / norm[-2] if k else 0.0
        before, now = now, (values - alpha[-1]) * now - beta * before
        norm.append(float(now.square().sum()))
    return {"alpha": alpha, "norm": norm}


def polynomial(x: Tensor, alpha: Sequence[float], norm: Sequence[float]) -> list[Tensor]:
    """The orthonormal polynomials of degree 1, 2, ... at x."""
    before, now, result = torch.zeros_like(x), torch.ones_like(x), []
    for k, center in enumerate(alpha):
        beta = norm[k] / norm[k - 1] if k else 0.0
        before, now = now, (x - center) * now - beta * before
        result.append(now / norm[k + 1] ** 0.5)
    return result
