"""A cheap imputation under missing at random, as a reference for every other imputation.

It is probabilistic PCA by EM, with closed-form steps (Tipping & Bishop, 1999; Ilin & Raiko, JMLR
2010). Every column is treated as a real number on the model's scale, including the codes of levels.
It serves for comparison only; to impute under missing at random, fit :func:`absentia.PPCA` or
:func:`absentia.MIWAE`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...data import IncompleteData

_LATENTS = 10  # the most latent dimensions
_ROWS = 1_000  # the most rows to learn from
_EFFORT = 5e8  # the most multiplications that learning may take
_STEPS = 60
_AT_ONCE = 4_096  # rows that are completed together
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)


@dataclass(frozen=True)
class _Factors:
    """The factor model x = mean + W z + noise of standardised columns."""

    loadings: np.ndarray  # (p, d)
    mean: np.ndarray  # (p,)
    noise: float

    def latent(self, x: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean (n, d) and covariance (n, d, d) of z given each row's observed values."""
        p, d = self.loadings.shape
        outer = (self.loadings[:, :, None] * self.loadings[:, None, :]).reshape(p, d * d)
        weight = seen.astype(float)
        precision = (weight @ outer).reshape(-1, d, d) / self.noise + np.eye(d)
        covariance = np.linalg.inv(precision)
        pull = ((x - self.mean) * weight) @ self.loadings / self.noise
        return np.einsum("nde,ne->nd", covariance, pull), covariance


def at_random_cells(data: IncompleteData) -> np.ndarray:
    """Return means (M,) of the missing cells under missing at random, in the data's own units.

    The cells come row by row. The model is learnt from at most 1,000 of the rows, which are the
    same each time.

    >>> import absentia as ab
    >>> rows = np.random.default_rng(0).multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], size=200)
    >>> truth = rows[:40, 0].copy()
    >>> rows[:40, 0] = np.nan
    >>> found = at_random_cells(ab.IncompleteData.from_numpy(rows))
    >>> bool(np.corrcoef(found, truth)[0, 1] > 0.8)
    True
    """
    x, seen = data.x.detach().double().cpu().numpy(), data.s.cpu().numpy()
    rows, columns = np.nonzero(~seen)
    if not len(rows):
        return np.empty(0)
    count = np.maximum(seen.sum(0), 1)
    center = np.where(seen, x, 0.0).sum(0) / count
    scale = np.sqrt((np.where(seen, x - center, 0.0) ** 2).sum(0) / count)
    scale = np.where(scale > 1e-12, scale, 1.0)
    x = np.where(seen, (x - center) / scale, 0.0)
    factors = _learnt(x, seen)
    mean, variance = np.empty(len(rows)), np.empty(len(rows))
    for start in range(0, len(x), _AT_ONCE):
        cells = slice(*np.searchsorted(rows, (start, start + _AT_ONCE)))
        at, j = rows[cells] - start, columns[cells]
        block = slice(start, start + _AT_ONCE)
        z, covariance = factors.latent(x[block], seen[block])
        own = factors.loadings[j]
        mean[cells] = factors.mean[j] + (own * z[at]).sum(1)
        spread = np.einsum("md,mde,me->m", own, covariance[at], own)
        variance[cells] = spread + factors.noise
    mean = center[columns] + scale[columns] * mean
    sd = scale[columns] * np.sqrt(variance)
    straight = np.asarray(data.scaler.linear)[columns]
    nodes = np.where(straight, 0.0, sd) * _NODES[:, None]
    values = data.scaler.invert_cells(mean + nodes, columns)
    found: np.ndarray = (_WEIGHTS / _WEIGHTS.sum()) @ values
    return found


def _learnt(x: np.ndarray, seen: np.ndarray) -> _Factors:
    """Run EM, started from the covariance of the table whose missing values are at their means."""
    p = x.shape[1]
    d = max(1, min(p - 1, _LATENTS))
    most = int(np.clip(_EFFORT / (p * d * d * _STEPS), 200, _ROWS))
    if len(x) > most:
        kept = np.sort(np.random.default_rng(0).permutation(len(x))[:most])
        x, seen = x[kept], seen[kept]
    weight = seen.astype(float)
    left, sizes, right = np.linalg.svd(x, full_matrices=False)
    del left
    d = min(d, len(sizes))
    loadings = right[:d].T * sizes[:d] / np.sqrt(len(x))
    factors = _Factors(loadings, np.zeros(p), max(1.0 - float((loadings**2).sum()) / p, 0.1))
    for _ in range(_STEPS):
        factors = _step(factors, x, seen, weight)
    return factors


def _step(factors: _Factors, x: np.ndarray, seen: np.ndarray, weight: np.ndarray) -> _Factors:
    """Take one step of EM; a Normal(0, 1) prior on the loadings stabilises nearly empty columns."""
    p, d = factors.loadings.shape
    z, covariance = factors.latent(x, seen)
    second = (covariance + z[:, :, None] * z[:, None, :]).reshape(-1, d * d)
    count = np.maximum(weight.sum(0), 1.0)
    gram = (weight.T @ second).reshape(p, d, d)
    pull = ((x - factors.mean) * weight).T @ z
    ridge = factors.noise * np.eye(d)
    loadings = np.linalg.solve(gram + ridge, pull[..., None])[..., 0]
    mean = ((x - z @ loadings.T) * weight).sum(0) / count
    residual = (x - mean - z @ loadings.T) ** 2 * weight
    outer = (loadings[:, :, None] * loadings[:, None, :]).reshape(p, d * d)
    spread = ((covariance.reshape(-1, d * d) @ outer.T) * weight).sum()
    noise = (residual.sum() + spread) / max(weight.sum(), 1.0)
    return _Factors(loadings, mean, max(float(noise), 1e-4))
