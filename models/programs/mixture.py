"""A mixture of Normals as the prior of a row's latents, with its decoder and its exact guide."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...data.errors import KindError
from ..distributions.information import solved
from ..distributions.row_mixture import RowNormalMixture
from ..networks.decoders import LinearGaussianDecoder
from ..networks.encoders import ExactEncoder
from ..networks.scales import ScaleKind
from .base import Prior

#: the sd of a component's mean at the start, and its variance as a share of the whole one
_START_MEAN, _START_VARIANCE = 0.7, 0.5
#: the least variance of any direction at the start
_LEAST_VARIANCE = 0.02


class MixturePrior(Prior):
    """z ~ sum over c of w_c Normal(m_c, S_c): the component c of a row, then its latents.

    Under a linear Gaussian decoder the rows are then a mixture of factor analysers with common
    loadings (Baek, McLachlan & Flack, IEEE TPAMI 2010), and under :class:`DirectDecoder` a mixture
    of Normals with full covariances.

    Args:
        latent_dim: the number d of latent dimensions.
        components: the number C of components.

    >>> from absentia.models import MixturePrior
    >>> MixturePrior(2, components=3)().sample((7,)).shape
    torch.Size([7, 2])
    """

    def __init__(self, latent_dim: int, components: int = 8) -> None:
        super().__init__()
        self.latent_dim, self.components = latent_dim, components
        self.logit = nn.Parameter(torch.zeros(components))
        self.mean = nn.Parameter(_START_MEAN * torch.randn(components, latent_dim))
        #: below the diagonal the factors of the precisions; on it the logarithms of theirs
        self.factor = nn.Parameter(torch.zeros(components, latent_dim, latent_dim))

    def precision_tril(self) -> Tensor:
        """Return the factors L_c of the precisions S_c^-1 = L_c L_c^T, (C, d, d)."""
        diagonal = self.factor.diagonal(dim1=-2, dim2=-1).exp()
        return self.factor.tril(-1) + torch.diag_embed(diagonal)

    def forward(self) -> RowNormalMixture:
        """Return a RowNormalMixture of batch shape (d,)."""
        return RowNormalMixture.of(self.logit, self.mean, self.precision_tril())

    @torch.no_grad()
    def start_from(self, covariance: Tensor) -> None:
        """Start at components that share a covariance (d, d), with means that scatter by it.

        Args:
            covariance: need not be positive definite, as one of pairs of columns is not always.
        """
        value, vector = torch.linalg.eigh(covariance.double())
        value = (_START_VARIANCE * value).clamp_min(_LEAST_VARIANCE)
        precision = vector @ torch.diag(1 / value) @ vector.mT
        self.factor.copy_(raw_factor(torch.linalg.cholesky(precision)).to(self.factor))
        self.mean.copy_(self.mean @ (vector * value.sqrt()).mT.to(self.mean))

    @torch.no_grad()
    def start_at(self, z: Tensor, label: Tensor) -> None:
        """Start at the means, covariances and shares of groups.

        The covariance of a group counts beside that of all of them, which has the weight of as many
        rows as there are dimensions.

        Args:
            z: the latents (n, d) of some rows.
            label: the group (n,) of each row, from 0 to C - 1; each has one row at least.
        """
        d = self.latent_dim
        one = torch.nn.functional.one_hot(label, self.components).to(z.device, torch.float64)
        count, z = one.sum(0), z.double()
        mean = one.mT @ z / count.unsqueeze(-1)
        left = z - mean[label]
        products = torch.einsum("nc,ni,nj->cij", one, left, left)
        common = products.sum(0) / len(z) + _LEAST_VARIANCE * torch.eye(d, device=z.device)
        covariance = (products + d * common) / (count + d)[:, None, None]
        self.factor.copy_(raw_factor(torch.linalg.cholesky(covariance.inverse())))
        self.mean.copy_(mean)
        self.logit.copy_((count / len(z)).log())


def raw_factor(tril: Tensor) -> Tensor:
    """Return what :class:`MixturePrior` keeps of factors of precisions (..., d, d)."""
    return tril.tril(-1) + torch.diag_embed(tril.diagonal(dim1=-2, dim2=-1).log())


class DirectDecoder(LinearGaussianDecoder):
    """x_j | z ~ Normal(z_j, sigma_j): the latents are the values themselves, but for some noise.

    All that is known of how the columns are related is in the prior of z.

    >>> import torch
    >>> from absentia.models import DirectDecoder
    >>> DirectDecoder(5)(torch.zeros(7, 5)).batch_shape
    torch.Size([7, 5])
    """

    def __init__(self, num_columns: int, scale: ScaleKind = "column", floor: float = 1e-2) -> None:
        super().__init__(num_columns, num_columns, scale, floor)
        nn.init.eye_(self.mean.weight)
        for fixed in self.mean.parameters():
            fixed.requires_grad_(False)


class ExactMixtureEncoder(ExactEncoder):
    """q(z | x_o) = p(z | x_o) under a mixture prior; it has no parameters.

    Component c has the responsibility w_c Normal(x_o; W_o m_c + mu_o, W_o S_c W_o^T + sigma_o^2),
    and z given c and x_o is Normal with precision S_c^-1 + sum over observed j of
    w_j w_j^T / sigma_j^2. No gradient passes through its samples and densities: the gradient of the
    bound is that of log p(x, s, z) alone, averaged by the weights of the samples (the wake phase of
    reweighted wake-sleep; Bornschein & Bengio, ICLR 2015).

    >>> import torch
    >>> from absentia.models import DirectDecoder, ExactMixtureEncoder, MixturePrior
    >>> encoder = ExactMixtureEncoder(5, 5)
    >>> encoder.attach(DirectDecoder(5))
    >>> encoder.attach_prior(MixturePrior(5))
    >>> encoder(torch.zeros(7, 5), torch.ones(7, 5, dtype=torch.bool)).batch_shape
    torch.Size([7, 5])
    """

    def attach_prior(self, prior: nn.Module) -> None:
        """Read the components of this prior at every call.

        Raises:
            TypeError: for a prior that is not a mixture.
        """
        if not isinstance(prior, MixturePrior):
            raise KindError(
                f"ExactMixtureEncoder needs prior=MixturePrior(...), not {type(prior).__name__}; "
                f"use ExactConditionalEncoder with Normal(0, I)"
            )
        self._read(prior=prior)

    @torch.no_grad()
    def forward(self, x: Tensor, s: Tensor) -> RowNormalMixture:
        """Return a RowNormalMixture of batch shape (n, d)."""
        prior: MixturePrior = self.__dict__["prior"]
        # rows with the same values missing share their precisions, and so the factors of these
        patterns, pattern = s.unique(dim=0, return_inverse=True)
        given = self.information(x.new_zeros(patterns.shape), patterns)[0]
        shift = self.information(x, s)[1]
        own = prior.precision_tril()  # (C, d, d)
        pull = own @ (own.mT @ prior.mean.unsqueeze(-1))  # S_c^-1 m_c
        precision = given.unsqueeze(1) + own @ own.mT
        _, tril, inverse, log_diagonal = solved(precision, torch.zeros_like(precision[..., 0]))
        tril, inverse, log_diagonal = tril[pattern], inverse[pattern], log_diagonal[pattern]
        half = inverse @ (shift.unsqueeze(1) + pull.squeeze(-1)).unsqueeze(-1)
        mean = (inverse.mT @ half).squeeze(-1)
        evidence = 0.5 * half.squeeze(-1).square().sum(-1) - log_diagonal.sum(-1)
        start = 0.5 * (prior.mean.unsqueeze(-1) * pull).sum((-2, -1))
        log_root = own.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return RowNormalMixture.of(prior.logit + log_root - start + evidence, mean, tril)
