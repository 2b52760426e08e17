"""Time to an answer: CPU seconds until a fit's bound is within .005 nats per row of its best.

``python -m absentia.experiments.bench.answers`` fits each table by each model and seed in a process
of its own, and writes a JSON file for each; what has been written is not measured again.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...data.system.files import write_text_atomic
from ...inference import IdentificationWarning, MNARImputer, OutsideRangeWarning
from ..metrics import rmse
from .imputation import in_own_process
from .peers import SEEDS, TABLES, damaged
from .report import machine, versions

RESULTS = Path("experiments/results/bench-answers")
#: the models, all other arguments of the imputer at their defaults
MODELS = ("not-miwae-ppca", "not-miwae")
#: how many nats per row from the best bound are close
CLOSE = 0.005


def time_within(seconds: Sequence[float], bounds: Sequence[float], close: float = CLOSE) -> float:
    """Return the seconds at which the best bound so far comes within some nats of the best of all.

    A fit keeps its best state, so that it could have been stopped there.

    >>> time_within([1.0, 2.0, 3.0, 4.0], [-5.0, -4.004, -4.2, -4.0])
    2.0

    Args:
        seconds: the seconds at each evaluation.
        bounds: the bound, in nats per row, of each.
        close: how many nats are close.
    """
    best = np.maximum.accumulate(np.asarray(bounds))
    return float(seconds[int(np.argmax(best >= best[-1] - close))])


def measure(name: str, model: str, seed: int) -> dict[str, Any]:
    """Fit a table by default and impute it; return the bounds with the CPU seconds of each."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", IdentificationWarning)
    warnings.simplefilter("ignore", OutsideRangeWarning)
    truth, missing = damaged(name)
    table = np.where(missing, np.nan, truth)
    path: list[tuple[float, float]] = []
    begun = time.process_time()

    def note(row: dict[str, float]) -> None:
        path.append((time.process_time() - begun, row["bound"]))

    imputer = MNARImputer(model, "self-masking", random_state=seed, fit_options={"callback": note})
    imputer.fit(table)
    fitted = time.process_time() - begun
    completed = imputer.transform(table)
    seconds, bounds = [spent for spent, _ in path], [bound for _, bound in path]
    return {
        "table": name,
        "model": model,
        "seed": seed,
        "cpu_seconds_within": round(time_within(seconds, bounds), 2),
        "cpu_seconds_fit": round(fitted, 2),
        "cpu_seconds_impute": round(time.process_time() - begun - fitted, 2),
        "bound": round(imputer.result_.bound, 4),
        "rmse": round(rmse(completed, truth, missing), 4),
        "path": [[round(spent, 2), round(bound, 4)] for spent, bound in path],
        "versions": versions(),
        "machine": machine(),
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure what has not been measured."""
    parser = argparse.ArgumentParser(prog="bench.answers", description="Measure times to answers.")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--tables", nargs="+", default=TABLES, help="names of tables")
    parser.add_argument("--models", nargs="+", default=MODELS, help="names of models")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, help="seeds of the models")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    for seed in options.seeds:
        for name in options.tables:
            for model in options.models:
                path = options.out / f"{name}--{model}--{seed}.json"
                if not path.exists():
                    found = in_own_process(measure, name, model, seed)
                    write_text_atomic(path, json.dumps(found, indent=1) + "\n")
                    spent = f"{found['cpu_seconds_within']} of {found['cpu_seconds_fit']} s"
                    print(f"{path.name}: {spent}, RMSE {found['rmse']}", flush=True)


if __name__ == "__main__":
    main()
