"""Gradients of samples without reparameterisation: discrete values sampled from the model."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator

import torch
from pyro.distributions import TorchDistribution
from torch import Tensor

from ..models.distributions.mixed import MixedColumns
from .importance import Weighted


def has_scores(run: Weighted) -> bool:
    """Whether some value of a row was sampled without a reparameterised gradient."""
    return next(_scores(run), None) is not None


@functools.singledispatch
def score_of(fn: TorchDistribution, value: Tensor) -> Tensor | None:
    """Return log p of values that were sampled without reparameterisation, None if there are none.

    A distribution whose values are reparameterised in some columns only is registered for its
    class, and returns zero in those columns.
    """
    return None if fn.has_rsample else fn.log_prob(value)


@score_of.register(MixedColumns)
def _(fn: MixedColumns, value: Tensor) -> Tensor | None:
    return fn.score_log_prob(value.detach())


def score_terms(run: Weighted) -> Tensor:
    """Return (n,) zeros whose gradient is the score-function part of the bound's: VIMCO.

    For samples x_k ~ p(x | z_k) that are proposed from the model, the gradient of
    E[log mean_k w_k] has the terms E[sum_k (L - L_(-k)) grad log p(x_k | z_k)]. L_(-k) is the
    bound in which w_k is replaced by the geometric mean of the other weights; it does not depend
    on x_k, so that the estimator stays unbiased (Mnih & Rezende, "Variational inference for Monte
    Carlo objectives", ICML 2016, eq. 9-11).
    """
    log_prob: Tensor | None = None
    for term in _scores(run):
        log_prob = term if log_prob is None else log_prob + term
    assert log_prob is not None
    log_prob = log_prob.expand_as(run.log_weight)
    surrogate = (learning_signal(run.log_weight.detach()) * log_prob).sum(0)
    return surrogate - surrogate.detach()


def learning_signal(log_weight: Tensor) -> Tensor:
    """Return L - L_(-k) per particle and row, (K, n) -> (K, n)."""
    particles = len(log_weight)
    bound = log_weight.logsumexp(0) - math.log(particles)
    if particles == 1:
        return bound.unsqueeze(0)
    others = (log_weight.sum(0) - log_weight) / (particles - 1)
    replaced = log_weight.unsqueeze(0).expand(particles, -1, -1).clone()
    index = torch.arange(particles, device=log_weight.device)
    replaced[index, index] = others
    return bound - (replaced.logsumexp(1) - math.log(particles))


def _scores(run: Weighted) -> Iterator[Tensor]:
    """Return log p of each site's samples without reparameterisation, per particle and row."""
    for site in run.sites.values():
        if site.in_guide or site.is_observed or site.mask is False:
            continue
        log_prob = score_of(site.fn, site.value)
        if log_prob is None:
            continue
        if isinstance(site.mask, Tensor):
            log_prob = log_prob.masked_fill(~site.mask, 0.0)
        assert site.row_dim is not None
        others = list(range(site.row_dim + 1, 0))
        yield log_prob.sum(others) if others else log_prob
