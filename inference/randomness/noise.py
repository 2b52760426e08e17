"""The contract of a source of random numbers that replaces the distributions' own."""

from __future__ import annotations

from typing import Protocol

from pyro.distributions import TorchDistribution
from torch import Tensor


class Noise(Protocol):
    """A source of random numbers, which hears of every run and samples its sites one by one."""

    def start(self, count: int) -> None:
        """Begin the next ``count`` particles."""

    def forget(self) -> None:
        """Take back the current particles, which were not used, for the next run."""

    def draw(self, name: str, fn: TorchDistribution) -> Tensor:
        """Return (K, n, ...) samples of a site's distribution."""
