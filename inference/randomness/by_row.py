"""Evenly spread random numbers of each row's own, whatever rows are computed beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from pyro.distributions import Normal, TorchDistribution
from torch import Tensor

from ...models.distributions.pixel_normal import PixelNormal
from ...models.distributions.row_mixture import RowNormalMixture
from ...models.distributions.row_normal import RowNormal
from .points import BITS, seed_of
from .shared import CommonNoise, from_uniform


class ByRow(CommonNoise):
    """Scrambled Sobol points, shifted digitally by random bits of each row.

    The points make a row's error small, and the shifts make the errors of the rows independent
    (L'Ecuyer & Lemieux, "Recent advances in randomized quasi-Monte Carlo methods", 2002, section
    5). A digital shift is an exclusive or of the binary digits, which leaves exactly as many points
    in every dyadic interval as there were. A shift modulo one would not, and cost four fifths of
    the gain with 32 points: where it wraps around, a point lies in either tail of a Normal. A
    row's shift follows from its number in the table alone, so that its numbers are the same in
    every block of rows. Distributions other than Normals take ordinary random numbers.

    Args:
        particles: as for :class:`CommonNoise`.
        like: as for :class:`CommonNoise`.
        seed: as for :class:`CommonNoise`.
        replicates: as for :class:`CommonNoise`.

    >>> import torch
    >>> from pyro.distributions import Normal
    >>> noise = ByRow(8, torch.zeros(()), seed=0)
    >>> noise.at(torch.tensor([4, 7]))
    >>> noise.start(8)
    >>> both = noise.draw("z", Normal(torch.zeros(2, 3), 1.0))
    >>> noise.at(torch.tensor([7]))
    >>> noise.start(8)
    >>> bool((noise.draw("z", Normal(torch.zeros(1, 3), 1.0))[:, 0] == both[:, 1]).all())
    True
    """

    def __init__(self, particles: int, like: Tensor, seed: int | str, replicates: int = 1) -> None:
        super().__init__(particles, like, seed, replicates)
        self.rows = np.zeros(0, dtype=np.uint64)
        self._shifts: dict[str, Tensor] = {}
        #: the points of each site as whole numbers
        self._bits: dict[str, Tensor] = {}

    def at(self, rows: Tensor) -> None:
        """Begin the particles of a block of rows, which are named by their numbers (n,)."""
        super().at(rows)
        self.rows = rows.cpu().numpy().astype(np.uint64)
        self._shifts = {}

    def of_rows(self, name: str, size: int) -> Tensor:
        """Return the numbers of the rows: (count, n, size), which differ between them."""
        if name not in self._bits:
            self._bits[name] = (self.whole(name, size) * 2**BITS).to(self.like.device, torch.int32)
        if name not in self._shifts:
            shift = _hashed(self.rows, size, seed_of(f"shift {self.seed} {name}"))
            self._shifts[name] = torch.from_numpy(shift).to(self.like.device)
        points = self._bits[name][self.first : self.first + self.count].unsqueeze(1)
        shifted = (points ^ self._shifts[name]).to(self.like.dtype)
        return self.inside(shifted.add_(0.5).mul_(0.5**BITS))

    def draw(self, name: str, fn: TorchDistribution) -> Tensor:
        """Sample (K, n, m) values of a site, evenly spread where its distribution is a Normal."""
        if isinstance(fn, Normal | RowNormal | RowNormalMixture | PixelNormal):
            return from_uniform(fn, self.of_rows(name, fn.batch_shape[-1]))
        own = fn.rsample if fn.has_rsample else fn.sample
        sampled: Tensor = own(() if len(fn.batch_shape) > 2 else (self.count,))
        return sampled


def _hashed(rows: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Return (n, size) whole numbers of 30 bits that follow from row, place and seed alone.

    They are the outputs of the generator SplitMix64 (Steele, Lea & Flood, OOPSLA 2014) at the
    positions row * size + place.
    """
    state: Any
    place = rows[:, None] * np.uint64(size) + np.arange(size, dtype=np.uint64)
    state = np.uint64(seed) + (place + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    state = state ^ (state >> np.uint64(31))
    found: np.ndarray = (state >> np.uint64(64 - BITS)).astype(np.int32)
    return found
