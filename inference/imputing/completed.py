"""Averages of functions of completed rows, with the importance weights of imputation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...data import IncompleteData
from ...data.errors import InputError
from ...data.system.memory import asked_for
from ...models.programs.base import RowModel
from ...models.sites import X_UNOBSERVED
from ..evaluating import evaluating
from ..importance import Weighted
from ..prepare import Programs
from .particles import Sampler

_ROWS_AT_ONCE = 256


@torch.no_grad()
def average(
    model: RowModel,
    programs: Programs,
    data: IncompleteData,
    particles: int,
    of: Callable[[Tensor, Weighted], Tensor],
    seed: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return sum_k w_k f(x_o, x^m_k) per row (n, C), effective sample size and log p(x_o, s), (n,).

    Where the missing values can be integrated out of the weights, they are, and x^m_k is sampled
    from p(x^m | z_k, s = 0), which varies less than sampling it from the decoder.

    Args:
        model: the model.
        programs: its model and guide, with coefficients that have priors held.
        data: the table.
        particles: importance samples per row.
        of: the function f, called with completed rows (K, n, p) and their run; returns (K, n, C).
        seed: the seed of the random numbers.

    Raises:
        ValueError: there is less than one particle.
    """
    if particles < 1:
        raise InputError(f"particles is {particles}; give at least 1")
    sampler = Sampler(programs.model, programs.guide)
    with asked_for("predict", particles=particles), evaluating(model, seed, data.x.device):
        rows = torch.arange(len(data), device=data.x.device).split(_ROWS_AT_ONCE)
        parts = [_of_rows(sampler, data, part, particles, of) for part in rows]
    means, sizes, evidence = (torch.cat(part) for part in zip(*parts, strict=True))
    return means, sizes, evidence


def _of_rows(
    sampler: Sampler,
    data: IncompleteData,
    rows: Tensor,
    particles: int,
    of: Callable[[Tensor, Weighted], Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    x, s, extras = data.x[rows], data.s[rows], data.extras(rows)
    cells = (~s).nonzero(as_tuple=True)
    log_sum = x.new_full((len(rows),), -torch.inf)
    log_sum_squares = log_sum.clone()
    mean: Any = 0.0
    done = 0
    while done < particles:
        chunk = max(1, min(particles - done, sampler.pairs_at_once // len(x)))
        run, tilted = sampler.run(x, s, chunk, None, **extras)
        if tilted is None:
            sampled = run.sites[X_UNOBSERVED].value[:, cells[0], cells[1]]
        else:
            sampled = tilted.sample()
        whole = x.expand(chunk, *x.shape).clone()
        whole[:, cells[0], cells[1]] = sampled.expand(chunk, len(cells[0]))
        before = log_sum
        log_sum = torch.logaddexp(log_sum, run.log_weight.logsumexp(0))
        log_sum_squares = torch.logaddexp(log_sum_squares, (2 * run.log_weight).logsumexp(0))
        share = (run.log_weight - log_sum).exp().unsqueeze(-1)
        mean = mean * (before - log_sum).exp().unsqueeze(-1) + (share * of(whole, run)).sum(0)
        done += chunk
    return mean, (2 * log_sum - log_sum_squares).exp(), log_sum - math.log(particles)
