"""Real tables with columns of several kinds, each column scored by its kind."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ...data import IncompleteData
from ...data.amputation import level_self_masking
from ...data.datasets import statsmodels_tables as mixed
from ...data.errors import InputError
from ...inference import impute
from ..mixed_baselines import MixedCompleted, encoded, mean_mode, mice, miss_forest
from ..mixed_metrics import column_scores
from .fitting import fit
from .methods import MODELS, as_published, candidates

_SUBSET = 1234  # seed of the subset of rows of a long table, the same for all cells
_BASELINES: dict[str, Any] = {
    "mean-mode": lambda data, seed: mean_mode(data),
    "mice": lambda data, seed: mice(data),
    "missforest": miss_forest,
}


def mixed_columns(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Score every column with hidden values, and average RMSE and Brier score over columns.

    Every second column loses values by self-masking
    (:func:`absentia.data.amputation.level_self_masking`); the others are complete.

    Raises:
        InputError: for a kind of method that is not known.
    """
    kind = configuration["kind"]
    if kind not in _BASELINES and kind not in MODELS:
        known = ", ".join([*_BASELINES, *MODELS])
        raise InputError(f"kind of method '{kind}' is not one of {known}")
    frame, gone, data = amputated(configuration)
    seed = int(configuration["seed"])
    begun = time.perf_counter()
    extra: dict[str, Any] = {}
    if kind in _BASELINES:
        completed = _BASELINES[kind](data, seed=seed)
    else:
        completed, extra = _by_model(configuration, data, seed)
    seconds = time.perf_counter() - begun
    truth = encoded(frame, data)
    scores = {
        column.name: {
            "kind": column.kind,
            **column_scores(
                column,
                truth[:, j],
                completed.values[:, j],
                completed.chances.get(column.name),
                gone[:, j],
            ),
        }
        for j, column in enumerate(data.schema)
        if gone[:, j].any()
    }
    metrics = {**means(scores), "method_seconds": round(seconds, 1)}
    return {"rows": len(frame), "metrics": metrics, "scores": scores, **extra}


def amputated(
    configuration: Mapping[str, Any],
) -> tuple[pd.DataFrame, np.ndarray, IncompleteData]:
    """Return the complete table, the missing mask (n, p), and the incomplete data."""
    name, most = configuration["table"]["name"], configuration["rows"]
    frame = mixed.load(name)
    if most is not None and len(frame) > most:
        chosen = np.random.default_rng(_SUBSET).choice(len(frame), most, replace=False)
        frame = frame.iloc[np.sort(chosen)].reset_index(drop=True)
    columns = list(frame.columns[::2])
    arguments = {k: v for k, v in configuration["amputation"].items() if k != "name"}
    seed = int(configuration["seed"])
    gone = ~level_self_masking(frame, columns, seed=seed, **arguments).mask
    holed = frame.copy()
    for j, column in enumerate(frame.columns):
        holed[column] = holed[column].mask(gone[:, j])
    levels = {
        column.name: {"kind": column.kind, "levels": list(column.levels)}
        for column in IncompleteData.from_frame(frame, schema=mixed.schema(name)).schema
        if column.levels
    }
    data = IncompleteData.from_frame(holed, schema={**levels, **mixed.schema(name)})
    return frame, gone, data


def means(scores: Mapping[str, Mapping[str, Any]]) -> dict[str, float | None]:
    """Average each score over the columns that have it.

    >>> means({"a": {"kind": "continuous", "rmse": 1.0}, "b": {"kind": "binary", "brier": 0.5}})
    {'rmse': 1.0, 'brier': 0.5, 'accuracy': None}
    """
    found: dict[str, float | None] = {}
    for score in ("rmse", "brier", "accuracy"):
        own = [one[score] for one in scores.values() if score in one]
        found[score] = float(np.mean(own)) if own else None
    return found


def _by_model(
    configuration: Mapping[str, Any], data: IncompleteData, seed: int
) -> tuple[MixedCompleted, dict[str, Any]]:
    """Fit all candidates, keep the one with the best bound on held-out rows, and impute."""
    make = MODELS[configuration["kind"]]
    offered = list(candidates(configuration["choose"])) or [{}]
    fits = [
        fit(
            make(
                data,
                seed=seed,
                **as_published(configuration["kind"], {**configuration["model"], **one}),
            ),
            data,
            seed=seed,
            progress=False,
            check=False,
            **configuration["fit"],
        )
        for one in offered
    ]
    best = int(np.argmax([one.bound for one in fits]))
    found = impute(fits[best], data, draws=0, seed=seed, check=False, **configuration["impute"])
    chances = {}
    for j, column in enumerate(data.schema):
        if column.levels:
            table = np.zeros((len(data), column.num_values))
            table[~data.s[:, j].numpy()] = found.probabilities(column.name).to_numpy()
            chances[column.name] = table
    return MixedCompleted(found.point, chances), {
        "bounds": {str(one): fitted.bound for one, fitted in zip(offered, fits, strict=True)},
        "chosen": offered[best],
        "khat_good": float(found.reliable.mean()),
        "settings": fits[best].settings.to_dict(),
    }


def mixed_table(results: Sequence[tuple[str, str, Mapping[str, Any]]]) -> list[list[str]]:
    """Tabulate scores by table and column, one method per column, with standard errors."""
    methods = list(dict.fromkeys(method for method, _, _ in results))
    rows = [["table", "column", "score", *methods]]
    for table in dict.fromkeys(table for _, table, _ in results):
        own = {
            method: [found for m, t, found in results if (m, t) == (method, table)]
            for method in methods
        }
        whole = next(found for found in own.values() if found)[0]["scores"]
        for column, scores in whole.items():
            for score in ("rmse",) if "rmse" in scores else ("brier", "accuracy"):
                values = (
                    [found["scores"][column][score] for found in own[method]] for method in methods
                )
                rows.append([table, f"{column} ({scores['kind']})", score, *map(_shown, values)])
        for score in ("rmse", "brier"):
            values = ([found["metrics"][score] for found in own[method]] for method in methods)
            rows.append([table, "mean over columns", score, *map(_shown, values)])
    return rows


def _shown(values: list[float]) -> str:
    if not values:
        return ""
    error = np.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else np.nan
    return f"{np.mean(values):.3f} ({error:.3f})" if np.isfinite(error) else f"{values[0]:.3f}"
