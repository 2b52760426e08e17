"""A column's mechanism as a whole, with values, latents and utilities integrated out."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Column(NamedTuple):
    """What one column's mechanism is to explain, in K chains.

    h_i, the latents of row i (those of the mask included), and the column's value have, given
    the other observed values of the row, the other columns' utilities and all other parameters,

        h_i ~ Normal(m_i, S_i),   x_i | h_i ~ Normal(e + w^T h_i, noise).

    Attributes:
        missing: (n,) booleans.
        x: (K, n) the values; what stands where they are missing is not read.
        centre: (K, n) the means e + w^T m_i of x.
        variance: (K, n) the variances of x.
        mean: (K, n, D) m_i.
        spread: (M, D, D) the different S_i: rows with the same pattern and component share one.
        owner: (M,) the chain of each of them.
        which: (K, n) which of them each row has.
        pull: (K, n, D) S_i w, the covariances of h_i with x.
        others: (n, r) the complete columns.
        shift: (K, 2) P and L of exp(-P t^2 / 2 + L t), the prior of a shift t of e.
    """

    missing: Tensor
    x: Tensor
    centre: Tensor
    variance: Tensor
    mean: Tensor
    spread: Tensor
    owner: Tensor
    which: Tensor
    pull: Tensor
    others: Tensor
    shift: Tensor


class Prior(NamedTuple):
    """The prior of one column's mechanism, in K chains.

    Attributes:
        precision: (K, t - 1) precisions of the coefficients.
        log_weight: (K, F) the forms' log-probabilities, minus infinity for what a chain may not
            choose.
        terms: (F, t - 1) booleans, the coefficients that a form has.
        group: (G,) the forms for which modes are sought, one or two of each.
    """

    precision: Tensor
    log_weight: Tensor
    terms: Tensor
    group: Tensor


def scores(column: Column, at: Tensor) -> tuple[Tensor, Tensor]:
    """Return means and variances of u given all that is observed, (K, G, n).

    Args:
        column: the column.
        at: (K, G, t) intercept, slope, loadings (D), coefficients of others (r) and shift.
    """
    mean, variance, _ = linearised(column, at, derivatives=False)
    return mean, variance


def log_likelihood(column: Column, at: Tensor) -> Tensor:
    """Return log p(s_j, x_j | other columns, their utilities) of a column, (K, G)."""
    return of_scores(column, at, *scores(column, at))


def of_scores(column: Column, at: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Return the log-likelihood where means and variances of u (K, G, n) are known."""
    sign = torch.where(column.missing, 1.0, -1.0).to(at)
    mask = torch.special.log_ndtr(sign * mean / variance.sqrt()).sum(-1)
    left = left_over(column, at)
    own = left.square() / column.variance.unsqueeze(1)
    return mask - 0.5 * (own * ~column.missing).sum(-1)


def left_over(column: Column, at: Tensor) -> Tensor:
    """Return what x has beyond its mean, (K, G, n)."""
    return (column.x - column.centre).unsqueeze(1) - at[..., -1:]


def linearised(
    column: Column, at: Tensor, derivatives: bool = True
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return means and variances of u, and the derivatives of mean / sd, (K, G, n, t)."""
    missing, size = column.missing, column.mean.shape[-1]
    slope, loading = at[..., 1:2], at[..., 2 : 2 + size]
    of_kind = loading[column.owner]  # (M, G, D)
    through = of_kind @ column.spread  # S l
    spread = (through * of_kind).sum(-1)[column.which].mT  # l^T S l
    cross = (column.pull @ loading.mT).mT  # l^T S w
    own = column.variance.unsqueeze(1)
    left = left_over(column, at)
    value = torch.where(missing, (column.x.unsqueeze(1) - left), column.x.unsqueeze(1))
    ratio = torch.where(missing, 0.0, 1.0).to(at) / own
    mean = at[..., :1] + (column.mean @ loading.mT).mT + slope * value
    mean = mean + at[..., 2 + size : -1] @ column.others.mT
    mean = mean + ratio * cross * left
    gone = slope * (2 * cross + slope * own)
    variance = 1 + spread + torch.where(missing, gone, -cross.square() * ratio)
    if not derivatives:
        return mean, variance, None
    # the largest tensor here, so that each of its parts is written once, divided by the sd
    steep = mean.new_empty(*mean.shape, at.shape[-1])
    inverse = variance.rsqrt()
    by_half = mean / variance * inverse  # minus the derivative by half of the variance
    d_shift = torch.where(missing, slope, -cross * ratio)
    steep[..., 0] = inverse
    half_slope = torch.where(missing, cross + slope * own, 0.0)
    steep[..., 1] = value * inverse - by_half * half_slope
    d_loading, one = steep[..., 2 : 2 + size], inverse.unsqueeze(-1)
    torch.mul(column.mean.unsqueeze(1), one, out=d_loading)
    along = ratio * left * inverse - by_half * d_shift
    d_loading.addcmul_(along.unsqueeze(-1), column.pull.unsqueeze(1))
    d_loading.addcmul_(by_half.unsqueeze(-1), through[column.which].transpose(1, 2), value=-1.0)
    torch.mul(column.others, one, out=steep[..., 2 + size : -1])
    steep[..., -1] = d_shift * inverse
    return mean, variance, steep


def log_prior(column: Column, at: Tensor, precision: Tensor, terms: Tensor) -> Tensor:
    """Return the log density of coefficients and shift, but for a number that all share, (K, G).

    Args:
        column: the column.
        at: (K, G, t) as for :func:`scores`.
        precision: (K, t - 1) prior precisions of the coefficients.
        terms: (G, t) booleans, or (K, G, t), which of them are there.
    """
    own, precision = terms[..., :-1], precision.unsqueeze(1)
    parts = (precision / (2 * math.pi)).log() - precision * at[..., :-1].square()
    shift = at[..., -1]
    given = -0.5 * column.shift[:, :1] * shift.square() + column.shift[:, 1:] * shift
    return 0.5 * (parts * own).sum(-1) + given
