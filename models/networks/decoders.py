"""Decoders: modules that map latent variables z to p(x | z), the distribution of a row's values.

A decoder's call returns a Pyro distribution of batch shape (..., n, p). A new decoder is a subclass
of :class:`Decoder` with a ``forward`` and its two dimensions; it needs no more than that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pyro.distributions import Normal, StudentT, TorchDistribution
from torch import Tensor, nn
from torch.nn.functional import softplus

from ...data.errors import InputError
from ..configurable import Configurable
from .mlp import mlp
from .scales import Scale, ScaleKind


class Decoder(Configurable):
    """Base of the decoders: ``decoder(z)`` with ``z`` of shape (..., n, d) returns p(x | z)."""

    latent_dim: int
    num_columns: int

    def forward(self, z: Tensor) -> TorchDistribution:
        """Return the distribution of x given z, batch shape (..., n, p)."""
        raise NotImplementedError

    def log_prior(self) -> Tensor | None:
        """Return the log-density of a prior on the decoder's parameters, or None without one.

        The model adds it to its joint density, so a fit ends at the posterior's mode.
        """
        return None

    def margins(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Estimate each column's mean and variance (p,) over z, from ``nodes``, values of z."""
        x = self(nodes)
        mean, variance = x.mean.expand(len(nodes), -1), x.variance.expand(len(nodes), -1)
        return mean.mean(0), variance.mean(0) + mean.var(0, correction=0)


class NetworkDecoder(Decoder):
    """A network that computes all columns' location and scale; subclasses choose the family.

    Args:
        latent_dim: the number d of latent dimensions.
        num_columns: the number p of columns.
        hidden: the widths of the hidden layers, as many as wished.
        activation: the name of the activation function.
        scale: ``"entry"`` for a scale sigma(z) of every cell, ``"column"`` for one learnt scale per
            column, ``"shared"`` for one learnt scale of all columns.
        floor: the lower limit of the scale, in standard deviations of the columns.
        skip: whether to add a linear map of z to the network's location. The decoder is then
            nearly linear outside the range of the observed values, and curved only within it.
        outputs: the number of locations that the network computes, by default one per column.
    """

    def __init__(
        self,
        latent_dim: int,
        num_columns: int,
        hidden: Sequence[int] = (128, 128),
        activation: str = "tanh",
        scale: ScaleKind = "entry",
        floor: float = 1e-2,
        skip: bool = False,
        outputs: int | None = None,
    ) -> None:
        super().__init__()
        self.latent_dim, self.num_columns = latent_dim, num_columns
        self.network = mlp(latent_dim, hidden, activation=activation)
        features = hidden[-1] if len(hidden) else latent_dim
        outputs = num_columns if outputs is None else outputs
        self.mean = nn.Linear(features, outputs)
        self.scale = Scale(scale, features, num_columns, floor)
        self.skip = nn.Linear(latent_dim, outputs, bias=False) if skip else None
        if self.skip is not None:
            nn.init.normal_(self.skip.weight, std=latent_dim**-0.5)

    def location_and_scale(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return mu(z) (..., n, p) and sigma(z), which broadcasts to it."""
        h = self.network(z)
        location = self.mean(h)
        if self.skip is not None:
            location = location + self.skip(z)
        return location, self.scale(h)


class GaussianDecoder(NetworkDecoder):
    """x | z ~ Normal(mu(z), sigma(z)), the decoder of MIWAE and not-MIWAE (Ipsen et al., 2021).

    >>> import torch
    >>> from absentia.models import GaussianDecoder
    >>> GaussianDecoder(2, 5, hidden=[16])(torch.zeros(7, 2)).batch_shape
    torch.Size([7, 5])
    """

    def forward(self, z: Tensor) -> Normal:
        """Return a Normal of batch shape (..., n, p)."""
        location, scale = self.location_and_scale(z)
        return Normal(location, scale)


class StudentTDecoder(NetworkDecoder):
    """x | z ~ StudentT(nu_j, mu(z), sigma(z)), for columns with outliers.

    The degrees of freedom are learnt, one per column, and stay above 2, so that the variance that
    imputation reports exists.

    >>> import torch
    >>> from absentia.models import StudentTDecoder
    >>> StudentTDecoder(2, 5, hidden=[16])(torch.zeros(7, 2)).mean.shape
    torch.Size([7, 5])
    """

    def __init__(self, latent_dim: int, num_columns: int, **network: Any) -> None:
        super().__init__(latent_dim, num_columns, **network)
        self.df = nn.Parameter(torch.full((num_columns,), 3.0))

    def forward(self, z: Tensor) -> StudentT:
        """Return a StudentT of batch shape (..., n, p)."""
        location, scale = self.location_and_scale(z)
        return StudentT(2.0 + softplus(self.df), location, scale)


_LEAST_INITIAL_NOISE = 0.1  # a variance, in columns that are standardised to variance 1


class LinearGaussianDecoder(Decoder):
    """x | z ~ Normal(z W + mu, sigma): probabilistic PCA (Tipping & Bishop, JRSS-B 1999).

    ``scale="shared"`` is PPCA, ``scale="column"`` factor analysis.

    >>> import torch
    >>> from absentia.models import LinearGaussianDecoder
    >>> LinearGaussianDecoder(2, 5)(torch.zeros(7, 2)).batch_shape
    torch.Size([7, 5])
    """

    def __init__(
        self,
        latent_dim: int,
        num_columns: int,
        scale: ScaleKind = "shared",
        floor: float = 1e-2,
    ) -> None:
        super().__init__()
        if scale == "entry":
            raise InputError(
                "scale='entry' needs a decoder with a network; a linear Gaussian decoder has "
                "scale='shared' or scale='column'"
            )
        self.latent_dim, self.num_columns = latent_dim, num_columns
        self.mean = nn.Linear(latent_dim, num_columns)
        self.scale = Scale(scale, latent_dim, num_columns, floor)
        nn.init.normal_(self.mean.weight, std=latent_dim**-0.5)
        nn.init.zeros_(self.mean.bias)

    def forward(self, z: Tensor) -> Normal:
        """Return a Normal of batch shape (..., n, p)."""
        return Normal(self.mean(z), self.scale(z))

    @torch.no_grad()
    def start_from(
        self,
        covariance: Tensor,
        mean: Tensor | None = None,
        least_noise: float = _LEAST_INITIAL_NOISE,
    ) -> None:
        """Start from PPCA's closed form for this covariance (p, p), randomly rotated.

        W = U (Lambda - sigma^2 I)^(1/2) R (Tipping & Bishop, 1999, eq. 7), with the eigenvectors U
        and eigenvalues Lambda of the covariance, and a rotation R. With random initial weights
        instead, a mechanism can settle on a wrong direction before the decoder has learnt how the
        columns are related, and a fit does not recover from that.

        Args:
            covariance: the covariance (p, p) of the columns.
            mean: the means (p,); when left out, they stay as they are.
            least_noise: the smallest sigma^2.
        """
        d = self.latent_dim
        value, vector = torch.linalg.eigh(covariance.double())
        value, vector = value.flip(0), vector.flip(1)
        noise = max(float(value[d:].mean()) if len(value) > d else 0.0, least_noise)
        weight = vector[:, :d] * (value[:d] - noise).clamp_min(0.1 * least_noise).sqrt()
        rotation = torch.linalg.qr(torch.randn(d, d, dtype=weight.dtype))[0]
        self.mean.weight.copy_(weight @ rotation[: weight.shape[1]])
        if mean is not None:
            self.mean.bias.copy_(mean)
        self.scale.start_at(noise**0.5)

    @torch.no_grad()
    def covariance(self) -> Tensor:
        """Return the covariance W W^T + diag(sigma^2) (p, p) of the columns."""
        weight = self.mean.weight
        noise = self.scale(weight).square().expand(len(weight))
        return weight @ weight.T + torch.diag(noise)

    def margins(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Return mu and diag(W^T W) + sigma^2, which are exact and need no values of z."""
        weight = self.mean.weight
        return self.mean.bias, weight.square().sum(-1) + self.scale(nodes).square()
