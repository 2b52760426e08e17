"""The command line that the peers' scripts share: ``SCRIPT input.csv output.csv --seed S``.

The scripts run in environments in which absentia is not installed, so that they import nothing of
it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import pandas as pd


def complete_by(method: Callable[[pd.DataFrame, int], np.ndarray]) -> None:
    """Read a table of numbers, complete it, and write it.

    Columns are standardised by their observed values before the method sees them, and observed
    cells are written as they were read.

    Args:
        method: a function of the standardised table and the seed that returns the completed
            table (n, p).
    """
    parser = argparse.ArgumentParser(description="Complete a table of numbers.")
    parser.add_argument("input", help="CSV file with a header; empty cells are missing")
    parser.add_argument("output", help="CSV file to write")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    options = parser.parse_args()
    table = pd.read_csv(options.input).astype(float)
    spread = table.std(ddof=0)
    centre, scale = table.mean(), spread.where(spread > 0, 1.0)
    completed = np.asarray(method((table - centre) / scale, options.seed), dtype=float)
    if completed.shape != table.shape or not np.isfinite(completed).all():
        raise SystemExit(f"{method.__name__} did not complete every cell of {options.input}")
    filled = pd.DataFrame(completed, columns=table.columns, index=table.index) * scale + centre
    table.where(table.notna(), filled).to_csv(options.output, index=False)
