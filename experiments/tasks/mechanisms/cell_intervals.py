"""The coverage of intervals of single cells, of the model and calibrated by seen cells."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ....inference import Imputation, impute
from ..fitting import fit
from .cases import Case, case_of
from .imputers import made_for

#: the factor by which the odds may be wrong, in the envelope that is scored
GAMMA = 1.5
_LEVELS = (0.9, 0.95)


def cell_intervals(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Score the intervals of hidden cells of one method on one real table under one mechanism.

    ``coverage_90`` and ``width_90`` (in sd of the complete columns) are those of the model's own
    intervals, ``calibrated_90`` and ``calibrated_width_90`` those of ``calibrate="odds"``, and
    ``envelope_90`` those with ``gamma=1.5``; likewise at 95 %. Columns that are refused keep the
    model's intervals and count; ``refused_90`` is the share of hidden cells in them.

    Raises:
        InputError: for a table, a mechanism or a method that is not known.
    """
    case = case_of(configuration)
    seed = int(configuration["seed"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begun = time.process_time()
        model = made_for(configuration, case)
        options = {"optimiser": "auto", **configuration["fit"]}
        fitted = fit(model, case.data, seed=seed, **options)
        filled = impute(fitted, case.data, seed=seed, check=False, **configuration["impute"])
        seconds = time.process_time() - begun
    return {
        "rows": len(case.truth),
        "missing_cells": int(case.missing.sum()),
        "metrics": {"cpu_seconds": round(seconds, 2), **interval_scores(case, filled)},
        "columns": {
            name: [None if np.isnan(row[key]) else round(float(row[key]), 4)
                   for key in ("effective", "represented", "plain", "stretch")]
            for name, row in filled.calibration(0.9).iterrows()
        },
    }  # fmt: skip


def interval_scores(case: Case, filled: Imputation) -> dict[str, float]:
    """Return coverage and width of the intervals of hidden numbers, and what calibration cost."""
    hidden = case.missing & case.has_order
    unit = case.truth.std(0)
    unit = np.broadcast_to(np.where(unit > 0, unit, 1.0), case.truth.shape)[hidden]
    truth = case.truth[hidden]
    found: dict[str, float] = {}
    begun = time.process_time()
    filled.calibration(0.9)
    found["calibration_cpu_seconds"] = round(time.process_time() - begun, 2)

    def scored(name: str, width: str, ends: tuple[np.ndarray, np.ndarray]) -> None:
        low, high = ends[0][hidden], ends[1][hidden]
        found[name] = float(((low <= truth) & (truth <= high)).mean())
        found[width] = float(np.mean((high - low) / unit))

    for level in _LEVELS:
        at = f"{100 * level:.0f}"
        scored(f"coverage_{at}", f"width_{at}", filled.interval(level))
        calibrated = filled.interval(level, calibrate="odds", refused="plain")
        scored(f"calibrated_{at}", f"calibrated_width_{at}", calibrated)
        wide = filled.interval(level, calibrate="odds", gamma=GAMMA, refused="plain")
        scored(f"envelope_{at}", f"envelope_width_{at}", wide)
        table = filled.calibration(level)
        refused = list(table.index[table["refused"] != ""])
        inside = np.isin(np.nonzero(hidden)[1], [case.data.columns.index(n) for n in refused])
        found[f"refused_{at}"] = float(inside.mean())
    return found


def intervals_table(cells: Sequence[tuple[str, str, Mapping[str, Any]]]) -> list[list[str]]:
    """Tabulate means over tables and seeds by method and mechanism, with the worst table's mean."""
    heads = ["method", "mechanism", "tables"]
    for level in ("90", "95"):
        heads += [f"own {level} %", "width", f"calibrated {level} %", "width", "worst table"]
    rows = [[*heads, "90 %, odds wrong by 1.5", "width", "refused"]]
    for method, scenario in dict.fromkeys((m, h.split(", ", 1)[1]) for m, h, _ in cells):
        own: dict[str, list[Mapping[str, float]]] = {}
        for name, heading, result in cells:
            table, of = heading.split(", ", 1)
            if (name, of) == (method, scenario):
                own.setdefault(table, []).append(result["metrics"])

        def mean(key: str, own: Mapping[str, list[Mapping[str, float]]] = own) -> np.ndarray:
            return np.array([np.mean([one[key] for one in found]) for found in own.values()])

        line = [method, scenario, str(len(own))]
        for level in ("90", "95"):
            line += [
                f"{mean(f'coverage_{level}').mean():.3f}",
                f"{mean(f'width_{level}').mean():.2f}",
            ]
            covered = mean(f"calibrated_{level}")
            line += [f"{covered.mean():.3f}", f"{mean(f'calibrated_width_{level}').mean():.2f}"]
            line.append(f"{covered.min():.3f}")
        line += [f"{mean('envelope_90').mean():.3f}", f"{mean('envelope_width_90').mean():.2f}"]
        rows.append([*line, f"{mean('refused_90').mean():.2f}"])
    return rows
