"""Prediction of a target from rows with values missing not at random, in one stage or in two."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ...data import IncompleteData
from ...data.errors import InputError
from ...inference import FitResult, predict
from ...models import NotMIWAE, SupervisedNotMIWAE
from .fitting import fit
from .tables import hidden_table

_TEST = 0.3  # the share of the rows that is scored and not fitted


def supervised(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Score predictions on rows that were not fitted: log-loss, and accuracy or RMSE.

    The RMSE is in standard deviations of the target.

    Raises:
        InputError: if the table has no target, or for a kind of method that is not known.
    """
    hidden, seed = hidden_table(configuration), int(configuration["seed"])
    if hidden.target is None:
        raise InputError(
            f"table '{configuration['table']['name']}' has no target to predict; give another"
        )
    table = np.where(hidden.missing, np.nan, hidden.truth)
    order = np.random.default_rng(seed).permutation(len(table))
    cut = round(_TEST * len(table))
    test, train = order[:cut], order[cut:]
    y = pd.Series(hidden.target)
    levels = y.nunique() == 2
    if not levels and not pd.api.types.is_numeric_dtype(y):
        raise InputError(
            "the target has more than two levels, which are not scored here; give another table"
        )
    target = (y == y.unique()[0]).to_numpy() if levels else y.to_numpy(np.float64)
    begun = time.perf_counter()
    kind = configuration["kind"]
    if kind in ("joint", "two-stage"):
        data = IncompleteData.from_numpy(table[train]).with_target(target[train])
        fitted, bound = _fitted(configuration, data, seed)
        fit_seconds = time.perf_counter() - begun
        other = IncompleteData.from_numpy(table[test], like=data)
        options = {"particles": 1000, **configuration["impute"]}
        found = predict(fitted, other, seed=seed, **options)
        scores = _scores(found.mean, found.sd, target[test], target[train], levels)
        scores |= {"bound": bound, "fit_seconds": round(fit_seconds, 1)}
    elif kind in ("mean-imputed", "complete"):
        given = hidden.truth if kind == "complete" else table
        mean, sd = _plain(configuration, given, target, train, test, levels, seed)
        scores = _scores(mean, sd, target[test], target[train], levels)
    else:
        raise InputError(
            f"kind of method '{kind}' is not one of joint, two-stage, mean-imputed, complete"
        )
    return {"rows": {"fitted": len(train), "scored": len(test)}, "metrics": scores}


def _fitted(
    configuration: Mapping[str, Any], data: IncompleteData, seed: int
) -> tuple[FitResult, float]:
    # as in the paper
    options = {"missingness": "self-masking", "slope_prior": "flat", **configuration["model"]}
    predictor = options.pop("predictor", [64])
    settings: dict[str, Any] = {"validation": 0.1, **configuration["fit"]}
    settings |= {"seed": seed, "progress": False, "check": False}
    if configuration["kind"] == "joint":
        model = SupervisedNotMIWAE(data, predictor=predictor, seed=seed, **options)
        fitted = fit(model, data, **settings)
        return fitted, fitted.bound
    first = fit(NotMIWAE(data, seed=seed, **options), data.without_target(), **settings)
    second = SupervisedNotMIWAE(data, first_stage=first, predictor=predictor, seed=seed)
    fitted = fit(second, data, **settings)
    return fitted, fitted.bound


def _plain(
    configuration: Mapping[str, Any],
    table: np.ndarray,
    target: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    levels: bool,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Fit a regression or a network of scikit-learn to rows completed by column means."""
    hidden = configuration["model"].get("predictor", [64])
    if not hidden:
        last: Any = LogisticRegression(max_iter=2000) if levels else LinearRegression()
    else:
        network = MLPClassifier if levels else MLPRegressor
        last = network(
            hidden_layer_sizes=hidden, activation="tanh", solver="lbfgs", alpha=1.0,
            max_iter=500, random_state=seed,
        )  # fmt: skip
    model = make_pipeline(SimpleImputer(), StandardScaler(), last)
    centre, scale = (0.0, 1.0) if levels else (target[train].mean(), target[train].std())
    model.fit(table[train], (target[train] - centre) / scale if not levels else target[train])
    if levels:
        chance = model.predict_proba(table[test])[:, 1]
        return chance, np.sqrt(chance * (1 - chance))
    error = model.predict(table[train]) * scale + centre - target[train]
    mean = model.predict(table[test]) * scale + centre
    return mean, np.full(len(test), error.std())


def _scores(
    mean: np.ndarray, sd: np.ndarray, target: np.ndarray, known: np.ndarray, levels: bool
) -> dict[str, Any]:
    if levels:
        chance = np.clip(mean, 1e-6, 1 - 1e-6)
        loss = -np.where(target, np.log(chance), np.log1p(-chance))
        return {
            "log_loss": float(loss.mean()),
            "accuracy": float(((chance > 0.5) == target).mean()),
            "loss": float(loss.mean()),
        }
    unit = known.std()
    error = (mean - target) / unit
    density = 0.5 * ((target - mean) / sd) ** 2 + np.log(sd / unit) + 0.5 * np.log(2 * np.pi)
    return {
        "rmse": float(np.sqrt(np.mean(error**2))),
        "log_loss": float(density.mean()),
        "loss": float(np.sqrt(np.mean(error**2))),
    }
