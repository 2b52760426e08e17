"""Positive scales with a floor: one per cell, one per column, or one for the table."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ...data.errors import InputError
from ..distributions.special import inverse_softplus

ScaleKind = Literal["entry", "column", "shared"]


class Scale(nn.Module):
    """Standard deviations ``floor + softplus(.)``, which are always positive.

    ``"entry"`` computes one per cell from the decoder's last hidden layer, ``"column"`` learns one
    per column, and ``"shared"`` learns a single one (probabilistic PCA). Without the floor a
    flexible decoder can collapse onto single observed cells, where the likelihood is unbounded
    (Mattei & Frellsen, NeurIPS 2018).
    """

    def __init__(
        self, kind: ScaleKind, features: int, columns: int, floor: float, initial: float = 0.7
    ) -> None:
        super().__init__()
        if kind not in ("entry", "column", "shared"):
            raise InputError(f"scale {kind!r} is not one of entry, column, shared")
        if floor < 0:
            raise InputError(f"floor is {floor}; give the smallest scale, a number >= 0")
        self.kind = kind
        self.floor = floor
        start = float(inverse_softplus(torch.tensor(initial, dtype=torch.float64)))
        if kind == "entry":
            self.head = nn.Linear(features, columns)
            nn.init.constant_(self.head.bias, start)
        else:
            self.raw = nn.Parameter(torch.full((columns if kind == "column" else 1,), start))

    @torch.no_grad()
    def start_at(self, value: float | Tensor) -> None:
        """Set the initial scale of every column to this value, or each to its own."""
        raw = self.head.bias if self.kind == "entry" else self.raw
        above = (torch.as_tensor(value, dtype=torch.float64) - self.floor).clamp_min(1e-3)
        raw.copy_(inverse_softplus(above))

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the scale, ``(..., n, p)`` for ``"entry"``, else broadcastable to it."""
        raw = self.head(hidden) if self.kind == "entry" else self.raw
        return self.floor + softplus(raw)
