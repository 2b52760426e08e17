"""Mechanisms under which the mask of a column may depend on all values of the row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pyro.distributions import Bernoulli
from torch import Tensor, nn

from ...data import IncompleteData, Standardiser
from ..networks.families import Expansion, Families
from ..networks.mlp import mlp
from .base import Missingness
from .equations import equation, in_units
from .shown import in_own_units, incomplete
from .starts import score_of_rate


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
        """Return a Bernoulli of batch shape (..., n, p)."""
        return Bernoulli(logits=self.linear(x))

    @torch.no_grad()
    def equation(self, column: int, names: Sequence[str], scaler: Standardiser | None) -> str:
        """Write the log-odds of one column being missing, with its weights from A."""
        terms = [(-float(w), k) for k, w in enumerate(self.linear.weight[column])]
        intercept = -float(self.linear.bias[column])
        return equation("logit", names[column], *in_units(intercept, terms, names, scaler))

    def shown(self, data: IncompleteData, **sampled: Tensor) -> dict[str, Tensor]:
        """Return A and b for the log-odds of being missing, in the data's own units."""
        found: dict[str, Tensor] = {}
        for j, _ in incomplete(data):
            row = self.linear.weight[j]
            found |= in_own_units(data, j, self.linear.bias[j], list(enumerate(row)))
        return found

    @torch.no_grad()
    def initialise(self, observed_rate: Tensor) -> None:
        """Start the offsets from the observed rates."""
        self.linear.bias.copy_(score_of_rate(observed_rate))


class NonLinearMissingness(Missingness):
    """logit P(s = 1 | x) = network(x): any dependence of the mask on the row.

    Args:
        num_columns: the number p of columns.
        hidden: the widths of the hidden layers.
        activation: the name of the activation function.
        families: the families of the columns, where they are not all real numbers; levels are then
            read as indicators.

    >>> import torch
    >>> from absentia.models import NonLinearMissingness
    >>> NonLinearMissingness(3, hidden=[16])(torch.zeros(7, 3)).batch_shape
    torch.Size([7, 3])
    """

    def __init__(
        self,
        num_columns: int,
        hidden: Sequence[int] = (32,),
        activation: str = "tanh",
        families: Families | None = None,
    ) -> None:
        super().__init__()
        self.expansion = None if families is None else Expansion(families)
        inputs = num_columns if self.expansion is None else self.expansion.num_features
        self.network = mlp(inputs, hidden, activation=activation)
        self.head = nn.Linear(hidden[-1] if len(hidden) else inputs, num_columns)

    def forward(self, x: Tensor, **context: Any) -> Bernoulli:
        """Return a Bernoulli of batch shape (..., n, p)."""
        if self.expansion is not None:
            x = self.expansion(x, torch.ones_like(x))[0]
        return Bernoulli(logits=self.head(self.network(x)))

    @torch.no_grad()
    def initialise(self, observed_rate: Tensor) -> None:
        """Start offsets from the observed rates, and weights near zero."""
        self.head.weight.mul_(0.1)
        self.head.bias.copy_(score_of_rate(observed_rate))
