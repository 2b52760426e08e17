"""Chunks of weighted particles for blocks of rows, from which imputation is computed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ...data import Standardiser
from ...models.sites import X_UNOBSERVED
from ..importance import Weighted
from ..integration.conditionals import Sampled, Tilted, Together, given
from ..integration.dispatch import IgnoredInOtherUnits, tilt
from ..integration.summed import TiltedQuadrature
from ..integrator import Marginal, owner_of
from ..randomness.by_key import ByKey, Numbers
from ..randomness.shared import CommonNoise
from .calibration import Calibration
from .exact import run_exact, serves
from .proposal import PROPOSAL, RowMixture
from .settings import Rule
from .stream import ChunkNumbers, Estimates, Stream

#: particles times rows of one evaluation: enough to keep a processor busy, and few enough for its
#: cache
PAIRS_AT_ONCE = 16_384
#: particles times values of a row of one evaluation, which bounds its memory in wide tables: some
#: twenty such tables are held at once, in four bytes per value
_VALUES_AT_ONCE = 2_000_000


#: particles of a chunk where random numbers belong to rows by their keys
BY_KEY_AT_ONCE = 64


class _IntegratedCells:
    """Missing cells that were integrated out: moments and samples of their conditional."""

    def __init__(self, tilted: Tilted, shape: tuple[int, int]) -> None:
        self.tilted, self.shape = tilted, shape

    def moments(self, numbers: Numbers | None = None) -> tuple[Tensor, Tensor]:
        mean, variance = self.tilted.moments(*given(numbers))
        return mean.expand(self.shape), variance.expand(self.shape)

    def draw(self, particles: Tensor, cells: Tensor, numbers: Numbers | None = None) -> Tensor:
        return self.tilted.select(particles, cells).sample(*given(numbers)).squeeze(0)

    def probabilities(self, cells: Tensor, num_values: int) -> Tensor:
        return self.tilted.probabilities(cells, num_values)


class _SampledCells:
    """Missing cells that were sampled: the values, and the same in the units of the moments."""

    def __init__(self, values: Tensor, report: Tensor | None = None) -> None:
        self.values = values
        self.report = values if report is None else report

    def moments(self, numbers: Numbers | None = None) -> tuple[Tensor, Tensor]:
        return self.report, torch.zeros_like(self.report)

    def draw(self, particles: Tensor, cells: Tensor, numbers: Numbers | None = None) -> Tensor:
        return self.values[particles, cells]

    def probabilities(self, cells: Tensor, num_values: int) -> Tensor:
        values = self.values[:, cells].round().long().clamp(0, num_values - 1)
        return one_hot(values, num_values).movedim(-1, 0).to(self.values.dtype)


class Sampler:
    """A sampler that runs a model and guide in chunks and streams them into estimates.

    Args:
        model, guide: the Pyro programs.
        unobserved: as for :class:`ImportanceWeightedELBO`.
        rule: ``"posterior"`` averages over and samples from p(x_j | z_k, s_j = 0),
            ``"decoder-mean"`` does so with p(x_j | z_k).
        units: the scaler of a table with warped columns, whose moments are then computed in the
            data's own units.
        num_values: (p,) the number of values of each column whose probabilities are wanted, 0 for
            the other columns.
        common: the seed of random numbers that all rows share, as in
            :class:`~absentia.inference.randomness.shared.CommonNoise`; None for numbers of their
            own.
    """

    def __init__(
        self,
        model: Callable[..., Any],
        guide: Callable[..., Any],
        unobserved: str = "auto",
        rule: Rule = "posterior",
        units: Standardiser | None = None,
        num_values: Tensor | None = None,
        common: int | None = None,
    ) -> None:
        self.model, self.guide, self.rule = model, guide, rule
        self.units = None if units is None or bool(units.linear.all()) else units
        warps = () if self.units is None else self.units.warps
        #: whether cells in other units need no quadrature where mechanisms are affine
        self._no_nodes = all(warp is None or warp.kind == "sinh-arcsinh" for warp in warps)
        self.marginal = Marginal(unobserved, self.units)
        self.num_values, self.common = num_values, common
        #: samples of a particle's cell that moments in other units come from; None for the usual
        self.samples: int | None = None
        #: particles times rows of a chunk: few until a first run has shown how cells are integrated
        #: whether the last run integrated all missing cells out, so that weights depend on z alone
        self.integrates = False
        self.pairs_at_once = PAIRS_AT_ONCE if unobserved == "sample" else PAIRS_AT_ONCE // 16

    @torch.no_grad()
    def estimate(
        self,
        x: Tensor,
        s: Tensor,
        particles: int,
        num_draws: int,
        noise: CommonNoise | None = None,
        **extras: Tensor,
    ) -> Estimates:
        """Compute estimates for one block of rows (n, p) from ``particles`` particles.

        Args:
            x: the rows.
            s: their mask.
            particles: the number of particles.
            num_draws: the draws of every missing cell to keep.
            noise: evenly spread random numbers in replicates, from which the standard errors come;
                independent random numbers, or those of ``common``, when left out.
            extras: further arguments of the programs.
        """
        rows, columns = (~s).nonzero(as_tuple=True)
        discrete, most = self._discrete(columns)
        group = 1 if noise is None else particles // noise.replicates
        stream = Stream(len(x), rows, particles, num_draws, discrete, most, group, x.dtype)
        if noise is None and self.common is not None:
            noise = CommonNoise(particles, x, self.common)
        exact = self._exact(s)
        if exact and self._no_nodes:  # no trial has to show how the cells are integrated
            self.pairs_at_once = PAIRS_AT_ONCE
        done = 0
        while done < particles:
            at_once = BY_KEY_AT_ONCE if isinstance(noise, ByKey) else None
            chunk = self._chunk(x, particles - done, group, done % group, at_once)
            tilted: Tilted | None
            if exact:
                run, tilted = run_exact(
                    owner_of(self.model),
                    x,
                    s,
                    chunk,
                    noise=noise,
                    units=self.units,
                    samples=self.samples,
                    covariates=extras.get("covariates"),
                )
            else:
                run, tilted = self.run(x, s, chunk, noise, **extras)
            cells = self._cells(run, tilted, rows, columns, chunk)
            own = None
            if isinstance(noise, ByKey):
                own = ChunkNumbers.of(noise.numbers(), rows, columns, done)
            stream.add(run.log_weight, cells, _controls(run), own)
            done += chunk
        return stream.finish()

    def rows_by_key(self, num_columns: int) -> int:
        """Return how many rows make a block where random numbers belong to rows by keys.

        The particles of a chunk are always as many, since draws depend on where chunks begin.
        """
        pairs = min(self.pairs_at_once, _VALUES_AT_ONCE // max(num_columns, 1))
        return max(4, pairs // BY_KEY_AT_ONCE)

    def _chunk(
        self, x: Tensor, left: int, group: int, begun: int, at_once: int | None = None
    ) -> int:
        """Return how many particles come next: whole replicates of them, or a part of one.

        Args:
            x: (n, p) the rows.
            left: the particles that are still to come.
            group: the particles of a replicate.
            begun: those of the current replicate that have come already.
            at_once: the most particles; as many as memory has room for when left out.
        """
        if at_once is None:
            pairs = min(self.pairs_at_once, _VALUES_AT_ONCE // max(x.shape[-1], 1))
            at_once = pairs // len(x)
        most = max(1, min(left, at_once))
        if group == 1:  # chunks of the same size, each of which is enough for a calibration
            return math.ceil(left / math.ceil(left / most))
        if begun or most < group:
            return min(most, group - begun)
        return most - most % group

    def _discrete(self, columns: Tensor) -> tuple[Tensor, int]:
        """Return cells whose value probabilities are needed, and the most values of any column."""
        if self.num_values is None or not int(self.num_values.max()):
            return columns.new_zeros(0), 0
        wanted = self.num_values.to(columns.device)[columns] > 0
        return wanted.nonzero().flatten(), int(self.num_values.max())

    def run(
        self,
        x: Tensor,
        s: Tensor,
        particles: int,
        noise: CommonNoise | None = None,
        **extras: Tensor,
    ) -> tuple[Weighted, Tilted | None]:
        """Return one chunk's weights, and the missing cells' conditional where integrated out."""
        run, tilted = self.marginal.run(
            self.model, self.guide, x, s, num_particles=particles, noise=noise, **extras
        )
        self.integrates = tilted is not None and not _any(tilted, Sampled)
        # quadrature takes many nodes per cell, so chunks must be small
        self.pairs_at_once = PAIRS_AT_ONCE // 64 if _many_nodes(tilted) else PAIRS_AT_ONCE
        return run, tilted

    def _exact(self, s: Tensor) -> bool:
        """Whether only the mask's density has to be computed of rows with this mask."""
        wanted = self.marginal.unobserved != "sample" and self.rule == "posterior"
        return wanted and serves(self.model, self.guide, s)

    def _cells(
        self, run: Weighted, tilted: Tilted | None, rows: Tensor, columns: Tensor, chunk: int
    ) -> _IntegratedCells | _SampledCells:
        if self.rule == "decoder-mean":
            decoder = run.sites[X_UNOBSERVED].fn
            conditional = tilt(decoder, None, rows.new_zeros(0), rows, columns, units=self.units)
            return _IntegratedCells(conditional, (chunk, len(rows)))
        if tilted is not None:
            return _IntegratedCells(tilted, (chunk, len(rows)))
        values = run.sites[X_UNOBSERVED].value[:, rows, columns]
        return _SampledCells(values, self._reported(values, columns))

    def _reported(self, values: Tensor, columns: Tensor) -> Tensor | None:
        """Return the values, in the data's own units where their column is warped."""
        if self.units is None:
            return None
        warped = ~torch.from_numpy(self.units.linear).to(columns.device)[columns]
        return torch.where(warped, self.units.invert_cells(values, columns), values)


def _controls(run: Weighted) -> Calibration | None:
    """Return the control variates of rows with a proposal of their own, None for other rows."""
    site = run.sites.get(PROPOSAL)
    if site is None:
        return None
    mixture = getattr(site.fn, "base_dist", site.fn)  # Pyro's plates expand it
    assert isinstance(mixture, RowMixture)
    return Calibration.of(mixture.controls(site.value))


def _many_nodes(tilted: Tilted | None) -> bool:
    """Whether cells are integrated by quadrature, with many nodes each."""
    return _any(tilted, TiltedQuadrature) or _any(tilted, IgnoredInOtherUnits)


def _any(tilted: Tilted | None, kind: type[Tilted]) -> bool:
    """Whether the conditionals of some cells are of a kind."""
    if isinstance(tilted, Together):
        return any(_any(part, kind) for _, part in tilted.parts)
    return isinstance(tilted, kind)
