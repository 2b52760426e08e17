"""Self-normalised estimates that are accumulated over particles, in bounded memory.

Per row the stream keeps the logarithms of sum w and sum w^2, the largest weights (for k-hat), and
particles that are resampled by a weighted reservoir. Per missing cell it keeps the weighted moments
of h_k = E[x_j | z_k, s_j = 0], or of x_jk itself where it was sampled.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from ...data.errors import InputError
from ..diagnostics import khat_from_largest, tail_length
from ..randomness.by_key import Numbers
from .calibration import Calibration

#: in the sums of a stream, the powers of the weights
_POWER = torch.tensor([1, 1, 1, 2, 2, 2]).unsqueeze(1)


class CellSource(Protocol):
    """The values of one chunk at the missing cells."""

    def moments(self, numbers: Numbers | None = None) -> tuple[Tensor, Tensor]:
        """Return mean and variance of the cells given each particle, (C, M) each."""

    def draw(self, particles: Tensor, cells: Tensor, numbers: Numbers | None = None) -> Tensor:
        """Sample cell cells[i] given particle particles[i], (len(cells),)."""

    def probabilities(self, cells: Tensor, num_values: int) -> Tensor:
        """Return P(x_j = v) of discrete cells given each particle, (V, C, len(cells))."""


class ChunkNumbers(NamedTuple):
    """The random numbers of a chunk of particles that belong to rows and cells, by use.

    Attributes:
        moves: of the n rows, which draws are replaced.
        chosen: of the n rows, by which particles.
        moments: of the M cells, for moments that are computed from samples.
        draws: of the M cells, for the values that are drawn.
    """

    moves: Numbers
    chosen: Numbers
    moments: Numbers
    draws: Numbers

    @classmethod
    def of(cls, rows: Numbers, of_cell: Tensor, column: Tensor, chunk: int) -> ChunkNumbers:
        """Make them from those of the rows (n,), at cells (M,) of these rows and columns."""
        own = rows.branch(chunk)
        cells = own.branch(2).at(of_cell).branch(column.cpu().numpy())
        return cls(own.branch(0), own.branch(1), cells.branch(0), cells.branch(1))


class Estimates(NamedTuple):
    """The estimates from a stream of L particles, on the model's scale.

    The first three are (n,), one for each row; the others are for M missing cells.
    """

    log_evidence: Tensor
    ess: Tensor
    khat: Tensor
    mean: Tensor
    variance: Tensor
    mcse: Tensor
    draws: Tensor  # (D, M)
    probabilities: Tensor  # (V, M), zero where a cell's column is not discrete
    between: Tensor  # (M,) the part of the variance that lies between the particles


class Stream:
    """An accumulator of weighted particles for n rows whose missing cells are ``rows``.

    Args:
        num_rows: n, the number of rows.
        rows: (M,) the row of every missing cell.
        particles: L, the number of particles that will be added in all.
        num_draws: D, the number of resampled values to keep of every cell.
        discrete: the cells for which the probabilities of their values are kept, too.
        num_values: V, the largest number of values of these cells.
        group: how many particles in turn are one replicate. The replicates are independent, and
            standard errors come from the differences between them; particles inside a replicate
            may be dependent, as evenly spread ones are. L is a multiple of it.
        dtype: the dtype of the draws.

    The standard error of a mean m = sum_k w_k h_k / W is the square root of
    R/(R-1) sum_r (N_r - m W_r)^2 / W^2, where N_r and W_r are the sums of w h and of w over
    replicate r, and R is their number (the delta method for a ratio; Owen, "Monte Carlo theory,
    methods and examples", sections 9.2 and 17.2). For replicates of one particle it is the usual
    one of importance sampling, without the factor R/(R-1), which is 1 then but for rounding.
    """

    def __init__(
        self,
        num_rows: int,
        rows: Tensor,
        particles: int,
        num_draws: int,
        discrete: Tensor | None = None,
        num_values: int = 0,
        group: int = 1,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        device, kind = rows.device, torch.float64
        self.rows, self.particles = rows, particles
        minus_infinity = torch.full((num_rows,), -torch.inf, dtype=kind, device=device)
        self.log_sum, self.log_sum_squares = minus_infinity, minus_infinity.clone()
        #: the largest log-weight of each row so far
        self.peak = minus_infinity.clone()
        #: the largest log-weights of each row, from which k-hat is estimated
        self.largest = torch.empty(0, num_rows, device=device)
        # sums of w h, w h^2 and w var over particles, and of W^2, W N and N^2 over replicates with
        # sums W of w and N of w h, at every cell, with weights divided by the row's largest one
        self.sums = torch.zeros(6, len(rows), dtype=kind, device=device)
        self.group = group
        #: W and N of a replicate that is not complete, and how many of its particles are there
        self.begun, self.begun_particles = torch.zeros(2, len(rows), dtype=kind, device=device), 0
        #: subtracted from each cell before its moments are taken, since a large mean costs digits
        self.reference = torch.zeros(len(rows), dtype=kind, device=device)
        self.draws = torch.zeros(num_draws, len(rows), dtype=dtype, device=device)
        self.discrete = rows.new_zeros(0) if discrete is None else discrete
        self.chances = torch.zeros(num_values, len(self.discrete), dtype=kind, device=device)
        order = rows.argsort(stable=True)
        counts = rows.bincount(minlength=num_rows)
        self._cells_of_row = (order, counts, counts.cumsum(0) - counts)

    def add(
        self,
        log_weight: Tensor,
        source: CellSource,
        calibration: Calibration | None = None,
        numbers: ChunkNumbers | None = None,
    ) -> None:
        """Add the particles of one chunk.

        Args:
            log_weight: (C, n) the log-weights.
            source: the cells given the chunk's particles.
            calibration: factors of the weights from variables of known mean; standard errors are
                then those of the regression estimator.
            numbers: the random numbers of this chunk that belong to rows and cells; those of
                torch's generator when left out.
        """
        rows = self.rows
        if calibration is not None:
            log_weight = log_weight + calibration.log_factor
        peak = self.peak.maximum(log_weight.amax(0).double())
        # the peak of a row whose weights are all zero is -inf, and -inf - -inf would be nan
        level = torch.where(peak.isfinite(), peak, 0.0)
        old = (self.peak - level).exp()[rows]
        of_row = (log_weight - level.to(log_weight.dtype)).exp()
        weight = of_row[:, rows]  # (C, M)
        h, variance = source.moments(*(() if numbers is None else (numbers.moments,)))
        if not len(self.largest):
            self.reference = h.mean(0).nan_to_num(0.0).double()
        h = h - self.reference.to(h.dtype)
        weighted = weight * h
        self.sums *= old ** _POWER.to(old.device)
        self.sums[0] += weighted.sum(0).double()
        self.sums[1] += (weighted * h).sum(0).double()
        self.sums[2] += (weight * variance).sum(0).double()
        self._add_replicates(of_row, weight, weighted, calibration, old)
        if len(self.discrete):
            found = source.probabilities(self.discrete, len(self.chances))
            share = weight[:, self.discrete]
            added = torch.einsum("vkm,km->vm", found.expand(-1, *share.shape), share)
            self.chances = self.chances * old[self.discrete] + added.double()
        self.peak = peak
        chunk = log_weight.double()
        self.log_sum = torch.logaddexp(self.log_sum, chunk.logsumexp(0))
        self.log_sum_squares = torch.logaddexp(self.log_sum_squares, (2 * chunk).logsumexp(0))
        keep = min(tail_length(self.particles) + 1, len(self.largest) + len(log_weight))
        self.largest = torch.cat([self.largest.to(log_weight), log_weight]).topk(keep, 0).values
        if len(self.draws):
            self._resample(log_weight, source, numbers)

    def _add_replicates(
        self,
        of_row: Tensor,
        weight: Tensor,
        weighted: Tensor,
        calibration: Calibration | None,
        old: Tensor,
    ) -> None:
        """Add a chunk's weights, and weights times h, to the squares of the replicates' sums."""
        group, count = self.group, len(of_row)
        if group == 1:
            if calibration is not None:
                weight = calibration.residuals(weight, self.rows)
                weighted = calibration.residuals(weighted, self.rows)
            squared = weight.square()
            self.sums[3] += squared.sum(0).double()
            self.sums[4] += (weight * weighted).sum(0).double()
            self.sums[5] += weighted.square().sum(0).double()
            return
        if not self.begun_particles and count % group == 0:
            inside = (count // group, group, -1)
            total = of_row.reshape(inside).sum(1)[:, self.rows].double()
            self._close(total, weighted.reshape(inside).sum(1).double())
            return
        if self.begun_particles + count > group:
            raise InputError(f"a chunk of {count} particles spans replicates of {group}")
        self.begun = self.begun * old + torch.stack([weight.sum(0), weighted.sum(0)])
        self.begun_particles += count
        if self.begun_particles == group:
            self._close(self.begun[:1], self.begun[1:])
            self.begun, self.begun_particles = torch.zeros_like(self.begun), 0

    def _close(self, total: Tensor, weighted: Tensor) -> None:
        """Add replicates' sums (R, M) of the weights, and of the weights times h."""
        self.sums[3] += total.square().sum(0)
        self.sums[4] += (total * weighted).sum(0)
        self.sums[5] += weighted.square().sum(0)

    def _resample(
        self, log_weight: Tensor, source: CellSource, numbers: ChunkNumbers | None
    ) -> None:
        """Replace each kept draw by one from this chunk, with a probability.

        The probability is the chunk's share of the row's weight so far.

        After the last chunk each draw is a particle sampled with probability w~ (a weighted
        reservoir with replacement), the same particle for all cells of its row.
        """
        slots, num_rows = len(self.draws), log_weight.shape[1]
        chunk_share = (log_weight.double().logsumexp(0) - self.log_sum).exp().nan_to_num(0.0)
        if numbers is None:
            moves = torch.rand(slots, num_rows, device=log_weight.device) < chunk_share
        else:
            moves = numbers.moves.uniform(chunk_share.expand(slots, -1)) < chunk_share
        slot, row = moves.nonzero(as_tuple=True)
        share = torch.softmax(log_weight, 0).nan_to_num(0.0) + 1e-30
        if numbers is None:
            chosen = torch.multinomial(share.T, slots, replacement=True)  # (n, D)
        else:  # by inversion of the distribution function
            upper = share.T.double().cumsum(-1)
            wanted = numbers.chosen.uniform(upper.new_empty(slots, num_rows)).T * upper[:, -1:]
            chosen = torch.searchsorted(upper, wanted.contiguous()).clamp_max(len(share) - 1)
        particle = chosen[row, slot]
        order, counts, starts = self._cells_of_row
        repeats = counts[row]
        which = torch.arange(len(row), device=row.device).repeat_interleave(repeats)
        within = torch.arange(len(which), device=row.device) - (
            repeats.cumsum(0) - repeats
        ).repeat_interleave(repeats)
        cells = order[starts[row][which] + within]
        if len(cells):
            own: tuple[Numbers, ...] = ()
            if numbers is not None:
                own = (numbers.draws.at(cells).branch(slot[which].cpu().numpy()),)
            values = source.draw(particle[which], cells, *own)
            self.draws[slot[which], cells] = values.to(self.draws.dtype)

    def finish(self) -> Estimates:
        """Return the estimates, once all particles have been added."""
        total = (self.log_sum - self.peak).exp()[self.rows]
        mean = self.sums[0] / total
        between = (self.sums[1] / total - mean.square()).clamp_min(0)
        spread = self.sums[5] - 2 * mean * self.sums[4] + mean.square() * self.sums[3]
        replicates = self.particles // self.group
        if self.group > 1:
            spread = spread * replicates / (replicates - 1)
        probabilities = self.chances.new_zeros(len(self.chances), len(self.rows))
        probabilities[:, self.discrete] = self.chances / total[self.discrete]
        return Estimates(
            log_evidence=self.log_sum - math.log(self.particles),
            ess=(2 * self.log_sum - self.log_sum_squares).exp(),
            khat=khat_from_largest(self.largest, self.particles),
            mean=mean + self.reference,
            variance=between + self.sums[2] / total,
            mcse=spread.clamp_min(0).sqrt() / total,
            draws=self.draws,
            probabilities=probabilities,
            between=between,
        )
