"""The ignorable mechanism: p(s | x) is left out of the likelihood (MCAR or MAR)."""

from __future__ import annotations

from typing import Any

import torch
from pyro.distributions import Bernoulli, TorchDistribution
from torch import Tensor

from .base import Missingness


class Ignorable(Missingness):
    """Missing at random: the mask's density is a constant and adds nothing to the bound.

    A not-MIWAE with this mechanism is a MIWAE; Rubin (Biometrika 1976) says when that is valid.
    Masks that are sampled from it have the columns' observed rates.

    Args:
        num_columns: the number p of columns.

    >>> import torch
    >>> from absentia.models import Ignorable
    >>> Ignorable(3)(torch.zeros(7, 3)).log_prob(torch.ones(7, 3)).sum().item()
    0.0
    """

    elementwise = True
    ignorable = True

    def __init__(self, num_columns: int) -> None:
        super().__init__()
        self.register_buffer("rate", torch.full((num_columns,), 0.5))
        self.rate: Tensor

    def forward(self, x: Tensor, **context: Any) -> TorchDistribution:
        """Return a Bernoulli of the columns' observed rates, masked out of every density."""
        return Bernoulli(probs=self.rate, validate_args=False).expand(x.shape).mask(False)

    def initialise(self, observed_rate: Tensor) -> None:
        """Store the columns' observed rates."""
        self.rate.copy_(observed_rate)
