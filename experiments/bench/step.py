"""The time of a training step, compared with a hand-written step and with stock Pyro."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyro
import torch
from torch import Tensor

from ...data import IncompleteData, amputation
from ...data.datasets.synthetic import LinearGaussian
from ...inference import ImportanceWeightedELBO
from ...inference.integrator import Unobserved
from ...models import NotMIWAE, SelectionModel
from .plain import PlainNotMIWAE
from .timing import interleaved

PARTICLES = 20
NUM_COLUMNS = 30
#: targets for the time of a step over that of the hand-written step, by batch size
TARGETS = {16: 1.2, 128: 1.05, 1024: 1.0}


def synthetic_table(num_rows: int, latent_dim: int, seed: int) -> IncompleteData:
    """Make (num_rows, 30) linear Gaussian data, with a fifth of the cells self-masked."""
    truth = LinearGaussian.random(NUM_COLUMNS, latent_dim, sigma=1.0, seed=seed)
    _, complete = truth.sample(num_rows, seed=seed)
    standardised = (complete - complete.mean(0)) / complete.std(0)
    slopes, offsets = np.full(NUM_COLUMNS, -1.0), np.full(NUM_COLUMNS, 1.6)
    hidden = amputation.logistic_self_masking(standardised, slopes, offsets, seed=seed)
    return IncompleteData.from_numpy(hidden.apply(standardised))


def step_times(
    batch_sizes: tuple[int, ...],
    latent_dims: tuple[int, ...],
    hidden: int,
    rounds: int,
    seed: int,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Time a training step (loss, gradient and Adam) in each setting, by turns, as ratios."""
    figures = []
    for latent_dim in latent_dims:
        for batch_size in batch_sizes:
            say(f"step, batch {batch_size}, d = {latent_dim}")
            figures.append(_one_setting(batch_size, latent_dim, hidden, rounds, seed))
    return figures


def _one_setting(
    batch_size: int, latent_dim: int, hidden: int, rounds: int, seed: int
) -> dict[str, Any]:
    data = synthetic_table(4 * batch_size, latent_dim, seed)
    rounds = max(5, rounds * 32 // (16 + batch_size))
    with pyro.validation_enabled(False), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pyro.clear_param_store()
        times = interleaved(
            {
                "by hand": plain_step(data, latent_dim, hidden, batch_size),
                "absentia": absentia_step(data, latent_dim, hidden, batch_size),
                "stock Pyro": stock_step(data, latent_dim, hidden, batch_size),
            },
            rounds,
            warmup=max(3, rounds // 10),
        )
        pyro.clear_param_store()
    return {
        "batch_size": batch_size,
        "latent_dim": latent_dim,
        "rounds": rounds,
        "target": TARGETS.get(batch_size),
        "times": {name: timing._asdict() for name, timing in times.items()},
    }


def _batches(data: IncompleteData, size: int) -> Callable[[], tuple[Tensor, Tensor]]:
    parts = list(zip(data.x.split(size), data.s.split(size), strict=True))
    turn = 0

    def next_batch() -> tuple[Tensor, Tensor]:
        nonlocal turn
        turn += 1
        return parts[turn % len(parts)]

    return next_batch


def _model(data: IncompleteData, latent_dim: int, hidden: int) -> SelectionModel:
    return NotMIWAE(
        data, "self-masking", latent_dim=latent_dim, hidden=[hidden, hidden], slope_prior="flat"
    )


def plain_step(
    data: IncompleteData, latent_dim: int, hidden: int, batch_size: int
) -> Callable[[], None]:
    """Make a step of the hand-written model."""
    plain = PlainNotMIWAE(len(data.columns), latent_dim, hidden)
    plain.copy_from(_model(data, latent_dim, hidden))
    optimiser = torch.optim.Adam(plain.parameters(), 1e-3, fused=True)
    batch = _batches(data, batch_size)

    def step() -> None:
        loss = plain.loss(*batch(), PARTICLES)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return step


def absentia_step(
    data: IncompleteData,
    latent_dim: int,
    hidden: int,
    batch_size: int,
    unobserved: Unobserved = "sample",
) -> Callable[[], None]:
    """Make the step that :func:`absentia.fit` takes."""
    model = _model(data, latent_dim, hidden)
    elbo = ImportanceWeightedELBO(PARTICLES, gradient="dreg", unobserved=unobserved)
    optimiser = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    batch, size = _batches(data, batch_size), len(data)

    def step() -> None:
        x, s = batch()
        loss = elbo.differentiable_loss(model.model, model.guide, x, s, size) / size
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return step


def stock_step(
    data: IncompleteData, latent_dim: int, hidden: int, batch_size: int
) -> Callable[[], None]:
    """Make a step of ``SVI`` with ``RenyiELBO(alpha=0)`` on the same model.

    Its weights contain the density of the sampled missing values, which no guide cancels, so that
    its bound is another one; only its time is compared.
    """
    model = _model(data, latent_dim, hidden)
    elbo = pyro.infer.RenyiELBO(
        alpha=0, num_particles=PARTICLES, max_plate_nesting=2, vectorize_particles=True
    )
    svi = pyro.infer.SVI(model.model, model.guide, pyro.optim.Adam({"lr": 1e-3}), elbo)
    batch = _batches(data, batch_size)

    def step() -> None:
        svi.step(*batch())

    return step
