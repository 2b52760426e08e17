"""Samples of a Normal of which only the sign is known, or an interval."""

from __future__ import annotations

import torch
from torch import Tensor

#: standardised bounds above which the tail is sampled as an exponential; Phi is 1e-197 there
_FAR = 30.0


def of_known_sign(mean: Tensor, sd: Tensor, positive: Tensor, generator: torch.Generator) -> Tensor:
    """Sample u ~ Normal(mean, sd^2) given u > 0 where ``positive``, else given u < 0.

    By inversion: with t the standardised distance into the allowed side and a its lower bound,
    1 - Phi(t) is uniform between 0 and 1 - Phi(a). Far in the tail t - a is exponential
    with rate a.

    Args:
        mean, sd, positive: tensors that broadcast to one shape.
        generator: the source of random numbers.

    Returns:
        The samples, in the common shape.

    >>> generator = torch.Generator().manual_seed(0)
    >>> far = torch.full((1000,), -40.0, dtype=torch.float64)
    >>> u = of_known_sign(far, torch.ones_like(far), torch.tensor(True), generator)
    >>> bool((u > 0).all()), bool((u.mean() * 40 - 1).abs() < 0.1)
    (True, True)
    """
    mean, sd, positive = torch.broadcast_tensors(mean, sd, positive)
    side = torch.where(positive, 1.0, -1.0).to(mean)
    bound = -side * mean / sd
    uniform = torch.rand(
        mean.shape, generator=generator, dtype=mean.dtype, device=mean.device
    ).clamp_min(1e-12)
    tail = (uniform * torch.special.ndtr(-bound)).clamp(1e-300, 1 - 1e-16)
    t = -torch.special.ndtri(tail)
    far = bound > _FAR
    if bool(far.any()):
        t = torch.where(far, bound - uniform.log() / bound.clamp_min(1.0), t)
    return side * sd * (torch.maximum(t, bound) - bound)


def between(
    low: Tensor, high: Tensor, mean: Tensor, sd: Tensor, generator: torch.Generator
) -> Tensor:
    """Sample y ~ Normal(mean, sd^2) given low < y < high, by inversion.

    Where the interval has no probability within the rounding of the dtype, its end that is nearer
    to the mean is returned.

    Args:
        low, high: the bounds, which may be infinite.
        mean, sd: tensors that broadcast to one shape with the bounds.
        generator: the source of random numbers.

    >>> generator, one = torch.Generator().manual_seed(0), torch.ones(1000, dtype=torch.float64)
    >>> y = between(2 * one, 3 * one, 0 * one, one, generator)
    >>> bool(((y > 2) & (y < 3)).all()), bool((y.mean() - 2.3157).abs() < 0.03)
    (True, True)
    """
    mean, sd, low, high = torch.broadcast_tensors(mean, sd, low, high)
    below, above, side = _on_the_left((low - mean) / sd, (high - mean) / sd)
    first, last = torch.special.ndtr(below), torch.special.ndtr(above)
    uniform = torch.rand(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
    t = torch.special.ndtri((first + uniform * (last - first)).clamp(1e-300, 1 - 1e-16))
    drawn: Tensor = (mean + side * sd * t).clamp(low, high)
    return drawn


def log_probability(low: Tensor, high: Tensor) -> Tensor:
    """Return log P(low < t < high) of a standard normal t.

    >>> log_probability(torch.tensor([-1.0, 8.0]), torch.tensor([1.0, 9.0])).round(decimals=2)
    tensor([ -0.3800, -35.0100])
    """
    below, above, _ = _on_the_left(low, high)
    first, last = torch.special.log_ndtr(below), torch.special.log_ndtr(above)
    return last + torch.log(-torch.expm1((first - last).clamp_max(-1e-12)))


def _on_the_left(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mirror standardised intervals that lie on the right, where 1 - Phi has no digits."""
    right = low > 0
    side = torch.where(right, -1.0, 1.0).to(low)
    return torch.where(right, -high, low), torch.where(right, -low, high), side
