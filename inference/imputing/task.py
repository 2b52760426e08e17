"""The task of imputing: estimates in blocks of rows, and again with better proposals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ...data import IncompleteData
from ..prepare import Programs
from ..randomness.by_key import ByKey, Independent
from ..randomness.by_row import ByRow
from ..randomness.points import seed_of
from ..randomness.shared import CommonNoise
from .around_mode import around_modes, guide_with, may_help
from .enough import PILOT, REPLICATES, particles_needed, sizes
from .gathered import Gathered
from .imputation import REFINED_PARTICLES
from .mode import cheaper_than_particles
from .particles import PAIRS_AT_ONCE, Rule, Sampler
from .proposal import LatentSite, RowMixture, guide_from
from .refine import refined_proposal
from .stream import Estimates

#: rows with a smaller share of effective particles get a proposal of their own
_FEW_EFFECTIVE = 0.05
#: so do rows with a higher k-hat, above which the variance of the weights is infinite
_HEAVY_TAILED = 0.5
#: a pilot run decides which rows these are: it has the particles that were asked for, divided by
#: the first number, but not fewer than the second number (or all that were asked for)
_PILOT_DIVISOR, _PILOT_LEAST = 4, 500
#: where the number of particles is chosen row by row, the first and short pilot run spares the
#: second one to rows with at least this share of effective particles, and at most this k-hat
_EVEN_SHARE, _EVEN_KHAT = 0.1, 0.35
#: the particles of that second run, and of the trial of a row's own proposal
_SECOND_PILOT = 256
#: where a proposal of its own lies around a mode, rows that need so many particles get one
_WORTH_A_MODE = 768
#: rows whose modes are searched together
_MOVED_AT_ONCE = 256
#: rows that are refined together
_REFINED_AT_ONCE = 64


class Outcome(NamedTuple):
    """What an imputation computed.

    Attributes:
        estimates: the estimates of all rows and missing cells.
        row_particles: (n,) the particles of each row.
        refined: (n,) which rows were refined.
        khat_before: (n,) the k-hat of each row without refinement.
    """

    estimates: Estimates
    row_particles: Tensor
    refined: Tensor
    khat_before: Tensor


class Task:
    """One table to impute, in blocks of rows; the arguments are those of ``impute``.

    ``seed`` is that of the evenly spread random numbers; others come from torch's generator.
    ``common`` says whether all rows share them. Where ``keys`` (n,) stand for rows, all random
    numbers belong to the rows by them.
    """

    def __init__(
        self,
        programs: Programs,
        data: IncompleteData,
        num_draws: int,
        unobserved: str,
        rule: Rule,
        seed: int,
        common: bool,
        progress: bool,
        keys: np.ndarray | None = None,
    ) -> None:
        self.programs, self.data, self.num_draws = programs, data, num_draws
        self.unobserved, self.rule, self.seed, self.common = unobserved, rule, seed, common
        self.progress, self.keys = progress, keys
        levels = [column.num_values if column.levels else 0 for column in data.schema]
        self.num_values = torch.tensor(levels)
        #: one sampler for the model's own guide, since it remembers how the cells are integrated
        self.sampler = self._sampler(programs.guide)

    def fixed(self, particles: int, refine: bool) -> Outcome:
        """Take the same number of particles for every row, and four times it for refined rows.

        Pilot runs decide which rows are refined, and whether a proposal of their own serves them
        better. The estimates come from new samples, whatever their weights, so that the mean weight
        stays an unbiased estimate of the evidence. A small ESS counts as well as a high k-hat: a
        narrow guide can miss mass, which the weights of its samples do not show.
        """
        everything = torch.arange(len(self.data))
        found = self._gathered(self.num_draws)
        self._run(
            found, everything, particles, self.num_draws, self._independent("main", particles)
        )
        count = torch.full((len(self.data),), particles)
        before = found.estimates.khat.clone()
        refined = torch.zeros(len(self.data), dtype=torch.bool)
        if refine:
            size = min(particles, max(_PILOT_LEAST, particles // _PILOT_DIVISOR))
            pilot = self._gathered(0)
            self._run(pilot, everything, size, 0, self._independent("pilot", size))
            uneven = self._uneven(pilot, everything, size)
            more = REFINED_PARTICLES * particles
            self._refine(found, pilot, uneven, size, refined, count, lambda _: more)
        return Outcome(found.estimates, count, refined, before)

    def adaptive(self, tolerance: float, refine: bool) -> Outcome:
        """Choose the number of particles row by row, from a pilot run.

        The numbers are chosen as :func:`~absentia.inference.imputing.enough.particles_needed` says.
        Rows whose weights look uneven in the pilot run have a second one of 256 particles, which
        decides about refinement as in :meth:`fixed`. Where a proposal at the mode of the latents
        costs less than the particles of many rows, each of these rows gets one
        (:func:`~absentia.inference.imputing.mode.cheaper_than_particles`). Without refinement rows
        of networks that need many particles get a mixture of such a proposal and the guide
        (:mod:`~absentia.inference.imputing.around_mode`). No row has particles of
        a pilot run in its estimates, whose number and weights would not be independent otherwise.
        """
        everything = torch.arange(len(self.data))
        pilot = self._gathered(0)
        self._run(pilot, everything, PILOT, 0, self._noise("pilot", PILOT))
        count = particles_needed(pilot, PILOT, PILOT // REPLICATES, tolerance, self.num_draws)
        first = pilot.estimates
        refined = torch.zeros(len(self.data), dtype=torch.bool)
        found = self._gathered(self.num_draws)
        before = torch.full((len(self.data),), torch.nan, dtype=torch.float64)
        moved = torch.zeros_like(refined)
        if not refine:
            moved = self._move(found, first.khat, count, tolerance)
        else:
            uneven = (first.khat > _EVEN_KHAT) | (first.ess < _EVEN_SHARE * PILOT)
            size = _SECOND_PILOT
            if cheaper_than_particles(self.programs.model):
                # a proposal around the mode costs less than the particles that these rows need
                uneven, size = uneven | (count >= _WORTH_A_MODE), PILOT
            rows = uneven.nonzero().flatten()
            if size != PILOT:
                self._run(pilot, rows, size, 0, self._independent("second pilot", size))
                rows = self._uneven(pilot, rows, size)
            before[rows] = pilot.estimates.khat[rows]
            self._refine(
                found,
                pilot,
                rows,
                size,
                refined,
                count,
                lambda trial: particles_needed(trial, size, 1, tolerance, self.num_draws),
            )
        for size in sizes():
            rows = ((count == size) & ~refined & ~moved).nonzero().flatten()
            self._run(found, rows, size, self.num_draws, self._noise("main", size))
        before[~refined] = found.estimates.khat[~refined]
        return Outcome(found.estimates, count, refined, before)

    def _move(self, found: Gathered, before: Tensor, count: Tensor, tolerance: float) -> Tensor:
        """Estimate rows by proposals around their modes, where these need fewer particles.

        A trial run decides, whose particles are in no estimate.

        Args:
            found: the estimates, where those of such rows are put.
            before: (n,) the k-hat of each row under the guide.
            count: (n,) the particles of each row; set here for such rows.
            tolerance: the share of the posterior standard deviation.

        Returns:
            Which rows were estimated, (n,).
        """
        data, moved = self.data, torch.zeros(len(self.data), dtype=torch.bool)
        if self.keys is not None or not self.sampler.integrates or not may_help(self.programs):
            return moved
        hard = (count >= _WORTH_A_MODE).nonzero().flatten()
        for rows in hard.split(_MOVED_AT_ONCE) if len(hard) else ():
            here = rows.to(data.x.device)
            s, extras = data.s[here], data.extras(here)
            around = around_modes(self.programs, data.x[here], s, self.unobserved, **extras)
            if around is None:
                break
            trial = Gathered(s, 0, int(self.num_values.max()), data.x.dtype)
            every = torch.arange(len(rows))
            self._run_around(trial, around, rows, every, every, PILOT, 0, "moved pilot")
            needed = particles_needed(trial, PILOT, PILOT // REPLICATES, tolerance, self.num_draws)
            khat = trial.estimates.khat
            better = (needed < count[rows]) & ((khat < before[rows]) | (khat <= _HEAVY_TAILED))
            for size in needed[better].unique().tolist():
                those = (better & (needed == size)).nonzero().flatten()
                self._run_around(
                    found, around, rows, those, rows[those], size, self.num_draws, "moved"
                )
            moved[rows[better]] = True
            count[rows[better]] = needed[better]
        return moved

    def _run_around(
        self,
        into: Gathered,
        around: LatentSite,
        rows: Tensor,
        chosen: Tensor,
        places: Tensor,
        particles: int,
        num_draws: int,
        key: str,
    ) -> None:
        """Compute estimates of some rows with proposals around their modes, block by block.

        Args:
            into: takes the estimates.
            around: the proposals.
            rows: (m,) the numbers of their rows in the table.
            chosen: which of these rows are estimated, by their positions.
            places: where the estimates of the chosen rows go.
            particles: their number.
            num_draws: the draws to keep.
            key: tells the random numbers of one run from those of another.
        """
        data, noise = self.data, self._noise(key, particles)
        size = _rows_at_once(particles)
        for part, place in zip(chosen.split(size), places.split(size), strict=True):
            here = rows[part].to(data.x.device)
            noise.at(rows[part])
            own = around.at(part.to(here.device))
            sampler = self._sampler(guide_with(self.programs.guide, own))
            sampler.pairs_at_once = self.sampler.pairs_at_once
            some = data.extras(here)
            into.put(
                place,
                sampler.estimate(data.x[here], data.s[here], particles, num_draws, noise, **some),
            )

    def _uneven(self, pilot: Gathered, rows: Tensor, size: int) -> Tensor:
        """Return those of the rows that a pilot run of ``size`` particles finds unreliable."""
        khat, ess = pilot.estimates.khat[rows], pilot.estimates.ess[rows]
        return rows[(khat > _HEAVY_TAILED) | (ess < _FEW_EFFECTIVE * size)]

    def _refine(
        self,
        found: Gathered,
        pilot: Gathered,
        uneven: Tensor,
        size: int,
        refined: Tensor,
        count: Tensor,
        needed: Callable[[Gathered], Tensor | int],
    ) -> None:
        """Estimate rows again by proposals of their own, where trial runs find these better.

        Args:
            found: the estimates, whose refined rows are replaced.
            pilot: the estimates from the pilot run.
            uneven: the rows to try.
            size: the particles of pilot and trial runs.
            refined: (n,) which rows were refined; set here.
            count: (n,) the particles of each row; set here for refined rows.
            needed: returns the particles of each row from its trial run.
        """
        data = self.data
        # a row's torch generator begins with its key where rows have one, so each stands by itself
        at_once = _REFINED_AT_ONCE if self.keys is None else 1
        chunks = uneven.split(at_once) if len(uneven) else ()
        for rows in tqdm(chunks, desc="refine", disable=not self.progress, leave=False):
            here = rows.to(data.x.device)
            if self.keys is not None:
                torch.manual_seed(seed_of(f"{self.seed} refined {self.keys[int(rows)]}"))
            x, s, extras = data.x[here], data.s[here], data.extras(here)
            proposal = refined_proposal(self.programs, x, s, self.unobserved, **extras)
            estimates = self._proposing(proposal).estimate(x, s, size, 0, None, **extras)
            trial = Gathered(s, 0, int(self.num_values.max()), x.dtype)
            trial.put(torch.arange(len(rows)), estimates)
            khat, ess = trial.estimates.khat, trial.estimates.ess
            better = REFINED_PARTICLES * ess > pilot.estimates.ess[rows]
            better &= (khat < pilot.estimates.khat[rows]) | (khat <= _HEAVY_TAILED)
            own_count = torch.as_tensor(needed(trial)).expand(len(rows))
            for particles in own_count[better].unique().tolist():
                mine = (better & (own_count == particles)).nonzero().flatten()
                for part in mine.split(_rows_at_once(particles)):
                    block = here[part.to(here.device)]
                    some = proposal.at(part.to(here.device))
                    second = self._proposing(some).estimate(
                        data.x[block],
                        data.s[block],
                        particles,
                        self.num_draws,
                        None,
                        **data.extras(block),
                    )
                    found.put(rows[part], second)
            refined[rows[better]] = True
            count[rows[better]] = own_count[better]

    def _run(
        self,
        into: Gathered,
        rows: Tensor,
        particles: int,
        num_draws: int,
        noise: CommonNoise | None = None,
    ) -> None:
        """Compute estimates of some rows with the model's own guide, block by block."""
        data = self.data
        blocks: Iterable[Tensor] = rows.split(_rows_at_once(particles)) if len(rows) else ()
        if isinstance(noise, ByKey):
            blocks = self._blocks_by_key(rows)
        for block in tqdm(blocks, desc="impute", disable=not self.progress, leave=False):
            here = block.to(data.x.device)
            if noise is not None:
                noise.at(block)
            found = self.sampler.estimate(
                data.x[here], data.s[here], particles, num_draws, noise, **data.extras(here)
            )
            into.put(block, found)

    def _blocks_by_key(self, rows: Tensor) -> Iterator[Tensor]:
        """Yield blocks of rows, of a size that each run of the sampler sees anew."""
        while len(rows):
            size = self.sampler.rows_by_key(self.data.x.shape[-1])
            yield rows[:size]
            rows = rows[size:]

    def _gathered(self, num_draws: int) -> Gathered:
        most = int(self.num_values.max())
        return Gathered(self.data.s, num_draws, most, self.data.x.dtype)

    def _independent(self, key: str, particles: int) -> Independent | None:
        """Return independent random numbers of the rows' keys; None for those of torch."""
        if self.keys is None or self.common:
            return None
        return Independent(particles, self.data.x, f"{self.seed} {key}", particles, self.keys)

    def _noise(self, key: str, particles: int) -> CommonNoise:
        """Return evenly spread random numbers for blocks of rows, in replicates."""
        if self.keys is not None and not self.common:
            name = f"{self.seed} {key} {particles}"
            return ByKey(particles, self.data.x, name, REPLICATES, self.keys)
        kind = CommonNoise if self.common else ByRow
        return kind(particles, self.data.x, f"{self.seed} {key} {particles}", REPLICATES)

    def _proposing(self, proposal: RowMixture) -> Sampler:
        """Return a sampler whose rows have proposals of their own."""
        guide = guide_from(self.programs.guide, proposal.guide, lambda: proposal)
        sampler = self._sampler(guide)
        if self.keys is None:  # else a row's chunks follow from the row alone
            sampler.pairs_at_once = self.sampler.pairs_at_once
        return sampler

    def _sampler(self, guide: Callable[..., Any]) -> Sampler:
        return Sampler(
            self.programs.model,
            guide,
            self.unobserved,
            self.rule,
            units=self.data.scaler,
            num_values=self.num_values,
            common=self.seed if self.common else None,
        )


def _rows_at_once(particles: int) -> int:
    """Return how many rows make a block: few, so that all their particles come at once.

    Where particles come in many chunks, the draws of the first ones are replaced again and again.
    """
    return max(16, min(512, PAIRS_AT_ONCE // particles))
