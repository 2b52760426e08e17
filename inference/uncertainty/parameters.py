"""The posterior of a model's parameters: a Normal at the maximum, importance-weighted."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...data import IncompleteData
from ...data.errors import InputError
from ..diagnostics import pareto_khat
from ..evaluating import computing
from ..prepare import prepared
from ..randomness.shifted import ShiftedSobol
from .laplace import MOST_PARAMETERS, Maximum, Target, exact, maximum

_NO_EFFECT = 0.01  # of the largest: of a direction on mean and covariance of x
_FLAT = 0.02  # of the gradient a standard error: some 1e-4 nats are left to gain
_MOST_STEPS = 60
#: draws to evaluate a maximum with: of all rows together, and at least and at most of one
_DRAWS_IN_ALL, _DRAWS_A_ROW = 200_000, (64, 1024)


class ParameterDraws(NamedTuple):
    """Draws (S, q) of the parameters, with smoothed log-weights (S,) and Pareto k-hat.

    Normalised: the weights sum to one.
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

        Systematic resampling, so that a draw of weight below 1/m comes at most once.
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

    Decoder and mechanism together, coefficients that have priors with them; what changes p(x) in
    nothing, such as the latents' rotation, is held. Draws of the Normal carry importance weights
    towards the posterior itself, whose k-hat says how far the approximation holds (Vehtari et al.,
    JMLR 2024).

    Args:
        decoder: ``"joint"``, or ``"fixed"`` to take p(x | z) as known.

    Raises:
        ValueError: more than 600 parameters, or none.
    """

    def __init__(
        self,
        fitted: Any,
        data: IncompleteData,
        *,
        decoder: str = "joint",
        particles: int = 25,
        polish: int = 3,
        unobserved: str = "auto",
        seed: int = 0,
    ) -> None:
        self.target = target_of(fitted, data, decoder, particles, unobserved, seed)
        with computing(self.target.model):
            self.maximum: Maximum = maximum(self.target, self.target.start(), polish)
        held = self.target.redundant(_NO_EFFECT)
        self._basis = np.linalg.svd(held, full_matrices=True)[0][:, held.shape[1] :]
        # given what is held: the inverse of a part of the information, not a part of its inverse
        information = self._basis.T @ np.linalg.inv(self.maximum.covariance) @ self._basis
        eigenvalues, vectors = np.linalg.eigh((information + information.T) / 2)
        self._root = vectors / np.sqrt(eigenvalues)

    def draws(self, count: int, seed: int = 0) -> ParameterDraws:
        """Sample ``count`` draws with weights; at least 100 give k-hat a tail to use."""
        noise = np.random.default_rng(seed).normal(size=(count, self._root.shape[0]))
        vectors = self.maximum.at + noise @ self._root.T @ self._basis.T
        with computing(self.target.model):
            log_p = np.array([-self.target.value(vector) for vector in vectors])
        self.target.put(self.maximum.at)
        return weighted_draws(vectors, log_p + 0.5 * np.square(noise).sum(1))

    def height(self) -> float:
        """The log-posterior at its maximum: log p(x_o, s), and priors of coefficients.

        With more draws a row than the search for the maximum needs, and evenly spread ones.
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
        self, model: Any, data: IncompleteData, start: np.ndarray | None = None
    ) -> ParameterPosterior:
        """Move the Normal to the maximum of a model that differs in what is given.

        Args:
            model: of the same parameters, and with the guide's own in place.
            start: parameters to search from, in the place of the maximum here.
        """
        from scipy.optimize import minimize  # slow to import

        moved = copy.copy(self)
        moved.target = self.target.of(model, data)
        # in the Normal's own units the search is short: there the curvature is nearly that of u^2/2
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

    def model_at(self, vector: np.ndarray) -> tuple[Any, dict[str, Tensor] | None]:
        """Return the model with these parameters, and its coefficients by site if any.

        The same module every time, changed in place.
        """
        self.target.put(vector)
        sites = {name: value.detach() for name, value in self.target.sites().items()}
        return self.target.model, sites or None


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
    fitted: Any, data: IncompleteData, decoder: str, particles: int, unobserved: str, seed: int
) -> Target:
    """Return log p(x_o, s) of a copy of the fitted model, in float64.

    Raises:
        ValueError: as :class:`ParameterPosterior`.
    """
    if decoder not in ("joint", "fixed"):
        raise InputError(f"decoder {decoder!r} is not one of joint, fixed")
    model, data = exact(*prepared(fitted, data))
    target = Target(model, data, decoder == "joint", particles, unobserved, seed)
    if len(target) > MOST_PARAMETERS:
        raise InputError(
            f"the model has {len(target)} parameters, more than {MOST_PARAMETERS}; give "
            f"decoder='fixed', or priors to the mechanism (its coefficient_guide is a posterior)"
        )
    return target
