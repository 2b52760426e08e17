"""Random numbers that belong to rows by their keys, wherever a row lies and whatever is beside it.

They are hashes: a generator has no state that an order of rows could change. The hash is
SplitMix64's (Steele, Lea & Flood, OOPSLA 2014), once for each of the numbers that name a place: the
seed, the row's key, the column, the particle and so on.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from pyro.distributions import TorchDistribution
from torch import Tensor

from .by_row import ByRow
from .points import seed_of
from .shared import CommonNoise

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mixed(states: Any, number: Any) -> np.ndarray:
    """Return states of 64 bits that follow from other states and a whole number, elementwise."""
    state: Any = states + (np.atleast_1d(number).astype(np.uint64) + np.uint64(1)) * _GOLDEN
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    found: np.ndarray = state ^ (state >> np.uint64(31))
    return found


class Numbers:
    """Uniform random numbers of M cells or rows, each of which has a state of its own.

    >>> import numpy as np
    >>> import torch
    >>> numbers = Numbers(np.array([3, 8, 5], dtype=np.uint64))
    >>> like = torch.empty(2, 3)
    >>> bool((numbers.uniform(like)[:, 1:] == numbers.at(torch.tensor([1, 2])).uniform(
    ...     like[:, 1:])).all())
    True

    Args:
        states: (M,) the states, whole numbers of 64 bits.
    """

    def __init__(self, states: np.ndarray) -> None:
        self.states = states

    def at(self, cells: Tensor) -> Numbers:
        """Select the numbers of some cells, which are those that they have here."""
        return Numbers(self.states[cells.cpu().numpy()])

    def branch(self, number: Any) -> Numbers:
        """Return other numbers of the same cells, by a whole number for all or for each (M,)."""
        return Numbers(mixed(self.states, number))

    def uniform(self, like: Tensor, first: int = 0) -> Tensor:
        """Return numbers in (0, 1) of shape (..., M), in dtype and on the device of a tensor.

        Args:
            like: the tensor.
            first: the number of those of each cell that are left out at the beginning.
        """
        leading = like.shape[:-1]
        place = np.arange(first, first + math.prod(leading), dtype=np.uint64)[:, None]
        return self._between(mixed(self.states, place), like).reshape(like.shape)

    def at_places(self, places: Tensor, like: Tensor) -> Tensor:
        """Return numbers of some places of a flattened tensor (..., M), as :meth:`uniform` would.

        Args:
            places: their positions in the flattened tensor.
            like: a tensor of the wanted dtype and device.
        """
        at = places.cpu().numpy()
        size = len(self.states)
        return self._between(mixed(self.states[at % size], at // size), like)

    @staticmethod
    def _between(states: np.ndarray, like: Tensor) -> Tensor:
        found = ((states >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
        return CommonNoise.inside(torch.from_numpy(found).to(like))


def uniform(like: Tensor, numbers: Numbers | None) -> Tensor:
    """Return uniform numbers shaped like a tensor: the cells' own, else those of torch."""
    return torch.rand_like(like) if numbers is None else numbers.uniform(like)


def normal(like: Tensor, numbers: Numbers | None) -> Tensor:
    """Return standard normal numbers shaped like a tensor: the cells' own, else those of torch."""
    if numbers is None:
        return torch.randn_like(like)
    return math.sqrt(2) * torch.erfinv(2 * numbers.uniform(like) - 1)


class ByKey(ByRow):
    """Evenly spread numbers of each row, shifted by a hash of its key instead of its position.

    All distributions are sampled by them, by inversion, so that no number depends on the order of
    rows.

    Args:
        particles: as for :class:`~absentia.inference.randomness.shared.CommonNoise`.
        like: the same.
        seed: the same.
        replicates: the same.
        keys: (n,) numbers of 64 bits that stand for the keys of all rows.
    """

    def __init__(
        self, particles: int, like: Tensor, seed: int | str, replicates: int, keys: np.ndarray
    ) -> None:
        super().__init__(particles, like, seed, replicates)
        self.keys = keys

    def at(self, rows: Tensor) -> None:
        """Begin the particles of a block of rows, which are named by their numbers (n,)."""
        super().at(rows)
        self.rows = self.keys[rows.cpu().numpy()]

    def draw(self, name: str, fn: TorchDistribution) -> Tensor:
        """Sample (K, n, m) values of a site by inversion.

        Raises:
            TypeError: the distribution has no rule to be sampled by inversion.
        """
        return CommonNoise.draw(self, name, fn)

    def numbers(self) -> Numbers:
        """Return the numbers of the present rows (n,) for what is not a site of the programs."""
        return Numbers(mixed(self.rows, seed_of(f"numbers {self.seed}")))


class Independent(ByKey):
    """Independent numbers of each row and particle, by a hash of the row's key."""

    def of_rows(self, name: str, size: int) -> Tensor:
        """Return the numbers of the rows: (count, n, size), which differ between particles."""
        states = mixed(self.rows, seed_of(f"site {self.seed} {name}"))
        # one cell for each row and place of the site
        cells = mixed(states[:, None], np.arange(size, dtype=np.uint64)).reshape(-1)
        shape = (self.count, len(self.rows) * size)
        found = Numbers(cells).uniform(self.like.new_empty(shape), self.first)
        return found.reshape(self.count, len(self.rows), size)
