"""Imputation of 5,000 x 30 cells with 10,000 particles: peak memory, and time beside one shot.

One shot holds all particles of some rows in memory at once. Memory is measured in a new process,
whose peak is then that of the imputer.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pyro
import torch

from ...data import IncompleteData
from ...inference import fit, impute
from ...inference.imputing.particles import Sampler
from ...inference.imputing.stream import Estimates
from ...models import NotMIWAE, RowModel, SelectionModel
from .step import synthetic_table
from .timing import interleaved

#: the target for the peak memory of the whole process, in MB
MEMORY_TARGET = 1000.0


def imputation_figures(
    num_rows: int,
    particles: int,
    hidden: int,
    steps: int,
    rounds: int,
    seed: int,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Measure peak memory and seconds with 0 and with 200 draws, then the time beside one shot."""
    full = []
    for num_draws in (0, 200):
        say(f"imputing {num_rows} rows, {particles} particles, {num_draws} draws")
        full.append(in_own_process(imputing, num_rows, particles, num_draws, hidden, steps, seed))
    say("one-shot evaluation")
    return {
        "num_rows": num_rows,
        "particles": particles,
        "full": full,
        "one_shot": one_shot_figures(num_rows, particles, hidden, steps, rounds, seed),
    }


def in_own_process(function: Callable[..., Any], *args: Any) -> Any:
    """Run ``function(*args)`` in a new interpreter, and return its result."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *args).result()


def peak_memory() -> float:
    """Return the peak memory of this process so far, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss of a child starts at its parent's size on Linux
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def imputing(
    num_rows: int, particles: int, num_draws: int, hidden: int, steps: int, seed: int
) -> dict[str, Any]:
    """Impute a synthetic table with a briefly fitted model, in a process of its own."""
    torch.set_num_threads(1)
    imported = peak_memory()
    data, model = _fitted(num_rows, hidden, steps, seed)
    before = peak_memory()
    start = time.perf_counter()
    result = impute(model, data, particles, refine=False, draws=num_draws, seed=seed, check=False)
    seconds = time.perf_counter() - start
    return {
        "num_draws": num_draws,
        "seconds": seconds,
        "peak_mb": peak_memory(),
        "peak_before_mb": before,
        "peak_of_imports_mb": imported,
        "missing_rate": data.missing_rate,
        "median_ess_share": result.summary()["median_ess_share"],
    }


def _fitted(
    num_rows: int, hidden: int, steps: int, seed: int
) -> tuple[IncompleteData, SelectionModel]:
    data = synthetic_table(num_rows, latent_dim=10, seed=seed)
    how: dict[str, Any] = {"hidden": [hidden, hidden], "slope_prior": "flat", "seed": seed}
    model = NotMIWAE(data, "self-masking", latent_dim=10, **how)
    fit(model, data, steps=steps, validation=0, seed=seed, progress=False, check=False)
    return data, model


def one_shot_figures(
    num_rows: int, particles: int, hidden: int, steps: int, rounds: int, seed: int
) -> dict[str, Any]:
    """Time the imputation of some rows, streamed and in one shot, interleaved.

    One shot holds all particles of a block of rows in one tensor; the block has as many rows as
    keep the widest tensor, (particles, rows, hidden) in float32, within 100 MB.
    """
    count = min(num_rows, 256)
    rows_at_once = min(count, max(1, int(100e6 / (4 * particles * hidden))))
    data, model = _fitted(num_rows, hidden, steps, seed)
    part = data.rows(slice(0, count))
    with pyro.validation_enabled(False):
        times = interleaved(
            {
                "one shot": lambda: one_shot(model, part, particles, rows_at_once),
                "streamed": lambda: impute(
                    model, part, particles, refine=False, draws=0, check=False
                ),
            },
            rounds,
            warmup=1,
        )
    return {
        "rows": count,
        "rows_at_once": rows_at_once,
        "times": {name: timing._asdict() for name, timing in times.items()},
        "peak_mb": in_own_process(_one_shot_peak, particles, rows_at_once, hidden, steps, seed),
    }


def one_shot(
    model: RowModel, data: IncompleteData, particles: int, rows_at_once: int
) -> list[Estimates]:
    """Compute the imputer's estimates with all particles of a block of rows at once."""
    sampler = Sampler(model.model, model.guide)
    sampler.pairs_at_once = particles * rows_at_once
    blocks = zip(data.x.split(rows_at_once), data.s.split(rows_at_once), strict=True)
    return [sampler.estimate(x, s, particles, num_draws=0) for x, s in blocks]


def _one_shot_peak(particles: int, rows_at_once: int, hidden: int, steps: int, seed: int) -> float:
    torch.set_num_threads(1)
    data, model = _fitted(max(64, rows_at_once), hidden, steps, seed)
    one_shot(model, data.rows(slice(0, rows_at_once)), particles, rows_at_once)
    return peak_memory()
