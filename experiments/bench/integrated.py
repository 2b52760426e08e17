"""Integrating missing values out compared with sampling them, at equal K: step time and bound."""

from __future__ import annotations

from typing import Any

import pyro
import torch

from ...data import IncompleteData, amputation
from ...data.datasets import uci as real
from ...data.system.process import seeded
from ...inference import ImportanceWeightedELBO, fit
from ...inference.integrator import Unobserved
from ...models import NotMIWAE, RowModel
from .step import PARTICLES, absentia_step
from .timing import interleaved


def breast_table() -> IncompleteData:
    """Return breast cancer (569, 30), with values above the mean missing in half of the columns."""
    complete = real.load("breast")
    hidden = amputation.above_mean(complete.to_numpy())
    return IncompleteData.from_numpy(hidden.apply(complete.to_numpy()))


def integration_figures(
    fit_steps: int, hidden: int, batch_size: int, rounds: int, repeats: int, seed: int
) -> dict[str, Any]:
    """Measure both bounds of one fitted model, in nats per row, and the times of both steps.

    Args:
        repeats: evaluations of the bound over the whole table, with new random numbers.
    """
    data = breast_table()
    ways: tuple[Unobserved, ...] = ("sample", "integrate")
    model = NotMIWAE(data, sign="+", hidden=[hidden, hidden], seed=seed)
    fit(model, data, steps=fit_steps, validation=0, seed=seed, progress=False, check=False)
    with pyro.validation_enabled(False), seeded(seed):
        bounds = {way: _bounds(model, data, way, repeats) for way in ways}
        times = interleaved(
            {
                way: absentia_step(data, model.decoder.latent_dim, hidden, batch_size, way)
                for way in ways
            },
            rounds,
            warmup=max(3, rounds // 10),
        )
    return {
        "batch_size": batch_size,
        "missing_rate": data.missing_rate,
        "fit_steps": fit_steps,
        "repeats": repeats,
        "bounds": {
            way: {"mean": float(values.mean()), "sd": float(values.std())}
            for way, values in bounds.items()
        },
        "times": {way: timing._asdict() for way, timing in times.items()},
    }


def _bounds(
    model: RowModel, data: IncompleteData, unobserved: Unobserved, repeats: int
) -> torch.Tensor:
    """Return the mean bound per row of each repeat, (repeats,)."""
    elbo = ImportanceWeightedELBO(PARTICLES, unobserved=unobserved)
    values = [elbo.bound(model.model, model.guide, data.x, data.s).mean() for _ in range(repeats)]
    return torch.stack(values)
