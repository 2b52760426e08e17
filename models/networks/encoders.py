"""Encoders: (x, s) -> the guide's distribution of z, batch shape (n, d).

x has zeros, the mean of a standardised column, in its missing cells, and s is boolean, True where
observed.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pyro.distributions import Normal, TorchDistribution
from torch import Tensor, nn
from torch.nn.functional import softplus

from ...data.errors import KindError
from ..configurable import Configurable
from ..distributions.information import solved
from ..distributions.row_normal import RowNormal
from .decoders import Decoder, LinearGaussianDecoder
from .families import Expansion, Families
from .mlp import mlp


class Encoder(Configurable):
    """Base of the encoders: ``encoder(x, s)`` returns q(z | x_o, s), batch shape (n, d)."""

    #: whether the data's covariates (n, q) are the third argument of a call
    reads_covariates = False

    def attach(self, decoder: Decoder) -> None:
        """Receive the paired decoder, once; most encoders ignore it."""

    def attach_prior(self, prior: nn.Module) -> None:
        """Receive the model's prior of z, once; most encoders ignore it."""

    def attach_mechanism(
        self, missingness: nn.Module, decoder: Decoder, encoder: nn.Module
    ) -> None:
        """Receive the model's other parts, once, as the guide of a latent that only the mask reads.

        Most encoders ignore them.
        """

    def _read(self, **parts: nn.Module) -> None:
        """Keep parts of the model to read at every call; their parameters stay the model's."""
        # not as registered submodules, whose parameters would be this encoder's own, too
        self.__dict__.update(parts)

    def forward(self, x: Tensor, s: Tensor) -> TorchDistribution:
        """Return the distribution of z given what is observed of the row."""
        raise NotImplementedError


class GaussianHeads(nn.Module):
    """Linear layers that turn an encoder's features into the mean and scale of z."""

    def __init__(self, features: int, latent_dim: int) -> None:
        super().__init__()
        self.mean = nn.Linear(features, latent_dim)
        self.scale = nn.Linear(features, latent_dim)

    def forward(self, h: Tensor) -> Normal:
        """Return a Normal of batch shape (n, d)."""
        return Normal(self.mean(h), 1e-4 + softplus(self.scale(h)))


class ZeroFilledEncoder(Encoder):
    """q(z | x_o): a network on x with zeros at the missing cells (Mattei & Frellsen, 2019).

    It sees the mask only through the zeros. This is the encoder of the published not-MIWAE.

    Args:
        num_columns: the number p of columns.
        latent_dim: the number d of latent dimensions.
        hidden: the widths of the hidden layers, as many as wished.
        activation: the name of the activation function.
        families: the families of the columns, where they are not all real numbers; levels are then
            read as indicators (:class:`~absentia.models.networks.families.Expansion`).

    >>> import torch
    >>> from absentia.models import ZeroFilledEncoder
    >>> ZeroFilledEncoder(5, 2)(torch.zeros(7, 5), torch.ones(7, 5, dtype=torch.bool)).batch_shape
    torch.Size([7, 2])
    """

    reads_mask = False

    def __init__(
        self,
        num_columns: int,
        latent_dim: int,
        hidden: Sequence[int] = (128, 128),
        activation: str = "tanh",
        families: Families | None = None,
    ) -> None:
        super().__init__()
        self.expansion = None if families is None else Expansion(families)
        features = num_columns if self.expansion is None else self.expansion.num_features
        inputs = features + self.reads_mask * num_columns
        self.network = mlp(inputs, hidden, activation=activation)
        self.heads = GaussianHeads(hidden[-1] if len(hidden) else inputs, latent_dim)

    def inputs(self, x: Tensor, s: Tensor) -> Tensor:
        """Return the network's input for each row: (n, p), zero where missing."""
        if self.expansion is not None:
            x, s = self.expansion(x, s)
        return x * s

    def forward(self, x: Tensor, s: Tensor) -> Normal:
        """Return a Normal of batch shape (n, d)."""
        return self.heads(self.network(self.inputs(x, s)))


class MaskAwareEncoder(ZeroFilledEncoder):
    """q(z | x_o, s): a network on x (zeros at the missing cells) concatenated with the mask.

    If values are missing not at random, the mask carries information about z, so it is an input.
    This is the default encoder.

    >>> import torch
    >>> from absentia.models import MaskAwareEncoder
    >>> MaskAwareEncoder(5, 2)(torch.zeros(7, 5), torch.ones(7, 5, dtype=torch.bool)).batch_shape
    torch.Size([7, 2])
    """

    reads_mask = True

    def inputs(self, x: Tensor, s: Tensor) -> Tensor:
        """Return x with zeros, concatenated with the centred mask: (n, 2 p)."""
        return torch.cat([super().inputs(x, s), s.to(x.dtype) - 0.5], -1)


class SetEncoder(Encoder):
    """q(z | x_o, s): a network on the sum over observed columns j of g(x_j e_j, e_j).

    g is a network, too, and e_j a learnt embedding of column j (Ma et al., EDDI/Partial VAE, ICML
    2019). Missing cells do not enter the sum, so no fill value is needed.

    >>> import torch
    >>> from absentia.models import SetEncoder
    >>> SetEncoder(5, 2)(torch.zeros(7, 5), torch.ones(7, 5, dtype=torch.bool)).batch_shape
    torch.Size([7, 2])
    """

    def __init__(
        self,
        num_columns: int,
        latent_dim: int,
        hidden: Sequence[int] = (128,),
        embedding_dim: int = 16,
        set_dim: int = 64,
        activation: str = "tanh",
        families: Families | None = None,
    ) -> None:
        super().__init__()
        self.expansion = None if families is None else Expansion(families)
        features = num_columns if self.expansion is None else self.expansion.num_features
        self.embedding = nn.Parameter(torch.randn(features, embedding_dim))
        self.element = mlp(2 * embedding_dim, [set_dim], set_dim, activation)
        self.network = mlp(set_dim, hidden, activation=activation)
        self.heads = GaussianHeads(hidden[-1] if len(hidden) else set_dim, latent_dim)

    def forward(self, x: Tensor, s: Tensor) -> Normal:
        """Return a Normal of batch shape (n, d)."""
        if self.expansion is not None:
            x, s = self.expansion(x, s)
        rows, columns = s.nonzero(as_tuple=True)  # often few, since a user rates few items
        embedding = self.embedding[columns]
        elements = self.element(torch.cat([x[rows, columns, None] * embedding, embedding], -1))
        empty = elements.new_zeros(len(x), elements.shape[-1])
        pooled = empty.index_add(0, rows, elements) / s.shape[-1] ** 0.5
        return self.heads(self.network(pooled))


class ExactEncoder(Encoder):
    """An encoder that has no parameters, since it reads those of a linear Gaussian decoder.

    Args:
        num_columns: the number p of columns.
        latent_dim: the number d of latent dimensions.
    """

    def __init__(self, num_columns: int, latent_dim: int) -> None:
        super().__init__()
        self.num_columns, self.latent_dim = num_columns, latent_dim

    def attach(self, decoder: Decoder) -> None:
        """Read the weights of this decoder at every call.

        Raises:
            TypeError: for a decoder that is not linear Gaussian.
        """
        if not isinstance(decoder, LinearGaussianDecoder):
            raise KindError(
                f"the exact conditional q(z | x_o) needs a LinearGaussianDecoder, not "
                f"{type(decoder).__name__}; use MaskAwareEncoder with it"
            )
        self._read(decoder=decoder)

    def information(self, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """Return A (n, d, d) and b (n, d): p(x_o | z) is proportional to exp(b^T z - z^T A z / 2).

        A is the sum over observed j of w_j w_j^T / sigma_j^2, and b that of
        (x_j - mu_j) w_j / sigma_j^2, for x_j | z ~ Normal(w_j^T z + mu_j, sigma_j).
        """
        decoder: LinearGaussianDecoder = self.__dict__["decoder"]
        weight = decoder.mean.weight  # (p, d)
        scaled = weight / decoder.scale(x).square().expand(self.num_columns).unsqueeze(-1)
        observed = s.to(x.dtype)  # (n, p)
        outer = (scaled.unsqueeze(-1) * weight.unsqueeze(-2)).flatten(1)  # (p, d * d)
        given = (observed @ outer).unflatten(-1, (self.latent_dim, self.latent_dim))
        return given, ((x - decoder.mean.bias) * observed) @ scaled


class ExactConditionalEncoder(ExactEncoder):
    """q(z | x_o) = p(z | x_o), exact for a linear Gaussian decoder; it has no parameters.

    With x_j | z ~ N(w_j z + mu_j, sigma_j^2) and z ~ N(0, I), the conditional is Normal with
    precision I + sum over observed j of w_j w_j^T / sigma_j^2 (Tipping & Bishop, 1999). Then
    log w = log p(x_o) + log p(s | x_o, z): the weights carry only the mask's term, and under an
    ignorable mechanism they are constant.

    >>> import torch
    >>> from absentia.models import ExactConditionalEncoder, LinearGaussianDecoder
    >>> encoder = ExactConditionalEncoder(5, 2)
    >>> encoder.attach(LinearGaussianDecoder(2, 5))
    >>> encoder(torch.zeros(7, 5), torch.ones(7, 5, dtype=torch.bool)).batch_shape
    torch.Size([7, 2])
    """

    def forward(self, x: Tensor, s: Tensor) -> RowNormal:
        """Return a RowNormal of batch shape (n, d)."""
        given, shift = self.information(x, s)
        eye = torch.eye(self.latent_dim, dtype=x.dtype, device=x.device)
        return RowNormal(*solved(given + eye, shift))
