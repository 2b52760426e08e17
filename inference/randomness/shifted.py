"""Evenly spread random numbers that differ from row to row, for sums over rows."""

from __future__ import annotations

import math
from typing import Any

import torch
from pyro.distributions import Normal
from torch import Tensor

from ...models.distributions.row_normal import RowNormal
from .points import seed_of, spread_points


class ShiftedSobol:
    """Sobol points (K, d), shifted modulo one by each row's own random shift.

    Points that all rows share have one error for all of them, which adds up over the rows: with 25
    draws a row a log-likelihood was out by a nat a unit of the slope. Shifts of their own make the
    rows' errors independent, and the points make each of them small (Cranley & Patterson, SIAM J.
    Numerical Analysis 1976).
    """

    def __init__(self, seed: int) -> None:
        self.seed, self.count = seed, 0

    def start(self, count: int) -> None:
        """Begin a run with this many particles per row."""
        self.count = count

    def forget(self) -> None:
        """Do nothing, since nothing is kept between runs."""

    def draw(self, name: str, fn: Any) -> Tensor:
        """Return (K, n, d) samples; torch's own noise is used where it is not a Normal."""
        n, d = fn.batch_shape[-2:]
        normal = isinstance(fn, Normal | RowNormal)
        if not normal:
            own = fn.rsample if fn.has_rsample else fn.sample
            drawn: Tensor = own(() if len(fn.batch_shape) > 2 else (self.count,))
            return drawn
        key = f"{self.seed} {name}"
        points = spread_points(self.count, d, key)
        generator = torch.Generator().manual_seed(seed_of(f"shift {key}"))
        shift = torch.rand(n, d, generator=generator, dtype=torch.float64)
        uniform = ((points.unsqueeze(1) + shift) % 1.0).clamp(1e-9, 1 - 1e-9)
        eps = (math.sqrt(2) * torch.erfinv(2 * uniform - 1)).to(fn.loc)
        if isinstance(fn, RowNormal):
            return fn.transformed(eps)
        moved: Tensor = fn.loc + fn.scale * eps
        return moved
