"""Evenly spread random points in any number of dimensions."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

#: dimensions per Sobol sequence; with few points, more dimensions are not filled evenly together
_TOGETHER = 4
#: the binary digits of a point, as many as torch's Sobol sequences have
BITS = 30


def spread_points(count: int, size: int, key: str) -> Tensor:
    """Return (count, size) float64 numbers in [0, 1], which are determined by ``key`` alone.

    The dimensions are taken four at a time. Each four have a Sobol sequence of their own, which is
    scrambled (randomised quasi-Monte Carlo: Owen, 1997) and whose points come in a random order of
    their own. Without that order two sequences would be dependent, however they are scrambled or
    shifted; with it they are independent (Owen, "Latin supercube sampling for very high-dimensional
    simulations", ACM TOMACS 1998).

    Args:
        count: the number of points.
        size: the number of dimensions.
        key: the name of the numbers; those of different keys are independent.

    >>> from absentia.inference.randomness.points import spread_points
    >>> points = spread_points(1024, 6, "z")
    >>> points.shape, bool((points.mean(0) - 0.5).abs().max() < 1e-3)
    (torch.Size([1024, 6]), True)
    """
    groups = [_four(count, f"{start} {key}") for start in range(0, size, _TOGETHER)]
    return torch.cat(groups, -1)[:, :size]


def _four(count: int, key: str) -> Tensor:
    generator = torch.Generator().manual_seed(seed_of(key))
    scrambling = int(torch.randint(2**62, (), generator=generator))
    engine = torch.quasirandom.SobolEngine(_TOGETHER, scramble=True, seed=scrambling)
    points = engine.draw(count, dtype=torch.float64)
    return points[torch.randperm(count, generator=generator)]


def seed_of(key: str) -> int:
    """Return a seed that depends on the key alone, and is the same in every process."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=7).digest(), "big")
