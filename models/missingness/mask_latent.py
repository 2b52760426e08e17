"""A mechanism whose log-odds are shifted by a latent variable that only the mask depends on."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from pyro.distributions import Bernoulli, TorchDistribution
from pyro.distributions.torch_distribution import MaskedDistribution
from torch import Tensor, nn

from ...data import IncompleteData, Standardiser
from ...data.errors import InputError, KindError
from ..distributions.affine_mask import AffineMask
from ..distributions.mask import ProbitBernoulli
from ..networks.mlp import mlp
from .affine import Affine
from .base import Missingness
from .dependence import Dependence
from .group import GroupMissingness


def _check_shiftable(own: Missingness) -> None:
    name = type(own).__name__
    if own.ignorable:
        raise InputError(
            f"{name} is ignorable, so a mask latent would change nothing; give another mechanism"
        )
    if own.mask_latent_dim or "z_mask" in own.asks:
        raise InputError(f"{name} already has a mask latent; use it as it is")
    if "s" in own.asks or isinstance(own, GroupMissingness) or own.alpha != 1:
        raise InputError(
            f"{name} has no log-odds per column that a mask latent could shift; use it without a "
            f"mask latent"
        )


@functools.singledispatch
def log_odds_shifted(given: TorchDistribution, shift: Tensor) -> TorchDistribution:
    """Shift the log-odds (for probit, the scores) of being observed of a mask distribution.

    Raises:
        TypeError: for a distribution that is not registered.
    """
    raise KindError(
        f"the log-odds of a {type(given).__name__} cannot be shifted; register how that is done: "
        f"log_odds_shifted.register"
    )


@log_odds_shifted.register(Bernoulli)
def _(given: Bernoulli, shift: Tensor) -> Bernoulli:
    if type(given) is not Bernoulli:  # a subclass may mean something else by its logits
        raise KindError(f"the log-odds of a {type(given).__name__} cannot be shifted")
    return Bernoulli(logits=given.logits + shift)


@log_odds_shifted.register(ProbitBernoulli)
def _(given: ProbitBernoulli, shift: Tensor) -> ProbitBernoulli:
    return ProbitBernoulli(given.score + shift)


@log_odds_shifted.register(MaskedDistribution)
def _(given: MaskedDistribution, shift: Tensor) -> TorchDistribution:
    """Shift the base distribution; columns that are left out of it stay left out."""
    return log_odds_shifted(given.base_dist, shift).mask(given._mask)


@log_odds_shifted.register(AffineMask)
def _(given: AffineMask, shift: Tensor) -> TorchDistribution:
    return log_odds_shifted(given.base, shift)


class MaskLatentShift(Missingness):
    """logit P(s_j = 1 | x, z_s) = own_j(x) + m_j(z_s): a mechanism plus a shift shared by columns.

    (Choquet & Pauchet, masked not-MIWAE.) Only the mask depends on the latent z_s ~ Normal(0, I),
    site ``z_mask``. It explains values that are missing together for a reason that is unrelated to
    x, such as a skipped page. The shift changes the offset alone, so missing values that could be
    integrated out still can be.

    Args:
        own: the mechanism of x, a Bernoulli with a logit or probit link.
        num_columns: the number p of columns.
        mask_latent_dim: the number of dimensions of z_s.
        hidden: the widths of the hidden layers of m; without any, m is linear.

    >>> import torch
    >>> from absentia.models import MaskLatentShift, SelfMasking
    >>> mechanism = MaskLatentShift(SelfMasking(3), 3, mask_latent_dim=2)
    >>> mechanism(torch.zeros(7, 3), z_mask=torch.zeros(7, 2)).batch_shape
    torch.Size([7, 3])
    """

    def __init__(
        self,
        own: Missingness,
        num_columns: int,
        mask_latent_dim: int = 1,
        hidden: Sequence[int] = (),
    ) -> None:
        super().__init__()
        if mask_latent_dim < 1:
            raise InputError(f"mask_latent_dim is {mask_latent_dim}; give at least 1")
        _check_shiftable(own)
        self.own = own
        self.mask_latent_dim = mask_latent_dim
        self.asks = (*own.asks, "z_mask")
        self.hyperparameters = tuple(f"own.{name}" for name in own.hyperparameters)
        self.network = mlp(mask_latent_dim, hidden)
        features = hidden[-1] if len(hidden) else mask_latent_dim
        self.shift = nn.Linear(features, num_columns, bias=False)  # the mechanism has an offset
        # at weights of zero the encoder of z_s would learn nothing
        nn.init.normal_(self.shift.weight, std=0.1)

    def forward(self, x: Tensor, z_mask: Tensor, **context: Any) -> TorchDistribution:
        """Return a mask distribution (..., n, p) with the link of the mechanism."""
        given, shift = self.own(x, **context).base, self.shift(self.network(z_mask))
        return log_odds_shifted(given, shift)

    def affine(self, x: Tensor, z_mask: Tensor, **context: Any) -> Affine | None:
        """Return the mechanism's slopes, with an offset for each row and particle."""
        own = self.own.affine(x, **context)
        if own is None:
            return None
        return own._replace(offset=own.offset + self.shift(self.network(z_mask)))

    def dependence(self, num_columns: int) -> Dependence:
        """The dependence of the mechanism that is shifted."""
        return self.own.dependence(num_columns)

    def initialise(self, observed_rate: Tensor) -> None:
        """Initialise the mechanism that is shifted."""
        self.own.initialise(observed_rate)

    def check(self, data: IncompleteData) -> None:
        """Refuse what the mechanism that is shifted refuses."""
        self.own.check(data)

    def known(self, column: int) -> str | None:
        """Return what is known of the mechanism's own coefficients."""
        return self.own.known(column)

    def equation(self, column: int, names: Sequence[str], scaler: Standardiser | None) -> str:
        """Write the mechanism's equation, plus the shift."""
        return f"{self.own.equation(column, names, scaler)} + m(mask_latent)"

    def coefficients(self, features: Any) -> dict[str, Tensor]:
        """Sample the mechanism's coefficients that have priors."""
        return self.own.coefficients(features)

    @property
    def has_priors(self) -> bool:
        """Whether the mechanism that is shifted has priors."""
        return self.own.has_priors

    def log_prior(self) -> Tensor | None:
        """Return the log-prior of the mechanism that is shifted."""
        return self.own.log_prior()

    def estimands(self, **sampled: Tensor) -> dict[str, Tensor]:
        """Return the mechanism's estimands; the shift's weights are known only up to rotation."""
        return self.own.estimands(**sampled)

    def shown(self, data: IncompleteData, **sampled: Tensor) -> dict[str, Tensor]:
        """Return what the mechanism that is shifted shows."""
        return self.own.shown(data, **sampled)

    def shown_directions(self, data: IncompleteData) -> dict[str, Tensor]:
        """Return the signs of what the mechanism shows."""
        return self.own.shown_directions(data)

    def directions(self) -> dict[str, Tensor]:
        """Return the signs of the mechanism's estimands."""
        return self.own.directions()
