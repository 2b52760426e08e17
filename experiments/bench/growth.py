"""How time and memory of a fit and an imputation grow with a table's rows and columns.

``python -m absentia.experiments.bench.growth`` measures each size in a process of its own and
writes a JSON file for each; what has been written is not measured again. ``--draw`` draws the
picture from what is there.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...data import IncompleteData, amputation
from ...data.system.files import write_figure_atomic, write_text_atomic
from ...inference import IdentificationWarning, OutsideRangeWarning, fit, impute
from ...inference.plots.growth import Cost, plot_growth
from ...models import NotMIWAEPPCA, SelfMasking
from .imputation import in_own_process, peak_memory
from .report import machine, versions

RESULTS = Path("experiments/results/bench-growth")
PICTURE = Path("experiments/results/bench-growth.png")
#: (rows, columns) of the tables
SIZES = [
    *((10**k, 10) for k in (3, 4, 5, 6)),
    *((1000, p) for p in (30, 100, 300, 1000)),
    *((10**k, p) for k in (4, 5) for p in (30, 100)),
]
LATENT_DIM = 5
#: the slope per standard deviation of the mechanism, and its offset: half of such cells are missing
_SLOPE = 2.0


def table(rows: int, columns: int, seed: int) -> np.ndarray:
    """Make linear Gaussian data whose first half of columns loses high values, NaN where missing.

    There are five latent dimensions, and half of the variance of a column is noise.
    """
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(LATENT_DIM, columns)) / np.sqrt(LATENT_DIM)
    complete = rng.normal(size=(rows, LATENT_DIM)) @ weights + rng.normal(size=(rows, columns))
    complete /= np.sqrt(1 + (weights**2).sum(0))
    half = columns // 2
    hidden = amputation.logistic_self_masking(
        complete[:, :half], np.full(half, -_SLOPE), np.zeros(half), seed=seed
    )
    complete[:, :half] = hidden.apply(complete[:, :half])
    return complete


def measure(rows: int, columns: int, seed: int) -> dict[str, Any]:
    """Fit and impute a table of a size, and return CPU seconds and peak memory of either."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", IdentificationWarning)
    warnings.simplefilter("ignore", OutsideRangeWarning)
    imports = peak_memory()
    data = IncompleteData.from_numpy(table(rows, columns, seed))
    begun, read = time.process_time(), peak_memory()
    model = NotMIWAEPPCA(data, "self-masking", sign="+", latent_dim=LATENT_DIM, seed=seed)
    fitted = fit(model, data, validation=0.0, seed=seed, progress=False)
    fit_cost = {"cpu_seconds": round(time.process_time() - begun, 2), "megabytes": peak_memory()}
    _forget_peak()
    begun = time.process_time()
    filled = impute(fitted, data, draws=0, seed=seed)
    mechanism = fitted.model.missingness
    assert isinstance(mechanism, SelfMasking)
    slopes = mechanism.slope.detach()
    impute_cost = {"cpu_seconds": round(time.process_time() - begun, 2), "megabytes": peak_memory()}
    return {
        "rows": rows,
        "columns": columns,
        "missing_rate": round(data.missing_rate, 3),
        "latent_dim": LATENT_DIM,
        "seed": seed,
        "imports_megabytes": round(imports),
        "table_megabytes": round(read),
        "fit": {**fit_cost, "megabytes": round(fit_cost["megabytes"])},
        "impute": {**impute_cost, "megabytes": round(impute_cost["megabytes"])},
        "iterations": int(fitted.history["step"].iloc[-1]),
        "bound": round(fitted.bound, 5),
        "good_rows": round(float(filled.reliable.mean()), 4),
        # of the log odds of being seen
        "slope_per_sd": round(slopes[: columns // 2].mean().item(), 3),
        "versions": versions(),
        "machine": machine(),
    }


def _forget_peak() -> None:
    """Let Linux count this process's peak memory anew."""
    forget = Path("/proc/self/clear_refs")
    if forget.exists():
        forget.write_text("5")


def costs(folder: Path) -> list[Cost]:
    """Read the measured costs, the smallest table first."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
    return [
        Cost(
            cell["rows"], cell["columns"], what, cell[what]["cpu_seconds"], cell[what]["megabytes"]
        )
        for cell in sorted(found, key=lambda cell: (cell["rows"], cell["columns"]))
        for what in ("fit", "impute")
    ]


def main(arguments: list[str] | None = None) -> None:
    """Measure what has not been measured, or draw the picture."""
    parser = argparse.ArgumentParser(prog="bench.growth", description="Measure growing tables.")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--most-rows", type=int, default=10**6, help="leave out longer tables")
    parser.add_argument("--most-columns", type=int, default=1000, help="leave out wider tables")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    parser.add_argument("--draw", type=Path, help="draw the picture into this PNG file instead")
    options = parser.parse_args(arguments)
    if options.draw is not None:
        write_figure_atomic(options.draw, plot_growth(costs(options.out)))
        return
    options.out.mkdir(parents=True, exist_ok=True)
    for rows, columns in SIZES:
        path = options.out / f"{rows}-x-{columns}--{options.seed}.json"
        wanted = rows <= options.most_rows and columns <= options.most_columns
        if wanted and not path.exists():
            found = in_own_process(measure, rows, columns, options.seed)
            write_text_atomic(path, json.dumps(found, indent=1) + "\n")
            print(f"{path.name}: fit {found['fit']}, impute {found['impute']}", flush=True)


if __name__ == "__main__":
    main()
