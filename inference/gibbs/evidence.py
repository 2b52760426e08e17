"""The evidence of rows under each chain's parameters, without latents and missing values."""

from __future__ import annotations

import torch
from torch import Tensor

from .random import normal
from .state import State, outer
from .tilted import tilted


@torch.no_grad()
def log_evidence(state: State, particles: int) -> Tensor:
    """Estimate log p(x_o, s) of every row under each chain's parameters, (K, n).

    It is in the units of ``x``: the slopes of the bends are part of it. The latents are sampled
    from Gaussians at the modes of their posteriors given values and mask, with missing values
    integrated out.
    """
    decoder, mixture = state.decoder, state.mixture
    weight, noise = state.weight(), decoder.noise
    scaled = weight / noise.unsqueeze(-1)
    information = state.patterns.to(weight) @ outer(scaled, weight)
    left = (state.y - decoder.mean.unsqueeze(1)) * state.seen
    shift = left @ scaled
    log_odds = mixture.log_odds(information, state.pattern, shift)  # (K, n, C)
    squares = (left.square() / noise.unsqueeze(1)).sum(-1)
    logs = (state.seen * (2 * torch.pi * noise).log().unsqueeze(1)).sum(-1)
    values = log_odds.logsumexp(-1) - 0.5 * (squares + logs) + state.bends.log_slope.sum(-1)
    shift[..., decoder.weight.shape[-1] :] += state.shared.mean()
    drawn = mixture.drawn(log_odds, state.generator)
    factor, inverse, at, pull = mixture.posterior(information, state.pattern, drawn)
    return values + _of_mask(state, factor[at], inverse[at], shift + pull, particles)


def _of_mask(state: State, root: Tensor, inverse: Tensor, shift: Tensor, particles: int) -> Tensor:
    """Estimate log p(s | x_o, c), the mean of the mask's probability over z ~ p(z | x_o, c).

    Args:
        state: the chains.
        root, inverse: (K, n, D, D) factors of the precisions of p(z | x_o, c).
        shift: (K, n, D) these precisions times the means.
        particles: the number of samples.
    """
    decoder, forms, columns = state.decoder, state.forms, state.columns
    weight, noise = state.weight(), decoder.noise
    log_root = root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    half = (inverse @ shift.unsqueeze(-1)).squeeze(-1)
    slope = forms.slope.unsqueeze(-1)
    sd = (1 + forms.slope.square() * noise[:, columns]).sqrt()
    through = (slope * weight[:, columns] + forms.loading) / sd.unsqueeze(-1)
    at_missing = forms.base() + (forms.slope * decoder.mean[:, columns]).unsqueeze(1)
    at_seen = forms.base() + forms.slope.unsqueeze(1) * state.y[..., columns]
    offset = torch.where(state.missing, at_missing / sd.unsqueeze(1), at_seen)
    precision = root @ root.mT
    mode, curvature = tilted(precision, shift, forms.loading, through, offset, state.missing)
    sign = torch.where(state.missing, 1.0, -1.0).to(weight)
    log_curvature = curvature.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    parts = []
    for _ in range(particles):
        noise_ = normal(mode.shape, mode, state.generator)
        z = mode + torch.linalg.solve_triangular(
            curvature.mT, noise_.unsqueeze(-1), upper=True
        ).squeeze(-1)
        prior = -0.5 * ((root.mT @ z.unsqueeze(-1)).squeeze(-1) - half).square().sum(-1)
        score = torch.where(state.missing, z @ through.mT, z @ forms.loading.mT)
        mask = torch.special.log_ndtr(sign * (offset + score)).sum(-1)
        parts.append(prior + log_root + mask + 0.5 * noise_.square().sum(-1) - log_curvature)
    return torch.stack(parts).logsumexp(0) - torch.tensor(float(particles)).log()
