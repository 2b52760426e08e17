"""The task of imputing: estimates in blocks of rows, and again with better proposals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from ...data import IncompleteData
from ..prepare import Programs
from .imputation import REFINED_PARTICLES
from .particles import PAIRS_AT_ONCE, Rule, Sampler
from .refine import refined_guide
from .stream import Estimates

#: rows with a smaller share of effective particles get a proposal of their own
_FEW_EFFECTIVE = 0.05
#: so do rows with a higher k-hat, above which the variance of the weights is infinite
_HEAVY_TAILED = 0.5
#: a pilot run decides which rows these are: it has the particles that were asked for, divided by
#: the first number, but not fewer than the second number (or all that were asked for)
_PILOT_DIVISOR, _PILOT_LEAST = 4, 500


class Task:
    """One table to impute, in blocks of rows; the arguments are those of ``impute``.

    ``common`` is the seed of the random numbers that all rows share, None if they share none.
    """

    def __init__(
        self,
        programs: Programs,
        data: IncompleteData,
        particles: int,
        num_draws: int,
        unobserved: str,
        rule: Rule,
        common: int | None,
        progress: bool,
    ) -> None:
        self.programs, self.data = programs, data
        self.particles, self.num_draws = particles, num_draws
        self.unobserved, self.rule, self.common, self.progress = unobserved, rule, common, progress
        levels = [column.num_values if column.levels else 0 for column in data.schema]
        self.num_values = torch.tensor(levels)

    def first(self) -> Estimates:
        """Compute estimates with the model's own guide."""
        return self._in_blocks(self.particles, self.num_draws)

    def refined(self, first: Estimates) -> tuple[Estimates, Tensor]:
        """Compute second estimates for rows whose weights are unreliable under the model's guide.

        Pilot runs decide which rows these are, and whether a proposal of their own serves them
        better. The estimates come from new samples, whatever their weights, so that the mean weight
        stays an unbiased estimate of the evidence. A small ESS counts as well as a high k-hat: a
        narrow guide can miss mass, which the weights of its samples do not show.
        """
        data = self.data
        refined = torch.zeros(len(data), dtype=torch.bool)
        size = min(self.particles, max(_PILOT_LEAST, self.particles // _PILOT_DIVISOR))
        pilot = self._in_blocks(size, 0)
        khat, ess = pilot.khat, pilot.ess.cpu()
        uneven_rows = ((khat > _HEAVY_TAILED) | (ess < _FEW_EFFECTIVE * size)).nonzero().flatten()
        if not len(uneven_rows):
            return first, refined
        fields = {name: value.clone() for name, value in first._asdict().items()}
        cell_row = (~data.s).nonzero(as_tuple=True)[0]
        chunks = uneven_rows.split(128)
        for rows in tqdm(chunks, desc="refine", disable=not self.progress, leave=False):
            here = rows.to(data.x.device)
            x, s, extras = data.x[here], data.s[here], data.extras(here)
            guide = refined_guide(self.programs, x, s, self.unobserved, **extras)
            sampler = self._sampler(guide)
            trial = sampler.estimate(x, s, size, 0, **extras)
            more = REFINED_PARTICLES * trial.ess.cpu() > ess[rows]
            better = more & ((trial.khat < khat[rows]) | (trial.khat <= _HEAVY_TAILED))
            if not bool(better.any()):
                continue
            second = sampler.estimate(
                x, s, REFINED_PARTICLES * self.particles, self.num_draws, **extras
            )
            refined[rows[better]] = True
            again = second._asdict()
            for name in ("log_evidence", "ess", "khat"):
                fields[name][rows[better]] = again[name][better]
            # missing cells are in the order of their rows, both in the table and in the chunk
            inside = torch.zeros(len(data), dtype=torch.bool)
            inside[rows[better]] = True
            target = inside.to(cell_row.device)[cell_row]
            chunk_row = (~s).nonzero(as_tuple=True)[0]
            source = better.to(chunk_row.device)[chunk_row]
            for name in ("mean", "variance", "mcse", "draws", "probabilities"):
                fields[name][..., target] = again[name][..., source]
        return Estimates(**fields), refined

    def _in_blocks(self, particles: int, num_draws: int) -> Estimates:
        """Compute estimates of all rows with the model's own guide, block by block."""
        sampler, data = self._sampler(self.programs.guide), self.data
        blocks = list(_blocks(len(data), particles))
        parts = [
            sampler.estimate(
                data.x[block], data.s[block], particles, num_draws, **data.extras(block)
            )
            for block in tqdm(blocks, desc="impute", disable=not self.progress, leave=False)
        ]
        return Estimates(*(torch.cat(field, dim=-1) for field in zip(*parts, strict=True)))

    def _sampler(self, guide: Callable[..., Any]) -> Sampler:
        return Sampler(
            self.programs.model,
            guide,
            self.unobserved,
            self.rule,
            units=self.data.scaler,
            num_values=self.num_values,
            common=self.common,
        )


def _blocks(count: int, particles: int) -> Iterator[slice]:
    """Split rows into blocks, as large as memory permits with up to 64 particles at once."""
    size = max(16, min(512, PAIRS_AT_ONCE // max(1, min(particles, 64))))
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
