"""The latents' block: components of a mixture of Normals, and their parameters."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from .factors import drawn_by_row, log_integral, rarely_shared
from .random import gamma, normal

#: the concentration of the Dirichlet prior of the weights, which the components share
_CONCENTRATION = 1.0
#: parameters of the inverse gamma prior of the variances of the components' means
_SPREAD_SHAPE, _SPREAD_RATE = 2.0, 2.0
#: degrees of freedom of components' covariances, beyond the d + 1 below which they have no mean;
#: the typical covariance counts for so many rows. With fewer than 16 a component of one far row is
#: so wide in all directions that the row's missing values are sampled ten and more sds away.
_FREEDOM = (16.0, 32.0, 64.0, 128.0, 256.0)
#: the share of the rows whose components are sampled in one sweep
_SHARE = 0.25


class Components:
    """z | c ~ Normal(mean_c, S_c), c ~ Categorical(weight) in K chains, with conjugate priors.

    The weights are Dirichlet(1 / C), which leaves components empty that nothing supports (Rousseau
    & Mengersen, JRSS-B 2011). Means are Normal(0, diag(v)) with v_k ~ InverseGamma(2, 2), so that a
    column with values far out moves a component there instead of widening it. The covariances are
    InverseWishart(f, (f - d - 1) T), so that T is their mean, and f, which has a uniform prior on a
    grid, says how alike they are. T ~ Wishart(d + 2, I / (d + 2)) where the decoder's weights
    are fixed, and otherwise T = I. One component is Normal(0, I).

    Args:
        rows, latent_dim, components, chains: the sizes n, d, C and K.
        typical: whether T is sampled.
        like: a tensor whose dtype and device to take.
        generator: the source of random numbers.
    """

    def __init__(
        self,
        rows: int,
        latent_dim: int,
        components: int,
        chains: int,
        typical: bool,
        like: Tensor,
        generator: torch.Generator,
    ) -> None:
        self.number, self.samples_typical = components, typical
        shape, eye = (chains, components, latent_dim), torch.eye(latent_dim).to(like)
        #: (K, n) the components of the rows
        self.component = torch.zeros(chains, rows, dtype=torch.long, device=like.device)
        self.mean = like.new_zeros(shape)
        if components > 1:
            self.mean = normal(shape, like, generator)
        self.precision = eye.expand(*shape, latent_dim).clone()
        #: (K, C) the logarithms of the precisions' determinants
        self.log_det = like.new_zeros(shape[:2])
        self.log_weight = like.new_full(shape[:2], -math.log(components))
        #: (K, d) the prior variances of the means
        self.mean_variance = like.new_ones(chains, latent_dim)
        self.typical = eye.expand(chains, latent_dim, latent_dim).clone()
        self.freedom = like.new_full((chains,), latent_dim + 1 + _FREEDOM[0])

    def choose(
        self, information: Tensor, pattern: Tensor, shift: Tensor, generator: torch.Generator
    ) -> None:
        """Sample the components of some rows, with the latents integrated out.

        Which rows is left to chance, since each takes C factors where latents take one. A row's
        likelihood is proportional to exp(shift^T z - z^T information z / 2).

        Args:
            information: (K, R, D * D) by pattern, where latents beyond the first d are
                Normal(0, I) in every component.
            pattern: (n,) the rows' patterns.
            shift: (K, n, D).
            generator: the source of random numbers.
        """
        if self.number == 1:
            return
        n = len(pattern)
        order = torch.randperm(n, generator=generator, device=pattern.device)
        rows = order[: max(math.ceil(_SHARE * n), 1)]
        kinds, at = pattern[rows].unique(return_inverse=True)
        found = self.log_odds(information[:, kinds], at, shift[:, rows])
        drawn = torch.multinomial(found.softmax(-1).flatten(0, 1), 1, generator=generator)
        self.component[:, rows] = drawn.view(len(found), -1)

    def log_odds(self, information: Tensor, pattern: Tensor, shift: Tensor) -> Tensor:
        """Return log p(c) p(row | c), up to a number for each row, (K, n, C).

        Args:
            information, pattern, shift: as for :meth:`choose`.
        """
        size = shift.shape[-1]
        precision, pull = self._widened(size)
        given = information.unflatten(-1, (size, size))
        own = self.log_weight + 0.5 * self.log_det
        own = own - 0.5 * (self.mean * pull[..., : self.mean.shape[-1]]).sum(-1)
        pulled = shift.unsqueeze(1) + pull.unsqueeze(2)  # (K, C, n, D)
        return (own.unsqueeze(2) + log_integral(given, precision, pattern, pulled)).mT

    def drawn(self, log_odds: Tensor, generator: torch.Generator) -> Tensor:
        """Sample the components (K, n) of all rows by their odds (K, n, C)."""
        if self.number == 1:
            return self.component
        share = log_odds.softmax(-1).flatten(0, 1)
        found = torch.multinomial(share, 1, generator=generator)
        return found.view(self.component.shape)

    def latents(
        self, information: Tensor, pattern: Tensor, shift: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Sample the latents (K, n, D) given components.

        Args:
            information, pattern, shift: as for :meth:`choose`.
            generator: the source of random numbers.
        """
        size = shift.shape[-1]
        noise = normal(shift.shape, shift, generator)
        if rarely_shared(pattern, information):
            precision, pull = self._widened(size)
            given = information.unflatten(-1, (size, size))
            return drawn_by_row(given, precision, pull, pattern, self.component, shift, noise)
        _, inverse, at, pull = self.posterior(information, pattern, self.component)
        root = inverse[at]
        half = (root @ (shift + pull).unsqueeze(-1)).squeeze(-1) + noise
        found: Tensor = (root.mT @ half.unsqueeze(-1)).squeeze(-1)
        return found

    def posterior(
        self, information: Tensor, pattern: Tensor, component: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return what the components add to the rows' posteriors of their latents.

        Rows of the same pattern and component share a factor. Most callers need one of the two
        matrices for each row, which takes longer than to find them.

        Args:
            information: as for :meth:`choose`.
            pattern: (n,) the rows' patterns.
            component: (K, n) the rows' components.

        Returns:
            The different L and L^-1 (M, D, D) with L L^T = precision of the component +
            information, which of them each row has (K, n), and what the component adds to the
            shift, (K, n, D) or (K, 1, D).
        """
        size = math.isqrt(information.shape[-1])
        precision, pull = self._widened(size)
        chains, kinds = information.shape[:2]
        chain = torch.arange(chains, device=pattern.device).unsqueeze(1)
        at = chain * kinds + pattern
        if self.number == 1:
            given = information.unflatten(-1, (size, size)) + precision
            factor = torch.linalg.cholesky(given.flatten(0, 1))
        else:
            keys, at = (at * self.number + component).unique(return_inverse=True)
            at_pattern = keys // self.number
            own = at_pattern // kinds * self.number + keys % self.number
            given = information.flatten(0, 1)[at_pattern].unflatten(-1, (size, size))
            factor = torch.linalg.cholesky(given + precision.flatten(0, 1)[own])
            pull = pull[chain, component]
        eye = torch.eye(size).to(factor)
        inverse = torch.linalg.solve_triangular(factor, eye.expand_as(factor), upper=False)
        return factor, inverse, at, pull

    def _widened(self, size: int) -> tuple[Tensor, Tensor]:
        """Return precisions (K, C, D, D) and precisions times means, with latents ~ N(0, I)."""
        more = size - self.mean.shape[-1]
        precision = nn.functional.pad(self.precision, (0, more, 0, more))
        if more:
            precision.diagonal(dim1=-2, dim2=-1)[..., -more:] = 1.0
        pull = (self.precision @ self.mean.unsqueeze(-1)).squeeze(-1)
        return precision, nn.functional.pad(pull, (0, more))

    def step(self, z: Tensor, generator: torch.Generator) -> None:
        """Sample all parameters given the latents z (K, n, d) and the rows' components."""
        if self.number == 1:
            return
        d = z.shape[-1]
        member = one_hot(self.component, self.number).to(z).mT  # (K, C, n)
        count, total = member.sum(-1), member @ z
        left = (z.unsqueeze(1) - self.mean.unsqueeze(2)) * member.unsqueeze(-1)
        scale = (self.freedom - d - 1)[:, None, None] * self.typical
        freedom = self.freedom.unsqueeze(1)
        rate = left.mT @ left + scale.unsqueeze(1)
        self.precision, self.log_det = wishart(freedom + count, rate, generator)
        prior = torch.diag_embed(1 / self.mean_variance)
        factor = torch.linalg.cholesky(count[..., None, None] * self.precision + prior.unsqueeze(1))
        moment = self.precision @ total.unsqueeze(-1)
        noise = normal(moment.shape, z, generator)
        spread = torch.linalg.solve_triangular(factor.mT, noise, upper=True)
        self.mean = (torch.cholesky_solve(moment, factor) + spread).squeeze(-1)
        parts = gamma(_CONCENTRATION / self.number + count, generator).clamp_min(1e-300)
        self.log_weight = (parts / parts.sum(-1, keepdim=True)).log()
        rate = _SPREAD_RATE + 0.5 * self.mean.square().sum(-2)
        size = torch.full_like(rate, _SPREAD_SHAPE + 0.5 * self.number)
        self.mean_variance = rate / gamma(size, generator)
        self._freedom(generator)
        if self.samples_typical:
            own = (self.freedom - d - 1)[:, None, None] * self.precision.sum(1)
            start = (d + 2) * torch.eye(d).to(z)
            freedom = d + 2 + self.number * self.freedom
            self.typical = wishart(freedom, own + start, generator)[0]

    def _freedom(self, generator: torch.Generator) -> None:
        """Sample the degrees of freedom of the covariances from their grid."""
        d = self.mean.shape[-1]
        beyond = torch.tensor(_FREEDOM).to(self.mean)
        freedom = d + 1 + beyond
        log_det = self.log_det.sum(1, keepdim=True)
        trace = (self.precision * self.typical.unsqueeze(1)).sum((1, 2, 3)).unsqueeze(-1)
        scale = d * (beyond / 2).log() + torch.linalg.slogdet(self.typical)[1].unsqueeze(-1)
        start = 0.5 * freedom * scale - torch.special.multigammaln(0.5 * freedom, d)
        log_odds = self.number * start + 0.5 * (freedom * log_det - beyond * trace)
        pick = torch.multinomial(log_odds.softmax(-1), 1, generator=generator).squeeze(-1)
        self.freedom = freedom[pick]


def wishart(freedom: Tensor, rate: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Sample from Wishart(freedom, rate^-1), by Bartlett's decomposition.

    Args:
        freedom: degrees of freedom (...).
        rate: the inverse of the scale matrix (..., d, d).
        generator: the source of random numbers.

    Returns:
        The samples, and the logarithms (...) of their determinants.
    """
    d = rate.shape[-1]
    steps = torch.arange(d, device=rate.device, dtype=rate.dtype)
    squares = 2 * gamma((freedom.unsqueeze(-1) - steps) / 2, generator)
    lower = normal(rate.shape, rate, generator).tril(-1) + torch.diag_embed(squares.sqrt())
    factor = torch.linalg.cholesky(0.5 * (rate + rate.mT))
    root = torch.linalg.solve_triangular(factor.mT, lower, upper=True)
    log_det = squares.log().sum(-1) - 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return root @ root.mT, log_det
