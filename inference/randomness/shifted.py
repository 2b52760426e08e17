"""Evenly spread random numbers that differ from row to row, for sums over rows."""

from __future__ import annotations

import math

import torch
from pyro.distributions import Normal, TorchDistribution
from torch import Tensor

from ...models.distributions.row_normal import RowNormal
from .points import BITS, seed_of, spread_points

#: the most numbers of a site that are held for its next run
_MOST_KEPT = 4_000_000


class ShiftedSobol:
    """Sobol points (K, d), shifted digitally by each row's own random bits.

    If all rows shared their points, they would share one error, which adds up over the rows: with
    25 samples per row a log-likelihood was wrong by one nat per unit of a slope. A shift for
    each row makes the errors of the rows independent, and the points make each error small. As for
    :class:`~absentia.inference.randomness.by_row.ByRow`, the shift is an exclusive or of binary
    digits, since a shift modulo one moves points from one tail of a Normal to the other.

    Args:
        seed: determines the numbers of a site, together with the site's name.
        keep: whether to hold a site's standard normal numbers for its next run, if they are few
            enough; this saves time and changes no number.
    """

    def __init__(self, seed: int | str, keep: bool = False) -> None:
        self.seed, self.keep, self.count = seed, keep, 0
        self._kept: dict[tuple[str, int, int, int], Tensor] = {}

    def start(self, count: int) -> None:
        """Begin a run with this many particles per row."""
        self.count = count

    def forget(self) -> None:
        """Do nothing, since every run has the same numbers."""

    def draw(self, name: str, fn: TorchDistribution) -> Tensor:
        """Return (K, n, d) samples, which are evenly spread for Normals and ordinary for others."""
        n, d = fn.batch_shape[-2:]
        normal = isinstance(fn, Normal | RowNormal)
        if not normal:
            own = fn.rsample if fn.has_rsample else fn.sample
            sampled: Tensor = own(() if len(fn.batch_shape) > 2 else (self.count,))
            return sampled
        eps = self._normal(name, n, d).to(fn.loc)
        if isinstance(fn, RowNormal):
            return fn.transformed(eps)
        moved: Tensor = fn.loc + fn.scale * eps
        return moved

    def _normal(self, name: str, n: int, d: int) -> Tensor:
        """Return (K, n, d) standard normal numbers."""
        place = (name, self.count, n, d)
        if place in self._kept:
            return self._kept[place]
        key = f"{self.seed} {name}"
        points = spread_points(self.count, d, key)
        generator = torch.Generator().manual_seed(seed_of(f"shift {key}"))
        shift = torch.randint(2**BITS, (n, d), generator=generator, dtype=torch.int32)
        digits = (points * 2**BITS).to(torch.int32).unsqueeze(1) ^ shift
        uniform = (digits.double() + 0.5) * 0.5**BITS
        eps = math.sqrt(2) * torch.erfinv(2 * uniform - 1)
        if self.keep and eps.numel() <= _MOST_KEPT:
            self._kept[place] = eps.to(torch.get_default_dtype())
        return eps
