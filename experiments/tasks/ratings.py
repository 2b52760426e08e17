"""Ratings that users chose to give, scored on ratings of randomly assigned items."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ...data import Ratings
from ...data.datasets.ratings import load_coat, load_yahoo_r3
from ...data.errors import InputError
from ...inference import predict_ratings
from ...models import RatingsNotMIWAE
from ..matrix_factorisation import chosen_factorisation, inverse_propensities
from .fitting import fit
from .methods import as_published, candidates

#: share of the randomly drawn ratings that MF-IPS estimates propensities from; none is scored
_FOR_PROPENSITIES = 0.05
_GRID: dict[str, Any] = {"ranks": [1, 5, 20, 40], "penalties": [0.03, 0.1, 0.3, 1.0, 3.0, 10.0]}


def ratings(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return mean squared and absolute error on the ratings of randomly assigned items.

    Raises:
        InputError: for a table or a kind of method that is not known.
    """
    seed = int(configuration["seed"])
    given, drawn, n, p = _tables(configuration)
    order = np.random.default_rng(0).permutation(len(drawn))
    few = round(_FOR_PROPENSITIES * len(drawn))
    known, test = drawn.iloc[order[:few]], drawn.iloc[order[few:]]
    user, item = test["user"].to_numpy(), test["item"].to_numpy()
    kind = configuration["kind"]
    metrics: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    if kind == "ratings-not-miwae":
        found, metrics, extra = _by_model(configuration, given, n, p, user, item, seed)
    elif kind in ("mf", "mf-ips"):
        weights = inverse_propensities(given, known, n, p) if kind == "mf-ips" else None
        model, chosen = chosen_factorisation(given, n, p, **_GRID, weights=weights, seed=seed)
        found, extra = model(user, item), {"chosen": chosen}
    elif kind == "item-mean":
        means = given.groupby("item")["rating"].mean().reindex(range(p))
        found = means.fillna(given["rating"].mean()).to_numpy()[item]
    elif kind == "mean":
        found = np.full(len(test), given["rating"].mean())
    else:
        raise InputError(
            f"kind of method '{kind}' is not one of ratings-not-miwae, mf, mf-ips, item-mean, mean"
        )
    error = found - test["rating"].to_numpy()
    metrics |= {
        "mse": float(np.mean(error**2)),
        "mae": float(np.mean(np.abs(error))),
        "bias": float(np.mean(error)),
    }
    return {"ratings": {"given": len(given), "scored": len(test)}, "metrics": metrics, **extra}


def _tables(configuration: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame, int, int]:
    table = configuration["table"]
    if table["make"] == "coat":
        given, drawn = load_coat()
    elif table["make"] == "yahoo-r3":
        given, drawn = load_yahoo_r3(table["folder"])
    else:
        raise InputError(f"table make '{table['make']}' is not one of coat, yahoo-r3")
    rows = configuration["rows"]
    if rows is not None:
        given, drawn = given[given["user"] < rows], drawn[drawn["user"] < rows]
        drawn = drawn[drawn["item"].isin(given["item"])]
        numbers = pd.Series(range(given["item"].nunique()), index=np.unique(given["item"]))
        given, drawn = (t.assign(item=t["item"].map(numbers)) for t in (given, drawn))
    n = int(max(given["user"].max(), drawn["user"].max())) + 1
    p = int(max(given["item"].max(), drawn["item"].max())) + 1
    return given, drawn, n, p


def _by_model(
    configuration: Mapping[str, Any],
    given: pd.DataFrame,
    n: int,
    p: int,
    user: np.ndarray,
    item: np.ndarray,
    seed: int,
) -> tuple[np.ndarray, dict[str, Any], dict[str, Any]]:
    options = dict(configuration["model"])
    levels = [1, 2, 3, 4, 5] if options.pop("ratings", "gaussian") == "categorical" else None
    data = Ratings.from_triples(
        given["user"].to_numpy(),
        given["item"].to_numpy(),
        given["rating"].to_numpy(),
        num_users=n,
        num_items=p,
        levels=levels,
    )
    begun = time.perf_counter()
    training = {"validation": 0.1, **configuration["fit"]}
    best: tuple[float, Any, dict[str, Any]] | None = None
    bounds: dict[str, float] = {}
    for candidate in list(candidates(configuration["choose"])) or [{}]:
        stated = as_published("ratings-not-miwae", {**options, **candidate})
        model = RatingsNotMIWAE(data, seed=seed, **stated)
        fitted = fit(model, data, seed=seed, **training)
        bounds[", ".join(f"{k}={v}" for k, v in candidate.items())] = fitted.bound
        if best is None or fitted.bound > best[0]:
            best = fitted.bound, fitted, candidate
    assert best is not None
    bound, fitted, chosen = best
    fit_seconds = time.perf_counter() - begun
    settings = {"particles": 1000, **configuration["impute"]}
    found = predict_ratings(fitted, data, user, item, seed=seed, **settings)
    slope = fitted.model.missingness.estimands().get("slope")
    slope = None if slope is None else float(slope[0].detach())
    metrics = {"bound": bound, "slope": slope, "fit_seconds": round(fit_seconds, 1)}
    return found, metrics, {"chosen": chosen, "bounds": bounds}
