"""Better proposals for the rows where the amortised guide fails.

An amortised guide is worst where the posterior is tight, and there a few particles carry all the
weight. For such a row the mode of log p(x_o, s, z) is found by damped Newton steps and its
curvature taken as a Gaussian proposal (Laplace), which rounds of adaptive importance sampling
(Cappe et al., Statistics and Computing 2008) then fit to the weighted particles.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .particles import Sampler
from .proposal import LatentSite, RowMixture, guide_from, latent_sites

_NEWTON_STEPS = 30
_ADAPTIVE_ROUNDS = 4
_SMALLEST_CURVATURE = 0.3  # of -log p; the prior alone contributes 1
_STEP = 1e-4  # of the central differences, on latents whose prior has sd 1


def refined_guide(
    model: Any,
    x: Tensor,
    s: Tensor,
    missing: str = "auto",
    particles: int = 1000,
) -> Callable[..., None]:
    """A guide for exactly these rows, whose importance weights are steadier than the model's own.

    :param model: has ``model`` and ``guide`` methods and is a module; it is left as it is.
    :param particles: of each round of adaptation.
    """
    twin = copy.deepcopy(model).double().eval().requires_grad_(False)
    kind, x64 = x.dtype, x.double()
    sites = latent_sites(twin.guide, x64, s)
    search = _Search(twin, sites, x64, s, missing)
    loc, tril = search.start(particles)
    if search.smooth:
        loc, tril = search.laplace(loc, tril)
    best = search.adapt(loc, tril, particles)
    mixture = RowMixture(best[0].to(kind), best[1].to(kind), latent_sites(model.guide, x, s))
    return guide_from(sites, lambda: mixture)


class _Search:
    def __init__(
        self, model: Any, sites: list[LatentSite], x: Tensor, s: Tensor, missing: str
    ) -> None:
        self.model, self.sites, self.x, self.s = model, sites, x, s
        self.missing = missing
        self.dim = sum(site.size for site in sites)
        # sampled missing values make log p(x_o, s, z) itself noisy: no derivatives of it then
        probe = Sampler(model.model, model.guide, missing)
        with torch.no_grad():
            _, tilted = probe.run(x[:1], s[:1], 1)
        self.smooth = tilted is not None

    def log_joint(self, stacked: Tensor) -> Tensor:
        """log p(x_o, s, z) at z (K, n, D): (K, n)."""
        sampler = Sampler(self.model.model, guide_from(self.sites, lambda: stacked), self.missing)
        return sampler.run(self.x, self.s, len(stacked))[0].log_weight

    def gradient(self, stacked: Tensor) -> Tensor:
        """Its gradient (K, n, D)."""
        point = stacked.detach().requires_grad_()
        with torch.enable_grad():
            (grad,) = torch.autograd.grad(self.log_joint(point).sum(), point)
        return grad

    @torch.no_grad()
    def start(self, particles: int) -> tuple[Tensor, Tensor]:
        """The best particle of the amortised guide, and its weighted covariance."""
        draws = torch.cat([site.fn.sample((particles,)) for site in self.sites], -1)
        proposed = torch.zeros(draws.shape[:2], dtype=draws.dtype, device=draws.device)
        start = 0
        for site in self.sites:
            part = draws[..., start : start + site.size]
            proposed = proposed + site.fn.log_prob(part).sum(-1)
            start += site.size
        log_weight = torch.cat([self.log_joint(part) for part in draws.split(100)]) - proposed
        best = log_weight.argmax(0)
        loc = draws[best, torch.arange(len(self.x), device=draws.device)]
        _, covariance = _moments(draws, torch.softmax(log_weight, 0))
        eye = torch.eye(self.dim, dtype=draws.dtype, device=draws.device)
        return loc, torch.linalg.cholesky(0.5 * covariance + 0.05 * eye)

    @torch.no_grad()
    def laplace(self, loc: Tensor, tril: Tensor) -> tuple[Tensor, Tensor]:
        """Mode and curvature of every row by damped Newton steps, row by row accepted."""
        value = self.log_joint(loc.unsqueeze(0))[0]
        damping = torch.full_like(value, 1e-3)
        for _ in range(_NEWTON_STEPS):
            gradient, vectors, curvature = self._local(loc)
            along = (vectors.mT @ gradient.unsqueeze(-1)).squeeze(-1)
            step = (vectors @ (along / (curvature + damping.unsqueeze(-1))).unsqueeze(-1)).squeeze(
                -1
            )
            tried = torch.stack([loc + step, loc + 0.3 * step, loc + 0.05 * step])
            tried_value, index = self.log_joint(tried).nan_to_num(-torch.inf).max(0)
            better = tried_value > value
            gain = torch.where(better, tried_value - value, 0.0)
            chosen = tried[index, torch.arange(len(loc), device=loc.device)]
            loc = torch.where(better.unsqueeze(-1), chosen, loc)
            value = torch.where(better, tried_value, value)
            damping = torch.where(better, damping * 0.3, damping * 10).clamp(1e-6, 1e4)
            if bool((gain < 1e-3).all()) and bool((~better | (gain < 1e-3)).all()):
                break
        _, vectors, curvature = self._local(loc)
        covariance = (vectors / curvature.unsqueeze(-2)) @ vectors.mT
        return loc, _cholesky(covariance)

    def _local(self, loc: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gradient, and eigenvectors and clamped eigenvalues of minus the Hessian."""
        shift = _STEP * torch.eye(self.dim, dtype=loc.dtype, device=loc.device).unsqueeze(1)
        points = torch.cat([loc + shift, loc - shift, loc.unsqueeze(0)])
        gradients = torch.cat([self.gradient(part) for part in points.split(64)])
        upper, lower = gradients[: self.dim], gradients[self.dim : -1]
        hessian = ((upper - lower) / (2 * _STEP)).movedim(0, 1)  # (n, D, D)
        hessian = (hessian + hessian.mT) / 2
        curvature, vectors = torch.linalg.eigh(-hessian.nan_to_num(0.0))
        return gradients[-1], vectors, curvature.clamp_min(_SMALLEST_CURVATURE)

    @torch.no_grad()
    def adapt(self, loc: Tensor, tril: Tensor, particles: int) -> tuple[Tensor, Tensor]:
        """Moment matching to weighted particles; of all rounds each row keeps the best by ESS."""
        best_loc, best_tril = loc, tril
        best = torch.zeros(len(loc), dtype=loc.dtype, device=loc.device)
        for _ in range(_ADAPTIVE_ROUNDS):
            mixture = RowMixture(loc, tril, self.sites)
            draws = mixture.sample((particles,))
            log_weight = torch.cat([self.log_joint(p.squeeze(-2)) for p in draws.split(100)])
            log_weight = log_weight - mixture.log_prob(draws).squeeze(-1)
            share = torch.softmax(log_weight, 0)
            ess = 1 / share.square().sum(0)
            improved = ess > best
            best = torch.where(improved, ess, best)
            best_loc = torch.where(improved.unsqueeze(-1), loc, best_loc)
            best_tril = torch.where(improved.view(-1, 1, 1), tril, best_tril)
            mean, covariance = _moments(draws.squeeze(-2), share)
            # few effective particles say little about a covariance: shrink towards the last one
            trust = (ess / (ess + 2 * self.dim)).view(-1, 1, 1)
            covariance = trust * covariance + (1 - trust) * (tril @ tril.mT)
            loc = trust.squeeze(-1) * mean + (1 - trust.squeeze(-1)) * loc
            tril = _cholesky(covariance)
        return best_loc, best_tril


def _moments(draws: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted mean (n, D) and covariance (n, D, D) of draws (K, n, D)."""
    mean = (share.unsqueeze(-1) * draws).sum(0)
    centred = (draws - mean).movedim(0, 1)  # (n, K, D)
    return mean, (centred * share.T.unsqueeze(-1)).mT @ centred


def _cholesky(covariance: Tensor) -> Tensor:
    eye = torch.eye(covariance.shape[-1], dtype=covariance.dtype, device=covariance.device)
    level = covariance.diagonal(dim1=-2, dim2=-1).mean(-1).view(-1, 1, 1)
    tril, info = torch.linalg.cholesky_ex(covariance + 1e-8 * level * eye)
    failed = (info != 0).view(-1, 1, 1)
    return torch.where(failed, level.sqrt() * eye, tril)
