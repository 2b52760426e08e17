"""Decoders beside the linear one, on real tables, and their densities of values that were held out.

Both tasks take the cases of the benchmark of mechanisms (:mod:`.mechanisms`).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...data import IncompleteData
from ...inference import impute
from ..kernel_copula import KernelCopula
from ..metrics import rmse
from .fitting import fit
from .mechanisms.cases import Case, case_of
from .mechanisms.imputers import made_for

#: the decoder that the others are compared with, by the name of its method
_LINEAR = "linear"
_COPULA = "copula"


def decoders(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Score one decoder on one real table under one mechanism: error, weights and seconds.

    Raises:
        InputError: for a table, a mechanism or a method that is not known.
    """
    case = case_of(configuration)
    seed = int(configuration["seed"])
    begun = time.process_time()
    fitted = _fitted(configuration, case)
    filled = impute(fitted, case.data, seed=seed, check=False, **configuration["impute"])
    seconds = time.process_time() - begun
    unit = case.truth.std(0)
    summary = filled.summary()
    return {
        "rows": len(case.truth),
        "missing_cells": int(case.missing.sum()),
        "metrics": {
            "rmse": rmse(filled.mean, case.truth, case.missing, np.where(unit > 0, unit, 1.0)),
            "khat_good_before": summary["weights_good_before"],
            "khat_good": summary["weights_good"],
            "cpu_seconds": round(seconds, 2),
        },
    }


def density(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Score the log-density of hidden cells given a row's other cells, in nats a cell.

    It is log p(x_o, x_h) - log p(x_o), the evidence of the complete rows less that of the rows as
    they were fitted, in standardised units. The mechanism hides cells at random, so that all are
    cells that could as well have been seen.

    Raises:
        InputError: for a table, a mechanism or a method that is not known.
    """
    case = case_of(configuration)
    whole = IncompleteData.from_numpy(case.truth, like=case.data)
    begun = time.process_time()
    if configuration["kind"] == _COPULA:
        model = KernelCopula(case.data.x.numpy(), case.data.s.numpy())
        gained = model.log_density(whole.x.numpy(), case.data.s.numpy())
    else:
        fitted = _fitted(configuration, case)
        options = {"seed": int(configuration["seed"]), "check": False, **configuration["impute"]}
        of_all = impute(fitted, whole, **options).log_evidence
        gained = of_all - impute(fitted, case.data, **options).log_evidence
    seconds = time.process_time() - begun
    rows = case.missing.any(1)
    return {
        "rows": len(case.truth),
        "missing_cells": int(case.missing.sum()),
        "metrics": {
            "log_density": float(gained[rows].sum() / case.missing.sum()),
            "cpu_seconds": round(seconds, 2),
        },
    }


def _fitted(configuration: Mapping[str, Any], case: Case) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = {"optimiser": "auto", **configuration["fit"]}
        model = made_for(configuration, case)
        return fit(model, case.data, seed=int(configuration["seed"]), **options)


Cells = Sequence[tuple[str, str, Mapping[str, Any]]]
#: the metrics of a method by heading and seed
ByHeading = Mapping[str, Mapping[int, Mapping[str, Any]]]
#: the key of a cell's peak memory
_MEMORY = "peak_memory_mb"


def decoders_table(cells: Cells) -> list[list[str]]:
    """Tabulate the linear decoder's error and the others' ratios to it, pair by pair of cells.

    Below the tables stand each decoder's weights and seconds, means over all cells, and the peak
    memory of its largest cell.
    """
    found = _by_method(cells)
    linear = found.pop(_LINEAR, {})
    rows = [["table and mechanism", "linear", *(f"{name} / linear" for name in found)]]
    for heading in sorted(linear):
        line = [heading, f"{_mean([r['rmse'] for r in linear[heading].values()]):.3f}"]
        for own in found.values():
            pairs = own.get(heading, {})
            ratios = [r["rmse"] / linear[heading][seed]["rmse"] for seed, r in pairs.items()
                      if seed in linear[heading]]  # fmt: skip
            line.append(f"{_mean(ratios):.3f} ({len(ratios)})" if ratios else "")
        rows.append(line)
    for key, title in (
        ("khat_good_before", "good k-hat before refinement"),
        ("cpu_seconds", "CPU seconds"),
    ):
        form: Callable[[float], str] = "{:.3f}".format if key[0] == "k" else "{:.1f}".format
        means = [_mean_of_all(method, key) for method in (linear, *found.values())]
        rows.append([f"*{title}*", *("" if np.isnan(mean) else form(mean) for mean in means)])
    rows.append(_peak_memory([linear, *found.values()]))
    return rows


def density_table(cells: Cells) -> list[list[str]]:
    """Tabulate log-densities of held-out cells, a row a table; the best one is bold."""
    found = _by_method(cells)
    rows = [["nats a cell", *found]]
    for heading in dict.fromkeys(h for method in found.values() for h in method):
        values = [
            _mean([r["log_density"] for r in own[heading].values()]) if heading in own else np.nan
            for own in found.values()
        ]
        best = np.nanmax(values)
        shown = ["" if np.isnan(v) else f"**{v:.3f}**" if v == best else f"{v:.3f}" for v in values]
        rows.append([heading, *shown])
    seconds = [_mean_of_all(own, "cpu_seconds") for own in found.values()]
    rows.append(["*CPU seconds*", *(f"{mean:.1f}" for mean in seconds)])
    rows.append(_peak_memory(list(found.values())))
    return rows


def _peak_memory(methods: Sequence[ByHeading]) -> list[str]:
    """Return a row of the peak memory of each method's largest cell, of its whole process."""
    peaks = [[r.get(_MEMORY) for of in own.values() for r in of.values()] for own in methods]
    known = [[float(peak) for peak in of if peak is not None] for of in peaks]
    return ["*peak memory, MB*", *(f"{max(of):.0f}" if of else "" for of in known)]


def _by_method(cells: Cells) -> dict[str, dict[str, dict[int, Mapping[str, Any]]]]:
    """Return the metrics by method, heading and seed, with the peak memory among them."""
    found: dict[str, dict[str, dict[int, Mapping[str, Any]]]] = {}
    for method, heading, result in cells:
        seed = int(result["configuration"]["seed"])
        own = {**result["metrics"], _MEMORY: result.get(_MEMORY)}
        found.setdefault(method, {}).setdefault(heading, {})[seed] = own
    return found


def _mean_of_all(own: ByHeading, key: str) -> float:
    """Return the mean of a metric over all cells of a method; nan if there are none."""
    values = [result[key] for of in own.values() for result in of.values()]
    return _mean(values) if values else np.nan


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
