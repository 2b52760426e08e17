"""The methods that the demonstration compares, in groups that need nothing of each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from ..data import IncompleteData
from ..inference import FitResult, Imputation, fit, impute
from ..inference.imputing.settings import Particles
from ..models import MIWAE, PPCA, NotMIWAEPPCA
from . import baselines
from .oracle import truncated_gaussian

#: the level of the cells' intervals
LEVEL = 0.9


class Settings(NamedTuple):
    """What all methods of a demonstration share.

    Attributes:
        seed: determines all random numbers.
        steps: optimiser steps of each fit; None for the defaults.
        particles: importance samples per row; "auto" for as many as each row needs.
        progress: show progress bars.
    """

    seed: int
    steps: int | None
    particles: Particles
    progress: bool


class Answer(NamedTuple):
    """What a method makes of the incomplete table.

    Attributes:
        method: what the table of results calls it.
        mean: (n, p) completed table.
        interval: lower and upper ends (n, p) of the cells' intervals, if the method has them.
        reliable: the share of rows with a good k-hat, where there are weights.
        seconds: how long it took.
    """

    method: str
    mean: np.ndarray
    interval: tuple[np.ndarray, np.ndarray] | None
    reliable: float | None
    seconds: float


def peers(data: IncompleteData) -> list[Answer]:
    """Impute by the column's mean and by MICE, which assume missing at random."""
    answers = []
    for name, method in (("column mean", baselines.column_mean), ("MICE", baselines.mice)):
        with _clock() as seconds:
            mean, low, high = method(data.values)
        answers.append(Answer(name, mean, (low, high), None, seconds()))
    return answers


def models_at_random(data: IncompleteData, settings: Settings) -> list[Answer]:
    """Impute by MIWAE, a network, and by PPCA, which assume missing at random."""
    shown: dict[str, Any] = {"seed": settings.seed, "progress": settings.progress}
    with _clock() as seconds:
        steps: dict[str, Any] = {} if settings.steps is None else {"steps": settings.steps}
        model = MIWAE(data, seed=settings.seed)
        filled = impute(fit(model, data, **steps, **shown), data, settings.particles, **shown)
    answers = [_of_model("MIWAE", filled, seconds())]
    with _clock() as seconds:
        model = PPCA(data, seed=settings.seed)
        how = _linear(settings)
        filled = impute(fit(model, data, **how, **shown), data, settings.particles, **shown)
    return [*answers, _of_model("PPCA", filled, seconds())]


def _linear(settings: Settings) -> dict[str, Any]:
    """Return the settings of the fits of linear models."""
    how: dict[str, Any] = {"validation": 0.0}
    if settings.steps is not None:
        how |= {"steps": settings.steps, "learning_rate": 1e-2}
    return how


def models_not_at_random(
    data: IncompleteData, truth: np.ndarray, settings: Settings
) -> tuple[list[Answer], FitResult, Imputation]:
    """Impute by a linear model that is told the form of the mechanism, and by an oracle.

    Args:
        data: the incomplete table.
        truth: (n, p) the complete table, which only the oracle sees.
        settings: what all methods share.

    Returns:
        The answers, and the fit and the imputation of not-MIWAE-PPCA.
    """
    how = _linear(settings)
    shown: dict[str, Any] = {"seed": settings.seed, "progress": settings.progress}
    with _clock() as seconds:
        fitted = fit(
            NotMIWAEPPCA(data, "self-masking", sign="+", seed=settings.seed), data, **how, **shown
        )
        # no warning of values outside the observed range: the hidden values do lie outside
        filled = impute(fitted, data, settings.particles, check=False, **shown)
    answers = [_of_model("not-MIWAE-PPCA", filled, seconds())]
    with _clock() as seconds:
        published = impute(
            fitted,
            data,
            settings.particles,
            rule="decoder-mean",
            refine=False,
            draws=0,
            check=False,
            **shown,
        )
    answers.append(Answer("  the same, decoder-mean rule", published.mean, None, None, seconds()))
    with _clock() as seconds:
        mean = truncated_gaussian(truth, ~data.s.numpy())
    oracle = "oracle: complete-data Gaussian, true mechanism"
    return [*answers, Answer(oracle, mean, None, None, seconds())], fitted, filled


def _of_model(method: str, filled: Imputation, seconds: float) -> Answer:
    reliable = float(filled.reliable.mean())
    return Answer(method, filled.mean, filled.interval(LEVEL), reliable, seconds)


@contextmanager
def _clock() -> Iterator[Callable[[], float]]:
    """Yield a function that returns the seconds that the block took."""
    begun = time.perf_counter()
    ended: list[float] = []
    yield lambda: ended[0] - begun
    ended.append(time.perf_counter())
