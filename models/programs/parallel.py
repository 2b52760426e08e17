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
    """The shared input of both decoders: u = f(z), or u ~ Normal(f(z), g(z)) if ``stochastic``.

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
            raise InputError(
                "hidden is empty; give the trunk at least one layer, as in hidden=[64]"
            )
        self.latent_dim, self.features = latent_dim, hidden[-1]
        self.stochastic = stochastic
        self.network = mlp(latent_dim, hidden, activation=activation)
        self.heads = nn.Linear(hidden[-1], 2 * hidden[-1]) if stochastic else None

    def forward(self, z: Tensor) -> Tensor | Normal:
        """Return the features (..., n, features), or their distribution if they are random."""
        h: Tensor = self.network(z)
        if self.heads is None:
            return h
        location, scale = self.heads(h).chunk(2, -1)
        return Normal(location, 1e-2 + softplus(scale))


class ParallelModel(RowModel):
    """GNR (Chen et al., CIKM 2023): p(z) p(u | z) prod_j p(x_j | u) p(s_j | u)^alpha.

    This is a shared-parameter model: values and mask are independent given u. The imputation
    sum_k w_k E[x | u_k] therefore needs no samples of the missing values and is exact given the
    particles.

    **For alpha < 1 the objective is not a lower bound** on log p(x_o, s); at alpha = 0 the mask is
    ignored, and the model is a MIWAE. For alpha >= 1 the objective is a lower bound, since
    p(s | u)^alpha <= p(s | u).

    Args:
        trunk: the network from z to u.
        decoder: p(x | u).
        missingness: p(s | u), a mechanism that reads u under the name ``z``.
        encoder: q(z | x_o, s).
        columns: the names of the columns, in order.
        prior: p(z), Normal(0, I) when left out.

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
            raise InputError(
                f"the decoder reads {decoder.latent_dim} features, but the trunk has "
                f"{trunk.features}; make it with latent_dim={trunk.features}"
            )
        if missingness.asks != ("z",) or missingness.has_priors:
            name = type(missingness).__name__
            problem = (
                "has priors on its coefficients"
                if missingness.has_priors
                else f"asks for {', '.join(missingness.asks) or 'nothing'}"
            )
            raise InputError(
                f"{name} {problem}; a parallel model needs a mechanism that asks for z alone, "
                f"under which it is given u, and has no priors: use NoSelfCensoring"
            )
        size = argument_of(encoder, "latent_dim", trunk.latent_dim)
        if size != trunk.latent_dim:
            raise InputError(
                f"the encoder has {size} latent dimensions, but the trunk has {trunk.latent_dim}; "
                f"give both the same"
            )
        self.trunk: Trunk = trunk
        self.decoder, self.missingness = decoder, missingness
        self.encoder = encoder
        self.encoder.attach(decoder)

    def model(
        self, x: Tensor, s: Tensor, size: int | None = None, covariates: Tensor | None = None
    ) -> Tensor:
        """Run the generative program, with the arguments of :meth:`SelectionModel.model`."""
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
        """Run q(z | x_o, s); the model itself proposes u and the missing values."""
        self.declare_parameters()
        rows, latent, _ = self.plates(x, size)
        with rows, latent:
            pyro.sample(Z, self.encoder(x, s))
