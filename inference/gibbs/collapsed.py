"""A column's mechanism as a whole, with values, latents and utilities integrated out."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .random import gamma, normal

_STEPS, _FIRST_STEPS = 1, 5  # of Gauss and Newton's method
_SHARES = (1.0, 0.3)  # of a step that are tried
_FLAT = 0.1  # the search ends where a step gains no more in log density
_FREEDOM = 8.0  # degrees of freedom of the proposals


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
        root: (K, n, D, D) matrices R_i with S_i = R_i^T R_i.
        pull: (K, n, D) S_i w, the covariances of h_i with x.
        others: (n, r) the complete columns.
        shift: (K, 2) P and L of exp(-P t^2 / 2 + L t), the prior of a shift t of e.
    """

    missing: Tensor
    x: Tensor
    centre: Tensor
    variance: Tensor
    mean: Tensor
    root: Tensor
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
    mean, variance, _ = _linearised(column, at, derivatives=False)
    return mean, variance


def log_likelihood(column: Column, at: Tensor) -> Tensor:
    """Return log p(s_j, x_j | other columns, their utilities) of a column, (K, G)."""
    return _of_scores(column, at, *scores(column, at))


def _of_scores(column: Column, at: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Return the log-likelihood where means and variances of u (K, G, n) are known."""
    sign = torch.where(column.missing, 1.0, -1.0).to(at)
    mask = torch.special.log_ndtr(sign * mean / variance.sqrt()).sum(-1)
    left = _left(column, at)
    own = left.square() / column.variance.unsqueeze(1)
    return mask - 0.5 * (own * ~column.missing).sum(-1)


def _left(column: Column, at: Tensor) -> Tensor:
    """Return what x has beyond its mean, (K, G, n)."""
    return (column.x - column.centre).unsqueeze(1) - at[..., -1:]


def _linearised(
    column: Column, at: Tensor, derivatives: bool = True
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return means and variances of u, and the derivatives of mean / sd, (K, G, n, t)."""
    missing, size = column.missing, column.mean.shape[-1]
    slope, loading = at[..., 1:2], at[..., 2 : 2 + size]
    along = torch.einsum("knij,kgj->kgni", column.root, loading)
    spread = along.square().sum(-1)  # l^T S l
    cross = torch.einsum("kni,kgi->kgn", column.pull, loading)  # l^T S w
    own = column.variance.unsqueeze(1)
    left = _left(column, at)
    value = torch.where(missing, (column.x.unsqueeze(1) - left), column.x.unsqueeze(1))
    ratio = torch.where(missing, 0.0, 1.0).to(at) / own
    mean = at[..., :1] + torch.einsum("kni,kgi->kgn", column.mean, loading) + slope * value
    mean = mean + torch.einsum("nr,kgr->kgn", column.others, at[..., 2 + size : -1])
    mean = mean + ratio * cross * left
    gone = slope * (2 * cross + slope * own)
    variance = 1 + spread + torch.where(missing, gone, -cross.square() * ratio)
    if not derivatives:
        return mean, variance, None
    pull = column.pull.unsqueeze(1)
    d_loading = column.mean.unsqueeze(1) + (ratio * left).unsqueeze(-1) * pull
    half = torch.einsum("knij,kgni->kgnj", column.root, along)  # S l
    half = half + torch.where(missing, slope, -cross * ratio).unsqueeze(-1) * pull
    half_slope = torch.where(missing, cross + slope * own, 0.0)
    d_shift = torch.where(missing, slope, -cross * ratio)
    shape = (*mean.shape, column.others.shape[1])
    d_mean = torch.cat(
        [
            torch.ones_like(mean).unsqueeze(-1),
            value.unsqueeze(-1),
            d_loading,
            column.others.expand(shape),
            d_shift.unsqueeze(-1),
        ],
        -1,
    )
    d_half = torch.zeros_like(d_mean)
    d_half[..., 1], d_half[..., 2 : 2 + size] = half_slope, half
    sd = variance.sqrt().unsqueeze(-1)
    return mean, variance, (d_mean - (mean / variance).unsqueeze(-1) * d_half) / sd


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


class Proposal:
    """A mixture of Student-t distributions close to the posterior of one column's mechanism.

    It has a component at the mode of each form, and two for the forms with an own value, whose
    modes at slopes of either sign are sought. It depends on all that the posterior is conditioned
    on, but not on the present coefficients, so that proposals are accepted by the ratio of
    posterior to proposal.

    Args:
        column: the column.
        prior: the prior of its mechanism.
        start: (K, G, t) where the search for the modes starts.
        first: whether no search was made before. From far away it takes several steps to come so
            close that proposals are accepted; later ones go on from there.
    """

    def __init__(self, column: Column, prior: Prior, start: Tensor, first: bool = False) -> None:
        self.column, self.prior = column, prior
        self.steps = _FIRST_STEPS if first else _STEPS
        self.all_terms = nn.functional.pad(prior.terms, (0, 1), value=True)  # (F, t)
        self.terms = self.all_terms[prior.group]  # (G, t)
        self.count = self.terms.sum(-1).to(start)
        self.mode, self.factor, height = self._search(start)
        self.log_det = self.factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        # a component's share by Laplace's approximation
        log_share = height - self.log_det + 0.5 * math.log(2 * math.pi) * self.count
        self.log_share = (log_share + prior.log_weight[:, prior.group]).log_softmax(-1)

    def _seen_from(self, at: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """Return the log density at some coefficients, and what the next step is computed from."""
        mean, variance, steep = _linearised(self.column, at)
        assert steep is not None
        prior = log_prior(self.column, at, self.prior.precision, self.terms)
        height = _of_scores(self.column, at, mean, variance) + prior
        return height, (mean, variance, steep)

    def _search(self, at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return modes, Cholesky factors of the information there, and the log densities."""
        column, terms = self.column, self.terms.to(at)
        both = terms.unsqueeze(-1) * terms.unsqueeze(-2)
        penalty = torch.cat([self.prior.precision, column.shift[:, :1]], -1)
        start = torch.cat([torch.zeros_like(self.prior.precision), column.shift[:, 1:]], -1)
        seen = ~column.missing
        sign = torch.where(column.missing, 1.0, -1.0).to(at)
        height, (mean, variance, steep) = self._seen_from(at)
        for step in range(self.steps + 1):
            t = sign * mean / variance.sqrt()
            log_phi = torch.special.log_ndtr(t)
            mills = torch.exp(-0.5 * t.square() - log_phi) / math.sqrt(2 * math.pi)
            curve = mills * (mills + t)
            slope = ((sign * mills).unsqueeze(-2) @ steep).squeeze(-2)
            information = (curve.unsqueeze(-1) * steep).mT @ steep
            own = seen / column.variance
            slope[..., -1] += (_left(column, at) * own.unsqueeze(1)).sum(-1)
            information[..., -1, -1] += own.sum(-1, keepdim=True)
            slope = (slope - penalty.unsqueeze(1) * at + start.unsqueeze(1)) * terms
            information = (information + torch.diag_embed(penalty).unsqueeze(1)) * both
            factor = torch.linalg.cholesky(information + torch.diag_embed(1 - terms))
            if step == self.steps:
                break
            move = torch.cholesky_solve(slope.unsqueeze(-1), factor).squeeze(-1)
            gained = torch.zeros_like(height)
            for share in _SHARES:  # mostly the first one is taken by all
                tried = at + share * move
                found, beside = self._seen_from(tried)
                better = (found > height) & (gained == 0)
                gained = torch.where(better, found - height, gained)
                cells = better.unsqueeze(-1)
                at = torch.where(cells, tried, at)
                mean = torch.where(cells, beside[0], mean)
                variance = torch.where(cells, beside[1], variance)
                steep = torch.where(cells.unsqueeze(-1), beside[2], steep)
                move = move.masked_fill(cells, 0.0)
                height = torch.where(better, found, height)
                if bool((gained > 0).all()):
                    break
            if bool((gained < _FLAT).all()):
                break
        return at, factor, height

    def draw(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Sample forms (K,) and coefficients with shift (K, t)."""
        pick = torch.multinomial(self.log_share.exp(), 1, generator=generator)  # (K, 1)
        at = pick.unsqueeze(-1).expand(-1, 1, self.mode.shape[-1])
        mode = self.mode.gather(1, at).squeeze(1)
        factor = self.factor.gather(1, at.unsqueeze(-1).expand(-1, 1, *self.factor.shape[-2:]))
        noise = normal(mode.shape, mode, generator).unsqueeze(-1)
        step = torch.linalg.solve_triangular(factor.squeeze(1).mT, noise, upper=True).squeeze(-1)
        freedom = torch.full_like(step[:, :1], _FREEDOM / 2)
        step = step * (freedom / gamma(freedom, generator)).sqrt()
        pick = pick.squeeze(1)
        return self.prior.group[pick], mode + step * self.terms[pick]

    def log_density(self, form: Tensor, at: Tensor) -> Tensor:
        """Return the log density of forms (K,) and coefficients with shift (K, t), (K,)."""
        left = (at.unsqueeze(1) - self.mode) * self.terms
        squares = (self.factor.mT @ left.unsqueeze(-1)).square().sum((-2, -1))
        k, nu = self.count, torch.tensor(_FREEDOM).to(at)
        density = (
            torch.lgamma((nu + k) / 2)
            - torch.lgamma(nu / 2)
            - 0.5 * k * math.log(_FREEDOM * math.pi)
            + self.log_det
            - 0.5 * (nu + k) * torch.log1p(squares / nu)
        )
        same = self.prior.group == form.unsqueeze(1)
        return (self.log_share + density).masked_fill(~same, -math.inf).logsumexp(-1)

    def log_target(self, form: Tensor, at: Tensor) -> Tensor:
        """Return the log posterior of forms (K,) and coefficients with shift (K, t), (K,)."""
        terms, one = self.all_terms[form].unsqueeze(1), at.unsqueeze(1)
        height = log_prior(self.column, one, self.prior.precision, terms)
        height = height + log_likelihood(self.column, one)
        return height.squeeze(1) + self.prior.log_weight.gather(1, form.unsqueeze(1)).squeeze(1)
