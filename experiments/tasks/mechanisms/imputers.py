"""The methods of the benchmark: each completes a case, and says what that cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.impute import KNNImputer

from ....data import IncompleteData
from ....data.errors import InputError
from ....inference import impute, multiple_imputation
from ....models import AveragedMissingness, NotMIWAE, NotMIWAEPPCA
from ...baselines import chained
from ...mixed_baselines import MixedCompleted, mean_mode, mice, miss_forest
from ...peers import run_peer
from ..fitting import fit
from ..methods import MODELS, latent_size
from .cases import Case, is_nominal
from .matrix import completed_as_matrix

#: kinds of method that are told that each column goes missing by its own value: the first one also
#: in which direction, and fitted by gradients; the second one sampled
TOLD = ("told", "told the form")
_DRAWS = 200
_ROUNDS = 5


@dataclass(frozen=True, eq=False)
class Completed:
    """A case that a method has completed.

    Attributes:
        point: (n, p) completed numbers and codes. Codes with an order are expectations.
        cpu_seconds: what the completed table and the draws cost.
        chances: for each column of levels without order, their probabilities (n, V).
        draws: (D, n, p) tables for intervals of cells; None for a method that gives none.
        tables: (m, n, p) tables for Rubin's rules; None for a method that gives none.
        pooling_cpu_seconds: what those tables cost on top.
        extra: what else the result of a cell is to hold.
    """

    point: np.ndarray
    cpu_seconds: float
    chances: Mapping[str, np.ndarray]
    draws: np.ndarray | None = None
    tables: np.ndarray | None = None
    pooling_cpu_seconds: float = 0.0
    extra: Mapping[str, Any] = field(default_factory=dict)


def completed(configuration: Mapping[str, Any], case: Case) -> Completed:
    """Complete a case by the method of a configuration.

    Raises:
        InputError: for a kind of method that is not known.
    """
    kind = configuration["kind"]
    if kind in BASELINES:
        return _by_baseline(configuration, case)
    if kind == "peer":
        return _by_library(configuration, case)
    if kind in (*MODELS, *TOLD):
        return _by_model(configuration, case)
    known = ", ".join([*BASELINES, "peer", *MODELS, *TOLD])
    raise InputError(f"kind of method '{kind}' is not one of {known}")


def _neighbours(data: IncompleteData, seed: int, k: int = 5) -> MixedCompleted:
    return completed_as_matrix(data, KNNImputer(n_neighbors=k).fit_transform)


#: other methods that run in this process, by name: functions of the data, a seed and options
BASELINES: Mapping[str, Callable[..., MixedCompleted]] = {
    "mean": lambda data, seed: mean_mode(data),
    "knn": _neighbours,
    "mice": lambda data, seed: mice(data),
    "missforest": lambda data, seed, **options: miss_forest(data, seed, **options),
}


def _by_baseline(configuration: Mapping[str, Any], case: Case) -> Completed:
    kind, seed, data = configuration["kind"], int(configuration["seed"]), case.data
    begun = time.process_time()
    found = BASELINES[kind](data, seed, **configuration["model"])
    seconds = time.process_time() - begun
    tables = None
    m = int(configuration["impute"].get("m", 0))
    if kind == "mice" and m and not any(column.levels for column in data.schema):
        begun = time.process_time()
        sampled = [_chain(data, seed + k) for k in range(m)]
        tables, cost = np.stack(sampled), time.process_time() - begun
    else:
        cost = 0.0
    point = _expected(data, found)
    return Completed(point, seconds, _nominal(data, found), tables, tables, cost)


def _by_library(configuration: Mapping[str, Any], case: Case) -> Completed:
    """Complete a case by another library in an environment of its own, measured as a process."""
    used = []

    def complete(table: np.ndarray) -> np.ndarray:
        found = run_peer(configuration["model"]["name"], table, int(configuration["seed"]))
        used.append(found.seconds)
        return found.completed

    found = completed_as_matrix(case.data, complete)
    return Completed(found.values, sum(used), found.chances)


def _chain(data: IncompleteData, seed: int) -> np.ndarray:
    """Sample a table of numbers by five rounds of draws, as many as R's mice takes."""

    def sampled(table: np.ndarray) -> np.ndarray:
        return chained(table, seed, sample_posterior=True, max_iter=_ROUNDS)

    return completed_as_matrix(data, sampled).values


def _expected(data: IncompleteData, found: MixedCompleted) -> np.ndarray:
    """Return the completed table with expectations of codes that have an order."""
    point = found.values.astype(float).copy()
    for j, column in enumerate(data.schema):
        gone = np.isnan(data.values[:, j])
        if column.name in found.chances and not is_nominal(column):
            share = found.chances[column.name][gone]
            point[gone, j] = share @ np.arange(share.shape[1])
    return point


def _nominal(data: IncompleteData, found: MixedCompleted) -> dict[str, np.ndarray]:
    return {c.name: found.chances[c.name] for c in data.schema if is_nominal(c)}


def _by_model(configuration: Mapping[str, Any], case: Case) -> Completed:
    seed, data = int(configuration["seed"]), case.data
    options = dict(configuration["impute"])
    m, parameters = int(options.pop("m", 0)), options.pop("parameters", "auto")
    draws = int(options.pop("draws", _DRAWS))
    begun = time.process_time()
    model = made_for(configuration, case)
    fitted = fit(model, data, seed=seed, **{"optimiser": "auto", **configuration["fit"]})
    found = impute(fitted, data, draws=draws, seed=seed, check=False, **options)
    point, sampled = found.mean, found.draws(draws)
    chances = {}
    for j, column in enumerate(data.schema):
        if is_nominal(column):
            share = np.zeros((len(data), column.num_values))
            share[np.isnan(data.values[:, j])] = found.probabilities(column.name).to_numpy()
            chances[column.name] = share
    seconds = time.process_time() - begun
    tables, begun = None, time.process_time()
    if m:
        tables = multiple_imputation(fitted, data, m, parameters=parameters, seed=seed).values
    extra = {
        "bound": fitted.bound,
        "khat_good": float(found.reliable.mean()),
        "mechanism": str(model.missingness.describe()),
    }
    cost = time.process_time() - begun
    return Completed(point, seconds, chances, sampled, tables, cost, extra)


def made_for(configuration: Mapping[str, Any], case: Case) -> Any:
    """Make the model of a method for a case."""
    options = dict(configuration["model"])
    if isinstance(options.get("latent_dim"), str):
        options["latent_dim"] = latent_size(options["latent_dim"], len(case.data.columns))
    seed = int(configuration["seed"])
    if configuration["kind"] == "told":
        make = NotMIWAE if "decoder" in options else NotMIWAEPPCA
        return make(case.data, told_form(case), seed=seed, **options)
    if configuration["kind"] == "told the form":
        p = len(case.data.columns)
        known = AveragedMissingness(p, p, forms=["own value"])
        return NotMIWAE(case.data, known, seed=seed, **options)
    return MODELS[configuration["kind"]](case.data, seed=seed, **options)


def told_form(case: Case) -> dict[str, str]:
    """Return a formula for each self-masked column, with the direction in which it goes missing.

    The direction is that of the mechanism's own probabilities, and so is not learnt.
    """
    told = {}
    for j, column in enumerate(case.data.schema):
        gone, own = 1 - case.chance[:, j], case.truth[:, j]
        if np.ptp(gone) == 0 or np.ptp(own) == 0:
            continue
        if is_nominal(column):  # its levels have random scores, which are not told
            told[column.name] = column.name
            continue
        sign = "+" if np.corrcoef(own, gone)[0, 1] > 0 else "-"
        told[column.name] = f"{sign}{column.name}"
    return told
