"""Starts of a mixture's components: short fits from several of them, of which the best goes on."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...data import IncompleteData
from ...data.system.process import seeded
from ...models.networks.starts import filled_at_random
from ...models.programs.mixture import ExactMixtureEncoder, MixturePrior
from ...models.programs.selection import SelectionModel
from ..integrator import Marginal
from .fixed_bound import FixedBound
from .nonfinite import NotFiniteAt
from .settings import FitSettings
from .sides import hidden_beyond, signs_of
from .stochastic import Stochastic

_log = logging.getLogger(__name__)
#: all short fits together take at most this share of the steps of the fit
_SHARE_OF_STEPS = 0.06
#: the share of these steps in which the mechanism alone follows where a start puts missing values
_OF_MECHANISM = 1 / 3
#: fewer steps than these do not tell one start from another
_FEWEST_STEPS = 10
#: the most rows that clusters are made of and that judge a start, and the particles of each
_MOST_ROWS, _PARTICLES = 1024, 5
#: the sd of the values beyond a threshold, by that of a Normal column
_SCATTER = 0.5
#: what keeps latents finite that the values do not say
_RIDGE = 1e-3


def start_at_the_best(model: Any, train: Any, plan: FitSettings) -> int:
    """Choose among several starts of a mixture's components by the bound after a short fit.

    The likelihood of a mixture has many maxima, and under MNAR more of them: components that hold
    the missing values may lie among what was seen or beyond it. The first start is the model's own.
    Each further one fills the missing values at random given what was seen and puts the components
    at clusters of the filled rows (k-means++; Arthur & Vassilvitskii, 2007). If the mechanism is
    not ignorable, the second start first moves the filled values above what was seen, the third
    below it, the fourth leaves them, and further ones move each column by chance. The mechanism
    alone is fitted first, so that its slopes agree with where a start puts the missing values; then
    everything is. All of them together take at most six per cent of the fit's steps.

    Args:
        model: the model, which is changed in place.
        train: the rows to fit.
        plan: the settings of the fit, of which ``n_init`` is the number of starts.

    Returns:
        The number of the start that was taken, from 0, the model's own.
    """
    if not (isinstance(model, SelectionModel) and isinstance(train, IncompleteData)):
        return 0
    prior, steps = model.prior, int(_SHARE_OF_STEPS * plan.steps / plan.n_init)
    if plan.n_init == 1 or steps < _FEWEST_STEPS or not isinstance(prior, MixturePrior):
        return 0
    if len(train) <= prior.components or not all(p.requires_grad for p in prior.parameters()):
        return 0
    generator = torch.Generator().manual_seed(plan.seed)
    order = torch.randperm(len(train), generator=generator)
    marginal = Marginal(plan.unobserved)
    judge = FixedBound(model, train, order[:_MOST_ROWS], _PARTICLES, plan.seed, marginal)
    rows = train.rows(order[:_MOST_ROWS])
    with seeded(plan.seed):
        mean, deviation = filled_at_random(rows)
    own, best, taken, losses = copy.deepcopy(model.state_dict()), math.inf, 0, list[float]()
    found: dict[str, Any] = own
    for number in range(plan.n_init):
        model.load_state_dict(own)
        with seeded(plan.seed + 15_485_863 * number, train.x.device):
            if number:
                move = _moves(model, train, number)
                # what lies beyond a threshold scatters less than the whole column does
                scatter = torch.where(move == 0, 1.0, _SCATTER)
                filled = mean + (~rows.s).cpu() * move + scatter * deviation
                _start_at_clusters(model, filled, plan.seed + number)
            _short_fit(model, train, replace(plan, seed=plan.seed + number), steps)
        with torch.no_grad():
            loss = float(judge())
        losses.append(loss)
        if loss < best:
            best, taken, found = loss, number, copy.deepcopy(model.state_dict())
    model.load_state_dict(found)
    shown = ", ".join(f"{-loss:.3f}" for loss in losses)
    _log.info("start %d of %d: bounds after %d steps %s", taken + 1, plan.n_init, steps, shown)
    return taken


def _moves(model: SelectionModel, train: IncompleteData, number: int) -> Tensor:
    """Return how far a start moves the missing values of each column (p,)."""
    beyond = hidden_beyond(train)
    if bool(model.missingness.dependence(len(beyond)).ignorable.all()):
        return torch.zeros_like(beyond)
    by_number = {1: 1.0, 2: -1.0, 3: 0.0}
    side = torch.randint(-1, 2, beyond.shape).to(beyond)
    if number in by_number:
        side = torch.full_like(beyond, by_number[number])
    signs = signs_of(model.missingness, len(beyond))
    return beyond * torch.where(signs == 0, side, side.abs() * signs)


@torch.no_grad()
def _start_at_clusters(model: SelectionModel, filled: Tensor, seed: int) -> None:
    """Put the components of the prior at clusters of rows (n, p) without gaps."""
    from sklearn.cluster import KMeans

    prior, encoder = model.prior, model.encoder
    assert isinstance(prior, MixturePrior)
    assert isinstance(encoder, ExactMixtureEncoder)
    x = filled.to(prior.mean)
    given, shift = encoder.information(x, torch.ones_like(x, dtype=torch.bool))
    ridge = _RIDGE * torch.eye(given.shape[-1], dtype=x.dtype, device=x.device)
    z = torch.linalg.solve(given + ridge, shift)  # the latents that the values say
    kmeans = KMeans(prior.components, n_init=1, max_iter=20, random_state=seed)
    label = torch.as_tensor(kmeans.fit_predict(z.double().cpu().numpy())).long()
    prior.start_at(z, label)


def _short_fit(model: SelectionModel, train: IncompleteData, plan: FitSettings, steps: int) -> None:
    """Take steps of Adam, the first of them with the mechanism alone."""
    learnt = [p for p in model.missingness.parameters() if p.requires_grad]
    alone = int(_OF_MECHANISM * steps) if learnt else 0
    try:
        if alone:
            with _held(model, learnt):
                _adam(model, train, plan, alone)
        _adam(model, train, plan, steps - alone)
    except NotFiniteAt:
        pass  # its loss is not finite either, so that another start is taken


def _adam(model: SelectionModel, train: IncompleteData, plan: FitSettings, steps: int) -> None:
    """Take steps of a constant rate."""
    few = min(_PARTICLES, plan.particles)
    own = replace(
        plan, optimiser="adam", schedule="constant", steps=steps, evaluations=1, particles=few
    )
    Stochastic(model, train, own).advance(0)


@contextmanager
def _held(model: SelectionModel, learnt: list[Any]) -> Iterator[None]:
    """Hold all parameters but these."""
    kept = {id(p) for p in learnt}
    held = [p for p in model.parameters() if p.requires_grad and id(p) not in kept]
    for parameter in held:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in held:
            parameter.requires_grad_(True)
