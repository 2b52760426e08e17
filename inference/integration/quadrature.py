"""One-dimensional quadrature for continuous decoders under any elementwise mechanism.

It is a composite Gauss-Legendre rule whose panels follow both the decoder's distribution and the
places where the mechanism changes. A rule that follows the decoder alone (Gauss-Hermite) misses a
mechanism that changes between two of its nodes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from pyro.distributions import Cauchy, Laplace, Normal, StudentT, TorchDistribution
from torch import Tensor

_POINTS = 8  # Gauss-Legendre points per panel
_GRID = 81  # points per cell at which the mechanism is evaluated to find out where it changes
#: panels for the mechanism, by how much P(missing) changes over one sd of the decoder
_PANELS = ((0.1, 0), (2.0, 10), (math.inf, 32))
#: ends of the panels either side of the centre, for tails like a Normal's and for heavier ones
LIGHT_TAILS = (0.0, 1.0, 2.0, 3.5, 5.5, 9.0)
HEAVY_TAILS = (*LIGHT_TAILS, 16.0, 32.0, 64.0, 128.0, 256.0, 1024.0)


class Rule(NamedTuple):
    """The nodes (Q, K, M) of a quadrature rule and the logs of their weights, without gradients."""

    nodes: Tensor
    log_weight: Tensor


@functools.singledispatch
def reach_of(decoder: TorchDistribution) -> tuple[float, ...] | None:
    """Return the ends of the panels of a location-scale family, in units of its scale.

    The result is None for a family that cannot be integrated by quadrature. A family of your own,
    with ``loc`` and ``scale``, is registered for all decoders of its class:

    >>> from pyro.distributions import Gumbel
    >>> _ = reach_of.register(Gumbel, lambda decoder: HEAVY_TAILS)
    >>> reach_of(Gumbel(0.0, 1.0))[-1]
    1024.0
    """
    return None


@reach_of.register(Normal)
def _light(decoder: Normal) -> tuple[float, ...]:
    return LIGHT_TAILS


@reach_of.register(StudentT)
@reach_of.register(Laplace)
@reach_of.register(Cauchy)
def _heavy(decoder: TorchDistribution) -> tuple[float, ...]:
    return HEAVY_TAILS


@torch.no_grad()
def rule_for(decoder: TorchDistribution, missing_at: Callable[[Tensor], Tensor]) -> Rule:
    """Make a rule for int p(x) f(x) dx at every missing cell.

    The rule of a cell does not depend on the other cells of the batch, except for panels of width
    zero.

    Args:
        decoder: the packed decoder, batch shape (K, M).
        missing_at: returns P(s_j = 0 | x_j) for values that broadcast to (G, K, M).
    """
    loc, scale = decoder.loc, decoder.scale
    if not loc.numel():
        empty = loc.new_zeros(1, *loc.shape)
        return Rule(empty, empty)
    steps = reach_of(decoder)
    assert steps is not None  # the caller has checked
    offsets = torch.tensor([-b for b in steps[:0:-1]] + list(steps), dtype=loc.dtype)
    edges = own = loc + scale * offsets.to(loc.device).view(-1, 1, 1)  # (B, K, M)
    u = _grid(steps[-1], loc)
    grid = loc + scale * u
    missing = missing_at(grid)
    steepness = (missing.diff(dim=0).abs() / u.diff(dim=0)).amax(0)
    limits = steepness.new_tensor([limit for limit, _ in _PANELS[:-1]])
    kind = torch.bucketize(steepness.contiguous(), limits, right=True)
    most = int(kind.max())
    if _PANELS[most][1]:
        change = _where_it_matters(u, missing, decoder)
        steep = own[-1:].expand(_PANELS[most][1] + 1, *own.shape[1:]).clone()
        for number, (_, panels) in enumerate(_PANELS[: most + 1]):
            if panels:
                place = _shares(u, change, panels)
                steep[: panels + 1] = torch.where(
                    kind == number, loc + scale * place, steep[: panels + 1]
                )
        edges = torch.cat([own, steep]).sort(0).values
        edges = edges.maximum(own[:1]).minimum(own[-1:])
    points, weights = np.polynomial.legendre.leggauss(_POINTS)
    points_t = torch.as_tensor(points, dtype=loc.dtype, device=loc.device).view(1, -1, 1, 1)
    weights_t = torch.as_tensor(weights, dtype=loc.dtype, device=loc.device).view(1, -1, 1, 1)
    low, high = edges[:-1].unsqueeze(1), edges[1:].unsqueeze(1)
    nodes = (low + high) / 2 + (high - low) / 2 * points_t
    log_weight = ((high - low) / 2 * weights_t).log()  # -inf on panels of width zero
    return Rule(nodes.flatten(0, 1), log_weight.flatten(0, 1))


def _grid(reach: float, like: Tensor) -> Tensor:
    """Return standardised values (G, 1, 1) up to ``reach`` either side, densest in the middle."""
    t = torch.linspace(-1, 1, _GRID, dtype=like.dtype, device=like.device).view(-1, 1, 1)
    stretch = 2.0 if reach < 100 else 8.0
    return reach * torch.sinh(stretch * t) / math.sinh(stretch)


def _where_it_matters(u: Tensor, missing: Tensor, decoder: TorchDistribution) -> Tensor:
    """Return the mechanism's cumulative variation over the grid, as shares (G, K, M).

    Variation is weighted by the decoder's density at the place, which is bounded below: far out it
    still shapes the tail of the integral.
    """
    change = missing.diff(dim=0).abs()  # (G - 1, K, M)
    middle = decoder.loc + decoder.scale * (u[1:] + u[:-1]) / 2
    density = decoder.log_prob(middle) + decoder.scale.log()
    change = change * (density.exp() + 0.02)
    # a small uniform part keeps the inverse defined where nothing changes
    change = change + 1e-6 * (change.sum(0) + 1e-6) / len(change)
    cumulative = torch.cat([torch.zeros_like(change[:1]), change.cumsum(0)])
    return cumulative / cumulative[-1]


def _shares(u: Tensor, cumulative: Tensor, panels: int) -> Tensor:
    """Return where the variation reaches equal shares, standardised, (E, K, M)."""
    shares = torch.linspace(0.01, 0.99, panels + 1, dtype=u.dtype, device=u.device)
    behind = cumulative.movedim(0, -1).contiguous()
    wanted = shares.expand(*behind.shape[:-1], -1).contiguous()
    right = torch.searchsorted(behind, wanted).clamp(1, len(cumulative) - 1)
    below, above = behind.gather(-1, right - 1), behind.gather(-1, right)
    part = (wanted - below) / (above - below)
    values = u.flatten()
    edges = values[right - 1] + part * (values[right] - values[right - 1])
    return edges.movedim(-1, 0)
