"""Whole processes on the same tables: this package's imputers beside those of other libraries.

``python -m absentia.experiments.bench.peers``, or ``make bench-peers``, completes each table by
each method and seed in a process of its own, and writes a JSON file for each. What has been
written is not measured again, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ...data import amputation
from ...data.datasets import uci
from ...data.errors import InputError
from ...data.system.files import write_text_atomic
from ..metrics import rmse
from ..peers import PEERS, Measured, run_command, run_peer
from .ours import OURS
from .report import machine, versions

RESULTS = Path("experiments/results/bench-peers")
TABLES = ("wine", "breast", "wine-white")
SEEDS = (0, 1, 2)
_PACKAGE = Path(__file__).parents[2]


def damaged(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a complete table (n, p), and the mask of what self-masking above the mean hides.

    The first half of the columns lose every value above the column's mean.
    """
    if name == "wine":
        from sklearn.datasets import load_wine

        truth = load_wine().data
    else:
        truth = uci.load(name).to_numpy(float)
    return truth, ~amputation.above_mean(truth).mask


def measure(method: str, table: np.ndarray, seed: int) -> Measured:
    """Complete a table by one of this package's imputers or by a peer, as a process of its own.

    Raises:
        InputError: if the process fails.
    """
    if method in OURS:
        command = [sys.executable, "-m", "absentia.experiments.bench.ours", method]
        return run_command(method, command, table, seed, paths=[_PACKAGE.parent])
    return run_peer(method, table, seed)


def cell(name: str, method: str, seed: int) -> dict[str, Any]:
    """Return the error and the costs of one method on one table."""
    truth, missing = damaged(name)
    found = measure(method, np.where(missing, np.nan, truth), seed)
    return {
        "table": name,
        "rows": len(truth),
        "columns": truth.shape[1],
        "missing_cells": int(missing.sum()),
        "method": method,
        "seed": seed,
        "rmse": round(rmse(found.completed, truth, missing), 4),
        "cpu_seconds": round(found.seconds, 2),
        "megabytes": round(found.megabytes),
        "versions": versions(),
        "machine": machine(),
    }


def measure_all(
    folder: Path, tables: Iterable[str], methods: Iterable[str], seeds: Iterable[int]
) -> None:
    """Measure what has no file in the folder yet, and say what fails without stopping there."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        for name in tables:
            for method in methods:
                path = (
                    folder / f"{name}--{method.replace(', ', '-').replace(' ', '-')}--{seed}.json"
                )
                if path.exists():
                    continue
                try:
                    found = cell(name, method, seed)
                except InputError as error:
                    print(error, file=sys.stderr, flush=True)
                    continue
                write_text_atomic(path, json.dumps(found, indent=1) + "\n")
                print(f"{path.name}: RMSE {found['rmse']}, {found['cpu_seconds']} s", flush=True)


def main(arguments: list[str] | None = None) -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="bench.peers", description="Measure whole processes.")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--tables", nargs="+", default=TABLES, help="names of tables")
    parser.add_argument("--methods", nargs="+", default=(*OURS, *PEERS), help="names of methods")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, help="seeds of methods")
    options = parser.parse_args(arguments)
    measure_all(options.out, options.tables, options.methods, options.seeds)


if __name__ == "__main__":
    main()
