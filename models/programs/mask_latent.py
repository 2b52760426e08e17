"""The guide of a latent that only the mask reads, near its exact conditional."""

from __future__ import annotations

import math

import torch
from pyro.distributions import TorchDistribution
from torch import Tensor, nn

from ...data.errors import KindError
from ..distributions.row_mixture import RowNormalMixture
from ..distributions.special import inverse_mills
from ..missingness.averaged import AveragedMissingness
from ..networks.decoders import Decoder, LinearGaussianDecoder
from ..networks.encoders import Encoder, ExactEncoder

#: the share of the prior in the guide, which bounds the weights
_PRIOR = 0.2
#: the part of what the mask says of v that counts in the guide's precision, for wider tails
_COUNTS = 0.5
#: how often each column's factor is approximated
_SWEEPS = 3
#: the least share of a variance that is left when a column's own factor is taken out of it
_LEAST = 1e-9


class MaskLatentEncoder(Encoder):
    """q(v | x_o, s) near p(v | x_o, s), for a score that is linear in v; it has no parameters.

    With Phi^-1 P(s_j = 1) = g_j^T v + r_j, where r_j are the terms of values and of other latents
    (:class:`~absentia.models.missingness.AveragedMissingness`), and r_j Normal given x_o, the
    conditional of v is proportional to Normal(v; 0, I) times Phi(+-(g_j^T v + E r_j) / sd_j) for
    each column j. Expectation propagation finds a Normal with nearly its moments (Minka, UAI 2001;
    Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006, section 3.6), also where
    loadings g are so large that columns go missing together without exception. The guide is that
    Normal with wider tails, and with probability .2 the prior, so that no weight is more than five
    times what it is under the prior (defensive mixture; Hesterberg, Technometrics 1995).

    No gradient passes through its samples and densities.

    Args:
        num_columns: the number p of columns.
        latent_dim: the number e of dimensions of v.

    >>> import numpy as np, torch, absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.where(np.eye(7, 3) > 0, np.nan, 0.5))
    >>> model = ab.NotMIWAEPPCA(data, "auto")
    >>> model.mask_encoder(data.x, data.s).batch_shape
    torch.Size([7, 1])
    """

    reads_covariates = True

    def __init__(self, num_columns: int, latent_dim: int) -> None:
        super().__init__()
        self.num_columns, self.latent_dim = num_columns, latent_dim

    def attach_mechanism(
        self, missingness: nn.Module, decoder: Decoder, encoder: nn.Module
    ) -> None:
        """Read this mechanism's scores, and what is known of values and z, at every call.

        Raises:
            TypeError: for a mechanism, decoder or encoder for which the scores are not Normal.
        """
        parts = (
            (missingness, AveragedMissingness),
            (decoder, LinearGaussianDecoder),
            (encoder, ExactEncoder),
        )
        for part, kind in parts:
            if not isinstance(part, kind):
                raise KindError(
                    f"MaskLatentEncoder reads {kind.__name__}, not {type(part).__name__}; give the "
                    f"model another mask_encoder=, such as MaskAwareEncoder"
                )
        self._read(missingness=missingness, decoder=decoder, encoder=encoder)

    def forward(self, x: Tensor, s: Tensor, covariates: Tensor | None = None) -> RowNormalMixture:
        """Return a RowNormalMixture of batch shape (n, e)."""
        return self.given(self.__dict__["encoder"](x, s), x, s, covariates)

    @torch.no_grad()
    def given(
        self, latent: TorchDistribution, x: Tensor, s: Tensor, covariates: Tensor | None = None
    ) -> RowNormalMixture:
        """Return what a call returns, given the distribution of z that the encoder finds."""
        mean, variance, loading, columns = self._scores(latent, x, s, covariates)
        centre, precision = propagated(mean, variance, loading, s[:, columns])
        eye = torch.eye(self.latent_dim, dtype=precision.dtype, device=x.device)
        near = torch.linalg.cholesky(eye + _COUNTS * (precision - eye))
        loc = torch.stack([torch.zeros_like(centre), centre], 1)
        tril = torch.stack([eye.expand_as(near), near], 1)
        log_weight = loc.new_tensor([math.log(_PRIOR), math.log1p(-_PRIOR)]).expand(len(x), 2)
        return RowNormalMixture.of(log_weight.to(x), loc.to(x), tril.to(x))

    def _scores(
        self, latent: TorchDistribution, x: Tensor, s: Tensor, covariates: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return mean and variance (n, q) of r, loadings (q, e), and the columns that have any."""
        mechanism, decoder = self.__dict__["missingness"], self.__dict__["decoder"]
        columns = (mechanism.shared != 0).any(-1).nonzero().flatten()
        z, spread = latent.mean, latent.variance
        given = {"z": z} if covariates is None else {"z": z, "covariates": covariates}
        affine = mechanism.affine(x, **given)
        values, gap = decoder(z), ~s[:, columns]
        slope = affine.slope.expand(len(x), -1)[:, columns]
        filled = torch.where(gap, values.mean[:, columns], x[:, columns])
        through = decoder.mean.weight[columns] * (slope * gap).unsqueeze(-1)
        of_z = (mechanism.loading[columns] + through).square()  # (n, q, d)
        variance = 1 + (of_z @ spread.unsqueeze(-1)).squeeze(-1)
        variance = variance + gap * (slope * values.scale.expand_as(x)[:, columns]).square()
        mean = affine.offset[:, columns] + slope * filled
        loading = mechanism.shared[columns]
        return mean.double(), variance.double(), loading.double(), columns


def propagated(mean: Tensor, variance: Tensor, loading: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """Approximate the density of v in proportion to Normal(v; 0, I) prod_j P(s_j | v) by a Normal.

    P(s_j = 1 | v) is Phi((g_j^T v + m_j) / t_j). Each factor in turn is replaced by exp of a
    quadratic in g_j^T v, so that the whole has the moments that it has with this factor as it is.

    Args:
        mean, variance: (n, q) the numbers m_j and t_j^2 of each row.
        loading: (q, e) the numbers g_j.
        s: (n, q) whether each column is observed.

    Returns:
        Its mean (n, e) and its precision (n, e, e), which is at least I.
    """
    sign = torch.where(s, 1.0, -1.0).to(mean) / variance.sqrt()
    start = sign * mean
    direction = sign.unsqueeze(-1) * loading  # (n, q, e)
    n, q, e = direction.shape
    centre = mean.new_zeros(n, e)
    covariance = torch.eye(e, dtype=mean.dtype, device=mean.device).repeat(n, 1, 1)
    precision, shift = mean.new_zeros(n, q), mean.new_zeros(n, q)
    # the columns that say most come first
    order = loading.square().sum(-1).argsort(descending=True).tolist()
    for j in order * _SWEEPS:
        along = direction[:, j]
        spread = (covariance @ along.unsqueeze(-1)).squeeze(-1)
        own = (along * spread).sum(-1)
        at = (along * centre).sum(-1)
        left = (1 - precision[:, j] * own).clamp_min(_LEAST)
        width, place = own / left, (at - shift[:, j] * own) / left
        root = (1 + width).sqrt()
        t = (start[:, j] + place) / root
        mills = inverse_mills(t)
        bend = mills * (t + mills) / root.square()
        moved = place + width * mills / root
        rest = (1 - width * bend).clamp_min(_LEAST)
        now = bend / rest
        pull = moved * now + mills / root
        more = now - precision[:, j]
        scale = (1 + more * own).clamp_min(_LEAST)
        centre = centre + (((pull - shift[:, j]) - more * at) / scale).unsqueeze(-1) * spread
        outer = spread.unsqueeze(-1) * spread.unsqueeze(-2)
        covariance = covariance - (more / scale)[:, None, None] * outer
        precision[:, j], shift[:, j] = now, pull
    eye = torch.eye(e, dtype=mean.dtype, device=mean.device)
    return centre, eye + (direction * precision.unsqueeze(-1)).mT @ direction
