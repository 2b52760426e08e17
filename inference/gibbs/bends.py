"""Bends: the sinh-arcsinh maps under which the columns' margins are nearly normal."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .random import normal

#: prior standard deviations of skew and log tail, around the straight line
_SKEW_SD, _LOG_TAIL_SD = 0.5, 0.5
#: the share of proposals to accept, and how fast the step is adapted to it during warm-up
_ACCEPT, _ADAPT = 0.3, 0.1
#: equal values count for so large a share of a column's observed values at most
_HEAP = 0.1
#: columns of fewer distinct values have no shape, and heaped ones are bent if this skewed at least
_FEWEST_VALUES, _SKEWED = 6, 0.5


class Bends:
    """y = (sinh(tail_j arcsinh(x_j) - skew_j) - m_j) / s_j for the observed values of each column.

    m_j and s_j are mean and standard deviation of the column's observed, bent values. A Gaussian
    decoder without bends blames the skewness of a column on its mechanism: under a log-normal
    column that is missing completely at random, a large slope is then almost certain.

    No bend makes a heap of equal values normal, such as the zeros of an amount or a usual age, and
    one that tries so ruins the rest of the column. Heaps therefore count as a tenth of the column
    where bends are chosen; afterwards these are fixed, and every value counts as one.

    Args:
        x: (n, p) standardised values, 0 where missing.
        seen: (n, p) booleans, True where observed.
        straight: (p,) booleans, the columns that are never bent.
        chains: the number of chains, each with its own bends.
    """

    def __init__(self, x: Tensor, seen: Tensor, straight: Tensor, chains: int) -> None:
        self.seen = seen
        #: (n, p) how much each value counts where bends are chosen, 0 where missing
        self.share, shapeless = _shares(x, seen)
        self.straight = straight | shapeless
        self.count = seen.sum(0).to(x)
        self.arcsinh = torch.asinh(x)
        self._log_slope = -0.5 * torch.log1p(x.square())
        self.skew = x.new_zeros(chains, x.shape[1])
        self.log_tail = torch.zeros_like(self.skew)
        self.step = torch.full_like(self.skew, 0.05)
        self.refresh()

    def refresh(self) -> None:
        """Compute values, log slopes, means and standard deviations of the current bends."""
        self.y, self.log_slope, self.mean, self.sd = self._bent(self.skew, self.log_tail)

    def _bent(self, skew: Tensor, log_tail: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return standardised bent values (K, n, p), row by row the log slopes, and the moments."""
        bend = log_tail.exp().unsqueeze(1) * self.arcsinh - skew.unsqueeze(1)
        bent = torch.sinh(bend)
        mean = (bent * self.seen).sum(1) / self.count
        centred = (bent - mean.unsqueeze(1)) * self.seen
        sd = (centred.square().sum(1) / self.count).sqrt()
        slope = torch.cosh(bend).log() + log_tail.unsqueeze(1) + self._log_slope
        return centred / sd.unsqueeze(1), (slope - sd.log().unsqueeze(1)) * self.seen, mean, sd

    def move(
        self,
        predicted: Tensor,
        variance: Tensor,
        left: Tensor,
        slope: Tensor,
        columns: Tensor,
        adapt: bool,
        generator: torch.Generator,
        times: int = 1,
    ) -> None:
        """Take Metropolis steps of every column's bend, given all else.

        Args:
            predicted: (K, n, p) the decoder's means.
            variance: (K, p) its variances.
            left: (K, n, q) the utilities less the score without the part of the column itself.
            slope: (K, q) the slopes on the column itself.
            columns: (q,) the columns that have missing values.
            adapt: whether to adapt the length of the steps; not valid after warm-up.
            generator: the source of random numbers.
            times: the number of steps.
        """
        of_columns = self.share[:, columns]

        def height(y: Tensor, log_slope: Tensor, skew: Tensor, log_tail: Tensor) -> Tensor:
            decoder = ((y - predicted).square() * self.share).sum(1) / variance
            own = (left - slope.unsqueeze(1) * y[..., columns]).square() * of_columns
            prior = (skew / _SKEW_SD).square() + (log_tail / _LOG_TAIL_SD).square()
            total = (log_slope * self.share).sum(1) - 0.5 * (decoder + prior)
            return total.index_add(1, columns, -0.5 * own.sum(1))

        now = height(self.y, self.log_slope, self.skew, self.log_tail)
        for _ in range(times):
            now = self._moved(now, height, adapt, generator)

    def _moved(
        self,
        now: Tensor,
        height: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor],
        adapt: bool,
        generator: torch.Generator,
    ) -> Tensor:
        """Take one step from where the log-density by column is ``now``, and return the next."""
        shape = self.skew.shape
        skew = self.skew + self.step * normal(shape, self.y, generator)
        log_tail = self.log_tail + self.step * normal(shape, self.y, generator)
        y, log_slope, mean, sd = self._bent(skew, log_tail)

        then = height(y, log_slope, skew, log_tail)
        gain = then - now
        uniform = torch.rand(shape, generator=generator, dtype=now.dtype, device=now.device)
        moved = (uniform.log() < gain) & ~self.straight
        self.skew = torch.where(moved, skew, self.skew)
        self.log_tail = torch.where(moved, log_tail, self.log_tail)
        cells = moved.unsqueeze(1)
        self.y = torch.where(cells, y, self.y)
        self.log_slope = torch.where(cells, log_slope, self.log_slope)
        self.mean, self.sd = torch.where(moved, mean, self.mean), torch.where(moved, sd, self.sd)
        if adapt:
            self.step = self.step * torch.exp((moved.to(now) - _ACCEPT) * _ADAPT)
        return torch.where(moved, then, now)


def _shares(x: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Return how much values (n, p) count, and the columns (p,) of which no bend makes sense."""
    share, shapeless = seen.to(x), torch.zeros_like(seen[0])
    for j in range(x.shape[1]):
        own = x[seen[:, j], j]
        values, place, count = own.unique(return_inverse=True, return_counts=True)
        most = max(_HEAP * len(own), 1.0)
        weight = (most / count).clamp_max(1.0).to(x)[place]
        share[seen[:, j], j] = weight
        left = own - (weight * own).sum() / weight.sum()
        square, cube = ((weight * left**k).sum() / weight.sum() for k in (2, 3))
        heaped = bool((count > most).any())
        symmetric = bool(cube.abs() < _SKEWED * square**1.5)
        shapeless[j] = len(values) < _FEWEST_VALUES or (heaped and symmetric)
    return share, shapeless
