"""The mechanism's block: the forms, with coefficients integrated out, and then the coefficients."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ...models.missingness.averaged import (
    FORMS,
    LOADING_RATE,
    LOADING_SHAPE,
    SHARED_SCALE,
    SLOPE_DF,
    SLOPE_SCALE,
    Form,
)
from .collapsed import Prior
from .random import gamma, normal

#: prior standard deviation of the intercept of the score
_INTERCEPT_SD = 3.0
#: slopes at which modes are sought first
_START = 0.6
#: how many columns the prior of the forms' probabilities counts for
_CONCENTRATION = 2.0
_OWN = torch.tensor(["own value" in form for form in FORMS])
_LATENT = torch.tensor(["latent" in form for form in FORMS])
_OTHERS = torch.tensor(["other columns" in form for form in FORMS])


class Forms:
    """The forms of q columns, their coefficients and the parameters of their priors, in K chains.

    Args:
        rates: (q,) the columns' rates of missing values.
        latent_dim: the number d of the row's latent dimensions.
        mask_latent_dim: the number e of further ones, which only the mask reads, in every form.
        chains: the number K of chains.
        forms: the forms that are considered.
        others: (n, r) the values of columns without missing values, which forms may read.
        reads: (q, d) which of the row's latents a column's latent form reads; all if left out.
    """

    def __init__(
        self,
        rates: Tensor,
        latent_dim: int,
        mask_latent_dim: int,
        chains: int,
        forms: Sequence[Form],
        others: Tensor,
        reads: Tensor | None = None,
    ) -> None:
        shape = (chains, len(rates))
        self.latent_dim = latent_dim
        self.own, self.latent = _OWN.to(rates.device), _LATENT.to(rates.device)
        self.reads_others, self.others = _OTHERS.to(rates.device), others
        considered = torch.tensor([form in forms for form in FORMS], device=rates.device)
        if not others.shape[1]:
            considered &= ~self.reads_others
        #: (K, F) the forms that each chain may choose
        self.allowed = considered.expand(chains, -1).clone()
        share = torch.tensor(list(FORMS.values())).to(rates) * considered
        self.share = share / share.sum()
        if reads is None:
            reads = torch.ones(len(rates), latent_dim, dtype=torch.bool, device=rates.device)
        one = torch.ones(len(rates), len(FORMS), 1, dtype=torch.bool, device=rates.device)
        #: (q, F, 2 + d + e + r) the terms of each form: intercept, own value, latents, latents of
        #: the mask alone, other columns
        self.terms = torch.cat(
            [
                one,
                one & self.own[:, None],
                reads.unsqueeze(1) & self.latent[:, None],
                one.expand(-1, -1, mask_latent_dim),
                (one & self.reads_others[:, None]).expand(-1, -1, others.shape[1]),
            ],
            -1,
        )
        start = torch.special.ndtri(rates.clamp(0.005, 0.995))
        self.offset = start.expand(shape).clone()
        #: (G,) the forms for whose coefficients modes are sought, from slopes of either sign
        signs = [
            (form, sign * _START * float(self.own[form]))
            for form in considered.nonzero().flatten().tolist()
            for sign in ((1.0, -1.0) if self.own[form] else (1.0,))
        ]
        self.group = torch.tensor([form for form, _ in signs], device=rates.device)
        size = self.terms.shape[-1] + 1
        #: (K, q, G, t + 1) where they are sought, as :meth:`coefficients` and a shift of the mean
        self.modes = rates.new_zeros(*shape, len(signs), size)
        #: (q,) the columns whose modes have been sought
        self.sought = torch.zeros(len(rates), dtype=torch.bool, device=rates.device)
        self.modes[..., 0] = start.unsqueeze(-1)
        self.modes[..., 1] = rates.new_tensor([slope for _, slope in signs])
        self.slope = rates.new_zeros(shape)
        self.loading = rates.new_zeros(*shape, latent_dim + mask_latent_dim)
        self.coefficient = rates.new_zeros(*shape, others.shape[1])
        self.slope_variance = torch.full(shape, SLOPE_SCALE**2).to(rates)
        self.loading_variance = torch.full(shape, LOADING_RATE / LOADING_SHAPE).to(rates)
        self.coefficient_variance = self.loading_variance.clone()
        self.shared_variance = rates.new_full((chains, mask_latent_dim), SHARED_SCALE**2)
        self.weight = self.share.expand(chains, -1).clone()
        self.form = torch.zeros(shape, dtype=torch.long, device=rates.device)
        #: (K, q, F) the forms' probabilities given all else, from the last step
        self.probability = self.weight.unsqueeze(1).expand(*shape, -1)

    def score(self, z: Tensor) -> Tensor:
        """Return the score without the part of the column itself, (K, n, q)."""
        return self.base() + z @ self.loading.mT

    def base(self) -> Tensor:
        """Return the part of the score that neither the column itself nor z enters, (K, n, q)."""
        return self.offset.unsqueeze(1) + self.others @ self.coefficient.mT

    @property
    def intercept_precision(self) -> float:
        """The prior precision of the intercepts."""
        return _INTERCEPT_SD**-2

    def prior(self, place: int) -> Prior:
        """Return the prior of one column's mechanism."""
        log_weight = self.weight.log().masked_fill(~self.allowed, -math.inf)
        return Prior(self._prior_precision()[:, place], log_weight, self.terms[place], self.group)

    def coefficients(self, place: int) -> Tensor:
        """Return one column's intercept, slope, loadings and coefficients, and a 0, (K, t + 1)."""
        first = torch.stack([self.offset[:, place], self.slope[:, place]], -1)
        rest = self.loading[:, place], self.coefficient[:, place]
        return torch.cat([first, *rest, torch.zeros_like(first[:, :1])], -1)

    def put(self, place: int, form: Tensor, at: Tensor) -> None:
        """Give a column a form (K,) and coefficients as :meth:`coefficients` returns them."""
        end = 2 + self.loading.shape[-1]
        parts = {
            "form": form,
            "offset": at[:, 0],
            "slope": at[:, 1],
            "loading": at[:, 2:end],
            "coefficient": at[:, end:-1],
        }
        for name, value in parts.items():
            changed = getattr(self, name).clone()
            changed[:, place] = value
            setattr(self, name, changed)

    def step(self, y: Tensor, z: Tensor, u: Tensor, generator: torch.Generator) -> Tensor:
        """Sample forms, coefficients and the parameters of their priors.

        Given u each column is a linear regression with noise of variance 1. Its coefficients are
        integrated out when the form is chosen. Before they are sampled, u is multiplied by a random
        factor that leaves its distribution as it is (Liu & Wu, JASA 1999), without which steep
        mechanisms take thousands of sweeps.

        Args:
            y: (K, n, q) the values of the columns, completed.
            z: (K, n, d + e) the latents.
            u: (K, n, q) the utilities.
            generator: the source of random numbers.

        Returns:
            The utilities, multiplied by that factor.
        """
        gram, moment = _moments(y, torch.cat([z, self.others.expand(len(z), -1, -1)], -1), u)
        precision = self._prior_precision()
        # of the forms, those that some chain may choose now
        kept = self.allowed.any(0).nonzero().flatten()
        terms = self.terms[:, kept].to(u)
        both = terms.unsqueeze(-1) * terms.unsqueeze(-2)  # (q, F, t, t)
        system = (gram + torch.diag_embed(precision)).unsqueeze(2) * both
        factor = torch.linalg.cholesky(system + torch.diag_embed(1 - terms))  # (K, q, F, t, t)
        root = torch.linalg.solve_triangular(
            factor, (moment.unsqueeze(2) * terms).unsqueeze(-1), upper=False
        ).squeeze(-1)
        diagonal = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        prior = 0.5 * (precision.log().unsqueeze(2) * terms).sum(-1)
        evidence = 0.5 * root.square().sum(-1) + prior - diagonal
        log_odds = evidence + self.weight.log()[:, kept].unsqueeze(1)
        none = log_odds.new_full((*log_odds.shape[:2], len(FORMS)), -math.inf)
        log_odds = none.index_copy(2, kept, log_odds)
        log_odds = log_odds.masked_fill(~self.allowed.unsqueeze(1), -math.inf)
        self.probability = log_odds.softmax(-1)
        chosen = torch.multinomial(self.probability.flatten(0, 1), 1, generator=generator)
        self.form = chosen.view(self.form.shape)
        place = torch.searchsorted(kept, self.form)
        pick = place[..., None, None]
        root = root.gather(2, pick.expand(-1, -1, 1, root.shape[-1])).squeeze(2)
        size = factor.shape[-1]
        factor = factor.gather(2, pick.unsqueeze(-1).expand(-1, -1, 1, size, size)).squeeze(2)
        left = u.square().sum(1) - root.square().sum(-1)  # (K, q) the residual sum of squares
        shape = torch.full_like(left, u.shape[1] / 2)
        stretch = (2 * gamma(shape, generator) / left).sqrt()
        root = root * stretch.unsqueeze(-1)
        noise = normal(root.shape, root, generator)
        found = torch.linalg.solve_triangular(
            factor.mT, (root + noise).unsqueeze(-1), upper=True
        ).squeeze(-1)
        found = found * terms[torch.arange(len(terms), device=u.device), place]
        end = 2 + z.shape[-1]
        self.offset, self.slope = found[..., 0], found[..., 1]
        self.loading, self.coefficient = found[..., 2:end], found[..., end:]
        self._priors(generator)
        return u * stretch.unsqueeze(1)

    def _prior_precision(self) -> Tensor:
        """Return the prior precisions of the coefficients (K, q, 2 + d + e + r)."""
        intercept = torch.full_like(self.slope, _INTERCEPT_SD**-2)
        d, size = self.latent_dim, self.others.shape[1]
        variance = self.loading_variance, self.shared_variance, self.coefficient_variance
        parts = [
            intercept.unsqueeze(-1),
            1 / self.slope_variance.unsqueeze(-1),
            (d / variance[0]).unsqueeze(-1).expand(*intercept.shape, d),
            (1 / variance[1]).unsqueeze(1).expand(*intercept.shape, -1),
            (size / variance[2]).unsqueeze(-1).expand_as(self.coefficient),
        ]
        return torch.cat(parts, -1)

    def _priors(self, generator: torch.Generator) -> None:
        """Sample the variances of slopes and loadings, and the probabilities of the forms."""
        own, latent = self.own[self.form].to(self.slope), self.latent[self.form].to(self.slope)
        # Student t as a mixture of Normals: variance ~ InverseGamma(df / 2, df scale^2 / 2)
        rate = 0.5 * SLOPE_DF * SLOPE_SCALE**2 + 0.5 * own * self.slope.square()
        self.slope_variance = rate / gamma(0.5 * SLOPE_DF + 0.5 * own, generator)
        reads = self.reads_others[self.form].to(self.slope)
        own, shared = self.loading.tensor_split([self.latent_dim], -1)
        self.loading_variance = _variance(own, latent, generator)
        # half-Cauchy scales as mixtures of inverse gammas (Makalic & Schmidt, IEEE SPL 2016)
        mixing = 1 / SHARED_SCALE**2 + 1 / self.shared_variance
        mixing = mixing / gamma(torch.ones_like(mixing), generator)
        rate = 1 / mixing + 0.5 * shared.square().sum(1)
        count = torch.full_like(rate, 0.5 + 0.5 * shared.shape[1])
        self.shared_variance = rate / gamma(count, generator)
        self.coefficient_variance = _variance(self.coefficient, reads, generator)
        counts = one_hot(self.form, len(FORMS)).to(self.slope).sum(1)
        parts = gamma(_CONCENTRATION * self.share + counts + 1e-12, generator)
        self.weight = (parts / parts.sum(-1, keepdim=True)).clamp_min(1e-12)


def _variance(loading: Tensor, present: Tensor, generator: torch.Generator) -> Tensor:
    """Sample the variance that loadings (K, q, d) add to the score, from its prior if absent."""
    d = loading.shape[-1]
    rate = LOADING_RATE + 0.5 * present * d * loading.square().sum(-1)
    return rate / gamma(LOADING_SHAPE + 0.5 * present * d, generator)


def _moments(y: Tensor, z: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """Return Gram matrices (K, q, t, t) and moments with u (K, q, t) of 1, y_j and all of z."""
    chains, n, q = y.shape
    t = 2 + z.shape[-1]
    gram, moment = y.new_zeros(chains, q, t, t), y.new_zeros(chains, q, t)
    gram[..., 0, 0] = n
    gram[..., 1, 1] = y.square().sum(1)
    gram[..., 0, 1] = gram[..., 1, 0] = y.sum(1)
    total = z.sum(1).unsqueeze(1)
    gram[..., 0, 2:], gram[..., 2:, 0] = total, total
    cross = y.mT @ z  # (K, q, d)
    gram[..., 1, 2:], gram[..., 2:, 1] = cross, cross
    gram[..., 2:, 2:] = (z.mT @ z).unsqueeze(1)
    moment[..., 0], moment[..., 1], moment[..., 2:] = u.sum(1), (y * u).sum(1), u.mT @ z
    return gram, moment
