"""A linear decoder with a gated residual network, which is shrunk towards the linear one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pyro.distributions import Normal
from torch import Tensor, nn

from ...data.errors import InputError
from .decoders import Decoder, LinearGaussianDecoder
from .scales import ScaleKind

#: the sd of the prior on gates
GATE_SCALE = 0.1


class ResidualDecoder(Decoder):
    """x_j | z ~ Normal(w_j^T z + mu_j + g_j h_j(z), sigma_j): probabilistic PCA and what it misses.

    h is a network of tanh layers and g_j a gate of column j. All gates start at nought, where the
    decoder is that of :class:`LinearGaussianDecoder`, and have the prior Normal(0, gate_scale); the
    network's weights have priors Normal(0, 1 / number of inputs), and its biases Normal(0, 1). At
    the mode, the least price of a bend, whose size is g_j times the length of the last weights of
    column j, is proportional to this size itself (as in the group lasso; Tibshirani, "Equivalences
    between sparse models and neural networks", 2021). A column whose bend gains less than its price
    stays linear, and the fewer the rows are, the more columns do. Since tanh levels off, the
    decoder is nearly linear outside the range of what was seen.

    Args:
        latent_dim: the number d of latent dimensions.
        num_columns: the number p of columns.
        hidden: the widths of the hidden layers, at least one.
        scale: ``"shared"`` for one learnt sigma of all columns, ``"column"`` for one of each.
        floor: the lower limit of sigma, in standard deviations of the columns.
        gate_scale: the sd of the prior on gates.

    >>> import torch
    >>> from absentia.models import ResidualDecoder
    >>> ResidualDecoder(2, 5)(torch.zeros(7, 2)).batch_shape
    torch.Size([7, 5])
    """

    def __init__(
        self,
        latent_dim: int,
        num_columns: int,
        hidden: Sequence[int] = (32,),
        scale: ScaleKind = "shared",
        floor: float = 1e-2,
        gate_scale: float = GATE_SCALE,
    ) -> None:
        super().__init__()
        if not len(hidden):
            raise InputError(
                "hidden is empty; give the width of one layer at least, or decoder='linear'"
            )
        if not gate_scale > 0:
            raise InputError(f"gate_scale is {gate_scale}; give a positive number")
        self.latent_dim, self.num_columns, self.gate_scale = latent_dim, num_columns, gate_scale
        self.linear = LinearGaussianDecoder(latent_dim, num_columns, scale, floor)
        sizes = [latent_dim, *hidden]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, hidden, strict=False))
        self.bend = nn.Linear(sizes[-1], num_columns, bias=False)
        self.gate = nn.Parameter(torch.zeros(num_columns))
        for layer in [*self.layers, self.bend]:
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)

    def forward(self, z: Tensor) -> Normal:
        """Return a Normal of batch shape (..., n, p)."""
        h = z
        for layer in self.layers:
            h = torch.tanh(layer(h))
        return Normal(self.linear.mean(z) + self.gate * self.bend(h), self.linear.scale(z))

    def linearised(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the location (n, p) at z (n, d), and its derivatives (n, p, d) by z."""
        h, slope = z, torch.eye(self.latent_dim, dtype=z.dtype, device=z.device)
        for layer in self.layers:
            h = torch.tanh(layer(h))
            slope = (1 - h.square()).unsqueeze(-1) * (layer.get_parameter("weight") @ slope)
        location = self.linear.mean(z) + self.gate * self.bend(h)
        return location, self.linear.mean.weight + (
            self.gate.unsqueeze(-1) * self.bend.weight
        ) @ slope

    def log_prior(self) -> Tensor:
        """Return the log-density of the priors on gates, weights and biases, a scalar."""
        total = Normal(0.0, self.gate_scale).log_prob(self.gate).sum()
        for layer in [*self.layers, self.bend]:
            total = total + Normal(0.0, layer.in_features**-0.5).log_prob(layer.weight).sum()
            if layer.bias is not None:
                total = total + Normal(0.0, 1.0).log_prob(layer.bias).sum()
        return total


def linear_part(decoder: object) -> LinearGaussianDecoder | None:
    """Return the linear Gaussian decoder that a decoder is or contains; None if there is none.

    >>> from absentia.models import GaussianDecoder, LinearGaussianDecoder, ResidualDecoder
    >>> from absentia.models.networks.residual import linear_part
    >>> kinds = LinearGaussianDecoder, ResidualDecoder, GaussianDecoder
    >>> [linear_part(kind(2, 5)) is not None for kind in kinds]
    [True, True, False]
    """
    if isinstance(decoder, ResidualDecoder):
        return decoder.linear
    return decoder if isinstance(decoder, LinearGaussianDecoder) else None
