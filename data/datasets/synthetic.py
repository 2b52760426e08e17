"""Synthetic data, and a linear-Gaussian model whose MNAR answers are known exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize

from ..columns.types import array_values, boolean_mask
from ..errors import InputError
from .exact_self_masking import HiddenEntry, Link, log_link


@dataclass(frozen=True, eq=False)
class LinearGaussian:
    """z ~ N(0, I_d), x | z ~ N(W z + mean, diag(sigma^2)): factor analysis with exact answers.

    With self-masking, P(s_j = 1 | x_j) = link(slope_j x_j + offset_j), the joint density of the
    observed entries and the mask follows by quadrature over z (d <= 2), and so does the mean
    of the missing entries. The methods loop over rows: they are meant for tests, not for speed.

    >>> truth = LinearGaussian.random(p=4, d=2, sigma=0.5, seed=0)
    >>> z, x = truth.sample(3, seed=1)
    >>> s = np.array([[True, True, False, True]] * 3)
    >>> truth.log_prob_observed(x, s).shape
    (3,)
    >>> truth.posterior_mean(x, s, slope=-3.0, offset=0.0).shape
    (3, 4)

    Args:
        weights: (p, d) loadings W.
        mean: (p,) means.
        sigma: positive standard deviations of the noise, (p,) or one number.

    Raises:
        ValueError: shapes disagree, or a sigma is not positive.
    """

    weights: np.ndarray
    mean: np.ndarray
    sigma: np.ndarray

    def __post_init__(self) -> None:
        """Copy the parameters to float64 and check their shapes."""
        weights = array_values(self.weights)
        p = weights.shape[0]
        mean = np.array(self.mean, dtype=np.float64)
        sigma = np.asarray(self.sigma, dtype=np.float64)
        if mean.shape != (p,) or sigma.shape not in ((), (p,)):
            raise InputError(
                f"weights have shape {weights.shape}, mean {mean.shape} and sigma {sigma.shape}; "
                "give shapes (p, d), (p,) and (p,), or one number as sigma."
            )
        if not (np.isfinite(sigma) & (sigma > 0)).all():
            raise InputError("sigma is not finite and positive; give such standard deviations.")
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "sigma", np.broadcast_to(sigma, (p,)).copy())

    @classmethod
    def random(cls, p: int, d: int, sigma: ArrayLike, seed: int) -> LinearGaussian:
        """Sample standard normal loadings and means for ``p`` features and ``d`` latents."""
        rng = np.random.default_rng(seed)
        return cls(rng.normal(size=(p, d)), rng.normal(size=p), np.asarray(sigma))

    @property
    def covariance(self) -> np.ndarray:
        """The covariance W W^T + diag(sigma^2), of shape (p, p)."""
        return self.weights @ self.weights.T + np.diag(self.sigma**2)

    def sample(self, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Sample latents (n, d) and complete data (n, p)."""
        rng = np.random.default_rng(seed)
        z = rng.normal(size=(n, self.weights.shape[1]))
        noise = rng.normal(size=(n, len(self.mean))) * self.sigma
        return z, z @ self.weights.T + self.mean + noise

    def log_prob_observed(self, x: ArrayLike, s: ArrayLike) -> np.ndarray:
        """Return log p(x_o) per row, (n,); 0 for a row without observed entries.

        Args:
            x: (n, p); missing entries are ignored.
            s: (n, p) boolean, True where observed.
        """
        result = []
        for row, seen in self._rows(x, s):
            chol = np.linalg.cholesky(self.covariance[np.ix_(seen, seen)])
            u = solve_triangular(chol, (row - self.mean)[seen], lower=True)
            log_det = np.log(np.diag(chol)).sum()
            result.append(-0.5 * u @ u - log_det - 0.5 * len(u) * np.log(2 * np.pi))
        return np.array(result)

    def conditional(self, x: ArrayLike, s: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Return mean (m,) and covariance (m, m) of x_m | x_o in one row (p,), without the mask."""
        row, seen = next(self._rows(np.atleast_2d(x), np.atleast_2d(s)))
        cov, hidden = self.covariance, ~seen
        across = cov[np.ix_(hidden, seen)]
        factor = cho_factor(cov[np.ix_(seen, seen)]) if seen.any() else None
        if factor is None:
            return self.mean[hidden], cov[np.ix_(hidden, hidden)]
        mean = self.mean[hidden] + across @ cho_solve(factor, (row - self.mean)[seen])
        return mean, cov[np.ix_(hidden, hidden)] - across @ cho_solve(factor, across.T)

    def log_prob_joint(
        self,
        x: ArrayLike,
        s: ArrayLike,
        slope: ArrayLike,
        offset: ArrayLike,
        link: Link = "logit",
    ) -> np.ndarray:
        """Return log p(x_o, s) per row under self-masking, (n,), to about 1e-10.

        Args:
            x: (n, p); missing entries are ignored.
            s: (n, p) boolean, True where observed.
            slope: the slope of the link per unit of x, (p,) or one number.
            offset: the offset of the link, (p,) or one number.
            link: "logit" or "probit".

        Raises:
            ValueError: the model has more than two latents, or the link is unknown.
        """
        a, b = self._mechanism(slope, offset)
        result = self.log_prob_observed(x, s)
        for i, (row, seen) in enumerate(self._rows(x, s)):
            result[i] += log_link(a[seen] * row[seen] + b[seen], link).sum()
            if not seen.all():
                result[i] += self._hidden_integral(row, seen, a, b, link)[0]
        return result

    def posterior_mean(
        self,
        x: ArrayLike,
        s: ArrayLike,
        slope: ArrayLike,
        offset: ArrayLike,
        link: Link = "logit",
    ) -> np.ndarray:
        """Return E[x_m | x_o, s] at the missing entries and x at the observed ones, (n, p).

        Arguments and errors are those of :meth:`log_prob_joint`.
        """
        a, b = self._mechanism(slope, offset)
        result = []
        for row, seen in self._rows(x, s):
            filled = row.copy()
            if not seen.all():
                filled[~seen] = self._hidden_integral(row, seen, a, b, link)[1]
            result.append(filled)
        return np.array(result)

    def _rows(self, x: ArrayLike, s: ArrayLike) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        values = array_values(x)
        if values.shape[1] != len(self.mean):
            raise InputError(
                f"x has {values.shape[1]} columns; give {len(self.mean)}, as the model has."
            )
        mask = boolean_mask(s, values.shape)
        yield from zip(np.where(mask, values, 0.0), mask, strict=True)

    def _mechanism(self, slope: ArrayLike, offset: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        if self.weights.shape[1] > 2:
            raise InputError(
                f"the model has {self.weights.shape[1]} latents; give a model of at most 2, as the "
                "quadrature requires."
            )
        p = len(self.mean)
        a, b = (np.broadcast_to(np.asarray(v, dtype=np.float64), (p,)) for v in (slope, offset))
        return a, b

    def _hidden_integral(
        self, row: np.ndarray, seen: np.ndarray, a: np.ndarray, b: np.ndarray, link: Link
    ) -> tuple[float, np.ndarray]:
        """Return log P(s_m = 0 | x_o) and E[x_m | x_o, s], by a trapezoid sum over z.

        z = m + L u turns p(z | x_o) into N(0, I). Under it the integrand is log-concave with
        curvature at least 1, so its mass lies within nine units of its mode.
        """
        scaled = self.weights[seen] / self.sigma[seen, None]
        precision = np.eye(scaled.shape[1]) + scaled.T @ scaled
        residual = ((row - self.mean) / self.sigma)[seen]
        centre = np.linalg.solve(precision, scaled.T @ residual)
        root = np.linalg.inv(np.linalg.cholesky(precision)).T  # root root^T = precision^-1
        hidden = np.flatnonzero(~seen)
        entries = [HiddenEntry(a[j], b[j], self.sigma[j], link) for j in hidden]
        base = self.mean[hidden] + self.weights[hidden] @ centre
        turn = self.weights[hidden] @ root  # mu_j = base_j + turn_j . u

        def log_density(u: np.ndarray) -> np.ndarray:
            mu = base + u @ turn.T
            terms = [e.log_prob(mu[..., k]) for k, e in enumerate(entries)]
            return sum(terms, -0.5 * (u**2 + np.log(2 * np.pi)).sum(axis=-1))

        mode = minimize(lambda u: -float(log_density(u)), np.zeros(len(centre))).x
        widths = np.array([e.width() for e in entries])
        # The inverse squared widths of the factors add up; 0.5 is the width of the normal factor.
        steps = 1 / np.sqrt(0.5**-2 + ((turn / widths[:, None]) ** 2).sum(axis=0))
        axes = [m + np.arange(-9.0, 9.0 + h, h) for m, h in zip(mode, steps, strict=True)]
        u = np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")], axis=-1)
        log_terms = log_density(u) + np.log(steps).sum()
        top = log_terms.max()
        weight = np.exp(log_terms - top)
        mu = base + u @ turn.T
        means = [weight @ e.mean(mu[:, k]) / weight.sum() for k, e in enumerate(entries)]
        return float(top + np.log(weight.sum())), np.array(means)


def gaussian_2d(n: int, seed: int, correlation: float = 0.5) -> np.ndarray:
    """Sample (n, 2) values from a normal with mean 0, variances 1 and this correlation.

    The published experiment does not state the correlation; 0.5 is the choice of this package.

    >>> gaussian_2d(4, seed=0).shape
    (4, 2)
    """
    if not -1 <= correlation <= 1:
        raise InputError(f"correlation is {correlation}; give a number between -1 and 1.")
    e = np.random.default_rng(seed).normal(size=(n, 2))
    e[:, 1] = correlation * e[:, 0] + np.sqrt(1 - correlation**2) * e[:, 1]
    return e


def ring(n: int, seed: int, radius: float = 4.5, spread: float = 0.3) -> np.ndarray:
    """Sample points (n, 2) at a uniform angle and a normal distance from the origin.

    The published experiment states the radius 4.5 but no spread; 0.3 is the choice of this package.

    Args:
        n: the number of points.
        seed: the seed of the random numbers.
        radius: the mean distance.
        spread: the standard deviation of the distance.
    """
    rng = np.random.default_rng(seed)
    angle = rng.uniform(-np.pi, np.pi, size=n)
    distance = rng.normal(radius, spread, size=n)
    return np.stack([distance * np.cos(angle), distance * np.sin(angle)], axis=1)
