"""Starting values of decoders, which are computed from a table before a fit."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ...data import IncompleteData


def available_covariance(data: IncompleteData) -> Tensor:
    """Compute the covariances (p, p) of standardised columns, each over the rows that have both.

    The matrix is symmetric, but not always positive definite. The covariance of two columns is 0 if
    fewer than two rows have both.

    >>> import numpy as np
    >>> import absentia as ab
    >>> from absentia.models.networks.starts import available_covariance
    >>> table = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, np.nan]])
    >>> data = ab.IncompleteData.from_numpy(table, standardise=False)
    >>> available_covariance(data)[0].tolist()
    [0.6666666666666666, 0.25]
    """
    seen = data.s.cpu().double()
    x = data.x.cpu().double() * seen
    centre = x.sum(0) / seen.sum(0).clamp_min(1)
    deviation = (x - centre) * seen
    pairs = seen.T @ seen
    return torch.where(
        pairs > 1, deviation.T @ deviation / pairs.clamp_min(1), torch.zeros(()).double()
    )


class Moments(NamedTuple):
    """The means (p,) and covariance (p, p) of standardised columns, in double precision."""

    mean: Tensor
    covariance: Tensor


#: the rows that are used at most, and the most operations per iteration, in rows times p^3
_MOST_ROWS, _MOST_WORK = 4096, 200_000_000
#: how many numbers may be held at once in a batch of matrices
_AT_ONCE = 4_000_000
#: the least noise variance where rows are filled
_LEAST_NOISE = 1e-2


def moments_at_random(
    data: IncompleteData,
    latent_dim: int,
    least_noise: float,
    iterations: int = 30,
    tolerance: float = 0.01,
) -> Moments | None:
    """Estimate PPCA's means and covariance as if values were missing at random, by EM.

    The missing values, not the latents, are the unobserved data: the E step is a regression on the
    observed columns for each pattern of missing values, and the M step is PPCA's closed form
    (Tipping & Bishop, 1999), so that nearly collinear columns do not slow it down. It ends when
    an iteration brings less than ``tolerance`` nats per row.

    Args:
        data: the table, of which up to 4,096 rows are used, and fewer if columns are many.
        latent_dim: the number of latent dimensions.
        least_noise: the smallest noise variance.
        iterations: the largest number of iterations.
        tolerance: the gain of the last iteration in nats per row.

    Returns:
        The moments, or None where so many columns make this too long for the first step of a fit.

    >>> import numpy as np
    >>> import absentia as ab
    >>> from absentia.models.networks.starts import moments_at_random
    >>> table = np.array([[1.0, 1.1], [2.0, 1.9], [3.0, 3.2], [4.0, np.nan]])
    >>> data = ab.IncompleteData.from_numpy(table)
    >>> mean = moments_at_random(data, 1, 1e-4).mean
    >>> bool(mean[1] > 0.2)  # the missing value is likely high, as the first column is
    True
    """
    return moments_of(data.x, data.s, latent_dim, least_noise, iterations, tolerance)


def moments_of(
    x: Tensor,
    s: Tensor,
    latent_dim: int,
    least_noise: float,
    iterations: int = 30,
    tolerance: float = 0.01,
) -> Moments | None:
    """Estimate moments as :func:`moments_at_random` does, from values and mask, both (n, p)."""
    n, p = x.shape
    rows = min(n, _MOST_ROWS, max(_MOST_WORK // p**3, 1))
    if rows < min(n, 10 * p):
        return None
    s = s[:rows].cpu()
    seen = s.double()
    x = x[:rows].cpu().double() * seen
    patterns, pattern_of = torch.unique(s, dim=0, return_inverse=True)
    parts = patterns.double().split(max(_AT_ONCE // p**2, 1))
    count = torch.bincount(pattern_of)
    mean = x.sum(0) / seen.sum(0).clamp_min(1)
    variance = ((x - mean) * seen).square().sum(0) / seen.sum(0).clamp_min(1)
    covariance = torch.diag(torch.where(seen.sum(0) > 1, variance, 1.0).clamp_min(least_noise))
    before = -torch.inf
    for _ in range(iterations):
        found, log_dets, residual = [], [], torch.zeros_like(covariance)
        for part, own in zip(parts, count.split([len(part) for part in parts]), strict=True):
            regression, log_det, left = _regressions(covariance, part)
            found.append(regression)
            log_dets.append(log_det)
            residual += torch.einsum("m,mjk->jk", own.double(), left)
        deviation = (x - mean) * seen
        weight = torch.cat(found)[pattern_of] @ deviation.unsqueeze(-1)
        # the observed columns' regression on themselves is the identity: (A^-1 r) comes from it
        distance = (weight.squeeze(-1) * deviation).sum(-1)
        likelihood = float(-0.5 * (distance + torch.cat(log_dets)[pattern_of]).mean())
        if likelihood - before < tolerance:
            break
        before = likelihood
        filled = mean + torch.where(s, deviation, weight.squeeze(-1) @ covariance)
        mean = filled.mean(0)
        centred = filled - mean
        covariance = _nearest((centred.T @ centred + residual) / rows, latent_dim, least_noise)
    return Moments(mean, covariance)


def filled_at_random(data: IncompleteData) -> tuple[Tensor, Tensor]:
    """Draw missing values given the observed ones, as if they were missing at random.

    The Normal is that which EM finds, or that of independent columns where EM would take long.

    Returns:
        The rows (n, p) with their missing values at the conditional means, and what the draws
        differ from these, 0 in observed cells.
    """
    x, s = data.x.cpu().double(), data.s.cpu()
    noise = torch.randn(x.shape, dtype=x.dtype)
    found = moments_at_random(data, x.shape[1], _LEAST_NOISE)
    if found is None:
        return torch.where(s, x, 0.0), torch.where(s, 0.0, noise)
    patterns, pattern_of = torch.unique(s, dim=0, return_inverse=True)
    inverse = _regressions(found.covariance, patterns.double())[0][pattern_of]

    def rest(deviation: Tensor) -> Tensor:
        """Predict deviations of the missing cells from those of the observed ones."""
        given = torch.where(s, deviation, 0.0)
        return (inverse @ given.unsqueeze(-1)).squeeze(-1) @ found.covariance

    draw = noise @ torch.linalg.cholesky(found.covariance).mT
    mean = torch.where(s, x, found.mean + rest(x - found.mean))
    return mean, torch.where(s, 0.0, draw - rest(draw))


def _regressions(covariance: Tensor, seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return what the observed columns of some patterns say about the missing ones.

    Args:
        covariance: (p, p).
        seen: (m, p) patterns, 1 where observed and 0 where missing.

    Returns:
        The inverse covariances (m, p, p) of the observed columns, zero elsewhere, their
        log-determinants (m,), and the covariances (m, p, p) of the missing columns given them.
    """
    both = seen.unsqueeze(-1) * seen.unsqueeze(-2)
    lower = torch.linalg.cholesky(covariance * both + torch.diag_embed(1 - seen))
    inverse = torch.cholesky_inverse(lower) * both
    log_det = 2 * lower.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    left = covariance - covariance @ inverse @ covariance
    gone = 1 - seen
    return inverse, log_det, left * gone.unsqueeze(-1) * gone.unsqueeze(-2)


def _nearest(covariance: Tensor, latent_dim: int, least_noise: float) -> Tensor:
    """Return PPCA's most likely covariance of this many latents for an unrestricted one."""
    value, vector = torch.linalg.eigh(covariance)
    rest = value[: len(value) - latent_dim]
    noise = max(float(rest.mean()) if len(rest) else 0.0, least_noise)
    kept = value.clamp_min(noise)
    kept[: len(rest)] = noise
    return (vector * kept) @ vector.T
