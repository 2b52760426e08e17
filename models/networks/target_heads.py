"""Predictors: complete rows -> the distribution of a target, batch shape (..., n, 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from pyro.distributions import Bernoulli, Categorical, Normal, TorchDistribution
from torch import Tensor, nn
from torch.nn.functional import softplus

from ...data import IncompleteData
from ...data.errors import InputError
from ..configurable import Configurable
from .families import Expansion, Families, all_real, families_of
from .mlp import mlp

TargetKind = Literal["continuous", "binary", "categorical"]


class Predictor(Configurable):
    """p(y | x) by a network of x: a Normal, Bernoulli or categorical distribution.

    Args:
        num_columns: the number p of columns of x.
        kind: ``"continuous"``, ``"binary"`` or ``"categorical"``.
        levels: the levels of a binary or categorical target, in the order of their codes.
        center, scale: the standardisation of a continuous target; y is standardised by them.
        hidden: the widths of the hidden layers; without any, this is a linear, logistic or
            multinomial regression.
        activation: the name of the activation function.
        families: the families of the columns, where they are not all real numbers; levels are then
            read as indicators.

    >>> import torch
    >>> from absentia.models import Predictor
    >>> Predictor(5, "categorical", levels=["a", "b", "c"])(torch.zeros(7, 5)).batch_shape
    torch.Size([7, 1])
    """

    def __init__(
        self,
        num_columns: int,
        kind: TargetKind,
        levels: Sequence[Any] = (0, 1),
        center: float = 0.0,
        scale: float = 1.0,
        hidden: Sequence[int] = (64,),
        activation: str = "tanh",
        families: Families | None = None,
    ) -> None:
        super().__init__()
        if kind not in ("continuous", "binary", "categorical"):
            raise InputError(
                f"the kind of the target is {kind!r}, which is not one of continuous, binary, "
                f"categorical"
            )
        self.kind, self.levels = kind, list(levels)
        self.center, self.unit = center, scale
        self.expansion = None if families is None else Expansion(families)
        inputs = num_columns if self.expansion is None else self.expansion.num_features
        self.network = mlp(inputs, hidden, activation=activation)
        outputs = len(self.levels) if kind == "categorical" else 1
        self.head = nn.Linear(hidden[-1] if len(hidden) else inputs, outputs)
        self.raw_scale = nn.Parameter(torch.zeros(1)) if kind == "continuous" else None

    @classmethod
    def for_data(cls, data: IncompleteData, hidden: Sequence[int] = (64,)) -> Predictor:
        """Make a predictor for the target of the data.

        Raises:
            ValueError: if the data have no target, or its kind cannot be predicted.
        """
        if data.target is None:
            raise InputError("the data have no target; give one with data.with_target(y)")
        column = data.target.schema[data.target.columns[0]]
        kind = "categorical" if column.kind == "ordinal" else column.kind
        families = families_of(data)
        return cls(
            len(families),
            kind,  # type: ignore[arg-type]
            levels=list(column.levels) or (0, 1),
            center=float(data.target.scaler.center[0]),
            scale=float(data.target.scaler.scale[0]),
            hidden=hidden,
            families=None if all_real(families) else families,
        )

    def forward(self, x: Tensor) -> TorchDistribution:
        """Return the distribution of y given whole rows x (..., n, p)."""
        if self.expansion is not None:
            x = self.expansion(x, torch.ones_like(x))[0]
        out: Tensor = self.head(self.network(x))
        if self.raw_scale is not None:
            return Normal(out, 1e-2 + softplus(self.raw_scale))
        if self.kind == "binary":
            return Bernoulli(logits=out)
        return Categorical(logits=out.unsqueeze(-2))
