"""Tables drawn from the very prior that is sampled, and their posterior without any preparation.

A sampler without a fault has calibrated posteriors where tables are drawn from its prior (Cook,
Gelman & Rubin, JCGS 2006). Columns are therefore neither standardised nor bent here, for these
depend on the table. Choosing tables by what is observed of them leaves their posterior as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...data import IncompleteData
from ...inference.fitting import sampled
from ...inference.fitting.sampled import PosteriorSampling
from ...inference.fitting.settings import FitSettings
from ...inference.gibbs.posterior import Posterior
from ...models import NotMIWAEPPCA
from ...models.missingness.averaged import (
    FORMS,
    LOADING_RATE,
    LOADING_SHAPE,
    SHARED_SCALE,
    SLOPE_DF,
    SLOPE_SCALE,
)

#: rates of missing values, means and standard deviations of observed values of tables that are kept
_RATES, _MOST_MEAN, _SPREADS = (0.1, 0.6), 1.0, (0.5, 2.0)


class Drawn(NamedTuple):
    """A table from the prior: values, missing mask, and the forms of the last two columns."""

    truth: np.ndarray
    missing: np.ndarray
    forms: list[str]


def drawn_exactly(seed: int, rows: int) -> Drawn:
    """Simulate two complete columns and two that are missing by mechanisms from the prior.

    The decoder is that of PPCA with three latents. Tables are drawn again until 10 to 60 % of each
    of the two columns are missing, and the observed values of every column have a mean between -1
    and 1 and a standard deviation between .5 and 2, about as those of a standardised table.
    """
    rng = np.random.default_rng([seed, 3])
    while (found := _drawn(rng, rows)) is None:
        pass
    return found


def _kept(values: np.ndarray) -> bool:
    """Whether the mean and the standard deviation of observed values are those of a kept table."""
    sd = values.std()
    return bool(abs(values.mean()) <= _MOST_MEAN and _SPREADS[0] <= sd <= _SPREADS[1])


def _drawn(rng: np.random.Generator, rows: int) -> Drawn | None:
    weight = rng.normal(size=(4, 3)) / np.sqrt(rng.gamma(1.0, size=3))
    z = rng.normal(size=(rows, 3))
    noise = np.sqrt(0.1 / rng.gamma(1.0)) * rng.normal(size=(rows, 4))
    x = 2.0 * rng.normal(size=4) + z @ weight.T + noise
    if not all(map(_kept, x[:, :2].T)):
        return None
    missing, forms = np.zeros((rows, 4), bool), []
    for j, form, gone in mechanisms_from_prior(rng, x, z):
        missing[:, j] = gone
        forms.append(form)
        if not (_RATES[0] <= gone.mean() <= _RATES[1] and _kept(x[~gone, j])):
            return None
    return Drawn(x, missing, forms)


def mechanisms_from_prior(
    rng: np.random.Generator, x: np.ndarray, z: np.ndarray
) -> Iterator[tuple[int, str, np.ndarray]]:
    """Draw mechanisms of the last two columns from the prior, one after the other, and their masks.

    Args:
        rng: the source of random numbers.
        x: (n, 4) the values.
        z: (n, d) the latents.

    Yields:
        The column's position, its form, and which of its values are missing (n,).
    """
    others, rows = x[:, :2], len(x)
    spread = SHARED_SCALE * abs(rng.standard_cauchy())
    mean = rng.normal(size=2) * np.sqrt(0.5 / rng.gamma(1.0) / 2)
    v = others @ mean + rng.normal(size=rows)
    share = rng.dirichlet(2.0 * np.array(list(FORMS.values())))
    for j in (2, 3):
        form = str(rng.choice(list(FORMS), p=share))
        score = rng.normal(scale=3.0) + spread * rng.normal() * v + rng.normal(size=rows)
        if "own value" in form:
            score = score + SLOPE_SCALE * rng.standard_t(SLOPE_DF) * x[:, j]
        for part, read in (("latent", z), ("other columns", others)):
            if part in form:
                variance = LOADING_RATE / rng.gamma(LOADING_SHAPE) / read.shape[1]
                score = score + read @ rng.normal(size=read.shape[1]) * np.sqrt(variance)
        yield j, form, score > 0


class _AsGiven(PosteriorSampling):
    """Sampling without standardising or bending columns, which keeps their completed means."""

    def __init__(self, drawn: Drawn, seed: int) -> None:
        data = IncompleteData.from_numpy(np.where(drawn.missing, np.nan, drawn.truth))
        plan = FitSettings(seed=seed, steps=sampled.SWEEPS)
        super().__init__(NotMIWAEPPCA(data, "auto", seed=seed), data, plan)
        chains = self.chains
        x = torch.from_numpy(np.where(drawn.missing, 0.0, drawn.truth)).expand_as(chains.bends.y)
        chains.bends.straight = torch.ones_like(chains.bends.straight)
        chains.bends.y, chains.bends.log_slope = x.clone(), torch.zeros_like(x)
        chains.y = torch.where(self.seen, x, chains.y)
        chains.read_bent()
        self.means: list[Tensor] = []

    def _hold_bends(self) -> None:
        self.evidence = []

    def _sweep(self) -> None:
        kept = len(self.kept)
        super()._sweep()
        if len(self.kept) > kept:
            self.means.append(self.chains.y[..., self.chains.columns].mean(1))


def posterior_of(drawn: Drawn, seed: int) -> tuple[Posterior, Tensor]:
    """Sample the posterior of a table.

    Returns:
        The posterior, and draws (M, K, 2) of the means of the completed columns by chain.
    """
    sampling = _AsGiven(drawn, seed)
    while not sampling.finished:
        sampling.advance(0)
    return sampling.posterior(), torch.stack(sampling.means)


def ranks(draws: Tensor, truth: Sequence[float]) -> list[float]:
    """Return the posterior probabilities that quantities are below their true values.

    Args:
        draws: (M, K, q) draws of q quantities in K chains, which count alike.
        truth: the q true values.

    >>> ranks(torch.tensor([[[0.0], [2.0]], [[1.0], [3.0]]]), [1.5])
    [0.5]
    """
    below = (draws < torch.tensor(truth)).double().mean((0, 1))
    return [round(float(one), 6) for one in below]
