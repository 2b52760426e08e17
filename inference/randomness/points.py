"""Evenly spread random points in any number of dimensions."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

#: dimensions that are filled evenly together; more of them line up in Sobol sequences of few points
_TOGETHER = 4


def spread_points(count: int, size: int, key: str) -> Tensor:
    """Return (count, size) float64 numbers in [0, 1], which are determined by ``key`` alone.

    The dimensions are taken four at a time. Each four have a Sobol sequence of their own, scrambled
    (randomised quasi-Monte Carlo: Owen, 1997) and with its points in a random order of their own.
    Without that order two sequences run alike, however they are scrambled or shifted; with it they
    are independent (Owen, "Latin supercube sampling for very high-dimensional simulations", ACM
    TOMACS 1998).

    Args:
        count: how many points.
        size: of how many dimensions.
        key: numbers of different keys are independent.

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
    """Return a generator's seed that differs from key to key, but not between processes."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=7).digest(), "big")
