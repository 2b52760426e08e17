"""Chunks of weighted particles for blocks of rows: what imputation streams over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from ..models.sites import X_UNOBSERVED
from .collapse import CollapseError, collapse
from .stream import Estimates, Stream
from .tilted import Tilted, TiltedQuadrature
from .weights import Weighted, weights

Rule = Literal["posterior", "decoder-mean"]
#: particles times rows of one evaluation: enough to keep the processor busy, and in its cache
PAIRS_AT_ONCE = 16_384


class _CollapsedCells:
    def __init__(self, tilted: Tilted, shape: tuple[int, int]) -> None:
        self.tilted, self.shape = tilted, shape

    def moments(self) -> tuple[Tensor, Tensor]:
        mean, variance = self.tilted.moments()
        return mean.expand(self.shape), variance.expand(self.shape)

    def draw(self, particles: Tensor, cells: Tensor) -> Tensor:
        return self.tilted.select(particles, cells).sample().squeeze(0)


class _SampledCells:
    def __init__(self, values: Tensor) -> None:
        self.values = values

    def moments(self) -> tuple[Tensor, Tensor]:
        return self.values, torch.zeros_like(self.values)

    def draw(self, particles: Tensor, cells: Tensor) -> Tensor:
        return self.values[particles, cells]


class Sampler:
    """Runs a model and guide in chunks and streams them into estimates.

    :param missing: as for :class:`ImportanceWeightedELBO`.
    :param rule: ``"posterior"`` averages E[x_j | z_k, s_j = 0], ``"decoder-mean"`` E[x_j | z_k].
    """

    def __init__(
        self,
        model: Callable[..., Any],
        guide: Callable[..., Any],
        missing: str = "auto",
        rule: Rule = "posterior",
    ) -> None:
        self.model, self.guide, self.missing, self.rule = model, guide, missing, rule
        #: small until the first run has shown how a cell is integrated
        self.pairs_at_once = PAIRS_AT_ONCE if missing == "sample" else PAIRS_AT_ONCE // 16

    @torch.no_grad()
    def estimate(self, x: Tensor, s: Tensor, particles: int, num_draws: int) -> Estimates:
        """Estimates for one block of rows (n, p) from ``particles`` particles."""
        rows, columns = (~s).nonzero(as_tuple=True)
        stream = Stream(len(x), rows, particles, num_draws)
        done = 0
        while done < particles:
            chunk = max(1, min(particles - done, self.pairs_at_once // len(x)))
            run, tilted = self.run(x, s, chunk)
            stream.add(run.log_weight, self._cells(run, tilted, rows, columns, chunk))
            done += chunk
        return stream.finish()

    def run(self, x: Tensor, s: Tensor, particles: int) -> tuple[Weighted, Tilted | None]:
        """Weights of one chunk, and the missing cells' tilted distribution where collapsed."""
        if self.missing == "sample":
            self.pairs_at_once = PAIRS_AT_ONCE
            return weights(self.model, self.guide, x, s, num_particles=particles), None
        handler = collapse()

        def collapsed(*args: Any) -> Any:
            with handler:
                return self.model(*args)

        try:
            run = weights(collapsed, self.guide, x, s, num_particles=particles)
        except CollapseError:
            if self.missing == "collapse":
                raise
            self.missing = "sample"
            return self.run(x, s, particles)
        tilted = None if handler.cells is None else handler.cells.tilted
        # a rule of many nodes a cell: chunks stay small
        many_nodes = isinstance(tilted, TiltedQuadrature)
        self.pairs_at_once = PAIRS_AT_ONCE // 64 if many_nodes else PAIRS_AT_ONCE
        return run, tilted

    def _cells(
        self, run: Weighted, tilted: Tilted | None, rows: Tensor, columns: Tensor, chunk: int
    ) -> _CollapsedCells | _SampledCells:
        if self.rule == "decoder-mean":
            mean = run.sites[X_UNOBSERVED].fn.mean
            return _SampledCells(mean.expand(chunk, *mean.shape[-2:])[:, rows, columns])
        if tilted is not None:
            return _CollapsedCells(tilted, (chunk, len(rows)))
        return _SampledCells(run.sites[X_UNOBSERVED].value[:, rows, columns])
