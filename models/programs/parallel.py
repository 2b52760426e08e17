"""GNR as one Pyro program: two parallel decoders of one latent, for values and mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyro
from pyro.distributions import Normal
from torch import Tensor, nn
from torch.nn.functional import softplus

from ...data.errors import InputError
from ..configurable import Configurable, argument_of
from ..distributions.pixel_normal import given_observed
from ..missingness import Missingness
from ..networks.decoders import Decoder
from ..networks.encoders import Encoder
from ..networks.mlp import mlp
from ..sites import COLUMN_DIM, TRUNK, S, U, X, Z
from .base import RowModel, StandardNormalPrior


class Trunk(Configurable):
    """The shared input of both decoders: u = f(z), or u ~ Normal(f(z), g(z)).

    >>> import torch
    >>> from absentia.models.programs.parallel import Trunk
    >>> Trunk(2, [16, 8])(torch.zeros(7, 2)).shape
    torch.Size([7, 8])
    """

    def __init__(
        self,
        latent_dim: int,
        hidden: Sequence[int] = (128, 128),
        activation: str = "tanh",
        stochastic: bool = False,
    ) -> None:
        super().__init__()
        if not len(hidden):
            raise InputError("hidden is empty; the trunk needs one layer or more")
        self.latent_dim, self.features = latent_dim, hidden[-1]
        self.stochastic = stochastic
        self.network = mlp(latent_dim, hidden, activation=activation)
        self.heads = nn.Linear(hidden[-1], 2 * hidden[-1]) if stochastic else None

    def forward(self, z: Tensor) -> Tensor | Normal:
        """Return (..., n, features), as values or as their distribution."""
        h: Tensor = self.network(z)
        if self.heads is None:
            return h
        location, scale = self.heads(h).chunk(2, -1)
        return Normal(location, 1e-2 + softplus(scale))


class ParallelModel(RowModel):
    """GNR (Chen et al., CIKM 2023): p(z) p(u | z) prod_j p(x_j | u) p(s_j | u)^alpha.

    A shared-parameter model: values and mask are independent given u, so that imputation,
    sum_k w_k E[x | u_k], needs no draw of the missing values and is exact given the particles.

    **For alpha < 1 the objective is no lower bound** on log p(x_o, s): the mask counts for less
    than it is, and at alpha = 0 the model is a MIWAE. For alpha >= 1 it is one, since
    p(s | u)^alpha <= p(s | u).

    Args:
        missingness: of the mask given u, which reaches it as ``z``.

    >>> import torch, pyro
    >>> from absentia.models import GaussianDecoder, MaskAwareEncoder, NoSelfCensoring
    >>> from absentia.models.programs.parallel import ParallelModel, Trunk
    >>> model = ParallelModel(Trunk(2, [8]), GaussianDecoder(8, 3, hidden=[]),
    ...     NoSelfCensoring(3, 8), MaskAwareEncoder(3, 2), columns=["a", "b", "c"])
    >>> x, s = torch.zeros(7, 3), torch.ones(7, 3, dtype=torch.bool)
    >>> pyro.poutine.trace(model.model).get_trace(x, s).nodes["s"]["fn"].batch_shape
    torch.Size([7, 3])
    """

    def __init__(
        self,
        trunk: Trunk,
        decoder: Decoder,
        missingness: Missingness,
        encoder: Encoder,
        columns: list[str] | tuple[str, ...],
        prior: StandardNormalPrior | None = None,
    ) -> None:
        super().__init__(columns, prior or StandardNormalPrior(trunk.latent_dim))
        if decoder.latent_dim != trunk.features:
            raise InputError(f"the decoder reads {decoder.latent_dim} of {trunk.features} features")
        if missingness.asks != ("z",) or missingness.has_priors:
            what = "have no priors" if missingness.has_priors else "ask for z alone; it is given u"
            raise InputError(f"{type(missingness).__name__} must {what}")
        size = argument_of(encoder, "latent_dim", trunk.latent_dim)
        if size != trunk.latent_dim:
            raise InputError(
                f"the encoder has {size} latent dimensions, but the trunk has {trunk.latent_dim}"
            )
        self.trunk: Trunk = trunk
        self.decoder, self.missingness = decoder, missingness
        self.encoder = encoder
        self.encoder.attach(decoder)

    def model(
        self, x: Tensor, s: Tensor, size: int | None = None, covariates: Tensor | None = None
    ) -> Tensor:
        """Run the generative program; its arguments are those of :class:`SelectionModel`."""
        self.declare_parameters()
        rows, latent, features = self.plates(x, size)
        with rows, latent:
            z = pyro.sample(Z, self.prior())
        u: Any = self.trunk(z)
        if self.trunk.stochastic:
            with rows, pyro.plate(TRUNK, self.trunk.features, dim=COLUMN_DIM):
                u = pyro.sample(U, u)
        with rows, features:
            x = pyro.sample(X, given_observed(self.decoder(u), x, s), obs=x, obs_mask=s)
            pyro.sample(S, self.missingness(x, z=u), obs=s.to(x.dtype))
        return x

    def guide(
        self, x: Tensor, s: Tensor, size: int | None = None, covariates: Tensor | None = None
    ) -> None:
        """Run q(z | x_o, s); u and the missing values are proposed from the model itself."""
        self.declare_parameters()
        rows, latent, _ = self.plates(x, size)
        with rows, latent:
            pyro.sample(Z, self.encoder(x, s))
