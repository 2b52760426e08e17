"""Exact sampling of one-sided truncated normals and of logistic-tilted normals."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..randomness.by_key import Numbers

_SQRT_HALF = math.sqrt(0.5)
#: beyond this bound Phi underflows, and the exceedance is exponential to within 1/900
_DEEP_TAIL = 30.0


def truncated_above(
    bound: Tensor, generator: torch.Generator | None = None, numbers: Numbers | None = None
) -> Tensor:
    """Sample eps ~ Normal(0, 1) given eps > bound, elementwise, computed in float64.

    The sample is made by inversion in the lower tail, where the distribution function keeps its
    relative accuracy, and beyond 30 sd by the exponential limit of the exceedance,
    sqrt(bound^2 + 2 E) with E ~ Exp(1).

    >>> import torch
    >>> from absentia.inference.integration.truncated import truncated_above
    >>> bool((truncated_above(torch.tensor([-1.0, 0.0, 5.0, 1e3])) > torch.tensor(-1.0)).all())
    True
    """
    bound = bound.double()
    if numbers is not None:  # the cells' own
        return _above(bound, numbers.uniform(bound))
    u = torch.rand(bound.shape, dtype=bound.dtype, device=bound.device, generator=generator)
    return _above(bound, 1 - u)  # in (0, 1]


def _above(bound: Tensor, u: Tensor) -> Tensor:
    """Return the samples that belong to uniform numbers."""
    # erfc, since torch's own ndtr loses its relative accuracy below -8
    tail = 0.5 * torch.special.erfc(bound.clamp(max=_DEEP_TAIL) * _SQRT_HALF)
    body = -torch.special.ndtri(u * tail)
    deep = (bound.square() - 2 * u.log()).sqrt()
    return torch.where(bound > _DEEP_TAIL, deep, body).maximum(bound)


def logistic_tilted(
    m: Tensor,
    r: Tensor,
    generator: torch.Generator | None = None,
    numbers: Numbers | None = None,
) -> Tensor:
    """Sample t with density proportional to sigmoid(t) Normal(t; m, r^2), by exact rejection.

    sigmoid(t) <= exp(t) below 0 and <= 1 above 0, and both bounds are at most twice as high. The
    proposal is therefore a mixture of two truncated normals, of which at least half is accepted
    whatever m and r are.

    >>> import torch
    >>> from absentia.inference.integration.truncated import logistic_tilted
    >>> _ = torch.manual_seed(0)
    >>> logistic_tilted(torch.full((10000,), -50.0), torch.tensor(2.0)).mean().round()
    tensor(-46., dtype=torch.float64)
    """
    m, r = torch.broadcast_tensors(m.double(), r.double().clamp_min(1e-12))
    h = m / r
    # logs of the masses of exp(t) Normal(t) below 0 (a normal with mean m + r^2) and of Normal(t)
    # above 0
    below = m + 0.5 * r * r + torch.special.log_ndtr(-h - r)
    above = torch.special.log_ndtr(h)
    share = torch.sigmoid(above - below)
    result = torch.empty_like(m)
    finite = (m.isfinite() & r.isfinite()).reshape(-1)
    result.fill_(torch.nan)  # where m or r is not finite there is no distribution to sample
    todo = finite.nonzero().flatten()
    flat_m, flat_r, flat_share, out = m.reshape(-1), r.reshape(-1), share.reshape(-1), None
    out = result.reshape(-1)
    tries = 0
    while len(todo):
        mean, sd = flat_m[todo], flat_r[todo]
        uniform = torch.empty(3, len(todo), dtype=m.dtype, device=m.device)
        if numbers is None:
            uniform[:2] = torch.rand(
                2, len(todo), dtype=m.dtype, device=m.device, generator=generator
            )
        else:
            tries += 1
            for k, part in enumerate(uniform):
                part.copy_(numbers.branch(3 * tries + k).at_places(todo, m))
        upper = uniform[0] < flat_share[todo]
        shifted = torch.where(upper, mean, mean + sd * sd)
        # eps > -shifted/sd for t above zero and eps < -shifted/sd for t below: mirror the second
        side = torch.where(upper, 1.0, -1.0)
        bound = -side * shifted / sd
        own = numbers is not None
        eps = _above(bound, uniform[2]) if own else truncated_above(bound, generator)
        t = shifted + sd * side * eps
        accept = torch.sigmoid(t.abs())  # sigmoid(t) over its envelope, on either side
        taken = uniform[1] < accept
        out[todo[taken]] = t[taken]
        todo = todo[~taken]
    return out.reshape(m.shape)
