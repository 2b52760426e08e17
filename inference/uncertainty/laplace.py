"""The Laplace approximation of log p(x_o, s): its maximum near a fit, and the information there."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from pyro import poutine
from torch import Tensor
from torch.distributions import constraints

from ...data import IncompleteData
from ...data.errors import InputError
from ...data.system.process import seeded
from ...models.programs.base import RowModel
from ..evaluating import learning
from ..integrator import Marginal
from ..prepare import coefficient_medians
from ..randomness.noise import Noise
from ..vimco import has_scores
from .known import digest
from .redundancy import redundant

#: of more parameters the information matrix takes too long
MOST_PARAMETERS = 600
#: precision of a Normal prior on all parameters, so that directions without any information (a
#: rotation of the latents) have a finite variance
_WEAK = 1e-4
_STEP = 1e-3
_ROWS_AT_ONCE = 512
#: the most information matrices that are computed on the way to the maximum
_ROUNDS = 4
#: the distance over which one such matrix serves, in standard errors of all parameters together
_NEAR = 5.0
_RISING = 1e-6  # of the largest curvature, which is more than the error of differences


class Target:
    """The log-posterior: log p(x_o, s) and priors, as a function of one parameter vector."""

    @learning()
    def __init__(
        self,
        model: RowModel,
        data: IncompleteData,
        joint: bool,
        particles: int,
        unobserved: str,
        seed: int,
    ) -> None:
        if model.trunk is not None:
            raise InputError(
                "the mask of a GNR reads the trunk that it shares with the decoder, for whose "
                "parameters there are no standard errors; give parameters='bootstrap'"
            )
        self.model, self.data, self.joint = model, data, joint
        self.particles, self.unobserved, self.seed = particles, unobserved, seed
        #: makes the source of the rows' random numbers, if not their distributions themselves
        self.noise: Callable[[int], Noise] | None = None
        self.marginal = Marginal(unobserved)
        self.raw: dict[str, Tensor] = {}  # values of sites; logarithms of positive ones
        self.positive: list[str] = []
        guide = model.coefficient_guide
        if guide is not None:
            medians = coefficient_medians(model)
            nodes = guide.prototype_trace.nodes
            positive = constraints.positive
            self.positive = [k for k in medians if nodes[k]["fn"].support is positive]
            for name, value in medians.items():
                value = value.detach().clone()
                value = value.clamp_min(1e-12).log() if name in self.positive else value
                self.raw[name] = value.requires_grad_()
            model.coefficient_guide = None
        held = model.missingness.hyperparameters
        mechanism = [
            p for n, p in model.missingness.named_parameters() if p.requires_grad and n not in held
        ]
        parts = [part for part in (model.decoder, model.predictor) if part is not None]
        rest = [p for part in parts for p in part.parameters() if p.requires_grad] if joint else []
        self.tensors: list[Tensor] = [*mechanism, *self.raw.values(), *rest]
        self.mechanism_size = sum(p.numel() for p in mechanism) + len(self.raw)

    def of(self, model: RowModel, data: IncompleteData) -> Target:
        """Return the same target for a model with the same parameters."""
        model, data = exact(model, data)
        return Target(model, data, self.joint, self.particles, self.unobserved, self.seed)

    def sites(self) -> dict[str, Tensor]:
        """Return the coefficients that have priors, with gradients."""
        return {k: v.exp() if k in self.positive else v for k, v in self.raw.items()}

    def estimands(self) -> dict[str, Tensor]:
        """Return the coefficients as they are reported, with gradients."""
        context: dict[str, Any] = self.sites()
        found: dict[str, Tensor] = self.model.missingness.shown(self.data, **context)
        return found

    def digest(self, *further: Any) -> str | None:
        """Return a digest of further things and of what the values depend on, as it is now."""
        settings = self.joint, self.particles, self.unobserved, self.seed
        rows = torch.arange(len(self.data), device=self.data.x.device)
        table = self.data.x, self.data.s, self.data.extras(rows)
        # every copy has another number, by which Pyro tells models apart
        parts = {name: part for name, part in vars(self.model).items() if name != "_number"}
        return digest(type(self.model), parts, self.raw, settings, table, further)

    def __len__(self) -> int:
        return sum(tensor.numel() for tensor in self.tensors)

    def start(self) -> np.ndarray:
        """Return the fitted values of the parameters."""
        return np.concatenate([t.detach().cpu().numpy().ravel() for t in self.tensors])

    @torch.no_grad()
    def put(self, vector: np.ndarray) -> None:
        """Set all parameters from one vector."""
        begin = 0
        for tensor in self.tensors:
            part = torch.from_numpy(vector[begin : begin + tensor.numel()].copy())
            tensor.copy_(part.view_as(tensor))
            begin += tensor.numel()

    def redundant(self, least: float = 0.0) -> np.ndarray:
        """Return orthonormal directions (q, r) that change parameters but not p(x)."""
        return redundant(self.model, self.tensors, least)

    @learning()
    def __call__(self, vector: np.ndarray) -> tuple[float, np.ndarray]:
        """Return minus the log-posterior and its gradient."""
        self.put(vector)
        for tensor in self.tensors:
            tensor.grad = None
        value = 0.0
        for loss in self._losses():
            loss.backward()
            value += float(loss.detach())
        gradient = np.concatenate(
            [
                np.zeros(t.numel()) if t.grad is None else t.grad.cpu().numpy().ravel()
                for t in self.tensors
            ]
        )
        return (
            value + 0.5 * _WEAK * float(vector @ vector),
            gradient + _WEAK * vector,
        )

    @torch.no_grad()
    def value(self, vector: np.ndarray) -> float:
        """Return minus the log-posterior."""
        self.put(vector)
        return float(sum(self._losses())) + 0.5 * _WEAK * float(vector @ vector)

    def _losses(self) -> Iterator[Tensor]:
        """Yield minus the bound in blocks of rows, with the terms outside the rows in the first."""
        with seeded(self.seed, self.data.x.device):
            for number, rows in enumerate(
                torch.arange(len(self.data), device=self.data.x.device).split(_ROWS_AT_ONCE)
            ):
                program = self.model.model
                if self.raw:
                    program = poutine.condition(program, data=self.sites())
                run, _ = self.marginal.run(
                    program,
                    self.model.guide,
                    self.data.x[rows],
                    self.data.s[rows],
                    num_particles=self.particles,
                    noise=None if self.noise is None else self.noise(self.seed + number),
                    **self.data.extras(rows),
                )
                if has_scores(run):
                    raise InputError(
                        "a formula reads another column whose missing levels or counts are "
                        "sampled, for which there are no standard errors; give the coefficients "
                        "priors (then the model's coefficient_guide is their posterior)"
                    )
                bound = run.log_weight.logsumexp(0).sum() - len(rows) * math.log(self.particles)
                yield -(bound + run.log_global) if number == 0 else -bound


@learning()
def exact(model: RowModel, data: IncompleteData) -> tuple[RowModel, IncompleteData]:
    """Return a copy of the model, in float64 and for evaluation, and the data with it."""
    model = copy.deepcopy(model).double().eval()
    device = next(model.parameters(), data.x).device
    return model, data.to(device=device, dtype=torch.float64)


class Maximum(NamedTuple):
    """The result of a search for the maximum.

    Attributes:
        at: (q,) the parameters.
        covariance: (q, q) the inverse of the observed information.
        way: (q,) the step from the fit to the maximum.
        rest: (q,) one more Newton step, which is small where the maximum was reached.
        rising: the number of directions in which the likelihood curves upward.
    """

    at: np.ndarray
    covariance: np.ndarray
    way: np.ndarray
    rest: np.ndarray
    rising: int


def maximum(target: Target, at: np.ndarray, polish: int) -> Maximum:
    """Find the maximum near the fit, and the information there.

    Newton steps are halved where they overshoot. A fit ends near its maximum, so that one
    information matrix serves for several steps; if they lead far, the matrix is computed again.

    Args:
        target: minus the log-posterior, with gradient.
        at: (q,) the parameters of the fit.
        polish: the number of steps with one matrix.
    """
    fixed = target.redundant()
    free = np.eye(len(at)) - fixed @ fixed.T
    value, gradient = target(at)
    fit = at
    for _ in range(_ROUNDS if polish else 1):
        information = free @ _information(target, at) @ free
        eigenvalues, vectors = np.linalg.eigh(information)
        # away from the maximum a direction may curve upward; the step along it still goes downhill
        size = np.maximum(np.abs(eigenvalues), 1e-2)
        inverse = free @ (vectors / size) @ vectors.T @ free
        far = math.sqrt(float(gradient @ inverse @ gradient))  # in standard errors
        for _ in range(polish):
            step = -inverse @ gradient
            step *= min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-12))
            for halving in range(6):
                there, slope = target(at + step / 2**halving)
                if there < value:
                    at, value, gradient = at + step / 2**halving, there, slope
                    break
            else:
                break
        if far < _NEAR:
            break
    rest = -inverse @ gradient
    largest = float(eigenvalues.max())
    rising = int((eigenvalues < -_RISING * largest).sum())
    eigenvalues, vectors = np.linalg.eigh(information + largest * fixed @ fixed.T)
    covariance = (vectors / np.maximum(eigenvalues, _WEAK)) @ vectors.T
    return Maximum(at, covariance, at - fit, rest, rising)


def _information(target: Callable[[np.ndarray], Any], at: np.ndarray) -> np.ndarray:
    """Compute second derivatives by central differences of the gradient."""
    result = np.empty((len(at), len(at)))
    for q in range(len(at)):
        step = _STEP * max(1.0, abs(at[q]))
        forward, backward = at.copy(), at.copy()
        forward[q] += step
        backward[q] -= step
        result[q] = (target(forward)[1] - target(backward)[1]) / (2 * step)
    return (result + result.T) / 2
