"""One-dimensional quadrature for continuous decoders under any elementwise mechanism.

A composite Gauss-Legendre rule whose panels follow the decoder's distribution AND the places
where the mechanism changes: a rule that knows only the decoder (Gauss-Hermite) misses a mechanism
steeper than its nodes are apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from pyro.distributions import Cauchy, Laplace, Normal, StudentT, TorchDistribution
from torch import Tensor

_POINTS = 6  # Gauss-Legendre points a panel
_GRID = 257  # where the mechanism is looked at to find out where it changes
_STEEP_PANELS = 14
_BODY = (0.0, 0.75, 1.5, 2.5, 4.0, 6.0, 9.0)
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
    steps = _BODY if isinstance(decoder, Normal) else _HEAVY
    offsets = torch.tensor([-b for b in steps[:0:-1]] + list(steps), dtype=loc.dtype)
    offsets = offsets.to(loc.device).view(-1, 1, 1)
    own = loc + scale * offsets  # (B, K, M)
    steep = _where_it_changes(missing_at, (loc - 9 * scale).min(), (loc + 9 * scale).max())
    edges = torch.cat([own, steep.expand(-1, *own.shape[1:])]).sort(0).values
    edges = edges.maximum(own[:1]).minimum(own[-1:])
    points, weights = np.polynomial.legendre.leggauss(_POINTS)
    points_t = torch.as_tensor(points, dtype=loc.dtype, device=loc.device).view(1, -1, 1, 1)
    weights_t = torch.as_tensor(weights, dtype=loc.dtype, device=loc.device).view(1, -1, 1, 1)
    low, high = edges[:-1].unsqueeze(1), edges[1:].unsqueeze(1)
    nodes = (low + high) / 2 + (high - low) / 2 * points_t
    log_weight = ((high - low) / 2 * weights_t).log()  # -inf on empty panels: they weigh nothing
    return Rule(nodes.flatten(0, 1), log_weight.flatten(0, 1))


def _where_it_changes(missing_at: Callable[[Tensor], Tensor], low: Tensor, high: Tensor) -> Tensor:
    """Panel edges at equal shares of the mechanism's total variation, (E, 1 or K, M)."""
    fractions = torch.linspace(0, 1, _GRID, dtype=low.dtype, device=low.device)
    grid = (low + (high - low) * fractions).view(-1, 1, 1)
    change = missing_at(grid).diff(dim=0).abs()  # (G - 1, 1 or K, M)
    # a little of the uniform keeps the inverse defined where nothing changes
    change = change + 1e-6 * (change.sum(0) + 1e-6) / _GRID
    cumulative = torch.cat([torch.zeros_like(change[:1]), change.cumsum(0)])
    cumulative = cumulative / cumulative[-1]
    shares = torch.linspace(0.02, 0.98, _STEEP_PANELS + 1, dtype=low.dtype, device=low.device)
    behind = cumulative.movedim(0, -1).contiguous()
    wanted = shares.expand(*behind.shape[:-1], -1).contiguous()
    right = torch.searchsorted(behind, wanted).clamp(1, _GRID - 1)
    below, above = behind.gather(-1, right - 1), behind.gather(-1, right)
    part = (wanted - below) / (above - below)
    flat_grid = grid.flatten()
    edges = flat_grid[right - 1] + part * (flat_grid[right] - flat_grid[right - 1])
    return edges.movedim(-1, 0)
