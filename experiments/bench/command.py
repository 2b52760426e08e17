"""The command line of the benchmark of training steps and imputation."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ...data.system.files import write_text_atomic
from .imputation import imputation_figures
from .integrated import integration_figures
from .report import machine, table, versions
from .step import step_times

PARTS = ("step", "integrate", "impute")


@dataclass(frozen=True)
class Sizes:
    """The sizes of a benchmark: of batches, networks, tables and repeats."""

    batch_sizes: tuple[int, ...] = (16, 128, 1024)
    latent_dims: tuple[int, ...] = (10, 30)
    hidden: int = 128
    rounds: int = 1000  # timed steps at the smallest batch; fewer at larger ones
    fit_steps: int = 2000
    integrate_batch: int = 64
    integrate_rounds: int = 200
    bound_repeats: int = 50
    impute_rows: int = 5_000
    impute_particles: int = 10_000
    impute_rounds: int = 5
    impute_fit_steps: int = 200


QUICK = Sizes(
    batch_sizes=(16,),
    latent_dims=(4,),
    hidden=8,
    rounds=10,
    fit_steps=20,
    integrate_rounds=3,
    bound_repeats=3,
    impute_rows=60,
    impute_particles=100,
    impute_rounds=2,
    impute_fit_steps=5,
)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure, print the table, and write the JSON file where one is asked for."""
    parser = argparse.ArgumentParser(prog="bench", description="Time the bound and the imputer.")
    parser.add_argument("--only", choices=PARTS, help="measure one part instead of all three")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to check that it runs")
    parser.add_argument("--out", type=Path, help="write settings and figures to this JSON file")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    options = parser.parse_args(arguments)
    sizes = QUICK if options.quick else Sizes()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        results = {
            "settings": {**asdict(sizes), "quick": options.quick, "only": options.only},
            "seed": options.seed,
            "versions": versions(),
            "machine": machine(),
            "figures": _measure(sizes, options.only, options.seed),
        }
    finally:
        torch.set_num_threads(threads)
    print(table(results["figures"]), end="")
    if options.out is not None:
        write_text_atomic(options.out, json.dumps(results, indent=1) + "\n")
    return results


def _measure(sizes: Sizes, only: str | None, seed: int) -> dict[str, Any]:
    parts: dict[str, Callable[[], Any]] = {
        "step": lambda: step_times(
            sizes.batch_sizes, sizes.latent_dims, sizes.hidden, sizes.rounds, seed, _say
        ),
        "integrate": lambda: integration_figures(
            sizes.fit_steps,
            sizes.hidden,
            sizes.integrate_batch,
            sizes.integrate_rounds,
            sizes.bound_repeats,
            seed,
        ),
        "impute": lambda: imputation_figures(
            sizes.impute_rows,
            sizes.impute_particles,
            sizes.hidden,
            sizes.impute_fit_steps,
            sizes.impute_rounds,
            seed,
            _say,
        ),
    }
    figures = {}
    for name in [only] if only else PARTS:
        _say(f"measuring: {name}")
        figures[name] = parts[name]()
    return figures


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
