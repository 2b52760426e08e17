"""Imputation that averages over draws of the parameters, instead of holding them at one value."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...data import IncompleteData
from ...models.programs.base import RowModel
from ..evaluating import evaluating
from ..gibbs.posterior import Posterior
from ..prepare import programs_of
from .blocks import Blocks
from .by_rows import fixed
from .imputation import Imputation
from .settings import Particles, Rule
from .stream import Estimates

#: particles of a row, over all draws, where their number is left to the imputation
_PARTICLES = 1000
#: draws of the parameters over which an imputation averages, and the least particles under each
_MOST_DRAWS, _LEAST_PARTICLES = 50, 5
#: particles of a row whose weights k-hat is estimated from
_MOST_FOR_KHAT = 256
#: samples of a particle's cell in bent columns; with particles under many draws a few are enough
_SAMPLES = 2


def imputed_by_draws(
    model: RowModel,
    data: IncompleteData,
    posterior: Posterior,
    particles: Particles,
    *,
    draws: int,
    rule: Rule,
    unobserved: str,
    independent_rows: bool,
    seed: int,
    progress: bool,
    keys: np.ndarray | None = None,
) -> Imputation:
    """Impute :func:`~absentia.inference.prepare.prepared` data under draws of the parameters.

    The posterior of a missing value is the average of those under each draw, so that its spread
    contains what is not known of decoder, mechanism and form:

        E[x] = mean_m E_m[x],  Var[x] = mean_m Var_m[x] + var_m E_m[x]

    (nested rules: Siddique, Harel & Crespi, AOAS 2012). The particles are divided among up to 50
    draws. k-hat comes from a run with the model's own parameters and up to 256 particles.

    Args:
        model: the model of the fit.
        data: the rows.
        posterior: the draws.
        particles, draws, rule, unobserved, independent_rows, seed, progress: as for
            :func:`absentia.impute`; ``"auto"`` stands for 1,000 particles.
        keys: (n,) numbers that stand for the rows' keys, as for :class:`.Task`.
    """
    plan = divided(len(posterior), particles, draws)
    own = copy.deepcopy(model)
    models = ((posterior.put(own, place), None) for place in posterior.chosen(plan.sets))
    return imputed_by_models(
        model,
        data,
        models,
        plan,
        draws=draws,
        rule=rule,
        unobserved=unobserved,
        independent_rows=independent_rows,
        seed=seed,
        progress=progress,
        keys=keys,
    )


def imputed_by_models(
    model: RowModel,
    data: IncompleteData,
    models: Iterable[tuple[RowModel, Mapping[str, Tensor] | None]],
    plan: Divided,
    *,
    draws: int,
    rule: Rule,
    unobserved: str,
    independent_rows: bool,
    seed: int,
    progress: bool,
    keys: np.ndarray | None = None,
) -> Imputation:
    """Impute data by equally weighted models, each of which is used before the next is made.

    Args:
        model: the model of the fit, from which k-hat comes.
        data: the rows.
        models: models, and the values of their coefficients where these have priors.
        plan: how particles and draws are divided among them.
        draws, rule, unobserved, independent_rows, seed, progress, keys: as for
            :func:`imputed_by_draws`.
    """
    number, count, share, kept = plan

    def estimates(
        one: RowModel, given: Mapping[str, Tensor] | None, part: int, size: int, num_draws: int
    ) -> Estimates:
        at = seed + part
        rows = data.to(dtype=next(one.parameters(), data.x).dtype)
        with evaluating(one, at, data.x.device):
            programs = programs_of(one, given)
            shown = progress and part == 0
            blocks = Blocks(
                programs, rows, num_draws, unobserved, rule, at, independent_rows, shown, keys
            )
            blocks.sampler.samples = _SAMPLES
            return fixed(blocks, size, refine=False).estimates

    whole = estimates(model, None, 0, min(number, _MOST_FOR_KHAT), 0)
    parts = [estimates(one, given, k, share, kept) for k, (one, given) in enumerate(models, 1)]
    pooled = _pooled(parts)._replace(khat=whole.khat)
    # draws of one set of parameters stand next to each other; users take the first few
    order = torch.randperm(
        len(pooled.draws), generator=torch.Generator().manual_seed(seed), device="cpu"
    )
    pooled = pooled._replace(draws=pooled.draws[order.to(pooled.draws.device)][:draws])
    refined = torch.zeros(len(data), dtype=torch.bool)
    each = torch.full((len(data),), share * count)
    return Imputation(data, pooled, number, rule, whole.khat, refined, each)


class Divided(NamedTuple):
    """How an imputation is divided among draws of the parameters.

    Attributes:
        particles: the particles of a row, over all draws.
        sets: the number of draws of the parameters.
        share: the particles of a row under each of them.
        kept: the draws of every missing cell that are kept under each of them.
    """

    particles: int
    sets: int
    share: int
    kept: int


def divided(sets: int, particles: Particles, draws: int) -> Divided:
    """Divide the particles, and the draws of cells, among up to so many draws of parameters."""
    number = _PARTICLES if particles == "auto" else particles
    count = max(min(sets, _MOST_DRAWS, number // _LEAST_PARTICLES), 1)
    return Divided(number, count, math.ceil(number / count), math.ceil(draws / count))


def _pooled(parts: list[Estimates]) -> Estimates:
    """Pool the estimates under equally weighted draws of the parameters."""
    count = len(parts)
    means = torch.stack([part.mean for part in parts])
    between = means.var(0, correction=0)
    errors = torch.stack([part.mcse for part in parts]).square().mean(0)
    return Estimates(
        log_evidence=torch.stack([part.log_evidence for part in parts]).logsumexp(0)
        - math.log(count),
        ess=torch.stack([part.ess for part in parts]).sum(0),
        khat=parts[0].khat,
        mean=means.mean(0),
        variance=torch.stack([part.variance for part in parts]).mean(0) + between,
        mcse=((errors + between) / count).sqrt(),
        draws=torch.cat([part.draws for part in parts]),
        probabilities=torch.stack([part.probabilities for part in parts]).mean(0),
        between=torch.stack([part.between for part in parts]).mean(0) + between,
    )
