"""Samples of a Normal of which only the sign is known."""

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
