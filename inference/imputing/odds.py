"""The odds of being missing that a model gives to cells that were seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...data import IncompleteData
from ...models.distributions.mask import SequentialMask
from ...models.programs.base import RowModel
from ...models.sites import S
from ..importance import Weighted
from ..integration.handler import IntegratedMask
from ..mask_at_random import MaskAtRandom
from ..prepare import Programs
from .completed import average


def odds_of_missing(
    model: RowModel, programs: Programs, data: IncompleteData, particles: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the odds P(s_j = 0 | rest of the row) / P(s_j = 1 | ...) (n, p), and log p(x_o, s).

    They are posterior means of the mechanism's odds. Since the posterior of what is not observed
    knows that s_j = 1, these means are the odds of the whole row:

        E[P(s_j = 0 | x, z) / P(s_j = 1 | x, z) | x_o, s]
            = P(s_j = 0 | x_o, s_-j) / P(s_j = 1 | x_o, s_-j)

    Only the entries of seen cells mean something, and those of columns with an ignorable mechanism
    are 1 (:func:`odds_at_random` has theirs).

    Args:
        model: the model.
        programs: its model and guide.
        data: the rows.
        particles: importance samples per row.
        seed: the seed of the random numbers.
    """
    mechanism = model.missingness
    ignored = mechanism.dependence(len(data.columns)).ignorable
    if bool(ignored.all()):

        def of(whole: Tensor, run: Weighted) -> Tensor:
            return torch.ones_like(whole)

    else:

        def of(whole: Tensor, run: Weighted) -> Tensor:
            return _log_odds(mechanism, whole, _context(run)).exp()

    found, _, evidence = average(model, programs, data, particles, of, seed)
    odds = found.double().cpu().numpy()
    odds[:, ignored.cpu().numpy()] = 1.0
    return odds, evidence.double().cpu().numpy()


def odds_of_pattern(
    model: RowModel,
    programs: Programs,
    data: IncompleteData,
    pattern: np.ndarray,
    particles: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the odds P(s = pattern | x_o) / P(s as it is | x_o) (n,), and log p(x_o, s).

    They are posterior means of the mechanism's odds, as :func:`odds_of_missing` has them for single
    cells, and leave out columns with an ignorable mechanism.

    Args:
        model, programs, particles, seed: as for that function.
        data: rows in which all is seen that the pattern has, and more.
        pattern: (p,) a mask.
    """
    mechanism = model.missingness
    counted = ~mechanism.dependence(len(data.columns)).ignorable
    after = torch.as_tensor(pattern, device=data.x.device)

    def of(whole: Tensor, run: Weighted) -> Tensor:
        if not bool(counted.any()):
            return torch.ones_like(whole[..., :1])
        given = _context(run)
        now = run.sites[S].value.bool().expand(whole.shape[1:])
        then = after.expand(whole.shape[1:])
        found = []
        for s in (then, now):
            context = {**given, "s": s} if "s" in given else given
            cells = mechanism(whole, **context).log_prob(s.to(whole.dtype)).expand_as(whole)
            found.append(cells[..., counted].sum(-1, keepdim=True))
        return ((found[0] - found[1]) / (float(mechanism.alpha) or 1.0)).exp()

    found, _, evidence = average(model, programs, data, particles, of, seed)
    return found[:, 0].double().cpu().numpy(), evidence.double().cpu().numpy()


def _context(run: Weighted) -> dict[str, Any]:
    """Return what the mechanism read besides the values, which may be integrated out."""
    mask = run.sites[S].fn
    context: dict[str, Any] = (mask.given if isinstance(mask, IntegratedMask) else mask).context
    return context


def _log_odds(mechanism: Any, whole: Tensor, context: dict[str, Any]) -> Tensor:
    """Return log P(s_j = 0) - log P(s_j = 1) of every cell, the rest of the mask as it is."""
    mask = mechanism(whole, **context)
    power = float(mechanism.alpha) or 1.0
    if not isinstance(mask.base, SequentialMask):
        seen, missing = (mask.log_prob(torch.full_like(whole, value)) for value in (1.0, 0.0))
        return (missing - seen).expand_as(whole) / power
    s = context["s"]
    now = mask.log_prob(s.to(whole.dtype)).expand_as(whole).sum(-1)
    columns = []
    for j in range(whole.shape[-1]):  # a column's absence changes the odds of others
        other = s.clone()
        other[..., j] = False
        changed = mechanism(whole, **{**context, "s": other}).log_prob(other.to(whole.dtype))
        columns.append(changed.expand_as(whole).sum(-1) - now)
    return torch.stack(columns, -1) / power


def odds_at_random(
    data: IncompleteData, ignored: np.ndarray, seen: IncompleteData, hidden: IncompleteData
) -> np.ndarray:
    """Return the odds (C,) of cells whose column has an ignorable mechanism.

    They are those of a logistic regression of the mask on what is observed
    (:class:`~absentia.inference.mask_at_random.MaskAtRandom`).

    Args:
        data: the table, to which the regression is fitted.
        ignored: (p,) booleans, the columns with an ignorable mechanism.
        seen: a row for each cell.
        hidden: the same rows, in which the cell is missing.
    """
    density = MaskAtRandom.fitted(data, ignored)
    found: np.ndarray = (density.log_prob(hidden) - density.log_prob(seen)).exp().numpy()
    return found
