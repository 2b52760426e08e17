"""Imputation: self-normalised estimates of what is missing, with their diagnostics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pyro
import torch
from pyro import poutine
from torch import Tensor
from tqdm.auto import tqdm

from ..data import IncompleteData
from .diagnostics import khat_threshold
from .fit import check_columns
from .imputation import REFINED_PARTICLES, Imputation
from .particles import PAIRS_AT_ONCE, Rule, Sampler
from .randomness import seeded
from .refine import refined_guide
from .stream import Estimates

#: rows with a smaller share of effective particles are given a proposal of their own
_FEW_EFFECTIVE = 0.05


def impute(
    fitted: Any,
    data: IncompleteData,
    particles: int = 1000,
    *,
    rule: Rule = "posterior",
    refine: bool = True,
    num_draws: int = 200,
    missing: str = "auto",
    seed: int = 0,
    progress: bool = False,
) -> Imputation:
    """Impute the missing cells of ``data``: E[h(x_m) | x_o, s] ~ sum_k w~_k h_k.

    With the missing values integrated out, h_k is the *tilted* moment E[x_j | z_k, s_j = 0];
    where they are sampled, x_jk itself. ``rule="decoder-mean"`` averages E[x_j | z_k] instead, as
    the published code does (Ipsen et al., 2021, eq. 17): under MNAR that converges to
    something else, biased towards the observed side, and serves to reproduce published tables.

    :param fitted: what :func:`absentia.fit` or :func:`absentia.load` returned, or a model.
    :param data: rows to impute, of the columns the model was made for; standardised anew by the
        fit's own scaler where they came with another.
    :param particles: L, importance samples a row.
    :param refine: give rows whose Pareto k-hat is too high, or whose ESS is under a twentieth of
        the particles, a proposal of their own and four times the particles; what was gained is in
        ``result.refined`` and ``khat_before``.
    :param num_draws: posterior draws to keep of every cell, for quantiles, intervals and
        multiple imputation.
    :param seed: the same seed gives the same imputation.

    Coefficients that have priors are held at their posterior medians.

    :raises ValueError: for data with other columns, or an unknown rule.

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> imputation = ab.impute(ab.PPCA(data, latent_dim=1), data, particles=100)
    >>> imputation.mean.shape, imputation.khat.shape
    ((3, 2), (3,))
    """
    if rule not in ("posterior", "decoder-mean"):
        raise ValueError(f"rule {rule!r} is not one of posterior, decoder-mean")
    if particles < 1:
        raise ValueError(f"particles is {particles}; give at least 1")
    if num_draws < 0:
        raise ValueError(f"num_draws is {num_draws}; give at least 0")
    if missing not in ("auto", "collapse", "sample"):
        raise ValueError(f"missing {missing!r} is not one of auto, collapse, sample")
    if rule == "decoder-mean":
        num_draws = 0  # its cells are means of the decoder, not draws of x
    model = getattr(fitted, "model", fitted)
    model = fitted if not isinstance(model, torch.nn.Module) else model
    data = _as_fitted(fitted, model, data)
    training = model.training
    model.eval()
    try:
        with seeded(seed, data.x.device), pyro.validation_enabled(False):
            programs = _programs(model)
            first = _estimate(programs, data, particles, num_draws, missing, rule, progress)
            before = first.khat.clone()
            refined = torch.zeros(len(data), dtype=torch.bool)
            if refine:
                first, refined = _refine(
                    programs, data, first, particles, num_draws, missing, rule, progress
                )
    finally:
        model.train(training)
    return Imputation(data, first, particles, rule, khat_before=before, refined=refined)


class Programs(NamedTuple):
    """A model and guide to impute with."""

    model: Callable[..., Any]
    guide: Callable[..., Any]


def _programs(model: Any) -> Programs:
    """The model's own, with coefficients that have priors held at their posterior medians.

    Drawn afresh a chunk they would differ between particles that are weighed against each other.
    """
    coefficients = getattr(model, "coefficient_guide", None)
    if coefficients is None:
        return Programs(model.model, model.guide)
    with torch.no_grad():
        medians = coefficients.median()
    return Programs(
        poutine.condition(model.model, data=medians),
        poutine.block(model.guide, hide=list(medians)),
    )


def _as_fitted(fitted: Any, model: Any, data: IncompleteData) -> IncompleteData:
    check_columns(model, data)
    scaler = getattr(fitted, "scaler", None)
    if scaler is not None:
        data = data.rescaled(scaler)
    parameter = next(iter(model.parameters()), data.x)
    return data.to(device=parameter.device, dtype=parameter.dtype)


def _blocks(count: int, particles: int) -> Iterator[slice]:
    """Rows a block: large enough for long loops, small enough for some particles at once."""
    size = max(16, min(512, PAIRS_AT_ONCE // max(1, min(particles, 64))))
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def _estimate(
    model: Any,
    data: IncompleteData,
    particles: int,
    num_draws: int,
    missing: str,
    rule: Rule,
    progress: bool,
) -> Estimates:
    sampler = Sampler(model.model, model.guide, missing, rule)
    blocks = list(_blocks(len(data), particles))
    parts = [
        sampler.estimate(data.x[block], data.s[block], particles, num_draws)
        for block in tqdm(blocks, desc="impute", disable=not progress, leave=False)
    ]
    return _joined(parts)


def _joined(parts: list[Estimates]) -> Estimates:
    return Estimates(*(torch.cat(field, dim=-1) for field in zip(*parts, strict=True)))


def _refine(
    model: Any,
    data: IncompleteData,
    first: Estimates,
    particles: int,
    num_draws: int,
    missing: str,
    rule: Rule,
    progress: bool,
) -> tuple[Estimates, Tensor]:
    """Second estimates for the rows whose weights are too uneven, kept where they are better.

    Beside a high k-hat a small ESS counts: a narrow guide can miss mass that k-hat, which looks at
    the weights it drew, knows nothing of.
    """
    refined = torch.zeros(len(data), dtype=torch.bool)
    threshold = khat_threshold(particles)
    uneven = (first.khat > threshold) | (first.ess.cpu() < _FEW_EFFECTIVE * particles)
    uneven_rows = uneven.nonzero().flatten()
    if not len(uneven_rows):
        return first, refined
    fields = {name: value.clone() for name, value in first._asdict().items()}
    cell_row = (~data.s).nonzero(as_tuple=True)[0]
    chunks = uneven_rows.split(128)
    for rows in tqdm(chunks, desc="refine", disable=not progress, leave=False):
        x, s = data.x[rows.to(data.x.device)], data.s[rows.to(data.x.device)]
        guide = refined_guide(model, x, s, missing)
        sampler = Sampler(model.model, guide, missing, rule)
        second = sampler.estimate(x, s, REFINED_PARTICLES * particles, num_draws)
        fine = (second.khat <= threshold) & (second.ess > first.ess[rows]).cpu()
        more = (second.ess > first.ess[rows]).cpu()
        better = ((second.khat < first.khat[rows]) & more) | fine
        refined[rows[better]] = True
        for name in ("log_evidence", "ess", "khat"):
            fields[name][rows[better]] = getattr(second, name)[better]
        # cells come row by row, in the table's order and in the block's
        inside = torch.zeros(len(data), dtype=torch.bool)
        inside[rows[better]] = True
        target = inside.to(cell_row.device)[cell_row]
        block_row = (~s).nonzero(as_tuple=True)[0]
        source = better.to(block_row.device)[block_row]
        for name in ("mean", "variance", "mcse", "draws"):
            fields[name][..., target] = getattr(second, name)[..., source]
    return Estimates(**fields), refined
