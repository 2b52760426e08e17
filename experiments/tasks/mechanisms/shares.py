"""The setting of U-VAE (AAAI 2026): pooled intervals of the share of rows above a column's mean."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ....data.errors import InputError
from ....inference import pool
from .cases import case_of
from .imputers import completed
from .ratios import Cells

#: published coverage by mechanism, rate and method: means over banknote, breast, concrete and the
#: two wines; those of rate .5 are from the appendix
PUBLISHED: Mapping[str, Mapping[str, float]] = {
    "MCAR .3": {"MICE": 0.855, "MIWAE": 0.948, "not-MIWAE": 0.914, "U-VAE": 0.982},
    "MNARL .3": {"MICE": 0.845, "MIWAE": 0.939, "not-MIWAE": 0.863, "U-VAE": 0.961},
    "MNARQ .3": {"MICE": 0.904, "MIWAE": 0.966, "not-MIWAE": 0.903, "U-VAE": 0.978},
    "MCAR .5": {"MIWAE": 0.707, "not-MIWAE": 0.572},
    "MNARL .5": {"MIWAE": 0.703, "not-MIWAE": 0.523},
    "MNARQ .5": {"MIWAE": 0.805, "not-MIWAE": 0.656},
}


def shares(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Measure the coverage of pooled 95 % intervals of shares above the complete columns' means.

    The estimand of a column is the share of the studied rows whose value is above the column's mean
    over all of them, and it is estimated from each completed table with the variance of a binomial
    share. A column that lost nothing counts, too, as in the publication.

    Raises:
        InputError: for a table, a mechanism or a method that is not known, or one that gives no
            tables to pool.
    """
    case = case_of(configuration)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in the other benchmark
        found = completed(configuration, case)
    if found.tables is None:
        raise InputError(
            f"kind '{configuration['kind']}' gives no tables to pool; set impute.m, or take a "
            f"method that samples"
        )
    inside = pooled_shares(case.truth, found.tables)
    gaps = case.missing.any(0)
    return {
        "rows": len(case.truth),
        "metrics": {
            "coverage": float(inside.mean()),
            "coverage_of_incomplete": float(inside[gaps].mean()),
            "cpu_seconds": round(found.cpu_seconds + found.pooling_cpu_seconds, 2),
        },
        **found.extra,
    }


def pooled_shares(truth: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """Return whether each column's pooled interval holds its complete share (p,).

    Args:
        truth: (n, p) complete table.
        tables: (m, n, p) completed tables.
    """
    mean = truth.mean(0)
    analysed = []
    for table in tables:
        share = (table > mean).mean(0)
        analysed.append((pd.Series(share), pd.Series(share * (1 - share) / len(table))))
    pooled = pool(analysed).table
    target = (truth > mean).mean(0)
    return np.asarray((pooled["lower"] <= target) & (target <= pooled["upper"]))


def shares_table(cells: Cells) -> list[list[str]]:
    """Tabulate the mean coverage over tables and seeds by mechanism, beside the published one."""
    methods = list(dict.fromkeys(method for method, _, _ in cells))
    quoted = sorted({name for own in PUBLISHED.values() for name in own})
    rows = [["coverage", *methods, *(f"[{name}]" for name in quoted)]]
    for scenario in dict.fromkeys(heading.split(", ", 1)[1] for _, heading, _ in cells):
        line = [scenario]
        for method in methods:
            own = [
                float(result["metrics"]["coverage"])
                for name, heading, result in cells
                if (name, heading.split(", ", 1)[1]) == (method, scenario)
            ]
            line.append(f"{np.mean(own):.3f}" if own else "")
        known = PUBLISHED.get(scenario, {})
        rows.append([*line, *(f"{known[n]:.3f}" if n in known else "" for n in quoted)])
    return rows
