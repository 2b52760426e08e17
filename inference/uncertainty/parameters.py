"""The posterior of a model's parameters: a Normal at the maximum, importance-weighted."""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...data import IncompleteData
from ...data.errors import InputError
from ...models.programs.base import RowModel
from ..diagnostics import pareto_khat
from ..evaluating import computing
from ..prepare import Fitted, prepared
from ..randomness.shifted import ShiftedSobol
from .known import Known
from .laplace import MOST_PARAMETERS, Maximum, Target, exact, maximum

#: directions whose effect on mean and covariance of x is this share of the largest are held
_NO_EFFECT = 0.01
_FLAT = 0.02  # gradient per standard error at which the search ends, about 1e-4 nats too low
_MOST_STEPS = 60
#: samples with which a maximum is evaluated: those of all rows, and the least and most per row
_DRAWS_IN_ALL, _DRAWS_A_ROW = 200_000, (64, 1024)
_KNOWN = Known()


class ParameterDraws(NamedTuple):
    """Weighted draws of the parameters.

    Attributes:
        vectors: (S, q) the draws.
        log_weight: (S,) smoothed log-weights; the weights sum to one.
        khat: Pareto k-hat of the weights.
    """

    vectors: np.ndarray
    log_weight: np.ndarray
    khat: float

    @property
    def reliable(self) -> bool:
        """Whether k-hat is at most 0.7."""
        return self.khat <= 0.7

    def resampled(self, m: int, seed: int) -> np.ndarray:
        """Resample m of the draws (m, q) by weight, or without weights if these are unreliable.

        Resampling is systematic, so that a draw of weight below 1/m is chosen at most once.
        """
        generator = np.random.default_rng(seed)
        if not self.reliable:
            return self.vectors[:m]
        edges = np.cumsum(np.exp(self.log_weight))
        at = (np.arange(m) + generator.random()) / m * edges[-1]
        chosen = np.minimum(np.searchsorted(edges, at), len(edges) - 1)
        return self.vectors[generator.permutation(chosen)]


class ParameterPosterior:
    """p(parameters | x_o, s) of a small model: N(maximum, inverse observed information).

    The parameters are those of decoder and mechanism together, with the coefficients that have
    priors. Directions that do not change p(x), such as a rotation of the latents, are held. Draws
    of the Normal carry importance weights towards the posterior itself, whose k-hat shows whether
    the approximation is good (Vehtari et al., JMLR 2024).

    Args:
        fitted: a fit, or a model.
        data: the table that it was fitted to.
        decoder: ``"joint"``, or ``"fixed"`` to take p(x | z) as known.
        particles: importance samples per row.
        polish: Newton steps with one information matrix.
        unobserved: as for :class:`absentia.ImportanceWeightedELBO`.
        seed: the seed of the random numbers.

    Raises:
        ValueError: the model has more than 600 parameters, or none.
    """

    def __init__(
        self,
        fitted: Fitted,
        data: IncompleteData,
        *,
        decoder: str = "joint",
        particles: int = 25,
        polish: int = 3,
        unobserved: str = "auto",
        seed: int = 0,
    ) -> None:
        self.target = target_of(fitted, data, decoder, particles, unobserved, seed)
        self._key = self.target.digest(polish)
        self.maximum = maximum_of(self.target, polish, self._key)
        held = self.target.redundant(_NO_EFFECT)
        self._basis = np.linalg.svd(held, full_matrices=True)[0][:, held.shape[1] :]
        # conditional on the held directions: the inverse of a part of the information, and not a
        # part of the inverse
        information = self._basis.T @ np.linalg.inv(self.maximum.covariance) @ self._basis
        eigenvalues, vectors = np.linalg.eigh((information + information.T) / 2)
        self._root = vectors / np.sqrt(eigenvalues)

    def draws(self, count: int, seed: int = 0) -> ParameterDraws:
        """Sample ``count`` weighted draws, of which k-hat needs at least 100."""
        key = None if self._key is None else f"{count} draws, seed {seed}: {self._key}"
        return _KNOWN.of(key, lambda: self._drawn(count, seed))

    def _drawn(self, count: int, seed: int) -> ParameterDraws:
        noise = np.random.default_rng(seed).normal(size=(count, self._root.shape[0]))
        vectors = self.maximum.at + noise @ self._root.T @ self._basis.T
        with computing(self.target.model):
            log_p = np.array([-self.target.value(vector) for vector in vectors])
        self.target.put(self.maximum.at)
        return weighted_draws(vectors, log_p + 0.5 * np.square(noise).sum(1))

    def height(self) -> float:
        """Return the log-posterior at its maximum: log p(x_o, s), and priors of coefficients.

        It is computed with more samples per row than the search for the maximum, which are spread
        evenly.
        """
        target = self.target
        usual = target.particles, target.noise
        draws = np.clip(_DRAWS_IN_ALL // len(target.data), *_DRAWS_A_ROW)
        target.particles = 2 ** int(np.log2(draws))  # a power of two lays Sobol points evenly
        target.noise = ShiftedSobol
        try:
            with computing(target.model):
                return -target.value(self.maximum.at)
        finally:
            target.particles, target.noise = usual

    def moved_to(
        self, model: RowModel, data: IncompleteData, start: np.ndarray | None = None
    ) -> ParameterPosterior:
        """Move the Normal to the maximum of a model with other given coefficients.

        Args:
            model: a model with the same parameters, whose guide is fitted.
            data: the table.
            start: (q,) the parameters from which the search starts; the maximum here when left out.
        """
        from scipy.optimize import minimize  # slow to import

        moved = copy.copy(self)
        moved._key = None
        moved.target = self.target.of(model, data)
        # in units of the Normal's covariance the curvature is nearly that of u^2/2: a short search
        within = self._basis @ self._root
        first = self.maximum.at if start is None else start

        def at(u: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = moved.target(first + within @ u)
            return value, within.T @ gradient

        with computing(self.target.model):
            found = minimize(
                at,
                np.zeros(within.shape[1]),
                jac=True,
                method="L-BFGS-B",
                options={"gtol": _FLAT, "maxiter": _MOST_STEPS},
            )
        moved.maximum = self.maximum._replace(at=first + within @ found.x)
        return moved

    def model_at(self, vector: np.ndarray) -> tuple[RowModel, dict[str, Tensor] | None]:
        """Return the model with these parameters, and its coefficients by site, if it has any.

        It is the same module every time, which is changed in place.
        """
        self.target.put(vector)
        sites = {name: value.detach() for name, value in self.target.sites().items()}
        return self.target.model, sites or None


def maximum_of(target: Target, polish: int, key: str | None) -> Maximum:
    """Return the maximum near a fit, which imputation, tables and report of the fit all ask for.

    Args:
        target: minus the log-posterior, with gradient.
        polish: as for :class:`ParameterPosterior`.
        key: a digest of both.
    """

    def search() -> tuple[Maximum, np.ndarray]:
        with computing(target.model):
            return maximum(target, target.start(), polish), target.start()

    found, last = _KNOWN.of(None if key is None else f"maximum: {key}", search)
    target.put(last)  # as the search leaves it
    return found


def weighted_draws(vectors: np.ndarray, log_ratio: np.ndarray) -> ParameterDraws:
    """Return Pareto-smoothed weights of draws with these log-ratios of target to proposal."""
    from ..export.compat import psis

    finite = np.where(np.isfinite(log_ratio), log_ratio, -np.inf)
    khat = float(pareto_khat(torch.from_numpy(finite)[:, None])[0])
    if not finite.max() > -np.inf:
        return ParameterDraws(vectors, np.full(len(vectors), -np.log(len(vectors))), np.inf)
    smoothed = psis(finite[:, None])[0][:, 0] if khat > -np.inf else finite
    log_weight = smoothed - np.logaddexp.reduce(smoothed)
    return ParameterDraws(vectors, log_weight, khat)


def target_of(
    fitted: Fitted, data: IncompleteData, decoder: str, particles: int, unobserved: str, seed: int
) -> Target:
    """Return log p(x_o, s) of a copy of the fitted model, in float64.

    Raises:
        ValueError: as for :class:`ParameterPosterior`.
    """
    if decoder not in ("joint", "fixed"):
        raise InputError(f"decoder is {decoder!r}; give joint or fixed")
    model, data = exact(*prepared(fitted, data))
    target = Target(model, data, decoder == "joint", particles, unobserved, seed)
    if len(target) > MOST_PARAMETERS:
        raise InputError(
            f"the model has {len(target)} parameters, more than {MOST_PARAMETERS}; give "
            f"decoder='fixed', or give the mechanism priors (then its coefficient_guide is their "
            f"posterior)"
        )
    return target
