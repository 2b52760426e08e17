"""The decoder's block: weights, noise and the precisions of the latent dimensions."""

from __future__ import annotations

import torch
from torch import Tensor

from .random import gamma, normal

#: prior standard deviation of the columns' means, which are standardised by what is observed
_MEAN_SD = 2.0
#: parameters of the inverse gamma prior of the noise's variance
_NOISE_SHAPE, _NOISE_RATE = 1.0, 0.1


class LinearDecoder:
    """x_j | z ~ Normal(mean_j + weight_j^T z, noise_j) in K chains, with conjugate priors.

    The weights of latent dimension k are Normal(0, 1 / precision_k) with precision_k ~ Gamma(1, 1),
    so that dimensions that nothing supports are switched off (automatic relevance determination,
    Bishop, NIPS 1999). Means are Normal(0, 4) and variances of the noise InverseGamma(1, .1).

    Args:
        num_columns, latent_dim, chains: the sizes p, d and K.
        shared: whether all columns have the same noise (probabilistic PCA) or each its own (factor
            analysis).
        floor: the least standard deviation of the noise.
        like: a tensor whose dtype and device to take.
        generator: the source of random numbers.
        direct: whether x_j | z ~ Normal(z_j, noise_j), so that only the noise is sampled.
    """

    def __init__(
        self,
        num_columns: int,
        latent_dim: int,
        chains: int,
        shared: bool,
        floor: float,
        like: Tensor,
        generator: torch.Generator,
        direct: bool = False,
    ) -> None:
        self.shared, self.floor, self.direct = shared, floor, direct
        shape = (chains, num_columns, latent_dim)
        if direct:
            self.weight = torch.eye(num_columns).to(like).expand(shape).clone()
        else:
            self.weight = 0.1 * normal(shape, like, generator)
        self.mean = like.new_zeros(chains, num_columns)
        self.noise = like.new_full((chains, num_columns), 0.5)
        self.precision = like.new_ones(chains, latent_dim)

    def predicted(self, z: Tensor) -> Tensor:
        """Return the means of x given z (K, n, d), (K, n, p)."""
        return self.mean.unsqueeze(1) + z @ self.weight.mT

    def step(self, y: Tensor, z: Tensor, generator: torch.Generator) -> None:
        """Sample all parameters given completed values (K, n, p) and latents (K, n, d)."""
        if not self.direct:
            self._weights(y, z, generator)
        chains, n, p = y.shape
        squares = (y - self.predicted(z)).square().sum(1)
        cells = float(n)
        if self.shared:
            squares, cells = squares.sum(1, keepdim=True), float(n * p)
        shape = torch.full_like(squares, _NOISE_SHAPE + 0.5 * cells)
        noise = (_NOISE_RATE + 0.5 * squares) / gamma(shape, generator)
        self.noise = noise.clamp_min(self.floor**2).expand(chains, p).clone()
        if not self.direct:
            shape = torch.full_like(self.precision, 1 + 0.5 * p)
            self.precision = gamma(shape, generator) / (1 + 0.5 * self.weight.square().sum(1))

    def prior_of_shift(self, column: int) -> Tensor:
        """Return P and L of exp(-P t^2 / 2 + L t), the prior of a shift of a mean by t, (K, 2)."""
        precision = torch.full_like(self.mean[:, column], _MEAN_SD**-2)
        return torch.stack([precision, -precision * self.mean[:, column]], -1)

    def _weights(self, y: Tensor, z: Tensor, generator: torch.Generator) -> None:
        """Sample means and weights given all else."""
        terms = torch.cat([torch.ones_like(z[..., :1]), z], -1)
        prior = torch.cat([torch.full_like(self.mean[:, :1], _MEAN_SD**-2), self.precision], 1)
        gram = (terms.mT @ terms).unsqueeze(1) / self.noise[..., None, None]
        factor = torch.linalg.cholesky(gram + torch.diag_embed(prior).unsqueeze(1))
        moment = ((terms.mT @ y).mT / self.noise.unsqueeze(-1)).unsqueeze(-1)
        spread = torch.linalg.solve_triangular(
            factor.mT, normal(moment.shape, y, generator), upper=True
        )
        found = (torch.cholesky_solve(moment, factor) + spread).squeeze(-1)
        self.mean, self.weight = found[..., 0], found[..., 1:]
