"""Mechanisms that read no missing values: only complete columns, or only latents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from pyro.distributions import Bernoulli, TorchDistribution
from torch import Tensor, nn

from ...data import IncompleteData, Standardiser
from ...data.errors import InputError
from ..distributions.mask import Tempered
from ..networks.mlp import mlp
from .affine import Affine
from .base import Missingness
from .dependence import Dependence
from .equations import equation, in_units
from .starts import score_of_rate


class ObservedMissingness(Missingness):
    """logit P(s_j = 1 | x) = b_j + sum of w_jk x_k over columns k that are never missing: MAR.

    The mechanism is ignorable in Rubin's sense, so it does not change imputations. But p(s | x) is
    then a model that can be sampled, compared by its bound, and changed in a sensitivity analysis.

    Args:
        num_columns: the number p of columns.
        observed: the positions of the columns that are never missing.

    >>> import torch
    >>> from absentia.models import ObservedMissingness
    >>> ObservedMissingness(3, observed=[0])(torch.zeros(7, 3)).batch_shape
    torch.Size([7, 3])
    """

    def __init__(self, num_columns: int, observed: Sequence[int]) -> None:
        super().__init__()
        wrong = [k for k in observed if not 0 <= k < num_columns]
        if wrong or not len(observed):
            raise InputError(
                f"observed is {list(observed)}; give positions from 0 to {num_columns - 1}"
            )
        self.observed: Tensor
        self.register_buffer("observed", torch.tensor(list(observed)), persistent=False)
        self.linear = nn.Linear(len(observed), num_columns)
        nn.init.zeros_(self.linear.weight)

    def check(self, data: IncompleteData) -> None:
        """Refuse a table in which one of these columns has missing values."""
        for k in self.observed.tolist():
            if not bool(data.s[:, k].all()):
                raise InputError(
                    f"column '{data.columns[k]}' is declared to be never missing, but it has "
                    f"missing values; leave it out of observed="
                )

    def forward(self, x: Tensor) -> Bernoulli:
        """Return a Bernoulli of batch shape (..., n, p)."""
        return Bernoulli(logits=self.linear(x[..., self.observed]))

    def affine(self, x: Tensor) -> Affine:
        """Return slopes of zero, with an offset for each row."""
        offset = self.linear(x[..., self.observed])
        return Affine(torch.zeros_like(self.linear.bias), offset, "logit")

    def dependence(self, num_columns: int) -> Dependence:
        """Every column's absence depends on the columns that are never missing."""
        found = replace(Dependence.of_no_value(num_columns), seen_only=True)
        found.reads[:, self.observed.cpu()] = True
        return found

    @torch.no_grad()
    def equation(self, column: int, names: Sequence[str], scaler: Standardiser | None) -> str:
        """Write the weights with the sign of the log-odds of being missing."""
        weights = zip(self.linear.weight[column].tolist(), self.observed.tolist(), strict=True)
        terms = [(-w, k) for w, k in weights]
        intercept = -float(self.linear.bias[column])
        return equation("logit", names[column], *in_units(intercept, terms, names, scaler))

    @torch.no_grad()
    def initialise(self, observed_rate: Tensor) -> None:
        """Start the offsets from the observed rates."""
        self.linear.bias.copy_(score_of_rate(observed_rate))


class NoSelfCensoring(Missingness):
    """logit P(s_j = 1 | row) = b_j + w_j' u, where u is a latent of the row: no value is read.

    Values and mask are then independent given the latents. With ``latent="z"`` the mask depends on
    the latent of x, so the mask informs the values (a shared-parameter model: Wu & Carroll,
    Biometrics 1988). With ``latent="mask"`` it depends on a separate latent, site ``z_mask``, so
    the columns of the mask depend on each other, but not on the values.

    Args:
        num_columns: the number p of columns.
        latent_dim: the number of dimensions of the latent.
        latent: ``"z"`` or ``"mask"``.
        hidden: the widths of hidden layers between latent and log-odds; without any, the map is
            linear.
        alpha: the power of p(s | u) in the objective (Chen et al., GNR, CIKM 2023). Above 1 the
            mask counts for more in what is learnt about u; at 0 it is ignored. Only for alpha >= 1
            is the objective a lower bound on log p(x_o, s).

    >>> import torch
    >>> from absentia.models import NoSelfCensoring
    >>> NoSelfCensoring(3, 2)(torch.zeros(7, 3), z=torch.zeros(7, 2)).batch_shape
    torch.Size([7, 3])
    """

    def __init__(
        self,
        num_columns: int,
        latent_dim: int,
        latent: str = "z",
        hidden: Sequence[int] = (),
        alpha: float = 1.0,
    ) -> None:
        super().__init__()
        if not 0 <= alpha < math.inf:
            raise InputError(f"alpha is {alpha}; give a number >= 0")
        if latent not in ("z", "mask"):
            raise InputError(f"latent {latent!r} is not one of z, mask")
        self.asks = ("z" if latent == "z" else "z_mask",)
        self.mask_latent_dim = 0 if latent == "z" else latent_dim
        self.alpha = alpha
        self.network = mlp(latent_dim, hidden)
        self.linear = nn.Linear(hidden[-1] if len(hidden) else latent_dim, num_columns)
        # at weights of zero the encoder of a latent that only the mask has would learn nothing
        nn.init.normal_(self.linear.weight, std=0.1)

    def forward(
        self, x: Tensor, z: Tensor | None = None, z_mask: Tensor | None = None
    ) -> TorchDistribution:
        """Return a Bernoulli (..., n, p), to the power alpha."""
        mask = Bernoulli(logits=self.linear(self.network(z if z is not None else z_mask)))
        return mask if self.alpha == 1 else Tempered(mask, self.alpha)

    def dependence(self, num_columns: int) -> Dependence:
        """The mask depends on the latent alone, so no value is read."""
        return Dependence.of_no_value(num_columns)

    @torch.no_grad()
    def equation(self, column: int, names: Sequence[str], scaler: Standardiser | None) -> str:
        """Write the log-odds by the latent's dimensions; of a network, the form alone."""
        latent = "mask_latent" if self.mask_latent_dim else "latent"
        if len(self.network):
            return f"logit P({names[column]} missing) = network({latent})"
        terms = [
            (-float(w), f"{latent}[{d + 1}]") for d, w in enumerate(self.linear.weight[column])
        ]
        return equation("logit", names[column], -float(self.linear.bias[column]), terms)

    @torch.no_grad()
    def initialise(self, observed_rate: Tensor) -> None:
        """Start the offsets from the observed rates."""
        self.linear.bias.copy_(score_of_rate(observed_rate))
