"""The results of a sweep: a table of its trials, and which settings mattered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from .study import study_of
from .sweep import Sweep


def table_of(sweep: Sweep, folder: Path) -> pd.DataFrame:
    """Make a table of the trials: state, bound, RMSE where it is known, and settings as JSON."""
    rows = []
    for trial in study_of(sweep, folder).trials:
        values = {
            key: value if "choice" in sweep.search[key] else json.dumps(value)
            for key, value in trial.params.items()
        }
        bound = trial.value if trial.state.name == "COMPLETE" else None
        score = trial.user_attrs.get("rmse")
        seconds = trial.duration.total_seconds() if trial.duration else None
        rows.append(
            {"trial": trial.number, "state": trial.state.name, "bound": bound, "rmse": score,
             "seconds": seconds, "error": trial.user_attrs.get("error"), **values}
        )  # fmt: skip
    return pd.DataFrame(rows)


def importances(sweep: Sweep, folder: Path) -> pd.DataFrame:
    """Measure each parameter's share of the bound's variance, and its rank correlations.

    The share is fANOVA's (Hutter, Hoos & Leyton-Brown, ICML 2014), from Optuna. Correlations are
    Spearman's, of parameters that are numbers.
    """
    import optuna

    study = study_of(sweep, folder)
    found = table_of(sweep, folder)
    complete = found[found["state"] == "COMPLETE"]
    share: Mapping[str, float] = {}
    if len(complete) > 3 and np.ptp(complete["bound"]) > 0:
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=sweep.seed)
        share = optuna.importance.get_param_importances(study, evaluator=evaluator)
    rows = {}
    for key in sweep.search:
        values = complete[key].map(json.loads)
        numbers = len(set(map(str, values))) > 1 and all(isinstance(v, int | float) for v in values)
        row = {"importance": share.get(key, np.nan)}
        for score in ("bound", "rmse"):
            known = numbers and len(complete) > 2 and complete[score].notna().all()
            varied = known and np.ptp(complete[score]) > 0
            row[f"correlation with {score}"] = (
                float(spearmanr(values.astype(float), complete[score]).statistic)
                if varied
                else np.nan
            )
        rows[key] = row
    return pd.DataFrame.from_dict(rows, orient="index").sort_values("importance", ascending=False)
