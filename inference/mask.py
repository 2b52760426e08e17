"""How likely each value was to go missing, given what is seen of its row."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data import IncompleteData
from ..models.sites import X_UNOBSERVED, S
from .collapse import CollapsedMask
from .impute import prepared, programs_of
from .particles import Sampler
from .randomness import seeded

_ROWS_AT_ONCE = 256


@torch.no_grad()
def mask_probability(
    fitted: Any, data: IncompleteData, particles: int = 200, *, seed: int = 0
) -> np.ndarray:
    """P(s_j = 0 | row) of each cell (n, p), averaged over what is not seen of the row.

    sum_k w_k P(s_j = 0 | x_o, x^m_k, z_k), with x^m_k from p(x^m | z_k, s = 0): whether the mask
    that was seen is the one that the model expects. (The mask accuracy of Chen et al., GNR, CIKM
    2023, is the share of cells where this is above a half and the value missing, or neither.)

    :raises ValueError: for an ignorable mechanism.

    >>> import numpy as np
    >>> import absentia as ab
    >>> from absentia.inference.mask import mask_probability
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> mask_probability(ab.NotMIWAE(data, latent_dim=1, hidden=[8]), data).shape
    (3, 2)
    """
    model, data = prepared(fitted, data)
    if model.missingness.ignorable:
        raise ValueError("the mechanism is ignorable: the model says nothing of the mask")
    programs = programs_of(model)
    sampler = Sampler(programs.model, programs.guide)
    training = model.training
    model.eval()
    try:
        with seeded(seed, data.x.device):
            rows = torch.arange(len(data), device=data.x.device).split(_ROWS_AT_ONCE)
            parts = [_of_rows(sampler, data, part, particles) for part in rows]
    finally:
        model.train(training)
    found: np.ndarray = torch.cat(parts).double().cpu().numpy()
    return found


def _of_rows(sampler: Sampler, data: IncompleteData, rows: Tensor, particles: int) -> Tensor:
    x, s, extras = data.x[rows], data.s[rows], data.extras(rows)
    cells = (~s).nonzero(as_tuple=True)
    log_sum = x.new_full((len(rows),), -torch.inf)
    average = torch.zeros_like(x)
    done = 0
    while done < particles:
        chunk = max(1, min(particles - done, sampler.pairs_at_once // len(x)))
        run, tilted = sampler.run(x, s, chunk, None, **extras)
        drawn = (
            run.sites[X_UNOBSERVED].value[:, cells[0], cells[1]]
            if tilted is None
            else tilted.sample()
        )
        whole = x.expand(chunk, *x.shape).clone()
        whole[:, cells[0], cells[1]] = drawn.expand(chunk, len(cells[0]))
        mask = run.sites[S].fn
        given = mask.given if isinstance(mask, CollapsedMask) else mask
        missing = 1 - given.missingness(whole, **given.context).mean.expand_as(whole)
        before = log_sum
        log_sum = torch.logaddexp(log_sum, run.log_weight.logsumexp(0))
        share = (run.log_weight - log_sum).exp().unsqueeze(-1)
        average = average * (before - log_sum).exp().unsqueeze(-1) + (share * missing).sum(0)
        done += chunk
    return average
