"""Starts on both sides of a mechanism: missing values above those that were seen, and below."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ...data import IncompleteData
from ...models.networks.decoders import LinearGaussianDecoder
from ...models.programs.base import RowModel
from .coordinates import Coordinates
from .eager import LBFGS
from .fixed_bound import FORBIDDEN, FixedBound

#: the rows of these short searches, and their iterations: of the mechanism alone, and of everything
ROWS = 1024
_OF_MECHANISM, _OF_ALL = 8, 10
#: by how many nats per row another side must be better
_WORTH = 5e-3
#: the share of the distance at which a threshold would hide the missing values
_SHARE = 0.5
#: how many of the last gradients the curvature is learnt from
_HISTORY = 20


def start_on_the_better_side(
    model: RowModel, train: IncompleteData, bound: Callable[[], FixedBound], seed: int
) -> None:
    """Choose among starts at random, above and below what was seen, by short searches from each.

    A likelihood under MNAR has several maxima: in one a column's slope is near zero and its missing
    values lie where the other columns put them; in another the slope is steep and they lie beyond
    what was seen, above or below it. A search does not find from one to the other. From each start
    the mechanism alone is fitted first, so that its slopes agree with where the values lie.

    Args:
        model: the model, started as if values were missing at random; changed in place.
        train: the table.
        bound: makes the bound of some rows for the parameters that are being fitted.
        seed: the seed of the coordinates.
    """
    decoder, mechanism = model.decoder, model.missingness
    assert isinstance(decoder, LinearGaussianDecoder)
    learnt = any(p.requires_grad for p in mechanism.parameters())
    if not learnt or not decoder.mean.bias.requires_grad or bool(train.s.all()):
        return
    at_random = copy.deepcopy(model.state_dict())
    best = _search(model, train, bound(), seed, _OF_ALL)
    found = copy.deepcopy(model.state_dict())
    for shift, stretch in _sides(mechanism, train):
        model.load_state_dict(at_random)
        with torch.no_grad():
            decoder.mean.bias.add_(shift.to(decoder.mean.bias))
            decoder.mean.weight *= stretch.to(decoder.mean.bias).unsqueeze(-1)
        with _held(decoder):
            _search(model, train, bound(), seed, _OF_MECHANISM)
        loss = _search(model, train, bound(), seed, _OF_ALL)
        if loss < best - _WORTH:
            best, found = loss, copy.deepcopy(model.state_dict())
    model.load_state_dict(found)


def _sides(mechanism: Any, train: IncompleteData) -> list[tuple[Tensor, Tensor]]:
    """Return what is added to the means (p,), and what multiplies the weights of the columns (p,).

    The missing values lie above and below what was seen, or only where a given sign says. If the
    share f of a Normal column is hidden above a threshold, the sd of what is seen is
    sqrt(1 - q h - h^2) times that of the column, and its mean lies h sds of the column below, with
    q the quantile of 1 - f and h = phi(q) / (1 - f). A share of either difference is taken.
    """
    rate, height, wider = _threshold(train)
    size = torch.where(rate > 0, _SHARE * height * wider * _seen_sd(train), 0.0)
    stretch = torch.where(rate > 0, 1 + _SHARE * (wider - 1), 1.0)
    signs = signs_of(mechanism, len(size))
    free = (signs == 0) & (rate > 0)
    both = (1.0, -1.0) if bool(free.any()) else (1.0,)
    return [(size * torch.where(signs == 0, side, signs), stretch) for side in both]


def hidden_beyond(train: IncompleteData) -> Tensor:
    """Return how far the mean of what is hidden lies from that of what is seen, (p,).

    A threshold that hides the share f of a Normal column has h / f sds of the column between them,
    with h as in :func:`_sides`.
    """
    rate, height, wider = _threshold(train)
    return torch.where(rate > 0, height / rate.clamp(1e-3, 0.9) * wider * _seen_sd(train), 0.0)


def signs_of(mechanism: Any, columns: int) -> Tensor:
    """Return the signs (p,) of a mechanism's slopes, 0 where none is given."""
    given = getattr(mechanism, "sign", None)
    signs = torch.zeros(columns, dtype=torch.float64)
    if isinstance(given, Tensor):
        signs = given.detach().cpu().double().expand_as(signs)
    return signs


def _threshold(train: IncompleteData) -> tuple[Tensor, Tensor, Tensor]:
    """Return the share hidden of each column, h of :func:`_sides`, and its sd by that seen."""
    rate = (~train.s).double().mean(0).cpu()
    f = rate.clamp(1e-3, 0.9)
    q = torch.special.ndtri(1 - f)
    h = (-0.5 * q.square()).exp() / math.sqrt(2 * math.pi) / (1 - f)
    return rate, h, (1 - q * h - h.square()).clamp_min(0.1).rsqrt()


def _seen_sd(train: IncompleteData) -> Tensor:
    """Return the standard deviations (p,) of what is seen, on the model's scale."""
    seen = train.s.double()
    count = seen.sum(0).clamp_min(1)
    mean = (train.x * seen).sum(0) / count
    return ((train.x - mean).square() * seen).sum(0).div(count).sqrt().cpu()


def _search(
    model: RowModel, train: IncompleteData, bound: FixedBound, seed: int, iterations: int
) -> float:
    """Take some iterations from where the model is; return the loss after them."""
    coordinates = Coordinates(model, train, seed)
    optimiser = lbfgs(coordinates, iterations, 10 * iterations)
    optimiser.step(closure(bound, coordinates))
    coordinates.to_parameters()
    with torch.no_grad():
        loss = float(bound())
    return loss if math.isfinite(loss) else FORBIDDEN


def lbfgs(coordinates: Coordinates, iterations: int, passes: int) -> LBFGS:
    """Return the optimiser of some coordinates.

    Args:
        coordinates: the coordinates.
        iterations: the most iterations of a step.
        passes: the most evaluations of a step, line searches included.
    """
    return LBFGS(
        coordinates.values,
        max_iter=iterations,
        max_eval=passes,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        history_size=_HISTORY,
        line_search_fn="strong_wolfe",
    )


def closure(bound: Callable[[], Tensor], coordinates: Coordinates) -> Callable[[], Tensor]:
    """Return what the optimiser calls: the loss, with its gradients by the coordinates."""

    def evaluate() -> Tensor:
        coordinates.to_parameters()
        loss = bound()
        coordinates.take_gradients()
        return loss

    return evaluate


@contextmanager
def _held(decoder: LinearGaussianDecoder) -> Iterator[None]:
    """Hold a decoder's parameters."""
    learnt = [p for p in decoder.parameters() if p.requires_grad]
    for parameter in learnt:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learnt:
            parameter.requires_grad_(True)
