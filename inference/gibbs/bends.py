"""Bends: the sinh-arcsinh maps under which the columns' margins are nearly normal."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .heaps import FEWEST_VALUES, Heaps
from .random import normal
from .truncated_normal import between, log_probability

#: prior standard deviations of skew and log tail, around the straight line
_SKEW_SD, _LOG_TAIL_SD = 0.5, 0.5
#: scale of the half-normal prior of the width of a heap's interval
_WIDTH_SD = 2.0
#: the share of proposals to accept, and how fast the step is adapted to it during warm-up
_ACCEPT, _ADAPT = 0.3, 0.1
#: equal values count for so large a share of a column's observed values at most
_HEAP = 0.1
#: heaped columns are bent if this skewed at least
_SKEWED = 0.5


#: values, log slopes, means and standard deviations under some bends
_Bent = tuple[Tensor, Tensor, Tensor, Tensor]


class Bends:
    """y = (sinh(tail_j arcsinh(x_j) - skew_j) - m_j) / s_j for the observed values of each column.

    m_j and s_j are mean and standard deviation of the column's observed, bent values. A Gaussian
    decoder without bends blames the skewness of a column on its mechanism: under a log-normal
    column that is missing completely at random, a large slope is then almost certain.

    No bend makes a heap of equal values normal, such as the zeros of an amount or a usual age, and
    one that tries so ruins the rest of the column. A large heap inside a column stands for an
    interval of y (:class:`.Heaps`): with the interval's width w_j, values above the heap have
    sinh(...) + w_j. Others count as a tenth of the column where bends are chosen; afterwards these
    are fixed, and every value counts as one.

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
        #: the numbers that stand for intervals; all other values that are seen are ``known``
        self.heaps = Heaps(x, seen, straight)
        self.known = seen & ~self.heaps.at
        self.share = torch.where(self.heaps.exist, seen.to(x), self.share)
        self.straight = straight | (shapeless & ~self.heaps.exist)
        self.count = seen.sum(0).to(x)
        self.arcsinh = torch.asinh(x)
        self._log_slope = -0.5 * torch.log1p(x.square())
        self.skew = x.new_zeros(chains, x.shape[1])
        self.log_tail = torch.zeros_like(self.skew)
        #: (K, p) the widths of the intervals of heaps, before values are standardised
        self.width = self.heaps.width.expand_as(self.skew).clone()
        self.step = torch.full_like(self.skew, 0.05)
        self.refresh()

    def refresh(self) -> None:
        """Compute values, log slopes, means and standard deviations of the current bends."""
        found = self._bent(self.skew, self.log_tail, self.width)
        self.y, self.log_slope, self.mean, self.sd = found

    def _bent(
        self, skew: Tensor, log_tail: Tensor, width: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return standardised bent values (K, n, p), row by row the log slopes, and the moments."""
        bend = log_tail.exp().unsqueeze(1) * self.arcsinh - skew.unsqueeze(1)
        bent = torch.sinh(bend)
        if self.heaps.some:
            bent = bent + width.unsqueeze(1) * self.heaps.above
        mean = (bent * self.seen).sum(1) / self.count
        centred = (bent - mean.unsqueeze(1)) * self.seen
        sd = (centred.square().sum(1) / self.count).sqrt()
        slope = torch.cosh(bend).log() + log_tail.unsqueeze(1) + self._log_slope
        return centred / sd.unsqueeze(1), (slope - sd.log().unsqueeze(1)) * self.known, mean, sd

    def intervals(
        self, skew: Tensor, log_tail: Tensor, width: Tensor, mean: Tensor, sd: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the intervals of y that heaps stand for under some bends (K, p)."""
        start = torch.sinh(log_tail.exp() * self.heaps.value.asinh() - skew)
        return (start - mean) / sd, (start + width - mean) / sd

    def in_heaps(
        self,
        predicted: Tensor,
        variance: Tensor,
        left: Tensor,
        slope: Tensor,
        columns: Tensor,
        y: Tensor,
        generator: torch.Generator,
    ) -> Tensor:
        """Sample the values (K, n, p) of cells in heaps given all else; others are returned.

        Args:
            predicted, variance, left, slope, columns: as for :meth:`move`.
            y: the values, completed.
            generator: the source of random numbers.
        """
        if not self.heaps.some:
            return y
        mean, sd = _given_utilities(predicted, variance, left, slope, columns)
        bounds = self.intervals(self.skew, self.log_tail, self.width, self.mean, self.sd)
        picks = self.heaps.exist
        low, high = (bound[:, picks].unsqueeze(1) for bound in bounds)
        drawn = between(low, high, mean[..., picks], sd[..., picks], generator)
        y = y.clone()
        y[..., picks] = torch.where(self.heaps.at[:, picks], drawn, y[..., picks])
        return y

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
        share = self.share * self.known
        of_columns = share[:, columns]
        heaps = self.heaps
        if heaps.some:
            given = _given_utilities(predicted, variance, left, slope, columns)
            of_heaps, spread = (part[..., heaps.exist] for part in given)

        def height(bent: _Bent, skew: Tensor, log_tail: Tensor, width: Tensor) -> Tensor:
            y, log_slope, mean, sd = bent
            decoder = ((y - predicted).square() * share).sum(1) / variance
            own = (left - slope.unsqueeze(1) * y[..., columns]).square() * of_columns
            prior = (skew / _SKEW_SD).square() + (log_tail / _LOG_TAIL_SD).square()
            total = (log_slope * share).sum(1) - 0.5 * (decoder + prior)
            total = total.index_add(1, columns, -0.5 * own.sum(1))
            if not heaps.some:
                return total
            # cells in heaps with their values integrated out
            bounds = self.intervals(skew, log_tail, width, mean, sd)
            low, high = (bound[:, heaps.exist].unsqueeze(1) for bound in bounds)
            found = log_probability((low - of_heaps) / spread, (high - of_heaps) / spread)
            total[:, heaps.exist] += (found * heaps.at[:, heaps.exist]).sum(1)
            return total - 0.5 * (width / _WIDTH_SD).square()

        bent = self.y, self.log_slope, self.mean, self.sd
        now = height(bent, self.skew, self.log_tail, self.width)
        for _ in range(times):
            now = self._moved(now, height, adapt, generator)

    def _moved(
        self,
        now: Tensor,
        height: Callable[[_Bent, Tensor, Tensor, Tensor], Tensor],
        adapt: bool,
        generator: torch.Generator,
    ) -> Tensor:
        """Take one step from where the log-density by column is ``now``, and return the next."""
        shape = self.skew.shape
        skew = self.skew + self.step * normal(shape, self.y, generator)
        log_tail = self.log_tail + self.step * normal(shape, self.y, generator)
        width = self.width
        if self.heaps.some:  # a reflected random walk is symmetric
            width = (width + self.step * normal(shape, self.y, generator)).abs()
            width = torch.where(self.heaps.exist, width, self.width)
        bent = self._bent(skew, log_tail, width)
        y, log_slope, mean, sd = bent
        then = height(bent, skew, log_tail, width)
        gain = then - now
        uniform = torch.rand(shape, generator=generator, dtype=now.dtype, device=now.device)
        moved = (uniform.log() < gain) & ~self.straight
        self.skew = torch.where(moved, skew, self.skew)
        self.log_tail = torch.where(moved, log_tail, self.log_tail)
        self.width = torch.where(moved, width, self.width)
        cells = moved.unsqueeze(1)
        self.y = torch.where(cells, y, self.y)
        self.log_slope = torch.where(cells, log_slope, self.log_slope)
        self.mean, self.sd = torch.where(moved, mean, self.mean), torch.where(moved, sd, self.sd)
        if adapt:
            self.step = self.step * torch.exp((moved.to(now) - _ACCEPT) * _ADAPT)
        return torch.where(moved, then, now)


def _given_utilities(
    predicted: Tensor, variance: Tensor, left: Tensor, slope: Tensor, columns: Tensor
) -> tuple[Tensor, Tensor]:
    """Return mean and sd of values given the decoder and, of some columns, utilities, (K, n, p)."""
    precision = (1 / variance).unsqueeze(1)
    pull = predicted * precision
    pull = pull.index_add(2, columns, slope.unsqueeze(1) * left)
    precision = precision.index_add(2, columns, slope.square().unsqueeze(1))
    return pull / precision, precision.rsqrt().expand_as(pull)


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
        shapeless[j] = len(values) < FEWEST_VALUES or (heaped and symmetric)
    return share, shapeless
