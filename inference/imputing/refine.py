"""Better proposals for the rows where the amortised guide fails.

An amortised guide, a network that serves all rows, is worst where a row's posterior is narrow:
there a few particles carry all the weight. For such a row a Gaussian is fitted to the posterior of
its latents by rounds of adaptive importance sampling (moment matching to weighted particles; Cappe
et al., Statistics and Computing 2008). The weights are tempered, w^beta, with the largest beta <= 1
that leaves enough effective particles to estimate moments from, so that even a proposal far from
the posterior moves towards it in small steps (Del Moral, Doucet & Jasra, Statistics and Computing
2012).

A search for the posterior's mode would fail: where the decoder's scale is free, the density has
narrow spikes that carry no mass.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..diagnostics import effective_sample_size
from .mode import has_one_mode, mode
from .particles import Sampler
from .proposal import LatentSite, RowMixture, guide_from, latent_sites

#: the most rounds of a row
_ROUNDS = 24
#: the most rounds of a row once beta is 1, where the moments are those of the posterior itself
_FINAL_ROUNDS = 4
#: particles of a round per latent dimension, and the fewest
_PARTICLES, _FEWEST_PARTICLES = 35, 350
#: effective particles per latent dimension that a round needs to estimate a covariance, and the
#: fewest
_ENOUGH, _FEWEST_ENOUGH = 5, 60
#: a proposal around a mode stays as it is with such a share of effective particles, of so many
_EVEN, _TRIED = 0.2, 128
#: the steps in which beta is searched for
_BISECTIONS = 12


def refined_guide(
    model: Any,
    x: Tensor,
    s: Tensor,
    unobserved: str = "auto",
    **extras: Tensor,
) -> Callable[..., None]:
    """Make a guide for exactly these rows, under which weights vary less than under the model's.

    Its proposal is a mixture of Gaussians around the fitted one and of the amortised guide.

    Args:
        model: an object with methods ``model`` and ``guide``, which is not changed.
        x: (n, p) the rows, on the model's scale.
        s: (n, p) their mask.
        unobserved: as for :class:`~absentia.ImportanceWeightedELBO`.
        extras: further arguments of the methods, by name.
    """
    proposal = refined_proposal(model, x, s, unobserved, **extras)
    return guide_from(model.guide, proposal.guide, lambda: proposal)


@torch.no_grad()
def refined_proposal(
    model: Any,
    x: Tensor,
    s: Tensor,
    unobserved: str = "auto",
    **extras: Tensor,
) -> RowMixture:
    """Return the proposal of :func:`refined_guide`, whose arguments these are."""
    sites = latent_sites(model.guide, x, s, **extras)
    loc, tril = _starting_point(sites)
    dim = loc.shape[-1]
    tried = torch.ones(len(x), dtype=torch.bool, device=x.device)
    if has_one_mode(model.model):
        joint = functools.partial(log_joint, model, sites, x, s, unobserved=unobserved, **extras)
        loc, curvature = mode(joint, loc)
        tril = _cholesky(torch.linalg.inv(curvature))
        tried = _uneven(joint, RowMixture(loc, tril, sites))
    # the rounds with beta = 1 are pooled: all of them estimate the posterior's moments
    effective = loc.new_zeros(len(x))
    mean, covariance = torch.zeros_like(loc), torch.zeros_like(tril)
    rounds = torch.zeros(len(x), dtype=torch.long, device=x.device)
    particles = max(_FEWEST_PARTICLES, _PARTICLES * dim)
    enough = max(_FEWEST_ENOUGH, _ENOUGH * dim)
    for _ in range(_ROUNDS):
        going_on = tried & (rounds < _FINAL_ROUNDS) & (effective < dim * (dim + 1))
        rows = going_on.nonzero().flatten()
        if not len(rows):
            break
        mixture = RowMixture(loc[rows], tril[rows], _at(sites, rows))
        draws = mixture.sample((particles,))
        given = {name: value[rows] for name, value in extras.items()}
        values = draws.squeeze(-2)
        log_weight = log_joint(model, sites, x[rows], s[rows], values, unobserved, **given)
        log_weight = log_weight - mixture.log_prob(draws).squeeze(-1)
        beta = _largest_temper(log_weight, enough)
        share = torch.softmax(beta * log_weight, 0)
        size = 1 / share.square().sum(0)
        own_mean, own_covariance = _moments(values, share)
        # a round at a lower beta is forgotten, and a final one added to those before it
        before = torch.where(beta == 1, effective[rows], 0.0)
        part = (size / (before + size)).view(-1, 1)
        apart = own_mean - mean[rows]
        mean[rows] = mean[rows] + part * apart
        part = part.unsqueeze(-1)
        covariance[rows] = part * own_covariance + (1 - part) * (
            covariance[rows] + part * apart.unsqueeze(-1) * apart.unsqueeze(-2)
        )
        effective[rows] = torch.where(beta == 1, before + size, 0.0)
        rounds[rows] += (beta == 1).long()
        loc[rows] = mean[rows]
        tril[rows] = _cholesky(_towards(covariance[rows], tril[rows], before + size))
    return RowMixture(loc, tril, sites)


def _uneven(joint: Callable[[Tensor], Tensor], mixture: RowMixture) -> Tensor:
    """Return which rows have uneven weights under a proposal, by a trial run."""
    draws = mixture.sample((_TRIED,))
    log_weight = joint(draws.squeeze(-2)) - mixture.log_prob(draws).squeeze(-1)
    return effective_sample_size(log_weight) < _EVEN * _TRIED


def _starting_point(sites: list[LatentSite]) -> tuple[Tensor, Tensor]:
    """Return mean and covariance of samples from the amortised guide, widened."""
    draws = torch.cat([site.fn.sample((1000,)) for site in sites], -1)
    mean, covariance = _moments(draws, draws.new_full(draws.shape[:2], 1 / len(draws)))
    return mean, _cholesky(1.5 * covariance)


def _at(sites: list[LatentSite], rows: Tensor) -> list[LatentSite]:
    """Return the sites of some of the rows."""
    return [site.at(rows) for site in sites]


def log_joint(
    model: Any,
    sites: list[LatentSite],
    x: Tensor,
    s: Tensor,
    stacked: Tensor,
    unobserved: str,
    **extras: Tensor,
) -> Tensor:
    """Return log p(x_o, s, z) at z (K, n, D), in chunks: (K, n)."""
    parts: list[Tensor] = []
    done = 0
    sampler = Sampler(model.model, model.guide, unobserved)
    while done < len(stacked):
        part = stacked[done : done + max(1, sampler.pairs_at_once // len(x))]
        sampler.guide = guide_from(model.guide, sites, functools.partial(torch.clone, part))
        parts.append(sampler.run(x, s, len(part), None, **extras)[0].log_weight)
        done += len(part)
    return torch.cat(parts)


def _largest_temper(log_weight: Tensor, enough: float) -> Tensor:
    """Return the largest beta <= 1 per row whose tempered weights have an ESS of ``enough``."""
    beta = torch.ones_like(log_weight[0])
    uneven = (effective_sample_size(log_weight) < enough).nonzero().flatten()
    if not len(uneven):
        return beta
    log_weight = log_weight[:, uneven]
    low, high = torch.zeros_like(log_weight[0]), torch.ones_like(log_weight[0])
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        suffices = effective_sample_size(middle * log_weight) >= enough
        low, high = torch.where(suffices, middle, low), torch.where(suffices, high, middle)
    beta[uneven] = low
    return beta


def _moments(draws: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Return weighted mean (n, D) and covariance (n, D, D) of samples (K, n, D)."""
    mean = (share.unsqueeze(-1) * draws).sum(0)
    centred = (draws - mean).movedim(0, 1)  # (n, K, D)
    return mean, (centred * share.T.unsqueeze(-1)).mT @ centred


def _towards(covariance: Tensor, tril: Tensor, effective: Tensor) -> Tensor:
    """Return covariances (n, D, D) shrunk towards those of the proposals, as D + 1 particles would.

    An empirical covariance of few particles is too narrow in some directions, where weights of the
    next round would have heavy tails. It is the mean under an inverse Wishart prior.
    """
    prior = covariance.shape[-1] + 1
    part = (effective / (effective + prior)).view(-1, 1, 1)
    return part * covariance + (1 - part) * (tril @ tril.mT)


def _cholesky(covariance: Tensor) -> Tensor:
    """Return Cholesky factors; where there is none, that of a sphere of the mean variance."""
    eye = torch.eye(covariance.shape[-1], dtype=covariance.dtype, device=covariance.device)
    level = covariance.diagonal(dim1=-2, dim2=-1).mean(-1).view(-1, 1, 1)
    tril, info = torch.linalg.cholesky_ex(covariance + 1e-5 * level * eye)
    failed = (info != 0).view(-1, 1, 1)
    result: Tensor = torch.where(failed, level.sqrt() * eye, tril)
    return result
