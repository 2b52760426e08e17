"""The curvature of a bound by all its parameters, from differences of gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from .coordinates import Coordinates
from .fixed_bound import FixedBound

#: by how much each coordinate is changed
_DIFFERENCE = 1e-2


@torch.no_grad()
def curvature(bound: FixedBound, coordinates: Coordinates) -> Tensor:
    """Return the second derivatives (q, q) of a loss by the coordinates, in turn.

    Args:
        bound: the loss, which is evaluated once more than there are coordinates.
        coordinates: the coordinates, which end as they were.
    """
    before = _gradient(bound, coordinates)
    rows = []
    for value in coordinates.values:
        flat = value.view(-1)
        for k in range(len(flat)):
            kept = flat[k].clone()
            flat[k] += _DIFFERENCE
            rows.append((_gradient(bound, coordinates) - before) / (flat[k] - kept))
            flat[k] = kept
    coordinates.to_parameters()
    found = torch.stack(rows)
    return (found + found.T) / 2


def _gradient(bound: FixedBound, coordinates: Coordinates) -> Tensor:
    """Return the gradient (q,) at the coordinates."""
    coordinates.to_parameters()
    with torch.enable_grad():
        bound()
    coordinates.take_gradients()
    return torch.cat([v.grad.flatten() for v in coordinates.values if v.grad is not None])
