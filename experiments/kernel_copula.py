"""A Gaussian copula with kernel margins, which has a density: a yardstick for models of values."""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import norm

from ..data.errors import InputError
from ..models.networks.starts import moments_of

#: normal scores beyond this are taken to lie there
_FARTHEST = 6.0


class KernelCopula:
    """x_j = F_j^-1(Phi(y_j)) with y ~ Normal(0, R), the model of gcimpute (Zhao & Udell, KDD 2020).

    gcimpute's margins are empirical steps, which have no density; here F_j is a sum of Normal
    kernels with Silverman's bandwidth. R is estimated by EM as if values were missing at random.

    Args:
        x: (n, p) values, of which those not seen are not read.
        s: (n, p) booleans, True where seen.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> s = np.ones((200, 2), dtype=bool)
    >>> s[:50, 1] = False
    >>> bool(abs(KernelCopula(x, s).log_density(x, s)[:50].mean() + 1.42) < 0.2)
    True
    """

    def __init__(self, x: np.ndarray, s: np.ndarray) -> None:
        self.seen = [x[s[:, j], j].astype(float) for j in range(x.shape[1])]
        self.width = [max(1.06 * v.std() * len(v) ** -0.2, 1e-2) for v in self.seen]
        scores = self._scores(x)[0]
        found = moments_of(torch.tensor(scores), torch.tensor(s), x.shape[1] - 1, 1e-3)
        if found is None:
            raise InputError(f"{x.shape[1]} columns are too many for EM; leave some out")
        sd = found.covariance.diagonal().sqrt()
        self.correlation = (found.covariance / sd / sd.unsqueeze(-1)).numpy()

    def _scores(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return normal scores (n, p) of values, and the log-densities of the margins."""
        score, log_margin = np.zeros(x.shape), np.zeros(x.shape)
        for j, (seen, width) in enumerate(zip(self.seen, self.width, strict=True)):
            apart = (x[:, j, None] - seen) / width
            below = norm.cdf(apart).mean(1)
            score[:, j] = norm.ppf(below).clip(-_FARTHEST, _FARTHEST)
            log_margin[:, j] = np.log(norm.pdf(apart).mean(1) + 1e-30) - np.log(width)
        return score, log_margin

    def log_density(self, x: np.ndarray, s: np.ndarray) -> np.ndarray:
        """Return log p(cells not in s | cells in s) of complete rows, (n,)."""
        score, log_margin = self._scores(x)
        log_margin = np.where(s, 0.0, log_margin - norm.logpdf(score))
        all_of = np.ones_like(s)
        return log_margin.sum(1) + self._log_normal(score, all_of) - self._log_normal(score, s)

    def _log_normal(self, score: np.ndarray, s: np.ndarray) -> np.ndarray:
        """Return log Normal(y_s; 0, R_ss) of each row."""
        both = s[:, :, None] & s[:, None, :]
        matrix = np.where(both, self.correlation, np.eye(score.shape[1]))
        y = np.where(s, score, 0.0)
        lower = np.linalg.cholesky(matrix)
        white = np.linalg.solve(lower, y[..., None])[..., 0]
        half_log_det = np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(1)
        constant = 0.5 * np.log(2 * np.pi) * s.sum(1)
        return -0.5 * (white**2).sum(1) - half_log_det - constant
