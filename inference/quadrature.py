"""One-dimensional quadrature for continuous decoders under any elementwise mechanism.

A composite Gauss-Legendre rule whose panels follow the decoder's distribution AND the places
where the mechanism changes: a rule that knows only the decoder (Gauss-Hermite) misses a mechanism
steeper than its nodes are apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from pyro.distributions import Cauchy, Laplace, Normal, StudentT, TorchDistribution
from torch import Tensor

_POINTS = 8  # Gauss-Legendre points a panel
_GRID = 385  # where the mechanism is looked at to find out where it changes
#: panels for the mechanism, by how much P(missing) changes over one sd of the decoder
_PANELS = ((0.1, 0), (2.0, 10), (math.inf, 32))
_BODY = (0.0, 1.0, 2.0, 3.5, 5.5, 9.0)
_HEAVY = (*_BODY, 16.0, 32.0, 64.0, 128.0, 256.0, 1024.0)


class Rule(NamedTuple):
    """Nodes (Q, K, M) and the logs of their weights, without gradients."""

    nodes: Tensor
    log_weight: Tensor


def applies_to(decoder: TorchDistribution) -> bool:
    """Whether the decoder is a location-scale family on the real line."""
    return isinstance(decoder, Normal | StudentT | Laplace | Cauchy)


@torch.no_grad()
def rule_for(decoder: TorchDistribution, missing_at: Callable[[Tensor], Tensor]) -> Rule:
    """A rule for int p(x) f(x) dx at every missing cell.

    :param decoder: the packed decoder, batch shape (K, M).
    :param missing_at: P(s_j = 0 | x_j) for values broadcastable to (G, K, M).
    """
    loc, scale = decoder.loc, decoder.scale
    if not loc.numel():
        empty = loc.new_zeros(1, *loc.shape)
        return Rule(empty, empty)
    heavy = not isinstance(decoder, Normal)
    steps = _HEAVY if heavy else _BODY
    offsets = torch.tensor([-b for b in steps[:0:-1]] + list(steps), dtype=loc.dtype)
    own = loc + scale * offsets.to(loc.device).view(-1, 1, 1)  # (B, K, M)
    grid = _grid(own.min(), own.max(), loc.mean(), stretched=heavy)
    missing = missing_at(grid)
    edges = own
    steepness = float((missing.diff(dim=0).abs() / grid.diff(dim=0)).max() * scale.max())
    panels = next((panels for limit, panels in _PANELS if steepness < limit), 0)
    if panels:
        steep = _where_it_matters(grid, missing, decoder, panels)
        edges = torch.cat([own, steep.expand(-1, *own.shape[1:])]).sort(0).values
        edges = edges.maximum(own[:1]).minimum(own[-1:])
    points, weights = np.polynomial.legendre.leggauss(_POINTS)
    points_t = torch.as_tensor(points, dtype=loc.dtype, device=loc.device).view(1, -1, 1, 1)
    weights_t = torch.as_tensor(weights, dtype=loc.dtype, device=loc.device).view(1, -1, 1, 1)
    low, high = edges[:-1].unsqueeze(1), edges[1:].unsqueeze(1)
    nodes = (low + high) / 2 + (high - low) / 2 * points_t
    log_weight = ((high - low) / 2 * weights_t).log()  # -inf on empty panels: they weigh nothing
    return Rule(nodes.flatten(0, 1), log_weight.flatten(0, 1))


def _grid(low: Tensor, high: Tensor, centre: Tensor, stretched: bool) -> Tensor:
    """Values (G, 1, 1) over the whole range; where tails are heavy, dense around the centre."""
    u = torch.linspace(-1, 1, _GRID, dtype=low.dtype, device=low.device)
    if not stretched:
        return (low + (high - low) * (u + 1) / 2).view(-1, 1, 1)
    reach = torch.sinh(7 * u.abs()) / math.sinh(7)
    return torch.where(
        u < 0, centre - (centre - low) * reach, centre + (high - centre) * reach
    ).view(-1, 1, 1)


def _where_it_matters(
    grid: Tensor, missing: Tensor, decoder: TorchDistribution, panels: int
) -> Tensor:
    """Panel edges at equal shares of the mechanism's variation, (E, K, M).

    Variation counts by the density the decoder has there, with a floor: far out it still shapes
    the tail of the integral.
    """
    change = missing.diff(dim=0).abs()  # (G - 1, 1 or K, M)
    density = decoder.log_prob((grid[1:] + grid[:-1]) / 2) + decoder.scale.log()
    change = change * (density.exp() + 0.02)
    # a little of the uniform keeps the inverse defined where nothing changes
    change = change + 1e-6 * (change.sum(0) + 1e-6) / len(change)
    cumulative = torch.cat([torch.zeros_like(change[:1]), change.cumsum(0)])
    cumulative = cumulative / cumulative[-1]
    shares = torch.linspace(0.01, 0.99, panels + 1, dtype=grid.dtype, device=grid.device)
    behind = cumulative.movedim(0, -1).contiguous()
    wanted = shares.expand(*behind.shape[:-1], -1).contiguous()
    right = torch.searchsorted(behind, wanted).clamp(1, len(change))
    below, above = behind.gather(-1, right - 1), behind.gather(-1, right)
    part = (wanted - below) / (above - below)
    values = grid.flatten()
    edges = values[right - 1] + part * (values[right] - values[right - 1])
    return edges.movedim(-1, 0)
