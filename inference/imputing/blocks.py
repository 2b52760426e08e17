"""A table's rows in blocks, and the random numbers and samplers that estimate them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ...data import IncompleteData
from ..prepare import Programs
from ..randomness.by_key import ByKey, Independent
from ..randomness.by_row import ByRow
from ..randomness.shared import CommonNoise
from .enough import REPLICATES
from .gathered import Gathered
from .particles import PAIRS_AT_ONCE, Rule, Sampler
from .stream import Estimates


class Blocks:
    """One table, estimated in blocks of rows; the arguments are those of ``impute``.

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
        self.sampler = self._sampler_of(programs.guide)

    def run(
        self,
        into: Gathered,
        rows: Tensor,
        particles: int,
        num_draws: int,
        noise: CommonNoise | None = None,
    ) -> None:
        """Compute estimates of some rows with the model's own guide, block by block."""
        blocks: Iterable[Tensor] = rows.split(self.at_once(particles)) if len(rows) else ()
        if isinstance(noise, ByKey):
            blocks = self._blocks_by_key(rows)
        for block in tqdm(blocks, desc="impute", disable=not self.progress, leave=False):
            into.put(block, self.estimates(self.sampler, block, particles, num_draws, noise))

    def estimates(
        self,
        sampler: Sampler,
        rows: Tensor,
        particles: int,
        num_draws: int,
        noise: CommonNoise | None = None,
    ) -> Estimates:
        """Return estimates of some rows, all at once, by a sampler of theirs."""
        here = rows.to(self.data.x.device)
        if noise is not None:
            noise.at(rows)
        x, s = self.data.x[here], self.data.s[here]
        return sampler.estimate(x, s, particles, num_draws, noise, **self.data.extras(here))

    def _blocks_by_key(self, rows: Tensor) -> Iterator[Tensor]:
        """Yield blocks of rows, of a size that each run of the sampler sees anew."""
        while len(rows):
            size = self.sampler.rows_by_key(self.data.x.shape[-1])
            yield rows[:size]
            rows = rows[size:]

    def gathered(self, num_draws: int, rows: Tensor | None = None) -> Gathered:
        """Return a place for the estimates of some rows, or of all."""
        s = self.data.s if rows is None else self.data.s[rows.to(self.data.x.device)]
        return Gathered(s, num_draws, int(self.num_values.max()), self.data.x.dtype)

    def independent(self, key: str, particles: int) -> Independent | None:
        """Return independent random numbers of the rows' keys; None for those of torch."""
        if self.keys is None or self.common:
            return None
        return Independent(particles, self.data.x, f"{self.seed} {key}", particles, self.keys)

    def noise(self, key: str, particles: int) -> CommonNoise:
        """Return evenly spread random numbers for blocks of rows, in replicates."""
        name = f"{self.seed} {key} {particles}"
        if self.keys is not None and not self.common:
            return ByKey(particles, self.data.x, name, REPLICATES, self.keys)
        kind = CommonNoise if self.common else ByRow
        return kind(particles, self.data.x, name, REPLICATES)

    def proposing(self, guide: Callable[..., Any]) -> Sampler:
        """Return a sampler of rows that have proposals of their own, by this guide."""
        sampler = self._sampler_of(guide)
        if self.keys is None:  # else a row's chunks follow from the row alone
            sampler.pairs_at_once = self.sampler.pairs_at_once
        return sampler

    def _sampler_of(self, guide: Callable[..., Any]) -> Sampler:
        return Sampler(
            self.programs.model,
            guide,
            self.unobserved,
            self.rule,
            units=self.data.scaler,
            num_values=self.num_values,
            common=self.seed if self.common else None,
        )

    @staticmethod
    def at_once(particles: int) -> int:
        """Return how many rows make a block: few, so that all their particles come at once.

        Where particles come in many chunks, the draws of the first ones are replaced again and
        again.
        """
        return max(16, min(512, PAIRS_AT_ONCE // particles))
