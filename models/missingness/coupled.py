"""Coupled mechanisms: whether a value is seen may depend on every value of its row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pyro.distributions import Bernoulli
from torch import Tensor, nn

from ..networks import mlp
from .base import Missingness, logit_of_rate


class LinearMissingness(Missingness):
    """logit P(s = 1 | x) = x A + b, the "agnostic" mechanism of not-MIWAE (Ipsen et al., 2021).

    >>> import torch
    >>> from absentia.models import LinearMissingness
    >>> LinearMissingness(3)(torch.zeros(7, 3)).batch_shape
    torch.Size([7, 3])
    """

    def __init__(self, num_columns: int) -> None:
        super().__init__()
        self.linear = nn.Linear(num_columns, num_columns)
        nn.init.zeros_(self.linear.weight)

    def forward(self, x: Tensor, **context: Any) -> Bernoulli:
        """Bernoulli of batch shape (..., n, p)."""
        return Bernoulli(logits=self.linear(x))

    @torch.no_grad()
    def initialise(self, observed_rate: Tensor) -> None:
        """Offsets from the observed rates."""
        self.linear.bias.copy_(logit_of_rate(observed_rate))


class NonLinearMissingness(Missingness):
    """logit P(s = 1 | x) = network(x): any dependence of the mask on the row.

    >>> import torch
    >>> from absentia.models import NonLinearMissingness
    >>> NonLinearMissingness(3, hidden=[16])(torch.zeros(7, 3)).batch_shape
    torch.Size([7, 3])
    """

    def __init__(
        self, num_columns: int, hidden: Sequence[int] = (32,), activation: str = "tanh"
    ) -> None:
        super().__init__()
        self.network = mlp(num_columns, hidden, activation=activation)
        self.head = nn.Linear(hidden[-1] if len(hidden) else num_columns, num_columns)

    def forward(self, x: Tensor, **context: Any) -> Bernoulli:
        """Bernoulli of batch shape (..., n, p)."""
        return Bernoulli(logits=self.head(self.network(x)))

    @torch.no_grad()
    def initialise(self, observed_rate: Tensor) -> None:
        """Offsets from the observed rates, weights small."""
        self.head.weight.mul_(0.1)
        self.head.bias.copy_(logit_of_rate(observed_rate))
