"""How well the data determine a mechanism: its coefficients with standard errors and intervals."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyro
import torch
from pyro import poutine
from scipy.stats import norm
from torch import Tensor
from torch.distributions import constraints

from ..data import IncompleteData
from ..models import LinearGaussianDecoder, NetworkDecoder
from .impute import prepared
from .marginal import Marginal
from .randomness import seeded
from .score import has_scores

#: more parameters than this and their information matrix takes too long
MOST_PARAMETERS = 600
#: precision of a Normal prior on parameters that have none: directions without any information
#: (a rotation of the latents) then have a variance, if a large one
_WEAK = 1e-4
_STEP = 1e-3
_ROWS_AT_ONCE = 512


def coefficient_posterior(
    fitted: Any,
    data: IncompleteData,
    *,
    level: float = 0.9,
    particles: int = 25,
    polish: int = 3,
    decoder: str = "joint",
    missing: str = "auto",
    seed: int = 0,
) -> pd.DataFrame:
    """Posterior of the mechanism's coefficients: estimates, standard errors, intervals.

    A Laplace approximation: Normal around the fit, with the inverse of the observed information
    of log p(x_o, s), decoder and mechanism together, so that what the model of x leaves open
    counts (intervals that hold the decoder fixed are too narrow under MNAR). log p(x_o, s) is the
    importance-weighted bound with the same random numbers throughout, its second derivatives are
    differences of gradients. Priors of coefficients take part as what they are.

    >>> import numpy as np
    >>> import absentia as ab
    >>> rng = np.random.default_rng(0)
    >>> rows = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=300)
    >>> rows[rng.random(300) < 1 / (1 + np.exp(-2 * rows[:, 0])), 0] = np.nan
    >>> data = ab.IncompleteData.from_numpy(rows, columns=["a", "b"])
    >>> fitted = ab.fit(ab.NotMIWAEPPCA(data, "a ~ a"), data, steps=300, progress=False)
    >>> table = ab.coefficient_posterior(fitted, data)
    >>> bool(table.loc["a ~ a", "lower"] < 2 < table.loc["a ~ a", "upper"])
    True

    :param level: of the intervals.
    :param particles: importance samples a row.
    :param polish: Newton steps towards the maximum; a stochastic fit ends near it.
    :param decoder: ``"joint"``, or ``"fixed"`` to take p(x | z) as known (for networks).
    :returns: one row a coefficient: estimate, sd, lower, upper; a formula's are of the log-odds
        of being missing, in the data's own units.
    :raises ValueError: for a mechanism without anything to estimate, or a model of more than 600
        parameters under ``decoder="joint"``.
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; give a probability such as 0.9")
    if decoder not in ("joint", "fixed"):
        raise ValueError(f"decoder {decoder!r} is not one of joint, fixed")
    model, data = prepared(fitted, data)
    model = copy.deepcopy(model).double().eval()
    data = data.to(device=next(model.parameters(), data.x).device, dtype=torch.float64)
    target = _Target(model, data, decoder == "joint", particles, missing, seed)
    if not target.mechanism_size:
        raise ValueError(
            f"{type(model.missingness).__name__} has no coefficient to estimate: all are given"
        )
    if len(target) > MOST_PARAMETERS:
        raise ValueError(
            f"the model has {len(target)} parameters, more than {MOST_PARAMETERS}; give "
            f"decoder='fixed', or priors to the mechanism (its coefficient_guide is a posterior)"
        )
    with pyro.validation_enabled(False):
        at, information = _maximum(target, target.start(), polish)
        covariance = np.linalg.inv(information)
        return _table(target, at, covariance, level)


class _Target:
    """log p(x_o, s) and priors, as a function of decoder and mechanism in one vector."""

    def __init__(
        self,
        model: Any,
        data: IncompleteData,
        joint: bool,
        particles: int,
        missing: str,
        seed: int,
    ) -> None:
        self.model, self.data = model, data
        self.particles, self.seed = particles, seed
        self.marginal = Marginal(missing)
        self.sites: dict[str, Tensor] = {}
        self.positive: list[str] = []
        guide = model.coefficient_guide
        if guide is not None:
            with torch.no_grad():
                medians = guide.median()
            self.sites = {k: v.detach().clone().requires_grad_() for k, v in medians.items()}
            nodes = guide.prototype_trace.nodes
            self.positive = [
                k for k in self.sites if nodes[k]["fn"].support is constraints.positive
            ]
            model.coefficient_guide = None
        held = model.missingness.hyperparameters
        mechanism = [
            p for n, p in model.missingness.named_parameters() if p.requires_grad and n not in held
        ]
        rest = [p for p in model.decoder.parameters() if p.requires_grad] if joint else []
        self.tensors: list[Tensor] = [*mechanism, *self.sites.values(), *rest]
        self.mechanism_size = sum(p.numel() for p in mechanism) + len(self.sites)
        self.program = (
            poutine.condition(model.model, data=self.sites) if self.sites else model.model
        )

    def __len__(self) -> int:
        return sum(tensor.numel() for tensor in self.tensors)

    def start(self) -> np.ndarray:
        """The fitted values."""
        return np.concatenate([t.detach().cpu().numpy().ravel() for t in self.tensors])

    @torch.no_grad()
    def put(self, vector: np.ndarray) -> None:
        """Set all parameters."""
        begin = 0
        for tensor in self.tensors:
            part = torch.from_numpy(vector[begin : begin + tensor.numel()].copy())
            tensor.copy_(part.view_as(tensor))
            begin += tensor.numel()

    def turns(self) -> np.ndarray:
        """Orthonormal directions (q, r) that only turn the latents, about which x says nothing.

        z is as likely turned as not, and a decoder's first layer turns it back: W A for every
        antisymmetric A. Held fixed they change no estimand, and left free only Monte-Carlo error
        would say anything about them.
        """
        layers = _layers_of_z(self.model.decoder)
        if "z" in self.model.missingness.asks:
            layers = []
        places = [k for k, tensor in enumerate(self.tensors) if any(tensor is w for w in layers)]
        d = self.model.decoder.latent_dim
        found = []
        for a, b in itertools.combinations(range(d), 2) if places else ():
            parts = [np.zeros(tensor.numel()) for tensor in self.tensors]
            for k in places:
                weight = self.tensors[k].detach().cpu().numpy()
                turned = np.zeros_like(weight)
                turned[:, a], turned[:, b] = weight[:, b], -weight[:, a]
                parts[k] = turned.ravel()
            found.append(np.concatenate(parts))
        if not found:
            return np.zeros((len(self), 0))
        return np.linalg.qr(np.stack(found, 1))[0]

    def __call__(self, vector: np.ndarray) -> tuple[float, np.ndarray]:
        """Minus the log posterior and its gradient."""
        self.put(vector)
        for tensor in self.tensors:
            tensor.grad = None
        value = 0.0
        with seeded(self.seed, self.data.x.device):
            for number, rows in enumerate(
                torch.arange(len(self.data), device=self.data.x.device).split(_ROWS_AT_ONCE)
            ):
                extras = {name: t[rows] for name, t in self.data.extras().items()}
                run, _ = self.marginal.run(
                    self.program,
                    self.model.guide,
                    self.data.x[rows],
                    self.data.s[rows],
                    num_particles=self.particles,
                    **extras,
                )
                if has_scores(run):
                    raise ValueError(
                        "a formula reads another column whose missing levels or counts are drawn, "
                        "for which there are no standard errors here; give the coefficients priors "
                        "(the model's coefficient_guide is a posterior)"
                    )
                bound = run.log_weight.logsumexp(0).sum() - len(rows) * math.log(self.particles)
                loss = -(bound + run.log_global) if number == 0 else -bound
                loss.backward()
                value += float(loss.detach())
        gradient = np.concatenate(
            [
                np.zeros(t.numel()) if t.grad is None else t.grad.cpu().numpy().ravel()
                for t in self.tensors
            ]
        )
        if any(bool((self.sites[name] < 0).any()) for name in self.positive):
            value = math.inf  # against its direction: the step is halved
        return (
            value + 0.5 * _WEAK * float(vector @ vector),
            gradient + _WEAK * vector,
        )


def _maximum(target: _Target, at: np.ndarray, polish: int) -> tuple[np.ndarray, np.ndarray]:
    """The information at the fit, and steps with it towards the maximum, halved where they
    overshoot: a fit ends near its maximum, so that one matrix serves for all of them.
    """
    value, gradient = target(at)
    fixed = target.turns()
    free = np.eye(len(at)) - fixed @ fixed.T
    information = free @ _information(target, at) @ free
    eigenvalues, vectors = np.linalg.eigh(information)
    # away from the maximum a direction may curve upward: step along it downhill all the same
    size = np.maximum(np.abs(eigenvalues), 1e-2)
    for _ in range(polish):
        step = -free @ (vectors / size) @ (vectors.T @ (free @ gradient))
        step *= min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-12))
        for halving in range(6):
            there, slope = target(at + step / 2**halving)
            if there < value:
                at, value, gradient = at + step / 2**halving, there, slope
                break
        else:
            break
    largest = float(eigenvalues.max())
    eigenvalues, vectors = np.linalg.eigh(information + largest * fixed @ fixed.T)
    return at, (vectors * np.maximum(eigenvalues, _WEAK)) @ vectors.T


def _information(target: Callable[[np.ndarray], Any], at: np.ndarray) -> np.ndarray:
    """Second derivatives by central differences of the gradient."""
    result = np.empty((len(at), len(at)))
    for q in range(len(at)):
        step = _STEP * max(1.0, abs(at[q]))
        forward, backward = at.copy(), at.copy()
        forward[q] += step
        backward[q] -= step
        result[q] = (target(forward)[1] - target(backward)[1]) / (2 * step)
    return (result + result.T) / 2


def _layers_of_z(decoder: Any) -> list[Tensor]:
    """The weights (., d) that a decoder multiplies z with."""
    layers: list[Any] = [decoder.mean] if isinstance(decoder, LinearGaussianDecoder) else []
    if isinstance(decoder, NetworkDecoder):
        layers = [decoder.network[0]] if len(decoder.network) else [decoder.mean]
        layers += [decoder.skip] if decoder.skip is not None else []
    return [layer.weight for layer in layers]


def _table(target: _Target, at: np.ndarray, covariance: np.ndarray, level: float) -> pd.DataFrame:
    """Estimands by the delta method."""
    target.put(at)
    context: dict[str, Any] = dict(target.sites)
    named = target.model.missingness.estimands(**context)
    rows, index = [], []
    quantile = float(norm.ppf((1 + level) / 2))
    columns = target.model.columns
    for name, values in named.items():
        if not values.requires_grad:
            continue  # given, not estimated
        many = values.numel() > 1
        for k, value in enumerate(values.reshape(-1)):
            slope = torch.autograd.grad(
                value, target.tensors, retain_graph=True, allow_unused=True, materialize_grads=True
            )
            j = np.concatenate([s.detach().cpu().numpy().ravel() for s in slope])
            sd = math.sqrt(max(float(j @ covariance @ j), 0.0))
            if sd == 0.0:
                continue  # given, not estimated
            index.append(f"{name}[{_place(k, values.shape, columns)}]" if many else name)
            estimate = float(value.detach())
            rows.append((estimate, sd, estimate - quantile * sd, estimate + quantile * sd))
    frame = pd.DataFrame(rows, columns=["estimate", "sd", "lower", "upper"], index=index)
    frame.index.name = "coefficient"
    return frame


def _place(k: int, shape: torch.Size, columns: tuple[str, ...]) -> str:
    """Where element k stands: by its column, and by its row where there are rows."""
    if shape[-1] != len(columns):
        return str(k)
    row, column = divmod(k, len(columns))
    return columns[column] if len(shape) == 1 else f"{row}, {columns[column]}"
