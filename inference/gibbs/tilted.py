"""Gaussians close to the posterior of a row's latents, given its values and its mask."""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: steps of Newton's method; the log-density is concave
_STEPS = 8
#: shares of a step that are tried
_SHARES = (1.0, 0.5, 0.2)
#: the search ends where the log-density's slope along a step, twice its gain there, is below this
_FLAT = 1e-6


def tilted(
    precision: Tensor,
    shift: Tensor,
    at_seen: Tensor,
    at_missing: Tensor,
    offset: Tensor,
    missing: Tensor,
) -> tuple[Tensor, Tensor]:
    """Find mode and curvature of exp(-h^T P h / 2 + b^T h) prod_j Phi(+-(c_j^T h + k_j)).

    The sign is + where a value is missing. c_j is one vector where the value is missing, and
    another one where it is observed.

    Args:
        precision: (..., n, D, D) P.
        shift: (..., n, D) b.
        at_seen, at_missing: (..., q, D) c of observed and of missing values.
        offset: (..., n, q) k.
        missing: (n, q) booleans.

    Returns:
        The modes (..., n, D), and the lower Cholesky factors of minus the Hessians there.
    """
    seen_outer, missing_outer = (_outer(c) for c in (at_seen, at_missing))

    def score(h: Tensor) -> Tensor:
        return torch.where(missing, h @ at_missing.mT, h @ at_seen.mT)

    sign = torch.where(missing, 1.0, -1.0).to(offset)
    h = torch.linalg.solve(precision, shift.unsqueeze(-1)).squeeze(-1)
    t = sign * (offset + score(h))
    for step in range(_STEPS + 1):
        log_phi = torch.special.log_ndtr(t)
        mills = torch.exp(-0.5 * t.square() - log_phi) / math.sqrt(2 * math.pi)
        curve = mills * (mills + t)
        inner = (curve * ~missing) @ seen_outer + (curve * missing) @ missing_outer
        factor = torch.linalg.cholesky(precision + inner.unflatten(-1, precision.shape[-2:]))
        pull = sign * mills
        pull = (pull * ~missing) @ at_seen + (pull * missing) @ at_missing
        slope = shift - (precision @ h.unsqueeze(-1)).squeeze(-1) + pull
        move = torch.cholesky_solve(slope.unsqueeze(-1), factor).squeeze(-1)
        if step == _STEPS or bool(((slope * move).sum(-1) < _FLAT).all()):
            break
        along = sign * score(move)
        bent = (precision @ move.unsqueeze(-1)).squeeze(-1)
        linear, square = ((slope - pull) * move).sum(-1), (bent * move).sum(-1)
        share, before = torch.zeros_like(linear), log_phi.sum(-1)
        for tried in _SHARES:
            gain = tried * linear - 0.5 * tried**2 * square - before
            gain = gain + torch.special.log_ndtr(t + tried * along).sum(-1)
            share = torch.where((share == 0) & (gain > 0), tried, share)
            if bool((share > 0).all()):
                break
        share = share.unsqueeze(-1)
        h, t = h + share * move, t + share * along
    return h, factor


def _outer(vectors: Tensor) -> Tensor:
    """Return the outer products of vectors with themselves, flattened: (..., q, D * D)."""
    return (vectors.unsqueeze(-1) * vectors.unsqueeze(-2)).flatten(-2)
