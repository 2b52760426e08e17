"""Proposals of one column's mechanism as a whole, from the modes of its collapsed posterior."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .collapsed import (
    Column,
    Prior,
    left_over,
    linearised,
    log_likelihood,
    log_prior,
    of_scores,
)
from .random import gamma, normal

_STEPS, _FIRST_STEPS = 1, 5  # of Gauss and Newton's method
_SHARES = (1.0, 0.3)  # of a step that are tried
_FLAT = 0.1  # the search ends where a step gains no more in log density
_FREEDOM = 8.0  # degrees of freedom of the proposals


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
        mean, variance, steep = linearised(self.column, at)
        assert steep is not None
        prior = log_prior(self.column, at, self.prior.precision, self.terms)
        height = of_scores(self.column, at, mean, variance) + prior
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
            slope[..., -1] += (left_over(column, at) * own.unsqueeze(1)).sum(-1)
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
                if bool(better.all()):
                    at, height, (mean, variance, steep) = tried, found, beside
                    break
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
