"""The conditional given missing over finitely many values: levels, counts, quadrature nodes."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from ..randomness.by_key import Numbers, uniform
from .conditionals import Tilted, filled_up
from .packing import Picker


class TiltedDiscrete(Tilted):
    """A decoder over finitely many values, integrated by exact sums (maths: section 3).

    Args:
        values: (V, 1 or K, 1 or M) the values.
        log_density: (V, K, M) log p(v | z).
        log_missing_given: (V, 1 or K, M) log p(s_j = 0 | v).
    """

    def __init__(self, values: Tensor, log_density: Tensor, log_missing_given: Tensor) -> None:
        self.values, self.log_density, self.log_missing_given = (
            values,
            log_density,
            log_missing_given,
        )
        self.joint = log_density + log_missing_given

    @cached_property
    def log_missing(self) -> Tensor:
        """Return the log of the sum over the values."""
        return self.joint.logsumexp(0)

    @torch.no_grad()
    def moments(self, numbers: Numbers | None = None) -> tuple[Tensor, Tensor]:
        """Return mean and variance over the values' posterior."""
        weight = (self.joint - self.log_missing).exp()
        mean = (weight * self.values).sum(0)
        return mean, (weight * (self.values - mean).square()).sum(0)

    @torch.no_grad()
    def sample(self, numbers: Numbers | None = None) -> Tensor:
        """Sample a value from its posterior."""
        if numbers is not None:
            upper = (self.joint - self.log_missing).exp().cumsum(0)
            reached = numbers.uniform(self.log_missing) * upper[-1] > upper[:-1]
            best = reached.sum(0, keepdim=True)
            return self.values.expand_as(self.joint).gather(0, best).squeeze(0)
        gumbel = -torch.empty_like(self.joint).exponential_().log()
        best = (self.joint + gumbel).argmax(0, keepdim=True)
        return self.values.expand_as(self.joint).gather(0, best).squeeze(0)

    def select(self, particles: Tensor, cells: Tensor) -> TiltedDiscrete:
        """Select the chosen particles and cells."""
        at = Picker(self.log_missing.shape, particles, cells)
        return type(self)(at(self.values), at(self.log_density), at(self.log_missing_given))

    @torch.no_grad()
    def probabilities(self, cells: Tensor, num_values: int) -> Tensor:
        """Return the posterior probabilities of the values."""
        weight = (self.joint - self.log_missing).exp()
        return filled_up(weight[..., cells], num_values)


class TiltedQuadrature(TiltedDiscrete):
    """A continuous decoder under any elementwise mechanism, by nodes and weights.

    The values are the nodes, and their log-densities include the logarithms of the weights.
    ``report`` holds the nodes in the units in which moments are wanted, if not their own.

    Samples are taken from the distribution function, interpolated linearly between nodes.
    """

    report: Tensor | None = None

    @torch.no_grad()
    def moments(self, numbers: Numbers | None = None) -> tuple[Tensor, Tensor]:
        """Return mean and variance of the reported values."""
        weight = (self.joint - self.log_missing).exp()
        values = self.values if self.report is None else self.report
        mean = (weight * values).sum(0)
        return mean, (weight * (values - mean).square()).sum(0)

    def probabilities(self, cells: Tensor, num_values: int) -> Tensor:
        """Raise an error, since real numbers have no probabilities."""
        return Tilted.probabilities(self, cells, num_values)

    @torch.no_grad()
    def sample(self, numbers: Numbers | None = None) -> Tensor:
        """Sample by inversion of the interpolated distribution function."""
        mass = (self.joint - self.log_missing).exp()
        # each node's mass lies between the midpoints to its neighbours
        upper = mass.cumsum(0)
        u = uniform(self.log_missing, numbers) * upper[-1]
        index = torch.searchsorted(
            upper.movedim(0, -1).contiguous(), u.unsqueeze(-1).contiguous()
        ).movedim(-1, 0)
        index = index.clamp(max=len(mass) - 1)
        nodes = self.values.expand_as(mass)
        middle = (nodes[1:] + nodes[:-1]) / 2
        edges = torch.cat([nodes[:1], middle, nodes[-1:]])
        low, high = edges.gather(0, index), edges.gather(0, index + 1)
        before = (upper - mass).gather(0, index)
        part = ((u - before) / mass.gather(0, index).clamp_min(torch.finfo(mass.dtype).tiny)).clamp(
            0, 1
        )
        return (low + part * (high - low)).squeeze(0)
