"""Diagnostics of each row's importance sampling: ESS, Pareto k-hat, Monte-Carlo errors."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

#: fewer particles leave too few weights in the tail to fit a Pareto distribution to
FEWEST_FOR_KHAT = 25


def effective_sample_size(log_weight: Tensor) -> Tensor:
    """Return Kish's ESS = (sum w)^2 / sum w^2 = 1 / sum w~^2 per row: (K, n) -> (n,).

    >>> import torch
    >>> from absentia.inference import effective_sample_size
    >>> effective_sample_size(torch.zeros(100, 2)).round()
    tensor([100., 100.])
    """
    return (2 * log_weight.logsumexp(0) - (2 * log_weight).logsumexp(0)).exp()


def khat_threshold(particles: int) -> float:
    """Return min(1 - 1/log10 K, 0.7), above which a row's weights are unreliable at this K.

    (Vehtari, Simpson, Gelman, Yao & Gabry, "Pareto smoothed importance sampling", JMLR 2024.)

    >>> from absentia.inference import khat_threshold
    >>> round(khat_threshold(1000), 3), khat_threshold(100_000)
    (0.667, 0.7)
    """
    return min(1 - 1 / math.log10(max(particles, 11)), 0.7)


def tail_length(particles: int) -> int:
    """Return how many of the largest weights the Pareto fit uses: min(K/5, 3 sqrt K)."""
    return math.ceil(min(particles / 5, 3 * math.sqrt(particles)))


def pareto_khat(log_weight: Tensor) -> Tensor:
    """Return the Pareto k-hat of each row's weights, (K, n) -> (n,) float64.

    It is the shape of a generalised Pareto distribution that is fitted to the largest weights
    (Zhang & Stephens, Technometrics 2009; Vehtari et al. 2024). Rows whose weights are all equal
    have the k-hat -inf, the best possible; with fewer than 25 particles it is nan.

    >>> import torch
    >>> from absentia.inference import pareto_khat
    >>> weights = torch.distributions.Exponential(1.0)
    >>> _ = torch.manual_seed(0)
    >>> bool(pareto_khat(0.3 * weights.sample((4000, 1))).item() < 0.5)
    True
    """
    particles = len(log_weight)
    largest = log_weight.topk(min(tail_length(particles) + 1, particles), 0).values
    return khat_from_largest(largest, particles)


def khat_from_largest(largest: Tensor, particles: int) -> Tensor:
    """Return k-hat from the ``tail_length(K) + 1`` largest log-weights, in descending order."""
    rows = largest.shape[1]
    if particles < FEWEST_FOR_KHAT:
        return torch.full((rows,), torch.nan, dtype=torch.float64)
    log_w = largest.detach().double().cpu().numpy().T[:, ::-1]  # (n, M + 1), ascending
    top = log_w[:, -1]
    # weights that differ by the rounding of their logarithms are equal
    rounding = 64 * torch.finfo(largest.dtype).eps * np.maximum(np.abs(top), 1.0)
    log_w = log_w - top[:, None]
    cutoff = np.maximum(log_w[:, 0], math.log(np.finfo(float).tiny))
    excess = np.exp(log_w[:, 1:]) - np.exp(cutoff)[:, None]
    above = (log_w[:, 1:] > cutoff[:, None]).sum(1)  # ties with the cutoff are not in the tail
    khat = np.full(rows, np.inf)
    constant = -log_w[:, 0] <= rounding
    for count in np.unique(above[~constant]):
        if count <= 4:
            continue
        members = np.flatnonzero((above == count) & ~constant)
        for part in np.array_split(members, max(1, len(members) * int(count) // 100_000)):
            khat[part] = _generalised_pareto_shape(excess[part, -count:])
    khat[constant] = -np.inf
    khat[rounding > 0.1] = np.inf  # log-weights so large that their differences are lost
    return torch.from_numpy(khat)


def _generalised_pareto_shape(excess: np.ndarray) -> np.ndarray:
    """Return Zhang & Stephens' estimate with Vehtari et al.'s weak prior, from ascending rows."""
    size = excess.shape[1]
    points = 30 + int(size**0.5)
    grid = 1 - np.sqrt(points / (np.arange(1, points + 1) - 0.5))
    # an excess below the smallest normal number, of a tail over hundreds of nats, has no inverse
    quartile = np.maximum(excess[:, int(size / 4 + 0.5) - 1, None], np.finfo(float).tiny * 1e8)
    b = grid / (3 * quartile) + 1 / excess[:, -1:]
    k = np.log1p(-b[:, :, None] * excess[:, None, :]).mean(2)
    profile = size * (np.log(-b / k) - k - 1)
    with np.errstate(over="ignore"):  # a grid point without weight gives 1 / inf = 0
        weight = 1 / np.exp(profile[:, None, :] - profile[:, :, None]).sum(2)
    weight[weight < 10 * np.finfo(float).eps] = 0
    weight /= weight.sum(1, keepdims=True)
    b_mean = (b * weight).sum(1, keepdims=True)
    shape = np.log1p(-b_mean * excess).mean(1)
    return np.asarray((size * shape + 5) / (size + 10))
